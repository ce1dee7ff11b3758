//! Hypercalls of Hermit's kernels, in the versions 1 to 3 of uhyve's interface: decoded to what the guest wants, and answered where
//! the version has its result. What the versions have different is in the tables of `interface`.
//!
//! On x86_64 a hypercall is an OUT to its number: version 1 puts the address of the parameters into EAX, 2 and 3 into RDI. On AArch64 it
//! is a store of that address to the hypercall's. Version 1 names the buffers of files by virtual address, the others by guest-physical
//! address.

use core::mem::offset_of;

use uhyve_interface::v1::{self, MAX_ARGC_ENVC};

use super::interface::{Answer, Call, FIRST, Interface, SECOND};
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
        let Some(interface) = [&SECOND, &FIRST].into_iter().find(|i| (i.knows)(number)) else {
            return Ok(None);
        };
        let call = interface.calls.iter().find(|(known, _)| *known == number);
        let (request, answer) = match call {
            Some((_, call)) => interface.decode(*call, &Parameters(guest, Gpa(data)), data)?,
            None => (Request::Other { number }, Answer::None),
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

impl Interface {
    fn decode<G: GuestAccess>(
        &self,
        call: Call,
        p: &Parameters<'_, G>,
        data: u64,
    ) -> Result<(Request, Answer), Error> {
        use v1::parameters::{CloseParams, OpenParams, UnlinkParams};
        let silent = |request| (request, Answer::None);
        Ok(match call {
            Call::Exit => silent(Request::Exit {
                code: match self.exit {
                    Some(offset) => p.get(offset)?,
                    None => data as i32,
                },
            }),
            Call::PrintByte => silent(Request::PrintByte { byte: data as u8 }),
            Call::Print => silent(Request::Print {
                from: GuestAddress::Physical(p.get(self.print.address)?),
                size: p.get(self.print.size)?,
            }),
            Call::Write => {
                let (at, answer) = &self.write;
                let request = Request::Write {
                    fd: p.get(at.fd)?,
                    from: (self.address)(p.get(at.buffer.address)?),
                    size: p.get(at.buffer.size)?,
                };
                (request, *answer)
            }
            Call::Read => {
                let (at, answer) = &self.read;
                let request = Request::Read {
                    fd: p.get(at.fd)?,
                    to: (self.address)(p.get(at.buffer.address)?),
                    size: p.get(at.buffer.size)?,
                };
                (request, *answer)
            }
            Call::Seek => {
                let (at, answer) = &self.seek;
                let request = Request::Seek {
                    fd: p.get(at.fd)?,
                    offset: p.get(at.offset)?,
                    whence: p.get(at.whence)?,
                };
                (request, *answer)
            }
            // All versions have these three alike.
            Call::Open => {
                let request = Request::Open {
                    path: p.path(offset_of!(OpenParams, name))?,
                    flags: p.get(offset_of!(OpenParams, flags))?,
                    mode: p.get(offset_of!(OpenParams, mode))?,
                };
                (request, Answer::Narrow(offset_of!(OpenParams, ret)))
            }
            Call::Close => {
                let fd = p.get(offset_of!(CloseParams, fd))?;
                let answer = Answer::Narrow(offset_of!(CloseParams, ret));
                (Request::Close { fd }, answer)
            }
            Call::Unlink => {
                let path = p.path(offset_of!(UnlinkParams, name))?;
                let answer = Answer::Narrow(offset_of!(UnlinkParams, ret));
                (Request::Unlink { path }, answer)
            }
            Call::CommandLineSizes => silent(Request::CommandLineSizes),
            Call::CommandLine => silent(Request::CommandLine),
        })
    }
}

impl x86_64::PortWrite<'_> {
    /// The hypercall of Hermit that this port stands for, if it is one.
    ///
    /// # Errors
    /// As [`Hypercall::decode`]; [`Error::Row`] if the engine refuses.
    pub fn hermit_hypercall(&mut self) -> Result<Option<Hypercall>, Error> {
        let (number, value) = (u64::from(self.port()), u64::from(self.value()));
        let in_rdi = (SECOND.knows)(number);
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
