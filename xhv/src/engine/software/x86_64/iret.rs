//! IRET in every mode, and what it does to NMI blocking.

use iced_x86::{Code, Instruction, Mnemonic};

use super::cpu::{Cpu, Cr, RSP, Seg, Segment, Shadow};
use super::decode::Assembler;
use super::flags::Rflags;
use super::mode::Size;
use super::transfer::Source;
use crate::engine::software::dispatch::{Flow, Stop};
use crate::x86_64::entry::field::pin;

/// Emits an operation for IRET.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    if !matches!(
        i.mnemonic(),
        Mnemonic::Iret | Mnemonic::Iretd | Mnemonic::Iretq
    ) {
        return false;
    }
    let op = a.complex_end(i, |cpu, op| {
        let size = match op.imm {
            0 => Size::Bits16,
            1 => Size::Bits32,
            _ => Size::Bits64,
        };
        cpu.unblock_nmi();
        cpu.iret(size, op.len)?;
        cpu.vmx.flight.nmi_unblocked = false;
        Ok(Flow::End)
    });
    op.imm = match i.code() {
        Code::Iretw => 0,
        Code::Iretd => 1,
        _ => 2,
    };
    true
}

/// What IRET takes from the stack first.
struct Frame {
    rip: u64,
    cs: u16,
    flags: u64,
}

impl Cpu {
    /// NMIs are open again, whether IRET faults or not (SDM vol. 3, 26.3).
    fn unblock_nmi(&mut self) {
        let tracked = self.vmx.virtual_nmis() || !self.vmx.pin(pin::NMI) || self.vmx.apic.is_some();
        if tracked && self.shadow & Shadow::NMI != 0 {
            self.shadow &= !Shadow::NMI;
            self.vmx.flight.nmi_unblocked = true;
            self.attend();
        }
    }

    fn iret(&mut self, size: Size, len: u8) -> Result<(), Stop> {
        if !self.mode.protected {
            return self.iret_flat(size);
        }
        if self.flags() & Rflags::NT != 0 {
            if self.mode.long {
                return Err(self.gp(0));
            }
            let link: u16 = self.load_system(self.tr.base)?;
            return Err(self.task_switch(Source::Iret, link, len, false));
        }
        let mut rsp = self.gpr[RSP];
        let frame = self.pop_frame(&mut rsp, size)?;
        let to_v86 = frame.flags & Rflags::VM != 0 && size == Size::Bits32;
        if to_v86 && self.cpl() == 0 && !self.mode.long {
            return self.iret_to_v86(frame, rsp);
        }
        self.iret_protected(frame, rsp, size)
    }

    fn pop_frame(&mut self, rsp: &mut u64, size: Size) -> Result<Frame, Stop> {
        Ok(Frame {
            rip: self.pop_at(rsp, size)?,
            cs: self.pop_at(rsp, size)? as u16,
            flags: self.pop_at(rsp, size)?,
        })
    }

    /// RFLAGS as IRET at privilege level `cpl` makes them.
    fn iret_flags(&self, popped: u64, size: Size, cpl: u8) -> u64 {
        let old = self.flags();
        let iopl = (old >> 12 & 3) as u8;
        let mut change = Rflags::STATUS | Rflags::TF | Rflags::DF | Rflags::NT;
        if size != Size::Bits16 {
            change |= Rflags::RF | Rflags::AC | Rflags::ID;
        }
        if cpl <= iopl {
            change |= Rflags::IF;
        }
        if cpl == 0 {
            change |= Rflags::IOPL;
            if size != Size::Bits16 {
                change |= Rflags::VIF | Rflags::VIP;
            }
        }
        old & !change | popped & change
    }

    fn iret_flat(&mut self, size: Size) -> Result<(), Stop> {
        let v8086 = self.mode.v8086;
        let restricted = v8086 && self.flags() & Rflags::IOPL != Rflags::IOPL;
        let vme = self.cr4 & Cr::CR4_VME != 0 && size == Size::Bits16;
        if restricted && !vme {
            return Err(self.gp(0));
        }
        let mut rsp = self.gpr[RSP];
        let frame = self.pop_frame(&mut rsp, size)?;
        let flags = if restricted {
            self.vme_flags(frame.flags)?
        } else if v8086 {
            // IOPL and VM stay.
            let fixed = Rflags::IOPL | Rflags::VM | Rflags::VIF | Rflags::VIP;
            self.iret_flags(frame.flags, size, 0) & !fixed | self.flags() & fixed
        } else {
            self.iret_flags(frame.flags, size, 0) & !Rflags::VM
        };
        let limit = if v8086 {
            0xffff
        } else {
            self.seg[Seg::Cs as usize].limit
        };
        if frame.rip > u64::from(limit) {
            return Err(self.gp(0));
        }
        let code = &mut self.seg[Seg::Cs as usize];
        code.selector = frame.cs;
        code.base = u64::from(frame.cs) << 4;
        self.rip = frame.rip;
        self.gpr[RSP] = rsp;
        self.set_flags(flags);
        self.update_mode();
        Ok(())
    }

    /// IRET with CR4.VME and IOPL < 3: IF of the image goes to VIF.
    fn vme_flags(&mut self, popped: u64) -> Result<u64, Stop> {
        let old = self.flags();
        let opens = popped & Rflags::IF != 0;
        if opens && old & Rflags::VIP != 0 || popped & Rflags::TF != 0 {
            return Err(self.gp(0));
        }
        let change = Rflags::STATUS | Rflags::TF | Rflags::DF | Rflags::NT;
        let vif = if opens { Rflags::VIF } else { 0 };
        Ok(old & !change & !Rflags::VIF | popped & change | vif)
    }

    fn iret_to_v86(&mut self, frame: Frame, mut rsp: u64) -> Result<(), Stop> {
        let mut popped = [0_u64; 6];
        for value in &mut popped {
            *value = self.pop_at(&mut rsp, Size::Bits32)?;
        }
        let [new_rsp, ss, es, ds, fs, gs] = popped;
        let flags = self.iret_flags(frame.flags, Size::Bits32, 0) | Rflags::VM;
        let selectors = [
            es as u16, frame.cs, ss as u16, ds as u16, fs as u16, gs as u16,
        ];
        for (segment, selector) in self.seg.iter_mut().zip(selectors) {
            *segment = Segment {
                selector,
                rights: 0xf3,
                limit: 0xffff,
                base: u64::from(selector) << 4,
            };
        }
        self.rip = frame.rip & 0xffff;
        self.gpr[RSP] = new_rsp;
        self.set_flags(flags);
        self.update_mode();
        Ok(())
    }

    fn iret_protected(&mut self, frame: Frame, mut rsp: u64, size: Size) -> Result<(), Stop> {
        let cpl = self.cpl();
        let code = self.return_code(frame.cs)?;
        let rpl = (frame.cs & 3) as u8;
        let outer = rpl != cpl || self.mode.code == Size::Bits64;
        let mut stack = None;
        if outer {
            let new_rsp = self.pop_at(&mut rsp, size)?;
            let selector = self.pop_at(&mut rsp, size)? as u16;
            stack = Some((new_rsp, self.outer_stack(selector, rpl, code)?));
        }
        self.check_target(code, frame.rip)?;
        let flags = self.iret_flags(frame.flags, size, cpl);
        match stack {
            None => self.gpr[RSP] = rsp,
            Some((new_rsp, segment)) if rpl != cpl => {
                self.return_outer(segment, rpl);
                self.set_outer_rsp(new_rsp, size);
            }
            Some((new_rsp, segment)) => {
                self.seg[Seg::Ss as usize] = segment;
                self.set_outer_rsp(new_rsp, size);
            }
        }
        self.enter_code(code, frame.cs, rpl, frame.rip);
        self.set_flags(flags);
        self.update_mode();
        Ok(())
    }
}
