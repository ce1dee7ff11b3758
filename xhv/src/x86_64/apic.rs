//! The interrupt controllers inside the engine (`VmOptions::ACCEL_APIC`, macOS 12.0): local APICs, I/O APIC, 8259 pair, MSI, and the
//! notifiers for port writes. Devices call the functions of [`Vm`] from any thread.

use super::ffi;
use super::vcpu::Vcpu;
use super::vm::Vm;
use crate::error::{Code, Error};
use crate::guest_memory::Gpa;

pub use ffi::{
    hv_apic_state_ext_t as ApicState, hv_atpic_state_ext_t as AtpicState,
    hv_ioapic_state_ext_t as IoapicState,
};

/// How a local APIC takes an interrupt (`hv_apic_intr_trigger_t`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Trigger {
    /// Edge.
    Edge,
    /// Edge, ended by itself.
    EdgeAutoEoi,
    /// Level.
    Level,
}

impl Trigger {
    fn raw(self) -> u32 {
        match self {
            Self::Edge => ffi::HV_APIC_EDGE_TRIGGER,
            Self::EdgeAutoEoi => ffi::HV_APIC_EDGE_TRIGGER_AEOI,
            Self::Level => ffi::HV_APIC_LEVEL_TRIGGER,
        }
    }
}

bitflags::bitflags! {
    /// Choices for a local APIC (`hv_apic_ctrl_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct ApicControls: u64 {
        /// EOI, ICR and TPR through MSRs in xAPIC mode too.
        const EOI_ICR_TPR = 0x1;
        /// An MSR that idles the vCPU.
        const GUEST_IDLE = 0x2;
        /// The client keeps the timer.
        const NO_TIMER = 0x4;
        /// EOIs for an I/O APIC exit.
        const IOAPIC_EOI = 0x8;
    }

    /// Choices for a port-write notifier (`hv_ion_flags_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct NotifierFlags: u32 {
        /// Any value matches.
        const ANY_VALUE = 1 << 1;
        /// Any size matches.
        const ANY_SIZE = 1 << 2;
        /// A full queue makes an ordinary exit; otherwise the message is dropped.
        const EXIT_FULL = 1 << 3;
    }
}

/// A port write that the engine tells by a message instead of an exit (macOS 11.0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Notifier {
    /// Port.
    pub port: u16,
    /// Bytes: 1, 2 or 4.
    pub size: usize,
    /// Value that the guest writes.
    pub value: u32,
    /// The Mach port that gets the message (`mach_port_t`).
    pub mach_port: u32,
    /// Choices.
    pub flags: NotifierFlags,
}

macro_rules! lines {
    ($($(#[$doc:meta])* $name:ident($($argument:ident: $type:ty),*) = $function:ident as $call:literal;)*) => {
        $(
            $(#[$doc])*
            ///
            /// # Errors
            /// [`Error::Call`] if the engine refuses, [`Error::Unavailable`] on older systems.
            pub fn $name(&self, $($argument: $type),*) -> Result<(), Error> {
                let answer = self.raw().$function($($argument),*);
                answer.map_err(|code| self.failed($call, code))
            }
        )*
    };
}

impl Vm {
    lines! {
        /// Raises an input of the I/O APIC.
        assert_ioapic_irq(intin: i32) = ioapic_assert_irq as "hv_vm_ioapic_assert_irq";
        /// Lowers an input of the I/O APIC.
        deassert_ioapic_irq(intin: i32) = ioapic_deassert_irq as "hv_vm_ioapic_deassert_irq";
        /// Raises and lowers an input of the I/O APIC.
        pulse_ioapic_irq(intin: i32) = ioapic_pulse_irq as "hv_vm_ioapic_pulse_irq";
        /// Sends a message-signalled interrupt: the address and the data that a device would write.
        send_msi(address: u64, data: u64) = lapic_msi as "hv_vm_lapic_msi";
        /// Sends the interrupt of a redirection entry, for a client with an I/O APIC of its own.
        send_ioapic_interrupt(entry: u64) = send_ioapic_intr as "hv_vm_send_ioapic_intr";
        /// Raises an input of the 8259 pair.
        assert_atpic_irq(irq: i32) = atpic_assert_irq as "hv_vm_atpic_assert_irq";
        /// Lowers an input of the 8259 pair.
        deassert_atpic_irq(irq: i32) = atpic_deassert_irq as "hv_vm_atpic_deassert_irq";
        /// A guest's OUT to a port of the 8259 pair.
        write_atpic_port(port: i32, value: u8) = atpic_port_write as "hv_vm_atpic_port_write";
        /// Frequency of all APIC timers in Hz, 16 MHz to 2 GHz; before the first vCPU.
        set_apic_bus_frequency(hz: u64) = set_apic_bus_freq as "hv_vm_set_apic_bus_freq";
    }

    fn answer<T>(&self, call: &'static str, answer: Result<T, Code>) -> Result<T, Error> {
        answer.map_err(|code| self.failed(call, code))
    }

    /// Sends an interrupt to a vCPU's local APIC; from any thread.
    ///
    /// # Errors
    /// [`Error::Call`] if there is no such vCPU, [`Error::Unavailable`] before macOS 12.0.
    pub fn send_lapic_interrupt(
        &self,
        vcpu: u32,
        vector: u8,
        trigger: Trigger,
    ) -> Result<(), Error> {
        let answer = self.raw().lapic_set_intr(vcpu, vector, trigger.raw());
        self.answer("hv_vm_lapic_set_intr", answer)
    }

    /// A guest's load from the I/O APIC's page.
    ///
    /// # Errors
    /// [`Error::Call`] if it is not there, [`Error::Unavailable`] before macOS 12.0.
    pub fn read_ioapic(&self, gpa: Gpa) -> Result<u32, Error> {
        self.answer("hv_vm_ioapic_read", self.raw().ioapic_read(gpa.0))
    }

    /// A guest's store to the I/O APIC's page.
    ///
    /// # Errors
    /// As [`Vm::read_ioapic`].
    pub fn write_ioapic(&self, gpa: Gpa, data: u32) -> Result<(), Error> {
        self.answer("hv_vm_ioapic_write", self.raw().ioapic_write(gpa.0, data))
    }

    /// A guest's IN from a port of the 8259 pair.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses, [`Error::Unavailable`] before macOS 12.0.
    pub fn read_atpic_port(&self, port: i32) -> Result<u8, Error> {
        self.answer("hv_vm_atpic_port_read", self.raw().atpic_port_read(port))
    }

    /// State of the I/O APIC, for a snapshot.
    ///
    /// # Errors
    /// As [`Vm::read_ioapic`].
    pub fn ioapic_state(&self) -> Result<IoapicState, Error> {
        let mut state = no_ioapic();
        let answer = self.raw().ioapic_get_state(&mut state);
        self.answer("hv_vm_ioapic_get_state", answer)?;
        Ok(state)
    }

    /// Sets the state of the I/O APIC; no vCPU may run.
    ///
    /// # Errors
    /// As [`Vm::read_ioapic`].
    pub fn set_ioapic_state(&self, state: &IoapicState) -> Result<(), Error> {
        self.answer("hv_vm_ioapic_put_state", self.raw().ioapic_put_state(state))
    }

    /// State of the primary or secondary 8259, for a snapshot.
    ///
    /// # Errors
    /// As [`Vm::read_ioapic`].
    pub fn atpic_state(&self, primary: bool) -> Result<AtpicState, Error> {
        let mut state = no_atpic();
        let answer = self.raw().atpic_get_state(&mut state, primary);
        self.answer("hv_vm_atpic_get_state", answer)?;
        Ok(state)
    }

    /// Sets the state of the primary or secondary 8259; no vCPU may run.
    ///
    /// # Errors
    /// As [`Vm::read_ioapic`].
    pub fn set_atpic_state(&self, state: &AtpicState, primary: bool) -> Result<(), Error> {
        let answer = self.raw().atpic_put_state(state, primary);
        self.answer("hv_vm_atpic_put_state", answer)
    }

    /// From now on the write sends a message and does not exit (macOS 11.0).
    ///
    /// # Errors
    /// [`Error::Call`] if there is such a notifier already, [`Error::Unavailable`] before macOS 11.0.
    pub fn add_notifier(&self, notifier: Notifier) -> Result<(), Error> {
        let Notifier {
            port,
            size,
            value,
            mach_port,
            flags,
        } = notifier;
        let answer = self
            .raw()
            .add_pio_notifier(port, size, value, mach_port, flags.bits());
        self.answer("hv_vm_add_pio_notifier", answer)
    }

    /// Takes a notifier away; every member has to be as it was added.
    ///
    /// # Errors
    /// [`Error::Call`] if there is none such, [`Error::Unavailable`] before macOS 11.0.
    pub fn remove_notifier(&self, notifier: Notifier) -> Result<(), Error> {
        let Notifier {
            port,
            size,
            value,
            mach_port,
            flags,
        } = notifier;
        let answer = self
            .raw()
            .remove_pio_notifier(port, size, value, mach_port, flags.bits());
        self.answer("hv_vm_remove_pio_notifier", answer)
    }
}

impl Vcpu {
    fn told<T>(&self, call: &'static str, answer: Result<T, Code>) -> Result<T, Error> {
        answer.map_err(|code| self.failed(call, code))
    }

    /// Puts the APIC page at `gpa`, in place of what is mapped there: accesses go to the engine's local APIC, or to the client as
    /// MMIO. Needs the control `VIRTUALIZE_APIC_ACCESSES`, which the presets set for a VM with [`super::VmOptions::ACCEL_APIC`].
    ///
    /// # Errors
    /// [`Error::Call`] if `gpa` is no page.
    pub fn set_apic_address(&mut self, gpa: Gpa) -> Result<(), Error> {
        let answer = self.engine.set_apic_address(gpa.0);
        self.told("hv_vmx_vcpu_set_apic_address", answer)?;
        self.apic_page = gpa;
        Ok(())
    }

    /// As [`Vcpu::set_apic_address`], in another address space (macOS 12.0, looked up at run time).
    ///
    /// # Errors
    /// As there; [`Error::Unavailable`] on older systems.
    pub fn set_apic_address_in(&mut self, space: &super::Space, gpa: Gpa) -> Result<(), Error> {
        let answer = self.engine.set_apic_address_space(space.id(), gpa.0);
        self.told("hv_vmx_vcpu_set_apic_address_space", answer)?;
        self.apic_page = gpa;
        Ok(())
    }

    /// Queues an interrupt of an external 8259; one can wait.
    ///
    /// # Errors
    /// [`Error::Call`] if one waits already, [`Error::Unavailable`] before macOS 12.0.
    pub fn inject_external_interrupt(&mut self) -> Result<(), Error> {
        let answer = self.engine.inject_extint();
        self.told("hv_vcpu_inject_extint", answer)
    }

    /// Reads a register of the engine's local APIC, by its offset in the page.
    ///
    /// # Errors
    /// [`Error::Call`] for an unknown offset, [`Error::Unavailable`] before macOS 12.0.
    pub fn read_apic(&mut self, offset: u32) -> Result<u32, Error> {
        let answer = self.engine.apic_read(offset);
        self.told("hv_vcpu_apic_read", answer)
    }

    /// Writes a register of the engine's local APIC. If the write has side effects for the client, they are in the answer.
    ///
    /// # Errors
    /// As [`Vcpu::read_apic`].
    pub fn write_apic(&mut self, offset: u32, value: u32) -> Result<super::ApicWrite, Error> {
        let answer = self.engine.apic_write(offset, value);
        let no_side_effect = self.told("hv_vcpu_apic_write", answer)?;
        Ok(super::ApicWrite { no_side_effect })
    }

    /// State of the engine's local APIC, for a snapshot.
    ///
    /// # Errors
    /// [`Error::Call`] if there is none, [`Error::Unavailable`] before macOS 12.0.
    pub fn apic_state(&self) -> Result<ApicState, Error> {
        let mut state = no_apic();
        let answer = self.engine.apic_get_state(&mut state);
        self.told("hv_vcpu_apic_get_state", answer)?;
        Ok(state)
    }

    /// Sets the state of the engine's local APIC; no vCPU may run.
    ///
    /// # Errors
    /// As [`Vcpu::apic_state`].
    pub fn set_apic_state(&mut self, state: &ApicState) -> Result<(), Error> {
        let answer = self.engine.apic_put_state(state);
        self.told("hv_vcpu_apic_put_state", answer)
    }

    /// Chooses how the engine's local APIC behaves.
    ///
    /// # Errors
    /// As [`Vcpu::apic_state`].
    pub fn set_apic_controls(&mut self, controls: ApicControls) -> Result<(), Error> {
        let answer = self.engine.apic_ctrl(controls.bits());
        self.told("hv_vcpu_apic_ctrl", answer)
    }

    /// Fires the timer entry of the local vector table, for a client that keeps the timer.
    ///
    /// # Errors
    /// As [`Vcpu::apic_state`].
    pub fn trigger_apic_timer(&mut self) -> Result<(), Error> {
        let answer = self.engine.apic_trigger_lvt(ffi::HV_APIC_LVT_FLAVOR_TIMER);
        self.told("hv_vcpu_apic_trigger_lvt", answer)
    }

    /// Forgets the MOVs to and from the APIC page that the engine was taught.
    ///
    /// # Errors
    /// As [`Vcpu::apic_state`].
    pub fn invalidate_apic_cache(&mut self) -> Result<(), Error> {
        let answer = self.engine.apic_lsc_invalidate();
        self.told("hv_vcpu_apic_lsc_invalidate", answer)
    }

    /// Teaches the engine a MOV between a register (an id of `reg`) and the APIC page: `code` has the host addresses of the one or two pages
    /// that the instruction lies in, by which the kernel notices that it is changed.
    ///
    /// A hint: accesses by the instruction may exit all the same. On the software engine, whose exits cost no switch to a kernel, they do.
    ///
    /// # Errors
    /// As [`Vcpu::apic_state`].
    pub fn teach_apic_move(
        &mut self,
        place: ApicInstruction,
        is_load: bool,
        register: u32,
        code: &[u64],
    ) -> Result<(), Error> {
        let ApicInstruction { rip, length, cs } = place;
        let answer = self
            .engine
            .apic_lsc_enter_r32(is_load, rip, length, cs, register, code);
        self.told("hv_vcpu_apic_lsc_enter_r32", answer)
    }

    /// Teaches the engine a store of a constant to the APIC page.
    ///
    /// # Errors
    /// As [`Vcpu::apic_state`].
    pub fn teach_apic_store(
        &mut self,
        place: ApicInstruction,
        value: u32,
        code: &[u64],
    ) -> Result<(), Error> {
        let ApicInstruction { rip, length, cs } = place;
        let answer = self
            .engine
            .apic_lsc_enter_imm32(rip, length, cs, value, code);
        self.told("hv_vcpu_apic_lsc_enter_imm32", answer)
    }
}

/// Where an instruction is that the engine is taught.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ApicInstruction {
    /// RIP.
    pub rip: u64,
    /// Bytes.
    pub length: u32,
    /// Selector of CS.
    pub cs: u16,
}

fn no_apic() -> ApicState {
    ApicState {
        version: ffi::HV_APIC_STATE_EXT_VER,
        state: ffi::hv_apic_state {
            apic_gpa: 0,
            apic_controls: 0,
            tsc_deadline: 0,
            apic_id: 0,
            ver: 0,
            tpr: 0,
            apr: 0,
            ldr: 0,
            dfr: 0,
            svr: 0,
            isr: [0; 8],
            tmr: [0; 8],
            irr: [0; 8],
            esr: 0,
            lvt: [0; 7],
            icr: [0; 2],
            icr_timer: 0,
            dcr_timer: 0,
            ccr_timer: 0,
            esr_pending: 0,
            boot_state: 0,
            aeoi: [0; 8],
        },
    }
}

fn no_ioapic() -> IoapicState {
    IoapicState {
        version: ffi::HV_IOAPIC_STATE_EXT_VER,
        state: ffi::hv_ioapic_state {
            rtbl: [0; 32],
            irr: 0,
            ioa_id: 0,
            ioregsel: 0,
        },
    }
}

fn no_atpic() -> AtpicState {
    AtpicState {
        version: ffi::HV_ATPIC_STATE_EXT_VER,
        state: ffi::hv_atpic_state {
            ready: false,
            icw_num: 0,
            rd_cmd_reg: 0,
            aeoi: false,
            poll: false,
            rotate: false,
            sfn: false,
            irq_base: 0,
            request: 0,
            service: 0,
            mask: 0,
            smm: false,
            last_request: 0,
            lowprio: 0,
            intr_raised: false,
            elc: 0,
        },
    }
}
