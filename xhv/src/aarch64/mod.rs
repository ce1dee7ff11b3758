//! Virtual machines with Apple silicon's processors: EL1 programs on Hypervisor.framework or the software CPU.
//!
//! A guest that adds, tells its result by a hypervisor call, and ends:
//!
//! ```
//! use xhv::aarch64::{Exit, Vm, reg};
//!
//! # fn main() -> Result<(), xhv::Error> {
//! let vm = Vm::new()?;
//! let memory = vm.map_new(0x4000_0000, 0x4000)?;
//! let program = [
//!     0x8b01_0000_u32, // add x0, x0, x1
//!     0xd400_0002,     // hvc #0
//! ];
//! for (at, word) in (0..).step_by(4).zip(program) {
//!     memory.write(at, &word.to_le_bytes())?;
//! }
//! let mut vcpu = vm.create_vcpu()?;
//! vcpu.set_el1(0x4000_0000, 0x4000_4000)?;
//! vcpu.write(reg::X0, 5)?;
//! vcpu.write(reg::X1, 3)?;
//! match vcpu.run()? {
//!     Exit::Hvc(call) => assert_eq!(call.argument(0)?, 8),
//!     other => panic!("{other:?}"),
//! }
//! # Ok(())
//! # }
//! ```
//!
//! | module | what |
//! |---|---|
//! | [`reg`], [`simd`], [`sysreg`], [`feature`], [`gic_registers`], [`sme_registers`] | the tables: what [`Vcpu::read`] and [`Vcpu::write`] take |
//! | [`exits`] | exception classes and the layout of their syndromes |
//! | [`psci`], [`policy`] | what guests ask of firmware, and default answers to trapped registers |
//! | [`ffi`] | the raw functions of the framework |

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

mod builder;
mod calls;
mod config;
mod debug;
mod default;
mod device_tree;
mod dump;
mod error;
mod exit;
mod gic;
mod identity;
mod inject;
mod mmio;
mod plan;
pub mod policy;
mod presets;
pub mod psci;
mod rows;
mod run;
mod sme;
mod state;
mod timer;
mod transfer;
mod trapped;
mod vcpu;
mod vm;
mod walk;

pub use builder::{Granule, Limits, VmBuilder};
pub use calls::{Hvc, Smc, Wfx};
pub use config::{CacheType, VcpuConfig};
pub use debug::Debugger;
pub use device_tree::GIC_HANDLE;
pub use exit::{DataAbort, Debug, DebugKind, Exit, InstructionAbort, RawExit, Undecoded};
pub use gic::{BuiltIn, Gic, GicBuilder, GicParameters, GicState};
pub use identity::{NotKept, affinity};
pub use inject::Exception;
pub use mmio::{MmioRead, MmioWrite};
pub use presets::SCTLR_OFF;
pub use psci::Psci;
pub use run::Statistics;
pub use sme::{Bytes, SmeState};
pub use state::{Clock, DebugState, LineState, RestoreOptions, TimerState, VcpuState};
pub use trapped::{SystemRegisterRead, SystemRegisterWrite};
pub use vcpu::{Interrupt, Vcpu};
pub use vm::Vm;
pub use walk::Translation;
