//! All registers of a vCPU in readable form, with the VMCS and the last exit: how `Dump` prints an Intel vCPU.

use core::fmt;

use super::exits;
use super::presets::SegmentName;
use super::vcpu::Vcpu;
use super::{msr, reg, vmcs};
use crate::dump::{Dump, line, part, rows};
use crate::typed::RowInfo;

impl Vcpu {
    /// Its registers, to be printed.
    #[must_use]
    pub fn dump(&self) -> Dump<'_, Self> {
        Dump(self)
    }
}

/// Areas of the VMCS, by bits 11:10 of a field's encoding (SDM vol. 3, "Field-Encoding").
const CONTROL: u32 = 0;
const GUEST: u32 = 2;

fn area(row: &RowInfo) -> u32 {
    row.key >> 10 & 3
}

/// The fields of segment registers, which have lines of their own.
fn is_of_segment(row: &RowInfo) -> bool {
    let key = row.key;
    [
        vmcs::GUEST_ES_SELECTOR.key(),
        vmcs::GUEST_ES_LIMIT.key(),
        vmcs::GUEST_ES_ACCESS_RIGHTS.key(),
        vmcs::GUEST_ES_BASE.key(),
    ]
    .iter()
    .any(|&first| (first..first + 2 * SegmentName::ALL.len() as u32).contains(&key))
}

/// Registers that are segments, tables or control registers: the VMCS has them, too.
fn is_general(row: &RowInfo) -> bool {
    row.key <= reg::R15.key() || (reg::DR0.key()..=reg::DR7.key()).contains(&row.key)
}

impl fmt::Display for Dump<'_, Vcpu> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let vcpu = self.0;
        if !f.alternate() {
            return rows(
                f,
                vcpu,
                reg::ALL.iter().filter(|row| row.key <= reg::R15.key()),
            );
        }
        part(f, "general registers")?;
        rows(f, vcpu, reg::ALL.iter().filter(|row| is_general(row)))?;
        for row in [reg::CR2.info(), reg::TPR.info(), reg::XCR0.info()] {
            rows(f, vcpu, [row])?;
        }
        part(f, "segments")?;
        segments(f, vcpu)?;
        part(f, "guest state")?;
        let of = |wanted| vmcs::ALL.iter().filter(move |row| area(row) == wanted);
        rows(f, vcpu, of(GUEST).filter(|row| !is_of_segment(row)))?;
        part(f, "controls")?;
        rows(f, vcpu, of(CONTROL))?;
        part(f, "MSRs")?;
        rows(f, vcpu, &msr::ALL)?;
        part(f, "floating point")?;
        floating_point(f, vcpu)?;
        part(f, "last exit")?;
        last_exit(f, vcpu)
    }
}

fn segments(f: &mut fmt::Formatter<'_>, vcpu: &Vcpu) -> fmt::Result {
    for name in SegmentName::ALL {
        let Ok(segment) = vcpu.segment(name) else {
            continue;
        };
        let name = format!("{name:?}").to_uppercase();
        let rights = vmcs::GUEST_ES_ACCESS_RIGHTS.info();
        writeln!(
            f,
            "{name:<6} {:#06x} base {:#x} limit {:#x} {}",
            segment.selector,
            segment.base,
            segment.limit,
            rights.describe(u128::from(segment.rights.bits())),
        )?;
    }
    Ok(())
}

fn floating_point(f: &mut fmt::Formatter<'_>, vcpu: &Vcpu) -> fmt::Result {
    let Ok(state) = vcpu.fpstate() else {
        return Ok(());
    };
    for (name, value) in [
        ("FCW", u64::from(state.fcw)),
        ("FSW", state.fsw.into()),
        ("FTW", state.tag_word().into()),
        ("FOP", state.fop.into()),
        ("FIP", state.fip),
        ("FDP", state.fdp),
        ("MXCSR", state.mxcsr.into()),
    ] {
        line(f, name, format_args!("{value:#x}"))?;
    }
    for (number, value) in state.st.iter().enumerate() {
        line(f, &format!("ST{number}"), format_args!("{value:#022x}"))?;
    }
    for (number, (low, high)) in state.xmm.iter().zip(&state.ymm_high).enumerate() {
        if *high == 0 {
            line(f, &format!("XMM{number}"), format_args!("{low:#034x}"))?;
        } else {
            line(
                f,
                &format!("YMM{number}"),
                format_args!("{high:#034x}{low:032x}"),
            )?;
        }
    }
    Ok(())
}

/// What the last exit was, by the table of exits; and the rules that the next entry would break.
fn last_exit(f: &mut fmt::Formatter<'_>, vcpu: &Vcpu) -> fmt::Result {
    let exit = exits::Exit::decode(|row| vcpu.engine.read_vmcs(row.key));
    if let Ok(exit) = exit {
        writeln!(f, "{exit:#x?}")?;
    }
    for violation in vcpu.check_entry() {
        writeln!(f, "the next entry fails: {violation}")?;
    }
    Ok(())
}
