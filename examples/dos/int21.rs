//! The functions of DOS that a small program needs: INT 21h, and the few of the BIOS.
//!
//! Numbers and registers as in Ralf Brown's Interrupt List. Strings that a program gives are bounded by its segment.

use std::collections::VecDeque;
use std::io::{Read, Write};

use serde::{Deserialize, Serialize};

use crate::clock;
use crate::files::Files;
use crate::registers::{DosError, Registers};

/// A program's view of its memory: real-mode addresses.
pub trait Memory {
    /// Copies bytes from `segment:offset` on, wrapping inside the segment.
    fn read(&self, segment: u16, offset: u16, out: &mut [u8]);
    /// Copies bytes to `segment:offset`, wrapping inside the segment.
    fn write(&self, segment: u16, offset: u16, bytes: &[u8]);
}

/// What comes after a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// The program goes on.
    Resume,
    /// The program has ended with this code.
    Exit(u8),
}

/// The state of DOS outside of the guest's memory and the open files.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Disk transfer area: segment and offset.
    dta: (u16, u16),
    /// Segment of the program segment prefix.
    psp: u16,
    /// First paragraph that can be allocated, and the one behind the last.
    free: (u16, u16),
    /// What find next has left to find.
    found: VecDeque<(String, u32)>,
}

/// DOS.
pub struct Dos<'io> {
    /// What is saved of it.
    pub state: State,
    /// The open files.
    pub files: Files,
    /// The console's keyboard.
    pub input: &'io mut dyn Read,
    /// The console's screen.
    pub output: &'io mut dyn Write,
}

impl Dos<'_> {
    /// Begins a program whose prefix is at segment `psp` and that owns memory up to segment `end`.
    pub fn start(&mut self, psp: u16, end: u16) {
        self.state = State {
            dta: (psp, 0x80),
            psp,
            free: (end, end),
            ..State::default()
        };
    }

    fn put(&mut self, byte: u8) {
        // A console that is gone is no reason to stop a program: DOS does not tell it either.
        let _ = self.output.write_all(&[byte]);
    }

    /// The next byte of the keyboard; Ctrl-Z at its end.
    fn key(&mut self) -> u8 {
        let _ = self.output.flush();
        let mut byte = [0x1a];
        match self.input.read(&mut byte) {
            Ok(1) if byte[0] == b'\n' => b'\r',
            Ok(1) => byte[0],
            _ => 0x1a,
        }
    }

    /// INT 10h: teletype output; everything else is accepted and does nothing.
    pub fn video(&mut self, regs: &mut Registers) {
        match regs.ah() {
            0x0e => self.put(regs.al()),
            0x03 => (regs.cx, regs.dx) = (0x0607, 0),
            0x0f => (regs.ax, regs.bx) = (80 << 8 | 3, 0),
            _ => {}
        }
    }

    /// INT 16h: functions 0 and 10h wait for a key.
    pub fn keyboard(&mut self, regs: &mut Registers) {
        match regs.ah() {
            0x00 | 0x10 => regs.ax = self.key().into(),
            // No key is ever known to be waiting: the console is read when a program waits.
            _ => regs.zero = true,
        }
    }

    /// INT 1Ah: the number of clock ticks since midnight.
    pub fn time_of_day(&mut self, regs: &mut Registers) {
        if regs.ah() == 0 {
            let ticks = clock::ticks();
            (regs.cx, regs.dx) = ((ticks >> 16) as u16, ticks as u16);
            regs.set_al(0);
        }
    }

    /// INT 21h.
    pub fn call(&mut self, regs: &mut Registers, memory: &dyn Memory) -> Next {
        let result = match regs.ah() {
            0x00 => return Next::Exit(0),
            0x4c => return Next::Exit(regs.al()),
            0x01..=0x0c => {
                self.console(regs, memory);
                return Next::Resume;
            }
            0x3c..=0x42 | 0x4e | 0x4f => self.file(regs, memory),
            0x48..=0x4a => self.memory(regs),
            _ => {
                self.system(regs, memory);
                return Next::Resume;
            }
        };
        match result {
            Ok(()) => regs.succeed(),
            Err(error) => regs.fail(error),
        }
        Next::Resume
    }

    fn console(&mut self, regs: &mut Registers, memory: &dyn Memory) {
        match regs.ah() {
            0x01 | 0x07 | 0x08 => {
                let key = self.key();
                if regs.ah() == 0x01 {
                    self.put(key);
                }
                regs.set_al(key);
            }
            0x06 if regs.dx as u8 == 0xff => {
                regs.set_al(0);
                regs.zero = true;
            }
            0x02 | 0x06 => {
                self.put(regs.dx as u8);
                regs.set_al(regs.dx as u8);
            }
            0x09 => {
                for byte in bytes_until(memory, regs.ds, regs.dx, b'$') {
                    self.put(byte);
                }
                regs.set_al(b'$');
            }
            0x0a => self.line(regs, memory),
            0x0b => regs.set_al(0),
            0x0c => {
                // Flushes the keyboard, then does the function in AL.
                if matches!(regs.al(), 0x01 | 0x06 | 0x07 | 0x08 | 0x0a) {
                    regs.ax = u16::from(regs.al()) << 8;
                    self.console(regs, memory);
                }
            }
            // Auxiliary device and printer: there are none.
            _ => {}
        }
    }

    /// Function 0Ah: a line of input, to a buffer whose first byte is its size.
    fn line(&mut self, regs: &Registers, memory: &dyn Memory) {
        let mut size = [0];
        memory.read(regs.ds, regs.dx, &mut size);
        let room = usize::from(size[0]).saturating_sub(1);
        let mut line = Vec::new();
        loop {
            match self.key() {
                b'\r' | 0x1a => break,
                8 | 0x7f => drop(line.pop()),
                byte if line.len() < room => line.push(byte),
                _ => self.put(7),
            }
        }
        memory.write(regs.ds, regs.dx.wrapping_add(1), &[line.len() as u8]);
        line.push(b'\r');
        if size[0] > 0 {
            memory.write(regs.ds, regs.dx.wrapping_add(2), &line);
        }
    }

    fn file(&mut self, regs: &mut Registers, memory: &dyn Memory) -> Result<(), DosError> {
        let name = || bytes_until(memory, regs.ds, regs.dx, 0);
        match regs.ah() {
            0x3c => regs.ax = self.files.create(&name())?,
            0x3d => regs.ax = self.files.open(&name(), regs.al())?,
            0x3e => self.files.close(regs.bx)?,
            0x3f => {
                let bytes = self.read(regs.bx, regs.cx)?;
                memory.write(regs.ds, regs.dx, &bytes);
                regs.ax = bytes.len() as u16;
            }
            0x40 => {
                let mut bytes = vec![0; regs.cx.into()];
                memory.read(regs.ds, regs.dx, &mut bytes);
                match regs.bx {
                    1 | 2 => bytes.iter().for_each(|&byte| self.put(byte)),
                    0 | 3 | 4 => {}
                    handle => self.files.write(handle, &bytes)?,
                }
                regs.ax = regs.cx;
            }
            0x41 => self.files.delete(&name())?,
            0x42 if regs.bx < 5 => return Err(DosError::INVALID_HANDLE),
            0x42 => {
                let distance = (u32::from(regs.cx) << 16 | u32::from(regs.dx)).cast_signed();
                let place = self.files.seek(regs.bx, regs.al(), distance)?;
                (regs.dx, regs.ax) = ((place >> 16) as u16, place as u16);
            }
            0x4e => {
                self.state.found = self.files.find(&name())?.into();
                if self.state.found.is_empty() {
                    return Err(DosError::NO_MORE_FILES);
                }
                self.next(memory)?;
                regs.ax = 0;
            }
            _ => {
                self.next(memory)?;
                regs.ax = 0;
            }
        }
        Ok(())
    }

    fn read(&mut self, handle: u16, count: u16) -> Result<Vec<u8>, DosError> {
        if handle != 0 {
            return self.files.read(handle, count);
        }
        let mut bytes = Vec::new();
        while bytes.len() < count.into() {
            match self.key() {
                0x1a => break,
                b'\r' => {
                    bytes.extend_from_slice(b"\r\n");
                    break;
                }
                byte => bytes.push(byte),
            }
        }
        bytes.truncate(count.into());
        Ok(bytes)
    }

    /// Functions 4Eh and 4Fh: what was found goes to the disk transfer area.
    fn next(&mut self, memory: &dyn Memory) -> Result<(), DosError> {
        let (name, size) = self
            .state
            .found
            .pop_front()
            .ok_or(DosError::NO_MORE_FILES)?;
        let (date, time) = clock::file_stamp();
        let mut entry = [0; 43];
        entry[0x15] = 0x20;
        entry[0x16..0x18].copy_from_slice(&time.to_le_bytes());
        entry[0x18..0x1a].copy_from_slice(&date.to_le_bytes());
        entry[0x1a..0x1e].copy_from_slice(&size.to_le_bytes());
        let len = name.len().min(12);
        entry[0x1e..0x1e + len].copy_from_slice(&name.as_bytes()[..len]);
        memory.write(self.state.dta.0, self.state.dta.1, &entry);
        Ok(())
    }

    /// Functions 48h to 4Ah: the program owns all memory up to the end; what it gives back can be allocated once more.
    fn memory(&mut self, regs: &mut Registers) -> Result<(), DosError> {
        let (next, end) = self.state.free;
        // A saved state may say anything.
        let left = end.saturating_sub(next);
        match regs.ah() {
            0x48 if regs.bx <= left => {
                regs.ax = next;
                self.state.free.0 += regs.bx;
            }
            0x48 => {
                regs.bx = left;
                return Err(DosError::INSUFFICIENT_MEMORY);
            }
            0x4a if regs.es == self.state.psp => {
                let room = end.saturating_sub(regs.es);
                if regs.bx > room {
                    regs.bx = room;
                    return Err(DosError::INSUFFICIENT_MEMORY);
                }
                self.state.free.0 = regs.es + regs.bx;
            }
            // Blocks are not given back one by one.
            _ => {}
        }
        Ok(())
    }

    fn system(&mut self, regs: &mut Registers, memory: &dyn Memory) {
        match regs.ah() {
            0x0e => regs.set_al(3),
            0x19 => regs.set_al(2),
            0x1a => self.state.dta = (regs.ds, regs.dx),
            0x25 => {
                let at = u16::from(regs.al()) * 4;
                memory.write(0, at, &regs.dx.to_le_bytes());
                memory.write(0, at + 2, &regs.ds.to_le_bytes());
            }
            0x35 => {
                let mut vector = [0; 4];
                memory.read(0, u16::from(regs.al()) * 4, &mut vector);
                regs.bx = u16::from_le_bytes([vector[0], vector[1]]);
                regs.es = u16::from_le_bytes([vector[2], vector[3]]);
            }
            0x2a => clock::date(regs),
            0x2c => clock::time(regs),
            0x2f => (regs.es, regs.bx) = self.state.dta,
            // DOS 3.31: before everything that a small program would have to be told to do without.
            0x30 => (regs.ax, regs.bx, regs.cx) = (0x1f03, 0, 0),
            0x51 | 0x62 => regs.bx = self.state.psp,
            0x33 => regs.dx &= 0xff00,
            0x44 if regs.al() == 0 && regs.bx < 5 => {
                regs.dx = 0x80d3;
                regs.succeed();
            }
            0x44 if regs.al() == 0 => {
                regs.dx = 2;
                regs.succeed();
            }
            _ => regs.fail(DosError::INVALID_FUNCTION),
        }
    }
}

/// The bytes from an address up to `end`, without it; at most a segment.
fn bytes_until(memory: &dyn Memory, segment: u16, offset: u16, end: u8) -> Vec<u8> {
    let mut all = vec![0; 0x1_0000];
    memory.read(segment, offset, &mut all);
    let len = all
        .iter()
        .position(|&byte| byte == end)
        .unwrap_or(all.len());
    all.truncate(len);
    all
}
