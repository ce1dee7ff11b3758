//! Instructions that compute each 128-bit lane by a function of two lanes and an immediate byte.

use std::sync::LazyLock;

use iced_x86::Mnemonic::{self, *};

use super::crypto::*;
use super::lanes::*;
use super::shuffle::*;

/// A function of (first source, second source, immediate).
pub(super) type Lane = fn(u128, u128, u8) -> u128;

/// The same on places: vectors stay in vector registers of the host, which by value they do not.
pub(super) type InPlace = fn(&mut u128, &u128, &u128, u8);

/// How an instruction uses its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Both sources, lane by lane.
    Binary,
    /// One source only, which the function gets as the second.
    Unary,
    /// The second source is one count for all lanes.
    Count,
    /// One source, of which each result lane takes this many bits.
    Widen(u8),
}

/// The instruction on MMX registers.
#[derive(Clone, Copy, Debug)]
pub(super) enum Mmx {
    /// There is none.
    None,
    /// The low half of what the function gives.
    Same,
    /// Another function.
    Own(fn(u64, u64, u8) -> u64),
}

/// One row: the instruction's two names, and what it does.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    legacy: Mnemonic,
    vex: Mnemonic,
    pub(super) function: Lane,
    pub(super) in_place: InPlace,
    pub(super) kind: Kind,
    pub(super) mmx: Mmx,
    /// The high lane of YMM takes the immediate shifted right by this.
    pub(super) high_shift: u8,
}

macro_rules! row {
    ($legacy:expr, $vex:expr, $function:ident, $kind:expr, $mmx:expr, $high_shift:expr) => {
        row!(
            $legacy,
            $vex,
            $function,
            $kind,
            $mmx,
            $high_shift,
            |result, a, b, immediate| *result = $function(*a, *b, immediate)
        )
    };
    // In place by the function of the same name in `places`.
    ($legacy:expr, $vex:expr, places::$function:ident, $kind:expr, $mmx:expr, $high_shift:expr) => {
        row!(
            $legacy,
            $vex,
            $function,
            $kind,
            $mmx,
            $high_shift,
            places::$function
        )
    };
    ($legacy:expr, $vex:expr, $function:ident, $kind:expr, $mmx:expr, $high_shift:expr,
        $in_place:expr) => {
        Row {
            legacy: $legacy,
            vex: $vex,
            function: $function,
            in_place: $in_place,
            kind: $kind,
            mmx: $mmx,
            high_shift: $high_shift,
        }
    };
}

use Kind::{Binary, Count, Unary, Widen};
use Mmx::{None, Own, Same};

/// How many rows at the start are for the forms that end with an immediate byte and share their name with another row.
const IMMEDIATE: usize = 12;

/// The rows. Source: Intel SDM vol. 2, the instructions' pages.
#[rustfmt::skip]
pub(super) const ROWS: [Row; 157] = [
    // Legacy   VEX   function   operands   MMX   immediate of the high lane
    row!(Psllw, Vpsllw, psllw_i, Unary, Same, 0),
    row!(Pslld, Vpslld, pslld_i, Unary, Same, 0),
    row!(Psllq, Vpsllq, psllq_i, Unary, Same, 0),
    row!(Psrlw, Vpsrlw, psrlw_i, Unary, Same, 0),
    row!(Psrld, Vpsrld, psrld_i, Unary, Same, 0),
    row!(Psrlq, Vpsrlq, psrlq_i, Unary, Same, 0),
    row!(Psraw, Vpsraw, psraw_i, Unary, Same, 0),
    row!(Psrad, Vpsrad, psrad_i, Unary, Same, 0),
    row!(Pslldq, Vpslldq, pslldq, Unary, None, 0),
    row!(Psrldq, Vpsrldq, psrldq, Unary, None, 0),
    row!(INVALID, Vpermilps, pshufd, Unary, None, 0),
    row!(INVALID, Vpermilpd, permilpd_i, Unary, None, 2),
    row!(Paddb, Vpaddb, places::paddb, Binary, Same, 0),
    row!(Paddw, Vpaddw, places::paddw, Binary, Same, 0),
    row!(Paddd, Vpaddd, places::paddd, Binary, Same, 0),
    row!(Paddq, Vpaddq, places::paddq, Binary, Same, 0),
    row!(Psubb, Vpsubb, places::psubb, Binary, Same, 0),
    row!(Psubw, Vpsubw, places::psubw, Binary, Same, 0),
    row!(Psubd, Vpsubd, places::psubd, Binary, Same, 0),
    row!(Psubq, Vpsubq, places::psubq, Binary, Same, 0),
    row!(Paddsb, Vpaddsb, places::paddsb, Binary, Same, 0),
    row!(Paddsw, Vpaddsw, places::paddsw, Binary, Same, 0),
    row!(Paddusb, Vpaddusb, places::paddusb, Binary, Same, 0),
    row!(Paddusw, Vpaddusw, places::paddusw, Binary, Same, 0),
    row!(Psubsb, Vpsubsb, places::psubsb, Binary, Same, 0),
    row!(Psubsw, Vpsubsw, places::psubsw, Binary, Same, 0),
    row!(Psubusb, Vpsubusb, places::psubusb, Binary, Same, 0),
    row!(Psubusw, Vpsubusw, places::psubusw, Binary, Same, 0),
    row!(Pmullw, Vpmullw, places::pmullw, Binary, Same, 0),
    row!(Pmulhw, Vpmulhw, places::pmulhw, Binary, Same, 0),
    row!(Pmulhuw, Vpmulhuw, places::pmulhuw, Binary, Same, 0),
    row!(Pmulhrsw, Vpmulhrsw, places::pmulhrsw, Binary, Same, 0),
    row!(Pmuludq, Vpmuludq, places::pmuludq, Binary, Same, 0),
    row!(Pavgb, Vpavgb, places::pavgb, Binary, Same, 0),
    row!(Pavgw, Vpavgw, places::pavgw, Binary, Same, 0),
    row!(Pminub, Vpminub, places::pminub, Binary, Same, 0),
    row!(Pminsw, Vpminsw, places::pminsw, Binary, Same, 0),
    row!(Pmaxub, Vpmaxub, places::pmaxub, Binary, Same, 0),
    row!(Pmaxsw, Vpmaxsw, places::pmaxsw, Binary, Same, 0),
    row!(Pcmpeqb, Vpcmpeqb, places::pcmpeqb, Binary, Same, 0),
    row!(Pcmpeqw, Vpcmpeqw, places::pcmpeqw, Binary, Same, 0),
    row!(Pcmpeqd, Vpcmpeqd, places::pcmpeqd, Binary, Same, 0),
    row!(Pcmpgtb, Vpcmpgtb, places::pcmpgtb, Binary, Same, 0),
    row!(Pcmpgtw, Vpcmpgtw, places::pcmpgtw, Binary, Same, 0),
    row!(Pcmpgtd, Vpcmpgtd, places::pcmpgtd, Binary, Same, 0),
    row!(Psignb, Vpsignb, places::psignb, Binary, Same, 0),
    row!(Psignw, Vpsignw, places::psignw, Binary, Same, 0),
    row!(Psignd, Vpsignd, places::psignd, Binary, Same, 0),
    row!(Pand, Vpand, pand, Binary, Same, 0),
    row!(Pandn, Vpandn, pandn, Binary, Same, 0),
    row!(Por, Vpor, por, Binary, Same, 0),
    row!(Pxor, Vpxor, pxor, Binary, Same, 0),
    row!(Pmaddwd, Vpmaddwd, pmaddwd, Binary, Same, 0),
    row!(Pmaddubsw, Vpmaddubsw, pmaddubsw, Binary, Same, 0),
    row!(Psadbw, Vpsadbw, psadbw, Binary, Same, 0),
    row!(Punpcklbw, Vpunpcklbw, punpcklbw, Binary, Same, 0),
    row!(Punpcklwd, Vpunpcklwd, punpcklwd, Binary, Same, 0),
    row!(Punpckldq, Vpunpckldq, punpckldq, Binary, Same, 0),
    row!(Pmulld, Vpmulld, places::pmulld, Binary, None, 0),
    row!(Pmuldq, Vpmuldq, places::pmuldq, Binary, None, 0),
    row!(Pminuw, Vpminuw, places::pminuw, Binary, None, 0),
    row!(Pminud, Vpminud, places::pminud, Binary, None, 0),
    row!(Pminsb, Vpminsb, places::pminsb, Binary, None, 0),
    row!(Pminsd, Vpminsd, places::pminsd, Binary, None, 0),
    row!(Pmaxuw, Vpmaxuw, places::pmaxuw, Binary, None, 0),
    row!(Pmaxud, Vpmaxud, places::pmaxud, Binary, None, 0),
    row!(Pmaxsb, Vpmaxsb, places::pmaxsb, Binary, None, 0),
    row!(Pmaxsd, Vpmaxsd, places::pmaxsd, Binary, None, 0),
    row!(Pcmpeqq, Vpcmpeqq, places::pcmpeqq, Binary, None, 0),
    row!(Pcmpgtq, Vpcmpgtq, places::pcmpgtq, Binary, None, 0),
    row!(Packusdw, Vpackusdw, packusdw, Binary, None, 0),
    row!(Punpcklqdq, Vpunpcklqdq, punpcklqdq, Binary, None, 0),
    row!(Punpckhqdq, Vpunpckhqdq, punpckhqdq, Binary, None, 0),
    row!(Packsswb, Vpacksswb, packsswb, Binary, Own(packsswb_mm), 0),
    row!(Packssdw, Vpackssdw, packssdw, Binary, Own(packssdw_mm), 0),
    row!(Packuswb, Vpackuswb, packuswb, Binary, Own(packuswb_mm), 0),
    row!(Phaddw, Vphaddw, phaddw, Binary, Own(phaddw_mm), 0),
    row!(Phaddd, Vphaddd, phaddd, Binary, Own(phaddd_mm), 0),
    row!(Phaddsw, Vphaddsw, phaddsw, Binary, Own(phaddsw_mm), 0),
    row!(Phsubw, Vphsubw, phsubw, Binary, Own(phsubw_mm), 0),
    row!(Phsubd, Vphsubd, phsubd, Binary, Own(phsubd_mm), 0),
    row!(Phsubsw, Vphsubsw, phsubsw, Binary, Own(phsubsw_mm), 0),
    row!(Punpckhbw, Vpunpckhbw, punpckhbw, Binary, Own(punpckhbw_mm), 0),
    row!(Punpckhwd, Vpunpckhwd, punpckhwd, Binary, Own(punpckhwd_mm), 0),
    row!(Punpckhdq, Vpunpckhdq, punpckhdq, Binary, Own(punpckhdq_mm), 0),
    row!(Pshufb, Vpshufb, pshufb, Binary, Own(pshufb_mm), 0),
    row!(Palignr, Vpalignr, palignr, Binary, Own(palignr_mm), 0),
    row!(Pabsb, Vpabsb, places::pabsb, Unary, Same, 0),
    row!(Pabsw, Vpabsw, places::pabsw, Unary, Same, 0),
    row!(Pabsd, Vpabsd, places::pabsd, Unary, Same, 0),
    row!(Psllw, Vpsllw, psllw, Count, Same, 0),
    row!(Pslld, Vpslld, pslld, Count, Same, 0),
    row!(Psllq, Vpsllq, psllq, Count, Same, 0),
    row!(Psrlw, Vpsrlw, psrlw, Count, Same, 0),
    row!(Psrld, Vpsrld, psrld, Count, Same, 0),
    row!(Psrlq, Vpsrlq, psrlq, Count, Same, 0),
    row!(Psraw, Vpsraw, psraw, Count, Same, 0),
    row!(Psrad, Vpsrad, psrad, Count, Same, 0),
    row!(Andps, Vandps, pand, Binary, None, 0),
    row!(Andpd, Vandpd, pand, Binary, None, 0),
    row!(Andnps, Vandnps, pandn, Binary, None, 0),
    row!(Andnpd, Vandnpd, pandn, Binary, None, 0),
    row!(Orps, Vorps, por, Binary, None, 0),
    row!(Orpd, Vorpd, por, Binary, None, 0),
    row!(Xorps, Vxorps, pxor, Binary, None, 0),
    row!(Xorpd, Vxorpd, pxor, Binary, None, 0),
    row!(Unpcklps, Vunpcklps, punpckldq, Binary, None, 0),
    row!(Unpckhps, Vunpckhps, punpckhdq, Binary, None, 0),
    row!(Unpcklpd, Vunpcklpd, punpcklqdq, Binary, None, 0),
    row!(Unpckhpd, Vunpckhpd, punpckhqdq, Binary, None, 0),
    row!(Shufps, Vshufps, shufps, Binary, None, 0),
    row!(Shufpd, Vshufpd, shufpd, Binary, None, 2),
    row!(Pshufd, Vpshufd, pshufd, Unary, None, 0),
    row!(Pshuflw, Vpshuflw, pshuflw, Unary, None, 0),
    row!(Pshufhw, Vpshufhw, pshufhw, Unary, None, 0),
    row!(Pshufw, INVALID, pshuflw, Unary, Own(pshufw_mm), 0),
    row!(Mpsadbw, Vmpsadbw, mpsadbw, Binary, None, 3),
    row!(Blendps, Vblendps, blendps, Binary, None, 4),
    row!(Blendpd, Vblendpd, blendpd, Binary, None, 2),
    row!(Pblendw, Vpblendw, pblendw, Binary, None, 0),
    row!(INVALID, Vpblendd, blendps, Binary, None, 4),
    row!(Phminposuw, Vphminposuw, phminposuw, Unary, None, 0),
    row!(Movddup, Vmovddup, movddup, Unary, None, 0),
    row!(Movshdup, Vmovshdup, movshdup, Unary, None, 0),
    row!(Movsldup, Vmovsldup, movsldup, Unary, None, 0),
    row!(Pmovsxbw, Vpmovsxbw, pmovsxbw, Widen(64), None, 0),
    row!(Pmovzxbw, Vpmovzxbw, pmovzxbw, Widen(64), None, 0),
    row!(Pmovsxbd, Vpmovsxbd, pmovsxbd, Widen(32), None, 0),
    row!(Pmovzxbd, Vpmovzxbd, pmovzxbd, Widen(32), None, 0),
    row!(Pmovsxbq, Vpmovsxbq, pmovsxbq, Widen(16), None, 0),
    row!(Pmovzxbq, Vpmovzxbq, pmovzxbq, Widen(16), None, 0),
    row!(Pmovsxwd, Vpmovsxwd, pmovsxwd, Widen(64), None, 0),
    row!(Pmovzxwd, Vpmovzxwd, pmovzxwd, Widen(64), None, 0),
    row!(Pmovsxwq, Vpmovsxwq, pmovsxwq, Widen(32), None, 0),
    row!(Pmovzxwq, Vpmovzxwq, pmovzxwq, Widen(32), None, 0),
    row!(Pmovsxdq, Vpmovsxdq, pmovsxdq, Widen(64), None, 0),
    row!(Pmovzxdq, Vpmovzxdq, pmovzxdq, Widen(64), None, 0),
    row!(INVALID, Vpsllvd, places::psllvd, Binary, None, 0),
    row!(INVALID, Vpsllvq, places::psllvq, Binary, None, 0),
    row!(INVALID, Vpsrlvd, places::psrlvd, Binary, None, 0),
    row!(INVALID, Vpsrlvq, places::psrlvq, Binary, None, 0),
    row!(INVALID, Vpsravd, places::psravd, Binary, None, 0),
    row!(INVALID, Vpermilps, permilps, Binary, None, 0),
    row!(INVALID, Vpermilpd, permilpd, Binary, None, 0),
    row!(Aesenc, Vaesenc, aesenc, Binary, None, 0),
    row!(Aesenclast, Vaesenclast, aesenclast, Binary, None, 0),
    row!(Aesdec, Vaesdec, aesdec, Binary, None, 0),
    row!(Aesdeclast, Vaesdeclast, aesdeclast, Binary, None, 0),
    row!(Aesimc, Vaesimc, aesimc, Unary, None, 0),
    row!(Aeskeygenassist, Vaeskeygenassist, aeskeygenassist, Unary, None, 0),
    row!(Pclmulqdq, Vpclmulqdq, pclmulqdq, Binary, None, 0),
    row!(Sha1nexte, INVALID, sha1nexte, Binary, None, 0),
    row!(Sha1msg1, INVALID, sha1msg1, Binary, None, 0),
    row!(Sha1msg2, INVALID, sha1msg2, Binary, None, 0),
    row!(Sha1rnds4, INVALID, sha1rnds4, Binary, None, 0),
    row!(Sha256msg1, INVALID, sha256msg1, Binary, None, 0),
    row!(Sha256msg2, INVALID, sha256msg2, Binary, None, 0),
];

/// The row of a mnemonic, by its number.
pub(super) const fn row_of(mnemonic: Mnemonic, immediate: bool) -> Option<usize> {
    let (mut n, end) = if immediate {
        (0, IMMEDIATE)
    } else {
        (IMMEDIATE, ROWS.len())
    };
    while n < end {
        let row = &ROWS[n];
        if row.legacy as u16 == mnemonic as u16 || row.vex as u16 == mnemonic as u16 {
            return Some(n);
        }
        n += 1;
    }
    Option::None
}

/// [`row_of`] for all mnemonics, immediate forms in the second half.
static INDEX: LazyLock<Vec<u16>> = LazyLock::new(|| {
    let count = Mnemonic::values().len();
    let mut index = vec![u16::MAX; 2 * count];
    for (number, row) in ROWS.iter().enumerate() {
        let half = if number < IMMEDIATE { count } else { 0 };
        for mnemonic in [row.legacy, row.vex] {
            if mnemonic != INVALID {
                index[half + mnemonic as usize] = number as u16;
            }
        }
    }
    index
});

/// The row for an instruction that ends with an immediate byte or not.
pub(super) fn find(mnemonic: Mnemonic, immediate: bool) -> Option<u16> {
    let at = |half: usize| {
        let number = INDEX.get(half + mnemonic as usize).copied();
        number.filter(|&number| number != u16::MAX)
    };
    if immediate {
        at(INDEX.len() / 2).or_else(|| at(0))
    } else {
        at(0)
    }
}
