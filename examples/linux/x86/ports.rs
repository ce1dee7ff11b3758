//! The devices behind I/O ports that Linux needs to talk and to stop: a UART, the reset line of a keyboard controller, and ACPI's reset and sleep
//! registers.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use vm_superio::{I8042Device, Trigger};

use super::acpi;
use crate::cpus::End;
use crate::uart::Uart;

/// First port of the UART.
pub const COM1: u16 = 0x3f8;
const COM1_LAST: u16 = COM1 + 7;
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

/// A flag that the keyboard controller's reset line sets.
#[derive(Clone, Default)]
struct ResetLine(Arc<AtomicBool>);

impl Trigger for ResetLine {
    type E = io::Error;

    fn trigger(&self) -> io::Result<()> {
        self.0.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// All devices behind I/O ports. Each is a byte wide.
pub struct Ports {
    /// COM1.
    pub uart: Uart,
    keyboard: I8042Device<ResetLine>,
    reset: ResetLine,
}

impl Ports {
    /// With this UART as COM1.
    pub fn new(uart: Uart) -> Self {
        let reset = ResetLine::default();
        Self {
            uart,
            keyboard: I8042Device::new(reset.clone()),
            reset,
        }
    }

    /// What a read of a port answers; all ones where there is nothing.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            COM1..=COM1_LAST => self.uart.read((port - COM1) as u8),
            0x60 | 0x64 => self.keyboard.read((port - 0x60) as u8),
            SLEEP_STATUS => 0,
            _ => 0xff,
        }
    }

    /// A write to a port; `Some` if the guest ends by it.
    pub fn write(&mut self, port: u16, value: u8) -> Option<End> {
        match port {
            COM1..=COM1_LAST => self.uart.write((port - COM1) as u8, value),
            // It cannot fail: our line does not.
            0x60 | 0x64 => drop(self.keyboard.write((port - 0x60) as u8, value)),
            RESET if value == RESET_VALUE => return Some(End::Reset),
            SLEEP_CONTROL if value == SLEEP_ENABLE | acpi::SLEEP_TYPE_OFF << 2 => {
                return Some(End::Off);
            }
            _ => {}
        }
        self.reset.0.load(Ordering::Relaxed).then_some(End::Reset)
    }
}
