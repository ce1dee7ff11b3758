//! How the versions of uhyve's interface differ: numbers of the calls, places of their parameters, forms of the answers. `hypercall`
//! reads its requests by these tables. Numbers and layouts are those of the crate `uhyve-interface`.

use core::mem::offset_of;

use uhyve_interface::{v1, v2};

use crate::guest_access::GuestAddress;

/// Where a result goes, and in which form.
#[derive(Debug, Clone, Copy)]
pub(super) enum Answer {
    None,
    /// An `i32`.
    Narrow(usize),
    /// An `i64`.
    Wide(usize),
    /// An `i64` that knows no other error than -1.
    Coarse(usize),
}

/// What the calls of all versions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Call {
    Exit,
    PrintByte,
    Print,
    Write,
    Read,
    Seek,
    Open,
    Close,
    Unlink,
    CommandLineSizes,
    CommandLine,
}

/// How the versions differ: which numbers calls have, where parameters lie, and how a result is told.
pub(super) struct Interface {
    /// Whether a number is one of the version's.
    pub(super) knows: fn(u64) -> bool,
    /// Numbers of the calls that are decoded.
    pub(super) calls: &'static [(u64, Call)],
    /// Where the exit code is; `None` if it is passed itself.
    pub(super) exit: Option<usize>,
    pub(super) print: Buffer,
    pub(super) write: (Transfer, Answer),
    pub(super) read: (Transfer, Answer),
    pub(super) seek: (Seek, Answer),
    /// What addresses of files' buffers are.
    pub(super) address: fn(u64) -> GuestAddress,
}

/// Offsets of an address and a length.
pub(super) struct Buffer {
    pub(super) address: usize,
    pub(super) size: usize,
}

/// Offsets of the parameters of a read or write.
pub(super) struct Transfer {
    pub(super) fd: usize,
    pub(super) buffer: Buffer,
}

/// Offsets of the parameters of a seek.
pub(super) struct Seek {
    pub(super) fd: usize,
    pub(super) offset: usize,
    pub(super) whence: usize,
}

/// Offsets of the members of one of `uhyve-interface`'s structures: they have the same names in all versions.
macro_rules! offsets {
    (Buffer, $parameters:ty) => {
        Buffer {
            address: offset_of!($parameters, buf),
            size: offset_of!($parameters, len),
        }
    };
    (Transfer, $parameters:ty) => {
        Transfer {
            fd: offset_of!($parameters, fd),
            buffer: offsets!(Buffer, $parameters),
        }
    };
    (Seek, $parameters:ty) => {
        Seek {
            fd: offset_of!($parameters, fd),
            offset: offset_of!($parameters, offset),
            whence: offset_of!($parameters, whence),
        }
    };
}

pub(super) static FIRST: Interface = {
    use v1::HypercallAddress as Number;
    use v1::parameters::*;
    Interface {
        knows: |number| u16::try_from(number).is_ok_and(|port| Number::try_from(port).is_ok()),
        calls: &[
            (Number::Exit as u64, Call::Exit),
            (Number::Uart as u64, Call::PrintByte),
            (Number::SerialBufferWrite as u64, Call::Print),
            (Number::FileWrite as u64, Call::Write),
            (Number::FileRead as u64, Call::Read),
            (Number::FileLseek as u64, Call::Seek),
            (Number::FileOpen as u64, Call::Open),
            (Number::FileClose as u64, Call::Close),
            (Number::FileUnlink as u64, Call::Unlink),
            (Number::Cmdsize as u64, Call::CommandLineSizes),
            (Number::Cmdval as u64, Call::CommandLine),
        ],
        exit: Some(offset_of!(ExitParams, arg)),
        print: offsets!(Buffer, SerialWriteBufferParams),
        write: (offsets!(Transfer, WriteParams), Answer::None),
        read: (
            offsets!(Transfer, ReadParams),
            Answer::Wide(offset_of!(ReadParams, ret)),
        ),
        seek: (
            offsets!(Seek, LseekParams),
            Answer::Coarse(offset_of!(LseekParams, offset)),
        ),
        address: GuestAddress::Virtual,
    }
};

/// Versions 2 and 3: the latter adds calls that are not decoded.
pub(super) static SECOND: Interface = {
    use v2::HypercallAddress as Number;
    use v2::parameters::*;
    Interface {
        knows: |number| Number::try_from(number).is_ok(),
        calls: &[
            (Number::Exit as u64, Call::Exit),
            (Number::SerialWriteByte as u64, Call::PrintByte),
            (Number::SerialWriteBuffer as u64, Call::Print),
            (Number::FileWrite as u64, Call::Write),
            (Number::FileRead as u64, Call::Read),
            (Number::FileLseek as u64, Call::Seek),
            (Number::FileOpen as u64, Call::Open),
            (Number::FileClose as u64, Call::Close),
            (Number::FileUnlink as u64, Call::Unlink),
        ],
        exit: None,
        print: offsets!(Buffer, SerialWriteBufferParams),
        write: (
            offsets!(Transfer, WriteParams),
            Answer::Wide(offset_of!(WriteParams, ret)),
        ),
        read: (
            offsets!(Transfer, ReadParams),
            Answer::Wide(offset_of!(ReadParams, ret)),
        ),
        seek: (
            offsets!(Seek, LseekParams),
            Answer::Wide(offset_of!(LseekParams, offset)),
        ),
        address: GuestAddress::Physical,
    }
};
