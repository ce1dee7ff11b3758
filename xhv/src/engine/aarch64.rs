//! The seam for AArch64: what `xhv::aarch64` asks of an engine, under the framework's function names without their prefixes.
//!
//! Ids and numbers are the framework's raw ones; meaning, types and causes of errors are the business of `xhv::aarch64`.

use crate::error::Code;
use crate::memory::{Memory, Permissions};

#[cfg(all(target_os = "macos", target_arch = "aarch64"))]
use super::framework::aarch64 as framework;
#[cfg(feature = "software")]
use super::software::aarch64::{vcpu as software_vcpu, vm as software_vm};

/// What a VM is created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct VmConfig {
    /// Width of guest-physical addresses in bits; 0 is the host's default.
    pub(crate) ipa_bits: u32,
    /// Whether the guest has an EL2.
    pub(crate) el2: bool,
    /// Stage-2 granule in bytes: 4096 or 16384; 0 is the host's default.
    pub(crate) granule: u64,
}

/// `hv_vcpu_exit_t`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct RunExit {
    pub(crate) reason: u32,
    pub(crate) syndrome: u64,
    pub(crate) virtual_address: u64,
    pub(crate) physical_address: u64,
}

/// What a GIC is created with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GicConfig {
    pub(crate) distributor_base: u64,
    pub(crate) redistributor_base: u64,
    pub(crate) msi_region_base: Option<u64>,
    /// First interrupt id and number of them.
    pub(crate) msi_interrupts: Option<(u32, u32)>,
}

/// What the host's GIC asks for: sizes and alignments in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct GicParameters {
    pub(crate) distributor_size: u64,
    pub(crate) distributor_base_alignment: u64,
    pub(crate) redistributor_region_size: u64,
    pub(crate) redistributor_size: u64,
    pub(crate) redistributor_base_alignment: u64,
    pub(crate) msi_region_size: u64,
    pub(crate) msi_region_base_alignment: u64,
    pub(crate) spi_base: u32,
    pub(crate) spi_count: u32,
}

/// Ticks a second of [`counter`], on every engine: what CNTFRQ_EL0 says on Apple silicon.
pub(crate) const COUNTER_FREQUENCY: u64 = 24_000_000;

/// The counter that CNTVCT_EL0 shows less the vtimer offset: mach absolute time on Apple silicon, elsewhere the monotonic clock
/// in the same ticks, so that snapshots travel.
pub(crate) fn counter() -> u64 {
    let ticks = crate::time::absolute_ticks();
    let base = crate::time::Timebase::of_host();
    let nanoseconds = u128::from(ticks) * u128::from(base.numerator);
    let scaled =
        nanoseconds * u128::from(COUNTER_FREQUENCY) / u128::from(base.denominator) / 1_000_000_000;
    scaled as u64
}

/// Ticks of the counter as a time.
pub(crate) fn duration(ticks: u64) -> core::time::Duration {
    let nanoseconds = u128::from(ticks) * 1_000_000_000 / u128::from(COUNTER_FREQUENCY);
    core::time::Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(u64::MAX))
}

/// A VM of one of the engines; clones are the same VM.
#[derive(Clone, Debug)]
pub(crate) enum Vm {
    #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
    Framework(framework::Vm),
    #[cfg(feature = "software")]
    Software(software_vm::Vm),
}

/// Calls the engine's function of the same name.
macro_rules! engine {
    ($of:ident, $it:expr, $name:ident ( $($argument:expr),* )) => {
        match *$it {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            $of::Framework(ref engine) => engine.$name($($argument),*),
            #[cfg(feature = "software")]
            $of::Software(ref engine) => engine.$name($($argument),*),
        }
    };
    (mut $of:ident, $it:expr, $name:ident ( $($argument:expr),* )) => {
        match *$it {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            $of::Framework(ref mut engine) => engine.$name($($argument),*),
            #[cfg(feature = "software")]
            $of::Software(ref mut engine) => engine.$name($($argument),*),
        }
    };
}

/// Functions of a host that need no VM.
macro_rules! host_functions {
    ($($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        pub(crate) fn $name(engine: Choice $(, $argument: $type)*) -> Result<$result, Code> {
            match engine {
                #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
                Choice::Framework => framework::Vm::$name($($argument),*),
                #[cfg(feature = "software")]
                Choice::Software => software_vm::Vm::$name($($argument),*),
            }
        }
    )*};
}

/// Functions that pass everything on.
macro_rules! functions {
    ($of:ident: $($name:ident($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        #[inline]
        pub(crate) fn $name(&self $(, $argument: $type)*) -> Result<$result, Code> {
            engine!($of, self, $name($($argument),*))
        }
    )*};
    (mut $of:ident: $($name:ident($($argument:ident: $type:ty),*);)*) => {$(
        #[inline]
        pub(crate) fn $name(&mut self $(, $argument: $type)*) -> Result<(), Code> {
            engine!(mut $of, self, $name($($argument),*))
        }
    )*};
}

/// Functions that the software CPU does not have.
macro_rules! framework_only {
    ($($name:ident(&$($self:ident)+ $(, $argument:ident: $type:ty)*) -> $result:ty;)*) => {$(
        framework_only! { @ $name [$($self)+] ($($argument: $type),*) -> $result }
    )*};
    (@ $name:ident [self] ($($argument:ident: $type:ty),*) -> $result:ty) => {
        pub(crate) fn $name(&self $(, $argument: $type)*) -> Result<$result, Code> {
            match *self {
                #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
                Self::Framework(ref vcpu) => vcpu.$name($($argument),*),
                #[cfg(feature = "software")]
                Self::Software(_) => {
                    $(let _ = $argument;)*
                    Err(Code::UNSUPPORTED)
                }
            }
        }
    };
    (@ $name:ident [mut self] ($($argument:ident: $type:ty),*) -> $result:ty) => {
        pub(crate) fn $name(&mut self $(, $argument: $type)*) -> Result<$result, Code> {
            match *self {
                #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
                Self::Framework(ref mut vcpu) => vcpu.$name($($argument),*),
                #[cfg(feature = "software")]
                Self::Software(_) => {
                    $(let _ = $argument;)*
                    Err(Code::UNSUPPORTED)
                }
            }
        }
    };
}

/// The engines that this build has for AArch64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
    Framework,
    #[cfg(feature = "software")]
    Software,
}

host_functions! {
    get_max_vcpu_count() -> u32;
    get_max_ipa_size() -> u32;
    get_default_ipa_size() -> u32;
    get_el2_supported() -> bool;
    get_feature_reg(reg: u32) -> u64;
    get_ccsidr_el1_sys_reg_values(cache_type: u32) -> [u64; 8];
    get_max_svl_bytes() -> usize;
    gic_parameters() -> GicParameters;
    gic_get_intid(interrupt: u16) -> u32;
}

impl Vm {
    /// `hv_vm_create`.
    pub(crate) fn create(engine: Choice, config: &VmConfig) -> Result<Self, Code> {
        match engine {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Choice::Framework => framework::Vm::create(config).map(Self::Framework),
            #[cfg(feature = "software")]
            Choice::Software => {
                let config = software_vm::VmConfig {
                    ipa_bits: config.ipa_bits,
                    el2: config.el2,
                    granule: match config.granule {
                        0 => 16384,
                        bytes => bytes,
                    },
                };
                software_vm::Vm::create(&config).map(Self::Software)
            }
        }
    }

    /// Whether this process has a VM on an engine that allows only one.
    pub(crate) fn is_alive(engine: Choice) -> bool {
        match engine {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Choice::Framework => framework::Vm::is_alive(),
            #[cfg(feature = "software")]
            Choice::Software => false,
        }
    }

    /// Which engine it is.
    pub(crate) fn choice(&self) -> Choice {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Self::Framework(_) => Choice::Framework,
            #[cfg(feature = "software")]
            Self::Software(_) => Choice::Software,
        }
    }

    functions! { Vm:
        map(memory: &Memory, offset: u64, ipa: u64, size: u64, permissions: Permissions) -> ();
        unmap(ipa: u64, size: u64) -> ();
        protect(ipa: u64, size: u64, permissions: Permissions) -> ();
        gic_create(config: &GicConfig) -> ();
        gic_set_spi(intid: u32, level: bool) -> ();
        gic_send_msi(address: u64, intid: u32) -> ();
        gic_reset() -> ();
        gic_get_distributor_reg(reg: u16) -> u64;
        gic_set_distributor_reg(reg: u16, value: u64) -> ();
        gic_get_msi_reg(reg: u16) -> u64;
        gic_set_msi_reg(reg: u16, value: u64) -> ();
        gic_state() -> Vec<u8>;
        gic_set_state(state: &[u8]) -> ();
    }
}

/// A vCPU of one of the engines; destroyed when dropped, on the thread that created it.
#[derive(Debug)]
pub(crate) enum Vcpu {
    #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
    Framework(framework::Vcpu),
    #[cfg(feature = "software")]
    Software(software_vcpu::Vcpu),
}

impl Vcpu {
    /// `hv_vcpu_create`: the calling thread becomes its owner.
    pub(crate) fn create(vm: &Vm) -> Result<Self, Code> {
        match *vm {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Vm::Framework(ref vm) => framework::Vcpu::create(vm).map(Self::Framework),
            #[cfg(feature = "software")]
            Vm::Software(ref vm) => software_vcpu::Vcpu::create(vm).map(Self::Software),
        }
    }

    /// Its id, which is used again after it is gone.
    pub(crate) fn id(&self) -> u64 {
        engine!(Vcpu, self, id())
    }

    /// `hv_vcpus_exit` of this vCPU, from any thread: sticky, so never lost.
    pub(crate) fn exiter(&self) -> Box<dyn Fn() + Send> {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Self::Framework(ref vcpu) => {
                let exiter = vcpu.exiter();
                // A vCPU that is gone has nothing to leave.
                Box::new(move || {
                    let _ = exiter.exit();
                })
            }
            #[cfg(feature = "software")]
            Self::Software(ref vcpu) => {
                let exiter = vcpu.exiter();
                Box::new(move || {
                    let _ = exiter.exit();
                })
            }
        }
    }

    /// `hv_vcpu_run`.
    #[inline]
    pub(crate) fn run(&mut self) -> Result<RunExit, Code> {
        match *self {
            #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
            Self::Framework(ref mut vcpu) => vcpu.run(),
            #[cfg(feature = "software")]
            Self::Software(ref mut vcpu) => vcpu.run().map(|exit| RunExit {
                reason: exit.reason,
                syndrome: exit.syndrome,
                virtual_address: exit.virtual_address,
                physical_address: exit.physical_address,
            }),
        }
    }

    functions! { Vcpu:
        get_reg(reg: u32) -> u64;
        get_simd_fp_reg(reg: u32) -> u128;
        get_sys_reg(reg: u16) -> u64;
        get_pending_interrupt(kind: u32) -> bool;
        get_trap_debug_exceptions() -> bool;
        get_trap_debug_reg_accesses() -> bool;
        get_exec_time() -> u64;
        get_vtimer_mask() -> bool;
        get_vtimer_offset() -> u64;
        get_serror() -> bool;
        get_wait_for_interrupt_time() -> u64;
        gic_get_redistributor_base() -> u64;
        gic_get_redistributor_reg(reg: u32) -> u64;
        gic_get_icc_reg(reg: u16) -> u64;
    }

    framework_only! {
        gic_get_ich_reg(&self, reg: u16) -> u64;
        gic_get_icv_reg(&self, reg: u16) -> u64;
        gic_set_ich_reg(&mut self, reg: u16, value: u64) -> ();
        gic_set_icv_reg(&mut self, reg: u16, value: u64) -> ();
        get_sme_state(&self) -> (bool, bool);
        set_sme_state(&mut self, streaming: bool, za: bool) -> ();
        get_sme_z_reg(&self, reg: u32, value: &mut [u8]) -> ();
        set_sme_z_reg(&mut self, reg: u32, value: &[u8]) -> ();
        get_sme_p_reg(&self, reg: u32, value: &mut [u8]) -> ();
        set_sme_p_reg(&mut self, reg: u32, value: &[u8]) -> ();
        get_sme_za_reg(&self, value: &mut [u8]) -> ();
        set_sme_za_reg(&mut self, value: &[u8]) -> ();
        get_sme_zt0_reg(&self) -> [u8; 64];
        set_sme_zt0_reg(&mut self, value: &[u8; 64]) -> ();
    }

    functions! { mut Vcpu:
        set_reg(reg: u32, value: u64);
        set_simd_fp_reg(reg: u32, value: u128);
        set_sys_reg(reg: u16, value: u64);
        set_pending_interrupt(kind: u32, pending: bool);
        set_trap_debug_exceptions(value: bool);
        set_trap_debug_reg_accesses(value: bool);
        set_vtimer_mask(masked: bool);
        set_vtimer_offset(offset: u64);
        set_serror(pending: bool);
        gic_set_redistributor_reg(reg: u32, value: u64);
        gic_set_icc_reg(reg: u16, value: u64);
        invalidate_tlb(op: u32, param: u64);
    }
}
