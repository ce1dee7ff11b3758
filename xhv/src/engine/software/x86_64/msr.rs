//! Model-specific registers.

/// Model-specific registers that the CPU itself uses.
#[derive(Clone, Debug, Default)]
pub(crate) struct Msrs {}
