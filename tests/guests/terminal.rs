//! A pseudo terminal with a program on it: types, waits for what is printed, and looks at the terminal's mode.
#![allow(unsafe_code)] // openpty and terminal attributes by libc's calls.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// Longer than any guest takes: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(40);

/// A program on a terminal. Dropping it ends the program.
pub struct Terminal {
    keyboard: File,
    /// Held so that the terminal lives on when the program has ended.
    line: OwnedFd,
    before: String,
    program: Child,
    screen: Receiver<Vec<u8>>,
    printed: String,
    /// How much of it was waited for already.
    seen: usize,
}

impl Terminal {
    /// Starts a program on a new terminal.
    pub fn start(command: &mut Command) -> Self {
        let (mut ours, mut theirs) = (-1, -1);
        let null = core::ptr::null_mut();
        // SAFETY: the first two pointers are to live values, the others may be null.
        let opened = unsafe {
            libc::openpty(
                &raw mut ours,
                &raw mut theirs,
                null,
                null.cast(),
                null.cast(),
            )
        };
        assert_eq!(opened, 0, "a pseudo terminal");
        // SAFETY: openpty has just made it, and nobody else owns it.
        let mut keyboard = unsafe { File::from_raw_fd(ours) };
        // SAFETY: as above.
        let line = unsafe { OwnedFd::from_raw_fd(theirs) };
        let end = || line.try_clone().expect("a file descriptor");
        let before = mode(&line);
        let program = command
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .expect("the example starts");
        let (sender, screen) = channel();
        let mut from = keyboard.try_clone().expect("a file descriptor");
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = from.read(&mut buffer) {
                if sender.send(buffer[..len].to_vec()).is_err() {
                    return;
                }
            }
        });
        keyboard.flush().expect("the terminal takes keys");
        Self {
            keyboard,
            line,
            before,
            program,
            screen,
            printed: String::new(),
            seen: 0,
        }
    }

    /// Presses keys.
    pub fn type_in(&mut self, keys: &str) {
        self.keyboard
            .write_all(keys.as_bytes())
            .expect("the terminal takes keys");
    }

    /// Waits until this is printed, behind what was waited for before.
    #[track_caller]
    pub fn expect(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.printed[self.seen..].find(text) {
                self.seen += at + text.len();
                return;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match self.screen.recv_timeout(left) {
                Ok(bytes) => self.printed.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("no {text:?} behind byte {}:\n{}", self.seen, self.printed),
            }
        }
    }

    /// Types a command for the guest's shell and waits for its answer and the next prompt.
    #[track_caller]
    pub fn command(&mut self, command: &str, answer: &str) {
        self.type_in(&format!("{command}\r"));
        // The shell repeats what it reads.
        self.expect("\r\n");
        self.expect(answer);
        self.expect("xhv# ");
    }

    /// Whether the mode is the one that the program found.
    pub fn is_as_before(&self) -> bool {
        mode(&self.line) == self.before
    }

    /// The program's process id.
    pub fn id(&self) -> i32 {
        self.program.id() as i32
    }

    /// Waits for the program's end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.program.try_wait().expect("a child process") {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// The mode of a terminal, as something to compare.
fn mode(of: &OwnedFd) -> String {
    // SAFETY: termios is a plain C struct for which all zeros are valid.
    let mut mode: libc::termios = unsafe { core::mem::zeroed() };
    // SAFETY: the pointer is to a live termios that the call fills in.
    let answer = unsafe { libc::tcgetattr(of.as_raw_fd(), &raw mut mode) };
    assert_eq!(answer, 0, "a terminal has a mode");
    format!("{mode:?}")
}
