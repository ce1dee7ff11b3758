//! What can go wrong: the framework's own codes, and the errors that the typed API makes of them.

use core::fmt;

use crate::typed::Version;

/// A return code of the framework (`hv_return_t`). An open set: unknown codes keep their number.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub i32);

impl Code {
    /// The call did what it was asked to.
    pub const SUCCESS: Self = Self(0);
    /// Unspecified failure; on Intel also: the CPU refused the VM entry instruction.
    pub const ERROR: Self = Self(0xfae9_4001_u32 as i32);
    /// The resource is in use, for example a second VM in this process.
    pub const BUSY: Self = Self(0xfae9_4002_u32 as i32);
    /// An argument was refused.
    pub const BAD_ARGUMENT: Self = Self(0xfae9_4003_u32 as i32);
    /// The guest is in a state that it cannot be run from (Apple silicon).
    pub const ILLEGAL_GUEST_STATE: Self = Self(0xfae9_4004_u32 as i32);
    /// Out of memory, vCPUs or address spaces.
    pub const NO_RESOURCES: Self = Self(0xfae9_4005_u32 as i32);
    /// There is no such VM or vCPU, or no virtualization on this host.
    pub const NO_DEVICE: Self = Self(0xfae9_4006_u32 as i32);
    /// The process may not: the entitlement is missing.
    pub const DENIED: Self = Self(0xfae9_4007_u32 as i32);
    /// Intel: a buffer that was passed is not accessible (macOS 12.0 and later).
    pub const FAULT: Self = Self(0xfae9_4008_u32 as i32);
    /// Apple silicon (macOS 26.0 and later): it exists already. The same number as [`Code::FAULT`].
    pub const EXISTS: Self = Self::FAULT;
    /// Not supported on this host.
    pub const UNSUPPORTED: Self = Self(0xfae9_400f_u32 as i32);

    /// `Ok` for [`Code::SUCCESS`], the code itself as error for the rest.
    ///
    /// # Errors
    /// Any code but [`Code::SUCCESS`].
    pub const fn result(self) -> Result<(), Self> {
        if self.0 == 0 { Ok(()) } else { Err(self) }
    }

    /// The framework's name of the code, if it is a known one.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::SUCCESS => "HV_SUCCESS",
            Self::ERROR => "HV_ERROR",
            Self::BUSY => "HV_BUSY",
            Self::BAD_ARGUMENT => "HV_BAD_ARGUMENT",
            Self::ILLEGAL_GUEST_STATE => "HV_ILLEGAL_GUEST_STATE",
            Self::NO_RESOURCES => "HV_NO_RESOURCES",
            Self::NO_DEVICE => "HV_NO_DEVICE",
            Self::DENIED => "HV_DENIED",
            Self::FAULT => "HV_FAULT/HV_EXISTS",
            Self::UNSUPPORTED => "HV_UNSUPPORTED",
            _ => return None,
        })
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "hv_return_t({:#010x})", self.0 as u32),
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

/// What a call of this library can answer instead of its result.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Error {
    /// An argument was refused before any engine saw it.
    Argument {
        /// The call.
        call: &'static str,
        /// What is wrong, and what is accepted.
        why: String,
    },
    /// The engine refused a call.
    Call {
        /// The engine's function, by the framework's name.
        call: &'static str,
        /// What it answered.
        code: Code,
        /// The likely cause, in words; empty where nothing is known.
        cause: String,
    },
    /// The host has no such function.
    Unavailable {
        /// The framework's function.
        function: &'static str,
        /// The macOS version that brought it.
        since: Version,
    },
    /// The host refused memory.
    Memory {
        /// The size that was asked for, in bytes.
        size: u64,
        /// The host's answer.
        why: String,
    },
    /// A row of a table could not be read or written.
    Row {
        /// `"read"` or `"write"`.
        verb: &'static str,
        /// The row, by the manual's name.
        row: &'static str,
        /// What the engine answered.
        code: Code,
        /// The likely cause, in words; empty where nothing is known.
        cause: String,
    },
    /// No engine can run this VM here.
    NoEngine {
        /// What is missing, in words.
        why: String,
    },
    /// Something that the guest or the host must have and does not.
    Missing {
        /// What was asked for.
        call: &'static str,
        /// What is missing, by name.
        what: String,
    },
    /// A snapshot that cannot be used.
    Snapshot {
        /// Where in it: a path of names, or a line and column.
        place: String,
        /// What is wrong there.
        why: String,
    },
    /// The guest did what nobody here can answer, or ended its machine.
    Guest {
        /// What, in words.
        what: String,
    },
    /// An access outside of a memory, or of what a guest has mapped.
    OutOfRange {
        /// Where the access starts: an offset or a guest-physical address.
        address: u64,
        /// How many bytes it asked for.
        size: u64,
    },
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Argument { call, why } => write!(f, "{call}: {why}"),
            Self::Call { call, code, cause } if cause.is_empty() => write!(f, "{call}: {code}"),
            Self::Call { call, code, cause } => write!(f, "{call}: {code}: {cause}"),
            Self::Unavailable { function, since } => {
                write!(f, "{function}: not on this host, needs macOS {since}")
            }
            Self::Row {
                verb,
                row,
                code,
                cause,
            } if cause.is_empty() => write!(f, "{verb} {row}: {code}"),
            Self::Row {
                verb,
                row,
                code,
                cause,
            } => write!(f, "{verb} {row}: {code}: {cause}"),
            Self::NoEngine { why } => write!(f, "no engine: {why}"),
            Self::Guest { what } => write!(f, "the guest: {what}"),
            Self::Missing { call, what } => write!(f, "{call}: {what}"),
            Self::Snapshot { place, why } if place.is_empty() => write!(f, "snapshot: {why}"),
            Self::Snapshot { place, why } => write!(f, "snapshot, {place}: {why}"),
            Self::Memory { size, why } => write!(f, "no memory of {size:#x} bytes: {why}"),
            Self::OutOfRange { address, size } => {
                write!(f, "{size:#x} bytes at {address:#x} are out of range")
            }
        }
    }
}

impl core::error::Error for Error {}

/// For code that moves bytes between guests and files: the error is inside.
impl From<Error> for std::io::Error {
    fn from(error: Error) -> Self {
        Self::other(error)
    }
}

impl Error {
    /// The engine's code, where the engine was asked.
    #[must_use]
    pub const fn code(&self) -> Option<Code> {
        match self {
            Self::Call { code, .. } | Self::Row { code, .. } => Some(*code),
            _ => None,
        }
    }

    /// A refused engine call, with the likely cause of the code.
    pub(crate) fn call(call: &'static str, code: Code) -> Self {
        Self::Call {
            call,
            code,
            cause: likely_cause(call, code).to_owned(),
        }
    }

    /// A refused read or write of a row.
    pub(crate) fn row(verb: &'static str, row: &'static str, code: Code) -> Self {
        let cause = match code {
            Code::UNSUPPORTED => "this host or engine does not have it",
            Code::NO_DEVICE => "the vCPU is gone, or belongs to another thread",
            _ => "",
        };
        Self::Row {
            verb,
            row,
            code,
            cause: cause.to_owned(),
        }
    }
}

/// What usually lies behind a code, for the calls where that is known (reference notes, sections 2, 3 and 14).
fn likely_cause(call: &str, code: Code) -> &'static str {
    match (call, code) {
        ("hv_vm_create", Code::DENIED) => {
            "the process lacks the entitlement com.apple.security.hypervisor: sign the program with it (an ad-hoc signature will do)"
        }
        ("hv_vm_create", Code::BUSY) => {
            "this process has a VM already, and the framework allows one; or another hypervisor holds the processor's VMX"
        }
        ("hv_vm_create", Code::UNSUPPORTED | Code::NO_DEVICE) => {
            "the processor or the system cannot virtualize: see `sysctl kern.hv_support`"
        }
        ("hv_vcpu_create", Code::NO_RESOURCES) => "the VM has as many vCPUs as the host allows",
        ("hv_vcpu_create", Code::BUSY) => {
            "this thread has a vCPU already, and the framework allows one for each thread"
        }
        ("hv_vm_map" | "hv_vm_map_space", Code::BAD_ARGUMENT) => {
            "addresses and sizes have to be multiples of the host's page size"
        }
        ("hv_vm_map" | "hv_vm_map_space", Code::ERROR) => {
            "the range overlaps one that is mapped: unmap it first"
        }
        ("hv_vcpu_enable_native_msr", _) => {
            "only the MSRs that the table marks `native` can be enabled so"
        }
        ("hv_vcpu_run_until", Code::UNSUPPORTED) => {
            "a deadline needs the VMX-preemption timer, which this processor lacks"
        }
        ("hv_vcpu_flush", Code::UNSUPPORTED) => "the call has had no effect since macOS 11.0",
        (_, Code::DENIED) => "the process lacks an entitlement",
        (_, Code::NO_DEVICE) => "there is no VM in this process, or the vCPU is gone",
        (_, Code::UNSUPPORTED) => "this host does not have it",
        (_, Code::ERROR) => {
            "the framework tells nothing more: the call does not fit the state that the VM or vCPU is in"
        }
        (_, Code::BUSY) => "another thread, vCPU or hypervisor holds it",
        (_, Code::BAD_ARGUMENT) => {
            "a value is out of range, misaligned, or not one that this host or macOS knows"
        }
        (_, Code::ILLEGAL_GUEST_STATE) => "the guest is in a state that it cannot be run from",
        (_, Code::NO_RESOURCES) => "the host has no more memory, vCPUs or address spaces to give",
        // The same number on both architectures: EXISTS on Apple silicon.
        (_, Code::FAULT) => "a buffer is not accessible, or what is to be made exists already",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_likely_cause() {
        let known = (0xfae9_4000_u32..0xfae9_4010).map(|code| Code(code as i32));
        let known: Vec<Code> = known.filter(|code| code.name().is_some()).collect();
        assert_eq!(known.len(), 9);
        for code in known {
            let error = Error::call("hv_vcpu_run", code);
            let Error::Call { cause, .. } = &error else {
                panic!("{error}");
            };
            assert!(!cause.is_empty(), "{error}");
        }
        let denied = Error::call("hv_vm_create", Code::DENIED).to_string();
        assert!(denied.contains("com.apple.security.hypervisor"), "{denied}");
    }
}
