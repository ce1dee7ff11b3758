//! Whole VMs with AArch64 guests through the public API, on every engine that this machine has. What both
//! architectures share (mapping, threads, snapshots, misuse) is in `behaviour_both`.

mod debug;
mod device;
mod device_parts;
mod gic;
mod guest;
mod interrupt;
mod misuse;
mod snapshot;
mod system;
