//! Behaviour of whole Intel VMs through the public API, on every engine that this host has. What both architectures share (mapping,
//! threads, snapshots, misuse) is in `behaviour_both`.
//!
//! | module | what |
//! |---|---|
//! | `support` | engines, and the guest that most tests start from |
//! | `real_mode` | 16-bit guests: ports, strings, HLT, interrupts |
//! | `memory` | spaces, pages that accesses cross |
//! | `mmio` | devices behind unmapped memory |
//! | `events` | injection, windows, exceptions, refused entries |
//! | `vectoring` | events whose delivery an exit interrupts |
//! | `details` | what exits tell, by the tables' types |
//! | `threads` | deadlines |
//! | `split_locks` | locked accesses that cross what the host changes in one step |
//! | `system` | CPUID, MSRs, control registers, long mode |
//! | `debug` | breakpoints, watchpoints, single step |
//! | `own_debug` | a guest that debugs itself |
//! | `snapshots` | saving and restoring |
//! | `apic` | interrupt controllers inside the engine |
//! | `walk` | the VMM's page walk against the processor's |
//! | `misuse` | what bad input gets |

#[cfg(test)]
mod apic;
#[cfg(test)]
mod debug;
#[cfg(test)]
mod details;
#[cfg(test)]
mod events;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod misuse;
#[cfg(test)]
mod mmio;
#[cfg(test)]
mod mmio_directions;
mod mmio_memory;
#[cfg(test)]
mod own_debug;
#[cfg(test)]
mod real_mode;
#[cfg(test)]
mod snapshots;
#[cfg(test)]
mod split_locks;
#[cfg(test)]
mod support;
#[cfg(test)]
mod system;
#[cfg(test)]
mod threads;
#[cfg(test)]
mod vectoring;
#[cfg(test)]
mod walk;
