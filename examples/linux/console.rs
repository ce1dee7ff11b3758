//! The terminal: raw mode while a guest runs, and everything that the main thread waits for meanwhile: keys, signals, the machine's end.
#![allow(unsafe_code)] // Terminal attributes by libc's calls.

use std::collections::VecDeque;
use std::io::{Read, stdin};
use std::os::fd::AsRawFd;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use crate::cpus::{End, lock};
use crate::keys::{Keys, Typed};
use crate::signals;

/// Raw mode, until it is dropped; nothing if standard input is no terminal.
#[derive(Debug)]
pub struct RawMode(Option<libc::termios>);

impl RawMode {
    /// Switches the terminal.
    pub fn enter() -> Self {
        let fd = stdin().as_raw_fd();
        // SAFETY: termios is a plain C struct for which all zeros are valid.
        let mut before: libc::termios = unsafe { core::mem::zeroed() };
        // SAFETY: the pointer is to a live termios that the call fills in.
        if unsafe { libc::tcgetattr(fd, &raw mut before) } != 0 {
            return Self(None);
        }
        let mut raw = before;
        // SAFETY: the pointer is to a live termios that the call changes.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        // SAFETY: the pointer is to a live termios.
        unsafe { libc::tcsetattr(fd, libc::TCSANOW, &raw const raw) };
        Self(Some(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: the pointer is to a live termios.
            unsafe { libc::tcsetattr(stdin().as_raw_fd(), libc::TCSANOW, before) };
        }
    }
}

/// What the main thread waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// There are keys for the guest.
    Typed,
    /// The user or a signal wants it to end.
    End(End),
    /// The machine has stopped; each says so once.
    Stopped,
}

/// What was typed and not yet taken by a guest: so much at most, then the terminal waits.
#[derive(Debug, Default)]
struct TypeAhead {
    bytes: Mutex<VecDeque<u8>>,
    room: Condvar,
}

const MOST_AHEAD: usize = 4096;

/// The user's side, which outlives machines: type-ahead is for the next one.
pub struct Console {
    events: Receiver<Event>,
    sender: Sender<Event>,
    ahead: Arc<TypeAhead>,
}

impl Console {
    /// Starts to listen, with threads that end with the process.
    pub fn open() -> Self {
        let (sender, events) = channel();
        let ahead = Arc::new(TypeAhead::default());
        let (to, typed) = (sender.clone(), ahead.clone());
        thread::spawn(move || listen(&mut stdin().lock(), &typed, &to));
        let to = sender.clone();
        thread::spawn(move || while to.send(Event::End(End::Signal(signals::wait()))).is_ok() {});
        Self {
            events,
            sender,
            ahead,
        }
    }

    /// Where a machine says that it has stopped.
    pub fn events(&self) -> Sender<Event> {
        self.sender.clone()
    }

    /// Gives the guest what is typed until the machine has stopped; `stop` stops it, `input` answers how many bytes the guest takes now.
    pub fn attend(&self, stop: impl Fn(End), input: impl Fn(&[u8]) -> usize) {
        /// A guest that does not take bytes is asked again after this.
        const AGAIN: Duration = Duration::from_millis(1);
        let mut waiting = false;
        loop {
            let event = if waiting {
                self.events.recv_timeout(AGAIN)
            } else {
                self.events.recv().map_err(RecvTimeoutError::from)
            };
            match event {
                Ok(Event::End(end)) => stop(end),
                Ok(Event::Stopped) => return,
                Ok(Event::Typed) | Err(_) => {}
            }
            let mut bytes = lock(&self.ahead.bytes);
            let taken = input(bytes.make_contiguous());
            bytes.drain(..taken);
            waiting = !bytes.is_empty();
            if bytes.len() < MOST_AHEAD {
                self.ahead.room.notify_one();
            }
        }
    }
}

/// Reads the terminal until it ends; a guest goes on without.
fn listen(from: &mut impl Read, ahead: &TypeAhead, events: &Sender<Event>) {
    let (mut keys, mut buffer) = (Keys::default(), [0; 64]);
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        let event = match keys.take(&buffer[..len]) {
            Typed::Quit => Event::End(End::Left),
            Typed::Bytes(bytes) => {
                let full = |ahead: &mut VecDeque<u8>| ahead.len() >= MOST_AHEAD;
                let waited = ahead.room.wait_while(lock(&ahead.bytes), full);
                waited
                    .unwrap_or_else(std::sync::PoisonError::into_inner)
                    .extend(bytes);
                Event::Typed
            }
        };
        if events.send(event).is_err() {
            return;
        }
    }
}
