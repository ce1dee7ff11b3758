//! Hypercalls of Hermit's kernels, in the versions 1 to 3 of uhyve's interface: decoded to what the guest wants, and answered where
//! the version has its result. Numbers and layouts are those of the crate `uhyve-interface`.
//!
//! On x86_64 a hypercall is an OUT to its number: version 1 puts the address of the parameters into EAX, 2 and 3 into RDI. On AArch64 it
//! is a store of that address to the hypercall's. Version 1 names the buffers of files by virtual address, the others by guest-physical
//! address.

use core::mem::offset_of;

use uhyve_interface::v1::{self, MAX_ARGC_ENVC};
use uhyve_interface::v2;

use crate::error::Error;
use crate::guest_access::{GuestAccess, GuestAddress};
use crate::guest_memory::Gpa;
use crate::scalar::Scalar;
use crate::{aarch64, x86_64};

/// Longest path of a guest, in bytes.
const LONGEST_PATH: usize = 4096;

/// What the guest wants. File descriptors are the VMM's; 0 to 2 are console input and output. Flags and `whence` are the constants of
/// `uhyve-interface`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names say what the fields are")]
pub enum Request {
    /// The guest is done.
    Exit { code: i32 },
    /// One byte for the console.
    PrintByte { byte: u8 },
    /// Bytes for the console.
    Print { from: GuestAddress, size: u64 },
    /// Bytes for a file. Answer how many were written.
    Write {
        fd: i32,
        from: GuestAddress,
        size: u64,
    },
    /// Bytes of a file are wanted. Answer how many there were.
    Read {
        fd: i32,
        to: GuestAddress,
        size: u64,
    },
    /// Answer the new place in the file.
    Seek { fd: i32, offset: i64, whence: i32 },
    /// Answer the file descriptor.
    Open { path: String, flags: i32, mode: i32 },
    /// Answer 0.
    Close { fd: i32 },
    /// Answer 0.
    Unlink { path: String },
    /// How long arguments and environment are: [`Hypercall::finish_command_line`].
    CommandLineSizes,
    /// Arguments and environment: [`Hypercall::finish_command_line`].
    CommandLine,
    /// One that is not decoded, by its number.
    Other { number: u64 },
}

/// A hypercall that waits for its answer; the exit that it came by has to be finished besides.
#[derive(Debug)]
#[must_use = "the guest waits for the result"]
pub struct Hypercall {
    request: Request,
    parameters: Gpa,
    answer: Answer,
}

/// Where a result goes, and in which form.
#[derive(Debug, Clone, Copy)]
enum Answer {
    None,
    /// An `i32`.
    Narrow(usize),
    /// An `i64`.
    Wide(usize),
    /// An `i64` that knows no other error than -1.
    Coarse(usize),
}

/// The parameters of a hypercall in guest memory.
struct Parameters<'g, G>(&'g G, Gpa);

impl<G: GuestAccess> Parameters<'_, G> {
    fn get<T: Scalar>(&self, offset: usize) -> Result<T, Error> {
        self.0.read_value(behind(self.1, offset))
    }

    fn path(&self, offset: usize) -> Result<String, Error> {
        self.0.read_text(Gpa(self.get(offset)?), LONGEST_PATH)
    }
}

fn behind(gpa: Gpa, offset: usize) -> Gpa {
    // A wrapped address is as good as any that a guest invents: memory is bounds-checked.
    Gpa(gpa.0.wrapping_add(offset as u64))
}

impl Hypercall {
    /// Decodes the hypercall with this number, whose parameters (or value) are `data`; `None` if there is none with this number.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the parameters or a path are not in the guest's memory, [`Error::Argument`] for a path that is no UTF-8.
    pub fn decode(guest: &impl GuestAccess, number: u64, data: u64) -> Result<Option<Self>, Error> {
        let parameters = Parameters(guest, Gpa(data));
        let first = u16::try_from(number).map(v1::HypercallAddress::try_from);
        let (request, answer) = match (v2::HypercallAddress::try_from(number), first) {
            (Ok(call), _) => second(&parameters, call, data)?,
            (_, Ok(Ok(call))) => self::first(&parameters, call, data)?,
            _ => return Ok(None),
        };
        Ok(Some(Self {
            request,
            parameters: Gpa(data),
            answer,
        }))
    }

    /// What is wanted.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.request
    }

    /// Tells the guest the result: a number, or the error number of Hermit that it failed with (positive).
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if there is no memory for it.
    pub fn finish(self, guest: &impl GuestAccess, result: Result<u64, i32>) -> Result<(), Error> {
        let result = result.map_or_else(|error| -i64::from(error), u64::cast_signed);
        let at = |offset| behind(self.parameters, offset);
        match self.answer {
            Answer::None => Ok(()),
            Answer::Narrow(offset) => guest.write_value(at(offset), result as i32),
            Answer::Wide(offset) => guest.write_value(at(offset), result),
            Answer::Coarse(offset) => guest.write_value(at(offset), result.max(-1)),
        }
    }

    /// Answers [`Request::CommandLineSizes`] and [`Request::CommandLine`]. The first argument is the program's name. More than 128 of
    /// either are not told.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the guest has no memory where it wants them.
    pub fn finish_command_line(
        self,
        guest: &impl GuestAccess,
        arguments: &[String],
        environment: &[String],
    ) -> Result<(), Error> {
        let sizes = self.request == Request::CommandLineSizes;
        let at = |offset| behind(self.parameters, offset);
        let places = [
            (
                arguments,
                offset_of!(v1::parameters::CmdsizeParams, argc),
                offset_of!(v1::parameters::CmdsizeParams, argsz),
                offset_of!(v1::parameters::CmdvalParams, argv),
            ),
            (
                environment,
                offset_of!(v1::parameters::CmdsizeParams, envc),
                offset_of!(v1::parameters::CmdsizeParams, envsz),
                offset_of!(v1::parameters::CmdvalParams, envp),
            ),
        ];
        for (texts, count, lengths, addresses) in places {
            let texts = &texts[..texts.len().min(MAX_ARGC_ENVC)];
            if sizes {
                guest.write_value(at(count), texts.len() as i32)?;
                let each = texts
                    .iter()
                    .flat_map(|text| (text.len() as i32 + 1).to_le_bytes());
                guest.write_physical(at(lengths), &each.collect::<Vec<u8>>())?;
            } else {
                let list = Gpa(guest.read_value(at(addresses))?);
                for (number, text) in texts.iter().enumerate() {
                    let place = guest.read_value(behind(list, number * size_of::<u64>()))?;
                    guest.write_physical(Gpa(place), &[text.as_bytes(), &[0]].concat())?;
                }
            }
        }
        Ok(())
    }
}

fn first<G: GuestAccess>(
    p: &Parameters<'_, G>,
    call: v1::HypercallAddress,
    data: u64,
) -> Result<(Request, Answer), Error> {
    use v1::HypercallAddress as Call;
    use v1::parameters::{
        ExitParams, LseekParams, ReadParams, SerialWriteBufferParams, WriteParams,
    };
    Ok(match call {
        Call::Exit => {
            let code = p.get(offset_of!(ExitParams, arg))?;
            (Request::Exit { code }, Answer::None)
        }
        Call::Uart => (Request::PrintByte { byte: data as u8 }, Answer::None),
        Call::SerialBufferWrite => {
            let from = GuestAddress::Physical(p.get(offset_of!(SerialWriteBufferParams, buf))?);
            let size = p.get(offset_of!(SerialWriteBufferParams, len))?;
            (Request::Print { from, size }, Answer::None)
        }
        Call::FileWrite => {
            let request = Request::Write {
                fd: p.get(offset_of!(WriteParams, fd))?,
                from: GuestAddress::Virtual(p.get(offset_of!(WriteParams, buf))?),
                size: p.get(offset_of!(WriteParams, len))?,
            };
            (request, Answer::None)
        }
        Call::FileRead => {
            let request = Request::Read {
                fd: p.get(offset_of!(ReadParams, fd))?,
                to: GuestAddress::Virtual(p.get(offset_of!(ReadParams, buf))?),
                size: p.get(offset_of!(ReadParams, len))?,
            };
            (request, Answer::Wide(offset_of!(ReadParams, ret)))
        }
        Call::FileLseek => {
            let request = Request::Seek {
                fd: p.get(offset_of!(LseekParams, fd))?,
                offset: p.get(offset_of!(LseekParams, offset))?,
                whence: p.get(offset_of!(LseekParams, whence))?,
            };
            (request, Answer::Coarse(offset_of!(LseekParams, offset)))
        }
        Call::FileOpen => open(p)?,
        Call::FileClose => close(p)?,
        Call::FileUnlink => unlink(p)?,
        Call::Cmdsize => (Request::CommandLineSizes, Answer::None),
        Call::Cmdval => (Request::CommandLine, Answer::None),
        other => (
            Request::Other {
                number: other as u64,
            },
            Answer::None,
        ),
    })
}

fn second<G: GuestAccess>(
    p: &Parameters<'_, G>,
    call: v2::HypercallAddress,
    data: u64,
) -> Result<(Request, Answer), Error> {
    use v2::HypercallAddress as Call;
    use v2::parameters::{LseekParams, ReadParams, SerialWriteBufferParams, WriteParams};
    Ok(match call {
        Call::Exit => (Request::Exit { code: data as i32 }, Answer::None),
        Call::SerialWriteByte => (Request::PrintByte { byte: data as u8 }, Answer::None),
        Call::SerialWriteBuffer => {
            let from = GuestAddress::Physical(p.get(offset_of!(SerialWriteBufferParams, buf))?);
            let size = p.get(offset_of!(SerialWriteBufferParams, len))?;
            (Request::Print { from, size }, Answer::None)
        }
        Call::FileWrite => {
            let request = Request::Write {
                fd: p.get(offset_of!(WriteParams, fd))?,
                from: GuestAddress::Physical(p.get(offset_of!(WriteParams, buf))?),
                size: p.get(offset_of!(WriteParams, len))?,
            };
            (request, Answer::Wide(offset_of!(WriteParams, ret)))
        }
        Call::FileRead => {
            let request = Request::Read {
                fd: p.get(offset_of!(ReadParams, fd))?,
                to: GuestAddress::Physical(p.get(offset_of!(ReadParams, buf))?),
                size: p.get(offset_of!(ReadParams, len))?,
            };
            (request, Answer::Wide(offset_of!(ReadParams, ret)))
        }
        Call::FileLseek => {
            let request = Request::Seek {
                fd: p.get(offset_of!(LseekParams, fd))?,
                offset: p.get(offset_of!(LseekParams, offset))?,
                whence: p.get(offset_of!(LseekParams, whence))?,
            };
            (request, Answer::Wide(offset_of!(LseekParams, offset)))
        }
        Call::FileOpen => open(p)?,
        Call::FileClose => close(p)?,
        Call::FileUnlink => unlink(p)?,
        other => (
            Request::Other {
                number: other as u64,
            },
            Answer::None,
        ),
    })
}

/// The three calls that all versions have alike.
fn open<G: GuestAccess>(p: &Parameters<'_, G>) -> Result<(Request, Answer), Error> {
    use v1::parameters::OpenParams;
    let request = Request::Open {
        path: p.path(offset_of!(OpenParams, name))?,
        flags: p.get(offset_of!(OpenParams, flags))?,
        mode: p.get(offset_of!(OpenParams, mode))?,
    };
    Ok((request, Answer::Narrow(offset_of!(OpenParams, ret))))
}

fn close<G: GuestAccess>(p: &Parameters<'_, G>) -> Result<(Request, Answer), Error> {
    use v1::parameters::CloseParams;
    let fd = p.get(offset_of!(CloseParams, fd))?;
    Ok((
        Request::Close { fd },
        Answer::Narrow(offset_of!(CloseParams, ret)),
    ))
}

fn unlink<G: GuestAccess>(p: &Parameters<'_, G>) -> Result<(Request, Answer), Error> {
    use v1::parameters::UnlinkParams;
    let path = p.path(offset_of!(UnlinkParams, name))?;
    Ok((
        Request::Unlink { path },
        Answer::Narrow(offset_of!(UnlinkParams, ret)),
    ))
}

impl x86_64::PortWrite<'_> {
    /// The hypercall of Hermit that this port stands for, if it is one.
    ///
    /// # Errors
    /// As [`Hypercall::decode`]; [`Error::Row`] if the engine refuses.
    pub fn hermit_hypercall(&mut self) -> Result<Option<Hypercall>, Error> {
        let (number, value) = (u64::from(self.port()), u64::from(self.value()));
        let in_rdi = v2::HypercallAddress::try_from(number).is_ok();
        let vcpu = self.vcpu();
        let data = if in_rdi {
            vcpu.read(x86_64::reg::RDI)?
        } else {
            value
        };
        Hypercall::decode(vcpu, number, data)
    }
}

impl aarch64::MmioWrite<'_> {
    /// The hypercall of Hermit that this address stands for, if it is one.
    ///
    /// # Errors
    /// As [`Hypercall::decode`].
    pub fn hermit_hypercall(&mut self) -> Result<Option<Hypercall>, Error> {
        let (number, data) = (self.gpa().0, self.value());
        Hypercall::decode(self.vcpu(), number, data)
    }
}
