//! Date and time as DOS tells them: UTC, for the standard library knows no other.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::registers::Registers;

const DAY: u64 = 86_400_000;

/// Milliseconds since 1970.
fn now() -> u64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0))
}

/// Year, month and day of a day number since 1970 in the Gregorian calendar.
///
/// Counts in years that begin in March, so that the leap day comes last.
fn civil(days: u64) -> (u16, u8, u8) {
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * march + 2) / 5 + 1;
    let month = if march < 10 { march + 3 } else { march - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year as u16, month as u8, day as u8)
}

/// Function 2Ah: CX year, DX month and day, AL day of the week (0 Sunday).
pub fn date(regs: &mut Registers) {
    let days = now() / DAY;
    let (year, month, day) = civil(days);
    regs.cx = year;
    regs.dx = u16::from(month) << 8 | u16::from(day);
    regs.set_al(((days + 4) % 7) as u8);
}

/// Function 2Ch: CX hour and minute, DX second and hundredth.
pub fn time(regs: &mut Registers) {
    let of_day = now() % DAY;
    let (hour, minute) = (of_day / 3_600_000, of_day / 60_000 % 60);
    let (second, hundredth) = (of_day / 1000 % 60, of_day / 10 % 100);
    regs.cx = (hour << 8 | minute) as u16;
    regs.dx = (second << 8 | hundredth) as u16;
}

/// Ticks of the BIOS clock since midnight, 1573040 a day.
pub fn ticks() -> u32 {
    (now() % DAY * 1_573_040 / DAY) as u32
}

/// Date and time of a directory entry: now.
pub fn file_stamp() -> (u16, u16) {
    let (days, of_day) = (now() / DAY, now() % DAY / 1000);
    let (year, month, day) = civil(days);
    let date = year.saturating_sub(1980) << 9 | u16::from(month) << 5 | u16::from(day);
    let time = (of_day / 3600) << 11 | (of_day / 60 % 60) << 5 | of_day % 60 / 2;
    (date, time as u16)
}

#[cfg(test)]
mod tests {
    use super::civil;

    #[test]
    fn days_of_the_calendar() {
        assert_eq!(civil(0), (1970, 1, 1));
        assert_eq!(civil(59), (1970, 3, 1));
        assert_eq!(civil(11_016), (2000, 2, 29));
        assert_eq!(civil(20_513), (2026, 3, 1));
    }
}
