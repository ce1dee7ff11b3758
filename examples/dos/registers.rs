//! The registers of a DOS call, as the functions of `int21` see them.

/// 16-bit registers, loaded from the vCPU before a call and stored after it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Registers {
    /// Accumulator: function number in its high half, results.
    pub ax: u16,
    /// Base: file handles.
    pub bx: u16,
    /// Count.
    pub cx: u16,
    /// Data: offsets of buffers and names.
    pub dx: u16,
    /// Source index.
    pub si: u16,
    /// Destination index.
    pub di: u16,
    /// Data segment.
    pub ds: u16,
    /// Extra segment.
    pub es: u16,
    /// The carry flag that the caller sees: an error.
    pub carry: bool,
    /// The zero flag that the caller sees: no key.
    pub zero: bool,
}

impl Registers {
    /// The high half of AX: the function.
    pub fn ah(&self) -> u8 {
        (self.ax >> 8) as u8
    }

    /// The low half of AX.
    pub fn al(&self) -> u8 {
        self.ax as u8
    }

    /// Sets the low half of AX.
    pub fn set_al(&mut self, value: u8) {
        self.ax = self.ax & 0xff00 | u16::from(value);
    }

    /// Ends a call without error.
    pub fn succeed(&mut self) {
        self.carry = false;
    }

    /// Ends a call with a DOS error code.
    pub fn fail(&mut self, error: DosError) {
        self.carry = true;
        self.ax = error.0;
    }
}

/// An error code of DOS (an open set: programs may see others elsewhere).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DosError(pub u16);

impl DosError {
    /// No such function.
    pub const INVALID_FUNCTION: Self = Self(1);
    /// No such file.
    pub const FILE_NOT_FOUND: Self = Self(2);
    /// No such folder.
    pub const PATH_NOT_FOUND: Self = Self(3);
    /// All handles are in use.
    pub const TOO_MANY_OPEN_FILES: Self = Self(4);
    /// Not allowed.
    pub const ACCESS_DENIED: Self = Self(5);
    /// No such handle.
    pub const INVALID_HANDLE: Self = Self(6);
    /// No memory left; BX tells how much there is.
    pub const INSUFFICIENT_MEMORY: Self = Self(8);
    /// Nothing more to find.
    pub const NO_MORE_FILES: Self = Self(18);

    /// What DOS would say for a host's error.
    pub fn of(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound => Self::FILE_NOT_FOUND,
            std::io::ErrorKind::NotADirectory => Self::PATH_NOT_FOUND,
            _ => Self::ACCESS_DENIED,
        }
    }
}
