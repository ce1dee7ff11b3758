//! Virtual machines with Apple silicon's processors: EL1 programs on Hypervisor.framework or the software CPU.

#[path = "../../spec/aarch64/exits.rs"]
pub mod exits;
#[path = "../../spec/aarch64/feature_registers.rs"]
pub mod feature;
#[path = "../../spec/aarch64/framework.rs"]
pub mod ffi;
#[path = "../../spec/aarch64/gic.rs"]
pub mod gic_registers;
#[path = "../../spec/aarch64/instructions.rs"]
pub mod instructions;
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

mod config;
mod error;
mod exit;
mod gic;
mod inject;
mod mmio;
mod plan;
pub mod policy;
mod presets;
pub mod psci;
mod rows;
mod sme;
mod state;
mod transfer;
mod vcpu;
mod vm;
mod walk;

pub use config::{CacheType, VcpuConfig};
pub use exit::{
    DataAbort, Debug, DebugKind, Exit, Hvc, InstructionAbort, RawExit, Smc, SystemRegisterRead,
    SystemRegisterWrite, Undecoded, Wfx,
};
pub use gic::{BuiltIn, Gic, GicBuilder, GicParameters, GicState};
pub use inject::Exception;
pub use mmio::{MmioRead, MmioWrite};
pub use presets::{SCTLR_OFF, affinity};
pub use psci::Psci;
pub use sme::{Bytes, SmeState};
pub use state::{Clock, DebugState, LineState, RestoreOptions, TimerState, VcpuState};
pub use vcpu::{Interrupt, Statistics, Vcpu};
pub use vm::{Granule, Limits, Vm, VmBuilder};
pub use walk::Translation;
