//! Signals that end the program: they are blocked, and a thread waits for them, so that the machine stops and the terminal is restored.
#![allow(unsafe_code)] // libc's signal functions.

const ENDING: [libc::c_int; 4] = [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM];

fn ending() -> libc::sigset_t {
    // SAFETY: a signal set is a plain C value, which the next call makes empty.
    let mut set: libc::sigset_t = unsafe { core::mem::zeroed() };
    // SAFETY: the pointer is to a live set.
    unsafe { libc::sigemptyset(&raw mut set) };
    for signal in ENDING {
        // SAFETY: the pointer is to a live set.
        unsafe { libc::sigaddset(&raw mut set, signal) };
    }
    set
}

/// Blocks them in this thread and those that it will start.
pub fn block() {
    let set = ending();
    // SAFETY: both pointers may be what they are: a live set, and null for the old one.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, core::ptr::null_mut()) };
}

/// Waits for one of them.
pub fn wait() -> i32 {
    let (set, mut signal) = (ending(), 0);
    // SAFETY: both pointers are to live values.
    unsafe { libc::sigwait(&raw const set, &raw mut signal) };
    signal
}
