//! The 8042 keyboard controller with a keyboard that answers, but on which nobody types; and its reset line.

use std::collections::VecDeque;

/// Status: there is a byte to read.
const OUTPUT_FULL: u8 = 1;
/// Status: it has passed its test.
const SYSTEM: u8 = 4;
const ACKNOWLEDGE: u8 = 0xfa;

/// The controller.
#[derive(Debug, Default)]
pub struct Keyboard {
    command_byte: u8,
    /// The command that waits for its argument at port 60h.
    waits: Option<u8>,
    /// The keyboard's command that waits for its argument.
    keyboard_waits: bool,
    output: VecDeque<u8>,
    reset: bool,
}

impl Keyboard {
    /// Whether the reset line was pulled.
    pub fn reset(&self) -> bool {
        self.reset
    }

    /// A read of 60h or 64h.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            0x60 => self.output.pop_front().unwrap_or(0),
            _ if self.output.is_empty() => SYSTEM,
            _ => SYSTEM | OUTPUT_FULL,
        }
    }

    /// A write to 60h or 64h.
    pub fn write(&mut self, port: u16, value: u8) {
        match (port, self.waits.take()) {
            (0x60, Some(0x60)) => self.command_byte = value,
            // Arguments for the output port and for a mouse, which is not there.
            (0x60, Some(_)) => {}
            (0x60, None) => self.keyboard(value),
            _ => self.command(value),
        }
    }

    fn command(&mut self, command: u8) {
        match command {
            0x20 => self.output.push_back(self.command_byte),
            // Self-test, and test of the keyboard's lines.
            0xaa => self.output.push_back(0x55),
            0xab => self.output.push_back(0),
            0x60 | 0xd1..=0xd4 => self.waits = Some(command),
            0xfe => self.reset = true,
            _ => {}
        }
    }

    fn keyboard(&mut self, command: u8) {
        self.output.push_back(ACKNOWLEDGE);
        if core::mem::take(&mut self.keyboard_waits) {
            return;
        }
        match command {
            // Reset and self-test.
            0xff => self.output.push_back(0xaa),
            0xf2 => self.output.extend([0xab, 0x83]),
            // Lights, scan codes, rate.
            0xed | 0xf0 | 0xf3 => self.keyboard_waits = true,
            _ => {}
        }
    }
}
