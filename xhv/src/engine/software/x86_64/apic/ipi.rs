//! Interprocessor interrupts: what a write of ICR sends, and to whom (Intel SDM vol. 3, 12.6.1).

use std::sync::Arc;

use super::ioapic::Message;
use super::local::{Information, Local};
use super::registers::Trigger;
use super::{Chip, mode};

/// Destination shorthands.
const SELF: u32 = 1;
const ALL: u32 = 2;
const OTHERS: u32 = 3;

/// Fields of ICR's low half.
#[derive(Clone, Copy, Debug)]
struct Command(u32);

impl Command {
    fn vector(self) -> u8 {
        self.0 as u8
    }

    fn mode(self) -> u32 {
        self.0 >> 8 & 7
    }

    fn logical(self) -> bool {
        self.0 >> 11 & 1 != 0
    }

    fn asserts(self) -> bool {
        self.0 >> 14 & 1 != 0
    }

    fn level(self) -> bool {
        self.0 >> 15 & 1 != 0
    }

    fn shorthand(self) -> u32 {
        self.0 >> 18 & 3
    }
}

impl Chip {
    fn targets(&self, from: &Local, command: Command, to: u8) -> Vec<Arc<Local>> {
        let is_self = |local: &Arc<Local>| local.vcpu() == from.vcpu();
        let mut targets = self.locals();
        targets.retain(|local| match command.shorthand() {
            SELF => is_self(local),
            ALL => true,
            OTHERS => !is_self(local),
            _ => local.is_destination(to, command.logical()),
        });
        targets
    }

    /// Sends what ICR says. Answers what the sender's client has to do.
    pub(super) fn send(&self, from: &Local, low: u32, to: u8) -> Information {
        let command = Command(low);
        if !Local::is_sendable(command.mode()) {
            return Information::Vmx;
        }
        let fixed = matches!(command.mode(), mode::FIXED | mode::LOWEST_PRIORITY);
        if fixed && command.vector() < 16 {
            from.send_error();
            return Information::Vmx;
        }
        let targets = self.targets(from, command, to);
        match command.mode() {
            mode::INIT => {
                // INIT level de-assert only synchronizes arbitration IDs of old CPUs.
                if command.level() && !command.asserts() {
                    return Information::Vmx;
                }
                let hit = targets
                    .iter()
                    .filter(|local| local.vcpu() != from.vcpu() && local.init());
                Information::Init(hit.map(|local| local.vcpu()).collect())
            }
            mode::START_UP => {
                let hit = targets
                    .iter()
                    .filter(|local| local.vcpu() != from.vcpu() && local.start_up());
                let started: Vec<_> = hit.map(|local| local.vcpu()).collect();
                match started.is_empty() {
                    true => Information::Vmx,
                    false => Information::StartUp(started, u64::from(command.vector()) << 12),
                }
            }
            mode::NMI => {
                targets.iter().for_each(|local| local.nmi());
                Information::Vmx
            }
            mode::LOWEST_PRIORITY if command.shorthand() == 0 => {
                self.deliver(Message {
                    to,
                    logical: command.logical(),
                    mode: mode::LOWEST_PRIORITY,
                    vector: command.vector(),
                    level: false,
                });
                Information::Vmx
            }
            mode::FIXED | mode::LOWEST_PRIORITY => {
                for local in targets {
                    local.interrupt(command.vector(), Trigger::Edge);
                }
                Information::Vmx
            }
            _ => Information::Vmx,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::registers::offset;
    use super::*;
    use crate::engine::software::memory::AddressSpace;

    fn two() -> (Arc<Chip>, Arc<Local>, Arc<Local>) {
        let chip = Chip::new();
        let space = AddressSpace::default();
        let [first, second] = [0, 1].map(|id| {
            let local = Local::new(&chip, id, space.join());
            local.write(offset::SVR, 0x1ff, 0);
            local
        });
        (chip, first, second)
    }

    fn icr(from: &Local, high: u32, low: u32) -> Information {
        from.write(offset::ICR_HIGH, high << 24, 0);
        from.write(offset::ICR_LOW, low, 0)
    }

    #[test]
    fn fixed_interrupts_reach_whom_they_are_for() {
        let (_chip, first, second) = two();
        assert_eq!(icr(&first, 1, 0x4_0000 | 0x40), Information::Vmx, "self");
        assert_eq!(
            (first.acknowledge(), second.acknowledge()),
            (Some(0x40), None)
        );
        first.write(offset::EOI, 0, 0);
        icr(&first, 1, 0x41);
        assert_eq!(
            (first.acknowledge(), second.acknowledge()),
            (None, Some(0x41))
        );
        icr(&first, 0, 0xc_0000 | 0x52);
        assert_eq!(
            (first.acknowledge(), second.acknowledge()),
            (None, Some(0x52))
        );
        icr(&second, 0, 0x8_0000 | 0x63);
        assert_eq!(
            (first.acknowledge(), second.acknowledge()),
            (Some(0x63), Some(0x63))
        );
        icr(&first, 1, 0x400);
        assert!(second.take_nmi() && !first.take_nmi());
        icr(&first, 1, 5);
        first.write(offset::ESR, 0, 0);
        assert_eq!(first.read(offset::ESR, 0), 1 << 5);
    }

    #[test]
    fn init_and_start_up_are_the_senders_exits() {
        let (_chip, first, _second) = two();
        assert_eq!(
            icr(&first, 1, 0x600 | 0x9f),
            Information::StartUp(vec![1], 0x9_f000)
        );
        assert_eq!(
            icr(&first, 1, 0x600 | 0x9f),
            Information::Vmx,
            "no INIT before"
        );
        assert_eq!(icr(&first, 0, 0xc_4500), Information::Init(vec![1]));
        assert_eq!(icr(&first, 0, 0x8500), Information::Vmx, "de-assert");
        assert_eq!(icr(&first, 1, 0x608), Information::StartUp(vec![1], 0x8000));
    }

    #[test]
    fn messages_of_devices() {
        let (chip, first, second) = two();
        chip.msi(0xfee0_1000, 0x71).unwrap();
        assert_eq!(
            (first.acknowledge(), second.acknowledge()),
            (None, Some(0x71))
        );
        first.write(offset::LDR, 1 << 24, 0);
        second.write(offset::LDR, 2 << 24, 0);
        second.write(offset::EOI, 0, 0);
        second.write(offset::TPR, 0x50, 0);
        chip.msi(0xfee0_300c, 0x72).unwrap();
        assert_eq!(
            first.acknowledge(),
            Some(0x72),
            "the lower priority takes it"
        );
        assert!(chip.msi(0xfed0_0000, 0x72).is_err());
        chip.set_intr(1, 0x93, 2).unwrap();
        assert_eq!(second.acknowledge(), Some(0x93));
        assert!(chip.set_intr(9, 0x93, 2).is_err() && chip.set_intr(1, 3, 0).is_err());
    }

    #[test]
    fn levels_go_round_through_the_ioapic() {
        let (chip, first, _second) = two();
        for (select, value) in [(0x21, 0), (0x20, 0x8055)] {
            chip.ioapic_write(0xfec0_0000, select);
            chip.ioapic_write(0xfec0_0010, value);
        }
        chip.set_line(8, &[true]).unwrap();
        assert_eq!(first.acknowledge(), Some(0x55));
        first.write(offset::EOI, 0, 0);
        assert_eq!(first.acknowledge(), Some(0x55), "still up");
        chip.set_line(8, &[false]).unwrap();
        first.write(offset::EOI, 0, 0);
        assert_eq!(first.acknowledge(), None);
        assert!(chip.set_line(32, &[true]).is_err() && chip.set_line(-1, &[true]).is_err());
    }

    #[test]
    fn the_8259s_come_through_lint0_of_the_first() {
        let (chip, first, second) = two();
        for (port, value) in [(0x20, 0x11), (0x21, 0x20), (0x21, 4), (0x21, 1), (0x21, 0)] {
            chip.pic_write(port, value).unwrap();
        }
        chip.set_pic_line(0, true).unwrap();
        assert_eq!(
            (second.acknowledge(), first.acknowledge()),
            (None, Some(0x20))
        );
        assert!(chip.set_pic_line(16, true).is_err() && chip.pic_read(0x60).is_err());
    }
}
