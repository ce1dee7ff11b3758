//! What kind of kernel a file is.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

/// A kernel that one of the machines can boot.
pub enum Kernel {
    /// For x86-64 or i386; the loader reads the file.
    X86(X86Format),
    /// For arm64: the `Image`, unpacked.
    Arm64(Vec<u8>),
}

/// How a kernel for x86 comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum X86Format {
    /// Compressed, with a setup header, which tells whether it has 64 bits.
    BzImage,
    /// The ELF file that the compiler makes, `vmlinux`, for x86-64.
    Elf,
}

/// The larger of what a bzImage and an arm64 `Image` need to be known by.
const HEAD: u64 = 0x206;
/// No kernel is larger, unpacked.
const MOST: u64 = 1 << 30;
const GZIP: [u8; 2] = [0x1f, 0x8b];
/// Documentation/arch/x86/boot.rst, "header".
const SETUP_MAGIC: (usize, &[u8]) = (0x202, b"HdrS");
/// Documentation/arch/arm64/booting.rst, "magic".
const ARM64_MAGIC: (usize, &[u8]) = (56, b"ARM\x64");
const ELF_MAGIC: &[u8] = b"\x7fELF";
/// `e_machine` of an ELF file for x86-64.
const ELF_X86_64: (usize, &[u8]) = (18, &[62, 0]);

fn has(bytes: &[u8], (at, magic): (usize, &[u8])) -> bool {
    bytes
        .get(at..)
        .is_some_and(|bytes| bytes.starts_with(magic))
}

/// Looks into a file.
///
/// # Errors
/// In words, naming the file: it cannot be read, or is no kernel that is known.
pub fn identify(path: &Path) -> Result<Kernel, String> {
    let told = |why: std::io::Error| format!("{}: {why}", path.display());
    let read = |most: u64| -> std::io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        File::open(path)?.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let head = read(HEAD).map_err(told)?;
    if has(&head, SETUP_MAGIC) {
        return Ok(Kernel::X86(X86Format::BzImage));
    }
    if head.starts_with(ELF_MAGIC) && has(&head, ELF_X86_64) {
        return Ok(Kernel::X86(X86Format::Elf));
    }
    let image = if head.starts_with(&GZIP) {
        let mut image = Vec::new();
        GzDecoder::new(File::open(path).map_err(told)?)
            .take(MOST)
            .read_to_end(&mut image)
            .map_err(told)?;
        image
    } else if has(&head, ARM64_MAGIC) {
        read(MOST).map_err(told)?
    } else {
        head
    };
    if has(&image, ARM64_MAGIC) {
        return Ok(Kernel::Arm64(image));
    }
    Err(format!(
        "{}: no kernel: neither a bzImage nor an ELF file for x86-64, and no arm64 Image",
        path.display()
    ))
}
