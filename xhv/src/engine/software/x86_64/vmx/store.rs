//! VMCS fields by encoding: where each lives, and who may write it.
//!
//! Guest-state fields are the CPU's registers, control fields are in `Controls`, exit fields in [`ExitFields`].

use super::super::cpu::{Activity, Cpu, RSP, Segment};
use super::capabilities::LIMITS;
use super::exit::ExitFields;
use super::shadow::width_mask;
use crate::error::Code;
use crate::x86_64::entry::Fields;
use crate::x86_64::entry::field::{bit, vmcs as f};

/// What a VMCS has beside the CPU.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vmcs {
    pub(crate) exit: ExitFields,
    /// Something that entry checks look at, or that the CPU's mode is derived from, was written since the last entry.
    pub(crate) dirty: bool,
    /// Translations have to be forgotten at the next entry.
    pub(crate) flush: bool,
    /// RFLAGS as the client wrote them, reserved bits and all, until an entry takes them.
    pub(crate) flags: Option<u64>,
}

/// The VMCS as entry checks read it.
pub(crate) struct View<'a> {
    pub(crate) cpu: &'a Cpu,
    pub(crate) vmcs: &'a Vmcs,
}

impl Fields for View<'_> {
    #[inline(always)]
    fn get(&self, field: u32) -> u64 {
        self.vmcs.read(self.cpu, field).unwrap_or(0)
    }

    fn virtual_tpr(&self) -> Option<u64> {
        Some(self.cpu.tpr().into())
    }
}

/// The segment register whose selector, limit, rights or base `field` is, when the first of the eight has `first`.
fn segment(cpu: &Cpu, field: u32, first: u32) -> &Segment {
    match (field - first) / 2 {
        6 => &cpu.ldtr,
        7 => &cpu.tr,
        n => &cpu.seg[n as usize % 6],
    }
}

fn segment_mut(cpu: &mut Cpu, field: u32, first: u32) -> &mut Segment {
    match (field - first) / 2 {
        6 => &mut cpu.ldtr,
        7 => &mut cpu.tr,
        n => &mut cpu.seg[n as usize % 6],
    }
}

impl Vmcs {
    /// A field's value. [`Code::BAD_ARGUMENT`] for what is no field, or hidden.
    #[inline(always)]
    pub(crate) fn read(&self, cpu: &Cpu, field: u32) -> Result<u64, Code> {
        if field & 1 != 0 {
            return Err(Code::BAD_ARGUMENT);
        }
        Ok(match field {
            f::EXIT_REASON => self.exit.reason.into(),
            f::QUALIFICATION => self.exit.qualification,
            f::EXIT_LENGTH => self.exit.len.into(),
            f::EXIT_INFORMATION => self.exit.info.into(),
            f::RIP => cpu.rip,
            f::RSP => cpu.gpr[RSP],
            f::RFLAGS => self.flags.unwrap_or_else(|| cpu.flags()),
            f::ES..=f::TR => segment(cpu, field, f::ES).selector.into(),
            f::ES_LIMIT..=f::TR_LIMIT => segment(cpu, field, f::ES_LIMIT).limit.into(),
            f::ES_RIGHTS..=f::TR_RIGHTS => segment(cpu, field, f::ES_RIGHTS).rights.into(),
            f::ES_BASE..=f::TR_BASE => segment(cpu, field, f::ES_BASE).base,
            f::CR0..=f::CR4 | f::GDTR_BASE..=f::SYSENTER_EIP => guest_wide(cpu, field),
            f::GDTR_LIMIT..=f::IDTR_LIMIT | f::INTERRUPTIBILITY..=f::TIMER_VALUE => {
                guest_32(cpu, field)?
            }
            f::LINK_POINTER..=f::PDPTE3 => guest_64(cpu, field)?,
            f::INSTRUCTION_ERROR..=f::EXIT_INFORMATION => self.exit.read_32(field),
            f::IO_RCX..=f::LINEAR_ADDRESS => self.exit.read_wide(field),
            f::GUEST_PHYSICAL_ADDRESS => self.exit.gpa,
            _ => control(cpu, field)?,
        })
    }

    /// Writes a field. [`Code::BAD_ARGUMENT`] for what is no field, what the client may not write, and values that do not fit.
    #[inline]
    pub(crate) fn write(&mut self, cpu: &mut Cpu, field: u32, value: u64) -> Result<(), Code> {
        if field & 1 != 0 || value & !width_mask(field) != 0 {
            return Err(Code::BAD_ARGUMENT);
        }
        match field {
            f::RIP => {
                cpu.rip = value;
                return Ok(());
            }
            f::RSP => {
                cpu.gpr[RSP] = value;
                return Ok(());
            }
            f::RFLAGS => {
                self.write_flags(cpu, value);
                return Ok(());
            }
            f::ENTRY_INTERRUPTION => {
                cpu.vmx.event = value as u32;
                return Ok(());
            }
            f::ENTRY_ERROR => {
                cpu.vmx.event_error = value as u32;
                return Ok(());
            }
            f::ENTRY_LENGTH => {
                cpu.vmx.event_len = value as u32;
                return Ok(());
            }
            f::INTERRUPTIBILITY => {
                cpu.shadow = value as u32;
                return Ok(());
            }
            _ => {}
        }
        self.write_slow(cpu, field, value)?;
        self.dirty = true;
        Ok(())
    }

    /// Writes RFLAGS; bits that are reserved stay visible until an entry refuses them.
    pub(crate) fn write_flags(&mut self, cpu: &mut Cpu, value: u64) {
        cpu.set_flags(value);
        self.flags = (cpu.flags() != value).then_some(value);
        self.dirty |= self.flags.is_some();
    }

    fn write_slow(&mut self, cpu: &mut Cpu, field: u32, value: u64) -> Result<(), Code> {
        match field {
            f::ES..=f::TR => segment_mut(cpu, field, f::ES).selector = value as u16,
            f::ES_LIMIT..=f::TR_LIMIT => segment_mut(cpu, field, f::ES_LIMIT).limit = value as u32,
            f::ES_RIGHTS..=f::TR_RIGHTS => {
                segment_mut(cpu, field, f::ES_RIGHTS).rights = value as u32;
            }
            f::ES_BASE..=f::TR_BASE => segment_mut(cpu, field, f::ES_BASE).base = value,
            f::CR3 => {
                cpu.cr3 = value;
                self.flush = true;
            }
            f::CR0..=f::CR4 | f::GDTR_BASE..=f::SYSENTER_EIP => write_guest_wide(cpu, field, value),
            f::GDTR_LIMIT..=f::IDTR_LIMIT | f::INTERRUPTIBILITY..=f::TIMER_VALUE => {
                write_guest_32(cpu, field, value)?;
            }
            f::LINK_POINTER..=f::PDPTE3 => write_guest_64(cpu, field, value)?,
            _ => write_control(cpu, field, value)?,
        }
        Ok(())
    }

    /// Bits that a written value must have, and may have (`hv_vmx_vcpu_get_cap_write_vmcs`).
    pub(crate) fn write_masks(field: u32) -> Result<(u64, u64), Code> {
        let halves = |word: u64| (word & 0xffff_ffff, word >> 32);
        Ok(match field {
            f::PIN_BASED => halves(LIMITS.pin),
            f::PRIMARY => halves(LIMITS.primary),
            f::SECONDARY => halves(LIMITS.secondary),
            f::EXIT_CONTROLS => halves(LIMITS.exit),
            f::ENTRY_CONTROLS => halves(LIMITS.entry),
            f::CR0_MASK => (bit::CR0_CD_NW, !0),
            f::CR0 => {
                let free = bit::CR0_PE | bit::CR0_PG;
                (
                    LIMITS.cr0_fixed0 & !free,
                    LIMITS.cr0_fixed1 & !bit::CR0_CD_NW,
                )
            }
            f::CR4 => (LIMITS.cr4_fixed0, LIMITS.cr4_fixed1),
            f::ACTIVITY => (0, 1),
            _ if is_writable(field) => (0, width_mask(field)),
            _ => return Err(Code::BAD_ARGUMENT),
        })
    }
}

/// Whether a client may write a field at all.
fn is_writable(field: u32) -> bool {
    if field & 1 != 0 {
        return false;
    }
    matches!(field,
        f::ES..=f::TR
        | f::ES_LIMIT..=f::TR_RIGHTS
        | f::INTERRUPTIBILITY | f::ACTIVITY | f::SYSENTER_CS | f::TIMER_VALUE
        | f::CR0..=f::SYSENTER_EIP
        | f::DEBUGCTL | f::EFER | f::PERF_GLOBAL_CTRL
        | f::PDPTE0..=f::PDPTE3
        | f::PIN_BASED..=f::EXIT_CONTROLS
        | f::ENTRY_CONTROLS
        | f::ENTRY_INTERRUPTION..=f::PLE_WINDOW
        | f::XSS_EXITING_BITMAP
        | f::CR0_MASK..=f::CR3_TARGET3)
}

fn guest_wide(cpu: &Cpu, field: u32) -> u64 {
    match field {
        f::CR0 => cpu.cr0,
        f::CR3 => cpu.cr3,
        f::CR4 => cpu.cr4,
        f::GDTR_BASE => cpu.gdtr.base,
        f::IDTR_BASE => cpu.idtr.base,
        f::DR7 => cpu.dr[7],
        f::PENDING_DEBUG => cpu.pending_debug,
        f::SYSENTER_ESP => cpu.msr.sysenter_esp,
        _ => cpu.msr.sysenter_eip,
    }
}

fn write_guest_wide(cpu: &mut Cpu, field: u32, value: u64) {
    match field {
        f::CR0 => cpu.cr0 = value,
        f::CR4 => cpu.cr4 = value,
        f::GDTR_BASE => cpu.gdtr.base = value,
        f::IDTR_BASE => cpu.idtr.base = value,
        f::DR7 => cpu.dr[7] = value,
        f::PENDING_DEBUG => cpu.pending_debug = value,
        f::SYSENTER_ESP => cpu.msr.sysenter_esp = value,
        _ => cpu.msr.sysenter_eip = value,
    }
}

fn guest_32(cpu: &Cpu, field: u32) -> Result<u64, Code> {
    Ok(match field {
        f::GDTR_LIMIT => cpu.gdtr.limit.into(),
        f::IDTR_LIMIT => cpu.idtr.limit.into(),
        f::INTERRUPTIBILITY => cpu.shadow.into(),
        f::ACTIVITY => cpu.activity as u64,
        f::SMBASE => 0,
        f::SYSENTER_CS => cpu.msr.sysenter_cs,
        f::TIMER_VALUE => cpu.vmx.timer.into(),
        _ => return Err(Code::BAD_ARGUMENT),
    })
}

fn write_guest_32(cpu: &mut Cpu, field: u32, value: u64) -> Result<(), Code> {
    match (field, value) {
        (f::GDTR_LIMIT, _) => cpu.gdtr.limit = value as u32,
        (f::IDTR_LIMIT, _) => cpu.idtr.limit = value as u32,
        (f::ACTIVITY, 0) => cpu.activity = Activity::Active,
        (f::ACTIVITY, 1) => cpu.activity = Activity::Halt,
        (f::SYSENTER_CS, _) => cpu.msr.sysenter_cs = value,
        (f::TIMER_VALUE, _) => cpu.vmx.timer = value as u32,
        _ => return Err(Code::BAD_ARGUMENT),
    }
    Ok(())
}

fn guest_64(cpu: &Cpu, field: u32) -> Result<u64, Code> {
    Ok(match field {
        f::LINK_POINTER => !0,
        f::DEBUGCTL => cpu.msr.debugctl,
        f::PAT => cpu.msr.pat,
        f::EFER => cpu.vmx.efer,
        f::PERF_GLOBAL_CTRL => cpu.msr.perf_global_ctrl,
        f::PDPTE0..=f::PDPTE3 => cpu.pdpte[(field - f::PDPTE0) as usize / 2],
        _ => return Err(Code::BAD_ARGUMENT),
    })
}

fn write_guest_64(cpu: &mut Cpu, field: u32, value: u64) -> Result<(), Code> {
    match field {
        f::DEBUGCTL => cpu.msr.debugctl = value,
        f::EFER => cpu.vmx.efer = value,
        f::PERF_GLOBAL_CTRL => cpu.msr.perf_global_ctrl = value,
        f::PDPTE0..=f::PDPTE3 => cpu.pdpte[(field - f::PDPTE0) as usize / 2] = value,
        _ => return Err(Code::BAD_ARGUMENT),
    }
    Ok(())
}

fn control(cpu: &Cpu, field: u32) -> Result<u64, Code> {
    let c = &cpu.vmx;
    Ok(match field {
        f::PIN_BASED => c.pin.into(),
        f::PRIMARY => c.primary.into(),
        f::SECONDARY => c.secondary_written.into(),
        f::EXIT_CONTROLS => c.exit.into(),
        f::ENTRY_CONTROLS => c.entry.into(),
        f::EXCEPTION_BITMAP => c.exception_bitmap.into(),
        f::PF_ERROR_MASK => c.pf_mask.into(),
        f::PF_ERROR_MATCH => c.pf_match.into(),
        f::CR3_TARGET_COUNT => c.cr3_count.into(),
        f::ENTRY_INTERRUPTION => c.event.into(),
        f::ENTRY_ERROR => c.event_error.into(),
        f::ENTRY_LENGTH => c.event_len.into(),
        f::TPR_THRESHOLD => c.tpr_threshold.into(),
        f::PLE_GAP => c.ple_gap.into(),
        f::PLE_WINDOW => c.ple_window.into(),
        f::CR0_MASK => c.cr0_mask,
        f::CR4_MASK => c.cr4_mask,
        f::CR0_SHADOW => c.cr0_shadow,
        f::CR4_SHADOW => c.cr4_shadow,
        f::CR3_TARGET0..=f::CR3_TARGET3 => c.cr3_targets[(field - f::CR3_TARGET0) as usize / 2],
        f::TSC_OFFSET => c.clock.offset(),
        f::APIC_ACCESS => c.apic_page.unwrap_or(0),
        f::XSS_EXITING_BITMAP => c.xss_exiting,
        f::EPTP => return Err(Code::BAD_ARGUMENT),
        // What the framework has for itself reads as zero, and so does exit information that this CPU has no use for; what no header
        // names is no field.
        _ => {
            if field >> 10 & 3 == 1 && field & 0x3ff < 8 {
                return Ok(0);
            }
            let known = crate::x86_64::vmcs::ALL.iter();
            let named = known
                .filter(|row| row.key == field)
                .any(|row| !row.apple.is_empty());
            return if named {
                Ok(0)
            } else {
                Err(Code::BAD_ARGUMENT)
            };
        }
    })
}

fn write_control(cpu: &mut Cpu, field: u32, value: u64) -> Result<(), Code> {
    let (c, narrow) = (&mut cpu.vmx, value as u32);
    match field {
        f::PIN_BASED => c.pin = narrow,
        f::PRIMARY => c.primary = narrow,
        f::SECONDARY => c.secondary_written = narrow,
        f::EXIT_CONTROLS => c.exit = narrow,
        f::ENTRY_CONTROLS => c.entry = narrow,
        f::EXCEPTION_BITMAP => c.exception_bitmap = narrow,
        f::PF_ERROR_MASK => c.pf_mask = narrow,
        f::PF_ERROR_MATCH => c.pf_match = narrow,
        f::CR3_TARGET_COUNT => c.cr3_count = narrow,
        f::TPR_THRESHOLD => c.tpr_threshold = narrow,
        f::PLE_GAP => c.ple_gap = narrow,
        f::PLE_WINDOW => c.ple_window = narrow,
        f::CR0_MASK => c.cr0_mask = value,
        f::CR4_MASK => c.cr4_mask = value,
        f::CR0_SHADOW => c.cr0_shadow = value,
        f::CR4_SHADOW => c.cr4_shadow = value,
        f::CR3_TARGET0..=f::CR3_TARGET3 => {
            c.cr3_targets[(field - f::CR3_TARGET0) as usize / 2] = value;
        }
        f::XSS_EXITING_BITMAP => c.xss_exiting = value,
        _ => return Err(Code::BAD_ARGUMENT),
    }
    Ok(())
}
