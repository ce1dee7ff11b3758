//! The CPU interface of a GIC: acknowledge, priority drop, deactivation, SGIs, and the ICC registers (Arm IHI 0069, 4.6 and 12.2).

use super::{FIRST_SPI, Gic, Inner, NOTHING};
use crate::engine::software::aarch64::cpu::Cpu;
use crate::engine::software::aarch64::exec::system::register_number;
use crate::engine::software::aarch64::sysreg::number;
use crate::engine::software::dispatch::{Op, Stop};
use crate::error::Code;

/// Bits of a priority that count: the upper five.
const PRIORITY_MASK: u8 = 0xf8;
/// Priority when nothing is active.
const IDLE: u8 = 0xff;

const PMR: u16 = number(3, 0, 4, 6, 0);
const IAR0: u16 = number(3, 0, 12, 8, 0);
const EOIR0: u16 = number(3, 0, 12, 8, 1);
const HPPIR0: u16 = number(3, 0, 12, 8, 2);
const BPR0: u16 = number(3, 0, 12, 8, 3);
const AP0R0: u16 = number(3, 0, 12, 8, 4);
const AP1R0: u16 = number(3, 0, 12, 9, 0);
const DIR: u16 = number(3, 0, 12, 11, 1);
const RPR: u16 = number(3, 0, 12, 11, 3);
const SGI1R: u16 = number(3, 0, 12, 11, 5);
const ASGI1R: u16 = number(3, 0, 12, 11, 6);
const SGI0R: u16 = number(3, 0, 12, 11, 7);
const IAR1: u16 = number(3, 0, 12, 12, 0);
const EOIR1: u16 = number(3, 0, 12, 12, 1);
const HPPIR1: u16 = number(3, 0, 12, 12, 2);
const BPR1: u16 = number(3, 0, 12, 12, 3);
const CTLR: u16 = number(3, 0, 12, 12, 4);
const SRE: u16 = number(3, 0, 12, 12, 5);
const IGRPEN0: u16 = number(3, 0, 12, 12, 6);
const IGRPEN1: u16 = number(3, 0, 12, 12, 7);

/// `ICC_CTLR_EL1.CBPR`
const CBPR: u64 = 1;
/// `ICC_CTLR_EL1.EOImode`
const EOI_MODE: u64 = 2;

/// The registers of a CPU interface.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    /// Priority mask.
    mask: u8,
    /// Binary points of groups 0 and 1.
    binary_point: [u8; 2],
    /// Active priorities of groups 0 and 1, a bit for each of 32 levels.
    active: [u32; 2],
    /// Group enables.
    pub(super) enabled: [bool; 2],
    /// CBPR and EOImode.
    control: u64,
}

impl Default for Interface {
    fn default() -> Self {
        Self {
            mask: 0,
            binary_point: [2, 3],
            active: [0; 2],
            enabled: [false; 2],
            control: 0,
        }
    }
}

impl Interface {
    /// The part of a priority that decides about preemption.
    fn group_priority(&self, priority: u8, group1: bool) -> u8 {
        let own = usize::from(group1 && self.control & CBPR == 0);
        let point = u32::from(self.binary_point[own]);
        // Group 1 has one bit less below its point.
        let low_bits = if own == 1 { point } else { point + 1 };
        let mask = 0xff_u32 << low_bits.min(8);
        priority & mask as u8
    }

    /// The priority of what is being handled.
    fn running(&self) -> u8 {
        match (self.active[0] | self.active[1]).trailing_zeros() {
            32 => IDLE,
            level => (level as u8) << 3,
        }
    }

    /// Whether an interrupt of this priority is signalled.
    pub(super) fn admits(&self, priority: u8, group1: bool) -> bool {
        let running = self.running();
        priority < self.mask && (running == IDLE || self.group_priority(priority, group1) < running)
    }

    fn activate(&mut self, priority: u8, group1: bool) {
        let level = self.group_priority(priority, group1) >> 3;
        self.active[usize::from(group1)] |= 1 << level;
    }

    /// Drops the highest active priority of a group.
    fn drop_priority(&mut self, group1: bool) {
        let active = &mut self.active[usize::from(group1)];
        *active &= active.wrapping_sub(1);
    }

    fn read(&self, register: u16) -> Option<u64> {
        Some(match register {
            PMR => self.mask.into(),
            BPR0 => self.binary_point[0].into(),
            BPR1 if self.control & CBPR != 0 => u64::from(self.binary_point[0] + 1).min(7),
            BPR1 => self.binary_point[1].into(),
            AP0R0 => self.active[0].into(),
            AP1R0 => self.active[1].into(),
            RPR => self.running().into(),
            // Five priority bits, affinity 3 is supported.
            CTLR => self.control | 4 << 8 | 1 << 15,
            SRE => 7,
            IGRPEN0 => self.enabled[0].into(),
            IGRPEN1 => self.enabled[1].into(),
            _ => return None,
        })
    }

    fn write(&mut self, register: u16, value: u64) -> Option<()> {
        match register {
            PMR => self.mask = value as u8 & PRIORITY_MASK,
            BPR0 => self.binary_point[0] = (value as u8 & 7).max(2),
            BPR1 => self.binary_point[1] = (value as u8 & 7).max(3),
            AP0R0 => self.active[0] = value as u32,
            AP1R0 => self.active[1] = value as u32,
            CTLR => self.control = value & (CBPR | EOI_MODE),
            SRE => {}
            IGRPEN0 => self.enabled[0] = value & 1 != 0,
            IGRPEN1 => self.enabled[1] = value & 1 != 0,
            _ => return None,
        }
        Some(())
    }
}

impl Inner {
    /// The number that a read of IAR or HPPIR gives.
    fn candidate(&self, cpu: usize, group1: bool) -> Option<(u32, u8)> {
        let core = self.cores.get(cpu)?.as_ref()?;
        let (intid, priority, is_group1) = self.most_urgent(cpu)?;
        let fits = is_group1 == group1 && core.interface.admits(priority, group1);
        fits.then_some((intid, priority))
    }

    fn acknowledge(&mut self, cpu: usize, group1: bool) -> u32 {
        let Some((intid, priority)) = self.candidate(cpu, group1) else {
            return NOTHING;
        };
        if let Some(bank) = self.bank(cpu, intid) {
            bank.active |= 1 << (intid & 31);
            bank.pending &= !(1 << (intid & 31));
        }
        if let Some(core) = self.core(cpu) {
            core.interface.activate(priority, group1);
        }
        intid
    }

    fn deactivate(&mut self, cpu: usize, intid: u32) {
        if let Some(bank) = self.bank(cpu, intid) {
            bank.active &= !(1 << (intid & 31));
        }
    }

    fn end(&mut self, cpu: usize, group1: bool, value: u64) {
        let intid = value as u32 & 0xff_ffff;
        if intid >= super::END {
            return;
        }
        let Some(core) = self.core(cpu) else {
            return;
        };
        core.interface.drop_priority(group1);
        if core.interface.control & EOI_MODE == 0 {
            self.deactivate(cpu, intid);
        }
    }

    /// `ICC_SGI*R_EL1`: makes an SGI pending on the vCPUs that the value names.
    fn send_sgi(&mut self, own: usize, value: u64) {
        let bit = 1 << (value >> 24 & 15);
        let to_others = value >> 40 & 1 != 0;
        // Aff3, Aff2 and Aff1; the list names sixteen of Aff0, from 16 times RS on.
        let cluster = (value >> 48 & 0xff) << 16 | (value >> 32 & 0xff) << 8 | (value >> 16 & 0xff);
        let first = (value >> 44 & 15) * 16;
        for (cpu, core) in self.cores.iter_mut().enumerate() {
            let Some(core) = core else {
                continue;
            };
            let in_list = u64::from(core.affinity & 0xff)
                .checked_sub(first)
                .is_some_and(|at| at < 16 && value >> at & 1 != 0);
            let named = if to_others {
                cpu != own
            } else {
                u64::from(core.affinity >> 8) == cluster && in_list
            };
            if named {
                core.bank.pending |= bit;
            }
        }
    }

    /// A read of the guest.
    fn read_icc(&mut self, cpu: usize, register: u16) -> Option<u64> {
        let number = |found: Option<(u32, u8)>| found.map_or(NOTHING, |(intid, _)| intid);
        Some(match register {
            IAR0 => self.acknowledge(cpu, false).into(),
            IAR1 => self.acknowledge(cpu, true).into(),
            HPPIR0 => number(self.candidate(cpu, false)).into(),
            HPPIR1 => number(self.candidate(cpu, true)).into(),
            _ => return self.core(cpu)?.interface.read(register),
        })
    }

    /// A write of the guest.
    fn write_icc(&mut self, cpu: usize, register: u16, value: u64) -> Option<()> {
        match register {
            EOIR0 => self.end(cpu, false, value),
            EOIR1 => self.end(cpu, true, value),
            DIR => self.deactivate(cpu, value as u32 & 0xff_ffff),
            SGI1R | ASGI1R | SGI0R => self.send_sgi(cpu, value),
            _ => return self.core(cpu)?.interface.write(register, value),
        }
        Some(())
    }
}

/// What `hv_gic_icc_reg_t` has.
fn is_state(register: u16) -> bool {
    let all = [
        PMR, BPR0, AP0R0, AP1R0, RPR, BPR1, CTLR, SRE, IGRPEN0, IGRPEN1,
    ];
    all.contains(&register)
}

impl Gic {
    /// `hv_gic_get_icc_reg`
    pub(crate) fn get_icc(&self, cpu: usize, register: u16) -> Result<u64, Code> {
        let inner = self.inner();
        let core = inner.cores.get(cpu).and_then(Option::as_ref);
        let value = core.and_then(|core| core.interface.read(register));
        value
            .filter(|_| is_state(register))
            .ok_or(Code::BAD_ARGUMENT)
    }

    /// `hv_gic_set_icc_reg`
    pub(crate) fn set_icc(&self, cpu: usize, register: u16, value: u64) -> Result<(), Code> {
        if !is_state(register) || register == RPR {
            return Err(Code::BAD_ARGUMENT);
        }
        let mut inner = self.inner();
        let done = inner.write_icc(cpu, register, value);
        inner.signal();
        done.ok_or(Code::BAD_ARGUMENT)
    }
}

impl Cpu {
    /// An access of the guest to an ICC register, where there is a GIC; `None` for others.
    pub(crate) fn gic_register(
        &mut self,
        op: &Op<Self>,
        register: u16,
        value: Option<u64>,
    ) -> Option<Result<u64, Stop>> {
        let is_icc = register == PMR
            || (number(3, 0, 12, 8, 0)..=number(3, 0, 12, 12, 7)).contains(&register);
        if !is_icc {
            return None;
        }
        let gic = self.shared.gic()?;
        self.update_timer_lines();
        let cpu = self.number;
        let mut inner = gic.inner();
        let result = match value {
            None => inner.read_icc(cpu, register),
            Some(value) => inner.write_icc(cpu, register, value).map(|()| 0),
        };
        inner.signal();
        drop(inner);
        self.attend();
        debug_assert_eq!(register_number(op.imm as u32), register);
        Some(result.ok_or_else(|| self.undefined(op)))
    }
}

/// Whether a number is of an interrupt that only one vCPU has.
pub(super) fn is_private(intid: u32) -> bool {
    intid < FIRST_SPI
}
