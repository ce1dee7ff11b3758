//! Virtual machines with Apple silicon's processors: EL1 programs on Hypervisor.framework or the software CPU.

#[path = "../../spec/aarch64/exits.rs"]
pub mod exits;
#[path = "../../spec/aarch64/feature_registers.rs"]
pub mod feature;
#[path = "../../spec/aarch64/framework.rs"]
pub mod ffi;
#[path = "../../spec/aarch64/gic.rs"]
pub mod gic_registers;
#[cfg(feature = "software")]
#[path = "../../spec/aarch64/instructions_fp.rs"]
pub(crate) mod instructions_fp;
#[path = "../../spec/aarch64/registers.rs"]
pub mod reg;
#[path = "../../spec/aarch64/simd.rs"]
pub mod simd;
#[path = "../../spec/aarch64/sme.rs"]
pub mod sme_registers;
#[path = "../../spec/aarch64/system_registers.rs"]
pub mod sysreg;
