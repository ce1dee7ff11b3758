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
//! | `threads` | deadlines |
//! | `system` | CPUID, MSRs, control registers, long mode |
//! | `debug` | breakpoints, watchpoints, single step |
//! | `snapshots` | saving and restoring |
//! | `apic` | interrupt controllers inside the engine |
//! | `translations` | what has to be forgotten when page tables change |
//! | `walk` | the VMM's page walk against the processor's |
//! | `misuse` | what bad input gets |

#[cfg(test)]
mod apic;
#[cfg(test)]
mod debug;
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
#[cfg(test)]
mod translations;
#[cfg(test)]
mod walk;
