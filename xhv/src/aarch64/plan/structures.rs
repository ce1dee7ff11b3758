//! LD1 to LD4 and ST1 to ST4 (Arm DDI 0487, C7.2): whole registers, interleaved structures, single elements, replicated elements.

use super::{Plan, base};
use crate::aarch64::instructions::A64;
use crate::aarch64::mmio::mask;
use crate::aarch64::transfer::{Action, To, read_vector};
use crate::aarch64::vcpu::Vcpu;
use crate::error::Error;

/// What all of them have in common.
#[derive(Debug, Clone, Copy)]
struct Common {
    q: bool,
    load: bool,
    rn: u8,
    rt: u8,
    /// Register of the post-index; 31: what was transferred.
    step: Option<u8>,
}

/// Elements of one access by the manual's pseudocode.
#[derive(Debug, Clone, Copy)]
struct Element {
    rt: u8,
    /// Place in the register, in bytes.
    offset: u8,
    size: u8,
    /// The rest of the register stays.
    keep: bool,
}

/// Plans the instruction; `None` if it is none of these, or not allocated.
pub(super) fn plan(vcpu: &Vcpu, instruction: A64) -> Result<Option<Plan>, Error> {
    macro_rules! common {
        ($i:ident, $step:expr) => {
            Common {
                q: $i.q(),
                load: $i.l(),
                rn: $i.rn() as u8,
                rt: $i.rt() as u8,
                step: $step,
            }
        };
    }
    match instruction {
        A64::SimdMultiple(i) => multiple(vcpu, common!(i, None), i.opcode(), i.size()),
        A64::SimdMultiplePost(i) => {
            let step = Some(i.rm() as u8);
            multiple(vcpu, common!(i, step), i.opcode(), i.size())
        }
        A64::SimdSingle(i) => {
            let place = (i.opcode(), i.s(), i.size());
            single(vcpu, common!(i, None), i.r(), place)
        }
        A64::SimdSinglePost(i) => {
            let (step, place) = (Some(i.rm() as u8), (i.opcode(), i.s(), i.size()));
            single(vcpu, common!(i, step), i.r(), place)
        }
        _ => Ok(None),
    }
}

/// Multiple structures: `LD1 {V0.16B-V3.16B}` to `ST4`.
fn multiple(vcpu: &Vcpu, common: Common, opcode: u32, size: u32) -> Result<Option<Plan>, Error> {
    let (registers, elements) = match opcode {
        0b0000 => (4_u8, 4_u8),
        0b0010 => (4, 1),
        0b0100 => (3, 3),
        0b0110 => (3, 1),
        0b0111 => (1, 1),
        0b1000 => (2, 2),
        0b1010 => (2, 1),
        _ => return Ok(None),
    };
    let bytes = if common.q { 16_u8 } else { 8 };
    if size == 3 && !common.q && elements > 1 {
        return Ok(None);
    }
    // Registers that are not interleaved go doubleword by doubleword.
    let size = if elements == 1 { 8 } else { 1 << (size & 3) };
    let mut list = Vec::new();
    for repeat in 0..registers / elements {
        for offset in (0..bytes).step_by(usize::from(size)) {
            for structure in 0..elements {
                list.push(Element {
                    rt: (common.rt + repeat + structure) % 32,
                    offset,
                    size,
                    keep: false,
                });
            }
        }
    }
    transfer(vcpu, common, &list, false)
}

/// Single structures: `LD1 {V0.B}[5]` to `ST4`, and `LD1R` to `LD4R`.
fn single(
    vcpu: &Vcpu,
    common: Common,
    r: bool,
    (opcode, s, size): (u32, bool, u32),
) -> Result<Option<Plan>, Error> {
    let registers = ((opcode & 1) << 1 | u32::from(r)) as u8 + 1;
    let (high, bit) = (u32::from(common.q) << 3, u32::from(s) << 2);
    let (scale, index) = match (opcode >> 1, size) {
        (0, _) => (0, high | bit | size),
        (1, 0 | 2) => (1, (high | bit | size) >> 1),
        (2, 0) => (2, (high | bit) >> 2),
        (2, 1) if !s => (3, high >> 3),
        (3, _) if common.load && !s => (size, 0),
        _ => return Ok(None),
    };
    let replicate = opcode >> 1 == 3;
    let list: Vec<_> = (0..registers)
        .map(|number| Element {
            rt: (common.rt + number) % 32,
            offset: (index << scale) as u8,
            size: 1 << scale,
            keep: !replicate,
        })
        .collect();
    transfer(vcpu, common, &list, replicate)
}

fn transfer(
    vcpu: &Vcpu,
    common: Common,
    list: &[Element],
    replicate: bool,
) -> Result<Option<Plan>, Error> {
    let from = base(vcpu, common.rn)?;
    let (mut plan, mut at) = (Plan::default(), from);
    for &element in list {
        let Element {
            rt,
            offset,
            size,
            keep,
        } = element;
        let action = if replicate {
            let q = common.q;
            Action::Load(To::Replicated { rt, q })
        } else if common.load {
            Action::Load(To::V { rt, offset, keep })
        } else {
            let value = read_vector(vcpu, rt)? >> (8 * u32::from(offset));
            Action::Store(value as u64 & mask(size))
        };
        plan.parts.push((at, size, action));
        at = at.wrapping_add(u64::from(size));
    }
    if let Some(step) = common.step {
        let to = match step {
            31 => at,
            _ => from.wrapping_add(vcpu.x(step)?),
        };
        plan.writeback = Some((common.rn, to));
    }
    Ok(Some(plan))
}
