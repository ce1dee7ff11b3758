//! Page tables for a new guest, written into its memory: four levels of 512 entries, as both architectures have them. `walk` of each
//! architecture reads what guests make of theirs.
//!
//! Sources: Intel SDM vol. 3, 5.5 (4-level paging); Arm ARM D8.3 (VMSAv8-64 descriptors, 4 KiB granule).

use core::ops::Range;

use crate::error::Error;
use crate::guest_memory::{Gpa, GuestMemory};

/// Bytes of a table, and of the smallest page.
const TABLE: u64 = 0x1000;
/// Bytes of an entry.
const ENTRY: u64 = 8;
/// Where the bits are that index the top table. Each level below has nine bits less.
const TOP_SHIFT: u32 = 39;
/// The bits of an entry that are an address.
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// What a mapped range is to be for the guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageKind {
    /// Ordinary memory: cached, readable, writable and executable at the guest kernel's privilege.
    Memory,
    /// Registers of devices: neither cached nor reordered, never executed.
    Device,
}

/// The pages that a range is mapped with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PageSize {
    /// 4 KiB: a leaf of the last level.
    Kib4,
    /// 2 MiB: a leaf one level higher.
    Mib2,
}

impl PageSize {
    /// Bytes.
    #[must_use]
    pub const fn bytes(self) -> u64 {
        match self {
            Self::Kib4 => 0x1000,
            Self::Mib2 => 0x20_0000,
        }
    }

    /// Where the bits are that index the table of its leaf.
    const fn shift(self) -> u32 {
        self.bytes().trailing_zeros()
    }
}

/// How an architecture writes entries.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Format {
    /// Bits of an entry that leads to another table.
    pub(crate) table: u64,
    /// Bits of a page of memory of 4 KiB and of 2 MiB.
    pub(crate) memory: [u64; 2],
    /// Bits of a page of device registers, likewise.
    pub(crate) device: [u64; 2],
}

impl Format {
    const fn leaf(&self, kind: PageKind, page: PageSize) -> u64 {
        let at = match page {
            PageSize::Kib4 => 0,
            PageSize::Mib2 => 1,
        };
        match kind {
            PageKind::Memory => self.memory[at],
            PageKind::Device => self.device[at],
        }
    }
}

/// Page tables that are being written into guest memory: made by `page_tables` of [`x86_64::Vm`](crate::x86_64::Vm::page_tables) and
/// [`aarch64::Vm`](crate::aarch64::Vm::page_tables).
///
/// ```
/// use xhv::x86_64::Vm;
/// use xhv::{Gpa, PageKind, PageSize};
///
/// # fn main() -> Result<(), xhv::Error> {
/// let vm = Vm::new()?;
/// vm.map_new(Gpa(0), 0x40_0000)?;
/// let mut tables = vm.page_tables(Gpa(0x1000)..Gpa(0x8000))?;
/// tables.map(0, Gpa(0), 0x40_0000, PageKind::Memory, PageSize::Mib2)?;
/// vm.create_vcpu()?.set_long_mode64(0x10_0000, tables.root())?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PageTables<'m> {
    memory: &'m GuestMemory,
    format: Format,
    root: Gpa,
    next: u64,
    end: u64,
}

fn refused(why: String) -> Error {
    Error::Argument {
        call: "PageTables",
        why,
    }
}

impl<'m> PageTables<'m> {
    pub(crate) fn new(
        memory: &'m GuestMemory,
        format: Format,
        area: Range<Gpa>,
    ) -> Result<Self, Error> {
        if !area.start.0.is_multiple_of(TABLE) || !area.end.0.is_multiple_of(TABLE) {
            return Err(refused(format!(
                "the area {}..{} has to begin and end at multiples of {TABLE:#x}",
                area.start, area.end
            )));
        }
        let mut tables = Self {
            memory,
            format,
            root: area.start,
            next: area.start.0,
            end: area.end.0,
        };
        tables.new_table()?;
        Ok(tables)
    }

    /// The top table: what CR3 or TTBR0_EL1 wants.
    #[must_use]
    pub fn root(&self) -> Gpa {
        self.root
    }

    /// The first address behind the tables that are in use.
    #[must_use]
    pub fn end(&self) -> Gpa {
        Gpa(self.next)
    }

    /// Maps `size` bytes from virtual `address` on to the guest-physical ones from `gpa` on. Pages that are mapped already are
    /// mapped anew.
    ///
    /// # Errors
    /// [`Error::Argument`] if a number is no multiple of the page, the range leaves the lower 2^47 bytes (Arm: 2^48), a page of
    /// another size is in the way, or the area for the tables is full; [`Error::OutOfRange`] if there is no memory for them.
    pub fn map(
        &mut self,
        address: u64,
        gpa: Gpa,
        size: u64,
        kind: PageKind,
        page: PageSize,
    ) -> Result<(), Error> {
        let aligned = [address, gpa.0, size]
            .iter()
            .all(|number| number.is_multiple_of(page.bytes()));
        let inside = |from: u64| {
            from.checked_add(size)
                .is_some_and(|end| end <= ADDRESS + TABLE)
        };
        if !aligned || !inside(address) || !inside(gpa.0) {
            return Err(refused(format!(
                "{size:#x} bytes at {address:#x} cannot be mapped to {gpa} in pages of {:#x}",
                page.bytes()
            )));
        }
        for offset in (0..size).step_by(page.bytes() as usize) {
            let leaf = (gpa.0 + offset) | self.format.leaf(kind, page);
            self.put(address + offset, leaf, page)?;
        }
        Ok(())
    }

    /// Makes entry `index` of the top table lead to the top table itself, so that the guest finds all tables by virtual address.
    ///
    /// # Errors
    /// [`Error::Argument`] if the index is beyond 511.
    pub fn map_recursively(&mut self, index: u64) -> Result<(), Error> {
        if index >= TABLE / ENTRY {
            return Err(refused(format!(
                "there is no entry {index}: a table has 512"
            )));
        }
        let entry = self.root.0 | self.format.table;
        self.write(self.root.0 + index * ENTRY, entry)
    }

    /// Writes the leaf for a virtual address, and tables on the way to it.
    fn put(&mut self, address: u64, leaf: u64, page: PageSize) -> Result<(), Error> {
        let mut table = self.root.0;
        let mut shift = TOP_SHIFT;
        while shift > page.shift() {
            let at = table + entry_offset(address, shift);
            let mut entry = self.read(at)?;
            if entry == 0 {
                entry = self.new_table()? | self.format.table;
                self.write(at, entry)?;
            } else if entry & !ADDRESS != self.format.table {
                return Err(refused(format!("{address:#x} lies in a larger page")));
            }
            table = entry & ADDRESS;
            shift -= 9;
        }
        let at = table + entry_offset(address, shift);
        if page == PageSize::Mib2 && self.is_table(self.read(at)?) {
            return Err(refused(format!("smaller pages are mapped at {address:#x}")));
        }
        self.write(at, leaf)
    }

    fn is_table(&self, entry: u64) -> bool {
        entry != 0 && entry & !ADDRESS == self.format.table
    }

    fn new_table(&mut self) -> Result<u64, Error> {
        let table = self.next;
        if table >= self.end {
            return Err(refused(format!(
                "the area for the tables, {}..{:#x}, is full",
                self.root, self.end
            )));
        }
        self.memory.write(table, &[0; TABLE as usize])?;
        self.next += TABLE;
        Ok(table)
    }

    fn read(&self, at: u64) -> Result<u64, Error> {
        let mut bytes = [0; ENTRY as usize];
        self.memory.read(at, &mut bytes)?;
        Ok(u64::from_le_bytes(bytes))
    }

    fn write(&self, at: u64, entry: u64) -> Result<(), Error> {
        self.memory.write(at, &entry.to_le_bytes())
    }
}

fn entry_offset(address: u64, shift: u32) -> u64 {
    (address >> shift) % (TABLE / ENTRY) * ENTRY
}
