//! The x86 half: VMs and vCPUs of Intel Macs, and of the software engine everywhere.

pub(crate) mod entry;

pub use entry::{Rule, Stage, Violation};
