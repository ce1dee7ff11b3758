//! What the tables say about their rows, for dumps, snapshots, errors and tests: no behaviour.

use core::fmt;

use super::bits::Bits;
use super::row::Access;

/// Version of macOS, such as 10.10.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u8, pub u8, pub u8);

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Version(major, minor, patch) = *self;
        match patch {
            0 => write!(f, "{major}.{minor}"),
            _ => write!(f, "{major}.{minor}.{patch}"),
        }
    }
}

/// What kind of row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// General register.
    Register,
    /// Vector register.
    Simd,
    /// VMCS field.
    Vmcs,
    /// Model-specific register.
    Msr,
    /// AArch64 system register.
    SystemRegister,
    /// VMX capability.
    Capability,
    /// AArch64 feature register.
    FeatureRegister,
    /// GIC distributor register.
    GicDistributor,
    /// GIC redistributor register.
    GicRedistributor,
    /// GIC CPU interface register.
    GicIcc,
    /// GIC hypervisor interface register.
    GicIch,
    /// GIC virtual CPU interface register.
    GicIcv,
    /// GIC MSI frame register.
    GicMsi,
}

/// What the framework does with a client's write to a VMCS field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VmcsClass {
    /// Accepted.
    Rw,
    /// Accepted where a control or a value allows it.
    Cond,
    /// Read only.
    Ro,
    /// Neither read nor written.
    Hidden,
    /// Write refused.
    Refused,
    /// Accepted, though no header says so.
    Undocumented,
    /// The framework's own.
    Framework,
    /// Nobody has told.
    Unknown,
}

/// How a client reaches an MSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Route {
    /// `hv_vcpu_enable_native_msr`, then the MSR calls.
    Native,
    /// `hv_vcpu_enable_managed_msr`, then the MSR calls.
    Managed,
    /// The VMCS field with this encoding holds it.
    Vmcs(u32),
    /// The framework does not know it: the client answers the guest's exits.
    Emulated,
}

/// Whether a snapshot has the row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Save {
    /// As its access says.
    Auto,
    /// No: the same state as another row.
    AliasOf(&'static str),
    /// No, for this reason.
    No(&'static str),
}

/// A row of a table. `spec!` writes these from [`RowInfo::EMPTY`]: build one only through it.
#[derive(Clone, Copy, Debug)]
pub struct RowInfo {
    /// Kind of row.
    pub kind: Kind,
    /// Id, encoding, index or packed number.
    pub key: u32,
    /// Name in the manual.
    pub name: &'static str,
    /// Width in bits.
    pub width: u32,
    /// VMCS: as wide as the processor's registers.
    pub natural: bool,
    /// Whether it can be read.
    pub readable: bool,
    /// Whether it can be written.
    pub writable: bool,
    /// VMCS: class of a write.
    pub class: Option<VmcsClass>,
    /// VMCS: encoding of the high half.
    pub high: Option<u32>,
    /// MSR: ways to it.
    pub routes: &'static [Route],
    /// AArch64: op0, op1, CRn, CRm, op2.
    pub ops: Option<[u8; 5]>,
    /// Why the number differs from the one computed from `ops`.
    pub departure: Option<&'static str>,
    /// Apple's names, the newest first.
    pub apple: &'static [&'static str],
    /// First macOS whose headers have it.
    pub since: Option<Version>,
    /// Last macOS before it was deprecated.
    pub deprecated: Option<Version>,
    /// What the host or the VM must have.
    pub requires: &'static [&'static str],
    /// Name of the value's type.
    pub type_name: &'static str,
    /// Bit fields of the value.
    pub fields: &'static [FieldInfo],
    /// Named values.
    pub values: &'static [ValueInfo],
    /// One line about it.
    pub doc: &'static str,
    /// Document and place.
    pub cite: &'static str,
    /// What is not verified about the row.
    pub unsure: Option<&'static str>,
    /// Snapshot: whether it is saved.
    pub save: Save,
    /// Snapshot: saved, but neither compared nor restored.
    pub volatile: bool,
    /// Snapshot: absence or refusal on a host is reported, not an error.
    pub optional: bool,
    /// Snapshot: place in the write order.
    pub order: i32,
    /// Snapshot: the row that must be written before this one.
    pub after: Option<&'static str>,
}

impl RowInfo {
    /// What a row is that says nothing.
    pub const EMPTY: RowInfo = RowInfo {
        kind: Kind::Register,
        key: 0,
        name: "",
        width: 64,
        natural: false,
        readable: true,
        writable: true,
        class: None,
        high: None,
        routes: &[],
        ops: None,
        departure: None,
        apple: &[],
        since: None,
        deprecated: None,
        requires: &[],
        type_name: "u64",
        fields: &[],
        values: &[],
        doc: "",
        cite: "",
        unsure: None,
        save: Save::Auto,
        volatile: false,
        optional: false,
        order: 0,
        after: None,
    };

    /// This row with the type of its value and the access that the typed constant has.
    pub const fn typed<T: Bits, A: Access>(mut self) -> RowInfo {
        self.type_name = T::NAME;
        self.fields = T::FIELDS;
        self.values = T::VALUES;
        self.readable = A::READ;
        self.writable = A::WRITE;
        self
    }

    /// The value in words: `Rflags(0x246: ID | IOPL=3)`, a named value, or the plain number.
    pub fn describe(&self, value: u128) -> String {
        super::print::describe(self.fields, self.values, value)
    }
}

/// A named value.
#[derive(Clone, Copy, Debug)]
pub struct ValueInfo {
    /// Name in the table.
    pub name: &'static str,
    /// The value as bits.
    pub value: u128,
    /// Apple's names, the newest first.
    pub apple: &'static [&'static str],
    /// First macOS whose headers have it.
    pub since: Option<Version>,
    /// The name that the table gives first to the same value.
    pub alias_of: Option<&'static str>,
    /// What is not verified.
    pub unsure: Option<&'static str>,
    /// One line about it.
    pub doc: &'static str,
}

impl ValueInfo {
    /// A value of which the table tells only name and number.
    pub const EMPTY: ValueInfo = ValueInfo {
        name: "",
        value: 0,
        apple: &[],
        since: None,
        alias_of: None,
        unsure: None,
        doc: "",
    };
}

/// Bits that have no meaning of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reserved {
    /// Zero.
    Zero,
    /// One.
    One,
    /// Not defined.
    Undefined,
    /// Whatever the writer likes.
    Ignored,
}

/// What a field's bits mean.
#[derive(Clone, Copy, Debug)]
pub enum FieldKind {
    /// One bit, a constant of the type.
    Flag,
    /// A number.
    Number,
    /// A value of another type: its fields and names.
    Typed {
        /// Name of the type.
        name: &'static str,
        /// Its bit fields.
        fields: &'static [FieldInfo],
        /// Its named values.
        values: &'static [ValueInfo],
    },
    /// No meaning.
    Reserved(Reserved),
}

impl FieldKind {
    /// The kind of a field whose getter returns a `T`.
    pub const fn typed<T: Bits>() -> FieldKind {
        FieldKind::Typed {
            name: T::NAME,
            fields: T::FIELDS,
            values: T::VALUES,
        }
    }
}

/// A bit field.
#[derive(Clone, Copy, Debug)]
pub struct FieldInfo {
    /// Name in the manual; empty for reserved bits.
    pub name: &'static str,
    /// Highest bit.
    pub msb: u8,
    /// Lowest bit.
    pub lsb: u8,
    /// What the bits mean.
    pub kind: FieldKind,
    /// `ro`, `wo`, `w1c`, or empty where the table says nothing.
    pub access: &'static str,
    /// Apple's names (control words), the newest first.
    pub apple: &'static [&'static str],
    /// First macOS whose headers have it.
    pub since: Option<Version>,
    /// What is not verified.
    pub unsure: Option<&'static str>,
    /// One line about it.
    pub doc: &'static str,
}

impl FieldInfo {
    /// A flag of which the table tells nothing.
    pub const EMPTY: FieldInfo = FieldInfo {
        name: "",
        msb: 0,
        lsb: 0,
        kind: FieldKind::Flag,
        access: "",
        apple: &[],
        since: None,
        unsure: None,
        doc: "",
    };

    /// The field's bits, shifted down.
    pub const fn extract(&self, value: u128) -> u128 {
        let width = self.msb as u32 - self.lsb as u32 + 1;
        (value >> self.lsb) & (u128::MAX >> (128 - width))
    }
}

/// A row of an `exits` table.
#[derive(Clone, Copy, Debug)]
pub struct ExitInfo {
    /// The reason's number.
    pub number: u32,
    /// Its name.
    pub name: &'static str,
    /// Apple's names, the newest first.
    pub apple: &'static [&'static str],
    /// First macOS whose headers have it.
    pub since: Option<Version>,
    /// Names and types of the details.
    pub payload: &'static [(&'static str, &'static str)],
    /// What is not verified.
    pub unsure: Option<&'static str>,
    /// One line about it.
    pub doc: &'static str,
}

impl ExitInfo {
    /// An exit of which the table tells nothing.
    pub const EMPTY: ExitInfo = ExitInfo {
        number: 0,
        name: "",
        apple: &[],
        since: None,
        payload: &[],
        unsure: None,
        doc: "",
    };
}

/// A row of an `instructions` table.
#[derive(Clone, Copy, Debug)]
pub struct InstructionInfo {
    /// Name in the table; `_` for patterns without an instruction.
    pub name: &'static str,
    /// The fixed bits.
    pub mask: u32,
    /// What they are.
    pub value: u32,
    /// The fields, highest first.
    pub fields: &'static [PatternField],
    /// Rows whose pattern also matches, and over which this one goes.
    pub overrides: &'static [&'static str],
    /// One line about it.
    pub doc: &'static str,
}

/// A field of an instruction.
#[derive(Clone, Copy, Debug)]
pub struct PatternField {
    /// Name in the manual.
    pub name: &'static str,
    /// Highest bit.
    pub msb: u8,
    /// Lowest bit.
    pub lsb: u8,
    /// Whether the highest bit is a sign.
    pub signed: bool,
}
