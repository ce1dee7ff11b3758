//! Registers by the framework's numbers (`hv_x86_reg_t`).

use super::cpu::{Cpu, Segment};
use super::fpu;
use crate::error::Code;

/// HV_X86_CR3.
pub(crate) const CR3: u32 = 39;
const CR0: u32 = 36;
const CR4: u32 = 40;
const XCR0: u32 = 50;

/// The CPU's numbers of the general registers RAX to R15, in the framework's order.
const GENERAL: [u8; 16] = [0, 1, 2, 3, 6, 7, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
/// The CPU's numbers of CS, SS, DS, ES, FS, GS.
const SEGMENTS: [u8; 6] = [1, 2, 3, 0, 4, 5];

/// Whether entry checks or the CPU's mode depend on a register.
pub(crate) fn is_checked(id: u32) -> bool {
    !matches!(id, 0..=17 | 38 | 49)
}

fn system(cpu: &Cpu, id: u32) -> (&Segment, u32) {
    match id {
        28..=31 => (&cpu.ldtr, id - 28),
        _ => (&cpu.tr, id - 32),
    }
}

/// Reads a register; [`Code::BAD_ARGUMENT`] for numbers that have none.
pub(crate) fn read(cpu: &Cpu, id: u32) -> Result<u64, Code> {
    Ok(match id {
        0 => cpu.rip,
        1 => cpu.flags(),
        2..=17 => cpu.gpr[usize::from(GENERAL[id as usize - 2])],
        18..=23 => cpu.seg[usize::from(SEGMENTS[id as usize - 18])]
            .selector
            .into(),
        24 => cpu.idtr.base,
        25 => cpu.idtr.limit.into(),
        26 => cpu.gdtr.base,
        27 => cpu.gdtr.limit.into(),
        28..=35 => {
            let (segment, part) = system(cpu, id);
            match part {
                0 => segment.selector.into(),
                1 => segment.base,
                2 => segment.limit.into(),
                _ => segment.rights.into(),
            }
        }
        CR0 => cpu.cr0,
        38 => cpu.cr2,
        CR3 => cpu.cr3,
        CR4 => cpu.cr4,
        41..=44 => cpu.dr[id as usize - 41],
        47 | 48 => cpu.dr[id as usize - 41],
        // CR1, DR4 and DR5 are numbers without a register.
        37 | 45 | 46 => 0,
        49 => cpu.tpr().into(),
        XCR0 => cpu.xcr0,
        _ => return Err(Code::BAD_ARGUMENT),
    })
}

/// Writes a register. Invalid XCR0 values are ignored without an error, as by the framework.
pub(crate) fn write(cpu: &mut Cpu, id: u32, value: u64) -> Result<(), Code> {
    match id {
        0 => cpu.rip = value,
        1 => cpu.set_flags(value),
        2..=17 => cpu.gpr[usize::from(GENERAL[id as usize - 2])] = value,
        18..=23 => cpu.seg[usize::from(SEGMENTS[id as usize - 18])].selector = value as u16,
        24 => cpu.idtr.base = value,
        25 => cpu.idtr.limit = value as u32,
        26 => cpu.gdtr.base = value,
        27 => cpu.gdtr.limit = value as u32,
        28..=35 => {
            let segment = match id {
                28..=31 => &mut cpu.ldtr,
                _ => &mut cpu.tr,
            };
            match id & 3 {
                0 => segment.selector = value as u16,
                1 => segment.base = value,
                2 => segment.limit = value as u32,
                _ => segment.rights = value as u32,
            }
        }
        CR0 => cpu.cr0 = value,
        38 => cpu.cr2 = value,
        CR3 => cpu.cr3 = value,
        CR4 => cpu.cr4 = value,
        41..=44 | 47 | 48 => cpu.dr[id as usize - 41] = value,
        37 | 45 | 46 => {}
        49 => cpu.set_tpr(value as u8),
        XCR0 => {
            if is_valid_xcr0(value) {
                cpu.xcr0 = value;
            }
        }
        _ => return Err(Code::BAD_ARGUMENT),
    }
    Ok(())
}

/// Whether XSETBV takes a value: x87 always, AVX only with SSE, nothing that the engine has not.
pub(crate) fn is_valid_xcr0(value: u64) -> bool {
    value & 1 != 0 && value & 6 != 4 && value & !fpu::components() == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xcr0() {
        assert!(is_valid_xcr0(1) && is_valid_xcr0(3) && is_valid_xcr0(7));
        for refused in [0, 2, 5, 0x19, 1 << 40] {
            assert!(!is_valid_xcr0(refused), "{refused:#x}");
        }
    }
}
