//! x87, MMX and SSE state.

/// Floating-point and SIMD registers.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {}
