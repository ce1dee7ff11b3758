//! The serial port of both machines: `vm-superio`'s 16550A, its output on the terminal.

use std::io::{self, Stdout};

use vm_superio::serial::NoEvents;
use vm_superio::{Serial, Trigger};

/// An interrupt line: something to call for each interrupt.
pub struct Line(Box<dyn Fn() + Send>);

impl Line {
    /// A line that calls `pulse`.
    pub fn new(pulse: impl Fn() + Send + 'static) -> Self {
        Self(Box::new(pulse))
    }
}

impl Trigger for Line {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        (self.0)();
        Ok(())
    }
}

/// The UART: eight registers of a byte.
pub struct Uart(Serial<Line, NoEvents, Stdout>);

impl Uart {
    /// One that interrupts through `line`.
    pub fn new(line: Line) -> Self {
        Self(Serial::new(line, io::stdout()))
    }

    /// A load from a register.
    pub fn read(&mut self, register: u8) -> u8 {
        self.0.read(register)
    }

    /// A store to a register.
    pub fn write(&mut self, register: u8, value: u8) {
        // A terminal that is gone is no reason to stop a guest.
        let _ = self.0.write(register, value);
    }

    /// Bytes from the terminal; answers how many there is room for.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        let room = self.0.fifo_capacity().min(bytes.len());
        self.0.enqueue_raw_bytes(&bytes[..room]).unwrap_or(0)
    }
}
