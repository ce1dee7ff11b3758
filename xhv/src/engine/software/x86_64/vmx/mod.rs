//! VMX: the VMCS of the software engine, entry and exit.
//!
//! | file | what |
//! |---|---|
//! | `controls` | the execution controls, as instructions ask for them |
//! | `capabilities` | what the engine offers: the words of `hv_vmx_read_capability` |
//! | `store` | fields by encoding: reads, writes, and who may write what |
//! | `entry` | entry checks, and what an entry does before the first instruction |
//! | `exit` | what an exit leaves in the fields |
//! | `instructions`, `shadow` | VMX instructions in the guest, and the fields that they reach without an exit |
//!
//! Guest state is not copied: the fields of the guest-state area are the CPU's own registers.

pub(crate) mod capabilities;
pub(crate) mod controls;
mod entry;
mod exit;
pub(crate) mod instructions;
pub(crate) mod shadow;
mod store;

pub(crate) use controls::Controls;
pub(crate) use entry::Entered;
pub(crate) use exit::canceled;
pub(crate) use store::Vmcs;
