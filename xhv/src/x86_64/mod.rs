//! The x86 half: VMs and vCPUs of Intel Macs, and of the software engine everywhere.

mod apic;
#[path = "../../spec/x86_64/capabilities.rs"]
pub mod capabilities;
mod control;
mod controllers;
#[path = "../../spec/x86_64/controls.rs"]
pub mod controls;
mod debug;
mod dump;
mod emulate;
pub(crate) mod entry;
mod exit;
#[path = "../../spec/x86_64/exits.rs"]
pub mod exits;
#[path = "../../spec/x86_64/framework.rs"]
pub mod ffi;
mod fpstate;
mod inject;
#[path = "../../spec/x86_64/msrs.rs"]
pub mod msr;
pub mod policy;
mod presets;
#[path = "../../spec/x86_64/registers.rs"]
pub mod reg;
mod rows;
mod run;
mod space;
mod state;
mod vcpu;
mod vm;
#[path = "../../spec/x86_64/vmcs.rs"]
pub mod vmcs;
mod walk;

pub use apic::{
    ApicControls, ApicInstruction, ApicState, AtpicState, IoapicState, Notifier, NotifierFlags,
    Trigger,
};
pub use control::ControlWord;
pub use controllers::{Controller, Controllers};
pub use debug::Debugger;
pub use entry::{Rule, Stage, Violation};
pub use exit::{
    ApicExit, ApicWrite, ControlRegisterAccess, Cpuid, ExceptionExit, Exit, Hlt, Hypercall,
    MmioRead, MmioWrite, MsrRead, MsrWrite, PortRead, PortWrite, RawExit, RefusedEntry,
    UndecodedAccess, Xsetbv,
};
pub use fpstate::FpState;
pub use inject::Injection;
pub use policy::CpuidResult;
pub use presets::{Segment, SegmentName};
pub use run::Statistics;
pub use space::Space;

pub use crate::scalar::Scalar;
pub use state::{Hex, MsrSetup, VcpuState};
pub use vcpu::{MsrAccess, ShadowAccess, Vcpu, VcpuOptions};
pub use vm::{Vm, VmBuilder, VmOptions};
pub use walk::{Access, PageFault};

use crate::error::{Code, Error};
use crate::host::Engine;
use crate::trace::event;

/// The error of a refused engine call: a function that this system does not have is told with the version that brought it.
#[cold]
fn failed(engine: Engine, call: &'static str, code: Code) -> Error {
    event!(DEBUG, call, %code, "refused call");
    if engine == Engine::Framework && code == Code::UNSUPPORTED {
        let absent = ffi::FUNCTIONS
            .iter()
            .find(|function| function.name == call && !(function.present)());
        if let Some(function) = absent {
            return Error::Unavailable {
                function: function.name,
                since: function.since,
            };
        }
    }
    Error::call(call, code)
}
