//! Compares every operation of this module with the host CPU, bit by bit and flag by flag.
#![allow(unsafe_code)] // Runs single arithmetic instructions under a chosen MXCSR or x87 control word, and restores both.

use super::*;
use core::arch::asm;

/// A small generator of operands: special values, values around them, random bits.
struct Operands(u64);

impl Operands {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn f64(&mut self) -> u64 {
        const SPECIAL: [u64; 12] = [
            0,
            1,
            0x000f_ffff_ffff_ffff,
            0x0010_0000_0000_0000,
            0x3ff0_0000_0000_0000,
            0x3ff8_0000_0000_0000,
            0x7fef_ffff_ffff_ffff,
            0x7ff0_0000_0000_0000,
            0x7ff0_0000_0000_0001,
            0x7ff8_0000_0000_0001,
            0x43e0_0000_0000_0000,
            0x0008_0000_0000_0000,
        ];
        let r = self.next();
        let sign = r & 1 << 63;
        match r & 7 {
            0 | 1 => SPECIAL[(r >> 8) as usize % SPECIAL.len()] ^ sign,
            2 => SPECIAL[(r >> 8) as usize % SPECIAL.len()].wrapping_add(r >> 16 & 3) ^ sign,
            3 => self.next() & 0x8000_ffff_0000_0000 | 0x3fe0_0000_0000_0000,
            4 => self.next() >> 12 | (1020 + (r >> 8 & 7)) << 52,
            5 => self.next() & 0x801f_ffff_ffff_ffff,
            6 => self.next() & 0xffff_0000_0000_0000,
            _ => self.next(),
        }
    }

    fn f32(&mut self) -> u32 {
        let wide = self.f64();
        match wide >> 3 & 3 {
            0 => (f64::from_bits(wide) as f32).to_bits(),
            1 => (wide >> 32) as u32,
            2 => (wide >> 52 << 23) as u32 ^ (wide as u32 & 3),
            _ => self.next() as u32 & 0x80ff_ffff,
        }
    }

    fn f80(&mut self) -> u128 {
        let r = self.next();
        let wide = convert(F64, F80, self.f64().into(), &Env::default()).0;
        match r & 7 {
            0..=2 => wide,
            3 => u128::from(r >> 48) << 64 | u128::from(self.next() | 1 << 63),
            4 => u128::from(r >> 48 & 0x8001) << 64 | u128::from(self.next() >> (r >> 8 & 63)),
            5 => u128::from(0x3fff - 66 + (r >> 8 & 127)) << 64 | u128::from(self.next() | 1 << 63),
            6 => u128::from(r >> 48 | 0x7ffe) << 64 | u128::from(self.next()),
            _ => u128::from(r >> 48) << 64 | u128::from(self.next()),
        }
    }
}

macro_rules! sse {
    ($name:ident $text:literal) => {
        fn $name(mxcsr: u32, a: u64, b: u64) -> (u64, u8) {
            let (control, mut after, mut saved) = (mxcsr, 0_u32, 0_u32);
            let result: u64;
            // SAFETY: arithmetic in registers with all exceptions masked; MXCSR is restored.
            unsafe {
                asm!("stmxcsr [{saved}]", "ldmxcsr [{control}]",
                    "movq xmm0, {a}", "movq xmm1, {b}", $text, "movq {r}, xmm0",
                    "stmxcsr [{after}]", "ldmxcsr [{saved}]",
                    saved = in(reg) &mut saved, control = in(reg) &control, after = in(reg) &mut after,
                    a = in(reg) a, b = in(reg) b, r = out(reg) result,
                    out("xmm0") _, out("xmm1") _);
            }
            (result, (after & 0x3f) as u8)
        }
    };
}

sse!(addsd "addsd xmm0, xmm1");
sse!(subsd "subsd xmm0, xmm1");
sse!(mulsd "mulsd xmm0, xmm1");
sse!(divsd "divsd xmm0, xmm1");
sse!(sqrtsd "sqrtsd xmm0, xmm1");
sse!(addss "addss xmm0, xmm1");
sse!(subss "subss xmm0, xmm1");
sse!(mulss "mulss xmm0, xmm1");
sse!(divss "divss xmm0, xmm1");
sse!(sqrtss "sqrtss xmm0, xmm1");
sse!(cvtss2sd "cvtss2sd xmm0, xmm1");
sse!(cvtsd2ss "cvtsd2ss xmm0, xmm1");

type Soft = fn(Format, u128, u128, &Env) -> (u128, Flags);

fn soft_sqrt(f: Format, _: u128, b: u128, env: &Env) -> (u128, Flags) {
    sqrt(f, b, env)
}

/// The sixteen combinations of rounding, DAZ and FTZ, as MXCSR and as environment.
fn environments() -> impl Iterator<Item = (u32, Env)> {
    (0..16).map(|n| {
        let env = Env {
            rounding: Rounding::from_rc(n & 3),
            flush_inputs: n & 4 != 0,
            flush_results: n & 8 != 0,
            ..Env::default()
        };
        let mxcsr = 0x1f80 | (n & 3) << 13 | (n & 4) << 4 | (n & 8) << 12;
        (mxcsr, env)
    })
}

#[test]
fn sse_arithmetic() {
    type Host = fn(u32, u64, u64) -> (u64, u8);
    let double: [(&str, Host, Soft); 5] = [
        ("addsd", addsd, add),
        ("subsd", subsd, sub),
        ("mulsd", mulsd, mul),
        ("divsd", divsd, div),
        ("sqrtsd", sqrtsd, soft_sqrt),
    ];
    let single: [(&str, Host, Soft); 5] = [
        ("addss", addss, add),
        ("subss", subss, sub),
        ("mulss", mulss, mul),
        ("divss", divss, div),
        ("sqrtss", sqrtss, soft_sqrt),
    ];
    let mut operands = Operands(0x9e37_79b9_7f4a_7c15);
    let mut count = 0;
    for (mxcsr, env) in environments() {
        for _ in 0..4000 {
            let (a, b) = (operands.f64(), operands.f64());
            for (name, host, soft) in double {
                let (bits, flags) = soft(F64, a.into(), b.into(), &env);
                let (want, raised) = host(mxcsr, a, b);
                assert_eq!(
                    (bits as u64, flags.sticky()),
                    (want, raised),
                    "{name} {a:016x} {b:016x} {env:?}"
                );
            }
            let (a, b) = (operands.f32(), operands.f32());
            for (name, host, soft) in single {
                let (bits, flags) = soft(F32, a.into(), b.into(), &env);
                let (want, raised) = host(mxcsr, a.into(), b.into());
                assert_eq!(
                    (bits as u32, flags.sticky()),
                    (want as u32, raised),
                    "{name} {a:08x} {b:08x} {env:?}"
                );
            }
            count += 10;
        }
    }
    println!("{count} SSE operations agree with the host");
}

#[test]
fn sse_formats() {
    let mut operands = Operands(0x1234_5678_9abc_def1);
    for (mxcsr, env) in environments() {
        for _ in 0..5000 {
            let a = operands.f64();
            let (bits, flags) = convert(F64, F32, a.into(), &env);
            let (want, raised) = cvtsd2ss(mxcsr, 0, a);
            assert_eq!(
                (bits as u64, flags.sticky()),
                (want & 0xffff_ffff, raised),
                "cvtsd2ss {a:016x} {env:?}"
            );
            let a = operands.f32();
            let (bits, flags) = convert(F32, F64, a.into(), &env);
            let (want, raised) = cvtss2sd(mxcsr, 0, a.into());
            assert_eq!(
                (bits as u64, flags.sticky()),
                (want, raised),
                "cvtss2sd {a:08x} {env:?}"
            );
        }
    }
}

macro_rules! x87 {
    ($name:ident $($text:literal),*) => {
        fn $name(control: u16, a: u128, b: u128) -> (u128, u16) {
            let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
            let mut result = [0_u8; 16];
            let status: u16;
            // SAFETY: arithmetic on the x87 stack with all exceptions masked; FNINIT leaves the unit as Rust wants it.
            unsafe {
                asm!("fninit", "fldcw word ptr [{control}]", "fld tbyte ptr [{b}]", "fld tbyte ptr [{a}]",
                    "fnclex", $($text,)* "fnstsw ax", "fstp tbyte ptr [{r}]", "fninit",
                    control = in(reg) &control, a = in(reg) &a, b = in(reg) &b, r = in(reg) &mut result,
                    out("ax") status,
                    out("st(0)") _, out("st(1)") _, out("st(2)") _, out("st(3)") _,
                    out("st(4)") _, out("st(5)") _, out("st(6)") _, out("st(7)") _);
            }
            (u128::from_le_bytes(result), status & 0x23f)
        }
    };
}

x87!(fadd "fadd st(0), st(1)");
x87!(fsub "fsub st(0), st(1)");
x87!(fmul "fmul st(0), st(1)");
x87!(fdiv "fdiv st(0), st(1)");
x87!(fsqrt "fxch", "fsqrt");
x87!(frndint "fxch", "frndint");

fn soft_rndint(f: Format, _: u128, b: u128, env: &Env) -> (u128, Flags) {
    to_integral(f, b, env)
}

#[test]
fn x87_arithmetic() {
    type Host = fn(u16, u128, u128) -> (u128, u16);
    let table: [(&str, Host, Soft); 6] = [
        ("fadd", fadd, add),
        ("fsub", fsub, sub),
        ("fmul", fmul, mul),
        ("fdiv", fdiv, div),
        ("fsqrt", fsqrt, soft_sqrt),
        ("frndint", frndint, soft_rndint),
    ];
    let mut operands = Operands(0xdead_beef_0bad_f00d);
    for n in 0..12_u16 {
        let precision = [24, 53, 64][n as usize / 4];
        let control = 0x3f | [0, 0x200, 0x300][n as usize / 4] | (n & 3) << 10;
        let env = Env {
            rounding: Rounding::from_rc(u32::from(n) & 3),
            nan: NanRule::X87,
            ..Env::default()
        };
        for _ in 0..4000 {
            let (a, b) = (operands.f80(), operands.f80());
            for (name, host, soft) in table {
                let f = if name == "frndint" {
                    F80
                } else {
                    F80.rounded_to(precision)
                };
                let (bits, flags) = soft(f, a, b, &env);
                let c1 = u16::from(flags.has(Flags::ROUNDED_UP)) << 9;
                let (want, status) = host(control, a, b);
                assert_eq!(
                    (bits, u16::from(flags.sticky()) | c1),
                    (want, status),
                    "{name} {a:020x} {b:020x} control {control:04x}"
                );
            }
        }
    }
}
