//! A vCPU on a thread of its own: the framework binds each vCPU to the thread that creates it. Shared by both architectures.

use core::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;

use crate::error::Error;
use crate::handle::VcpuHandle;
use crate::memory::lock;

/// Work for a vCPU's thread.
type Job<V> = Box<dyn FnOnce(&mut V) + Send>;

/// Work that waits for a vCPU to be out of the guest.
pub(crate) struct Jobs<V>(Mutex<Vec<Job<V>>>);

impl<V> Default for Jobs<V> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<V> fmt::Debug for Jobs<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Jobs({})", lock(&self.0).len())
    }
}

impl<V> Jobs<V> {
    /// The next job; to be done by the vCPU's thread outside of the guest.
    pub(crate) fn next(&self) -> Option<Job<V>> {
        let mut jobs = lock(&self.0);
        if jobs.is_empty() {
            return None;
        }
        Some(jobs.remove(0))
    }

    /// Drops what nobody will do any more.
    pub(crate) fn clear(&self) {
        lock(&self.0).clear();
    }
}

/// A vCPU that runs on a thread of its own. `R` is what the thread answers.
pub struct VcpuThread<V, R> {
    handle: VcpuHandle,
    jobs: Arc<Jobs<V>>,
    ended: Arc<AtomicBool>,
    thread: JoinHandle<Option<R>>,
}

/// Told whenever a vCPU's thread ends: what [`join_first`] waits for. One for all: threads end seldom.
static ENDS: (Mutex<()>, Condvar) = (Mutex::new(()), Condvar::new());

/// Tells, also when the thread's body panics.
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        let _told = lock(&ENDS.0);
        self.0.store(true, Ordering::Release);
        ENDS.1.notify_all();
    }
}

impl<V, R> fmt::Debug for VcpuThread<V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VcpuThread")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// What a new thread says of its vCPU.
pub(crate) type Born<V> = Result<(VcpuHandle, Arc<Jobs<V>>), Error>;

/// Starts a thread that makes a vCPU with `create`, tells of it with `tell`, and runs `body` with it.
pub(crate) fn spawn<V, R>(
    create: impl FnOnce() -> Result<V, Error> + Send + 'static,
    tell: impl FnOnce(&V) -> (VcpuHandle, Arc<Jobs<V>>) + Send + 'static,
    body: impl FnOnce(&mut V) -> R + Send + 'static,
) -> Result<VcpuThread<V, R>, Error>
where
    V: 'static,
    R: Send + 'static,
{
    let failed = |why: String| Error::Argument {
        call: "Vm::spawn_vcpu",
        why,
    };
    let ended = Arc::new(AtomicBool::new(false));
    let end = End(ended.clone());
    let (sender, receiver): (Sender<Born<V>>, Receiver<Born<V>>) = channel();
    let thread = std::thread::Builder::new()
        .name("xhv-vcpu".to_owned())
        .spawn(move || {
            let _end = end;
            let mut vcpu = match create() {
                Ok(vcpu) => vcpu,
                Err(error) => {
                    let _ = sender.send(Err(error));
                    return None;
                }
            };
            let _ = sender.send(Ok(tell(&vcpu)));
            drop(sender);
            Some(body(&mut vcpu))
        })
        .map_err(|error| failed(format!("the host gives no thread: {error}")))?;
    let (handle, jobs) = receiver
        .recv()
        .unwrap_or_else(|_| Err(failed("the thread ended before it had a vCPU".to_owned())))?;
    Ok(VcpuThread {
        handle,
        jobs,
        ended,
        thread,
    })
}

/// Waits until one of a machine's threads ends, cancels the others, waits for them too, and answers all in the order given: for
/// machines that end when the first of their vCPUs does. The bodies have to end when their vCPU is canceled.
pub fn join_first<V: 'static, R>(threads: Vec<VcpuThread<V, R>>) -> Vec<std::thread::Result<R>> {
    let mut guard = lock(&ENDS.0);
    let is_over = |thread: &VcpuThread<V, R>| thread.ended.load(Ordering::Acquire);
    while !threads.is_empty() && !threads.iter().any(is_over) {
        guard = ENDS.1.wait(guard).unwrap_or_else(PoisonError::into_inner);
    }
    drop(guard);
    threads.iter().for_each(VcpuThread::cancel);
    threads.into_iter().map(VcpuThread::join).collect()
}

impl<V: 'static, R> VcpuThread<V, R> {
    /// A handle to the vCPU: cancel, pause, resume.
    #[must_use]
    pub fn handle(&self) -> VcpuHandle {
        self.handle.clone()
    }

    /// Makes the vCPU's `run` answer that it was canceled: see [`VcpuHandle::cancel`].
    pub fn cancel(&self) {
        self.handle.cancel();
    }

    /// Stops guest execution: see [`VcpuHandle::pause`].
    pub fn pause(&self) {
        self.handle.pause();
    }

    /// Goes on after a pause.
    pub fn resume(&self) {
        self.handle.resume();
    }

    /// Runs `work` with the vCPU, on the vCPU's thread, the next time that it is in `run` (paused or not), and waits for
    /// the answer. This is how another thread reads registers or saves the state of a vCPU.
    ///
    /// # Errors
    /// [`Error::Argument`] if the vCPU is gone.
    pub fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut V) -> T + Send + 'static,
    ) -> Result<T, Error> {
        let (sender, receiver) = channel();
        lock(&self.jobs.0).push(Box::new(move |vcpu| {
            let _ = sender.send(work(vcpu));
        }));
        if self.handle.is_alive() {
            self.handle.0.ask_work();
        } else {
            self.jobs.clear();
        }
        receiver.recv().map_err(|_| Error::Argument {
            call: "VcpuThread::with",
            why: "the vCPU is gone".to_owned(),
        })
    }

    /// Whether the thread has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.thread.is_finished()
    }

    /// Waits for the end of the thread and answers what its body answered.
    ///
    /// # Errors
    /// What the body panicked with.
    pub fn join(self) -> std::thread::Result<R> {
        match self.thread.join() {
            Ok(Some(result)) => Ok(result),
            // Not reached: `spawn` answers an error then. Told as an error all the same.
            Ok(None) => Err(Box::new("the thread never had a vCPU")),
            Err(panic) => Err(panic),
        }
    }
}
