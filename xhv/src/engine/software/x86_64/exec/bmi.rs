//! BMI1, BMI2, ADX and CRC32.

use core::marker::PhantomData;
use iced_x86::{Instruction, Mnemonic, OpKind};

use super::{Int, Mem, Reg, Source, logic, width};
use crate::engine::software::dispatch::{Flow, Path};
use crate::engine::software::x86_64::Done;
use crate::engine::software::x86_64::access::{Operation, Segmented};
use crate::engine::software::x86_64::cpu::Cpu;
use crate::engine::software::x86_64::decode::{Assembler, Exec, gpr_number, operand_size};
use crate::engine::software::x86_64::flags::Rflags;

/// With `$T` = u32 or u64, by the destination.
macro_rules! big {
    ($i:expr, $T:ident => $body:expr) => {
        if operand_size($i, 0) == 4 {
            type $T = u32;
            $body
        } else {
            type $T = u64;
            $body
        }
    };
}

/// What an instruction with a destination, a register or memory operand `a`, and a second operand `b` does.
trait Operate: 'static {
    fn apply<T: Int>(cpu: &mut Cpu, a: T, b: u64) -> T;
}

/// `r[0]` = `X` of the source and a second operand: register number `imm`, or `imm` itself if `IMMEDIATE`.
struct Three<X, T, S, const IMMEDIATE: bool>(PhantomData<(X, T, S)>);

impl<X: Operate, T: Int, S: Source, const IMMEDIATE: bool> Exec for Three<X, T, S, IMMEDIATE> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let a = S::get::<P, T>(cpu, op)?;
        let b = if IMMEDIATE {
            op.imm
        } else {
            T::get(cpu, op.imm as u8).wide()
        };
        let r = X::apply(cpu, a, b);
        T::put(cpu, op.r[0], r);
        Ok(Flow::Next)
    }
}

/// Flags of a BMI1 instruction: SF and ZF of the result, CF as given, OF = 0 (AF, PF undefined: as they were computed).
fn with_cf<T: Int>(cpu: &mut Cpu, r: T, cf: bool) -> T {
    logic::<T>(&mut cpu.lazy, r);
    let status = cpu.lazy.value() & (Rflags::SF | Rflags::ZF);
    cpu.lazy.set_status(status | u64::from(cf));
    r
}

macro_rules! operate {
    ($($name:ident |$cpu:ident, $a:ident, $b:ident, $T:ident| $body:block)*) => {$(
        struct $name;
        impl Operate for $name {
            #[inline(always)]
            fn apply<$T: Int>($cpu: &mut Cpu, $a: $T, $b: u64) -> $T $body
        }
    )*};
}

operate! {
    Andn |cpu, a, b, T| { with_cf(cpu, T::narrow(a.wide() & !b), false) }
    Blsi |cpu, a, _b, T| {
        let r = T::narrow(a.wide() & a.wide().wrapping_neg());
        with_cf(cpu, r, a.wide() != 0)
    }
    Blsmsk |cpu, a, _b, T| {
        let r = T::narrow(a.wide() ^ a.wide().wrapping_sub(1));
        with_cf(cpu, r, a.wide() == 0)
    }
    Blsr |cpu, a, _b, T| {
        let r = T::narrow(a.wide() & a.wide().wrapping_sub(1));
        with_cf(cpu, r, a.wide() == 0)
    }
    Bextr |cpu, a, b, T| {
        let (start, len) = (b & 0xff, b >> 8 & 0xff);
        let shifted = if start < 64 { a.wide() >> start } else { 0 };
        let r = if len < 64 { shifted & ((1 << len) - 1) } else { shifted };
        with_cf(cpu, T::narrow(r), false)
    }
    Bzhi |cpu, a, b, T| {
        let n = b & 0xff;
        let r = if n < u64::from(T::BITS) { a.wide() & ((1 << n) - 1) } else { a.wide() };
        with_cf(cpu, T::narrow(r), n >= u64::from(T::BITS))
    }
    Pdep |_cpu, mask, source, T| {
        let (mut mask, mut source, mut r) = (mask.wide(), source, 0);
        while mask != 0 {
            let bit = mask & mask.wrapping_neg();
            r |= if source & 1 != 0 { bit } else { 0 };
            source >>= 1;
            mask ^= bit;
        }
        T::narrow(r)
    }
    Pext |_cpu, mask, source, T| {
        let (mut mask, mut r, mut at) = (mask.wide(), 0, 0);
        while mask != 0 {
            let bit = mask & mask.wrapping_neg();
            r |= u64::from(source & bit != 0) << at;
            at += 1;
            mask ^= bit;
        }
        T::narrow(r)
    }
    Rorx |_cpu, a, b, T| {
        let count = (b & u64::from(T::BITS - 1)) as u32;
        let wide = u128::from(a.wide());
        T::narrow(((wide >> count) | (wide << (T::BITS - count))) as u64)
    }
    Sarx |_cpu, a, b, T| { T::narrow((a.signed() >> (b & u64::from(T::BITS - 1))) as u64) }
    Shlx |_cpu, a, b, T| { T::narrow(a.wide() << (b & u64::from(T::BITS - 1))) }
    Shrx |_cpu, a, b, T| { T::narrow(a.wide() >> (b & u64::from(T::BITS - 1))) }
}

/// MULX: `r[0]`:register `imm` = source * (E/R)DX, no flags.
struct Mulx<T, S>(PhantomData<(T, S)>);

impl<T: Int, S: Source> Exec for Mulx<T, S> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let a = S::get::<P, T>(cpu, op)?;
        let product = u128::from(a.wide()) * u128::from(T::get(cpu, 2).wide());
        T::put(cpu, op.imm as u8, T::narrow(product as u64));
        T::put(cpu, op.r[0], T::narrow((product >> T::BITS) as u64));
        Ok(Flow::Next)
    }
}

/// ADCX and ADOX: `r[0]` += source + CF (or OF), which is the only flag set.
struct Adx<T, S, const OVERFLOW: bool>(PhantomData<(T, S)>);

impl<T: Int, S: Source, const OVERFLOW: bool> Exec for Adx<T, S, OVERFLOW> {
    const MEMORY: bool = S::MEMORY;
    #[inline(always)]
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let a = S::get::<P, T>(cpu, op)?;
        let (cf, of) = (cpu.lazy.cf(), cpu.lazy.of());
        let carry = u128::from(if OVERFLOW { of } else { cf });
        let sum = u128::from(a.wide()) + u128::from(T::get(cpu, op.r[0]).wide()) + carry;
        let out = sum >> T::BITS != 0;
        T::put(cpu, op.r[0], T::narrow(sum as u64));
        if OVERFLOW {
            cpu.lazy.set_cf_of(cf, out);
        } else {
            cpu.lazy.set_cf_of(out, of);
        }
        Ok(Flow::Next)
    }
}

/// CRC32 of a source of type `T` into `r[0]`.
struct Crc32<T, S>(PhantomData<(T, S)>);

impl<T: Int, S: Source> Exec for Crc32<T, S> {
    const MEMORY: bool = S::MEMORY;
    fn run<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
        let data = S::get::<P, T>(cpu, op)?.wide();
        let mut crc = u64::from(u32::get(cpu, op.r[0]));
        for byte in 0..T::SIZE {
            crc = crc_byte(crc ^ (data >> (8 * byte) & 0xff));
        }
        u64::put(cpu, op.r[0], crc);
        Ok(Flow::Next)
    }
}

/// Eight steps of the reflected Castagnoli polynomial 0x11edc6f41.
fn crc_byte(mut crc: u64) -> u64 {
    for _ in 0..8 {
        crc = (crc >> 1) ^ if crc & 1 != 0 { 0x82f6_3b78 } else { 0 };
    }
    crc
}

/// Takes the instructions of this file.
pub(crate) fn decode(i: &Instruction, a: &mut Assembler) -> bool {
    match i.mnemonic() {
        // destination, second operand in VEX.vvvv, register or memory
        Mnemonic::Andn => three::<Andn>(i, a, 2, 1),
        Mnemonic::Pdep => three::<Pdep>(i, a, 2, 1),
        Mnemonic::Pext => three::<Pext>(i, a, 2, 1),
        // destination in VEX.vvvv, register or memory
        Mnemonic::Blsi => three::<Blsi>(i, a, 1, 1),
        Mnemonic::Blsmsk => three::<Blsmsk>(i, a, 1, 1),
        Mnemonic::Blsr => three::<Blsr>(i, a, 1, 1),
        // destination, register or memory, second operand
        Mnemonic::Bextr => three::<Bextr>(i, a, 1, 2),
        Mnemonic::Bzhi => three::<Bzhi>(i, a, 1, 2),
        Mnemonic::Sarx => three::<Sarx>(i, a, 1, 2),
        Mnemonic::Shlx => three::<Shlx>(i, a, 1, 2),
        Mnemonic::Shrx => three::<Shrx>(i, a, 1, 2),
        Mnemonic::Rorx => three::<Rorx>(i, a, 1, 2),
        Mnemonic::Mulx => big!(i, T => {
            source::<Mulx<T, Reg>, Mulx<T, Mem<Segmented>>>(i, a, 2).imm = gpr_number(i.op1_register()).into();
        }),
        Mnemonic::Adcx => {
            big!(i, T => { source::<Adx<T, Reg, false>, Adx<T, Mem<Segmented>, false>>(i, a, 1); })
        }
        Mnemonic::Adox => {
            big!(i, T => { source::<Adx<T, Reg, true>, Adx<T, Mem<Segmented>, true>>(i, a, 1); })
        }
        Mnemonic::Crc32 => width!(operand_size(i, 1), T => {
            source::<Crc32<T, Reg>, Crc32<T, Mem<Segmented>>>(i, a, 1);
        }),
        _ => return false,
    }
    true
}

/// Emits `R` or `M` for the operand number `n`, into operand 0.
fn source<'a, R: Exec, M: Exec>(
    i: &Instruction,
    a: &'a mut Assembler,
    n: u32,
) -> &'a mut Operation {
    let op = if i.op_kind(n) == OpKind::Register {
        let op = a.emit::<R>(i);
        op.r[1] = gpr_number(i.op_register(n));
        op
    } else {
        a.emit::<M>(i)
    };
    op.r[0] = gpr_number(i.op0_register());
    op
}

fn three<X: Operate>(i: &Instruction, a: &mut Assembler, first: u32, second: u32) {
    big!(i, T => {
        if i.op_kind(second) == OpKind::Register || i.op_kind(second) == OpKind::Memory {
            let op = source::<Three<X, T, Reg, false>, Three<X, T, Mem<Segmented>, false>>(i, a, first);
            if i.op_kind(second) == OpKind::Register {
                op.imm = gpr_number(i.op_register(second)).into();
            }
        } else {
            let op = source::<Three<X, T, Reg, true>, Three<X, T, Mem<Segmented>, true>>(i, a, first);
            op.imm = i.immediate(second);
        }
    });
}
