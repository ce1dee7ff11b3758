//! The one seam: what an engine has to offer, and the engines behind it.

#[cfg(feature = "software")]
pub(crate) mod software;
