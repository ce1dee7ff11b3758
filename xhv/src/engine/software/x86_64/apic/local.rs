//! A local APIC, shared between its vCPU and everybody who interrupts it.

use std::sync::{Arc, Mutex, MutexGuard};

use super::registers::{Effect, Registers, Trigger};
use super::{Chip, mode};
use crate::engine::software::memory::{Attention, Slot};
use crate::memory::lock;

/// Start of a vCPU (`hv_boot_state`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Boot {
    Init,
    StartUp,
    #[default]
    Running,
}

/// What the last exit, or the last write of an APIC register, asks the client to do (`hv_vm_exitinfo_t`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Information {
    /// Look at the VMCS.
    #[default]
    Vmx,
    /// INIT for these vCPUs.
    Init(Vec<u32>),
    /// Start-up for these vCPUs, at this address.
    StartUp(Vec<u32>, u64),
    /// The end of an interrupt that an I/O APIC of the client may know.
    IoapicEoi(u8),
    /// A read of the APIC page: what the guest is about to load.
    Read(u32),
}

impl Information {
    /// Its number in `hv_vm_exitinfo_t`.
    pub(crate) fn number(&self) -> u32 {
        match self {
            Self::Vmx => 1,
            Self::Init(_) => 2,
            Self::StartUp(..) => 3,
            Self::IoapicEoi(_) => 4,
            Self::Read(_) => 7,
        }
    }
}

/// The client hears of the end of level-triggered interrupts (`HV_APIC_CTRL_IOAPIC_EOI`).
const CONTROL_IOAPIC_EOI: u64 = 8;
/// The timer does not fire (`HV_APIC_CTRL_NO_TIMER`).
const CONTROL_NO_TIMER: u64 = 4;
/// EOI, ICR and TPR paravirtual; guest idle: accepted, without effect on a CPU whose register accesses all exit.
const CONTROLS: u64 = 0xf;

/// What is behind the lock.
#[derive(Debug)]
pub(super) struct State {
    pub(super) registers: Registers,
    pub(super) boot: Boot,
    pub(super) controls: u64,
}

/// A local APIC.
#[derive(Debug)]
pub(crate) struct Local {
    vcpu: u32,
    chip: Arc<Chip>,
    state: Mutex<State>,
    slot: Mutex<Arc<Slot>>,
}

impl Local {
    /// The local APIC of a new vCPU.
    pub(crate) fn new(chip: &Arc<Chip>, vcpu: u32, slot: Arc<Slot>) -> Arc<Self> {
        let bus_hz = chip.bus_hz.load(core::sync::atomic::Ordering::Relaxed);
        let boot = if vcpu == 0 { Boot::Running } else { Boot::Init };
        let local = Arc::new(Self {
            vcpu,
            chip: chip.clone(),
            state: Mutex::new(State {
                registers: Registers::new(vcpu, bus_hz, vcpu == 0),
                boot,
                controls: 0,
            }),
            slot: Mutex::new(slot),
        });
        let mut locals = lock(&chip.locals);
        locals.retain(|local| local.strong_count() > 0);
        locals.push(Arc::downgrade(&local));
        drop(locals);
        local
    }

    /// The vCPU moved to another address space, and with it to another slot.
    pub(crate) fn set_slot(&self, slot: Arc<Slot>) {
        *lock(&self.slot) = slot;
    }

    pub(crate) fn vcpu(&self) -> u32 {
        self.vcpu
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Makes the vCPU look at its interrupts.
    pub(crate) fn wake(&self) {
        lock(&self.slot).ask(Attention::EVENT);
    }

    pub(super) fn is_destination(&self, to: u8, logical: bool) -> bool {
        self.state().registers.is_destination(to, logical)
    }

    pub(super) fn priority(&self) -> u8 {
        self.state().registers.ppr()
    }

    /// Raises an interrupt, from any thread.
    pub(crate) fn interrupt(&self, vector: u8, trigger: Trigger) {
        self.state().registers.accept(vector, trigger);
        self.wake();
    }

    /// Raises an NMI, from any thread.
    pub(crate) fn nmi(&self) {
        self.state().registers.nmi = true;
        self.wake();
    }

    /// Asks for one interrupt of the 8259s, from any thread.
    pub(crate) fn extint(&self) {
        self.state().registers.extint = true;
        self.wake();
    }

    /// `hv_vcpu_inject_extint`: false if one is pending already.
    pub(crate) fn inject_extint(&self) -> bool {
        let mut state = self.state();
        !core::mem::replace(&mut state.registers.extint, true)
    }

    /// Lets the timer run up to `now`.
    pub(crate) fn advance(&self, now: u64) {
        let mut state = self.state();
        if state.controls & CONTROL_NO_TIMER == 0 {
            state.registers.advance(now);
        }
    }

    /// When the timer fires next.
    pub(crate) fn next_event(&self) -> Option<u64> {
        let state = self.state();
        let quiet = state.controls & CONTROL_NO_TIMER != 0;
        state.registers.timer.next().filter(|_| !quiet)
    }

    /// Takes the pending NMI.
    pub(crate) fn take_nmi(&self) -> bool {
        core::mem::take(&mut self.state().registers.nmi)
    }

    /// The CPU takes an interrupt: one of the 8259s, or the highest of its own.
    pub(crate) fn acknowledge(&self) -> Option<u8> {
        let mut state = self.state();
        let asked = state.registers.extint;
        if (asked || state.registers.takes_extint()) && self.chip.pic_line() {
            state.registers.extint = false;
            drop(state);
            return self.chip.acknowledge_pic();
        }
        state.registers.acknowledge()
    }

    /// The task-priority register.
    pub(crate) fn tpr(&self) -> u8 {
        self.state().registers.tpr
    }

    pub(crate) fn set_tpr(&self, tpr: u8) {
        self.state().registers.tpr = tpr;
    }

    /// IA32_TSC_DEADLINE.
    pub(crate) fn tsc_deadline(&self) -> u64 {
        self.state().registers.timer.deadline()
    }

    /// Writes IA32_TSC_DEADLINE; the vCPU's clock reaches it at `at`.
    pub(crate) fn set_tsc_deadline(&self, deadline: u64, at: u64) {
        self.state().registers.timer.set_deadline(deadline, at);
    }

    /// `hv_vcpu_apic_ctrl`: false for unknown bits.
    pub(crate) fn control(&self, controls: u64) -> bool {
        if controls & !CONTROLS != 0 {
            return false;
        }
        self.state().controls = controls;
        true
    }

    /// `hv_vcpu_apic_trigger_lvt` of the timer.
    pub(crate) fn trigger_timer(&self) {
        self.state().registers.fire(super::registers::lvt::TIMER);
        self.wake();
    }

    /// Reads a register.
    pub(crate) fn read(&self, offset: u32, now: u64) -> u32 {
        let mut state = self.state();
        state.registers.advance(now);
        state.registers.read(offset, now)
    }

    /// Writes a register; answers what the client has to do then.
    pub(crate) fn write(&self, offset: u32, value: u32, now: u64) -> Information {
        let (effect, tells) = {
            let mut state = self.state();
            let effect = state.registers.write(offset, value, now);
            (effect, state.controls & CONTROL_IOAPIC_EOI != 0)
        };
        match effect {
            Effect::None => return Information::Vmx,
            Effect::Interrupts => {}
            Effect::Eoi(vector) => {
                self.chip.end_of_interrupt(vector);
                if tells {
                    self.wake();
                    return Information::IoapicEoi(vector);
                }
            }
            Effect::Send { low, high } => return self.chip.send(self, low, (high >> 24) as u8),
        }
        self.wake();
        Information::Vmx
    }

    /// INIT from another APIC: answers whether it counts.
    pub(super) fn init(&self) -> bool {
        let mut state = self.state();
        state.registers.init();
        state.boot = Boot::Init;
        true
    }

    /// Start-up from another APIC: answers whether it counts. Only the first after INIT does.
    pub(super) fn start_up(&self) -> bool {
        let mut state = self.state();
        if state.boot != Boot::Init {
            return false;
        }
        state.boot = Boot::StartUp;
        true
    }

    /// The vCPU runs: start-ups do not count any more.
    pub(crate) fn running(&self) {
        self.state().boot = Boot::Running;
    }

    pub(super) fn send_error(&self) {
        self.state().registers.send_error();
    }

    /// Delivery modes that ICR cannot have.
    pub(super) fn is_sendable(kind: u32) -> bool {
        matches!(
            kind,
            mode::FIXED
                | mode::LOWEST_PRIORITY
                | mode::SMI
                | mode::NMI
                | mode::INIT
                | mode::START_UP
        )
    }
}
