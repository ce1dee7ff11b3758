//! Images: `hermit-entry` parses and loads them. It knows the host's machine only, so an image of the other machine is given the
//! host's numbers first; and it panics at damaged ones, which is caught.

#![allow(
    unsafe_code,
    reason = "hermit-entry writes to memory that counts as uninitialized"
)]

use core::fmt;
use core::mem::MaybeUninit;
use core::ops::Range;
use std::panic::catch_unwind;

use goblin::elf::Elf;
use goblin::elf::header::{EM_AARCH64, EM_X86_64};
use goblin::elf::reloc::{
    R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_RELATIVE, R_X86_64_64, R_X86_64_RELATIVE,
};
use hermit_entry::boot_info::LoadInfo;
use hermit_entry::elf::KernelObject;
use hermit_entry::{HermitVersion, UhyveIfVersion};

use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::host::Architecture;

/// Numbers of a machine: its own, and of the relocations absolute, GOT entry and relative. `hermit-entry` does the same for the first
/// two, but insists that x86's GOT entries have no addend.
type Numbers = (u16, [u32; 3]);
const X86_64: Numbers = (EM_X86_64, [R_X86_64_64, R_X86_64_64, R_X86_64_RELATIVE]);
const AARCH64: Numbers = (
    EM_AARCH64,
    [R_AARCH64_ABS64, R_AARCH64_GLOB_DAT, R_AARCH64_RELATIVE],
);
/// ELF-64: where `e_machine` is, how large an entry of a relocation table, and where its type is.
const E_MACHINE: usize = 18;
const RELA_SIZE: usize = 24;
const RELA_TYPE: usize = 8;

/// Where the kernel of a relocatable image goes, behind the beginning of memory.
pub(super) const KERNEL_OFFSET: u64 = 0x4_0000;
/// From this version on only the kernel itself is mapped; before, the whole first GiB.
const MAPS_ITSELF: HermitVersion = HermitVersion::new(0, 10, 0);

/// A Hermit image that is loaded, for a VM with so much memory.
pub struct Image {
    pub(super) architecture: Architecture,
    pub(super) interface: u32,
    pub(super) base: u64,
    pub(super) memory: u64,
    pub(super) entry: u64,
    pub(super) load: LoadInfo,
    pub(super) maps_itself: bool,
    pub(super) bytes: Vec<u8>,
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { start, end } = self.load.kernel_image_addr_range;
        f.debug_struct("Image")
            .field("architecture", &self.architecture)
            .field("interface", &self.interface)
            .field("kernel", &(Gpa(start)..Gpa(end)))
            .field("entry", &Gpa(self.entry))
            .finish_non_exhaustive()
    }
}

fn refused(why: impl fmt::Display) -> Error {
    Error::Argument {
        call: "hermit::Image::load",
        why: why.to_string(),
    }
}

impl Image {
    /// Reads an image, as a file holds it, for a guest with `memory` bytes of memory.
    ///
    /// # Errors
    /// [`Error::Argument`] if it is no ELF file, no Hermit image, of a machine that is neither x86_64 nor AArch64, damaged, or does not
    /// fit into the memory.
    pub fn load(mut elf: Vec<u8>, memory: u64) -> Result<Self, Error> {
        let architecture = as_host(&mut elf)?;
        // The message of the panic is not kept from the process's hook, which is not a library's to change.
        catch_unwind(|| Self::load_as_host(&elf, architecture, memory))
            .unwrap_or_else(|_| Err(refused("the image is damaged")))
    }

    fn load_as_host(elf: &[u8], architecture: Architecture, memory: u64) -> Result<Self, Error> {
        let object = KernelObject::parse(elf).map_err(refused)?;
        let interface = object
            .uhyve_interface_version()
            .unwrap_or(UhyveIfVersion(1))
            .0;
        let base = match (interface, architecture) {
            (1, Architecture::X86_64) => 0,
            (1, Architecture::Aarch64) => 0x1000_0000,
            (2 | 3, _) => 0x1_0000_0000,
            _ => {
                return Err(refused(format!(
                    "the image wants version {interface} of uhyve's interface: 1 to 3 are known"
                )));
            }
        };
        let start = object.start_addr().unwrap_or(base + KERNEL_OFFSET);
        let size = object.mem_size() as u64;
        let room = base.saturating_add(memory).saturating_sub(start);
        if start < base + KERNEL_OFFSET || size > room {
            return Err(refused(format!(
                "{size:#x} bytes at {start:#x} do not fit into {memory:#x} bytes at {base:#x}"
            )));
        }
        let mut bytes = vec![MaybeUninit::new(0); size as usize];
        let loaded = object.load_kernel(&mut bytes, start);
        // SAFETY: all were initialized above, and `load_kernel` copies initialized bytes to them, as its source shows.
        let bytes = unsafe { bytes.assume_init_ref() }.to_vec();
        Ok(Self {
            architecture,
            interface,
            base,
            memory,
            entry: loaded.entry_point,
            load: loaded.load_info,
            maps_itself: object
                .hermit_version()
                .is_some_and(|version| version >= MAPS_ITSELF),
            bytes,
        })
    }

    /// The machine that it is for.
    #[must_use]
    pub fn architecture(&self) -> Architecture {
        self.architecture
    }

    /// The version of uhyve's interface that it speaks: 1 if it says none.
    #[must_use]
    pub fn interface(&self) -> u32 {
        self.interface
    }

    /// Where the guest's memory has to begin.
    #[must_use]
    pub fn base(&self) -> Gpa {
        Gpa(self.base)
    }

    /// How much memory it was loaded for, in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.memory
    }

    /// Where the kernel lies.
    #[must_use]
    pub fn kernel(&self) -> Range<Gpa> {
        let Range { start, end } = self.load.kernel_image_addr_range;
        Gpa(start)..Gpa(end)
    }

    /// Where it begins to run.
    #[must_use]
    pub fn entry(&self) -> u64 {
        self.entry
    }
}

/// Gives an image of the other machine the host's numbers; answers what it was.
fn as_host(elf: &mut [u8]) -> Result<Architecture, Error> {
    let parsed = Elf::parse(elf).map_err(|why| refused(format!("no ELF file: {why}")))?;
    let (architecture, guest) = match parsed.header.e_machine {
        EM_X86_64 => (Architecture::X86_64, X86_64),
        EM_AARCH64 => (Architecture::Aarch64, AARCH64),
        other => {
            return Err(refused(format!(
                "the image is for machine {other}: x86_64 ({EM_X86_64}) and AArch64 ({EM_AARCH64}) are known"
            )));
        }
    };
    let host = if cfg!(target_arch = "x86_64") {
        X86_64
    } else {
        AARCH64
    };
    if guest == host {
        return Ok(architecture);
    }
    let kinds: Vec<u32> = parsed
        .dynrelas
        .iter()
        .map(|relocation| relocation.r_type)
        .collect();
    let table = parsed.dynamic.map_or(0, |dynamic| dynamic.info.rela);
    for (number, kind) in kinds.into_iter().enumerate() {
        let Some(known) = guest.1.iter().position(|&known| known == kind) else {
            return Err(refused(format!("relocations of type {kind} are not known")));
        };
        let place = table + number * RELA_SIZE + RELA_TYPE;
        put(elf, place, &host.1[known].to_le_bytes())?;
    }
    put(elf, E_MACHINE, &host.0.to_le_bytes())?;
    Ok(architecture)
}

fn put(elf: &mut [u8], place: usize, bytes: &[u8]) -> Result<(), Error> {
    let target = elf
        .get_mut(place..)
        .and_then(|rest| rest.get_mut(..bytes.len()));
    target
        .ok_or_else(|| refused("the image is damaged"))?
        .copy_from_slice(bytes);
    Ok(())
}
