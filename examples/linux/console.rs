//! The terminal: raw mode while a guest runs, and the key that leaves.
#![allow(unsafe_code)] // Terminal attributes by libc's calls.

use std::io::Read;
use std::os::fd::AsRawFd;

/// Ctrl-A: the next key is for the monitor.
const ESCAPE: u8 = 1;

/// What came from the terminal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// For the guest.
    Bytes(Vec<u8>),
    /// Ctrl-A x: leave.
    Quit,
    /// The terminal or file has ended.
    End,
}

/// Raw mode, until it is dropped; nothing if standard input is no terminal.
#[derive(Debug)]
pub struct RawMode(Option<libc::termios>);

impl RawMode {
    /// Switches the terminal.
    pub fn enter() -> Self {
        let fd = std::io::stdin().as_raw_fd();
        // SAFETY: termios is a plain C struct for which all zeros are valid.
        let mut before: libc::termios = unsafe { core::mem::zeroed() };
        // SAFETY: the pointer is to a live termios that the call fills in.
        if unsafe { libc::tcgetattr(fd, &raw mut before) } != 0 {
            return Self(None);
        }
        let mut raw = before;
        // SAFETY: the pointer is to a live termios that the call changes.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        // Output keeps its newlines: the guest's console sends its own carriage returns, our messages do not.
        raw.c_oflag = before.c_oflag;
        // SAFETY: the pointer is to a live termios.
        unsafe { libc::tcsetattr(fd, libc::TCSANOW, &raw const raw) };
        Self(Some(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: the pointer is to a live termios.
            unsafe { libc::tcsetattr(std::io::stdin().as_raw_fd(), libc::TCSANOW, before) };
        }
    }
}

/// Splits what is typed into what is for the guest and what is for us.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Waits for input.
    pub fn next(&mut self, from: &mut impl Read) -> Input {
        let mut buffer = [0; 64];
        match from.read(&mut buffer) {
            Ok(0) | Err(_) => Input::End,
            Ok(len) => self.take(&buffer[..len]),
        }
    }

    fn take(&mut self, typed: &[u8]) -> Input {
        let mut bytes = Vec::new();
        for &byte in typed {
            match (self.escaped, byte) {
                (false, ESCAPE) => self.escaped = true,
                (false, byte) => bytes.push(byte),
                (true, b'x') => return Input::Quit,
                (true, byte) => {
                    self.escaped = false;
                    // Ctrl-A twice sends it once; with another key both go to the guest.
                    if byte != ESCAPE {
                        bytes.push(ESCAPE);
                    }
                    bytes.push(byte);
                }
            }
        }
        Input::Bytes(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_escape_key() {
        let mut keys = Keys::default();
        assert_eq!(keys.take(b"ls\r"), Input::Bytes(b"ls\r".to_vec()));
        assert_eq!(keys.take(b"a\x01"), Input::Bytes(b"a".to_vec()));
        assert_eq!(keys.take(b"\x01b"), Input::Bytes(b"\x01b".to_vec()));
        assert_eq!(keys.take(b"\x01c"), Input::Bytes(b"\x01c".to_vec()));
        assert_eq!(keys.take(b"\x01x"), Input::Quit);
    }
}
