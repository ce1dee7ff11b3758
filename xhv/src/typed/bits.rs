//! Conversion between a typed value and its bits, for integers and for the types that `spec!` makes.

use super::info::{FieldInfo, ValueInfo};

/// A value that is a number of [`WIDTH`](Bits::WIDTH) bits: an integer, a bit-field type or a set of named values.
///
/// Conversions never fail: bits that the type does not have are dropped, values without a name are kept.
pub trait Bits: Copy + 'static {
    /// Bits of the value.
    const WIDTH: u32;
    /// Name of the type, as written in the table.
    const NAME: &'static str;
    /// The bit fields, highest first; empty for plain numbers.
    const FIELDS: &'static [FieldInfo] = &[];
    /// The named values; empty for types without.
    const VALUES: &'static [ValueInfo] = &[];
    /// The value with these bits.
    fn from_u128(bits: u128) -> Self;
    /// The bits of the value.
    fn into_u128(self) -> u128;
}

macro_rules! integers {
    ($($int:ident)*) => {$(
        impl Bits for $int {
            const WIDTH: u32 = $int::BITS;
            const NAME: &'static str = stringify!($int);
            #[inline(always)]
            fn from_u128(bits: u128) -> Self {
                bits as $int
            }
            #[inline(always)]
            fn into_u128(self) -> u128 {
                self as u128
            }
        }
    )*};
}
integers!(u8 u16 u32 u64 u128);

impl Bits for bool {
    const WIDTH: u32 = 1;
    const NAME: &'static str = "bool";
    #[inline(always)]
    fn from_u128(bits: u128) -> Self {
        bits & 1 != 0
    }
    #[inline(always)]
    fn into_u128(self) -> u128 {
        u128::from(self)
    }
}

/// What every type of `spec!` has, be it bit fields or named values: conversion, printing, serde.
#[doc(hidden)]
#[macro_export]
macro_rules! __bits_common {
    ($name:ident, $raw:ident, $width:literal) => {
        impl ::core::convert::From<$raw> for $name {
            #[inline(always)]
            fn from(bits: $raw) -> Self {
                $name(bits)
            }
        }
        impl ::core::convert::From<$name> for $raw {
            #[inline(always)]
            fn from(value: $name) -> $raw {
                value.0
            }
        }
        impl ::core::fmt::LowerHex for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                ::core::fmt::LowerHex::fmt(&self.0, f)
            }
        }
        impl ::core::fmt::Debug for $name {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                $crate::typed::fmt_bits::<$name>(*self, f)
            }
        }
        impl $crate::typed::serde::Serialize for $name {
            fn serialize<S: $crate::typed::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                $crate::typed::hex::serialize(*self, serializer)
            }
        }
        impl<'de> $crate::typed::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::typed::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                $crate::typed::hex::deserialize(deserializer)
            }
        }
    };
}

/// The parts of a bit-field type that do not depend on its rows. Method names are those of the `bitflags` crate.
#[doc(hidden)]
#[macro_export]
macro_rules! __fields_type {
    ($(#[$meta:meta])* $name:ident, $raw:ident, $width:literal) => {
        $(#[$meta])*
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::cmp::PartialEq, ::core::cmp::Eq,
            ::core::cmp::PartialOrd, ::core::cmp::Ord, ::core::hash::Hash, ::core::default::Default,
        )]
        #[repr(transparent)]
        pub struct $name($raw);

        $crate::__bits_common!($name, $raw, $width);

        impl $name {
            /// The value with these bits; all are kept, reserved ones too.
            #[inline(always)]
            pub const fn from_bits(bits: $raw) -> Self {
                $name(bits)
            }
            /// The bits.
            #[inline(always)]
            pub const fn bits(self) -> $raw {
                self.0
            }
            /// No bit set.
            #[inline(always)]
            pub const fn empty() -> Self {
                $name(0)
            }
            /// Whether no bit is set.
            #[inline(always)]
            pub const fn is_empty(self) -> bool {
                self.0 == 0
            }
            /// Whether every bit of `other` is set.
            #[inline(always)]
            pub const fn contains(self, other: Self) -> bool {
                self.0 & other.0 == other.0
            }
            /// Whether any bit of `other` is set.
            #[inline(always)]
            pub const fn intersects(self, other: Self) -> bool {
                self.0 & other.0 != 0
            }
            /// The bits of either.
            #[inline(always)]
            pub const fn union(self, other: Self) -> Self {
                $name(self.0 | other.0)
            }
            /// The bits of both.
            #[inline(always)]
            pub const fn intersection(self, other: Self) -> Self {
                $name(self.0 & other.0)
            }
            /// The bits that are not in `other`.
            #[inline(always)]
            pub const fn difference(self, other: Self) -> Self {
                $name(self.0 & !other.0)
            }
            /// Sets the bits of `other`.
            #[inline(always)]
            pub const fn insert(&mut self, other: Self) {
                self.0 |= other.0;
            }
            /// Clears the bits of `other`.
            #[inline(always)]
            pub const fn remove(&mut self, other: Self) {
                self.0 &= !other.0;
            }
            /// Inverts the bits of `other`.
            #[inline(always)]
            pub const fn toggle(&mut self, other: Self) {
                self.0 ^= other.0;
            }
            /// Sets or clears the bits of `other`.
            #[inline(always)]
            pub const fn set(&mut self, other: Self, on: bool) {
                if on { self.insert(other) } else { self.remove(other) }
            }
            /// The value with the bits of `other` set or cleared.
            #[inline(always)]
            pub const fn with(mut self, other: Self, on: bool) -> Self {
                self.set(other, on);
                self
            }
        }
        impl ::core::ops::BitOr for $name {
            type Output = Self;
            #[inline(always)]
            fn bitor(self, other: Self) -> Self {
                self.union(other)
            }
        }
        impl ::core::ops::BitAnd for $name {
            type Output = Self;
            #[inline(always)]
            fn bitand(self, other: Self) -> Self {
                self.intersection(other)
            }
        }
        impl ::core::ops::BitXor for $name {
            type Output = Self;
            #[inline(always)]
            fn bitxor(self, other: Self) -> Self {
                $name(self.0 ^ other.0)
            }
        }
        impl ::core::ops::Sub for $name {
            type Output = Self;
            #[inline(always)]
            fn sub(self, other: Self) -> Self {
                self.difference(other)
            }
        }
        impl ::core::ops::Not for $name {
            type Output = Self;
            #[inline(always)]
            fn not(self) -> Self {
                $name(!self.0)
            }
        }
        impl ::core::ops::BitOrAssign for $name {
            #[inline(always)]
            fn bitor_assign(&mut self, other: Self) {
                self.insert(other)
            }
        }
        impl ::core::ops::BitAndAssign for $name {
            #[inline(always)]
            fn bitand_assign(&mut self, other: Self) {
                self.0 &= other.0
            }
        }
        impl ::core::ops::SubAssign for $name {
            #[inline(always)]
            fn sub_assign(&mut self, other: Self) {
                self.remove(other)
            }
        }
    };
}

/// The parts of an open set of named values that do not depend on its rows.
#[doc(hidden)]
#[macro_export]
macro_rules! __values_type {
    ($(#[$meta:meta])* $name:ident, $raw:ident, $width:literal) => {
        $(#[$meta])*
        #[derive(
            ::core::clone::Clone, ::core::marker::Copy, ::core::cmp::PartialEq, ::core::cmp::Eq,
            ::core::cmp::PartialOrd, ::core::cmp::Ord, ::core::hash::Hash, ::core::default::Default,
        )]
        #[repr(transparent)]
        pub struct $name(pub $raw);

        $crate::__bits_common!($name, $raw, $width);

        impl $name {
            /// The name of the value in the table, if it has one.
            pub fn name(self) -> ::core::option::Option<&'static str> {
                <Self as $crate::typed::Named>::value_name(self)
            }
        }
    };
}
