//! VMX: what the execution controls ask of instructions.

/// Execution controls, resolved to what instructions ask for. The default exits only where VMX always does.
#[derive(Clone, Debug, Default)]
pub(crate) struct Controls {}
