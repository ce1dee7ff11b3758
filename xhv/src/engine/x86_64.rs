//! The seam for Intel guests: every function of the framework, on whichever engine runs the VM.
//!
//! Names are the framework's without `hv_`, `hv_vm_`, `hv_vcpu_` and `hv_vmx_vcpu_`; arguments are its ids and numbers; answers are
//! its codes. `xhv::x86_64` is above, `framework::x86_64` and `software::x86_64` are below.

use crate::error::Code;
use crate::host::Engine;
use crate::memory::{Memory, Permissions};
use crate::x86_64::CpuidResult;
use crate::x86_64::ffi::{hv_apic_state_ext_t, hv_atpic_state_ext_t, hv_ioapic_state_ext_t};

#[cfg(all(target_os = "macos", target_arch = "x86_64"))]
use super::framework::x86_64 as framework;
#[cfg(feature = "software")]
use super::software::x86_64 as software;

type Answer<T> = Result<T, Code>;

/// Calls the same function on whichever engine it is.
macro_rules! on {
    ($self:ident.$function:ident($($argument:expr),*)) => {
        match *$self {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Self::Framework(ref engine) => engine.$function($($argument),*),
            #[cfg(feature = "software")]
            Self::Software(ref engine) => engine.$function($($argument),*),
        }
    };
    (mut $self:ident.$function:ident($($argument:expr),*)) => {
        match *$self {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Self::Framework(ref mut engine) => engine.$function($($argument),*),
            #[cfg(feature = "software")]
            Self::Software(ref mut engine) => engine.$function($($argument),*),
        }
    };
}

/// Functions that are the same call on every engine.
macro_rules! functions {
    (shared { $(fn $function:ident($($argument:ident: $type:ty),*) -> $answer:ty;)* }
     $(exclusive { $(fn $mutating:ident($($operand:ident: $kind:ty),*) -> $outcome:ty;)* })?) => {
        $(
            #[inline]
            pub(crate) fn $function(&self, $($argument: $type),*) -> Answer<$answer> {
                on!(self.$function($($argument),*))
            }
        )*
        $($(
            #[inline]
            pub(crate) fn $mutating(&mut self, $($operand: $kind),*) -> Answer<$outcome> {
                on!(mut self.$mutating($($operand),*))
            }
        )*)?
    };
}

/// A VM on one of the engines.
#[derive(Clone, Debug)]
pub(crate) enum Vm {
    #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
    Framework(framework::Vm),
    #[cfg(feature = "software")]
    Software(software::Vm),
}

impl Vm {
    /// `hv_vm_create`. `engine` is a resolved choice; one that this build does not have answers [`Code::UNSUPPORTED`].
    pub(crate) fn create(engine: Engine, options: u64) -> Answer<Self> {
        match engine {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Engine::Framework => framework::Vm::create(options).map(Self::Framework),
            #[cfg(feature = "software")]
            Engine::Software => software::Vm::create(options).map(Self::Software),
            _ => Err(Code::UNSUPPORTED),
        }
    }

    pub(crate) fn engine(&self) -> Engine {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Self::Framework(_) => Engine::Framework,
            #[cfg(feature = "software")]
            Self::Software(_) => Engine::Software,
        }
    }

    /// `hv_vmx_read_capability`.
    pub(crate) fn read_capability(engine: Engine, field: u32) -> Answer<u64> {
        match engine {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Engine::Framework => framework::Vm::read_capability(field),
            #[cfg(feature = "software")]
            Engine::Software => software::Vm::read_capability(field),
            _ => Err(Code::UNSUPPORTED),
        }
    }

    /// `hv_vmx_get_msr_info`.
    pub(crate) fn get_msr_info(engine: Engine, field: u64) -> Answer<u64> {
        match engine {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Engine::Framework => framework::Vm::get_msr_info(field),
            #[cfg(feature = "software")]
            Engine::Software => software::Vm::get_msr_info(field),
            _ => Err(Code::UNSUPPORTED),
        }
    }

    /// `hv_tsc_clock`.
    pub(crate) fn tsc_clock(&self) -> u64 {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Self::Framework(_) => framework::Vm::tsc_clock(),
            #[cfg(feature = "software")]
            Self::Software(_) => software::Vm::tsc_clock(),
        }
    }

    functions! {
        shared {
            fn capability(id: u64) -> u64;
            fn map(space: u32, memory: &Memory, offset: u64, gpa: u64, size: u64, permissions: Permissions) -> ();
            fn unmap(space: u32, gpa: u64, size: u64) -> ();
            fn protect(space: u32, gpa: u64, size: u64, permissions: Permissions) -> ();
            fn space_create() -> u32;
            fn space_destroy(space: u32) -> ();
            fn sync_tsc(tsc: u64) -> ();
            fn add_pio_notifier(address: u16, size: usize, value: u32, port: u32, flags: u32) -> ();
            fn remove_pio_notifier(address: u16, size: usize, value: u32, port: u32, flags: u32) -> ();
            fn lapic_set_intr(vcpu: u32, vector: u8, trigger: u32) -> ();
            fn lapic_msi(address: u64, data: u64) -> ();
            fn ioapic_assert_irq(intin: i32) -> ();
            fn ioapic_deassert_irq(intin: i32) -> ();
            fn ioapic_pulse_irq(intin: i32) -> ();
            fn ioapic_read(gpa: u64) -> u32;
            fn ioapic_write(gpa: u64, data: u32) -> ();
            fn ioapic_get_state(state: &mut hv_ioapic_state_ext_t) -> ();
            fn ioapic_put_state(state: &hv_ioapic_state_ext_t) -> ();
            fn send_ioapic_intr(data: u64) -> ();
            fn atpic_assert_irq(irq: i32) -> ();
            fn atpic_deassert_irq(irq: i32) -> ();
            fn atpic_port_read(port: i32) -> u8;
            fn atpic_port_write(port: i32, value: u8) -> ();
            fn atpic_get_state(state: &mut hv_atpic_state_ext_t, is_primary: bool) -> ();
            fn atpic_put_state(state: &hv_atpic_state_ext_t, is_primary: bool) -> ();
            fn set_apic_bus_freq(hz: u64) -> ();
        }
    }
}

/// A vCPU on one of the engines; destroyed when dropped, on the thread that made it.
#[allow(
    clippy::large_enum_variant,
    reason = "there are few vCPUs, and a box would cost each access a step"
)]
#[derive(Debug)]
pub(crate) enum Vcpu {
    #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
    Framework(framework::Vcpu),
    #[cfg(feature = "software")]
    Software(software::Vcpu),
}

impl Vcpu {
    /// `hv_vcpu_create`.
    pub(crate) fn create(vm: &Vm, options: u64) -> Answer<Self> {
        match *vm {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Vm::Framework(ref vm) => framework::Vcpu::create(vm, options).map(Self::Framework),
            #[cfg(feature = "software")]
            Vm::Software(ref vm) => software::Vcpu::create(vm, options).map(Self::Software),
        }
    }

    pub(crate) fn id(&self) -> u32 {
        on!(self.id())
    }

    /// What makes the vCPU leave the guest, from any thread.
    pub(crate) fn interrupter(&self) -> Interrupter {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Self::Framework(ref vcpu) => Interrupter::Framework(vcpu.interrupter()),
            #[cfg(feature = "software")]
            Self::Software(ref vcpu) => Interrupter::Software(vcpu.interrupter()),
        }
    }

    functions! {
        shared {
            fn read_register(id: u32) -> u64;
            fn read_vmcs(field: u32) -> u64;
            fn get_cap_write_vmcs(field: u32) -> (u64, u64);
            fn read_shadow_vmcs(field: u32) -> u64;
            fn read_msr(index: u32) -> u64;
            fn read_fpstate(buffer: &mut [u8]) -> ();
            fn get_exec_time() -> u64;
            fn get_idle_time() -> u64;
            fn vmx_status() -> u32;
            fn apic_get_state(state: &mut hv_apic_state_ext_t) -> ();
            fn exit_info() -> u32;
            fn exit_init_ap(is_actv: &mut [bool]) -> ();
            fn exit_startup_ap(is_actv: &mut [bool]) -> u64;
            fn exit_ioapic_eoi() -> u8;
            fn exit_apic_access_read() -> u32;
            fn exit_inject_excp() -> (u8, bool, u32, bool);
        }
        exclusive {
            fn run() -> ();
            fn run_until(deadline: u64) -> ();
            fn write_register(id: u32, value: u64) -> ();
            fn write_vmcs(field: u32, value: u64) -> ();
            fn write_shadow_vmcs(field: u32, value: u64) -> ();
            fn set_shadow_access(field: u32, flags: u64) -> ();
            fn write_msr(index: u32, value: u64) -> ();
            fn enable_native_msr(index: u32, enable: bool) -> ();
            fn enable_managed_msr(index: u32, enable: bool) -> ();
            fn set_msr_access(index: u32, flags: u32) -> ();
            fn write_fpstate(buffer: &[u8]) -> ();
            fn flush() -> ();
            fn invalidate_tlb() -> ();
            fn set_tsc_relative(offset: i64) -> ();
            fn set_space(space: u32) -> ();
            fn set_apic_address(gpa: u64) -> ();
            fn set_apic_address_space(space: u32, gpa: u64) -> ();
            fn inject_extint() -> ();
            fn apic_read(offset: u32) -> u32;
            fn apic_write(offset: u32, data: u32) -> bool;
            fn apic_put_state(state: &hv_apic_state_ext_t) -> ();
            fn apic_lsc_enter_r32(is_load: bool, rip: u64, ilen: u32, cs: u16, register: u32, uva: &[u64]) -> ();
            fn apic_lsc_enter_imm32(rip: u64, ilen: u32, cs: u16, imm32: u32, uva: &[u64]) -> ();
            fn apic_lsc_invalidate() -> ();
            fn apic_ctrl(controls: u64) -> ();
            fn apic_trigger_lvt(flavor: u32) -> ();
        }
    }
}

/// `hv_vcpu_interrupt` for one vCPU. The one who holds it has to drop it before the vCPU goes.
#[derive(Clone, Debug)]
pub(crate) enum Interrupter {
    #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
    Framework(framework::Interrupter),
    #[cfg(feature = "software")]
    Software(software::Interrupter),
}

impl Interrupter {
    pub(crate) fn interrupt(&self) -> Answer<()> {
        on!(self.interrupt())
    }

    /// Whether an interrupt that comes just before the guest is entered is kept. Of the framework nobody has promised it.
    pub(crate) fn is_sticky(&self) -> bool {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "x86_64"))]
            Self::Framework(_) => false,
            #[cfg(feature = "software")]
            Self::Software(_) => true,
        }
    }
}

/// What CPUID answers below the guest: the host's processor, or the software engine's.
pub(crate) fn cpuid(engine: Engine, leaf: u32, subleaf: u32) -> CpuidResult {
    match engine {
        #[cfg(feature = "software")]
        Engine::Software => software::cpuid(leaf, subleaf),
        #[cfg(target_arch = "x86_64")]
        _ => {
            let core::arch::x86_64::CpuidResult { eax, ebx, ecx, edx } =
                core::arch::x86_64::__cpuid_count(leaf, subleaf);
            CpuidResult { eax, ebx, ecx, edx }
        }
        #[cfg(not(target_arch = "x86_64"))]
        _ => CpuidResult::default(),
    }
}
