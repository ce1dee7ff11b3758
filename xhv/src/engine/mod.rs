//! The one seam: what an engine has to offer, and the engines behind it.
//!
//! | module | what |
//! |---|---|
//! | `x86_64`, `aarch64` | the seam itself: enums over the engines that this build has, one call for each function of the framework |
//! | `framework` | macOS: the generated bindings, and nothing that decides |
//! | `software` | the software CPU |

pub(crate) mod aarch64;
#[cfg(target_os = "macos")]
pub(crate) mod framework;
#[cfg(feature = "software")]
pub(crate) mod software;
pub(crate) mod x86_64;
