//! PSCI and SMCCC: what a guest asks of its firmware by HVC or SMC (Arm DEN 0022, DEN 0028). Decoded here, decided by the VMM.

use super::calls::{Hvc, Smc};
use crate::error::Error;

/// Function identifiers (Arm DEN 0022, 5; DEN 0028, 7). The bit 0x4000_0000 says 64-bit arguments.
mod function {
    pub(super) const SMCCC_VERSION: u32 = 0x8000_0000;
    pub(super) const SMCCC_ARCH_FEATURES: u32 = 0x8000_0001;
    pub(super) const PSCI_VERSION: u32 = 0x8400_0000;
    pub(super) const CPU_SUSPEND: u32 = 0x8400_0001;
    pub(super) const CPU_OFF: u32 = 0x8400_0002;
    pub(super) const CPU_ON: u32 = 0x8400_0003;
    pub(super) const AFFINITY_INFO: u32 = 0x8400_0004;
    pub(super) const MIGRATE_INFO_TYPE: u32 = 0x8400_0006;
    pub(super) const SYSTEM_OFF: u32 = 0x8400_0008;
    pub(super) const SYSTEM_RESET: u32 = 0x8400_0009;
    pub(super) const PSCI_FEATURES: u32 = 0x8400_000a;
    pub(super) const SYSTEM_RESET2: u32 = 0x8400_0012;
    pub(super) const WIDE: u32 = 0x4000_0000;
}

/// Results of PSCI and SMCCC calls, as X0 gets them.
pub mod result {
    /// Done.
    pub const SUCCESS: u64 = 0;
    /// No such function.
    pub const NOT_SUPPORTED: u64 = -1_i64 as u64;
    /// An argument is wrong: no such CPU.
    pub const INVALID_PARAMETERS: u64 = -2_i64 as u64;
    /// Not allowed.
    pub const DENIED: u64 = -3_i64 as u64;
    /// The CPU is on already.
    pub const ALREADY_ON: u64 = -4_i64 as u64;
    /// The CPU is being switched on.
    pub const ON_PENDING: u64 = -5_i64 as u64;
    /// The firmware failed.
    pub const INTERNAL_FAILURE: u64 = -6_i64 as u64;
}

/// PSCI 1.1: what a version call is answered.
const VERSION: u64 = 1 << 16 | 1;
/// SMCCC 1.1.
const SMCCC_VERSION: u64 = 1 << 16 | 1;
/// No trusted operating system that would have to migrate.
const NO_TRUSTED_OS: u64 = 2;

/// What a guest asks of its firmware.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Psci {
    /// Answered without the VMM: versions and features. Put this into X0.
    Answer(u64),
    /// Sleep until an interrupt. A power-down state wakes up at the entry; the VMM may treat it as a wait that returns success.
    CpuSuspend {
        /// The state, in the format of PSCI.
        state: u32,
        /// Where it wakes up after a power-down.
        entry: u64,
        /// What X0 is then.
        context: u64,
    },
    /// Switch this CPU off.
    CpuOff,
    /// Switch another CPU on: [`super::Vcpu::set_psci_entry`] on its thread.
    CpuOn {
        /// Affinity, as in MPIDR_EL1.
        target: u64,
        /// Where it begins.
        entry: u64,
        /// What X0 is there.
        context: u64,
    },
    /// Whether a CPU is on: 0 on, 1 off, 2 being switched on.
    AffinityInfo {
        /// Affinity, as in MPIDR_EL1.
        target: u64,
        /// Lowest level that counts.
        level: u32,
    },
    /// Switch the machine off.
    SystemOff,
    /// Reset the machine.
    SystemReset,
    /// A function that is not known: answer [`result::NOT_SUPPORTED`] or your own.
    Unknown(u32),
}

impl Psci {
    /// The call with this function identifier and these arguments (X1 to X3).
    #[must_use]
    pub fn decode(identifier: u32, arguments: [u64; 3]) -> Self {
        let wide = identifier & function::WIDE != 0;
        let [first, second, third] = arguments.map(|argument| {
            if wide {
                argument
            } else {
                argument & 0xffff_ffff
            }
        });
        match identifier & !function::WIDE {
            function::CPU_SUSPEND => Self::CpuSuspend {
                state: first as u32,
                entry: second,
                context: third,
            },
            function::CPU_ON => Self::CpuOn {
                target: first,
                entry: second,
                context: third,
            },
            function::AFFINITY_INFO => Self::AffinityInfo {
                target: first,
                level: second as u32,
            },
            function::SYSTEM_RESET2 => Self::SystemReset,
            _ if wide => Self::Unknown(identifier),
            function::SMCCC_VERSION => Self::Answer(SMCCC_VERSION),
            function::SMCCC_ARCH_FEATURES => Self::Answer(feature(first as u32)),
            function::PSCI_VERSION => Self::Answer(VERSION),
            function::PSCI_FEATURES => Self::Answer(feature(first as u32)),
            function::MIGRATE_INFO_TYPE => Self::Answer(NO_TRUSTED_OS),
            function::CPU_OFF => Self::CpuOff,
            function::SYSTEM_OFF => Self::SystemOff,
            function::SYSTEM_RESET => Self::SystemReset,
            _ => Self::Unknown(identifier),
        }
    }
}

/// Whether a function is there: 0, or not supported.
fn feature(identifier: u32) -> u64 {
    match Psci::decode(identifier, [0; 3]) {
        Psci::Unknown(_) => result::NOT_SUPPORTED,
        _ => result::SUCCESS,
    }
}

macro_rules! psci {
    ($($name:ident)*) => {$(
        impl $name<'_> {
            /// The call as PSCI or SMCCC.
            ///
            /// # Errors
            /// [`Error::Call`] if the engine refuses.
            pub fn psci(&self) -> Result<Psci, Error> {
                let arguments = [self.argument(1)?, self.argument(2)?, self.argument(3)?];
                Ok(Psci::decode(self.function()?, arguments))
            }
        }
    )*};
}

psci! { Hvc Smc }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_decoded_in_both_widths() {
        let on = Psci::decode(0xc400_0003, [1, 1 << 40, 7]);
        let expected = Psci::CpuOn {
            target: 1,
            entry: 1 << 40,
            context: 7,
        };
        assert_eq!(on, expected);
        let narrow = Psci::decode(0x8400_0003, [1 << 32 | 1, 2, 3]);
        assert!(matches!(narrow, Psci::CpuOn { target: 1, .. }));
        assert_eq!(Psci::decode(0x8400_0008, [0; 3]), Psci::SystemOff);
        assert_eq!(
            Psci::decode(0xc400_0008, [0; 3]),
            Psci::Unknown(0xc400_0008)
        );
        assert_eq!(Psci::decode(5, [0; 3]), Psci::Unknown(5));
    }

    #[test]
    fn features_tell_what_decodes() {
        let features = |of| Psci::decode(0x8400_000a, [of, 0, 0]);
        assert_eq!(features(0xc400_0003), Psci::Answer(0));
        assert_eq!(features(0x8400_0007), Psci::Answer(result::NOT_SUPPORTED));
        assert_eq!(Psci::decode(0x8400_0000, [0; 3]), Psci::Answer(0x1_0001));
        // Features of features do not go on for ever.
        assert_eq!(features(0x8400_000a), Psci::Answer(0));
    }
}
