//! What the whole-VM tests share.

pub mod reference;
