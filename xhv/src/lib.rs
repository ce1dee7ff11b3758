//! Virtual machines on Apple's Hypervisor.framework, Intel and Apple silicon, and on a software CPU everywhere else.
#![warn(missing_docs)]

extern crate self as xhv;
