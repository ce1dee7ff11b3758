//! The framework engine: the generated bindings of Hypervisor.framework behind the seam's names. It decides nothing.

#[cfg(target_arch = "aarch64")]
pub(crate) mod aarch64;
#[cfg(target_arch = "x86_64")]
pub(crate) mod x86_64;
