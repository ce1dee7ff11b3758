//! The I/O APIC: lines into interrupt messages (82093AA datasheet; Intel SDM vol. 3, 12.6). As the framework's, with 32 inputs.

/// Inputs.
pub(crate) const LINES: usize = 32;

const MASKED: u64 = 1 << 16;
const LEVEL: u64 = 1 << 15;
const REMOTE_IRR: u64 = 1 << 14;
const PENDING: u64 = 1 << 12;
/// Version 0x20 (it has an EOI register), and the highest input.
const VERSION: u32 = 0x20 | ((LINES as u32 - 1) << 16);
const IOREGSEL: u64 = 0x00;
const IOWIN: u64 = 0x10;
const EOI: u64 = 0x40;

/// An interrupt message on its way to local APICs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) to: u8,
    pub(crate) logical: bool,
    pub(crate) mode: u32,
    pub(crate) vector: u8,
    pub(crate) level: bool,
}

impl Message {
    /// The message of a redirection-table entry.
    pub(crate) fn of(entry: u64) -> Self {
        Self {
            to: (entry >> 56) as u8,
            logical: entry >> 11 & 1 != 0,
            mode: (entry >> 8 & 7) as u32,
            vector: entry as u8,
            level: entry & LEVEL != 0,
        }
    }
}

/// The registers and lines.
#[derive(Clone, Debug)]
pub(crate) struct Ioapic {
    pub(crate) table: [u64; LINES],
    /// Lines that are up.
    pub(crate) lines: u32,
    pub(crate) id: u32,
    pub(crate) select: u32,
}

impl Default for Ioapic {
    fn default() -> Self {
        Self {
            table: [MASKED; LINES],
            lines: 0,
            id: 0,
            select: 0,
        }
    }
}

impl Ioapic {
    /// Whether an input asks for an interrupt. Lines are logical: up is active, whatever the entry's polarity says.
    fn is_active(&self, line: usize) -> bool {
        self.lines >> line & 1 != 0
    }

    /// The message of a line that is level-triggered and active, unless one is under way.
    fn level_message(&mut self, line: usize) -> Option<Message> {
        let entry = &mut self.table[line];
        if *entry & (MASKED | REMOTE_IRR) != 0 || *entry & LEVEL == 0 {
            return None;
        }
        if self.lines >> line & 1 == 0 {
            return None;
        }
        *entry |= REMOTE_IRR;
        Some(Message::of(*entry))
    }

    /// Drives a line.
    pub(crate) fn set_line(&mut self, line: usize, level: bool) -> Option<Message> {
        let line = line % LINES;
        let was = self.is_active(line);
        if level {
            self.lines |= 1 << line;
        } else {
            self.lines &= !(1 << line);
        }
        let entry = self.table[line];
        if entry & LEVEL != 0 {
            return self.level_message(line);
        }
        (level && !was && entry & MASKED == 0).then(|| Message::of(entry))
    }

    /// The end of a level-triggered interrupt: lines that are still active interrupt again.
    pub(crate) fn end_of_interrupt(&mut self, vector: u8) -> Vec<Message> {
        let mut messages = Vec::new();
        for line in 0..LINES {
            let entry = &mut self.table[line];
            if *entry as u8 == vector && *entry & REMOTE_IRR != 0 {
                *entry &= !REMOTE_IRR;
                messages.extend(self.level_message(line));
            }
        }
        messages
    }

    /// Reads at an offset in the register page.
    pub(crate) fn read(&self, offset: u64) -> u32 {
        match offset & 0xf0 {
            IOREGSEL => self.select,
            IOWIN => self.indirect(),
            _ => 0,
        }
    }

    fn indirect(&self) -> u32 {
        match self.select & 0xff {
            0 | 2 => self.id & 0x0f00_0000,
            1 => VERSION,
            n @ 0x10..=0x4f => {
                let entry = self.table[(n as usize - 0x10) / 2];
                if n & 1 == 0 {
                    entry as u32
                } else {
                    (entry >> 32) as u32
                }
            }
            _ => 0,
        }
    }

    /// Writes at an offset in the register page.
    pub(crate) fn write(&mut self, offset: u64, value: u32) -> Vec<Message> {
        match offset & 0xf0 {
            IOREGSEL => self.select = value & 0xff,
            IOWIN => return self.write_indirect(value).into_iter().collect(),
            EOI => return self.end_of_interrupt(value as u8),
            _ => {}
        }
        Vec::new()
    }

    fn write_indirect(&mut self, value: u32) -> Option<Message> {
        let line = match self.select & 0xff {
            0 => {
                self.id = value & 0x0f00_0000;
                return None;
            }
            n @ 0x10..=0x4f => (n as usize - 0x10) / 2,
            _ => return None,
        };
        let entry = &mut self.table[line];
        let value = u64::from(value);
        if self.select & 1 == 0 {
            let kept = *entry & (REMOTE_IRR | PENDING);
            *entry = *entry >> 32 << 32 | value & 0x1_afff | kept;
        } else {
            *entry = *entry & 0xffff_ffff | value << 32;
        }
        if *entry & LEVEL == 0 {
            *entry &= !REMOTE_IRR;
        }
        self.level_message(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(ioapic: &mut Ioapic, line: u32, entry: u64) -> Vec<Message> {
        ioapic.write(IOREGSEL, 0x11 + 2 * line);
        let mut messages = ioapic.write(IOWIN, (entry >> 32) as u32);
        ioapic.write(IOREGSEL, 0x10 + 2 * line);
        messages.extend(ioapic.write(IOWIN, entry as u32));
        messages
    }

    #[test]
    fn an_edge_is_one_message() {
        let mut ioapic = Ioapic::default();
        assert_eq!(ioapic.set_line(4, true), None, "masked");
        ioapic.set_line(4, false);
        program(&mut ioapic, 4, 0x0200_0000_0000_0834);
        let message = ioapic.set_line(4, true).unwrap();
        assert_eq!(
            (message.to, message.vector, message.logical, message.level),
            (2, 0x34, true, false)
        );
        assert_eq!(ioapic.set_line(4, true), None, "no edge");
        assert_eq!(ioapic.set_line(4, false), None);
        assert!(ioapic.set_line(4, true).is_some());
    }

    #[test]
    fn a_level_interrupts_until_it_goes_down() {
        let mut ioapic = Ioapic::default();
        program(&mut ioapic, 9, LEVEL | 0x51);
        assert!(ioapic.set_line(9, true).is_some());
        assert_eq!(ioapic.set_line(9, true), None, "under way");
        ioapic.write(IOREGSEL, 0x10 + 18);
        assert_eq!(u64::from(ioapic.read(IOWIN)), LEVEL | REMOTE_IRR | 0x51);
        assert_eq!(ioapic.end_of_interrupt(0x51).len(), 1, "still up");
        ioapic.set_line(9, false);
        assert!(ioapic.end_of_interrupt(0x51).is_empty());
        assert_eq!(ioapic.table[9] & REMOTE_IRR, 0);
    }

    #[test]
    fn unmasking_an_active_level_interrupts() {
        let mut ioapic = Ioapic::default();
        ioapic.set_line(9, true);
        assert_eq!(program(&mut ioapic, 9, LEVEL | 0x51).len(), 1);
        ioapic.write(IOREGSEL, 1);
        assert_eq!(ioapic.read(IOWIN), VERSION);
    }
}
