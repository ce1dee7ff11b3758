//! Where uhyve puts things in a guest's memory, and the registers that it starts vCPUs with, for both architectures.

use core::ops::Range;

use super::boot::{self, Boot};
use super::image::{Image, KERNEL_OFFSET};
use crate::device_tree::DeviceNode;
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::page_tables::{PageKind, PageSize, PageTables};
use crate::{aarch64, x86_64};

/// Offsets from the beginning of memory.
const DEVICE_TREE: Range<u64> = 0x1000..0x5000;
const BOOT_INFORMATION: u64 = 0x5000;
const TABLES: Range<u64> = 0x1_0000..KERNEL_OFFSET - STACK;
/// Bytes of the first stack. The kernel is told its lower end, and adds the size itself.
const STACK: u64 = 0x8000;
/// The entry of the top table that leads to itself.
const RECURSIVE: u64 = 511;
/// What kernels before Hermit 0.10 expect to be mapped.
const FIRST_GIB: u64 = 1 << 30;
/// Hypercalls of AArch64 are stores to the first two pages of the address space.
const HYPERCALLS: u64 = 0x2000;

/// Where every PC has its local APICs.
const LOCAL_APIC: Gpa = Gpa(0xfee0_0000);

impl Image {
    fn at(&self, offset: u64) -> Gpa {
        Gpa(self.base + offset)
    }

    fn tables(&self) -> Range<Gpa> {
        self.at(TABLES.start)..self.at(TABLES.end)
    }

    fn stack(&self) -> u64 {
        self.kernel().start.0 - STACK
    }

    /// The end of the kernel, in pages of a size.
    fn mapped(&self, page: PageSize) -> u64 {
        (self.kernel().end.0 - self.base).next_multiple_of(page.bytes())
    }

    /// All parts but the page tables.
    fn parts(
        &self,
        boot: &Boot,
        khz: u32,
        nodes: Vec<DeviceNode>,
    ) -> Result<[(Gpa, Vec<u8>); 3], Error> {
        let tree = boot::device_tree(self, boot, nodes)?;
        if tree.len() as u64 > DEVICE_TREE.end - DEVICE_TREE.start {
            return Err(Error::Argument {
                call: "Vm::load_hermit",
                why: format!(
                    "arguments and environment are too long: {} bytes of device tree",
                    tree.len()
                ),
            });
        }
        let tree_at = self.at(DEVICE_TREE.start);
        let information = boot::information(self, boot, tree_at.0, khz);
        Ok([
            (self.kernel().start, self.bytes.clone()),
            (self.at(BOOT_INFORMATION), information),
            (tree_at, tree),
        ])
    }
}

/// What both architectures map: everything up to the end of the kernel, and the tables.
fn map(image: &Image, tables: &mut PageTables<'_>, size: u64, page: PageSize) -> Result<(), Error> {
    tables.map_recursively(RECURSIVE)?;
    tables.map(image.base, Gpa(image.base), size, PageKind::Memory, page)
}

impl x86_64::Vm {
    /// Writes a Hermit kernel, its boot information, device tree and page tables into memory, which has to be mapped.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] without memory there, [`Error::Argument`] if a part does not fit into its place.
    pub fn load_hermit(&self, image: &Image, boot: &Boot) -> Result<(), Error> {
        let khz = u32::try_from(self.tsc_frequency() / 1000).unwrap_or(0);
        let tsc = DeviceNode::new("hermit,tsc").with("khz", khz);
        for (gpa, bytes) in image.parts(boot, khz, vec![tsc])? {
            self.write(gpa, &bytes)?;
        }
        let page = PageSize::Mib2;
        let mut size = image.mapped(page);
        if !image.maps_itself {
            size = size.max(FIRST_GIB);
        }
        map(image, &mut self.page_tables(image.tables())?, size, page)
    }
}

impl x86_64::Vcpu {
    /// The state in which uhyve starts vCPU `number` of a Hermit guest: 64-bit mode, RDI boot information, RSI the number; the local
    /// APIC at FEE00000h if the VM has one.
    ///
    /// # Errors
    /// As [`x86_64::Vcpu::set_long_mode64`].
    pub fn set_hermit(&mut self, image: &Image, number: u32) -> Result<(), Error> {
        self.set_long_mode64(image.entry, image.at(TABLES.start))?;
        self.set_flat_gdt(image.at(0))?;
        if self.vm().options().contains(x86_64::VmOptions::ACCEL_APIC) {
            self.set_apic_address(LOCAL_APIC)?;
        }
        self.write(x86_64::reg::RSP, image.stack())?;
        self.write(x86_64::reg::RDI, image.at(BOOT_INFORMATION).0)?;
        self.write(x86_64::reg::RSI, number.into())
    }
}

impl aarch64::Vm {
    /// Writes a Hermit kernel, its boot information, device tree and page tables into memory, which has to be mapped.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] without memory there, [`Error::Argument`] if a part does not fit into its place.
    pub fn load_hermit(&self, image: &Image, boot: &Boot) -> Result<(), Error> {
        for (gpa, bytes) in image.parts(boot, 0, self.device_tree_nodes(boot.cpus)?)? {
            self.write(gpa, &bytes)?;
        }
        // Hermit walks its tables as pages of the last level, so that there are no larger pages.
        let page = PageSize::Kib4;
        let mut tables = self.page_tables(image.tables())?;
        tables.map(0, Gpa(0), HYPERCALLS, PageKind::Device, page)?;
        map(image, &mut tables, image.mapped(page), page)
    }
}

impl aarch64::Vcpu {
    /// The state in which uhyve starts vCPU `number` of a Hermit guest: EL1 with the MMU on, X0 boot information, X1 the number.
    ///
    /// # Errors
    /// As [`aarch64::Vcpu::set_el1_mapped`].
    pub fn set_hermit(&mut self, image: &Image, number: u32) -> Result<(), Error> {
        self.set_el1_mapped(image.entry, image.stack(), image.at(TABLES.start))?;
        self.set_identity(number.into())?;
        self.set_x(0, image.at(BOOT_INFORMATION).0)?;
        self.set_x(1, number.into())
    }
}
