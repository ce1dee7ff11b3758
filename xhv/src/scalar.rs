//! Numbers in guest memory, which is little-endian on both architectures.

/// An integer that `read_value` and `write_value` move.
pub trait Scalar: Copy + sealed::Sealed {
    /// Bytes.
    const SIZE: usize;
    /// From the low bits.
    fn from_le(bits: u128) -> Self;
    /// As the low bits.
    fn to_le(self) -> u128;
}

mod sealed {
    /// Only the integers.
    pub trait Sealed {}
}

macro_rules! scalars {
    ($($type:ident)*) => {$(
        impl sealed::Sealed for $type {}
        impl Scalar for $type {
            const SIZE: usize = size_of::<$type>();
            fn from_le(bits: u128) -> Self {
                bits as $type
            }
            fn to_le(self) -> u128 {
                self as u128
            }
        }
    )*};
}
scalars!(u8 u16 u32 u64 u128 i8 i16 i32 i64 i128);
