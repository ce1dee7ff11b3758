//! The examples as a user sees them: started as programs, their output read.

mod dos;
mod gdb;
mod hello_arm;
mod kernels;
mod support;
mod unikernel;
