//! The Linux/x86 boot protocol (Documentation/arch/x86/boot.rst): kernel, initial RAM disk, command line and zero page in guest memory.

use std::fs::File;
use std::path::Path;

use linux_loader::configurator::linux::LinuxBootConfigurator;
use linux_loader::configurator::{BootConfigurator, BootParams};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params};
use linux_loader::loader::{BzImage, Cmdline, Elf, KernelLoader, load_cmdline};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};

use crate::acpi;

/// Memory below this is for tables; the kernel goes above.
const HIGH_MEMORY: u64 = 0x10_0000;
const ZERO_PAGE: u64 = 0x7000;
const COMMAND_LINE: u64 = 0x2_0000;
/// Where conventional memory ends: the extended BIOS data area would begin here.
const LOW_MEMORY_END: u64 = 0x9_fc00;
/// Devices lie from here up to 4 GiB, so RAM ends below.
pub const MEMORY_LIMIT: u64 = 0xc000_0000;

const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;

/// Where the first vCPU begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// RIP, in 64-bit mode with memory mapped to itself.
    pub rip: u64,
    /// RSI: the zero page.
    pub zero_page: u64,
}

/// What to boot.
#[derive(Debug, Clone)]
pub struct Boot<'a> {
    /// A bzImage or an uncompressed `vmlinux`.
    pub kernel: &'a Path,
    /// Initial RAM disk.
    pub initrd: Option<&'a Path>,
    /// Kernel command line.
    pub command_line: &'a str,
    /// How many processors the tables name.
    pub cpus: u32,
}

fn told<E: std::fmt::Display>(what: &Path) -> impl FnOnce(E) -> String {
    move |why| format!("{}: {why}", what.display())
}

/// Loads everything and answers where to begin.
///
/// # Errors
/// In words, naming the file.
pub fn load(memory: &GuestMemoryMmap, size: u64, boot: &Boot<'_>) -> Result<Entry, String> {
    let mut params = boot_params::default();
    let mut file = File::open(boot.kernel).map_err(told(boot.kernel))?;
    let high = Some(GuestAddress(HIGH_MEMORY));
    let (rip, end) = match BzImage::load(memory, None, &mut file, high) {
        Ok(loaded) => {
            params.hdr = loaded
                .setup_header
                .ok_or("the kernel has no setup header")?;
            // The 64-bit entry point lies 200h behind the 32-bit one (boot.rst, "64-bit boot protocol").
            if params.hdr.xloadflags & 1 == 0 {
                return Err(format!("{}: no 64-bit entry point", boot.kernel.display()));
            }
            // A compressed kernel unpacks itself at its preferred address: keep what it needs there free.
            let unpacked = params
                .hdr
                .pref_address
                .saturating_add(params.hdr.init_size.into());
            (
                loaded.kernel_load.0 + 0x200,
                loaded.kernel_end.max(unpacked),
            )
        }
        Err(not_bzimage) => {
            let loaded = Elf::load(memory, None, &mut file, high).map_err(|not_elf| {
                format!(
                    "{}: neither a bzImage ({not_bzimage}) nor an ELF kernel ({not_elf})",
                    boot.kernel.display()
                )
            })?;
            params.hdr.boot_flag = 0xaa55;
            params.hdr.header = 0x5372_6448;
            params.hdr.kernel_alignment = 0x100_0000;
            (loaded.kernel_load.0, loaded.kernel_end)
        }
    };
    params.hdr.type_of_loader = 0xff;
    if let Some(path) = boot.initrd {
        initrd(memory, size, end, path, &mut params)?;
    }
    command_line(memory, boot.command_line, &mut params)?;
    let tables = acpi::tables(boot.cpus);
    memory
        .write_slice(&tables, GuestAddress(acpi::START))
        .map_err(|why| why.to_string())?;
    params.acpi_rsdp_addr = acpi::START;
    e820(size, &mut params);
    let params = BootParams::new(&params, GuestAddress(ZERO_PAGE));
    LinuxBootConfigurator::write_bootparams(&params, memory).map_err(|why| why.to_string())?;
    Ok(Entry {
        rip,
        zero_page: ZERO_PAGE,
    })
}

/// The initial RAM disk goes as high as the kernel allows.
fn initrd(
    memory: &GuestMemoryMmap,
    size: u64,
    kernel_end: u64,
    path: &Path,
    params: &mut boot_params,
) -> Result<(), String> {
    let mut file = File::open(path).map_err(told(path))?;
    let len = file.metadata().map_err(told(path))?.len();
    let limit = match params.hdr.initrd_addr_max {
        0 => size,
        max => size.min(u64::from(max) + 1),
    };
    let start = limit
        .checked_sub(len)
        .map(|start| start & !0xfff)
        .filter(|&start| start >= kernel_end);
    let start = start.ok_or_else(|| {
        format!(
            "{}: does not fit into {size:#x} bytes of memory with the kernel",
            path.display()
        )
    })?;
    memory
        .read_exact_volatile_from(GuestAddress(start), &mut file, len as usize)
        .map_err(told(path))?;
    params.hdr.ramdisk_image = start as u32;
    params.hdr.ramdisk_size = u32::try_from(len).map_err(told(path))?;
    Ok(())
}

fn command_line(
    memory: &GuestMemoryMmap,
    text: &str,
    params: &mut boot_params,
) -> Result<(), String> {
    let limit = match params.hdr.cmdline_size {
        0 => 255,
        size => size as usize,
    };
    let line = Cmdline::try_from(text, limit + 1).map_err(|why| format!("command line: {why}"))?;
    load_cmdline(memory, GuestAddress(COMMAND_LINE), &line)
        .map_err(|why| format!("command line: {why}"))?;
    params.hdr.cmd_line_ptr = COMMAND_LINE as u32;
    params.hdr.cmdline_size = text.len() as u32;
    Ok(())
}

fn e820(size: u64, params: &mut boot_params) {
    let ranges = [
        (0, LOW_MEMORY_END, E820_RAM),
        (LOW_MEMORY_END, HIGH_MEMORY, E820_RESERVED),
        (HIGH_MEMORY, size, E820_RAM),
    ];
    for (entry, (start, end, kind)) in params.e820_table.iter_mut().zip(ranges) {
        *entry = boot_e820_entry {
            addr: start,
            size: end - start,
            r#type: kind,
        };
    }
    params.e820_entries = ranges.len() as u8;
}
