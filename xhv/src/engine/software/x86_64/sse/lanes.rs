//! Integer arithmetic on the lanes of 128 bits. `table` says which instruction is which function.
//!
//! Lanes are numbered from the low end; operands are (first source, second source, immediate).

use bytemuck::{cast, cast_mut, cast_ref};

/// Applies a function to each pair of lanes: by value, and in `places` from one vector's place to another's, which compiles to vector
/// instructions of the host.
macro_rules! lanewise {
    ($($name:ident $type:ty, $n:literal, $f:expr;)*) => {
        $(
            pub(super) fn $name(a: u128, b: u128, immediate: u8) -> u128 {
                let mut result = 0;
                places::$name(&mut result, &a, &b, immediate);
                result
            }
        )*

        pub(super) mod places {
            use super::*;

            $(
                #[inline(always)]
                pub(in super::super) fn $name(result: &mut u128, a: &u128, b: &u128, _: u8) {
                    let (a, b): (&[$type; $n], &[$type; $n]) = (cast_ref(a), cast_ref(b));
                    let result: &mut [$type; $n] = cast_mut(result);
                    let f: fn($type, $type) -> $type = $f;
                    for n in 0..$n {
                        result[n] = f(a[n], b[n]);
                    }
                }
            )*
        }
    };
}

const fn mask8(yes: bool) -> u8 {
    (yes as u8).wrapping_neg()
}

const fn mask16(yes: bool) -> u16 {
    (yes as u16).wrapping_neg()
}

const fn mask32(yes: bool) -> u32 {
    (yes as u32).wrapping_neg()
}

const fn mask64(yes: bool) -> u64 {
    (yes as u64).wrapping_neg()
}

lanewise! {
    paddb u8, 16, |a, b| a.wrapping_add(b);
    paddw u16, 8, |a, b| a.wrapping_add(b);
    paddd u32, 4, |a, b| a.wrapping_add(b);
    paddq u64, 2, |a, b| a.wrapping_add(b);
    psubb u8, 16, |a, b| a.wrapping_sub(b);
    psubw u16, 8, |a, b| a.wrapping_sub(b);
    psubd u32, 4, |a, b| a.wrapping_sub(b);
    psubq u64, 2, |a, b| a.wrapping_sub(b);
    paddsb i8, 16, |a, b| a.saturating_add(b);
    paddsw i16, 8, |a, b| a.saturating_add(b);
    paddusb u8, 16, |a, b| a.saturating_add(b);
    paddusw u16, 8, |a, b| a.saturating_add(b);
    psubsb i8, 16, |a, b| a.saturating_sub(b);
    psubsw i16, 8, |a, b| a.saturating_sub(b);
    psubusb u8, 16, |a, b| a.saturating_sub(b);
    psubusw u16, 8, |a, b| a.saturating_sub(b);
    pmullw u16, 8, |a, b| a.wrapping_mul(b);
    pmulld u32, 4, |a, b| a.wrapping_mul(b);
    pmulhw i16, 8, |a, b| ((i32::from(a) * i32::from(b)) >> 16) as i16;
    pmulhuw u16, 8, |a, b| ((u32::from(a) * u32::from(b)) >> 16) as u16;
    pmulhrsw i16, 8, |a, b| ((i32::from(a) * i32::from(b) + 0x4000) >> 15) as i16;
    pmuludq u64, 2, |a, b| (a & 0xffff_ffff) * (b & 0xffff_ffff);
    pmuldq i64, 2, |a, b| i64::from(a as i32) * i64::from(b as i32);
    pavgb u8, 16, |a, b| ((u16::from(a) + u16::from(b) + 1) >> 1) as u8;
    pavgw u16, 8, |a, b| ((u32::from(a) + u32::from(b) + 1) >> 1) as u16;
    pminub u8, 16, |a, b| a.min(b);
    pminuw u16, 8, |a, b| a.min(b);
    pminud u32, 4, |a, b| a.min(b);
    pminsb i8, 16, |a, b| a.min(b);
    pminsw i16, 8, |a, b| a.min(b);
    pminsd i32, 4, |a, b| a.min(b);
    pmaxub u8, 16, |a, b| a.max(b);
    pmaxuw u16, 8, |a, b| a.max(b);
    pmaxud u32, 4, |a, b| a.max(b);
    pmaxsb i8, 16, |a, b| a.max(b);
    pmaxsw i16, 8, |a, b| a.max(b);
    pmaxsd i32, 4, |a, b| a.max(b);
    pcmpeqb u8, 16, |a, b| mask8(a == b);
    pcmpeqw u16, 8, |a, b| mask16(a == b);
    pcmpeqd u32, 4, |a, b| mask32(a == b);
    pcmpeqq u64, 2, |a, b| mask64(a == b);
    pcmpgtb u8, 16, |a, b| mask8(a as i8 > b as i8);
    pcmpgtw u16, 8, |a, b| mask16(a as i16 > b as i16);
    pcmpgtd u32, 4, |a, b| mask32(a as i32 > b as i32);
    pcmpgtq u64, 2, |a, b| mask64(a as i64 > b as i64);
    psignb i8, 16, |a, b| a.wrapping_mul(b.signum());
    psignw i16, 8, |a, b| a.wrapping_mul(b.signum());
    psignd i32, 4, |a, b| a.wrapping_mul(b.signum());
    pabsb u8, 16, |_, b| (b as i8).unsigned_abs();
    pabsw u16, 8, |_, b| (b as i16).unsigned_abs();
    pabsd u32, 4, |_, b| (b as i32).unsigned_abs();
    psllvd u32, 4, |a, b| a.checked_shl(b).unwrap_or(0);
    psllvq u64, 2, |a, b| if b < 64 { a << b } else { 0 };
    psrlvd u32, 4, |a, b| a.checked_shr(b).unwrap_or(0);
    psrlvq u64, 2, |a, b| if b < 64 { a >> b } else { 0 };
    psravd u32, 4, |a, b| (a as i32 >> b.min(31)) as u32;
}

pub(super) fn pand(a: u128, b: u128, _: u8) -> u128 {
    a & b
}

pub(super) fn pandn(a: u128, b: u128, _: u8) -> u128 {
    !a & b
}

pub(super) fn por(a: u128, b: u128, _: u8) -> u128 {
    a | b
}

pub(super) fn pxor(a: u128, b: u128, _: u8) -> u128 {
    a ^ b
}

pub(super) fn pmaddwd(a: u128, b: u128, _: u8) -> u128 {
    let (a, b): ([i16; 8], [i16; 8]) = (cast(a), cast(b));
    let product = |n: usize| i32::from(a[n]) * i32::from(b[n]);
    let sums: [i32; 4] = core::array::from_fn(|n| product(2 * n).wrapping_add(product(2 * n + 1)));
    cast(sums)
}

pub(super) fn pmaddubsw(a: u128, b: u128, _: u8) -> u128 {
    let (a, b): ([u8; 16], [i8; 16]) = (cast(a), cast(b));
    let product = |n: usize| i32::from(a[n]) * i32::from(b[n]);
    let sums: [i16; 8] =
        core::array::from_fn(|n| saturate16(product(2 * n) + product(2 * n + 1)) as i16);
    cast(sums)
}

pub(super) fn psadbw(a: u128, b: u128, _: u8) -> u128 {
    let (a, b): ([u8; 16], [u8; 16]) = (cast(a), cast(b));
    let sum = |from: usize| -> u64 {
        (from..from + 8)
            .map(|n| u64::from(a[n].abs_diff(b[n])))
            .sum()
    };
    cast([sum(0), sum(8)])
}

pub(super) fn mpsadbw(a: u128, b: u128, control: u8) -> u128 {
    let (a, b): ([u8; 16], [u8; 16]) = (cast(a), cast(b));
    let (from, block) = (
        usize::from(control >> 2 & 1) * 4,
        usize::from(control & 3) * 4,
    );
    let sums: [u16; 8] = core::array::from_fn(|n| {
        (0..4)
            .map(|k| u16::from(a[from + n + k].abs_diff(b[block + k])))
            .sum()
    });
    cast(sums)
}

/// Sums of neighbours: of the first source into the low half, of the second into the high half.
macro_rules! horizontal {
    ($($name:ident $type:ty, $n:literal, $f:expr;)*) => {$(
        pub(super) fn $name(a: u128, b: u128, _: u8) -> u128 {
            let (a, b): ([$type; $n], [$type; $n]) = (cast(a), cast(b));
            let f: fn($type, $type) -> $type = $f;
            let half = $n / 2;
            let lanes: [$type; $n] = core::array::from_fn(|n| {
                let (from, at) = if n < half { (&a, 2 * n) } else { (&b, 2 * (n - half)) };
                f(from[at], from[at + 1])
            });
            cast(lanes)
        }
    )*};
}

horizontal! {
    phaddw i16, 8, |x, y| x.wrapping_add(y);
    phaddd i32, 4, |x, y| x.wrapping_add(y);
    phaddsw i16, 8, |x, y| x.saturating_add(y);
    phsubw i16, 8, |x, y| x.wrapping_sub(y);
    phsubd i32, 4, |x, y| x.wrapping_sub(y);
    phsubsw i16, 8, |x, y| x.saturating_sub(y);
}

/// The smallest word and its place.
pub(super) fn phminposuw(_: u128, b: u128, _: u8) -> u128 {
    let words: [u16; 8] = cast(b);
    let (at, least) = (0..8)
        .map(|n| (n, words[n]))
        .fold(
            (0, words[0]),
            |best, next| {
                if next.1 < best.1 { next } else { best }
            },
        );
    u128::from(least) | (at as u128) << 16
}

/// `value` in a signed byte.
pub(super) fn saturate8(value: i32) -> u8 {
    value.clamp(-128, 127) as u8
}

/// `value` in a signed word.
pub(super) fn saturate16(value: i32) -> u16 {
    value.clamp(-32768, 32767) as u16
}

/// Shifts of all lanes by the low 64 bits of the second source.
macro_rules! shifts {
    ($($name:ident $type:ty, $n:literal, $bits:literal, |$lane:ident, $count:ident| $shifted:expr;)*) => {$(
        #[inline]
        pub(super) fn $name(a: u128, b: u128, _: u8) -> u128 {
            let mut lanes: [$type; $n] = cast(a);
            let $count = (b as u64).min($bits) as u32;
            for lane in &mut lanes {
                let $lane = *lane;
                *lane = $shifted;
            }
            cast(lanes)
        }
    )*};
}

shifts! {
    psllw u16, 8, 16, |a, n| a.checked_shl(n).unwrap_or(0);
    pslld u32, 4, 32, |a, n| a.checked_shl(n).unwrap_or(0);
    psllq u64, 2, 64, |a, n| a.checked_shl(n).unwrap_or(0);
    psrlw u16, 8, 16, |a, n| a.checked_shr(n).unwrap_or(0);
    psrld u32, 4, 32, |a, n| a.checked_shr(n).unwrap_or(0);
    psrlq u64, 2, 64, |a, n| a.checked_shr(n).unwrap_or(0);
    psraw i16, 8, 16, |a, n| a >> n.min(15);
    psrad i32, 4, 32, |a, n| a >> n.min(31);
}

/// The same shifts by an immediate byte.
macro_rules! immediate_shifts {
    ($($name:ident $by:ident;)*) => {$(
        #[inline]
        pub(super) fn $name(_: u128, b: u128, count: u8) -> u128 {
            $by(b, count.into(), 0)
        }
    )*};
}

immediate_shifts! {
    psllw_i psllw;
    pslld_i pslld;
    psllq_i psllq;
    psrlw_i psrlw;
    psrld_i psrld;
    psrlq_i psrlq;
    psraw_i psraw;
    psrad_i psrad;
}

pub(super) fn pslldq(_: u128, b: u128, count: u8) -> u128 {
    if count > 15 { 0 } else { b << (8 * count) }
}

pub(super) fn psrldq(_: u128, b: u128, count: u8) -> u128 {
    if count > 15 { 0 } else { b >> (8 * count) }
}
