//! The devices in memory: the UART, and `vm-superio`'s PL031 that knows the time of day.

use vm_superio::Rtc;
use vm_superio::rtc_pl031::NoEvents;
use xhv::Gpa;

use crate::uart::Uart;

/// The UART's registers, a byte each.
pub const UART: u64 = 0x0900_0000;
/// How many bytes they take.
pub const UART_SIZE: u64 = 8;
/// The UART's shared interrupt, counted from the first.
pub const UART_SPI: u32 = 1;
/// The clock's registers.
pub const RTC: u64 = 0x0901_0000;
/// How many bytes they take.
pub const RTC_SIZE: u64 = 0x1000;

const UART_LAST: u64 = UART + UART_SIZE - 1;
const RTC_LAST: u64 = RTC + RTC_SIZE - 1;

/// All of them.
pub struct Devices {
    /// The serial port.
    pub uart: Uart,
    rtc: Rtc<NoEvents>,
}

impl Devices {
    /// With this UART.
    pub fn new(uart: Uart) -> Self {
        Self {
            uart,
            rtc: Rtc::new(),
        }
    }

    /// What a load answers; 0 where there is nothing.
    pub fn read(&mut self, gpa: Gpa) -> u64 {
        match gpa.0 {
            UART..=UART_LAST => self.uart.read((gpa.0 - UART) as u8).into(),
            RTC..=RTC_LAST => {
                let mut value = [0; 4];
                self.rtc.read((gpa.0 - RTC) as u16, &mut value);
                u32::from_le_bytes(value).into()
            }
            _ => 0,
        }
    }

    /// A store; lost where there is nothing.
    pub fn write(&mut self, gpa: Gpa, value: u64) {
        match gpa.0 {
            UART..=UART_LAST => self.uart.write((gpa.0 - UART) as u8, value as u8),
            RTC..=RTC_LAST => self
                .rtc
                .write((gpa.0 - RTC) as u16, &(value as u32).to_le_bytes()),
            _ => {}
        }
    }
}
