//! The CMOS clock (MC146818): the time of day, and memory in which the size of memory is told.

use std::time::{SystemTime, UNIX_EPOCH};

/// Status D: the battery is good.
const VALID: u8 = 0x80;
const STATUS_D: u8 = 0x0d;
/// Status B: 24 hours, binary coded decimal.
const STATUS_B: (usize, u8) = (0x0b, 2);

/// The chip.
pub struct Cmos {
    selected: u8,
    bytes: [u8; 128],
}

impl Cmos {
    /// In a machine with so much memory, below 4 GiB.
    pub fn new(memory: u64) -> Self {
        let mut bytes = [0; 128];
        bytes[STATUS_B.0] = STATUS_B.1;
        // KiB above 1 MiB, at most 64 MiB of them; and units of 64 KiB above 16 MiB.
        let extended = ((memory >> 10).saturating_sub(1024)).min(0xffff) as u16;
        let above = ((memory >> 16).saturating_sub(256)).min(0xffff) as u16;
        bytes[0x15..0x17].copy_from_slice(&640_u16.to_le_bytes());
        bytes[0x17..0x19].copy_from_slice(&extended.to_le_bytes());
        bytes[0x30..0x32].copy_from_slice(&extended.to_le_bytes());
        bytes[0x34..0x36].copy_from_slice(&above.to_le_bytes());
        Self { selected: 0, bytes }
    }

    /// Port 70h; bit 7 would mask NMI.
    pub fn select(&mut self, value: u8) {
        self.selected = value & 0x7f;
    }

    /// Port 71h.
    pub fn write(&mut self, value: u8) {
        self.bytes[usize::from(self.selected)] = value;
    }

    /// Port 71h.
    pub fn read(&self) -> u8 {
        let seconds = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let (year, month, day) = date(seconds / 86_400);
        match self.selected {
            0 => decimal(seconds % 60),
            2 => decimal(seconds / 60 % 60),
            4 => decimal(seconds / 3600 % 24),
            6 => decimal((seconds / 86_400 + 4) % 7 + 1),
            7 => decimal(day),
            8 => decimal(month),
            9 => decimal(year % 100),
            0x32 => decimal(year / 100),
            STATUS_D => VALID,
            other => self.bytes[usize::from(other)],
        }
    }
}

/// Binary coded decimal.
fn decimal(number: u64) -> u8 {
    (number / 10 << 4 | number % 10) as u8
}

/// Year, month and day of a day since 1970.
fn date(mut day: u64) -> (u64, u64, u64) {
    let leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while day >= 365 + u64::from(leap(year)) {
        day -= 365 + u64::from(leap(year));
        year += 1;
    }
    let february = 28 + u64::from(leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    (year, month, day + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_have_dates() {
        assert_eq!(date(0), (1970, 1, 1));
        assert_eq!(date(11_016), (2000, 2, 29));
        assert_eq!(date(11_017), (2000, 3, 1));
        assert_eq!(date(19_722), (2023, 12, 31));
        assert_eq!(date(19_723), (2024, 1, 1));
        assert_eq!(decimal(59), 0x59);
    }

    #[test]
    fn memory_is_told() {
        let mut cmos = Cmos::new(32 << 20);
        let mut at = |register| {
            cmos.select(register);
            cmos.read()
        };
        assert_eq!([at(0x34), at(0x35)], 256_u16.to_le_bytes());
        assert_eq!([at(0x30), at(0x31)], (31 * 1024_u16).to_le_bytes());
        assert_eq!(at(0x8d), VALID);
    }
}
