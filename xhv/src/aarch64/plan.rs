//! What a load or store instruction transfers, for accesses whose syndrome does not say: pairs, writeback, SIMD, atomics, DC ZVA.
//!
//! Decodes with the table of the instructions, and makes a [`Transfer`] that `mmio.rs` has answered.

use super::exit::RawExit;
use super::feature;
use super::instructions::A64;
use super::mmio::{extend, mask};
use super::transfer::{Action, Operation, Part, To, Transfer};
use super::vcpu::Vcpu;
use crate::error::Error;

/// An instruction's accesses by virtual address.
#[derive(Debug, Default)]
pub(super) struct Plan {
    parts: Vec<(u64, u8, Action)>,
    writeback: Option<(u8, u64)>,
    /// Loads that need no memory: the status of a store-exclusive.
    loaded: Vec<(To, u64)>,
}

impl Plan {
    /// Finds the guest-physical address of every access; `None` if one has none.
    pub(super) fn place(self, vcpu: &Vcpu, raw: &RawExit) -> Result<Option<Transfer>, Error> {
        let mut parts = Vec::with_capacity(self.parts.len());
        for (address, size, action) in self.parts {
            let same_page = (address ^ raw.virtual_address) << 8 >> 20 == 0;
            let gpa = if same_page {
                let page = raw.physical_address.0 & !0xfff;
                Some(page | address & 0xfff)
            } else {
                vcpu.translate(address)?.map(|found| found.gpa.0)
            };
            let Some(gpa) = gpa else {
                return Ok(None);
            };
            parts.push(Part {
                gpa,
                address,
                size,
                action,
            });
        }
        Ok(Some(Transfer {
            parts,
            next: 0,
            loaded: self.loaded,
            writeback: self.writeback,
        }))
    }

    /// An access of a general register.
    fn general(&mut self, vcpu: &Vcpu, address: u64, rt: u8, kind: General) -> Result<(), Error> {
        let General {
            size,
            load,
            signed,
            wide,
        } = kind;
        let action = if load {
            Action::Load(To::X {
                rt,
                signed,
                wide,
                size,
            })
        } else {
            Action::Store(vcpu.x(rt)? & mask(size))
        };
        self.parts.push((address, size, action));
        Ok(())
    }

    /// An access of a vector register of 1 to 16 bytes.
    fn vector(
        &mut self,
        vcpu: &Vcpu,
        address: u64,
        rt: u8,
        bytes: u8,
        load: bool,
    ) -> Result<(), Error> {
        let value = if load { 0 } else { read_vector(vcpu, rt)? };
        for half in 0..bytes.div_ceil(8) {
            let size = bytes.min(8);
            let action = if load {
                Action::Load(To::V { rt, half })
            } else {
                let shifted = (value >> (64 * u32::from(half & 1))) as u64;
                Action::Store(shifted & mask(size))
            };
            let at = address.wrapping_add(8 * u64::from(half));
            self.parts.push((at, size, action));
        }
        Ok(())
    }
}

fn read_vector(vcpu: &Vcpu, rt: u8) -> Result<u128, Error> {
    let result = vcpu.engine.get_simd_fp_reg(u32::from(rt));
    vcpu.call("hv_vcpu_get_simd_fp_reg", result)
}

/// How a general register is transferred.
#[derive(Debug, Clone, Copy)]
struct General {
    size: u8,
    load: bool,
    signed: bool,
    wide: bool,
}

impl General {
    /// From `size` and `opc` of a load or store of one register; `None` for prefetches and what is unallocated.
    fn of(size: u32, opc: u32) -> Option<Self> {
        let bytes = 1 << (size & 3);
        let (load, signed, wide) = match (opc, size) {
            (0, _) => (false, false, size == 3),
            (1, _) => (true, false, size == 3),
            (2, 0..=2) => (true, true, true),
            (3, 0..=1) => (true, true, false),
            _ => return None,
        };
        Some(Self {
            size: bytes,
            load,
            signed,
            wide,
        })
    }
}

/// Bytes of a vector register and whether it is loaded, from `size` and `opc`.
fn vector_of(size: u32, opc: u32) -> Option<(u8, bool)> {
    match (opc >> 1, size) {
        (0, _) => Some((1 << (size & 3), opc & 1 != 0)),
        (1, 0) => Some((16, opc & 1 != 0)),
        _ => None,
    }
}

/// The base register: 31 is the stack pointer.
fn base(vcpu: &Vcpu, rn: u8) -> Result<u64, Error> {
    if rn == 31 { vcpu.sp() } else { vcpu.x(rn) }
}

/// Plans the instruction `word`, which faulted at `fault`; `None` if it is none that is known here.
pub(super) fn plan(vcpu: &Vcpu, word: u32, fault: u64) -> Result<Option<Plan>, Error> {
    if word & !0x1f == DC_ZVA {
        return zero_block(vcpu, fault).map(Some);
    }
    match A64::decode(word) {
        Some(A64::LdstPair(pair)) => {
            let index = pair.index();
            let offset = i64::from(pair.imm7());
            pairs(
                vcpu,
                Pair {
                    vector: pair.v(),
                    opc: pair.opc(),
                    load: pair.l(),
                    index,
                    offset,
                    rt: [pair.rt() as u8, pair.rt2() as u8],
                    rn: pair.rn() as u8,
                },
            )
        }
        Some(A64::LdstImm9(one)) => {
            let rn = one.rn() as u8;
            let from = base(vcpu, rn)?;
            let moved = from.wrapping_add_signed(i64::from(one.imm9()));
            let (address, writeback) = match one.index() {
                1 => (from, Some((rn, moved))),
                3 => (moved, Some((rn, moved))),
                _ => (moved, None),
            };
            single(
                vcpu,
                one.v(),
                one.size(),
                one.opc(),
                one.rt() as u8,
                address,
                writeback,
            )
        }
        Some(A64::LdstImm12(one)) => {
            let scale = scale(one.v(), one.size(), one.opc());
            let offset = u64::from(one.imm12()) << scale;
            let address = base(vcpu, one.rn() as u8)?.wrapping_add(offset);
            single(
                vcpu,
                one.v(),
                one.size(),
                one.opc(),
                one.rt() as u8,
                address,
                None,
            )
        }
        Some(A64::LdstReg(one)) => {
            let index = vcpu.x(one.rm() as u8)?;
            let extended = match one.option() {
                2 => index & 0xffff_ffff,
                6 => extend(index & 0xffff_ffff, 4, true, true),
                3 | 7 => index,
                _ => return Ok(None),
            };
            let shift = if one.s() {
                scale(one.v(), one.size(), one.opc())
            } else {
                0
            };
            let address = base(vcpu, one.rn() as u8)?.wrapping_add(extended << shift);
            single(
                vcpu,
                one.v(),
                one.size(),
                one.opc(),
                one.rt() as u8,
                address,
                None,
            )
        }
        Some(other) => special(vcpu, other),
        None => Ok(None),
    }
}

/// Loads and stores that are no plain ones.
fn special(vcpu: &Vcpu, instruction: A64) -> Result<Option<Plan>, Error> {
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
                plan.loaded.push((status(one.rs() as u8), 0));
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
        A64::SimdMultiple(many) => structures(
            vcpu,
            &Structures {
                q: many.q(),
                load: many.l(),
                opcode: many.opcode(),
                rn: many.rn() as u8,
                rt: many.rt() as u8,
                step: None,
            },
        ),
        A64::SimdMultiplePost(many) => structures(
            vcpu,
            &Structures {
                q: many.q(),
                load: many.l(),
                opcode: many.opcode(),
                rn: many.rn() as u8,
                rt: many.rt() as u8,
                step: Some(many.rm() as u8),
            },
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

/// The scale of an offset, as a shift.
fn scale(vector: bool, size: u32, opc: u32) -> u32 {
    if vector && opc & 2 != 0 { 4 } else { size & 3 }
}

fn single(
    vcpu: &Vcpu,
    vector: bool,
    size: u32,
    opc: u32,
    rt: u8,
    address: u64,
    writeback: Option<(u8, u64)>,
) -> Result<Option<Plan>, Error> {
    let mut plan = Plan {
        writeback,
        ..Plan::default()
    };
    if vector {
        let Some((bytes, load)) = vector_of(size, opc) else {
            return Ok(None);
        };
        plan.vector(vcpu, address, rt, bytes, load)?;
    } else {
        let Some(kind) = General::of(size, opc) else {
            return Ok(None);
        };
        plan.general(vcpu, address, rt, kind)?;
    }
    Ok(Some(plan))
}

/// Fields of a pair instruction.
struct Pair {
    vector: bool,
    opc: u32,
    load: bool,
    index: u32,
    offset: i64,
    rt: [u8; 2],
    rn: u8,
}

fn pairs(vcpu: &Vcpu, pair: Pair) -> Result<Option<Plan>, Error> {
    let (bytes, signed) = match (pair.vector, pair.opc) {
        (false, 0) => (4_u8, false),
        (false, 1) if pair.load => (4, true),
        (false, 2) => (8, false),
        (true, 0..=2) => (4 << pair.opc, false),
        _ => return Ok(None),
    };
    let from = base(vcpu, pair.rn)?;
    let moved = from.wrapping_add_signed(pair.offset * i64::from(bytes));
    let (mut address, writeback) = match pair.index {
        1 => (from, Some((pair.rn, moved))),
        3 => (moved, Some((pair.rn, moved))),
        _ => (moved, None),
    };
    let mut plan = Plan {
        writeback,
        ..Plan::default()
    };
    for rt in pair.rt {
        if pair.vector {
            plan.vector(vcpu, address, rt, bytes, pair.load)?;
        } else {
            let wide = signed || bytes == 8;
            let kind = General {
                size: bytes,
                load: pair.load,
                signed,
                wide,
            };
            plan.general(vcpu, address, rt, kind)?;
        }
        address = address.wrapping_add(u64::from(bytes));
    }
    Ok(Some(plan))
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

/// Fields of LD1 and ST1 of whole registers.
struct Structures {
    q: bool,
    load: bool,
    opcode: u32,
    rn: u8,
    rt: u8,
    /// Register of the post-index; 31: what was transferred.
    step: Option<u8>,
}

fn structures(vcpu: &Vcpu, fields: &Structures) -> Result<Option<Plan>, Error> {
    let registers = match fields.opcode {
        0b0111 => 1,
        0b1010 => 2,
        0b0110 => 3,
        0b0010 => 4,
        // LD2 to LD4 interleave, which no device driver does.
        _ => return Ok(None),
    };
    let bytes = if fields.q { 16 } else { 8 };
    let from = base(vcpu, fields.rn)?;
    let mut plan = Plan::default();
    for number in 0..registers {
        let address = from.wrapping_add(u64::from(number) * u64::from(bytes));
        let rt = (fields.rt + number) % 32;
        plan.vector(vcpu, address, rt, bytes, fields.load)?;
    }
    if let Some(step) = fields.step {
        let by = match step {
            31 => u64::from(registers) * u64::from(bytes),
            _ => vcpu.x(step)?,
        };
        plan.writeback = Some((fields.rn, from.wrapping_add(by)));
    }
    Ok(Some(plan))
}

/// DC ZVA, X0.
const DC_ZVA: u32 = 0xd50b_7420;

fn zero_block(vcpu: &Vcpu, fault: u64) -> Result<Plan, Error> {
    let words = vcpu.vm().vcpu_config().read(feature::DCZID_EL0)?.bs();
    let block = 4_u64 << words.min(9);
    let start = fault & !(block - 1);
    let mut plan = Plan::default();
    for at in (0..block).step_by(8) {
        let size = block.min(8) as u8;
        plan.parts.push((start + at, size, Action::Store(0)));
    }
    Ok(plan)
}
