//! What the whole-VM tests share.

pub mod reference;

#[cfg(doctest)]
#[path = "lessons/refused.rs"]
mod refused;
