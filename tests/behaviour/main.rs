//! Behaviour of whole VMs through the public API, on every engine that this host has.
//!
//! | module | what |
//! |---|---|
//! | `support` | engines, and the guest that most tests start from |
//! | `real_mode` | 16-bit guests: ports, strings, HLT, interrupts |
//! | `memory` | mapping, faults, dirty pages |
//! | `mmio` | devices behind unmapped memory |
//! | `events` | injection, windows, exceptions, refused entries |
//! | `threads` | cancel, pause, work on a vCPU's thread |
//! | `system` | CPUID, MSRs, control registers, long mode |
//! | `snapshots` | saving and restoring |
//! | `apic` | interrupt controllers inside the engine |
//! | `misuse` | what bad input gets |

#[cfg(test)]
mod apic;
#[cfg(test)]
mod events;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod misuse;
#[cfg(test)]
mod mmio;
#[cfg(test)]
mod real_mode;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod support;
#[cfg(test)]
mod system;
#[cfg(test)]
mod threads;
