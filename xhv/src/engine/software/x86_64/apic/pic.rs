//! The pair of 8259A interrupt controllers ("ATPIC"): after Intel's datasheet of the 8259A, and the PC's ELCR.

const PRIMARY_COMMAND: u16 = 0x20;
const SECONDARY_COMMAND: u16 = 0xa0;
const ELCR: u16 = 0x4d0;
/// Input of the primary that the secondary hangs on.
const CASCADE: u8 = 2;

/// One 8259A.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pic {
    /// Initialized: the four words have come.
    pub(crate) ready: bool,
    /// Initialization word that comes next, 0 for none.
    pub(crate) icw: u8,
    pub(crate) wants_icw4: bool,
    pub(crate) read_isr: bool,
    pub(crate) auto_eoi: bool,
    pub(crate) poll: bool,
    /// Rotate on automatic EOI.
    pub(crate) rotate: bool,
    pub(crate) fully_nested: bool,
    pub(crate) base: u8,
    pub(crate) request: u8,
    pub(crate) service: u8,
    pub(crate) mask: u8,
    pub(crate) special_mask: bool,
    /// Levels of the inputs.
    pub(crate) lines: u8,
    /// The input of the lowest priority.
    pub(crate) lowest: u8,
    /// Level-triggered inputs.
    pub(crate) elcr: u8,
}

impl Pic {
    fn new() -> Self {
        Self {
            lowest: 7,
            ..Self::default()
        }
    }

    /// Drives an input.
    fn set_line(&mut self, line: u8, level: bool) {
        let bit = 1 << line;
        let was = self.lines & bit != 0;
        if level {
            self.lines |= bit;
        } else {
            self.lines &= !bit;
        }
        if self.elcr & bit != 0 {
            self.request = self.request & !bit | self.lines & bit;
        } else if level && !was {
            self.request |= bit;
        } else if !level {
            self.request &= !bit;
        }
    }

    /// Inputs from the highest priority to the lowest.
    fn by_priority(&self) -> impl Iterator<Item = u8> {
        let lowest = self.lowest;
        (1..=8).map(move |n| (lowest + n) & 7)
    }

    /// The input that interrupts now.
    fn pending(&self) -> Option<u8> {
        if !self.ready {
            return None;
        }
        for line in self.by_priority() {
            let bit = 1 << line;
            let served = self.service & bit != 0;
            if self.request & !self.mask & bit != 0
                && (!served || self.fully_nested && line == CASCADE)
            {
                return Some(line);
            }
            // What is in service holds everything below it, unless it is masked in special mask mode.
            if served && !(self.special_mask && self.mask & bit != 0) {
                return None;
            }
        }
        None
    }

    /// The CPU acknowledges: the input, or 7 for a request that has gone away.
    fn acknowledge(&mut self) -> u8 {
        let Some(line) = self.pending() else {
            return 7;
        };
        let bit = 1 << line;
        if self.elcr & bit == 0 {
            self.request &= !bit;
        }
        if !self.auto_eoi {
            self.service |= bit;
        } else if self.rotate {
            self.lowest = line;
        }
        line
    }

    fn end_of_interrupt(&mut self, line: Option<u8>, rotate: bool) {
        let highest = self
            .by_priority()
            .find(|&line| self.service >> line & 1 != 0);
        let Some(line) = line.or(highest) else {
            return;
        };
        self.service &= !(1 << line);
        if rotate {
            self.lowest = line;
        }
    }

    fn write_command(&mut self, value: u8) {
        if value & 0x10 != 0 {
            *self = Self {
                icw: 2,
                wants_icw4: value & 1 != 0,
                lines: self.lines,
                elcr: self.elcr,
                ..Self::new()
            };
            self.request = self.lines & self.elcr;
            return;
        }
        if value & 8 != 0 {
            self.poll = value & 4 != 0;
            if value & 2 != 0 {
                self.read_isr = value & 1 != 0;
            }
            if value & 0x40 != 0 {
                self.special_mask = value & 0x20 != 0;
            }
            return;
        }
        let line = value & 7;
        match value >> 5 {
            0 => self.rotate = false,
            1 => self.end_of_interrupt(None, false),
            3 => self.end_of_interrupt(Some(line), false),
            4 => self.rotate = true,
            5 => self.end_of_interrupt(None, true),
            6 => self.lowest = line,
            7 => self.end_of_interrupt(Some(line), true),
            _ => {}
        }
    }

    fn write_data(&mut self, value: u8) {
        match self.icw {
            2 => {
                self.base = value & 0xf8;
                self.icw = 3;
            }
            3 => {
                self.icw = if self.wants_icw4 { 4 } else { 0 };
                self.ready = !self.wants_icw4;
            }
            4 => {
                self.auto_eoi = value & 2 != 0;
                self.fully_nested = value & 0x10 != 0;
                self.icw = 0;
                self.ready = true;
            }
            _ => self.mask = value,
        }
    }

    fn read_command(&mut self) -> u8 {
        if core::mem::take(&mut self.poll) {
            return match self.pending() {
                Some(_) => 0x80 | self.acknowledge(),
                None => 0,
            };
        }
        if self.read_isr {
            self.service
        } else {
            self.request
        }
    }
}

/// Both of them.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) primary: Pic,
    pub(crate) secondary: Pic,
}

impl Default for Pair {
    fn default() -> Self {
        Self {
            primary: Pic::new(),
            secondary: Pic::new(),
        }
    }
}

impl Pair {
    fn cascade(&mut self) {
        let level = self.secondary.pending().is_some();
        self.primary.set_line(CASCADE, level);
    }

    /// Drives one of the sixteen inputs.
    pub(crate) fn set_line(&mut self, line: u8, level: bool) {
        match line {
            0..=7 if line != CASCADE => self.primary.set_line(line, level),
            8..=15 => self.secondary.set_line(line - 8, level),
            _ => {}
        }
        self.cascade();
    }

    /// Whether the interrupt line to the CPU is up.
    pub(crate) fn has_interrupt(&self) -> bool {
        self.primary.pending().is_some()
    }

    /// The CPU's acknowledgement: the vector.
    pub(crate) fn acknowledge(&mut self) -> u8 {
        let line = self.primary.acknowledge();
        if line != CASCADE {
            return self.primary.base + line;
        }
        let vector = self.secondary.base + self.secondary.acknowledge();
        self.cascade();
        vector
    }

    /// IN; `None` for a port that is not theirs.
    pub(crate) fn read(&mut self, port: u16) -> Option<u8> {
        let value = match port {
            PRIMARY_COMMAND => self.primary.read_command(),
            SECONDARY_COMMAND => self.secondary.read_command(),
            0x21 => self.primary.mask,
            0xa1 => self.secondary.mask,
            ELCR => self.primary.elcr,
            0x4d1 => self.secondary.elcr,
            _ => return None,
        };
        self.cascade();
        Some(value)
    }

    /// OUT; `None` for a port that is not theirs.
    pub(crate) fn write(&mut self, port: u16, value: u8) -> Option<()> {
        match port {
            PRIMARY_COMMAND => self.primary.write_command(value),
            SECONDARY_COMMAND => self.secondary.write_command(value),
            0x21 => self.primary.write_data(value),
            0xa1 => self.secondary.write_data(value),
            // Inputs 0, 1, 2, 8 and 13 are always edge-triggered.
            ELCR => self.primary.elcr = value & 0xf8,
            0x4d1 => self.secondary.elcr = value & 0xde,
            _ => return None,
        }
        self.cascade();
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair() -> Pair {
        let mut pair = Pair::default();
        for (port, words) in [(0x20, [0x11, 0x30, 4, 1]), (0xa0, [0x11, 0x38, 2, 1])] {
            pair.write(port, words[0]);
            words[1..].iter().for_each(|&word| {
                pair.write(port + 1, word);
            });
            pair.write(port + 1, 0);
        }
        pair
    }

    #[test]
    fn nothing_before_initialization() {
        let mut pair = Pair::default();
        pair.set_line(0, true);
        assert!(!pair.has_interrupt());
        assert_eq!((pair.read(0x22), pair.write(0x22, 0)), (None, None));
    }

    #[test]
    fn priorities_and_end_of_interrupt() {
        let mut pair = pair();
        pair.set_line(4, true);
        pair.set_line(1, true);
        assert_eq!(pair.acknowledge(), 0x31);
        assert!(!pair.has_interrupt(), "4 is below 1");
        pair.set_line(0, true);
        assert_eq!(pair.acknowledge(), 0x30);
        pair.write(0x20, 0x20);
        assert!(!pair.has_interrupt());
        pair.write(0x20, 0x61);
        assert_eq!(pair.acknowledge(), 0x34);
        pair.write(0x20, 0x0b);
        assert_eq!(pair.read(0x20), Some(0x10));
    }

    #[test]
    fn the_secondary_comes_through_input_2() {
        let mut pair = pair();
        pair.set_line(12, true);
        assert_eq!(pair.acknowledge(), 0x3c);
        assert_eq!((pair.primary.service, pair.secondary.service), (4, 0x10));
        pair.set_line(14, true);
        assert!(!pair.has_interrupt());
        pair.write(0xa0, 0x20);
        pair.write(0x20, 0x20);
        assert_eq!(pair.acknowledge(), 0x3e);
    }

    #[test]
    fn levels_stay_and_edges_go() {
        let mut pair = pair();
        pair.write(0x4d0, 0x20);
        pair.set_line(5, true);
        pair.acknowledge();
        pair.write(0x20, 0x20);
        assert!(pair.has_interrupt(), "still up");
        pair.set_line(5, false);
        assert!(!pair.has_interrupt());
        pair.set_line(3, true);
        pair.set_line(3, false);
        assert_eq!(pair.acknowledge(), 0x37, "spurious");
        assert_eq!(pair.primary.service, 0);
    }

    #[test]
    fn masks_and_polling() {
        let mut pair = pair();
        pair.write(0x21, 0xff);
        pair.set_line(6, true);
        assert!(!pair.has_interrupt());
        pair.write(0x21, 0xbf);
        pair.write(0x20, 0x0c);
        assert_eq!(pair.read(0x20), Some(0x86));
        assert_eq!(pair.read(0x21), Some(0xbf));
    }
}
