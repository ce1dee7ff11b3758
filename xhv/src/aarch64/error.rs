//! Errors of this architecture: codes of calls and rows with their likely cause.

use super::ffi;
use crate::engine::aarch64::Choice;
use crate::error::{Code, Error};
use crate::trace::event;
use crate::typed::RowInfo;

/// A refused call, by the framework's name.
pub(super) fn call(choice: Choice, call: &'static str, code: Code) -> Error {
    event!(DEBUG, call, %code, "refused call");
    if code == Code::UNSUPPORTED && is_framework(choice) {
        let known = ffi::FUNCTIONS.iter().find(|row| row.name == call);
        if let Some(row) = known.filter(|row| !(row.present)()) {
            return Error::Unavailable {
                function: row.name,
                since: row.since,
            };
        }
    }
    let cause = match (call, code) {
        ("hv_vm_create", Code::UNSUPPORTED) => {
            "the host cannot give the VM the address width, granule or EL2 that was asked for"
        }
        ("hv_gic_create", Code::BAD_ARGUMENT) => {
            "the bases have to be aligned as `GicBuilder` says and inside the guest-physical address space"
        }
        ("hv_vcpu_run", Code::ILLEGAL_GUEST_STATE) => {
            "CPSR names an exception level or a state that the guest does not have"
        }
        ("hv_vcpu_set_pending_interrupt", Code::UNSUPPORTED) => {
            "the VM has a GIC: raise the interrupt there"
        }
        ("hv_gic_set_state", Code::BAD_ARGUMENT) => {
            "the state is damaged, or of another version of macOS"
        }
        _ => return Error::call(call, code),
    };
    Error::Call {
        call,
        code,
        cause: cause.to_owned(),
    }
}

/// A refused read or write of a row.
pub(super) fn row(verb: &'static str, info: &RowInfo, code: Code) -> Error {
    event!(DEBUG, verb, row = info.name, %code, "refused row");
    let lacks = matches!(code, Code::BAD_ARGUMENT | Code::UNSUPPORTED);
    let mut cause = Vec::new();
    if lacks {
        cause.extend(info.requires.iter().map(|what| match *what {
            "el2" => "needs a VM with EL2".to_owned(),
            "gic" => "needs a VM with a GIC".to_owned(),
            "sme" => "needs a processor with SME".to_owned(),
            other => format!("needs {other}"),
        }));
        cause.extend(info.since.map(|since| format!("macOS has it from {since}")));
    }
    if cause.is_empty() {
        return Error::row(verb, info.name, code);
    }
    Error::Row {
        verb,
        row: info.name,
        code,
        cause: cause.join("; "),
    }
}

fn is_framework(choice: Choice) -> bool {
    match choice {
        #[cfg(all(target_os = "macos", target_arch = "aarch64"))]
        Choice::Framework => true,
        #[cfg(feature = "software")]
        Choice::Software => false,
    }
}
