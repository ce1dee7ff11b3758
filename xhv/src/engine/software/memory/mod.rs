//! Guest memory as the software CPUs see it: what is mapped where, and a software TLB that yields host memory.
//!
//! | file | what |
//! |---|---|
//! | `map` | which guest-physical range is which part of which [`Memory`](crate::Memory): immutable snapshots |
//! | `space` | the current snapshot of a VM, and how a change reaches vCPUs that are running |
//! | `bus` | how one vCPU has the memory for itself for an instruction |
//! | `view` | one vCPU's snapshot with its TLB: all loads and stores of guest code |
//! | `host` | the few instructions that touch host memory |

mod bus;
mod host;
mod map;
mod space;
mod view;

pub(crate) use bus::Bus;
pub(crate) use host::{Scalar, has_wide_atomics};
pub(crate) use map::{Fault, Mapping};
pub(crate) use space::{AddressSpace, Attention, Slot, StaleCode};
pub(crate) use view::{Kind, Rights, SPACES, View, lines_of};
