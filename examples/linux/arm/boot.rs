//! The arm64 boot protocol (Documentation/arch/arm64/booting.rst): kernel, initial RAM disk and device tree in guest memory.

use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use xhv::Gpa;
use xhv::aarch64::Vm;

use super::{RAM, tree};
use crate::options::Options;

/// The device tree may have so much, and does not cross a multiple of it.
const TREE_MOST: u64 = 2 << 20;
const PAGE: u64 = 4096;

/// Where the first vCPU begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The image's first instruction.
    pub pc: u64,
    /// The device tree.
    pub device_tree: Gpa,
}

/// What the header of an `Image` says.
struct Header {
    text_offset: u64,
    image_size: u64,
}

fn header(image: &[u8]) -> Result<Header, String> {
    let field = |at: usize| {
        let bytes = image
            .get(at..at + 8)
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(u64::from_le_bytes)
            .ok_or("the header is truncated")
    };
    let (text_offset, image_size, flags) = (field(8)?, field(16)?, field(24)?);
    if flags & 1 != 0 {
        return Err("a big-endian kernel".to_owned());
    }
    if image_size == 0 || text_offset >= 2 << 20 {
        return Err("an image from before Linux 3.17, or a damaged one".to_owned());
    }
    if raw_end(image) > image.len() as u64 {
        return Err(format!(
            "truncated: {} bytes of {}",
            image.len(),
            raw_end(image)
        ));
    }
    Ok(Header {
        text_offset,
        image_size,
    })
}

/// How long the file has to be, by the sections that it tells UEFI of (PE/COFF specification, 3.3 and 4): the header proper tells
/// only what the kernel needs in memory. 0 for a kernel that UEFI does not know.
fn raw_end(image: &[u8]) -> u64 {
    let number = |at: usize, len: usize| -> Option<usize> {
        let bytes = image.get(at..at.checked_add(len)?)?;
        Some(
            bytes
                .iter()
                .rev()
                .fold(0, |n, &byte| n << 8 | usize::from(byte)),
        )
    };
    let sections = || -> Option<u64> {
        let pe = number(60, 4)?;
        if image.get(pe..pe.checked_add(4)?)? != b"PE\0\0" {
            return None;
        }
        let table = pe + 24 + number(pe + 20, 2)?;
        let end = |n| {
            Some(number(table + 40 * n + 16, 4)? as u64 + number(table + 40 * n + 20, 4)? as u64)
        };
        (0..number(pe + 6, 2)?).filter_map(end).max()
    };
    sections().unwrap_or(0)
}

/// Loads everything and answers where to begin.
///
/// # Errors
/// In words, naming the file.
pub fn load(
    memory: &GuestMemoryMmap,
    options: &Options,
    image: &[u8],
    vm: &Vm,
) -> Result<Entry, String> {
    let kernel = options.kernel.display();
    let header = header(image).map_err(|why| format!("{kernel}: {why}"))?;
    let pc = RAM + header.text_offset;
    let needed = header.image_size.max(image.len() as u64);
    // The tree lies at the end of memory, the RAM disk in front of it.
    let device_tree = (RAM + options.memory - TREE_MOST) & !(TREE_MOST - 1);
    let kernel_end = pc
        .checked_add(needed)
        .filter(|&end| end <= device_tree)
        .ok_or_else(|| {
            format!(
                "{kernel}: needs {} MiB of memory to start, more than the machine has",
                (needed / 2 + TREE_MOST).div_ceil(1 << 19)
            )
        })?;
    let write = |bytes: &[u8], at: u64| {
        memory
            .write_slice(bytes, GuestAddress(at))
            .map_err(|why| format!("guest memory at {at:#x}: {why}"))
    };
    write(image, pc)?;
    let initrd = match &options.initrd {
        Some(path) => {
            let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
            let bytes = std::fs::read(path).map_err(|why| told(&why))?;
            let start = device_tree
                .checked_sub(bytes.len() as u64)
                .map(|start| start & !(PAGE - 1))
                .filter(|&start| start >= kernel_end)
                .ok_or_else(|| told(&"does not fit into memory with the kernel"))?;
            write(&bytes, start)?;
            Some(start..start + bytes.len() as u64)
        }
        None => None,
    };
    let tree =
        tree::device_tree(options, initrd, vm).map_err(|why| format!("device tree: {why}"))?;
    if tree.len() as u64 > TREE_MOST {
        return Err("the device tree is larger than 2 MiB".to_owned());
    }
    write(&tree, device_tree)?;
    Ok(Entry {
        pc,
        device_tree: Gpa(device_tree),
    })
}
