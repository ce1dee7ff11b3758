//! The software engine: a CPU for hosts without the framework.
//!
//! `memory` holds guest memory as a CPU sees it, `dispatch` runs decoded code; a folder for each architecture has the rest.

pub(crate) mod aarch64;
pub(crate) mod dispatch;
pub(crate) mod float;
pub(crate) mod memory;
pub(crate) mod x86_64;
