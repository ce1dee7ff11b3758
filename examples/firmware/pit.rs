//! The 8254 interval timer and the port 61h beside it: counters that run down at 1.193182 MHz. `machine` makes IRQ 0 of channel 0.

use std::time::{Duration, Instant};

/// Counts in a second.
const HZ: u64 = 1_193_182;
const CONTROL: u16 = 0x43;
const GATE: u16 = 0x61;
/// Port 61h: gate of channel 2, and its output.
const GATE_2: u8 = 1;
const OUT_2: u8 = 1 << 5;

/// A channel.
#[derive(Debug, Clone, Copy)]
struct Channel {
    /// 0 and 1 count once, the others again and again.
    mode: u8,
    /// How bytes go: 1 low, 2 high, 3 low then high.
    access: u8,
    /// The next byte is the high one.
    high_next: bool,
    low: u8,
    /// What it counts from, at most 10000h; 0 before it is set.
    reload: u64,
    start: Instant,
    latched: Option<u16>,
}

impl Channel {
    fn new() -> Self {
        Self {
            mode: 3,
            access: 3,
            high_next: false,
            low: 0,
            reload: 0,
            start: Instant::now(),
            latched: None,
        }
    }

    fn elapsed(&self) -> u64 {
        (self.start.elapsed().as_nanos() * u128::from(HZ) / 1_000_000_000) as u64
    }

    fn repeats(&self) -> bool {
        self.mode >= 2
    }

    /// The output once the count has run out, for the modes that count once.
    fn done(&self) -> bool {
        self.reload != 0 && self.elapsed() >= self.reload
    }

    fn count(&self) -> u16 {
        match self.reload {
            0 => 0,
            reload if self.repeats() => (reload - self.elapsed() % reload) as u16,
            reload => reload.wrapping_sub(self.elapsed()) as u16,
        }
    }

    fn control(&mut self, value: u8) {
        match value >> 4 & 3 {
            0 => self.latched = Some(self.latched.unwrap_or_else(|| self.count())),
            access => {
                *self = Self {
                    mode: value >> 1 & 7,
                    access,
                    ..Self::new()
                };
            }
        }
    }

    /// Whether this byte is the high one, when both go one after the other.
    fn is_high(&mut self) -> bool {
        match self.access {
            1 => false,
            2 => true,
            _ => {
                self.high_next = !self.high_next;
                !self.high_next
            }
        }
    }

    fn read(&mut self) -> u8 {
        let count = self.latched.unwrap_or_else(|| self.count());
        let high = self.is_high();
        if high || self.access == 1 {
            self.latched = None;
        }
        let [low, top] = count.to_le_bytes();
        if high { top } else { low }
    }

    fn write(&mut self, value: u8) {
        let high = self.is_high();
        if !high {
            self.low = value;
            if self.access == 3 {
                return;
            }
        }
        let bytes = match self.access {
            1 => [value, 0],
            2 => [0, value],
            _ => [self.low, value],
        };
        self.reload = match u16::from_le_bytes(bytes) {
            0 => 0x1_0000,
            reload => reload.into(),
        };
        self.start = Instant::now();
    }
}

/// The timer.
#[derive(Debug)]
pub struct Pit {
    channels: [Channel; 3],
    gate: u8,
}

impl Default for Pit {
    fn default() -> Self {
        Self {
            channels: [Channel::new(); 3],
            gate: 0,
        }
    }
}

impl Pit {
    /// Time from one beat of channel 0 to the next, if it has been set to beat.
    pub fn period(&self) -> Option<Duration> {
        let beat = &self.channels[0];
        let nanoseconds = beat.reload * 1_000_000_000 / HZ;
        (beat.reload != 0 && beat.repeats()).then(|| Duration::from_nanos(nanoseconds))
    }

    /// A read of 40h to 42h or 61h.
    pub fn read(&mut self, port: u16) -> u8 {
        match port {
            0x40..=0x42 => self.channels[usize::from(port - 0x40)].read(),
            _ if self.channels[2].done() => self.gate | OUT_2,
            _ => self.gate,
        }
    }

    /// A write to 40h to 43h or 61h.
    pub fn write(&mut self, port: u16, value: u8) {
        match port {
            0x40..=0x42 => self.channels[usize::from(port - 0x40)].write(value),
            // 3 is the read-back command, which nobody here uses.
            CONTROL => {
                if let Some(channel) = self.channels.get_mut(usize::from(value >> 6)) {
                    channel.control(value);
                }
            }
            GATE => {
                if value & !self.gate & GATE_2 != 0 {
                    self.channels[2].start = Instant::now();
                }
                self.gate = value & 3;
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_count() {
        let mut pit = Pit::default();
        assert_eq!(pit.period(), None);
        for (port, value) in [(CONTROL, 0x34), (0x40, 0), (0x40, 0)] {
            pit.write(port, value);
        }
        assert_eq!(pit.period(), Some(Duration::from_nanos(54_925_401)));
        // Channel 2 counts once, when its gate opens.
        for (port, value) in [
            (GATE, 0),
            (CONTROL, 0xb0),
            (0x42, 0x10),
            (0x42, 0),
            (GATE, 1),
        ] {
            pit.write(port, value);
        }
        while pit.read(GATE) & OUT_2 == 0 {}
        assert!(pit.channels[2].elapsed() >= 16);
        // A latched count is read in two halves and does not move between them.
        pit.write(CONTROL, 0x00);
        let latched = pit.channels[0].latched.unwrap().to_le_bytes();
        assert_eq!([pit.read(0x40), pit.read(0x40)], latched);
        assert_eq!(pit.channels[0].latched, None);
    }
}
