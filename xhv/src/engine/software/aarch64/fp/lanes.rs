//! Vectors as lanes: element types, and how a function of elements becomes one of vectors.

/// An element of a vector.
pub(crate) trait Lane: Copy + Eq + Ord + Default + 'static {
    /// Size in bytes.
    const BYTES: usize;
    /// Size in bits.
    const BITS: u32 = Self::BYTES as u32 * 8;
    /// All bits set.
    const ONES: Self;

    /// From the first bytes of a slice.
    fn read(from: &[u8]) -> Self;
    /// To the first bytes of a slice.
    fn write(self, to: &mut [u8]);
    /// The low bits of a number.
    fn cut(value: i128) -> Self;
    /// Zero-extended.
    fn unsigned(self) -> i128;
    /// Sign-extended.
    fn signed(self) -> i128;
    /// Sum, modulo.
    fn add(self, other: Self) -> Self;
    /// Difference, modulo.
    fn sub(self, other: Self) -> Self;
    /// Product, modulo.
    fn mul(self, other: Self) -> Self;
    /// Less, as signed numbers.
    fn less(self, other: Self) -> bool;
    /// Logical shift left by less than the size.
    fn shl(self, by: u32) -> Self;
    /// Logical shift right by less than the size.
    fn shr(self, by: u32) -> Self;
    /// Arithmetic shift right by less than the size.
    fn sar(self, by: u32) -> Self;
    /// Leading zeros.
    fn leading_zeros(self) -> u32;
    /// All ones for true, zero for false.
    #[inline(always)]
    fn all(value: bool) -> Self {
        if value { Self::ONES } else { Self::default() }
    }
}

macro_rules! lane {
    ($($int:ident $signed:ident)*) => {$(
        impl Lane for $int {
            const BYTES: usize = size_of::<$int>();
            const ONES: Self = $int::MAX;

            #[inline(always)]
            fn read(from: &[u8]) -> Self {
                let mut bytes = [0; size_of::<$int>()];
                bytes.copy_from_slice(&from[..Self::BYTES]);
                $int::from_le_bytes(bytes)
            }
            #[inline(always)]
            fn write(self, to: &mut [u8]) {
                to[..Self::BYTES].copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn cut(value: i128) -> Self {
                value as $int
            }
            #[inline(always)]
            fn unsigned(self) -> i128 {
                self as i128
            }
            #[inline(always)]
            fn signed(self) -> i128 {
                self as $signed as i128
            }
            #[inline(always)]
            fn add(self, other: Self) -> Self {
                self.wrapping_add(other)
            }
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.wrapping_sub(other)
            }
            #[inline(always)]
            fn mul(self, other: Self) -> Self {
                self.wrapping_mul(other)
            }
            #[inline(always)]
            fn less(self, other: Self) -> bool {
                (self as $signed) < other as $signed
            }
            #[inline(always)]
            fn shl(self, by: u32) -> Self {
                self.wrapping_shl(by)
            }
            #[inline(always)]
            fn shr(self, by: u32) -> Self {
                self.wrapping_shr(by)
            }
            #[inline(always)]
            fn sar(self, by: u32) -> Self {
                (self as $signed).wrapping_shr(by) as $int
            }
            #[inline(always)]
            fn leading_zeros(self) -> u32 {
                self.leading_zeros()
            }
        }
    )*};
}

lane! { u8 i8 u16 i16 u32 i32 u64 i64 }

/// Element `at` of a vector.
#[inline(always)]
pub(crate) fn get<L: Lane>(v: u128, at: usize) -> L {
    L::cut((v >> ((at * L::BYTES * 8) & 127)) as i128)
}

/// `v` with element `at` replaced.
#[inline(always)]
pub(crate) fn put<L: Lane>(v: u128, at: usize, value: L) -> u128 {
    let by = (at * L::BYTES * 8) & 127;
    v & !((L::ONES.unsigned() as u128) << by) | (value.unsigned() as u128) << by
}

/// A vector of which element `at` is `element(at)`.
#[inline(always)]
pub(crate) fn build<L: Lane>(mut element: impl FnMut(usize) -> L) -> u128 {
    let mut out = [0; 16];
    for (at, bytes) in out.chunks_exact_mut(L::BYTES).enumerate() {
        element(at).write(bytes);
    }
    u128::from_le_bytes(out)
}

/// Element by element.
#[inline(always)]
pub(crate) fn map<L: Lane>(a: u128, mut f: impl FnMut(L) -> L) -> u128 {
    let a = a.to_le_bytes();
    build(|at| f(L::read(&a[at * L::BYTES..])))
}

/// Element by element of two vectors.
#[inline(always)]
pub(crate) fn map2<L: Lane>(a: u128, b: u128, mut f: impl FnMut(L, L) -> L) -> u128 {
    let (a, b) = (a.to_le_bytes(), b.to_le_bytes());
    build(|at| f(L::read(&a[at * L::BYTES..]), L::read(&b[at * L::BYTES..])))
}

/// Element by element of three vectors.
#[inline(always)]
pub(crate) fn map3<L: Lane>(a: u128, b: u128, c: u128, mut f: impl FnMut(L, L, L) -> L) -> u128 {
    let (a, b, c) = (a.to_le_bytes(), b.to_le_bytes(), c.to_le_bytes());
    build(|at| {
        let at = at * L::BYTES;
        f(L::read(&a[at..]), L::read(&b[at..]), L::read(&c[at..]))
    })
}

/// How much of a vector register an instruction writes; the rest becomes zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Shape {
    /// The low half.
    Half = 0,
    /// All of it.
    Full = 1,
    /// One element.
    Scalar = 2,
}

impl Shape {
    /// From the Q field.
    pub(crate) fn of(q: bool) -> Self {
        if q { Self::Full } else { Self::Half }
    }

    /// The part of `v` that is written, where the elements have `bits`.
    #[inline(always)]
    pub(crate) fn cut(shape: u8, v: u128, bits: u32) -> u128 {
        match shape {
            1 => v,
            0 => v & u128::from(u64::MAX),
            _ => v & u128::MAX >> (128 - bits),
        }
    }
}
