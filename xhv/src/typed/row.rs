//! `Row`: the one type behind registers, VMCS fields, MSRs and system registers, and the traits that make it readable.

use core::fmt;
use core::marker::PhantomData;

use super::bits::Bits;
use super::info::RowInfo;
use crate::Code;

/// A name space of rows: which raw call reads and writes them.
pub trait Space: Copy + 'static {
    /// What the raw call carries: `u64`, or `u128` for vector registers.
    type Word: Bits;
}

/// The spaces.
pub mod space {
    macro_rules! spaces {
        ($($(#[$doc:meta])* $name:ident: $word:ty;)*) => {$(
            $(#[$doc])*
            #[derive(Clone, Copy, Debug)]
            pub enum $name {}
            impl super::Space for $name {
                type Word = $word;
            }
        )*};
    }
    spaces! {
        /// General registers: `hv_x86_reg_t`, `hv_reg_t`.
        General: u64;
        /// AArch64 Q registers: `hv_simd_fp_reg_t`.
        Simd: u128;
        /// VMCS fields by encoding.
        Vmcs: u64;
        /// Model-specific registers by index.
        Msr: u64;
        /// Model-specific registers that the VMCS holds: the key is the field's encoding.
        MsrInVmcs: u64;
        /// AArch64 system registers: `hv_sys_reg_t`.
        System: u64;
        /// VMX capabilities: `hv_vmx_capability_t`.
        Capability: u64;
        /// AArch64 feature registers of a vCPU configuration: `hv_feature_reg_t`.
        Feature: u64;
        /// GIC distributor registers.
        GicDistributor: u64;
        /// GIC redistributor registers.
        GicRedistributor: u64;
        /// GIC CPU interface.
        GicIcc: u64;
        /// GIC hypervisor interface.
        GicIch: u64;
        /// GIC virtual CPU interface.
        GicIcv: u64;
        /// GIC MSI frame.
        GicMsi: u64;
    }
}

/// What the framework lets a client do with a row.
pub trait Access: Copy + 'static {
    /// Whether it can be read.
    const READ: bool;
    /// Whether it can be written.
    const WRITE: bool;
}
/// Access that includes reading.
#[diagnostic::on_unimplemented(
    message = "this row cannot be read: its access is `{Self}`",
    label = "not readable through the framework"
)]
pub trait CanRead: Access {}
/// Access that includes writing.
#[diagnostic::on_unimplemented(
    message = "this row cannot be written: its access is `{Self}`",
    label = "not writable through the framework"
)]
pub trait CanWrite: Access {}

macro_rules! accesses {
    ($($(#[$doc:meta])* $name:ident $read:literal $write:literal: $($can:ident)*;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}
        impl Access for $name {
            const READ: bool = $read;
            const WRITE: bool = $write;
        }
        $(impl $can for $name {})*
    )*};
}
accesses! {
    /// Read and write.
    ReadWrite true true: CanRead CanWrite;
    /// Read only: a write does not compile.
    ReadOnly true false: CanRead;
    /// Write only: a read does not compile.
    WriteOnly false true: CanWrite;
    /// Listed, but the framework gives no way to it: neither compiles.
    NoAccess false false:;
}

/// Types of a row; a function, so that the row is `Send` and `Sync` whatever they are.
type Marker<S, T, A> = fn() -> (S, T, A);

/// A row of a table: its key in space `S`, with values of type `T` and access `A`.
pub struct Row<S: Space, T, A = ReadWrite> {
    key: u32,
    info: &'static RowInfo,
    kind: PhantomData<Marker<S, T, A>>,
}

impl<S: Space, T, A> Clone for Row<S, T, A> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<S: Space, T, A> Copy for Row<S, T, A> {}

impl<S: Space, T, A> fmt::Debug for Row<S, T, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:#x})", self.info.name, self.key)
    }
}

impl<S: Space, T, A> Row<S, T, A> {
    /// A row; `spec!` writes these.
    #[inline(always)]
    pub const fn new(key: u32, info: &'static RowInfo) -> Self {
        Row {
            key,
            info,
            kind: PhantomData,
        }
    }
    /// What the raw call takes: id, encoding, index or packed number.
    #[inline(always)]
    pub const fn key(self) -> u32 {
        self.key
    }
    /// What the table says about the row.
    #[inline(always)]
    pub const fn info(self) -> &'static RowInfo {
        self.info
    }
    /// The same row with values of another type.
    #[inline(always)]
    pub const fn cast<U>(self) -> Row<S, U, A> {
        Row::new(self.key, self.info)
    }
    /// Its name in the manual.
    pub const fn name(self) -> &'static str {
        self.info.name
    }
}

/// General register.
pub type Register<T, A = ReadWrite> = Row<space::General, T, A>;
/// AArch64 Q register.
pub type SimdRegister<T = u128, A = ReadWrite> = Row<space::Simd, T, A>;
/// VMCS field.
pub type VmcsField<T, A = ReadWrite> = Row<space::Vmcs, T, A>;
/// Model-specific register; `S` is [`space::MsrInVmcs`] where the VMCS holds its value.
pub type Msr<T, A = ReadWrite, S = space::Msr> = Row<S, T, A>;
/// AArch64 system register.
pub type SystemRegister<T, A = ReadWrite> = Row<space::System, T, A>;
/// VMX capability.
pub type Capability<T = u64, A = ReadOnly> = Row<space::Capability, T, A>;
/// AArch64 feature register.
pub type FeatureRegister<T, A = ReadOnly> = Row<space::Feature, T, A>;
/// GIC distributor register.
pub type GicDistributorRegister<T, A = ReadWrite> = Row<space::GicDistributor, T, A>;
/// GIC redistributor register.
pub type GicRedistributorRegister<T, A = ReadWrite> = Row<space::GicRedistributor, T, A>;
/// GIC CPU interface register.
pub type GicIccRegister<T, A = ReadWrite> = Row<space::GicIcc, T, A>;
/// GIC hypervisor interface register.
pub type GicIchRegister<T, A = ReadWrite> = Row<space::GicIch, T, A>;
/// GIC virtual CPU interface register.
pub type GicIcvRegister<T, A = ReadWrite> = Row<space::GicIcv, T, A>;
/// GIC MSI frame register.
pub type GicMsiRegister<T, A = ReadWrite> = Row<space::GicMsi, T, A>;

/// The raw step of reading a row of space `S`: what a vCPU implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no rows of `{S}`",
    label = "not a row of `{Self}`"
)]
pub trait RawRead<S: Space> {
    /// Reads the row with this key.
    fn raw_read(&self, key: u32) -> Result<S::Word, Code>;
}

/// The raw step of writing a row of space `S`: what a vCPU implements.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no rows of `{S}`",
    label = "not a row of `{Self}`"
)]
pub trait RawWrite<S: Space> {
    /// Writes the row with this key.
    fn raw_write(&mut self, key: u32, value: S::Word) -> Result<(), Code>;
}

impl<V: RawRead<space::Vmcs>> RawRead<space::MsrInVmcs> for V {
    #[inline(always)]
    fn raw_read(&self, key: u32) -> Result<u64, Code> {
        RawRead::<space::Vmcs>::raw_read(self, key)
    }
}

impl<V: RawWrite<space::Vmcs>> RawWrite<space::MsrInVmcs> for V {
    #[inline(always)]
    fn raw_write(&mut self, key: u32, value: u64) -> Result<(), Code> {
        RawWrite::<space::Vmcs>::raw_write(self, key, value)
    }
}

/// A row that can be read from a `V`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from `{V}`",
    note = "the framework gives no read access to this row, or `{V}` has no rows of this kind"
)]
pub trait Readable<V> {
    /// Type of the value.
    type Value: Bits;
    /// What the table says about the row.
    fn row_info(&self) -> &'static RowInfo;
    /// Reads it: the raw call and a conversion that costs nothing.
    fn read_from(&self, vcpu: &V) -> Result<Self::Value, Code>;
}

/// A row that can be written to a `V`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written to `{V}`",
    note = "the framework gives no write access to this row, or `{V}` has no rows of this kind"
)]
pub trait Writable<V> {
    /// Type of the value.
    type Value: Bits;
    /// What the table says about the row.
    fn row_info(&self) -> &'static RowInfo;
    /// Writes it: a conversion that costs nothing and the raw call.
    fn write_to(&self, vcpu: &mut V, value: Self::Value) -> Result<(), Code>;
}

impl<S: Space, T: Bits, A: CanRead, V: RawRead<S>> Readable<V> for Row<S, T, A> {
    type Value = T;
    #[inline(always)]
    fn row_info(&self) -> &'static RowInfo {
        self.info
    }
    #[inline(always)]
    fn read_from(&self, vcpu: &V) -> Result<T, Code> {
        match vcpu.raw_read(self.key) {
            Ok(word) => Ok(T::from_u128(word.into_u128())),
            Err(code) => Err(code),
        }
    }
}

impl<S: Space, T: Bits, A: CanWrite, V: RawWrite<S>> Writable<V> for Row<S, T, A> {
    type Value = T;
    #[inline(always)]
    fn row_info(&self) -> &'static RowInfo {
        self.info
    }
    #[inline(always)]
    fn write_to(&self, vcpu: &mut V, value: T) -> Result<(), Code> {
        vcpu.raw_write(self.key, S::Word::from_u128(value.into_u128()))
    }
}

/// A control word of the VMCS: which settings a processor allows is told by a capability.
pub trait Controls: Bits {
    /// The field that holds the word, if the table names it.
    const FIELD: Option<VmcsField<Self, ReadWrite>>;
    /// The capability that tells the allowed settings, if the table names it.
    const CAPABILITY: Option<Capability>;
    /// Bits that are 1 by default.
    const DEFAULT1: u64;
    /// Bits that are 1 by default where the TRUE capability MSRs exist.
    const TRUE_DEFAULT1: u64;

    /// The word nearest to `self` that `capability` allows: low half = bits forced to 1, high half = bits allowed to be 1
    /// (Intel SDM vol. 3, A.3.1).
    fn adjusted(self, capability: u64) -> Self {
        let (must, may) = (capability & 0xffff_ffff, capability >> 32);
        Self::from_u128((self.into_u128() | u128::from(must)) & u128::from(may))
    }

    /// The bits of `self` that `capability` does not allow to be 1.
    fn refused(self, capability: u64) -> Self {
        Self::from_u128(self.into_u128() & !u128::from(capability >> 32))
    }
}
