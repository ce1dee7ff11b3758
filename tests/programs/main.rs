//! The examples as a user sees them: started as programs, their output read.

mod hello_arm;
mod support;
