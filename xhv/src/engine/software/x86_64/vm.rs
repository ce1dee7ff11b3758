//! The virtual machine of the software engine: memory, spaces, time, interrupt controllers. The seam's VM functions.
//!
//! Each has the framework's name without `hv_` or `hv_vm_`, and answers as the framework does. Unlike there, a process may have
//! several VMs.

use core::sync::atomic::{AtomicU64, Ordering};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::apic::Chip;
use super::pio::{Notifier, Notifiers};
use super::time::{Clock, Source};
use super::vmx::capabilities;
use crate::engine::software::memory::{AddressSpace, Bus, Mapping};
use crate::error::Code;
use crate::memory::{Memory, Permissions, lock};
use crate::time::absolute_ticks;
use crate::x86_64::ffi::{hv_atpic_state_ext_t, hv_ioapic_state_ext_t};

/// Bits of `hv_vm_options_t`: mitigations (without effect here), and the interrupt controllers.
const OPTIONS: u64 = 0x45f;
const ACCEL_APIC: u64 = 1 << 10;

/// A guest-physical address space and how many vCPUs run in it.
#[derive(Debug)]
struct Space {
    memory: Arc<AddressSpace>,
    users: u32,
}

impl Space {
    fn new(bus: &Arc<Bus>) -> Self {
        Self {
            memory: Arc::new(AddressSpace::on(bus.clone())),
            users: 0,
        }
    }
}

#[derive(Debug)]
struct Inner {
    bus: Arc<Bus>,
    spaces: Mutex<BTreeMap<u32, Space>>,
    /// vCPU ids in use.
    vcpus: Mutex<u64>,
    tsc_offset: Arc<AtomicU64>,
    notifiers: Notifiers,
    chip: Option<Arc<Chip>>,
    source: Source,
}

/// A virtual machine. It goes away with its last handle and vCPU.
#[derive(Clone, Debug)]
pub(crate) struct Vm(Arc<Inner>);

impl Vm {
    /// `hv_vm_create`. Unknown options are [`Code::BAD_ARGUMENT`].
    pub(crate) fn create(options: u64) -> Result<Self, Code> {
        Self::create_with(options, Source::Host)
    }

    /// The same, with a clock.
    pub(crate) fn create_with(options: u64, source: Source) -> Result<Self, Code> {
        if options & !OPTIONS != 0 {
            return Err(Code::BAD_ARGUMENT);
        }
        let bus = Arc::default();
        let spaces = BTreeMap::from([(0, Space::new(&bus))]);
        Ok(Self(Arc::new(Inner {
            bus,
            spaces: Mutex::new(spaces),
            vcpus: Mutex::default(),
            tsc_offset: Arc::default(),
            notifiers: Notifiers::default(),
            chip: (options & ACCEL_APIC != 0).then(Chip::new),
            source,
        })))
    }

    /// `hv_capability`.
    pub(crate) fn capability(&self, id: u64) -> Result<u64, Code> {
        capabilities::limit(id)
    }

    /// `hv_vmx_read_capability`.
    pub(crate) fn read_capability(field: u32) -> Result<u64, Code> {
        capabilities::read(field)
    }

    /// `hv_vmx_get_msr_info`.
    pub(crate) fn get_msr_info(field: u64) -> Result<u64, Code> {
        capabilities::msr_info(field)
    }

    /// The memory of a space.
    pub(super) fn space(&self, space: u32) -> Result<Arc<AddressSpace>, Code> {
        let spaces = lock(&self.0.spaces);
        let found = spaces.get(&space).ok_or(Code::BAD_ARGUMENT)?;
        Ok(found.memory.clone())
    }

    /// `hv_vm_map_space`.
    pub(crate) fn map(
        &self,
        space: u32,
        memory: &Memory,
        offset: u64,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        let end = offset.checked_add(size).ok_or(Code::BAD_ARGUMENT)?;
        if end > memory.size() || !is_possible(permissions) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.space(space)?.map(Mapping {
            gpa,
            size,
            memory: memory.clone(),
            offset,
            permissions,
        })
    }

    /// `hv_vm_unmap_space`.
    pub(crate) fn unmap(&self, space: u32, gpa: u64, size: u64) -> Result<(), Code> {
        self.space(space)?.unmap(gpa, size)
    }

    /// `hv_vm_protect_space`.
    pub(crate) fn protect(
        &self,
        space: u32,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        if !is_possible(permissions) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.space(space)?.protect(gpa, size, permissions)
    }

    /// `hv_vm_space_create`.
    pub(crate) fn space_create(&self) -> Result<u32, Code> {
        let mut spaces = lock(&self.0.spaces);
        let free = (1..capabilities::SPACE_MAX).find(|id| !spaces.contains_key(id));
        let id = free.ok_or(Code::NO_RESOURCES)?;
        spaces.insert(id, Space::new(&self.0.bus));
        Ok(id)
    }

    /// `hv_vm_space_destroy`. Space 0 stays; a space in use is [`Code::BUSY`].
    pub(crate) fn space_destroy(&self, space: u32) -> Result<(), Code> {
        let mut spaces = lock(&self.0.spaces);
        match spaces.get(&space) {
            Some(_) if space == 0 => Err(Code::BAD_ARGUMENT),
            Some(known) if known.users > 0 => Err(Code::BUSY),
            Some(_) => {
                spaces.remove(&space);
                Ok(())
            }
            None => Err(Code::BAD_ARGUMENT),
        }
    }

    /// A vCPU moves from a space (if it had one) to another.
    pub(super) fn use_space(&self, from: Option<u32>, to: u32) -> Result<Arc<AddressSpace>, Code> {
        let mut spaces = lock(&self.0.spaces);
        let target = spaces.get_mut(&to).ok_or(Code::BAD_ARGUMENT)?;
        target.users += 1;
        let memory = target.memory.clone();
        if let Some(left) = from.and_then(|from| spaces.get_mut(&from)) {
            left.users = left.users.saturating_sub(1);
        }
        Ok(memory)
    }

    /// Takes the lowest free vCPU id.
    pub(super) fn take_id(&self) -> Result<u32, Code> {
        let mut used = lock(&self.0.vcpus);
        let id = used.trailing_ones();
        if id >= capabilities::VCPU_MAX {
            return Err(Code::NO_RESOURCES);
        }
        *used |= 1 << id;
        Ok(id)
    }

    /// A vCPU is gone.
    pub(super) fn give_back(&self, id: u32, space: u32) {
        *lock(&self.0.vcpus) &= !(1 << id);
        if let Some(known) = lock(&self.0.spaces).get_mut(&space) {
            known.users = known.users.saturating_sub(1);
        }
    }

    pub(super) fn clock(&self) -> Clock {
        Clock::new(self.0.source, self.0.tsc_offset.clone())
    }

    pub(super) fn notifiers(&self) -> Notifiers {
        self.0.notifiers.clone()
    }

    pub(super) fn chip(&self) -> Option<&Arc<Chip>> {
        self.0.chip.as_ref()
    }

    /// The interrupt controllers; [`Code::UNSUPPORTED`] in a VM without `HV_VM_ACCEL_APIC`.
    fn need_chip(&self) -> Result<&Arc<Chip>, Code> {
        self.chip().ok_or(Code::UNSUPPORTED)
    }

    /// `hv_vm_sync_tsc`: the TSC of every vCPU goes on from `tsc`.
    pub(crate) fn sync_tsc(&self, tsc: u64) -> Result<(), Code> {
        let now = match self.0.source {
            Source::Host => absolute_ticks(),
            // Each vCPU has its own time, which begins with it.
            Source::Instructions => 0,
        };
        self.0
            .tsc_offset
            .store(tsc.wrapping_sub(now), Ordering::Relaxed);
        Ok(())
    }

    /// `hv_tsc_clock`.
    pub(crate) fn tsc_clock() -> u64 {
        absolute_ticks()
    }

    /// `hv_vm_add_pio_notifier`.
    pub(crate) fn add_pio_notifier(
        &self,
        addr: u16,
        size: usize,
        value: u32,
        port: u32,
        flags: u32,
    ) -> Result<(), Code> {
        self.0.notifiers.add(Notifier {
            addr,
            size,
            value,
            port,
            flags,
        })
    }

    /// `hv_vm_remove_pio_notifier`.
    pub(crate) fn remove_pio_notifier(
        &self,
        addr: u16,
        size: usize,
        value: u32,
        port: u32,
        flags: u32,
    ) -> Result<(), Code> {
        self.0.notifiers.remove(Notifier {
            addr,
            size,
            value,
            port,
            flags,
        })
    }

    /// `hv_vm_lapic_set_intr`.
    pub(crate) fn lapic_set_intr(&self, vcpu: u32, vector: u8, trigger: u32) -> Result<(), Code> {
        self.need_chip()?.set_intr(vcpu, vector, trigger)
    }

    /// `hv_vm_lapic_msi`.
    pub(crate) fn lapic_msi(&self, addr: u64, data: u64) -> Result<(), Code> {
        self.need_chip()?.msi(addr, data)
    }

    /// `hv_vm_ioapic_assert_irq`.
    pub(crate) fn ioapic_assert_irq(&self, intin: i32) -> Result<(), Code> {
        self.need_chip()?.set_line(intin, &[true])
    }

    /// `hv_vm_ioapic_deassert_irq`.
    pub(crate) fn ioapic_deassert_irq(&self, intin: i32) -> Result<(), Code> {
        self.need_chip()?.set_line(intin, &[false])
    }

    /// `hv_vm_ioapic_pulse_irq`.
    pub(crate) fn ioapic_pulse_irq(&self, intin: i32) -> Result<(), Code> {
        self.need_chip()?.set_line(intin, &[true, false])
    }

    /// `hv_vm_ioapic_read`.
    pub(crate) fn ioapic_read(&self, gpa: u64) -> Result<u32, Code> {
        Ok(self.need_chip()?.ioapic_read(gpa))
    }

    /// `hv_vm_ioapic_write`.
    pub(crate) fn ioapic_write(&self, gpa: u64, data: u32) -> Result<(), Code> {
        self.need_chip()?.ioapic_write(gpa, data);
        Ok(())
    }

    /// `hv_vm_ioapic_get_state`.
    pub(crate) fn ioapic_get_state(&self, state: &mut hv_ioapic_state_ext_t) -> Result<(), Code> {
        self.need_chip()?.ioapic_get_state(state)
    }

    /// `hv_vm_ioapic_put_state`.
    pub(crate) fn ioapic_put_state(&self, state: &hv_ioapic_state_ext_t) -> Result<(), Code> {
        self.need_chip()?.ioapic_put_state(state)
    }

    /// `hv_vm_send_ioapic_intr`.
    pub(crate) fn send_ioapic_intr(&self, data: u64) -> Result<(), Code> {
        self.need_chip()?.send_entry(data);
        Ok(())
    }

    /// `hv_vm_atpic_assert_irq`.
    pub(crate) fn atpic_assert_irq(&self, irq: i32) -> Result<(), Code> {
        self.need_chip()?.set_pic_line(irq, true)
    }

    /// `hv_vm_atpic_deassert_irq`.
    pub(crate) fn atpic_deassert_irq(&self, irq: i32) -> Result<(), Code> {
        self.need_chip()?.set_pic_line(irq, false)
    }

    /// `hv_vm_atpic_port_read`.
    pub(crate) fn atpic_port_read(&self, port: i32) -> Result<u8, Code> {
        self.need_chip()?.pic_read(port)
    }

    /// `hv_vm_atpic_port_write`.
    pub(crate) fn atpic_port_write(&self, port: i32, value: u8) -> Result<(), Code> {
        self.need_chip()?.pic_write(port, value)
    }

    /// `hv_vm_atpic_get_state`.
    pub(crate) fn atpic_get_state(
        &self,
        state: &mut hv_atpic_state_ext_t,
        is_primary: bool,
    ) -> Result<(), Code> {
        self.need_chip()?.pic_get_state(state, is_primary)
    }

    /// `hv_vm_atpic_put_state`.
    pub(crate) fn atpic_put_state(
        &self,
        state: &hv_atpic_state_ext_t,
        is_primary: bool,
    ) -> Result<(), Code> {
        self.need_chip()?.pic_put_state(state, is_primary)
    }

    /// `hv_vm_set_apic_bus_freq`: only while the VM has no vCPU.
    pub(crate) fn set_apic_bus_freq(&self, hz: u64) -> Result<(), Code> {
        let chip = self.need_chip()?;
        if *lock(&self.0.vcpus) != 0 {
            return Err(Code::BUSY);
        }
        chip.set_bus_hz(hz)
    }
}

/// Whether EPT can express the permissions: writable without readable it cannot.
fn is_possible(permissions: Permissions) -> bool {
    permissions.contains(Permissions::READ) || !permissions.contains(Permissions::WRITE)
}
