//! Events for `tracing`, behind the feature of that name. Without it they are nothing: not even their arguments are looked at.
//!
//! Targets begin with `xhv`. Errors of an engine are told at `DEBUG`, VMs, vCPUs and maps at `DEBUG`, cancels and exits at `TRACE`.

#[cfg(feature = "tracing")]
macro_rules! event {
    ($level:ident, $($fields:tt)+) => {
        ::tracing::event!(target: "xhv", ::tracing::Level::$level, $($fields)+)
    };
}

#[cfg(not(feature = "tracing"))]
macro_rules! event {
    ($level:ident, $($fields:tt)+) => {};
}

pub(crate) use event;
