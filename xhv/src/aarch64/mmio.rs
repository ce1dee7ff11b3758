//! Loads and stores of the guest to addresses without memory, answered one access at a time.
//!
//! Where the syndrome says what is transferred it is believed; where it does not (pairs, writeback, SIMD, atomics) the instruction
//! is decoded in `plan.rs`.

use super::exit::{DataAbort, Exit, RawExit, Undecoded};
use super::exits::{FaultStatus, IssDataAbort};
use super::inject::Exception;
use super::plan;
use super::transfer::Part;
use super::vcpu::Vcpu;
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::memory::Permissions;

/// A load that waits for its value.
#[derive(Debug)]
#[must_use]
pub struct MmioRead<'a> {
    vcpu: &'a mut Vcpu,
    access: Access,
    target: Target,
}

/// A store that waits for its effect.
#[derive(Debug)]
#[must_use]
pub struct MmioWrite<'a> {
    vcpu: &'a mut Vcpu,
    access: Access,
    value: u64,
    is_part: bool,
}

#[derive(Debug, Clone, Copy)]
struct Access {
    gpa: Gpa,
    virtual_address: u64,
    size: u8,
}

/// Where a loaded value goes.
#[derive(Debug, Clone, Copy)]
enum Target {
    /// A register, as the syndrome says.
    Register { rt: u8, signed: bool, wide: bool },
    /// The instruction's plan.
    Part,
}

macro_rules! access {
    ($name:ident) => {
        impl $name<'_> {
            /// The guest-physical address.
            #[must_use]
            pub fn gpa(&self) -> Gpa {
                self.access.gpa
            }

            /// The virtual address that the guest used.
            #[must_use]
            pub fn virtual_address(&self) -> u64 {
                self.access.virtual_address
            }

            /// How many bytes: 1, 2, 4 or 8. Wider instructions come in several accesses, in ascending order.
            #[must_use]
            pub fn size(&self) -> u8 {
                self.access.size
            }

            /// The vCPU, for anything that the guard does not offer.
            pub fn vcpu(&mut self) -> &mut Vcpu {
                self.vcpu
            }

            /// Ends the instruction with an exception instead.
            ///
            /// # Errors
            /// As [`Vcpu::inject`].
            pub fn fault(self, exception: Exception) -> Result<(), Error> {
                self.vcpu.transfer = None;
                self.vcpu.inject(exception)
            }

            /// Tells the guest that nobody is there, by a synchronous external abort.
            ///
            /// # Errors
            /// [`Error::Row`] if the engine refuses.
            pub fn abort(self) -> Result<(), Error> {
                let address = self.access.virtual_address;
                self.fault(Exception::external_abort(address, Self::IS_WRITE))
            }
        }
    };
}
access!(MmioRead);
access!(MmioWrite);

impl MmioRead<'_> {
    const IS_WRITE: bool = false;

    /// Gives the guest the value, of which [`MmioRead::size`] bytes count, extended as the instruction wants it, and goes on behind the
    /// instruction once all its accesses are answered.
    ///
    /// # Errors
    /// [`Error::Call`] or [`Error::Row`] if the engine refuses.
    #[inline]
    pub fn finish(self, value: u64) -> Result<(), Error> {
        let value = value & mask(self.access.size);
        match self.target {
            Target::Register { rt, signed, wide } => {
                let extended = extend(value, self.access.size, signed, wide);
                self.vcpu.set_x(rt, extended)?;
                self.vcpu.advance()
            }
            Target::Part => {
                if let Some(transfer) = &mut self.vcpu.transfer {
                    transfer.answer(value);
                }
                self.vcpu.settle_parts()
            }
        }
    }
}

impl MmioWrite<'_> {
    const IS_WRITE: bool = true;

    /// What the guest stores, zero-extended.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.value
    }

    /// Goes on behind the instruction once all its accesses are answered.
    ///
    /// # Errors
    /// [`Error::Call`] or [`Error::Row`] if the engine refuses.
    #[inline]
    pub fn finish(self) -> Result<(), Error> {
        if !self.is_part {
            return self.vcpu.advance();
        }
        if let Some(transfer) = &mut self.vcpu.transfer {
            transfer.answer(0);
        }
        self.vcpu.settle_parts()
    }
}

/// The bits of a value of `size` bytes.
pub(super) fn mask(size: u8) -> u64 {
    u64::MAX >> (64 - 8 * u32::from(size.clamp(1, 8)))
}

/// A loaded value as the register gets it (Arm DDI 0601, ESR_EL2.ISS: SSE, SF).
pub(super) fn extend(value: u64, size: u8, signed: bool, wide: bool) -> u64 {
    let unused = 64 - 8 * u32::from(size.clamp(1, 8));
    let extended = if signed {
        ((value << unused).cast_signed() >> unused).cast_unsigned()
    } else {
        value
    };
    if wide {
        extended
    } else {
        extended & 0xffff_ffff
    }
}

/// Makes a data abort a device access where it is one.
pub(super) fn decode(vcpu: &mut Vcpu, raw: RawExit, iss: IssDataAbort) -> Result<Exit<'_>, Error> {
    let refused = if iss.contains(IssDataAbort::S1PTW) {
        Some(Undecoded::TableWalk)
    } else if !is_missing(iss.dfsc()) {
        Some(Undecoded::Fault)
    } else if iss.contains(IssDataAbort::ISV) {
        return by_syndrome(vcpu, raw, iss);
    } else {
        by_instruction(vcpu, raw)?
    };
    match refused {
        None => next_part(vcpu),
        Some(reason) => Ok(Exit::DataAbort(DataAbort {
            vcpu,
            raw,
            iss,
            reason,
        })),
    }
}

/// Whether a fault says that memory or a permission is missing.
fn is_missing(status: FaultStatus) -> bool {
    matches!(status.0, 0x04..=0x0f | 0x2a | 0x2b)
}

#[inline]
fn by_syndrome(vcpu: &mut Vcpu, raw: RawExit, iss: IssDataAbort) -> Result<Exit<'_>, Error> {
    let access = Access {
        gpa: raw.physical_address,
        virtual_address: raw.virtual_address,
        size: 1 << iss.sas().0,
    };
    if iss.contains(IssDataAbort::WNR) {
        let value = vcpu.x(iss.srt())? & mask(access.size);
        return Ok(Exit::MmioWrite(MmioWrite {
            vcpu,
            access,
            value,
            is_part: false,
        }));
    }
    Ok(Exit::MmioRead(MmioRead {
        vcpu,
        access,
        target: Target::Register {
            rt: iss.srt(),
            signed: iss.contains(IssDataAbort::SSE),
            wide: iss.contains(IssDataAbort::SF),
        },
    }))
}

/// Plans the accesses of the instruction at PC; says why it cannot.
fn by_instruction(vcpu: &mut Vcpu, raw: RawExit) -> Result<Option<Undecoded>, Error> {
    let Some(word) = vcpu.instruction()? else {
        return Ok(Some(Undecoded::NoInstruction));
    };
    let Some(planned) = plan::plan(vcpu, word, raw.virtual_address)? else {
        return Ok(Some(Undecoded::Instruction(word)));
    };
    let Some(transfer) = planned.place(vcpu, &raw)? else {
        return Ok(Some(Undecoded::Instruction(word)));
    };
    vcpu.transfer = Some(transfer);
    vcpu.settle_parts()?;
    Ok(None)
}

/// The access that the current instruction waits with; runs on if it waits no more.
pub(super) fn next_part(vcpu: &mut Vcpu) -> Result<Exit<'_>, Error> {
    let Some(part) = vcpu
        .transfer
        .as_ref()
        .and_then(|transfer| transfer.current())
    else {
        vcpu.transfer = None;
        return vcpu.run();
    };
    let access = Access {
        gpa: Gpa(part.gpa),
        virtual_address: part.address,
        size: part.size,
    };
    Ok(match part.store() {
        Some(value) => Exit::MmioWrite(MmioWrite {
            vcpu,
            access,
            value,
            is_part: true,
        }),
        None => Exit::MmioRead(MmioRead {
            vcpu,
            access,
            target: Target::Part,
        }),
    })
}

impl Vcpu {
    /// Does those next parts of the instruction that go to memory; ends the instruction if no part is left.
    pub(super) fn settle_parts(&mut self) -> Result<(), Error> {
        while let Some(transfer) = &self.transfer {
            let Some(part) = transfer.current() else {
                let done = self.transfer.take();
                return match done {
                    Some(done) => done.commit(self),
                    None => Ok(()),
                };
            };
            let Some(value) = self.in_memory(&part)? else {
                return Ok(());
            };
            if let Some(transfer) = &mut self.transfer {
                transfer.answer(value);
            }
        }
        Ok(())
    }

    /// Makes an access to memory; `None` if there is none, or the guest may not.
    fn in_memory(&self, part: &Part) -> Result<Option<u64>, Error> {
        let store = part.store();
        let needed = match store {
            Some(_) => Permissions::WRITE,
            None => Permissions::READ,
        };
        let size = usize::from(part.size.clamp(1, 8));
        let memory = &self.vm().0.memory;
        let allowed = memory
            .permissions(part.gpa)
            .is_some_and(|has| has.contains(needed))
            && memory.covers(part.gpa, size as u64);
        if !allowed {
            return Ok(None);
        }
        let mut bytes = [0; 8];
        match store {
            Some(value) => {
                bytes = value.to_le_bytes();
                memory.write(part.gpa, &bytes[..size])?;
                Ok(Some(0))
            }
            None => {
                memory.read(part.gpa, &mut bytes[..size])?;
                Ok(Some(u64::from_le_bytes(bytes)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_extended_as_the_syndrome_says() {
        assert_eq!(extend(0x80, 1, false, false), 0x80);
        assert_eq!(extend(0x80, 1, true, false), 0xffff_ff80);
        assert_eq!(extend(0x80, 1, true, true), 0xffff_ffff_ffff_ff80);
        assert_eq!(extend(0x7fff, 2, true, true), 0x7fff);
        assert_eq!(extend(0x8000_0000, 4, true, true), 0xffff_ffff_8000_0000);
        assert_eq!(extend(u64::MAX, 8, true, true), u64::MAX);
        assert_eq!(mask(8), u64::MAX);
        assert_eq!(mask(1), 0xff);
    }

    #[test]
    fn only_missing_memory_is_a_device() {
        assert!(is_missing(FaultStatus::TRANSLATION_LEVEL3));
        assert!(is_missing(FaultStatus::PERMISSION_LEVEL2));
        assert!(!is_missing(FaultStatus::ALIGNMENT));
        assert!(!is_missing(FaultStatus::EXTERNAL));
    }
}
