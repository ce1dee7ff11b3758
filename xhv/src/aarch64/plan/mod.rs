//! What a load or store instruction transfers, for accesses whose syndrome does not say: pairs, writeback, SIMD, DC ZVA; atomics are in
//! `atomic`, SIMD structures in `structures`.
//!
//! Decodes with the table of the instructions, and makes a [`Transfer`] that `mmio.rs` has answered.

mod atomic;
mod structures;
#[cfg(all(test, feature = "software"))]
mod tests;

use super::exit::RawExit;
use super::feature;
use super::instructions::A64;
use super::mmio::{extend, mask};
use super::reg;
use super::transfer::{Action, Part, To, Transfer, read_vector};
use super::vcpu::Vcpu;
use crate::error::Error;

/// An instruction's accesses by virtual address.
#[derive(Debug, Default)]
pub(super) struct Plan {
    parts: Vec<(u64, u8, Action)>,
    writeback: Option<(u8, u64)>,
    /// Loads that need no memory: the status of a store-exclusive.
    loaded: Vec<(To, (u64, u8))>,
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
            loaded: self.loaded,
            writeback: self.writeback,
            ..Transfer::new(vcpu.read(reg::PC)?, parts)
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
        for offset in (0..bytes).step_by(8) {
            let size = bytes.min(8);
            let action = if load {
                let keep = false;
                Action::Load(To::V { rt, offset, keep })
            } else {
                Action::Store((value >> (8 * u32::from(offset))) as u64 & mask(size))
            };
            let at = address.wrapping_add(u64::from(offset));
            self.parts.push((at, size, action));
        }
        Ok(())
    }
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
        Some(A64::LoadLiteral(one)) => literal(
            vcpu,
            one.v(),
            one.opc(),
            one.rt() as u8,
            i64::from(one.imm19()) * 4,
        ),
        Some(
            many @ (A64::SimdMultiple(_)
            | A64::SimdMultiplePost(_)
            | A64::SimdSingle(_)
            | A64::SimdSinglePost(_)),
        ) => structures::plan(vcpu, many),
        Some(other) => atomic::plan(vcpu, other),
        None => Ok(None),
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

/// LDR and LDRSW (literal).
fn literal(
    vcpu: &Vcpu,
    vector: bool,
    opc: u32,
    rt: u8,
    offset: i64,
) -> Result<Option<Plan>, Error> {
    let address = vcpu.read(reg::PC)?.wrapping_add_signed(offset);
    let mut plan = Plan::default();
    match (vector, opc) {
        (true, 0..=2) => plan.vector(vcpu, address, rt, 4 << opc, true)?,
        (false, 0..=2) => {
            let kind = General {
                size: if opc == 1 { 8 } else { 4 },
                load: true,
                signed: opc == 2,
                wide: opc != 0,
            };
            plan.general(vcpu, address, rt, kind)?;
        }
        _ => return Ok(None),
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
