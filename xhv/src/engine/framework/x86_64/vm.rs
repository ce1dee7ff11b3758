//! Calls of the framework that belong to the VM of this process.
#![allow(unsafe_code)] // Calls the framework's C functions.

use std::sync::Arc;

use super::answer;
use crate::error::Code;
use crate::memory::{Memory, Permissions};
use crate::x86_64::ffi;

/// The VM of this process. It is destroyed with the last clone; vCPUs hold one.
#[derive(Clone, Debug)]
pub(crate) struct Vm(#[expect(dead_code, reason = "held for its Drop")] Arc<Alive>);

/// That the process has a VM.
#[derive(Debug)]
struct Alive;

impl Drop for Alive {
    fn drop(&mut self) {
        // SAFETY: the VM exists, since only a successful `hv_vm_create` makes an `Alive`, and no vCPU is left: each holds a clone.
        // A failure leaves the VM to the end of the process.
        let _ = unsafe { ffi::hv_vm_destroy() };
    }
}

type Answer<T> = Result<T, Code>;

macro_rules! calls {
    ($(fn $function:ident($($argument:ident: $type:ty),*) = $binding:ident;)*) => {$(
        pub(crate) fn $function(&self, $($argument: $type),*) -> Answer<()> {
            // SAFETY: the VM exists while `self` does, and the call takes plain numbers.
            answer(unsafe { ffi::$binding($($argument),*) })
        }
    )*};
}

macro_rules! reads {
    ($(fn $function:ident($($argument:ident: $type:ty),*) -> $value:ty = $binding:ident;)*) => {$(
        pub(crate) fn $function(&self, $($argument: $type),*) -> Answer<$value> {
            let mut value = <$value>::default();
            // SAFETY: the VM exists while `self` does, and `value` is a place for the answer.
            answer(unsafe { ffi::$binding($($argument,)* &raw mut value) })?;
            Ok(value)
        }
    )*};
}

impl Vm {
    pub(crate) fn create(options: u64) -> Answer<Self> {
        // SAFETY: the call takes a plain number.
        answer(unsafe { ffi::hv_vm_create(options) })?;
        Ok(Self(Arc::new(Alive)))
    }

    pub(crate) fn read_capability(field: u32) -> Answer<u64> {
        let mut value = 0;
        // SAFETY: `value` is a place for the answer.
        answer(unsafe { ffi::hv_vmx_read_capability(field, &raw mut value) })?;
        Ok(value)
    }

    pub(crate) fn get_msr_info(field: u64) -> Answer<u64> {
        let mut value = 0;
        // SAFETY: `value` is a place for the answer.
        answer(unsafe { ffi::hv_vmx_get_msr_info(field, &raw mut value) })?;
        Ok(value)
    }

    pub(crate) fn tsc_clock() -> u64 {
        // SAFETY: the call takes nothing; without a VM its answer means nothing.
        unsafe { ffi::hv_tsc_clock() }
    }

    pub(crate) fn map(
        &self,
        space: u32,
        memory: &Memory,
        offset: u64,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Answer<()> {
        let host = memory
            .as_ptr()
            .wrapping_add(offset as usize)
            .cast_const()
            .cast();
        let (size, flags) = (size as usize, permissions.bits());
        answer(match space {
            // SAFETY: the seam's caller checked that the range lies in `memory` and keeps a clone of it until it is unmapped.
            0 => unsafe { ffi::hv_vm_map(host, gpa, size, flags) },
            // SAFETY: as above.
            _ => unsafe { ffi::hv_vm_map_space(space, host, gpa, size, flags) },
        })
    }

    pub(crate) fn unmap(&self, space: u32, gpa: u64, size: u64) -> Answer<()> {
        answer(match space {
            // SAFETY: the call takes plain numbers.
            0 => unsafe { ffi::hv_vm_unmap(gpa, size as usize) },
            // SAFETY: the call takes plain numbers.
            _ => unsafe { ffi::hv_vm_unmap_space(space, gpa, size as usize) },
        })
    }

    pub(crate) fn protect(
        &self,
        space: u32,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Answer<()> {
        let (size, flags) = (size as usize, permissions.bits());
        answer(match space {
            // SAFETY: the call takes plain numbers.
            0 => unsafe { ffi::hv_vm_protect(gpa, size, flags) },
            // SAFETY: the call takes plain numbers.
            _ => unsafe { ffi::hv_vm_protect_space(space, gpa, size, flags) },
        })
    }

    calls! {
        fn space_destroy(space: u32) = hv_vm_space_destroy;
        fn sync_tsc(tsc: u64) = hv_vm_sync_tsc;
        fn add_pio_notifier(address: u16, size: usize, value: u32, port: u32, flags: u32) = hv_vm_add_pio_notifier;
        fn remove_pio_notifier(address: u16, size: usize, value: u32, port: u32, flags: u32) = hv_vm_remove_pio_notifier;
        fn lapic_set_intr(vcpu: u32, vector: u8, trigger: u32) = hv_vm_lapic_set_intr;
        fn lapic_msi(address: u64, data: u64) = hv_vm_lapic_msi;
        fn ioapic_assert_irq(intin: i32) = hv_vm_ioapic_assert_irq;
        fn ioapic_deassert_irq(intin: i32) = hv_vm_ioapic_deassert_irq;
        fn ioapic_pulse_irq(intin: i32) = hv_vm_ioapic_pulse_irq;
        fn ioapic_write(gpa: u64, data: u32) = hv_vm_ioapic_write;
        fn send_ioapic_intr(data: u64) = hv_vm_send_ioapic_intr;
        fn atpic_assert_irq(irq: i32) = hv_vm_atpic_assert_irq;
        fn atpic_deassert_irq(irq: i32) = hv_vm_atpic_deassert_irq;
        fn atpic_port_write(port: i32, value: u8) = hv_vm_atpic_port_write;
        fn set_apic_bus_freq(hz: u64) = hv_vm_set_apic_bus_freq;
    }

    reads! {
        fn capability(id: u64) -> u64 = hv_capability;
        fn space_create() -> u32 = hv_vm_space_create;
        fn ioapic_read(gpa: u64) -> u32 = hv_vm_ioapic_read;
        fn atpic_port_read(port: i32) -> u8 = hv_vm_atpic_port_read;
    }

    pub(crate) fn ioapic_get_state(&self, state: &mut ffi::hv_ioapic_state_ext_t) -> Answer<()> {
        // SAFETY: `state` is a place for the answer, with its version set.
        answer(unsafe { ffi::hv_vm_ioapic_get_state(state) })
    }

    pub(crate) fn ioapic_put_state(&self, state: &ffi::hv_ioapic_state_ext_t) -> Answer<()> {
        // SAFETY: the call only reads `state`.
        answer(unsafe { ffi::hv_vm_ioapic_put_state(state) })
    }

    pub(crate) fn atpic_get_state(
        &self,
        state: &mut ffi::hv_atpic_state_ext_t,
        is_primary: bool,
    ) -> Answer<()> {
        // SAFETY: `state` is a place for the answer, with its version set.
        answer(unsafe { ffi::hv_vm_atpic_get_state(state, is_primary) })
    }

    pub(crate) fn atpic_put_state(
        &self,
        state: &ffi::hv_atpic_state_ext_t,
        is_primary: bool,
    ) -> Answer<()> {
        // SAFETY: the call only reads `state`.
        answer(unsafe { ffi::hv_vm_atpic_put_state(state, is_primary) })
    }
}
