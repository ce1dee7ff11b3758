//! States to start a guest in, so that nobody writes sixty fields by hand: real mode, flat 32-bit protected mode, 64-bit mode.
//!
//! Each sets control words (as far as the host allows), control registers with masks and shadows, segments, tables, flags and general
//! registers. What a client wants otherwise it writes afterwards.

use super::controls::{
    PinBasedControls as Pin, PrimaryProcessorBasedControls as Primary,
    SecondaryProcessorBasedControls as Secondary, VmEntryControls as Entry, VmExitControls as Exit,
};
use super::msr::Efer;
use super::reg::{self, Cr0, Cr3, Cr4, Dr7, Rflags};
use super::vcpu::Vcpu;
use super::vm::{Vm, VmOptions};
use super::vmcs::{
    self, AccessRights, ActivityState, InterruptibilityState, PendingDebugExceptions,
};
use crate::error::Error;
use crate::guest_memory::Gpa;
use crate::page_tables::{Format, PageTables};
use crate::typed::{RawWrite, space};

/// A segment register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Segment {
    /// Selector.
    pub selector: u16,
    /// Linear address of the first byte.
    pub base: u64,
    /// Last offset, in bytes.
    pub limit: u32,
    /// Access rights.
    pub rights: AccessRights,
}

/// Which segment register; the order is the VMCS's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "the manual's names")]
pub enum SegmentName {
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
    Ldtr,
    Tr,
}

impl SegmentName {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Es,
        Self::Cs,
        Self::Ss,
        Self::Ds,
        Self::Fs,
        Self::Gs,
        Self::Ldtr,
        Self::Tr,
    ];
}

impl Segment {
    /// As a real-mode load of `selector` makes it.
    #[must_use]
    pub const fn real(selector: u16, rights: u32) -> Self {
        Self {
            selector,
            base: (selector as u64) << 4,
            limit: 0xffff,
            rights: AccessRights::from_bits(rights),
        }
    }

    /// The whole address space.
    #[must_use]
    pub const fn flat(selector: u16, rights: u32) -> Self {
        Self {
            selector,
            base: 0,
            limit: 0xffff_ffff,
            rights: AccessRights::from_bits(rights),
        }
    }

    /// Whether an access to the offsets `first` to `last` passes, outside of 64-bit mode. Only protected mode asks for rights.
    pub(super) fn holds(&self, first: u64, last: u64, write: bool, protected: bool) -> bool {
        let limit = u64::from(self.limit);
        if !protected {
            return last <= limit;
        }
        let kind = self.rights.type_().0;
        let (code, second) = (kind & 8 != 0, kind & 2 != 0);
        let granted = if write {
            !code && second
        } else {
            !code || second
        };
        if self.rights.contains(AccessRights::UNUSABLE) || !granted {
            return false;
        }
        if !code && kind & 4 != 0 {
            let wide = self.rights.contains(AccessRights::DB);
            return first > limit && last <= if wide { 0xffff_ffff } else { 0xffff };
        }
        last <= limit
    }
}

/// Rights: present, accessed.
const CODE16: u32 = 0x9b;
const DATA16: u32 = 0x93;
const CODE32: u32 = 0xc09b;
const CODE64: u32 = 0xa09b;
const DATA32: u32 = 0xc093;
const LDT: u32 = 0x82;
const TSS32: u32 = 0x8b;

impl Vcpu {
    /// Reads a segment register.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn segment(&self, name: SegmentName) -> Result<Segment, Error> {
        let at = 2 * name as u32;
        let get = |first: u32| {
            self.engine
                .read_vmcs(first + at)
                .map_err(|code| self.failed("hv_vmx_vcpu_read_vmcs", code))
        };
        Ok(Segment {
            selector: get(vmcs::GUEST_ES_SELECTOR.key())? as u16,
            base: get(vmcs::GUEST_ES_BASE.key())?,
            limit: get(vmcs::GUEST_ES_LIMIT.key())? as u32,
            rights: AccessRights::from_bits(get(vmcs::GUEST_ES_ACCESS_RIGHTS.key())? as u32),
        })
    }

    /// Writes a segment register, with its hidden part.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_segment(&mut self, name: SegmentName, segment: Segment) -> Result<(), Error> {
        let at = 2 * name as u32;
        for (first, value) in [
            (vmcs::GUEST_ES_SELECTOR.key(), u64::from(segment.selector)),
            (vmcs::GUEST_ES_BASE.key(), segment.base),
            (vmcs::GUEST_ES_LIMIT.key(), u64::from(segment.limit)),
            (
                vmcs::GUEST_ES_ACCESS_RIGHTS.key(),
                u64::from(segment.rights.bits()),
            ),
        ] {
            RawWrite::<space::Vmcs>::raw_write(self, first + at, value)
                .map_err(|code| self.failed("hv_vmx_vcpu_write_vmcs", code))?;
        }
        Ok(())
    }

    /// The control words that every preset starts from: HLT exits, TSC offset, MSR bitmaps, and RDTSCP, INVPCID and XSAVES where the host has
    /// them. The exception bitmap is empty: the guest handles its exceptions.
    ///
    /// # Errors
    /// [`Error::Missing`] if this host lacks a needed control.
    pub fn set_usual_controls(&mut self, long: bool) -> Result<(), Error> {
        self.set_controls(
            Pin::empty(),
            Pin::EXTERNAL_INTERRUPT_EXITING | Pin::NMI_EXITING | Pin::VIRTUAL_NMIS,
        )?;
        self.set_controls(
            Primary::HLT_EXITING,
            Primary::USE_TSC_OFFSETTING
                | Primary::USE_MSR_BITMAPS
                | Primary::UNCONDITIONAL_IO_EXITING
                | Primary::CR8_LOAD_EXITING
                | Primary::CR8_STORE_EXITING
                | Primary::ACTIVATE_SECONDARY_CONTROLS,
        )?;
        let mut extras =
            Secondary::ENABLE_RDTSCP | Secondary::ENABLE_INVPCID | Secondary::ENABLE_XSAVES_XRSTORS;
        if self.vm.options().contains(VmOptions::ACCEL_APIC) {
            extras |= Secondary::VIRTUALIZE_APIC_ACCESSES;
        }
        self.set_controls(Secondary::empty(), extras)?;
        if long {
            self.set_controls(
                Entry::IA_32E_MODE_GUEST | Entry::LOAD_IA32_EFER,
                Entry::empty(),
            )?;
        } else {
            self.set_controls(Entry::empty(), Entry::LOAD_IA32_EFER)?;
        }
        // Before macOS 10.10.3 there is no capability for this word: it stays as it is.
        if self.read(super::capabilities::EXIT).is_ok() {
            self.set_controls(Exit::empty(), Exit::SAVE_IA32_EFER)?;
        }
        self.write(vmcs::EXCEPTION_BITMAP, 0)?;
        self.write(vmcs::PAGE_FAULT_ERROR_CODE_MASK, 0)?;
        self.write(vmcs::PAGE_FAULT_ERROR_CODE_MATCH, 0)?;
        self.write(vmcs::TPR_THRESHOLD, 0)
    }

    /// What all presets share: registers zero, tables empty, nothing pending.
    fn reset_common(&mut self) -> Result<(), Error> {
        for register in [
            reg::RAX,
            reg::RCX,
            reg::RDX,
            reg::RBX,
            reg::RSI,
            reg::RDI,
            reg::RBP,
            reg::RSP,
            reg::R8,
            reg::R9,
            reg::R10,
            reg::R11,
            reg::R12,
            reg::R13,
            reg::R14,
            reg::R15,
            reg::CR2,
        ] {
            self.write(register, 0)?;
        }
        self.write(reg::RFLAGS, Rflags::from_bits(2))?;
        self.write(reg::XCR0, reg::Xcr0::X87)?;
        self.set_fpstate(&super::fpstate::FpState::default())?;
        self.write(vmcs::GUEST_GDTR_BASE, 0)?;
        self.write(vmcs::GUEST_GDTR_LIMIT, 0)?;
        self.write(vmcs::GUEST_IDTR_BASE, 0)?;
        self.write(vmcs::GUEST_IDTR_LIMIT, 0xffff)?;
        self.write(vmcs::GUEST_DR7, Dr7::from_bits(0x400))?;
        self.write(vmcs::GUEST_IA32_SYSENTER_CS, 0)?;
        self.write(vmcs::GUEST_IA32_SYSENTER_ESP, 0)?;
        self.write(vmcs::GUEST_IA32_SYSENTER_EIP, 0)?;
        self.write(vmcs::GUEST_ACTIVITY_STATE, ActivityState::ACTIVE)?;
        self.write(
            vmcs::GUEST_INTERRUPTIBILITY_STATE,
            InterruptibilityState::empty(),
        )?;
        self.write(
            vmcs::GUEST_PENDING_DEBUG_EXCEPTIONS,
            PendingDebugExceptions::empty(),
        )?;
        self.clear_injection()?;
        self.pending = None;
        self.set_segment(
            SegmentName::Ldtr,
            Segment {
                limit: 0xffff,
                ..Segment::real(0, LDT)
            },
        )?;
        self.set_segment(
            SegmentName::Tr,
            Segment {
                limit: 0xffff,
                ..Segment::real(0, TSS32)
            },
        )
    }

    /// CR0 and CR4 of a new guest. The guest sees what `cr0` and `cr4` say and may change all but CD, NW, NE and VMXE without an exit;
    /// `trap` adds bits of CR0 whose change exits.
    fn set_control_registers(&mut self, cr0: Cr0, cr4: Cr4, trap: Cr0) -> Result<(), Error> {
        self.write(
            vmcs::CR0_GUEST_HOST_MASK,
            Cr0::CD | Cr0::NW | Cr0::NE | trap,
        )?;
        self.write(vmcs::CR4_GUEST_HOST_MASK, Cr4::VMXE)?;
        self.set_guest_cr0(cr0)?;
        self.set_guest_cr4(cr4)
    }

    /// 16-bit real mode, as after a BIOS has jumped to `cs:ip`: all other segments 0, interrupts off, interrupt vectors at 0.
    ///
    /// Changes of CR0.PG exit ([`super::Exit::ControlRegister`]), since the framework wants EFER and the entry control changed with it.
    ///
    /// # Errors
    /// [`Error::Missing`] if this host lacks a needed control, [`Error::Row`] if the engine refuses.
    pub fn set_real_mode(&mut self, cs: u16, ip: u16) -> Result<(), Error> {
        self.set_usual_controls(false)?;
        self.reset_common()?;
        self.set_control_registers(Cr0::ET, Cr4::empty(), Cr0::PG)?;
        self.write(vmcs::GUEST_CR3, Cr3::empty())?;
        self.write(vmcs::GUEST_IA32_EFER, Efer::empty())?;
        for name in SegmentName::ALL.into_iter().take(6) {
            self.set_segment(name, Segment::real(0, DATA16))?;
        }
        self.set_segment(SegmentName::Cs, Segment::real(cs, CODE16))?;
        self.write(vmcs::GUEST_GDTR_LIMIT, 0xffff)?;
        self.write(vmcs::GUEST_IDTR_LIMIT, 0x3ff)?;
        self.write(reg::RIP, u64::from(ip))?;
        self.invalidate_tlb()
    }

    /// 32-bit protected mode without paging, all segments flat (selectors 8 and 16), interrupts off. The guest brings its own tables.
    ///
    /// # Errors
    /// As [`Vcpu::set_real_mode`].
    pub fn set_flat32(&mut self, eip: u32) -> Result<(), Error> {
        self.set_usual_controls(false)?;
        self.reset_common()?;
        self.set_control_registers(Cr0::PE | Cr0::ET, Cr4::empty(), Cr0::PG)?;
        self.write(vmcs::GUEST_CR3, Cr3::empty())?;
        self.write(vmcs::GUEST_IA32_EFER, Efer::empty())?;
        for name in SegmentName::ALL.into_iter().take(6) {
            self.set_segment(name, Segment::flat(0x10, DATA32))?;
        }
        self.set_segment(SegmentName::Cs, Segment::flat(8, CODE32))?;
        self.write(reg::RIP, u64::from(eip))?;
        self.invalidate_tlb()
    }

    /// 64-bit mode with the page tables at `cr3` (see [`Vm::write_identity_map`]), flat segments, interrupts off, SSE on, and the MSRs
    /// that a 64-bit guest uses enabled.
    ///
    /// # Errors
    /// As [`Vcpu::set_real_mode`].
    pub fn set_long_mode64(&mut self, rip: u64, cr3: Gpa) -> Result<(), Error> {
        self.set_usual_controls(true)?;
        self.enable_usual_msrs()?;
        self.reset_common()?;
        self.write(vmcs::GUEST_CR3, Cr3::from_bits(cr3.0))?;
        self.set_control_registers(
            Cr0::PG | Cr0::PE | Cr0::ET | Cr0::NE | Cr0::MP | Cr0::WP,
            Cr4::PAE | Cr4::OSFXSR | Cr4::OSXMMEXCPT,
            Cr0::PG,
        )?;
        self.write(
            vmcs::GUEST_IA32_EFER,
            Efer::LME | Efer::LMA | Efer::NXE | Efer::SCE,
        )?;
        for name in SegmentName::ALL.into_iter().take(6) {
            self.set_segment(name, Segment::flat(0x10, DATA32))?;
        }
        self.set_segment(SegmentName::Cs, Segment::flat(8, CODE64))?;
        self.write(reg::RIP, rip)?;
        self.invalidate_tlb()
    }

    /// What Linux wants of the CPU that it begins on by its 64-bit boot protocol (Documentation/arch/x86/boot.rst): 64-bit mode at `entry`,
    /// memory mapped to itself, flat segments with the selectors 10h (code) and 18h (data), interrupts off, RSI at its
    /// parameters, `struct boot_params`.
    ///
    /// A GDT and page tables for the first 4 GiB are written to the 28 KiB at `tables`, a page; the kernel does not need them for long.
    ///
    /// # Errors
    /// As [`Vcpu::set_long_mode64`] and [`Vm::write_identity_map`].
    pub fn set_linux(&mut self, entry: u64, params: Gpa, tables: Gpa) -> Result<(), Error> {
        let pages = Gpa(tables.0 + 0x1000);
        self.vm.write_identity_map(pages, 4 << 30)?;
        self.set_long_mode64(entry, pages)?;
        self.set_linux_gdt(0x00af_9b00_0000_ffff, tables)?;
        self.set_linux_segments(CODE64, params)
    }

    /// What Linux wants of the CPU that it begins on by its 32-bit boot protocol (Documentation/arch/x86/boot.rst): flat 32-bit protected
    /// mode without paging at `entry`, the selectors 10h (code) and 18h (data), interrupts off, ESI at its parameters, `struct boot_params`.
    ///
    /// A GDT is written to the 32 bytes at `tables`.
    ///
    /// # Errors
    /// As [`Vcpu::set_flat32`], [`Error::OutOfRange`] if there is no memory.
    pub fn set_linux32(&mut self, entry: u32, params: Gpa, tables: Gpa) -> Result<(), Error> {
        self.set_flat32(entry)?;
        self.enable_usual_msrs()?;
        self.set_linux_gdt(0x00cf_9b00_0000_ffff, tables)?;
        self.set_linux_segments(CODE32, params)
    }

    /// The GDT of both boot protocols at `gpa`: flat code and flat data, accessed (SDM vol. 3, 3.4.5), in the third and fourth place.
    fn set_linux_gdt(&mut self, code: u64, gpa: Gpa) -> Result<(), Error> {
        let bytes = [0, 0, code, 0x00cf_9300_0000_ffff]
            .map(u64::to_le_bytes)
            .concat();
        self.vm.write(gpa, &bytes)?;
        self.write(vmcs::GUEST_GDTR_BASE, gpa.0)?;
        self.write(vmcs::GUEST_GDTR_LIMIT, bytes.len() as u32 - 1)
    }

    /// The segments that this GDT has, and where the parameters are.
    fn set_linux_segments(&mut self, code: u32, params: Gpa) -> Result<(), Error> {
        for name in SegmentName::ALL.into_iter().take(6) {
            self.set_segment(name, Segment::flat(0x18, DATA32))?;
        }
        self.set_segment(SegmentName::Cs, Segment::flat(0x10, code))?;
        self.write(reg::RSI, params.0)
    }
}

/// Present, writable, user.
const TABLE: u64 = 7;
/// The entry is a page by itself.
const LARGE: u64 = 0x80;
/// Present, writable: the guest's kernel's own. Devices have PCD and PWT besides, and XD.
const FORMAT: Format = Format {
    table: 3,
    memory: [3, 3 | LARGE],
    device: [0x18 | 3 | 1 << 63, 0x18 | 3 | LARGE | 1 << 63],
};
/// Null, 64-bit code and data with selectors 8 and 16: the segments of [`Vcpu::set_long_mode64`].
const FLAT_GDT: [u64; 3] = [0, 0x00af_9b00_0000_ffff, 0x00cf_9300_0000_ffff];

impl Vcpu {
    /// Writes a GDT with the segments of [`Vcpu::set_long_mode64`] to `gpa`, 24 bytes, and loads GDTR with it, for a guest that loads
    /// segment registers before it has a GDT of its own. The address is the linear one too.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if there is no memory, [`Error::Row`] if the engine refuses.
    pub fn set_flat_gdt(&mut self, gpa: Gpa) -> Result<(), Error> {
        let bytes = FLAT_GDT.map(u64::to_le_bytes).concat();
        self.vm.write(gpa, &bytes)?;
        self.write(vmcs::GUEST_GDTR_BASE, gpa.0)?;
        self.write(vmcs::GUEST_GDTR_LIMIT, bytes.len() as u32 - 1)
    }
}

impl Vm {
    /// Page tables for 64-bit mode, which lie in `area`: pages of the kernel's, writable and executable. See
    /// [`Vcpu::set_long_mode64`].
    ///
    /// # Errors
    /// [`Error::Argument`] if the area is not made of pages, [`Error::OutOfRange`] if there is no memory.
    pub fn page_tables(&self, area: core::ops::Range<Gpa>) -> Result<PageTables<'_>, Error> {
        PageTables::new(self.memory(), FORMAT, area)
    }

    /// Writes page tables for 64-bit mode that map linear addresses to themselves, in pages of 2 MiB, from 0 to `size` (rounded up to
    /// GiB, at most 512): for user and supervisor, writable and executable. Answers the address behind the tables, which take
    /// 8 KiB and 4 KiB more for each GiB.
    ///
    /// # Errors
    /// [`Error::Argument`] if `tables` is no page or the size is beyond 512 GiB, [`Error::OutOfRange`] if there is no memory.
    pub fn write_identity_map(&self, tables: Gpa, size: u64) -> Result<Gpa, Error> {
        let gibs = size.div_ceil(1 << 30).max(1);
        if !tables.0.is_multiple_of(4096) || gibs > 512 {
            return Err(Error::Argument {
                call: "Vm::write_identity_map",
                why: format!(
                    "{tables} is to be a multiple of 0x1000, and {size:#x} at most 512 GiB"
                ),
            });
        }
        let (pointers, first) = (tables.0 + 0x1000, tables.0 + 0x2000);
        self.write(tables, &[0; 0x2000])?;
        self.write_value(tables, pointers | TABLE)?;
        for gib in 0..gibs {
            let directory = first + gib * 0x1000;
            self.write_value(Gpa(pointers + 8 * gib), directory | TABLE)?;
            let entries: Vec<u8> = (0..512_u64)
                .flat_map(|at| (gib << 30 | at << 21 | LARGE | TABLE).to_le_bytes())
                .collect();
            self.write(Gpa(directory), &entries)?;
        }
        Ok(Gpa(first + gibs * 0x1000))
    }
}
