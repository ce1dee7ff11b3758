//! Guest memory as a vCPU reaches it, in the same words for both architectures: for code that serves guests of either.

use std::io;

use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::scalar::Scalar;
use crate::{aarch64, x86_64};

/// Bytes that [`GuestAccess::copy_to`] and [`GuestAccess::copy_from`] hold at a time.
const CHUNK: usize = 0x1_0000;

/// Where something is for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GuestAddress {
    /// At a guest-physical address.
    Physical(u64),
    /// At a virtual address, as the guest's page tables are now.
    Virtual(u64),
}

/// Reading and writing guest memory through a vCPU, by guest-physical or virtual address.
pub trait GuestAccess {
    /// Copies guest memory out.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped.
    fn read_physical(&self, gpa: Gpa, out: &mut [u8]) -> Result<(), Error>;

    /// Copies bytes into guest memory.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it is mapped.
    fn write_physical(&self, gpa: Gpa, bytes: &[u8]) -> Result<(), Error>;

    /// Copies guest memory out by virtual address, as the guest's page tables are now.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it has memory.
    fn read_virtual(&self, address: u64, out: &mut [u8]) -> Result<(), Error>;

    /// Copies bytes into guest memory by virtual address.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if not all of it has memory; what lies before is written.
    fn write_virtual(&self, address: u64, bytes: &[u8]) -> Result<(), Error>;

    /// Copies guest memory out, by either address.
    ///
    /// # Errors
    /// As [`GuestAccess::read_physical`] and [`GuestAccess::read_virtual`].
    fn read_at(&self, address: GuestAddress, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        match address {
            GuestAddress::Physical(gpa) => self.read_physical(Gpa(behind(gpa, offset)?), out),
            GuestAddress::Virtual(address) => self.read_virtual(behind(address, offset)?, out),
        }
    }

    /// Copies bytes into guest memory, by either address.
    ///
    /// # Errors
    /// As [`GuestAccess::write_physical`] and [`GuestAccess::write_virtual`].
    fn write_at(&self, address: GuestAddress, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        match address {
            GuestAddress::Physical(gpa) => self.write_physical(Gpa(behind(gpa, offset)?), bytes),
            GuestAddress::Virtual(address) => self.write_virtual(behind(address, offset)?, bytes),
        }
    }

    /// Writes `size` bytes of the guest's to `to`, in pieces, however large the guest says they are. Answers `size`.
    ///
    /// # Errors
    /// What `to` answers; an address without memory is the [`Error`] inside. What lies before is written.
    fn copy_to(&self, from: GuestAddress, size: u64, to: &mut dyn io::Write) -> io::Result<u64> {
        let mut piece = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK))];
        let mut done = 0;
        while done < size {
            let len = usize::try_from(size - done).map_or(CHUNK, |left| left.min(CHUNK));
            self.read_at(from, done, &mut piece[..len])?;
            to.write_all(&piece[..len])?;
            done += len as u64;
        }
        Ok(done)
    }

    /// Reads at most `size` bytes from `from` into the guest's memory: one read, as of a device or a file, so that there may be fewer.
    /// Answers how many.
    ///
    /// # Errors
    /// What `from` answers; an address without memory is the [`Error`] inside.
    fn copy_from(&self, to: GuestAddress, size: u64, from: &mut dyn io::Read) -> io::Result<u64> {
        let mut piece = vec![0; CHUNK.min(usize::try_from(size).unwrap_or(CHUNK))];
        let len = from.read(&mut piece)?;
        self.write_at(to, 0, &piece[..len])?;
        Ok(len as u64)
    }

    /// A little-endian number at a guest-physical address.
    ///
    /// # Errors
    /// As [`GuestAccess::read_physical`].
    fn read_value<T: Scalar>(&self, gpa: Gpa) -> Result<T, Error>
    where
        Self: Sized,
    {
        let mut bytes = [0; 16];
        self.read_physical(gpa, &mut bytes[..T::SIZE])?;
        Ok(T::from_le(u128::from_le_bytes(bytes)))
    }

    /// Writes a little-endian number to a guest-physical address.
    ///
    /// # Errors
    /// As [`GuestAccess::write_physical`].
    fn write_value<T: Scalar>(&self, gpa: Gpa, value: T) -> Result<(), Error>
    where
        Self: Sized,
    {
        self.write_physical(gpa, &value.to_le().to_le_bytes()[..T::SIZE])
    }

    /// The text that ends with NUL at a guest-physical address.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if it is not all in memory or longer than `most` bytes, [`Error::Argument`] if it is no UTF-8.
    fn read_text(&self, gpa: Gpa, most: usize) -> Result<String, Error>
    where
        Self: Sized,
    {
        let mut text = Vec::new();
        loop {
            let address = gpa.0.saturating_add(text.len() as u64);
            match self.read_value(Gpa(address))? {
                0_u8 => break,
                _ if text.len() == most => return Err(Error::OutOfRange { address, size: 1 }),
                byte => text.push(byte),
            }
        }
        String::from_utf8(text).map_err(|why| Error::Argument {
            call: "GuestAccess::read_text",
            why: format!("the text at {gpa} is no UTF-8: {why}"),
        })
    }
}

fn behind(address: u64, offset: u64) -> Result<u64, Error> {
    let sum = address.checked_add(offset);
    sum.ok_or(Error::OutOfRange {
        address,
        size: offset,
    })
}

macro_rules! guest_access {
    ($vcpu:ty) => {
        impl GuestAccess for $vcpu {
            fn read_physical(&self, gpa: Gpa, out: &mut [u8]) -> Result<(), Error> {
                self.vm().read(gpa, out)
            }

            fn write_physical(&self, gpa: Gpa, bytes: &[u8]) -> Result<(), Error> {
                self.vm().write(gpa, bytes)
            }

            fn read_virtual(&self, address: u64, out: &mut [u8]) -> Result<(), Error> {
                <$vcpu>::read_virtual(self, address, out)
            }

            fn write_virtual(&self, address: u64, bytes: &[u8]) -> Result<(), Error> {
                <$vcpu>::write_virtual(self, address, bytes)
            }
        }
    };
}
guest_access!(x86_64::Vcpu);
guest_access!(aarch64::Vcpu);
