//! Functions that move lanes: shuffles, packs, unpacks, blends, widening.

use bytemuck::cast;

use super::lanes::{saturate8, saturate16};

pub(super) fn pshufb(a: u128, b: u128, _: u8) -> u128 {
    let (a, b): ([u8; 16], [u8; 16]) = (cast(a), cast(b));
    cast(b.map(|at| {
        if at & 0x80 != 0 {
            0
        } else {
            a[usize::from(at & 15)]
        }
    }))
}

#[inline]
pub(super) fn pshufd(_: u128, b: u128, order: u8) -> u128 {
    let lanes: [u32; 4] = cast(b);
    let picked: [u32; 4] = core::array::from_fn(|n| lanes[usize::from(order >> (2 * n) & 3)]);
    cast(picked)
}

pub(super) fn pshuflw(_: u128, b: u128, order: u8) -> u128 {
    let lanes: [u16; 8] = cast(b);
    let picked: [u16; 8] = core::array::from_fn(|n| match n {
        0..4 => lanes[usize::from(order >> (2 * n) & 3)],
        _ => lanes[n],
    });
    cast(picked)
}

pub(super) fn pshufhw(_: u128, b: u128, order: u8) -> u128 {
    let lanes: [u16; 8] = cast(b);
    let picked: [u16; 8] = core::array::from_fn(|n| match n {
        4.. => lanes[4 + usize::from(order >> (2 * (n - 4)) & 3)],
        _ => lanes[n],
    });
    cast(picked)
}

pub(super) fn shufps(a: u128, b: u128, order: u8) -> u128 {
    let (a, b): ([u32; 4], [u32; 4]) = (cast(a), cast(b));
    let pick = |n: usize| usize::from(order >> (2 * n) & 3);
    cast([a[pick(0)], a[pick(1)], b[pick(2)], b[pick(3)]])
}

/// SHUFPD; the immediate's low two bits.
pub(super) fn shufpd(a: u128, b: u128, order: u8) -> u128 {
    let (a, b): ([u64; 2], [u64; 2]) = (cast(a), cast(b));
    cast([a[usize::from(order & 1)], b[usize::from(order >> 1 & 1)]])
}

pub(super) fn palignr(a: u128, b: u128, by: u8) -> u128 {
    match by {
        0 => b,
        1..16 => b >> (8 * by) | a << (128 - 8 * by),
        16 => a,
        17..32 => a >> (8 * (by - 16)),
        _ => 0,
    }
}

/// Lanes of the low (`$from` = 0) or high half of both sources, in turns.
macro_rules! unpack {
    ($($low:ident $high:ident $type:ty, $n:literal;)*) => {$(
        #[inline]
        pub(super) fn $low(a: u128, b: u128, _: u8) -> u128 {
            let (a, b): ([$type; $n], [$type; $n]) = (cast(a), cast(b));
            let lanes: [$type; $n] =
                core::array::from_fn(|n| if n % 2 == 0 { a[n / 2] } else { b[n / 2] });
            cast(lanes)
        }

        pub(super) fn $high(a: u128, b: u128, _: u8) -> u128 {
            let (a, b): ([$type; $n], [$type; $n]) = (cast(a), cast(b));
            let lanes: [$type; $n] = core::array::from_fn(|n| {
                let at = $n / 2 + n / 2;
                if n % 2 == 0 { a[at] } else { b[at] }
            });
            cast(lanes)
        }
    )*};
}

unpack! {
    punpcklbw punpckhbw u8, 16;
    punpcklwd punpckhwd u16, 8;
    punpckldq punpckhdq u32, 4;
    punpcklqdq punpckhqdq u64, 2;
}

/// Lanes of the first source, then of the second, saturated to half their width.
macro_rules! pack {
    ($($name:ident $from:ty, $n:literal => $to:ty, $m:literal, $f:expr;)*) => {$(
        pub(super) fn $name(a: u128, b: u128, _: u8) -> u128 {
            let (a, b): ([$from; $n], [$from; $n]) = (cast(a), cast(b));
            let f: fn($from) -> $to = $f;
            let lanes: [$to; $m] =
                core::array::from_fn(|n| if n < $n { f(a[n]) } else { f(b[n - $n]) });
            cast(lanes)
        }
    )*};
}

pack! {
    packsswb i16, 8 => u8, 16, |x| saturate8(x.into());
    packssdw i32, 4 => u16, 8, saturate16;
    packuswb i16, 8 => u8, 16, |x| x.clamp(0, 255) as u8;
    packusdw i32, 4 => u16, 8, |x| x.clamp(0, 65535) as u16;
}

/// 64-bit forms: operate on both halves' sources put together.
macro_rules! mmx {
    ($($name:ident $by:ident;)*) => {$(
        pub(super) fn $name(a: u64, b: u64, imm: u8) -> u64 {
            let joined = u128::from(a) | u128::from(b) << 64;
            $by(joined, joined, imm) as u64
        }
    )*};
}

use super::lanes::{phaddd, phaddsw, phaddw, phsubd, phsubsw, phsubw};

mmx! {
    packsswb_mm packsswb;
    packssdw_mm packssdw;
    packuswb_mm packuswb;
    phaddw_mm phaddw;
    phaddd_mm phaddd;
    phaddsw_mm phaddsw;
    phsubw_mm phsubw;
    phsubd_mm phsubd;
    phsubsw_mm phsubsw;
}

/// High unpacks of 64 bits: the upper half of what the low ones of 128 bits give.
macro_rules! mmx_high {
    ($($name:ident $by:ident;)*) => {$(
        pub(super) fn $name(a: u64, b: u64, _: u8) -> u64 {
            ($by(a.into(), b.into(), 0) >> 64) as u64
        }
    )*};
}

mmx_high! {
    punpckhbw_mm punpcklbw;
    punpckhwd_mm punpcklwd;
    punpckhdq_mm punpckldq;
}

pub(super) fn pshufb_mm(a: u64, b: u64, _: u8) -> u64 {
    pshufb(a.into(), (b & 0x8787_8787_8787_8787).into(), 0) as u64
}

pub(super) fn pshufw_mm(_: u64, b: u64, order: u8) -> u64 {
    pshuflw(0, b.into(), order) as u64
}

pub(super) fn palignr_mm(a: u64, b: u64, by: u8) -> u64 {
    let joined = u128::from(b) | u128::from(a) << 64;
    if by > 15 {
        0
    } else {
        (joined >> (8 * by)) as u64
    }
}

/// Lanes of the second source where the immediate has a one.
macro_rules! blend {
    ($($name:ident $type:ty, $n:literal;)*) => {$(
        pub(super) fn $name(a: u128, b: u128, select: u8) -> u128 {
            let (a, b): ([$type; $n], [$type; $n]) = (cast(a), cast(b));
            let lanes: [$type; $n] =
                core::array::from_fn(|n| if select >> n & 1 != 0 { b[n] } else { a[n] });
            cast(lanes)
        }
    )*};
}

blend! {
    blendpd u64, 2;
    blendps u32, 4;
    pblendw u16, 8;
}

/// Lanes of the second source where the mask's lane has its top bit set.
macro_rules! select {
    ($($name:ident $type:ty, $n:literal;)*) => {$(
        pub(super) fn $name(a: u128, b: u128, mask: u128) -> u128 {
            let (a, b, mask): ([$type; $n], [$type; $n], [$type; $n]) = (cast(a), cast(b), cast(mask));
            let top = <$type>::MAX / 2;
            let lanes: [$type; $n] =
                core::array::from_fn(|n| if mask[n] > top { b[n] } else { a[n] });
            cast(lanes)
        }
    )*};
}

select! {
    blendvpd u64, 2;
    blendvps u32, 4;
    pblendvb u8, 16;
}

/// Low lanes of the second source, widened.
macro_rules! widen {
    ($($name:ident $from:ty, $n:literal => $to:ty, $m:literal;)*) => {$(
        pub(super) fn $name(_: u128, b: u128, _: u8) -> u128 {
            let b: [$from; $n] = cast(b);
            let lanes: [$to; $m] = core::array::from_fn(|n| b[n].into());
            cast(lanes)
        }
    )*};
}

widen! {
    pmovsxbw i8, 16 => i16, 8;
    pmovsxbd i8, 16 => i32, 4;
    pmovsxbq i8, 16 => i64, 2;
    pmovsxwd i16, 8 => i32, 4;
    pmovsxwq i16, 8 => i64, 2;
    pmovsxdq i32, 4 => i64, 2;
    pmovzxbw u8, 16 => u16, 8;
    pmovzxbd u8, 16 => u32, 4;
    pmovzxbq u8, 16 => u64, 2;
    pmovzxwd u16, 8 => u32, 4;
    pmovzxwq u16, 8 => u64, 2;
    pmovzxdq u32, 4 => u64, 2;
}

pub(super) fn movddup(_: u128, b: u128, _: u8) -> u128 {
    let low = b & u128::from(u64::MAX);
    low | low << 64
}

pub(super) fn movsldup(_: u128, b: u128, _: u8) -> u128 {
    pshufd(0, b, 0b10_10_00_00)
}

pub(super) fn movshdup(_: u128, b: u128, _: u8) -> u128 {
    pshufd(0, b, 0b11_11_01_01)
}

/// VPERMILPS with a vector of selectors.
pub(super) fn permilps(a: u128, b: u128, _: u8) -> u128 {
    let (a, b): ([u32; 4], [u32; 4]) = (cast(a), cast(b));
    cast(b.map(|at| a[at as usize & 3]))
}

/// VPERMILPD with a vector of selectors.
pub(super) fn permilpd(a: u128, b: u128, _: u8) -> u128 {
    let (a, b): ([u64; 2], [u64; 2]) = (cast(a), cast(b));
    cast(b.map(|at| a[at as usize >> 1 & 1]))
}

/// VPERMILPD with an immediate's low two bits.
pub(super) fn permilpd_i(_: u128, b: u128, order: u8) -> u128 {
    shufpd(b, b, order)
}
