//! The devices that Linux needs to talk and to stop: a UART, the reset line of a keyboard controller, and ACPI's reset and sleep registers.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use vm_superio::serial::NoEvents;
use vm_superio::{I8042Device, Serial, Trigger};

use crate::acpi;

/// First port of the UART.
pub const COM1: u16 = 0x3f8;
/// The UART's pin of the I/O APIC.
pub const COM1_PIN: i32 = 4;
/// ACPI reset register.
pub const RESET: u16 = 0x604;
/// What resets.
pub const RESET_VALUE: u8 = 1;
/// ACPI sleep control register.
pub const SLEEP_CONTROL: u16 = 0x600;
/// ACPI sleep status register.
pub const SLEEP_STATUS: u16 = 0x601;
/// SLP_EN in the sleep control register (ACPI 6.5, table 4.25).
const SLEEP_ENABLE: u8 = 1 << 5;

/// How a guest ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It switched itself off.
    Off,
    /// It asked for a reset.
    Reset,
    /// The user left.
    Left,
}

/// An interrupt line: something to call.
#[derive(Clone)]
pub struct Line(Arc<dyn Fn() + Send + Sync>);

impl Line {
    /// A line that calls `pulse` for each interrupt.
    pub fn new(pulse: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(pulse))
    }
}

impl Trigger for Line {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        (self.0)();
        Ok(())
    }
}

/// A flag that the keyboard controller's reset line sets.
#[derive(Clone, Default)]
struct ResetLine(Arc<Mutex<bool>>);

impl Trigger for ResetLine {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        *self
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner) = true;
        Ok(())
    }
}

/// All devices behind I/O ports.
pub struct Ports<W: Write> {
    serial: Serial<Line, NoEvents, W>,
    keyboard: I8042Device<ResetLine>,
    reset: ResetLine,
}

impl<W: Write> Ports<W> {
    /// The UART writes to `out` and interrupts through `line`.
    pub fn new(line: Line, out: W) -> Self {
        let reset = ResetLine::default();
        Self {
            serial: Serial::new(line, out),
            keyboard: I8042Device::new(reset.clone()),
            reset,
        }
    }

    /// What a read of a port answers; all ones where there is nothing.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            COM1..=0x3ff => self.serial.read((port - COM1) as u8),
            0x60 | 0x64 => self.keyboard.read((port - 0x60) as u8),
            SLEEP_STATUS => 0,
            _ => 0xff,
        }
    }

    /// A write to a port; `Some` if the guest ends by it.
    pub fn write(&mut self, port: u16, value: u8) -> Option<End> {
        match port {
            // A terminal that is gone is no reason to stop a guest.
            COM1..=0x3ff => drop(self.serial.write((port - COM1) as u8, value)),
            0x60 | 0x64 => drop(self.keyboard.write((port - 0x60) as u8, value)),
            RESET if value == RESET_VALUE => return Some(End::Reset),
            SLEEP_CONTROL if value == SLEEP_ENABLE | acpi::SLEEP_TYPE_OFF << 2 => {
                return Some(End::Off);
            }
            _ => {}
        }
        let reset = *self
            .reset
            .0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        reset.then_some(End::Reset)
    }

    /// Bytes from the terminal; answers how many the UART has taken.
    pub fn input(&mut self, bytes: &[u8]) -> usize {
        let room = self.serial.fifo_capacity().min(bytes.len());
        self.serial.enqueue_raw_bytes(&bytes[..room]).unwrap_or(0)
    }
}
