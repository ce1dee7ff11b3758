//! Whole VMs with AArch64 guests through the public API, on every engine that this machine has. What both
//! architectures share (mapping, threads, snapshots, misuse) is in `behaviour_both`.

mod atomics;
mod debug;
mod device;
mod device_parts;
mod gic;
mod gic_registers;
mod guest;
mod interrupt;
mod misuse;
mod snapshot;
mod system;
