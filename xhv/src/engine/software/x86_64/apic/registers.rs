//! One local APIC's registers: pending and in-service interrupts, priorities, local vector table (Intel SDM vol. 3, 12).
//!
//! No locks, no other APICs: `local` shares it between threads, `mod` carries messages between APICs.

use super::timer::Timer;

/// Offsets of registers in the APIC page.
#[allow(dead_code)] // Ranges of registers are matched by number.
pub(crate) mod offset {
    pub(crate) const ID: u32 = 0x20;
    pub(crate) const VERSION: u32 = 0x30;
    pub(crate) const TPR: u32 = 0x80;
    pub(crate) const APR: u32 = 0x90;
    pub(crate) const PPR: u32 = 0xa0;
    pub(crate) const EOI: u32 = 0xb0;
    pub(crate) const LDR: u32 = 0xd0;
    pub(crate) const DFR: u32 = 0xe0;
    pub(crate) const SVR: u32 = 0xf0;
    pub(crate) const ISR: u32 = 0x100;
    pub(crate) const TMR: u32 = 0x180;
    pub(crate) const IRR: u32 = 0x200;
    pub(crate) const ESR: u32 = 0x280;
    pub(crate) const LVT_CMCI: u32 = 0x2f0;
    pub(crate) const ICR_LOW: u32 = 0x300;
    pub(crate) const ICR_HIGH: u32 = 0x310;
    pub(crate) const LVT_TIMER: u32 = 0x320;
    pub(crate) const LVT_LINT0: u32 = 0x350;
    pub(crate) const LVT_ERROR: u32 = 0x370;
    pub(crate) const TIMER_INITIAL: u32 = 0x380;
    pub(crate) const TIMER_CURRENT: u32 = 0x390;
    pub(crate) const TIMER_DIVIDE: u32 = 0x3e0;
}

/// Version 0x14, seven LVT entries, EOI-broadcast suppression.
const VERSION: u32 = 0x14 | 6 << 16 | 1 << 24;
const SVR_ENABLE: u32 = 1 << 8;
const SVR_SUPPRESS_EOI: u32 = 1 << 12;
const LVT_MASKED: u32 = 1 << 16;
const LVT_REMOTE_IRR: u32 = 1 << 14;
const LVT_PENDING: u32 = 1 << 12;
/// Delivery mode ExtINT in an LVT entry.
const MODE_EXTINT: u32 = 7;
const MODE_NMI: u32 = 4;
/// Bits of ESR.
const ERROR_SEND_VECTOR: u32 = 1 << 5;
const ERROR_RECEIVE_VECTOR: u32 = 1 << 6;
const ERROR_REGISTER: u32 = 1 << 7;

/// Places in [`Registers::lvt`], in the order of the registers; CMCI comes last.
pub(crate) mod lvt {
    pub(crate) const TIMER: usize = 0;
    pub(crate) const LINT0: usize = 3;
    pub(crate) const LINT1: usize = 4;
    pub(crate) const ERROR: usize = 5;
    pub(crate) const CMCI: usize = 6;
}

/// How an interrupt that is put into IRR was triggered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trigger {
    Edge,
    /// Edge, and in service no longer than its acknowledgement takes.
    EdgeAutoEoi,
    Level,
}

/// 256 bits, one for each vector.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vectors(pub(crate) [u32; 8]);

impl Vectors {
    pub(crate) fn set(&mut self, vector: u8, on: bool) {
        let (word, bit) = (usize::from(vector >> 5), 1_u32 << (vector & 31));
        if on {
            self.0[word] |= bit;
        } else {
            self.0[word] &= !bit;
        }
    }

    pub(crate) fn get(&self, vector: u8) -> bool {
        self.0[usize::from(vector >> 5)] >> (vector & 31) & 1 != 0
    }

    /// The highest vector that is set.
    pub(crate) fn highest(&self) -> Option<u8> {
        let word = (0..8).rev().find(|&word| self.0[word] != 0)?;
        Some((word as u8) << 5 | (31 - self.0[word].leading_zeros() as u8))
    }
}

/// What a register write asks of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    None,
    /// Interrupts may be deliverable now.
    Interrupts,
    /// The end of a level-triggered interrupt: I/O APICs want to know.
    Eoi(u8),
    /// An interprocessor interrupt: ICR.
    Send {
        low: u32,
        high: u32,
    },
}

/// The registers.
#[derive(Clone, Debug)]
pub(crate) struct Registers {
    pub(crate) id: u32,
    pub(crate) tpr: u8,
    pub(crate) ldr: u32,
    pub(crate) dfr: u32,
    pub(crate) svr: u32,
    pub(crate) isr: Vectors,
    pub(crate) tmr: Vectors,
    pub(crate) irr: Vectors,
    pub(crate) auto_eoi: Vectors,
    pub(crate) esr: u32,
    pub(crate) esr_pending: u32,
    pub(crate) lvt: [u32; 7],
    pub(crate) icr: [u32; 2],
    pub(crate) timer: Timer,
    pub(crate) nmi: bool,
    /// Somebody asked for one ExtINT.
    pub(crate) extint: bool,
}

impl Registers {
    /// After RESET. `bootstrap`: LINT0 leads to the 8259s, as firmware leaves it.
    pub(crate) fn new(id: u32, bus_hz: u64, bootstrap: bool) -> Self {
        let mut lvt = [LVT_MASKED; 7];
        if bootstrap {
            lvt[lvt::LINT0] = MODE_EXTINT << 8;
            lvt[lvt::LINT1] = MODE_NMI << 8;
        }
        Self {
            id,
            tpr: 0,
            ldr: 0,
            dfr: !0,
            svr: 0xff,
            isr: Vectors::default(),
            tmr: Vectors::default(),
            irr: Vectors::default(),
            auto_eoi: Vectors::default(),
            esr: 0,
            esr_pending: 0,
            lvt,
            icr: [0; 2],
            timer: Timer::new(bus_hz),
            nmi: false,
            extint: false,
        }
    }

    /// After INIT: as RESET, but the ID stays.
    pub(crate) fn init(&mut self) {
        let bus_hz = self.timer.bus_hz();
        *self = Self::new(self.id, bus_hz, false);
    }

    /// Whether the software enable is on.
    pub(crate) fn enabled(&self) -> bool {
        self.svr & SVR_ENABLE != 0
    }

    /// Processor priority (SDM vol. 3, 12.8.3.1).
    pub(crate) fn ppr(&self) -> u8 {
        let served = self.isr.highest().unwrap_or(0) & 0xf0;
        if self.tpr & 0xf0 >= served {
            self.tpr
        } else {
            served
        }
    }

    /// The interrupt that the CPU would take now.
    pub(crate) fn pending(&self) -> Option<u8> {
        let vector = self.irr.highest().filter(|_| self.enabled())?;
        (vector & 0xf0 > self.ppr() & 0xf0).then_some(vector)
    }

    /// Puts an interrupt into IRR.
    pub(crate) fn accept(&mut self, vector: u8, trigger: Trigger) {
        if vector < 16 {
            self.error(ERROR_RECEIVE_VECTOR);
            return;
        }
        if !self.enabled() {
            return;
        }
        self.irr.set(vector, true);
        self.tmr.set(vector, trigger == Trigger::Level);
        self.auto_eoi.set(vector, trigger == Trigger::EdgeAutoEoi);
    }

    /// The CPU takes the pending interrupt.
    pub(crate) fn acknowledge(&mut self) -> Option<u8> {
        let vector = self.pending()?;
        self.irr.set(vector, false);
        if !self.auto_eoi.get(vector) {
            self.isr.set(vector, true);
        }
        Some(vector)
    }

    fn error(&mut self, bit: u32) {
        let new = self.esr_pending & bit == 0;
        self.esr_pending |= bit;
        // An error interrupt with a bad vector would be an error itself.
        let entry = self.lvt[lvt::ERROR];
        if new && entry & LVT_MASKED == 0 && entry as u8 >= 16 {
            self.accept(entry as u8, Trigger::Edge);
        }
    }

    /// Notes that ICR was given a bad vector.
    pub(crate) fn send_error(&mut self) {
        self.error(ERROR_SEND_VECTOR);
    }

    /// Fires an LVT entry.
    pub(crate) fn fire(&mut self, entry: usize) {
        let value = self.lvt[entry % 7];
        if value & LVT_MASKED != 0 {
            return;
        }
        match value >> 8 & 7 {
            _ if entry == lvt::TIMER => self.accept(value as u8, Trigger::Edge),
            0 => self.accept(value as u8, Trigger::Edge),
            MODE_NMI => self.nmi = true,
            MODE_EXTINT => self.extint = true,
            _ => {}
        }
    }

    /// Whether the 8259s' interrupt line reaches the CPU.
    pub(crate) fn takes_extint(&self) -> bool {
        let entry = self.lvt[lvt::LINT0];
        entry & LVT_MASKED == 0 && entry >> 8 & 7 == MODE_EXTINT
    }

    /// Lets the timer run up to `now`.
    pub(crate) fn advance(&mut self, now: u64) {
        if self.timer.advance(now) {
            self.fire(lvt::TIMER);
        }
    }

    /// Reads a register.
    pub(crate) fn read(&mut self, at: u32, now: u64) -> u32 {
        let vectors = |vectors: &Vectors| vectors.0[(at >> 4 & 7) as usize];
        match at & 0xff0 {
            offset::ID => self.id << 24,
            offset::VERSION => VERSION,
            offset::TPR => self.tpr.into(),
            offset::APR => 0,
            offset::PPR => self.ppr().into(),
            offset::LDR => self.ldr,
            offset::DFR => self.dfr,
            offset::SVR => self.svr,
            0x100..=0x170 => vectors(&self.isr),
            0x180..=0x1f0 => vectors(&self.tmr),
            0x200..=0x270 => vectors(&self.irr),
            offset::ESR => self.esr,
            offset::LVT_CMCI => self.lvt[lvt::CMCI],
            offset::ICR_LOW => self.icr[0],
            offset::ICR_HIGH => self.icr[1],
            offset::LVT_TIMER..=offset::LVT_ERROR => self.lvt[(at >> 4 & 7) as usize - 2],
            offset::TIMER_INITIAL => self.timer.initial(),
            offset::TIMER_CURRENT => self.timer.current(now),
            offset::TIMER_DIVIDE => self.timer.divide(),
            offset::EOI => 0,
            _ => {
                self.error(ERROR_REGISTER);
                0
            }
        }
    }

    /// Writes a register.
    pub(crate) fn write(&mut self, at: u32, value: u32, now: u64) -> Effect {
        match at & 0xff0 {
            offset::ID => self.id = value >> 24,
            offset::TPR => {
                self.tpr = value as u8;
                return Effect::Interrupts;
            }
            offset::EOI => return self.end_of_interrupt(),
            offset::LDR => self.ldr = value & 0xff00_0000,
            offset::DFR => self.dfr = value | 0x0fff_ffff,
            offset::SVR => {
                self.svr = value & 0x1fff;
                if !self.enabled() {
                    self.lvt.iter_mut().for_each(|entry| *entry |= LVT_MASKED);
                }
                return Effect::Interrupts;
            }
            offset::ESR => self.esr = core::mem::take(&mut self.esr_pending),
            offset::LVT_CMCI => self.write_lvt(lvt::CMCI, value),
            offset::ICR_LOW => {
                self.icr[0] = value & !LVT_PENDING;
                let [low, high] = self.icr;
                return Effect::Send { low, high };
            }
            offset::ICR_HIGH => self.icr[1] = value & 0xff00_0000,
            offset::LVT_TIMER => {
                self.write_lvt(lvt::TIMER, value);
                self.timer.set_mode(value >> 17 & 3, now);
                return Effect::Interrupts;
            }
            0x330..=offset::LVT_ERROR => self.write_lvt((at >> 4 & 7) as usize - 2, value),
            offset::TIMER_INITIAL => {
                self.timer.start(value, now);
                return Effect::Interrupts;
            }
            offset::TIMER_DIVIDE => {
                self.timer.set_divide(value, now);
                return Effect::Interrupts;
            }
            _ => self.error(ERROR_REGISTER),
        }
        Effect::None
    }

    fn write_lvt(&mut self, entry: usize, value: u32) {
        let mask = match entry {
            lvt::TIMER => 0x7_00ff,
            lvt::LINT0 | lvt::LINT1 => 0x1_a7ff,
            lvt::ERROR => 0x1_00ff,
            _ => 0x1_07ff,
        };
        let kept = self.lvt[entry] & LVT_REMOTE_IRR;
        let forced = if self.enabled() { 0 } else { LVT_MASKED };
        self.lvt[entry] = value & mask | kept | forced;
    }

    fn end_of_interrupt(&mut self) -> Effect {
        let Some(vector) = self.isr.highest() else {
            return Effect::None;
        };
        self.isr.set(vector, false);
        let level = self.tmr.get(vector);
        if level && self.svr & SVR_SUPPRESS_EOI == 0 {
            return Effect::Eoi(vector);
        }
        Effect::Interrupts
    }

    /// Whether a message with destination `to` is for this APIC (SDM vol. 3, 12.6.2).
    pub(crate) fn is_destination(&self, to: u8, logical: bool) -> bool {
        if !logical {
            return to == 0xff || u32::from(to) == self.id & 0xff;
        }
        let own = (self.ldr >> 24) as u8;
        if self.dfr >> 28 == 0xf {
            return own & to != 0;
        }
        // Cluster model: four bits of cluster, four of members.
        to == 0xff || own >> 4 == to >> 4 && own & to & 0xf != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apic() -> Registers {
        let mut apic = Registers::new(0, 1_000_000_000, true);
        apic.write(offset::SVR, 0x1ff, 0);
        apic
    }

    #[test]
    fn priorities_decide_what_is_taken() {
        let mut apic = apic();
        apic.accept(0x31, Trigger::Edge);
        apic.accept(0x42, Trigger::Edge);
        assert_eq!(apic.acknowledge(), Some(0x42));
        assert_eq!(
            (apic.ppr(), apic.acknowledge()),
            (0x40, None),
            "0x31 is below 0x42"
        );
        apic.accept(0x4f, Trigger::Edge);
        assert_eq!(apic.acknowledge(), None, "the same class waits");
        apic.accept(0x50, Trigger::Edge);
        assert_eq!(apic.acknowledge(), Some(0x50));
        assert_eq!(apic.write(offset::EOI, 0, 0), Effect::Interrupts);
        apic.write(offset::EOI, 0, 0);
        assert_eq!(apic.acknowledge(), Some(0x4f));
        apic.write(offset::EOI, 0, 0);
        apic.write(offset::TPR, 0x30, 0);
        assert_eq!((apic.acknowledge(), apic.ppr()), (None, 0x30));
        apic.write(offset::TPR, 0x2f, 0);
        assert_eq!(apic.acknowledge(), Some(0x31));
    }

    #[test]
    fn level_interrupts_tell_their_end() {
        let mut apic = apic();
        apic.accept(0x61, Trigger::Level);
        assert_eq!(apic.read(offset::TMR + 0x30, 0), 2);
        apic.acknowledge();
        assert_eq!(apic.read(offset::ISR + 0x30, 0), 2);
        assert_eq!(apic.write(offset::EOI, 0, 0), Effect::Eoi(0x61));
        apic.accept(0x61, Trigger::EdgeAutoEoi);
        apic.acknowledge();
        assert_eq!(apic.isr.highest(), None);
    }

    #[test]
    fn a_disabled_apic_takes_nothing_and_masks_its_table() {
        let mut apic = Registers::new(0, 1_000_000_000, false);
        apic.accept(0x61, Trigger::Edge);
        assert_eq!((apic.irr.highest(), apic.pending()), (None, None));
        apic.write(offset::LVT_TIMER, 0x40, 0);
        assert_eq!(apic.read(offset::LVT_TIMER, 0), 0x1_0040);
    }

    #[test]
    fn bad_vectors_and_registers_are_errors() {
        let mut apic = apic();
        apic.write(offset::LVT_ERROR, 0x70, 0);
        apic.accept(5, Trigger::Edge);
        assert_eq!(apic.acknowledge(), Some(0x70));
        apic.write(0x40, 0, 0);
        assert_eq!(apic.read(offset::ESR, 0), 0, "written first, then read");
        apic.write(offset::ESR, 0, 0);
        assert_eq!(
            apic.read(offset::ESR, 0),
            ERROR_RECEIVE_VECTOR | ERROR_REGISTER
        );
    }

    #[test]
    fn destinations() {
        let mut apic = apic();
        apic.id = 3;
        assert!(apic.is_destination(3, false) && apic.is_destination(0xff, false));
        assert!(!apic.is_destination(2, false));
        apic.write(offset::LDR, 0x0400_0000, 0);
        assert!(apic.is_destination(6, true) && !apic.is_destination(3, true));
        apic.write(offset::DFR, 0, 0);
        apic.write(offset::LDR, 0x2400_0000, 0);
        assert!(apic.is_destination(0x26, true) && apic.is_destination(0xff, true));
        assert!(!apic.is_destination(0x16, true) && !apic.is_destination(0x23, true));
    }
}
