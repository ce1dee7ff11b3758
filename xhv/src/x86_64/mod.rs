//! The x86 half: VMs and vCPUs of Intel Macs, and of the software engine everywhere.

#[path = "../../spec/x86_64/capabilities.rs"]
pub mod capabilities;
#[path = "../../spec/x86_64/controls.rs"]
pub mod controls;
pub(crate) mod entry;
#[path = "../../spec/x86_64/exits.rs"]
pub mod exits;
#[path = "../../spec/x86_64/framework.rs"]
pub mod ffi;
#[path = "../../spec/x86_64/msrs.rs"]
pub mod msr;
#[path = "../../spec/x86_64/registers.rs"]
pub mod reg;
#[path = "../../spec/x86_64/vmcs.rs"]
pub mod vmcs;

pub use entry::{Rule, Stage, Violation};
