//! Control words and control registers: what a client wants, made of what the host allows; and what a guest sees of CR0 and CR4.

use super::capabilities::{self, AllowedSettings};
use super::controls::{
    PinBasedControls, PrimaryProcessorBasedControls, SecondaryProcessorBasedControls,
    VmEntryControls, VmExitControls,
};
use super::exits::CrQualification;
use super::msr::Efer;
use super::reg::{self, Cr0, Cr4};
use super::vcpu::Vcpu;
use super::vm::VmOptions;
use super::vmcs::{self, AccessRights};
use crate::error::Error;
use crate::typed::{Bits, Capability, FieldKind, RawRead, RawWrite, VmcsField, space};

/// What CR0 has to have behind the guest's back: NE set, CD and NW clear.
const CR0_SET: Cr0 = Cr0::NE.union(Cr0::ET);
const CR0_CLEAR: Cr0 = Cr0::CD.union(Cr0::NW);
/// Offset of the task-priority register in the APIC page.
const APIC_TPR: u32 = 0x80;

/// A word of VMX controls: its field, and the capability that judges it.
pub trait ControlWord: Bits {
    /// The VMCS field.
    const FIELD: VmcsField<Self>;
    /// What the framework lets a client choose.
    const ALLOWED: Capability<AllowedSettings>;
}

macro_rules! words {
    ($($word:ident $field:ident $capability:ident;)*) => {$(
        impl ControlWord for $word {
            const FIELD: VmcsField<Self> = vmcs::$field;
            const ALLOWED: Capability<AllowedSettings> = capabilities::$capability;
        }
    )*};
}

words! {
    PinBasedControls                PIN_BASED_CONTROLS                  PINBASED;
    PrimaryProcessorBasedControls   PRIMARY_PROCESSOR_BASED_CONTROLS    PROCBASED;
    SecondaryProcessorBasedControls SECONDARY_PROCESSOR_BASED_CONTROLS  PROCBASED2;
    VmExitControls                  VM_EXIT_CONTROLS                    EXIT;
    VmEntryControls                 VM_ENTRY_CONTROLS                   ENTRY;
}

impl Vcpu {
    /// Writes a control word: `needed` bits, `wanted` bits as far as the host allows them, and the bits that it forces. Answers
    /// what was written.
    ///
    /// # Errors
    /// [`Error::Missing`] with the names of needed bits that this host lacks, [`Error::Row`] if the engine refuses.
    pub fn set_controls<W: ControlWord>(&mut self, needed: W, wanted: W) -> Result<W, Error> {
        let allowed = self.read(W::ALLOWED)?;
        let (needed, wanted) = (needed.into_u128() as u64, wanted.into_u128() as u64);
        let may = u64::from(allowed.allowed1());
        let lacking = needed & !may;
        if lacking != 0 {
            return Err(Error::Missing {
                call: "Vcpu::set_controls",
                what: format!("this host does not have {}", names::<W>(lacking)),
            });
        }
        let value = (needed | wanted | u64::from(allowed.allowed0())) & may;
        let word = W::from_u128(u128::from(value));
        self.write(W::FIELD, word)?;
        Ok(word)
    }

    /// CR0 as the guest reads it: masked bits come from the shadow.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn guest_cr0(&self) -> Result<Cr0, Error> {
        let mask = self.read(vmcs::CR0_GUEST_HOST_MASK)?;
        let (shadow, real) = (
            self.read(vmcs::CR0_READ_SHADOW)?,
            self.read(vmcs::GUEST_CR0)?,
        );
        Ok((shadow & mask) | (real - mask))
    }

    /// CR4 as the guest reads it: masked bits come from the shadow.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn guest_cr4(&self) -> Result<Cr4, Error> {
        let mask = self.read(vmcs::CR4_GUEST_HOST_MASK)?;
        let (shadow, real) = (
            self.read(vmcs::CR4_READ_SHADOW)?,
            self.read(vmcs::GUEST_CR4)?,
        );
        Ok((shadow & mask) | (real - mask))
    }

    /// Makes CR0 what a guest would read after writing `value`: the real register keeps what VMX and the framework ask for.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_guest_cr0(&mut self, value: Cr0) -> Result<(), Error> {
        self.write(vmcs::CR0_READ_SHADOW, value)?;
        self.write(vmcs::GUEST_CR0, (value | CR0_SET) - CR0_CLEAR)
    }

    /// Makes CR4 what a guest would read after writing `value`: the real register keeps VMXE.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn set_guest_cr4(&mut self, value: Cr4) -> Result<(), Error> {
        self.write(vmcs::CR4_READ_SHADOW, value)?;
        self.write(vmcs::GUEST_CR4, value | Cr4::VMXE)
    }

    /// Does an access to a control register; false where the processor raises #GP.
    pub(super) fn do_control_register(&mut self, access: CrQualification) -> Result<bool, Error> {
        let register = register_id(access.register().0);
        match (access.access().0, access.number()) {
            (0, number) => {
                let value = RawRead::<space::General>::raw_read(self, register)
                    .map_err(|code| self.failed("hv_vcpu_read_register", code))?;
                let value = if self.code()?.1 == 64 {
                    value
                } else {
                    value & 0xffff_ffff
                };
                self.move_to_cr(number, value)
            }
            (1, number) => {
                let value = match number {
                    0 => self.guest_cr0()?.bits(),
                    3 => self.raw_vmcs(vmcs::GUEST_CR3.key()),
                    4 => self.guest_cr4()?.bits(),
                    8 => self.task_priority()? >> 4,
                    _ => return Ok(false),
                };
                RawWrite::<space::General>::raw_write(self, register, value)
                    .map_err(|code| self.failed("hv_vcpu_write_register", code))?;
                Ok(true)
            }
            (2, _) => {
                let value = self.guest_cr0()? - Cr0::TS;
                self.move_to_cr(0, value.bits())
            }
            _ => {
                let old = self.guest_cr0()?;
                let low = Cr0::from_bits(u64::from(access.lmsw_source()))
                    & (Cr0::PE | Cr0::MP | Cr0::EM | Cr0::TS);
                // LMSW sets PE but never clears it.
                let kept = old - (Cr0::MP | Cr0::EM | Cr0::TS);
                self.move_to_cr(0, (kept | low).bits())
            }
        }
    }

    fn move_to_cr(&mut self, number: u8, value: u64) -> Result<bool, Error> {
        match number {
            0 => self.do_cr0(Cr0::from_bits(value)),
            3 => {
                self.write(vmcs::GUEST_CR3, reg::Cr3::from_bits(value & !(1 << 63)))?;
                self.load_pdptes()?;
                self.invalidate_tlb()?;
                Ok(true)
            }
            4 => self.do_cr4(Cr4::from_bits(value)),
            8 if value < 16 => {
                self.set_task_priority(value << 4)?;
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    /// The task priority: the engine's local APIC has it, if there is one.
    fn task_priority(&mut self) -> Result<u64, Error> {
        if self.vm.options().contains(VmOptions::ACCEL_APIC) {
            return self.read_apic(APIC_TPR).map(u64::from);
        }
        Ok(self.read(reg::TPR)?.bits())
    }

    fn set_task_priority(&mut self, priority: u64) -> Result<(), Error> {
        if self.vm.options().contains(VmOptions::ACCEL_APIC) {
            return self.write_apic(APIC_TPR, priority as u32).map(drop);
        }
        self.write(reg::TPR, reg::Tpr::from_bits(priority))
    }

    fn do_cr0(&mut self, value: Cr0) -> Result<bool, Error> {
        let paging = value.contains(Cr0::PG);
        let bad = value.bits() >> 32 != 0
            || (paging && !value.contains(Cr0::PE))
            || (value.contains(Cr0::NW) && !value.contains(Cr0::CD));
        let efer = self.read(vmcs::GUEST_IA32_EFER)?;
        let was = self.guest_cr0()?.contains(Cr0::PG);
        let enter_long = paging && !was && efer.contains(Efer::LME);
        let cr4 = self.guest_cr4()?;
        let leave_long = was && !paging && efer.contains(Efer::LMA);
        if bad
            || (enter_long && !cr4.contains(Cr4::PAE))
            || (leave_long && (cr4.contains(Cr4::PCIDE) || self.code()?.1 == 64))
        {
            return Ok(false);
        }
        let value = value | Cr0::ET;
        self.set_guest_cr0(value)?;
        if enter_long {
            self.set_long_mode(true)?;
        } else if leave_long {
            self.set_long_mode(false)?;
        } else if paging && !was {
            self.load_pdptes()?;
        }
        self.invalidate_tlb()?;
        Ok(true)
    }

    fn do_cr4(&mut self, value: Cr4) -> Result<bool, Error> {
        let long = self.read(vmcs::GUEST_IA32_EFER)?.contains(Efer::LMA);
        let fixed = self
            .read(capabilities::CR4_FIXED1)
            .unwrap_or(Cr4::from_bits(!0));
        let bad = !(fixed - Cr4::VMXE).contains(value)
            || (long && !value.contains(Cr4::PAE))
            || (!long && value.contains(Cr4::PCIDE));
        if bad {
            return Ok(false);
        }
        self.set_guest_cr4(value)?;
        self.load_pdptes()?;
        self.invalidate_tlb()?;
        Ok(true)
    }

    /// WRMSR of EFER; false where the processor raises #GP.
    pub(super) fn do_efer(&mut self, value: u64) -> Result<bool, Error> {
        let old = self.read(vmcs::GUEST_IA32_EFER)?;
        let wanted = Efer::from_bits(value);
        let paging = self.guest_cr0()?.contains(Cr0::PG);
        let known = Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE;
        let changes_long = wanted.contains(Efer::LME) != old.contains(Efer::LME);
        if !known.contains(wanted) || (paging && changes_long) {
            return Ok(false);
        }
        // LMA is the processor's.
        let value = wanted.with(Efer::LMA, old.contains(Efer::LMA));
        self.write(vmcs::GUEST_IA32_EFER, value)?;
        self.invalidate_tlb()?;
        Ok(true)
    }

    /// Turns IA-32e mode on or off: EFER.LMA, the entry control, and the type of TR.
    pub(super) fn set_long_mode(&mut self, on: bool) -> Result<(), Error> {
        let switch = |entry: VmEntryControls| entry.with(VmEntryControls::IA_32E_MODE_GUEST, on);
        let lma = |efer: Efer| efer.with(Efer::LMA, on);
        // On the way out the control goes first, on the way in EFER: the framework refuses the reverse.
        if on {
            self.modify(vmcs::GUEST_IA32_EFER, lma)?;
            self.modify(vmcs::VM_ENTRY_CONTROLS, switch)?;
            return self.modify(vmcs::GUEST_TR_ACCESS_RIGHTS, |rights: AccessRights| {
                let wide = rights.type_().0 | 8;
                rights.with_type(vmcs::SegmentType(wide))
            });
        }
        self.modify(vmcs::VM_ENTRY_CONTROLS, switch)?;
        self.modify(vmcs::GUEST_IA32_EFER, lma)
    }

    /// Under PAE paging without IA-32e mode: the four top entries, from where CR3 points to.
    fn load_pdptes(&mut self) -> Result<(), Error> {
        let long = self.read(vmcs::GUEST_IA32_EFER)?.contains(Efer::LMA);
        let paging = self.read(vmcs::GUEST_CR0)?.contains(Cr0::PG);
        let pae = self.read(vmcs::GUEST_CR4)?.contains(Cr4::PAE);
        if long || !paging || !pae {
            return Ok(());
        }
        let table = self.raw_vmcs(vmcs::GUEST_CR3.key()) & 0xffff_ffe0;
        let mut bytes = [0; 32];
        self.memory.read(table, &mut bytes)?;
        for (field, entry) in [
            vmcs::GUEST_PDPTE0,
            vmcs::GUEST_PDPTE1,
            vmcs::GUEST_PDPTE2,
            vmcs::GUEST_PDPTE3,
        ]
        .into_iter()
        .zip(bytes.chunks_exact(8))
        {
            let value = entry
                .iter()
                .rev()
                .fold(0, |value, byte| value << 8 | u64::from(*byte));
            self.write(field, value)?;
        }
        Ok(())
    }
}

/// The framework's id of a general register, by its number in instructions.
pub(super) fn register_id(number: u8) -> u32 {
    [
        reg::RAX,
        reg::RCX,
        reg::RDX,
        reg::RBX,
        reg::RSP,
        reg::RBP,
        reg::RSI,
        reg::RDI,
        reg::R8,
        reg::R9,
        reg::R10,
        reg::R11,
        reg::R12,
        reg::R13,
        reg::R14,
        reg::R15,
    ][usize::from(number % 16)]
    .key()
}

/// The names of the bits of a control word.
fn names<W: Bits>(bits: u64) -> String {
    let known = W::FIELDS
        .iter()
        .filter(|field| matches!(field.kind, FieldKind::Flag) && bits >> field.lsb & 1 != 0);
    let list: Vec<&str> = known.map(|field| field.name).collect();
    if list.is_empty() {
        return format!("bits {bits:#x} of {}", W::NAME);
    }
    list.join(", ")
}
