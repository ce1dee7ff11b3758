//! FXSAVE, FXRSTOR, the XSAVE family, XGETBV (Intel SDM vol. 1, chapter 13).

use iced_x86::{Instruction, Mnemonic};

use super::super::Done;
use super::super::access::Operation;
use super::super::cpu::Cpu;
use super::super::decode::Assembler;
use super::super::fpu::{Component, MXCSR_INIT, MXCSR_MASK, components};
use super::super::mode::Size;
use super::{EM, OSXSAVE, TS};
use crate::engine::software::dispatch::{Flow, Slow, Stop};
use crate::x86_64::entry::field::secondary;

const X87: u64 = Component::X87.bit();
const SSE: u64 = Component::Sse.bit();
const AVX: u64 = Component::Avx.bit();
const PKRU: u64 = Component::Pkru.bit();
/// Bit 63 of XCOMP_BV: compacted format.
const COMPACTED: u64 = 1 << 63;

/// Takes them. `r[0]` of the operation says REX.W.
pub(super) fn decode(i: &Instruction, asm: &mut Assembler) -> bool {
    use Mnemonic::*;
    let fp = asm.mode().fp;
    let legacy = matches!(i.mnemonic(), Fxsave | Fxsave64 | Fxrstor | Fxrstor64);
    let undefined = !legacy && fp & OSXSAVE == 0;
    let unavailable = fp & TS != 0 || legacy && fp & EM != 0;
    let op = match i.mnemonic() {
        _ if undefined => {
            asm.complex_end(i, |cpu, _| Err(cpu.ud()));
            return true;
        }
        Xgetbv => asm.complex(i, xgetbv),
        Xsaves | Xsaves64 | Xrstors | Xrstors64 if unavailable => {
            // #UD of the control comes before #NM.
            asm.complex_end(i, |cpu, _| {
                supervisor_allowed(cpu)?;
                Err(cpu.nm())
            });
            return true;
        }
        _ if unavailable => {
            asm.complex_end(i, |cpu, _| Err(cpu.nm()));
            return true;
        }
        Fxsave | Fxsave64 => asm.complex(i, fxsave),
        Fxrstor | Fxrstor64 => asm.complex(i, fxrstor),
        Xsave | Xsave64 => asm.complex(i, |cpu, op| xsave(cpu, op, false)),
        Xsaveopt | Xsaveopt64 => asm.complex(i, |cpu, op| xsave(cpu, op, true)),
        Xsavec | Xsavec64 => asm.complex(i, |cpu, op| xsavec(cpu, op, false)),
        Xsaves | Xsaves64 => asm.complex(i, |cpu, op| xsavec(cpu, op, true)),
        // Protection keys are part of the mode: the block has to end.
        Xrstor | Xrstor64 => asm.complex_end(i, |cpu, op| xrstor(cpu, op, false)),
        Xrstors | Xrstors64 => asm.complex_end(i, |cpu, op| xrstor(cpu, op, true)),
        _ => return false,
    };
    op.r[0] = u8::from(matches!(
        i.mnemonic(),
        Fxsave64 | Fxrstor64 | Xsave64 | Xsaveopt64 | Xsavec64 | Xsaves64 | Xrstor64 | Xrstors64
    ));
    true
}

fn xgetbv(cpu: &mut Cpu, _: &Operation) -> Done {
    let value = match cpu.gpr[1] as u32 {
        0 => cpu.xcr0,
        1 => cpu.xcr0 & in_use(cpu),
        _ => return Err(cpu.gp(0)),
    };
    cpu.gpr[0] = value & 0xffff_ffff;
    cpu.gpr[2] = value >> 32;
    Ok(Flow::Next)
}

/// XINUSE.
fn in_use(cpu: &Cpu) -> u64 {
    cpu.fpu.in_use() | if cpu.pkru != 0 { PKRU } else { 0 }
}

/// How many XMM and YMM registers there are.
fn registers(cpu: &Cpu) -> usize {
    if cpu.mode.code == Size::Bits64 { 16 } else { 8 }
}

fn u128_of(bytes: &[u8]) -> u128 {
    super::super::fpu::u128_at(bytes, 0)
}

/// Stores `bytes` (a multiple of eight) at `at` in the area.
fn put(cpu: &mut Cpu, op: &Operation, at: u64, bytes: &[u8]) -> Result<(), Stop> {
    for (n, eight) in bytes.as_chunks::<8>().0.iter().enumerate() {
        cpu.store_at::<Slow, u64>(op, at + 8 * n as u64, u64::from_le_bytes(*eight))?;
    }
    Ok(())
}

/// Loads `N` bytes at `at` in the area.
fn take<const N: usize>(cpu: &mut Cpu, op: &Operation, at: u64) -> Result<[u8; N], Stop> {
    let mut bytes = [0; N];
    for (n, eight) in bytes.as_chunks_mut::<8>().0.iter_mut().enumerate() {
        *eight = cpu
            .load_at::<Slow, u64>(op, at + 8 * n as u64)?
            .to_le_bytes();
    }
    Ok(bytes)
}

fn put_registers(cpu: &mut Cpu, op: &Operation, at: u64, high: bool) -> Result<(), Stop> {
    for n in 0..registers(cpu) {
        let value = if high {
            cpu.fpu.high[n]
        } else {
            cpu.fpu.xmm[n]
        };
        cpu.store_at::<Slow, u128>(op, at + 16 * n as u64, value)?;
    }
    Ok(())
}

fn take_registers(cpu: &mut Cpu, op: &Operation, at: u64) -> Result<[u128; 16], Stop> {
    let mut values = [0; 16];
    for (n, value) in values.iter_mut().enumerate().take(registers(cpu)) {
        *value = cpu.load_at::<Slow, u128>(op, at + 16 * n as u64)?;
    }
    Ok(values)
}

fn fxsave(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.want_aligned::<Slow>(op, 15)?;
    let image = cpu.fpu.legacy(op.r[0] != 0);
    put(cpu, op, 0, &image)?;
    put_registers(cpu, op, 160, false)?;
    Ok(Flow::Next)
}

fn fxrstor(cpu: &mut Cpu, op: &Operation) -> Done {
    cpu.want_aligned::<Slow>(op, 15)?;
    let image: [u8; 160] = take(cpu, op, 0)?;
    let xmm = take_registers(cpu, op, 160)?;
    let mxcsr = u128_of(&image[16..32]) >> 64;
    let mxcsr = mxcsr as u32;
    if mxcsr & !MXCSR_MASK != 0 {
        return Err(cpu.gp(0));
    }
    let count = registers(cpu);
    cpu.fpu.set_x87(&image, op.r[0] != 0);
    cpu.fpu.mxcsr = mxcsr;
    cpu.fpu.xmm[..count].copy_from_slice(&xmm[..count]);
    Ok(Flow::Next)
}

/// What EDX:EAX asks for.
fn requested(cpu: &Cpu) -> u64 {
    cpu.gpr[0] & 0xffff_ffff | cpu.gpr[2] << 32
}

/// XSAVE and, with `optimize`, XSAVEOPT: standard format.
fn xsave(cpu: &mut Cpu, op: &Operation, optimize: bool) -> Done {
    cpu.want_aligned::<Slow>(op, 63)?;
    let mask = requested(cpu) & cpu.xcr0;
    let used = in_use(cpu);
    let old: u64 = cpu.load_at::<Slow, u64>(op, 512)?;
    let wanted = if optimize { mask & used } else { mask };
    let image = cpu.fpu.legacy(op.r[0] != 0);
    if wanted & X87 != 0 {
        put(cpu, op, 0, &image[..24])?;
        put(cpu, op, 32, &image[32..])?;
    }
    if mask & (SSE | AVX) != 0 {
        put(cpu, op, 24, &image[24..32])?;
    }
    if wanted & SSE != 0 {
        put_registers(cpu, op, 160, false)?;
    }
    if wanted & AVX != 0 {
        put_registers(cpu, op, Component::Avx.place().0 as u64, true)?;
    }
    if wanted & PKRU != 0 {
        let pkru = u64::from(cpu.pkru);
        cpu.store_at::<Slow, u64>(op, Component::Pkru.place().0 as u64, pkru)?;
    }
    cpu.store_at::<Slow, u64>(op, 512, old & !mask | used & mask)?;
    Ok(Flow::Next)
}

/// Offset of an extended component in the compacted format that has those of `present`.
fn compacted_offset(present: u64, component: Component) -> u64 {
    let below = present & (component.bit() - 1);
    576 + if below & AVX != 0 { 256 } else { 0 }
}

/// XSAVES and XRSTORS: a VMX control has to enable them, and CPL be 0. No bit of IA32_XSS exists that they could exit for.
fn supervisor_allowed(cpu: &mut Cpu) -> Result<(), Stop> {
    if !cpu.vmx.on2(secondary::XSAVES) {
        return Err(cpu.ud());
    }
    if cpu.cpl() != 0 {
        return Err(cpu.gp(0));
    }
    Ok(())
}

/// XSAVEC and, with `supervisor`, XSAVES: compacted format.
fn xsavec(cpu: &mut Cpu, op: &Operation, supervisor: bool) -> Done {
    if supervisor {
        supervisor_allowed(cpu)?;
    }
    cpu.want_aligned::<Slow>(op, 63)?;
    let mask = requested(cpu) & cpu.xcr0;
    let mut used = in_use(cpu);
    if cpu.fpu.mxcsr != MXCSR_INIT {
        used |= SSE;
    }
    let wanted = mask & used;
    let image = cpu.fpu.legacy(op.r[0] != 0);
    if wanted & X87 != 0 {
        put(cpu, op, 0, &image[..24])?;
        put(cpu, op, 32, &image[32..])?;
    }
    if wanted & SSE != 0 {
        put(cpu, op, 24, &image[24..32])?;
        put_registers(cpu, op, 160, false)?;
    }
    if wanted & AVX != 0 {
        put_registers(cpu, op, compacted_offset(mask, Component::Avx), true)?;
    }
    if wanted & PKRU != 0 {
        let pkru = u64::from(cpu.pkru);
        cpu.store_at::<Slow, u64>(op, compacted_offset(mask, Component::Pkru), pkru)?;
    }
    let mut header = [0; 64];
    header[..8].copy_from_slice(&wanted.to_le_bytes());
    header[8..16].copy_from_slice(&(mask | COMPACTED).to_le_bytes());
    put(cpu, op, 512, &header)?;
    Ok(Flow::Next)
}

/// The header of an XSAVE area: XSTATE_BV and XCOMP_BV, if it is one that may be restored.
fn header(cpu: &mut Cpu, op: &Operation, compacted_only: bool) -> Result<(u64, u64), Stop> {
    let bytes: [u8; 64] = take(cpu, op, 512)?;
    let present = u128_of(&bytes) as u64;
    let format = (u128_of(&bytes) >> 64) as u64;
    let compacted = format & COMPACTED != 0;
    let reserved = if compacted { 16 } else { 8 };
    let bad = bytes[reserved..if compacted { 64 } else { 24 }]
        .iter()
        .any(|&byte| byte != 0)
        || compacted_only && !compacted
        || if compacted {
            format & !COMPACTED & !cpu.xcr0 != 0 || present & !format != 0
        } else {
            present & !cpu.xcr0 != 0
        };
    if bad {
        return Err(cpu.gp(0));
    }
    Ok((present, format))
}

/// What an area holds of the components to restore.
struct Loaded {
    legacy: [u8; 160],
    xmm: [u128; 16],
    high: [u128; 16],
    pkru: u32,
}

fn load(cpu: &mut Cpu, op: &Operation, take_these: u64, format: u64) -> Result<Loaded, Stop> {
    let place = |component: Component| {
        if format & COMPACTED != 0 {
            compacted_offset(format, component)
        } else {
            component.place().0 as u64
        }
    };
    let has = |bit: u64| take_these & bit != 0;
    Ok(Loaded {
        legacy: take(cpu, op, 0)?,
        xmm: if has(SSE) {
            take_registers(cpu, op, 160)?
        } else {
            [0; 16]
        },
        high: if has(AVX) {
            take_registers(cpu, op, place(Component::Avx))?
        } else {
            [0; 16]
        },
        pkru: if has(PKRU) {
            cpu.load_at::<Slow, u32>(op, place(Component::Pkru))?
        } else {
            0
        },
    })
}

/// XRSTOR and, with `supervisor`, XRSTORS.
fn xrstor(cpu: &mut Cpu, op: &Operation, supervisor: bool) -> Done {
    if supervisor {
        supervisor_allowed(cpu)?;
    }
    cpu.want_aligned::<Slow>(op, 63)?;
    let (present, format) = header(cpu, op, supervisor)?;
    let mask = requested(cpu) & cpu.xcr0 & components();
    let loaded = load(cpu, op, mask & present, format)?;
    let mxcsr = (u128_of(&loaded.legacy[16..32]) >> 64) as u32;
    let takes_mxcsr = if format & COMPACTED != 0 {
        mask & present & SSE != 0
    } else {
        mask & (SSE | AVX) != 0
    };
    if takes_mxcsr && mxcsr & !MXCSR_MASK != 0 {
        return Err(cpu.gp(0));
    }
    if takes_mxcsr {
        cpu.fpu.mxcsr = mxcsr;
    } else if mask & SSE != 0 {
        cpu.fpu.mxcsr = MXCSR_INIT;
    }
    if mask & present & X87 != 0 {
        cpu.fpu.set_x87(&loaded.legacy, op.r[0] != 0);
    } else if mask & X87 != 0 {
        cpu.fpu.init_x87();
    }
    let count = registers(cpu);
    if mask & SSE != 0 {
        cpu.fpu.xmm[..count].copy_from_slice(&loaded.xmm[..count]);
    }
    if mask & AVX != 0 {
        cpu.fpu.high[..count].copy_from_slice(&loaded.high[..count]);
    }
    if mask & PKRU != 0 {
        cpu.pkru = loaded.pkru;
        cpu.update_mode();
    }
    Ok(Flow::Next)
}
