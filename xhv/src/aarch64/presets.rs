//! States that guests start in, so that nobody writes them register by register.

use super::reg::{CPSR, PC, Spsr, SpsrM};
use super::sysreg::{
    CNTV_CTL_EL0, CPACR_EL1, CntCtl, Cpacr, HCR_EL2, Hcr, ID_AA64MMFR0_EL1, MAIR_EL1, MPIDR_EL1,
    Mair, PaSize, SCTLR_EL1, SP_EL1, Sctlr, Shareability, TCR_EL1, TTBR0_EL1, TTBR1_EL1, Tcr,
    TcrTg1, TrapControl, Ttbr, WalkCacheability,
};
use super::vcpu::Vcpu;
use super::vm::Vm;
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::page_tables::{Format, PageTables};

/// SCTLR_EL1 with the MMU and the caches off: the bits that are 1 in every processor (Arm DDI 0601, RES1 without newer extensions).
pub const SCTLR_OFF: Sctlr = Sctlr::from_bits(0x30d0_0800);

/// Attributes of [`Vcpu::set_el1_mapped`], by index: device nGnRnE, nGnRE and GRE, normal memory not cached and cached (DDI 0601,
/// MAIR_EL1). Linux and Hermit number them so too.
const ATTRIBUTES: u64 = 0x0000_00ff_440c_0400;
/// Access flag, inner shareable: descriptors of memory (index 4) and devices (index 0). A table's descriptor has the same bits, which
/// it ignores, so that a table that leads to itself is a page of memory to the guest.
const FORMAT: Format = Format {
    table: 0x713,
    memory: [0x713, 0x711],
    device: [0x703 | NEVER_EXECUTE, 0x701 | NEVER_EXECUTE],
};
/// UXN, PXN.
const NEVER_EXECUTE: u64 = 0b11 << 53;

impl Vm {
    /// Page tables for EL1, 4 KiB granule and 48 bits of address, which lie in `area`. See [`Vcpu::set_el1_mapped`].
    ///
    /// # Errors
    /// [`Error::Argument`] if the area is not made of pages, [`Error::OutOfRange`] if there is no memory.
    pub fn page_tables(&self, area: core::ops::Range<Gpa>) -> Result<PageTables<'_>, Error> {
        PageTables::new(&self.0.memory, FORMAT, area)
    }
}

impl Vcpu {
    /// As [`Vcpu::set_el1`], with MMU and caches on: the tables at `root` (see [`Vm::page_tables`]) translate the lower half of the
    /// address space, and nothing the upper one. EL0 may use the cache instructions, and alignment of the stack pointer is checked.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_el1_mapped(&mut self, pc: u64, stack: u64, root: Gpa) -> Result<(), Error> {
        self.set_el1(pc, stack)?;
        let width = self.read(ID_AA64MMFR0_EL1)?.parange();
        let write_back = WalkCacheability::WRITE_BACK_WRITE_ALLOCATE;
        self.write(MAIR_EL1, Mair::from_bits(ATTRIBUTES))?;
        self.write(
            TCR_EL1,
            Tcr::empty()
                .with_t0sz(16)
                .with_irgn0(write_back)
                .with_orgn0(write_back)
                .with_sh0(Shareability::INNER_SHAREABLE)
                .with_t1sz(16)
                .with_irgn1(write_back)
                .with_orgn1(write_back)
                .with_sh1(Shareability::INNER_SHAREABLE)
                .with_tg1(TcrTg1::KIB4)
                .with_ips(PaSize(width.0)),
        )?;
        self.write(TTBR0_EL1, Ttbr::from_bits(root.0))?;
        self.write(TTBR1_EL1, Ttbr::empty())?;
        let on = Sctlr::M | Sctlr::C | Sctlr::I;
        let checks = Sctlr::SA | Sctlr::SA0;
        let el0 = Sctlr::DZE | Sctlr::UCT | Sctlr::UCI | Sctlr::NTWI | Sctlr::NTWE;
        self.write(SCTLR_EL1, SCTLR_OFF | on | checks | el0)
    }

    /// EL1 with its own stack pointer, all interrupts masked, MMU and caches off, floating point allowed, timer off: for a program that
    /// begins at `pc`. Affinity and ID registers are set as by [`Vcpu::set_identity`] with the vCPU's number.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_el1(&mut self, pc: u64, stack: u64) -> Result<(), Error> {
        self.set_identity(self.id())?;
        self.write(SCTLR_EL1, SCTLR_OFF)?;
        self.write(CPACR_EL1, Cpacr::empty().with_fpen(TrapControl::TRAP_NONE))?;
        self.write(CNTV_CTL_EL0, CntCtl::empty())?;
        self.write(SP_EL1, stack)?;
        self.write(CPSR, masked(SpsrM::EL1H))?;
        self.write(PC, pc)
    }

    /// EL2 with its own stack pointer, all interrupts masked, MMU off: for a hypervisor that begins at `pc`. The VM needs an EL2.
    ///
    /// # Errors
    /// [`Error::Row`] without an EL2.
    pub fn set_el2(&mut self, pc: u64, stack: u64) -> Result<(), Error> {
        self.set_el1(pc, 0)?;
        self.write(HCR_EL2, Hcr::RW)?;
        self.write(super::sysreg::SP_EL2, stack)?;
        self.write(CPSR, masked(SpsrM::EL2H))
    }

    /// What Linux wants of the CPU that it begins on (Documentation/arch/arm64/booting.rst): EL1, or EL2 if the VM has one; X0 the device
    /// tree, X1 to X3 zero.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_linux(&mut self, entry: u64, device_tree: Gpa) -> Result<(), Error> {
        if self.vm().has_el2() {
            self.set_el2(entry, 0)?;
        } else {
            self.set_el1(entry, 0)?;
        }
        for number in 1..=3 {
            self.set_x(number, 0)?;
        }
        self.set_x(0, device_tree.0)
    }

    /// A secondary CPU as PSCI's CPU_ON starts it: as [`Vcpu::set_el1`] (or EL2) at `entry`, with the context in X0.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_psci_entry(&mut self, entry: u64, context: u64) -> Result<(), Error> {
        let affinity = self.read(MPIDR_EL1)?;
        if self.vm().has_el2() {
            self.set_el2(entry, 0)?;
        } else {
            self.set_el1(entry, 0)?;
        }
        self.write(MPIDR_EL1, affinity)?;
        self.set_x(0, context)
    }
}

fn masked(mode: SpsrM) -> Spsr {
    (Spsr::D | Spsr::A | Spsr::I | Spsr::F).with_m(mode)
}
