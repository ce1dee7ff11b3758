//! Ordered and exclusive accesses and atomics to addresses without memory: one after the other, as a device has no monitor and no lock.

use super::{General, Plan, base, single};
use crate::aarch64::instructions::A64;
use crate::aarch64::transfer::{Action, Operation, To};
use crate::aarch64::vcpu::Vcpu;
use crate::error::Error;

/// Plans the instruction; `None` if it is none of these.
pub(super) fn plan(vcpu: &Vcpu, instruction: A64) -> Result<Option<Plan>, Error> {
    match instruction {
        A64::Ordered(one) => {
            let opc = u32::from(one.l());
            let address = base(vcpu, one.rn() as u8)?;
            single(vcpu, false, one.size(), opc, one.rt() as u8, address, None)
        }
        A64::OrderedUnscaled(one) => {
            let address = base(vcpu, one.rn() as u8)?.wrapping_add_signed(i64::from(one.imm9()));
            single(
                vcpu,
                false,
                one.size(),
                one.opc(),
                one.rt() as u8,
                address,
                None,
            )
        }
        A64::Exclusive(one) => {
            let address = base(vcpu, one.rn() as u8)?;
            let opc = u32::from(one.l());
            let mut plan = single(vcpu, false, one.size(), opc, one.rt() as u8, address, None)?;
            if let Some(plan) = plan.as_mut().filter(|_| !one.l()) {
                // A device has no monitor that could fail.
                plan.loaded.push((status(one.rs() as u8), (0, 4)));
            }
            Ok(plan)
        }
        A64::Atomic(one) => {
            let operation = match (one.o3(), one.opc()) {
                (false, 0) => Operation::Add,
                (false, 1) => Operation::Clear,
                (false, 2) => Operation::ExclusiveOr,
                (false, 3) => Operation::Set,
                (false, 4) => Operation::SignedMax,
                (false, 5) => Operation::SignedMin,
                (false, 6) => Operation::UnsignedMax,
                (false, _) => Operation::UnsignedMin,
                (true, 0) => Operation::Swap,
                (true, 4) => {
                    let address = base(vcpu, one.rn() as u8)?;
                    return single(vcpu, false, one.size(), 1, one.rt() as u8, address, None);
                }
                _ => return Ok(None),
            };
            let operand = vcpu.x(one.rs() as u8)?;
            modify(
                vcpu,
                one.size(),
                operation,
                operand,
                one.rn() as u8,
                one.rt() as u8,
            )
        }
        A64::Cas(one) => {
            let operation = Operation::Compare(vcpu.x(one.rs() as u8)?);
            let operand = vcpu.x(one.rt() as u8)?;
            modify(
                vcpu,
                one.size(),
                operation,
                operand,
                one.rn() as u8,
                one.rs() as u8,
            )
        }
        A64::ExclusivePair(two) => {
            let size = if two.sz() { 8 } else { 4 };
            let rt = [two.rt() as u8, two.rt2() as u8];
            let mut plan = Plan::default();
            let mut address = base(vcpu, two.rn() as u8)?;
            for rt in rt {
                let kind = General {
                    size,
                    load: two.l(),
                    signed: false,
                    wide: true,
                };
                plan.general(vcpu, address, rt, kind)?;
                address = address.wrapping_add(u64::from(size));
            }
            if !two.l() {
                plan.loaded.push((status(two.rs() as u8), (0, 4)));
            }
            Ok(Some(plan))
        }
        A64::Casp(two) => compare_swap_pair(
            vcpu,
            if two.sz() { 8 } else { 4 },
            two.rn() as u8,
            [two.rs() as u8, two.rt() as u8],
        ),
        _ => Ok(None),
    }
}

/// The status register of a store-exclusive.
fn status(rs: u8) -> To {
    To::X {
        rt: rs,
        signed: false,
        wide: false,
        size: 4,
    }
}

fn modify(
    vcpu: &Vcpu,
    size: u32,
    operation: Operation,
    operand: u64,
    rn: u8,
    rt: u8,
) -> Result<Option<Plan>, Error> {
    let bytes = 1 << (size & 3);
    let to = To::X {
        rt,
        signed: false,
        wide: true,
        size: bytes,
    };
    let mut plan = Plan::default();
    let action = Action::Modify(operation, operand, to);
    plan.parts.push((base(vcpu, rn)?, bytes, action));
    Ok(Some(plan))
}

/// CASP: two values that are compared, and stored if both are the same. `registers` are the first of each pair.
fn compare_swap_pair(
    vcpu: &Vcpu,
    size: u8,
    rn: u8,
    [rs, rt]: [u8; 2],
) -> Result<Option<Plan>, Error> {
    if rs & 1 != 0 || rt & 1 != 0 {
        return Ok(None);
    }
    let from = base(vcpu, rn)?;
    let mut plan = Plan::default();
    for half in 0..2 {
        let to = To::X {
            rt: rs + half,
            signed: false,
            wide: true,
            size,
        };
        let at = from.wrapping_add(u64::from(half * size));
        let action = Action::Compare(vcpu.x(rs + half)?, to);
        plan.parts.push((at, size, action));
    }
    for half in 0..2 {
        let at = from.wrapping_add(u64::from(half * size));
        let action = Action::Exchange(vcpu.x(rt + half)?);
        plan.parts.push((at, size, action));
    }
    Ok(Some(plan))
}
