//! The Linux/x86 boot protocol (Documentation/arch/x86/boot.rst): kernel, initial RAM disk, command line and zero page in guest memory.

use std::fs::File;
use std::path::Path;

use linux_loader::configurator::linux::LinuxBootConfigurator;
use linux_loader::configurator::{BootConfigurator, BootParams};
use linux_loader::loader::bootparam::{boot_e820_entry, boot_params, setup_header};
use linux_loader::loader::{BzImage, Cmdline, Elf, KernelLoader, load_cmdline};
use vm_memory::{Bytes, GuestAddress, GuestMemoryMmap};
use xhv::Gpa;

use super::{acpi, ranges};
use crate::kernel::X86Format;
use crate::options::Options;

/// Memory below this is for tables; the kernel goes above.
const HIGH_MEMORY: u64 = 0x10_0000;
const ZERO_PAGE: u64 = 0x7000;
/// The tables that the kernel starts with, in front of the command line.
pub const START_TABLES: Gpa = Gpa(0x8000);
const COMMAND_LINE: u64 = 0x2_0000;
/// Where conventional memory ends: the extended BIOS data area would begin here.
const LOW_MEMORY_END: u64 = 0x9_fc00;

/// Where a PC has its reset vector: Linux jumps here to reboot a hardware-reduced platform (`machine_real_restart`).
const RESET_VECTOR: u64 = 0xf_fff0;
/// mov al, 0feh; out 64h, al; hlt; jmp back: the keyboard controller's reset line.
const RESET_CODE: [u8; 7] = [0xb0, 0xfe, 0xe6, 0x64, 0xf4, 0xeb, 0xfd];

/// The kernel has the 64-bit entry point (boot.rst, "xloadflags").
const XLF_KERNEL_64: u16 = 1;

const E820_RAM: u32 = 1;
const E820_RESERVED: u32 = 2;

/// Where the first vCPU begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// The kernel's entry point.
    pub at: Protocol,
    /// Its parameters, `struct boot_params`.
    pub zero_page: Gpa,
}

/// The boot protocol that a kernel is entered by, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// In 64-bit mode.
    Bits64(u64),
    /// In protected mode: kernels for i386 have no other.
    Bits32(u32),
}

/// A kernel that is in memory.
struct Loaded {
    header: setup_header,
    at: Protocol,
    /// Behind what it needs until it knows of its memory.
    end: u64,
}

fn told<E: std::fmt::Display>(what: &Path) -> impl FnOnce(E) -> String {
    move |why| format!("{}: {why}", what.display())
}

/// Loads everything and answers where to begin.
///
/// # Errors
/// In words, naming the file.
pub fn load(
    memory: &GuestMemoryMmap,
    options: &Options,
    format: X86Format,
) -> Result<Entry, String> {
    let below_gap = ranges(options.memory)[0].1;
    let kernel = match format {
        X86Format::BzImage => bzimage(memory, &options.kernel)?,
        X86Format::Elf => elf(memory, &options.kernel)?,
    };
    if kernel.end > below_gap {
        return Err(format!(
            "{}: needs {} MiB of memory to start, more than the machine has",
            options.kernel.display(),
            kernel.end.div_ceil(1 << 20)
        ));
    }
    let mut params = boot_params {
        hdr: kernel.header,
        acpi_rsdp_addr: acpi::START,
        ..boot_params::default()
    };
    params.hdr.type_of_loader = 0xff;
    if let Some(path) = &options.initrd {
        initrd(memory, below_gap, kernel.end, path, &mut params)?;
    }
    command_line(memory, &options.command_line, &mut params)?;
    let tables = acpi::tables(options.cpus);
    for (bytes, at) in [(&*tables, acpi::START), (&RESET_CODE, RESET_VECTOR)] {
        memory
            .write_slice(bytes, GuestAddress(at))
            .map_err(|why| why.to_string())?;
    }
    e820(options.memory, &mut params);
    let params = BootParams::new(&params, GuestAddress(ZERO_PAGE));
    LinuxBootConfigurator::write_bootparams(&params, memory).map_err(|why| why.to_string())?;
    Ok(Entry {
        at: kernel.at,
        zero_page: Gpa(ZERO_PAGE),
    })
}

fn bzimage(memory: &GuestMemoryMmap, path: &Path) -> Result<Loaded, String> {
    let mut file = File::open(path).map_err(told(path))?;
    let high = Some(GuestAddress(HIGH_MEMORY));
    let loaded = BzImage::load(memory, None, &mut file, high).map_err(told(path))?;
    let header = loaded
        .setup_header
        .ok_or_else(|| format!("{}: no setup header", path.display()))?;
    // The size is told in units of 16 bytes (boot.rst, "syssize").
    let (is, told) = (
        loaded.kernel_end - loaded.kernel_load.0,
        u64::from(header.syssize) * 16,
    );
    if is + 15 < told {
        return Err(format!(
            "{}: truncated: {is} bytes of {told} behind the set-up",
            path.display()
        ));
    }
    // The 64-bit entry point, if there is one, lies 200h behind the 32-bit one (boot.rst, "64-bit boot protocol").
    let at = if header.xloadflags & XLF_KERNEL_64 == 0 {
        Protocol::Bits32(loaded.kernel_load.0 as u32)
    } else {
        Protocol::Bits64(loaded.kernel_load.0 + 0x200)
    };
    // A compressed kernel unpacks itself at its preferred address: keep what it needs there free.
    let unpacked = header.pref_address.saturating_add(header.init_size.into());
    Ok(Loaded {
        header,
        at,
        end: loaded.kernel_end.max(unpacked),
    })
}

fn elf(memory: &GuestMemoryMmap, path: &Path) -> Result<Loaded, String> {
    let mut file = File::open(path).map_err(told(path))?;
    let high = Some(GuestAddress(HIGH_MEMORY));
    let loaded = Elf::load(memory, None, &mut file, high).map_err(|why| {
        format!(
            "{}: damaged, or more than the memory: {why}",
            path.display()
        )
    })?;
    Ok(Loaded {
        header: setup_header {
            boot_flag: 0xaa55,
            header: 0x5372_6448,
            kernel_alignment: 0x100_0000,
            ..setup_header::default()
        },
        at: Protocol::Bits64(loaded.kernel_load.0),
        end: loaded.kernel_end,
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
    let mut table = vec![
        (0, LOW_MEMORY_END, E820_RAM),
        (LOW_MEMORY_END, HIGH_MEMORY - LOW_MEMORY_END, E820_RESERVED),
    ];
    for (start, size) in ranges(size) {
        let first = start.max(HIGH_MEMORY);
        table.push((first, start + size - first, E820_RAM));
    }
    for (entry, &(addr, size, kind)) in params.e820_table.iter_mut().zip(&table) {
        *entry = boot_e820_entry {
            addr,
            size,
            r#type: kind,
        };
    }
    params.e820_entries = table.len() as u8;
}
