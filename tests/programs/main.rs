//! The examples as a user sees them: started as programs, their output read.

mod dos;
mod el1;
mod firmware;
mod gdb;
mod hello_arm;
mod kernels;
mod linux;
mod support;
mod unikernel;
