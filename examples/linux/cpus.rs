//! Which vCPUs of a machine run and which wait to be started, and how the machine ends: what its threads share, for both architectures.

use std::sync::mpsc::Sender;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use xhv::VcpuHandle;

use crate::console::Event;

/// Locks what stays whole even if a holder has panicked.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How a machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The guest switched it off.
    Off,
    /// The guest wants it to start anew.
    Reset,
    /// The user left.
    Left,
    /// A signal ended the program.
    Signal(i32),
}

/// What a vCPU does. `S` is what it has to know to start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Power<S> {
    /// Its thread is not ready yet.
    New,
    /// It waits to be started.
    Off,
    /// It has been told to start.
    Starting(S),
    /// It runs.
    On,
}

/// The vCPUs of a machine.
#[derive(Debug)]
pub struct Cpus<S> {
    state: Mutex<State<S>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<S> {
    end: Option<Result<End, String>>,
    power: Vec<Power<S>>,
    handles: Vec<VcpuHandle>,
    stopped: Option<Sender<Event>>,
}

impl<S: Copy> Cpus<S> {
    /// So many of them, all new.
    pub fn new(count: u32) -> Self {
        Self {
            state: Mutex::new(State {
                end: None,
                power: vec![Power::New; count as usize],
                handles: Vec::new(),
                stopped: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// Where to tell that the machine has stopped: before the first one is added.
    pub fn tell(&self, stopped: Sender<Event>) {
        lock(&self.state).stopped = Some(stopped);
    }

    /// The handle of the next one.
    pub fn add(&self, handle: VcpuHandle) {
        lock(&self.state).handles.push(handle);
    }

    /// The machine stops for this reason, if it has not stopped for another already.
    pub fn stop(&self, end: Result<End, String>) {
        let mut state = lock(&self.state);
        if state.end.is_none() {
            state.end = Some(end);
            if let Some(stopped) = &state.stopped {
                // Nobody listens any more: nobody has to know.
                let _ = stopped.send(Event::Stopped);
            }
        }
        state.handles.iter().for_each(VcpuHandle::cancel);
        self.changed.notify_all();
    }

    /// How the machine ended.
    pub fn end(&self) -> Result<End, String> {
        let end = lock(&self.state).end.take();
        end.unwrap_or_else(|| Err("all vCPUs have stopped".to_owned()))
    }

    /// Starts the first one when all are ready.
    pub fn boot(&self, with: S) {
        let mut state = lock(&self.state);
        while state.end.is_none() && state.power.iter().any(|power| matches!(power, Power::New)) {
            state = self.wait(state);
        }
        if let Some(first) = state.power.first_mut() {
            *first = Power::Starting(with);
        }
        self.changed.notify_all();
    }

    /// Starts one, if it is off. Answers what it was before; `None`: there is no such one.
    pub fn start(&self, cpu: u32, with: S) -> Option<Power<S>> {
        let mut state = lock(&self.state);
        let power = state.power.get_mut(cpu as usize)?;
        let before = *power;
        if matches!(before, Power::Off) {
            *power = Power::Starting(with);
        }
        self.changed.notify_all();
        Some(before)
    }

    /// Switches one off.
    pub fn switch_off(&self, cpu: u32) {
        let mut state = lock(&self.state);
        if let Some(power) = state.power.get_mut(cpu as usize) {
            *power = Power::Off;
        }
        if let Some(handle) = state.handles.get(cpu as usize) {
            handle.cancel();
        }
        self.changed.notify_all();
    }

    /// What one does; `None`: there is no such one.
    pub fn power(&self, cpu: u32) -> Option<Power<S>> {
        lock(&self.state).power.get(cpu as usize).copied()
    }

    /// Whether one is to go on running.
    pub fn runs(&self, cpu: u32) -> bool {
        let state = lock(&self.state);
        state.end.is_none() && matches!(state.power.get(cpu as usize), Some(Power::On))
    }

    /// Waits, as this one, to be started; `None` if the machine stops first.
    pub fn wait_for_start(&self, cpu: u32) -> Option<S> {
        let mut state = lock(&self.state);
        while state.end.is_none() {
            match state.power.get_mut(cpu as usize)? {
                Power::Starting(with) => {
                    let with = *with;
                    state.power[cpu as usize] = Power::On;
                    return Some(with);
                }
                power @ Power::New => {
                    *power = Power::Off;
                    self.changed.notify_all();
                }
                Power::Off | Power::On => state = self.wait(state),
            }
        }
        None
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State<S>>) -> MutexGuard<'a, State<S>> {
        self.changed
            .wait(state)
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stops the machine if the thread that holds it panics: the others would wait for ever.
pub struct Watch<'a, S: Copy>(pub &'a Cpus<S>);

impl<S: Copy> Drop for Watch<'_, S> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop(Err("a vCPU's thread panicked".to_owned()));
        }
    }
}
