//! Time as the engines count it: mach absolute time on macOS, its twin elsewhere. Deadlines of `run_until` are in its ticks.
#![allow(unsafe_code)] // Asks the operating system for the time.

use std::time::Duration;

/// A deadline that never comes (`HV_DEADLINE_FOREVER`).
pub const FOREVER: u64 = u64::MAX;

/// Now, in ticks: `mach_absolute_time()` on macOS; elsewhere nanoseconds of the monotonic clock.
#[must_use]
pub fn absolute_ticks() -> u64 {
    #[cfg(target_os = "macos")]
    {
        unsafe extern "C" {
            fn mach_absolute_time() -> u64;
        }
        // SAFETY: the function of libSystem takes nothing and has no precondition.
        unsafe { mach_absolute_time() }
    }
    #[cfg(not(target_os = "macos"))]
    {
        let mut now = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: `now` is a place for the answer, and the clock exists on every system that Rust runs on.
        let failed = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
        debug_assert_eq!(failed, 0);
        (now.tv_sec as u64)
            .wrapping_mul(1_000_000_000)
            .wrapping_add(now.tv_nsec as u64)
    }
}

/// How long a tick is: nanoseconds = ticks * `numerator` / `denominator` (`mach_timebase_info`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timebase {
    /// Multiplier.
    pub numerator: u32,
    /// Divisor.
    pub denominator: u32,
}

impl Timebase {
    /// That of this host. On Intel and off macOS a tick is a nanosecond.
    #[must_use]
    pub fn of_host() -> Self {
        #[cfg(target_os = "macos")]
        {
            #[repr(C)]
            struct Info {
                numer: u32,
                denom: u32,
            }
            unsafe extern "C" {
                fn mach_timebase_info(info: *mut Info) -> i32;
            }
            let mut info = Info { numer: 0, denom: 0 };
            // SAFETY: `info` is a place for the answer, laid out as the header says.
            let failed = unsafe { mach_timebase_info(&raw mut info) };
            if failed == 0 && info.denom != 0 && info.numer != 0 {
                return Self {
                    numerator: info.numer,
                    denominator: info.denom,
                };
            }
        }
        Self {
            numerator: 1,
            denominator: 1,
        }
    }

    /// Ticks as nanoseconds, saturating.
    #[must_use]
    pub fn nanoseconds(self, ticks: u64) -> u64 {
        scale(ticks, self.numerator, self.denominator)
    }

    /// Nanoseconds as ticks, saturating.
    #[must_use]
    pub fn ticks(self, nanoseconds: u64) -> u64 {
        scale(nanoseconds, self.denominator, self.numerator)
    }
}

fn scale(value: u64, by: u32, over: u32) -> u64 {
    let scaled = u128::from(value) * u128::from(by) / u128::from(over.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

/// The tick that lies `from_now` ahead; [`FOREVER`] if that is beyond all ticks.
#[must_use]
pub fn deadline(from_now: Duration) -> u64 {
    let nanoseconds = u64::try_from(from_now.as_nanos()).unwrap_or(u64::MAX);
    absolute_ticks().saturating_add(Timebase::of_host().ticks(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_saturate() {
        assert_eq!(deadline(Duration::MAX), FOREVER);
        let before = absolute_ticks();
        let base = Timebase::of_host();
        let ahead = deadline(Duration::from_secs(1)) - before;
        assert!((1_000_000_000..2_000_000_000).contains(&base.nanoseconds(ahead)));
    }

    #[test]
    fn apple_silicon_ticks() {
        let base = Timebase {
            numerator: 125,
            denominator: 3,
        };
        assert_eq!(base.nanoseconds(24_000_000), 1_000_000_000);
        assert_eq!(base.ticks(1_000_000_000), 24_000_000);
        assert_eq!(base.nanoseconds(u64::MAX), u64::MAX);
    }
}
