//! What other threads may do with a vCPU: cancel it, pause it, hand it work. Shared by both architectures.
//!
//! A vCPU owns a [`Control`]; handles share it. Requests are bits in one atomic word that the vCPU looks at right before it
//! enters the guest and after each exit, so that none is lost; the kick that makes a running vCPU look is taken away, under a
//! lock, before the vCPU is destroyed, so that it never hits another vCPU that got the same id.

use core::fmt;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::memory::lock;
use crate::trace::event;

/// Makes the engine's vCPU leave the guest.
type Kick = Box<dyn Fn() + Send>;

/// The part of a vCPU that other threads see.
pub(crate) struct Control {
    requests: AtomicU32,
    in_run: AtomicBool,
    kick: Mutex<Option<Kick>>,
    /// Whether a kick works on a vCPU that is about to enter the guest.
    sticky: bool,
    parked: Mutex<Parked>,
    changed: Condvar,
}

/// How a pause stands.
#[derive(Default)]
struct Parked {
    pauses: u32,
    gone: bool,
}

const CANCEL: u32 = 1;
const PAUSE: u32 = 2;
const WORK: u32 = 4;

/// What a vCPU finds when it looks at its requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    /// Leave `run`.
    Cancel,
    /// There is work for the vCPU's thread.
    Work,
}

impl Control {
    /// For a vCPU that `kick` gets out of the guest. `sticky`: also if it is just about to enter.
    pub(crate) fn new(sticky: bool, kick: impl Fn() + Send + 'static) -> Arc<Self> {
        Arc::new(Self {
            requests: AtomicU32::new(0),
            in_run: AtomicBool::new(false),
            kick: Mutex::new(Some(Box::new(kick))),
            sticky,
            parked: Mutex::default(),
            changed: Condvar::new(),
        })
    }

    /// The vCPU's thread begins to run. To be followed by [`Control::request`].
    #[inline]
    pub(crate) fn begin(&self) {
        self.in_run.store(true, Ordering::SeqCst);
    }

    /// The vCPU's thread is out of `run`.
    #[inline]
    pub(crate) fn end(&self) {
        // A pause that waits for this asked first, so its bit is seen here.
        self.in_run.store(false, Ordering::SeqCst);
        if self.requests.load(Ordering::SeqCst) & PAUSE != 0 {
            let _guard = lock(&self.parked);
            self.changed.notify_all();
        }
    }

    /// What is asked of the vCPU, taken back; waits here while it is paused.
    #[inline]
    pub(crate) fn request(&self) -> Option<Request> {
        if self.requests.load(Ordering::SeqCst) == 0 {
            return None;
        }
        self.slow_request()
    }

    #[cold]
    fn slow_request(&self) -> Option<Request> {
        loop {
            let requests = self.requests.load(Ordering::SeqCst);
            for (bit, request) in [(WORK, Request::Work), (CANCEL, Request::Cancel)] {
                if requests & bit != 0 {
                    self.requests.fetch_and(!bit, Ordering::SeqCst);
                    return Some(request);
                }
            }
            if requests & PAUSE == 0 {
                return None;
            }
            self.in_run.store(false, Ordering::SeqCst);
            let mut parked = lock(&self.parked);
            self.changed.notify_all();
            while parked.pauses > 0 && self.requests.load(Ordering::SeqCst) & (CANCEL | WORK) == 0 {
                parked = wait(&self.changed, parked);
            }
            drop(parked);
            self.in_run.store(true, Ordering::SeqCst);
        }
    }

    /// Sleeps until something is asked of the vCPU, `limit` at most. For a vCPU outside of the guest that waits for an interrupt.
    pub(crate) fn wait_for_request(&self, limit: Duration) {
        let until = Instant::now() + limit.min(Duration::from_secs(86_400));
        let mut parked = lock(&self.parked);
        while self.requests.load(Ordering::SeqCst) == 0 {
            let Some(left) = until
                .checked_duration_since(Instant::now())
                .filter(|left| !left.is_zero())
            else {
                return;
            };
            let waited = self.changed.wait_timeout(parked, left);
            parked = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// The vCPU goes away: kicks end here, and so do waits for it.
    pub(crate) fn retire(&self) {
        *lock(&self.kick) = None;
        self.in_run.store(false, Ordering::SeqCst);
        lock(&self.parked).gone = true;
        self.changed.notify_all();
    }

    fn ask(&self, bit: u32) {
        self.requests.fetch_or(bit, Ordering::SeqCst);
        {
            let _guard = lock(&self.parked);
            self.changed.notify_all();
        }
        self.kick();
        if self.sticky {
            return;
        }
        // An engine may forget a kick that comes just before the guest is entered: repeat it until the vCPU has looked.
        while self.requests.load(Ordering::SeqCst) & bit != 0 && self.in_run.load(Ordering::SeqCst)
        {
            std::thread::sleep(Duration::from_micros(50));
            self.kick();
        }
    }

    fn kick(&self) {
        if let Some(kick) = &*lock(&self.kick) {
            kick();
        }
    }

    /// Has the vCPU's thread look for work.
    pub(crate) fn ask_work(&self) {
        self.ask(WORK);
    }

    fn pause(&self) {
        {
            let mut parked = lock(&self.parked);
            parked.pauses += 1;
            self.requests.fetch_or(PAUSE, Ordering::SeqCst);
        }
        let mut parked = lock(&self.parked);
        while self.in_run.load(Ordering::SeqCst) && parked.pauses > 0 && !parked.gone {
            drop(parked);
            self.kick();
            parked = lock(&self.parked);
            if !self.in_run.load(Ordering::SeqCst) {
                break;
            }
            let waited = self.changed.wait_timeout(parked, Duration::from_millis(1));
            parked = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    fn resume(&self) {
        let mut parked = lock(&self.parked);
        parked.pauses = parked.pauses.saturating_sub(1);
        if parked.pauses == 0 {
            self.requests.fetch_and(!PAUSE, Ordering::SeqCst);
            self.changed.notify_all();
        }
    }
}

fn wait<'a, T>(
    changed: &Condvar,
    guard: std::sync::MutexGuard<'a, T>,
) -> std::sync::MutexGuard<'a, T> {
    changed
        .wait(guard)
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A handle to a vCPU for other threads. It may outlive the vCPU: then it does nothing.
#[derive(Clone)]
pub struct VcpuHandle(pub(crate) Arc<Control>);

impl VcpuHandle {
    /// Makes the vCPU's current or next `run` answer that it was canceled. Never lost, whether the vCPU is running, about to
    /// run or idle; several cancels before the vCPU looks count as one.
    pub fn cancel(&self) {
        event!(TRACE, "cancel");
        self.0.ask(CANCEL);
    }

    /// Stops guest execution: when this returns the vCPU executes nothing until [`VcpuHandle::resume`]. Its thread waits in
    /// `run`. Pauses nest. Called on the vCPU's own thread it returns at once and takes effect at the next `run`.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Takes one [`VcpuHandle::pause`] back.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// Whether both are of one vCPU.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the vCPU still exists.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        lock(&self.0.kick).is_some()
    }
}

impl fmt::Debug for VcpuHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VcpuHandle")
            .field("alive", &self.is_alive())
            .field("running", &self.0.in_run.load(Ordering::Relaxed))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancel_before_run_is_kept_and_counts_once() {
        let control = Control::new(true, || {});
        let handle = VcpuHandle(control.clone());
        handle.cancel();
        handle.cancel();
        control.begin();
        assert_eq!(control.request(), Some(Request::Cancel));
        assert_eq!(control.request(), None);
        control.end();
    }

    #[test]
    fn a_retired_vcpu_is_not_kicked() {
        let kicks = Arc::new(AtomicU32::new(0));
        let seen = kicks.clone();
        let control = Control::new(true, move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        let handle = VcpuHandle(control.clone());
        handle.cancel();
        control.retire();
        handle.cancel();
        handle.pause();
        handle.resume();
        assert_eq!(kicks.load(Ordering::SeqCst), 1);
        assert!(!handle.is_alive());
    }

    #[test]
    fn an_engine_that_forgets_kicks_is_kicked_again() {
        // The kick only counts from the third on, as if the first two had come too early.
        let kicks = Arc::new(AtomicU32::new(0));
        let seen = kicks.clone();
        let control = Control::new(false, move || {
            seen.fetch_add(1, Ordering::SeqCst);
        });
        let handle = VcpuHandle(control.clone());
        control.begin();
        let canceler = std::thread::spawn(move || handle.cancel());
        while kicks.load(Ordering::SeqCst) < 3 {
            std::thread::yield_now();
        }
        assert_eq!(control.request(), Some(Request::Cancel));
        canceler.join().unwrap();
        control.end();
    }

    #[test]
    fn a_pause_parks_the_thread() {
        let control = Control::new(true, || {});
        let handle = VcpuHandle(control.clone());
        let rounds = Arc::new(AtomicU32::new(0));
        let counted = rounds.clone();
        let runner = std::thread::spawn(move || {
            control.begin();
            while control.request() != Some(Request::Cancel) {
                counted.fetch_add(1, Ordering::SeqCst);
            }
            control.end();
        });
        handle.pause();
        let stood = rounds.load(Ordering::SeqCst);
        std::thread::sleep(Duration::from_millis(5));
        assert_eq!(rounds.load(Ordering::SeqCst), stood);
        handle.resume();
        handle.cancel();
        runner.join().unwrap();
    }
}
