//! VM-entry rules about guest state but segments (SDM vol. 3, 28.3.1). Broken ones end the entry with exit reason 0x80000021.

use super::field::{bit, entry, pin, vmcs};
use super::{Check, Fields, Rule};

/// B0 to B3, bus lock, enabled breakpoint, BS, RTM.
const PENDING_DEBUG_KNOWN: u64 = 0x1_580f;
const DEBUGCTL_BTF: u64 = 1 << 1;
const PENDING_BS: u64 = 1 << 14;

impl<F: Fields> Check<'_, F> {
    /// All rules about guest state.
    pub(super) fn guest(&mut self) {
        self.control_registers();
        self.debug_and_msrs();
        self.efer();
        self.segments();
        self.flow();
        self.need_or(
            self.get(vmcs::LINK_POINTER) == !0,
            Rule::LinkPointer,
            vmcs::LINK_POINTER,
            4,
        );
        self.pdptes();
    }

    pub(super) fn ia32e(&self) -> bool {
        self.get32(vmcs::ENTRY_CONTROLS) & entry::IA32E != 0
    }

    fn control_registers(&mut self) {
        let (cr0, cr4) = (self.get(vmcs::CR0), self.get(vmcs::CR4));
        let l = self.limits;
        // An unrestricted guest is exempt from PE and PG.
        let fixed0 = l.cr0_fixed0 & !(bit::CR0_PE | bit::CR0_PG);
        let fixed = cr0 & fixed0 == fixed0 && cr0 & !l.cr0_fixed1 == 0;
        self.need(fixed, Rule::Cr0Fixed, vmcs::CR0);
        self.need(cr0 & bit::CR0_CD_NW == 0, Rule::Cr0CacheBits, vmcs::CR0);
        let paging = cr0 & bit::CR0_PG != 0;
        self.need(
            !paging || cr0 & bit::CR0_PE != 0,
            Rule::Cr0PagingNeedsProtection,
            vmcs::CR0,
        );
        let fixed = cr4 & self.limits.cr4_fixed0 == self.limits.cr4_fixed0
            && cr4 & !self.limits.cr4_fixed1 == 0;
        self.need(fixed, Rule::Cr4Fixed, vmcs::CR4);
        self.need(
            cr4 & bit::CR4_CET == 0 || cr0 & bit::CR0_WP != 0,
            Rule::Cr0WpForCet,
            vmcs::CR4,
        );
        if self.ia32e() {
            let field = if paging { vmcs::CR4 } else { vmcs::CR0 };
            self.need(
                paging && cr4 & bit::CR4_PAE != 0,
                Rule::Ia32eNeedsPaging,
                field,
            );
        } else {
            self.need(cr4 & bit::CR4_PCIDE == 0, Rule::PcidNeedsIa32e, vmcs::CR4);
        }
        self.need(
            self.physical(self.get(vmcs::CR3)),
            Rule::Cr3Width,
            vmcs::CR3,
        );
    }

    fn debug_and_msrs(&mut self) {
        let controls = self.get32(vmcs::ENTRY_CONTROLS);
        if controls & entry::LOAD_DEBUG != 0 {
            let known = self.get(vmcs::DEBUGCTL) & !self.limits.debugctl == 0;
            self.need(known, Rule::DebugctlReserved, vmcs::DEBUGCTL);
            self.need(self.get(vmcs::DR7) >> 32 == 0, Rule::Dr7High, vmcs::DR7);
        }
        let esp = self.canonical(self.get(vmcs::SYSENTER_ESP));
        self.need(esp, Rule::SysenterEspCanonical, vmcs::SYSENTER_ESP);
        let eip = self.canonical(self.get(vmcs::SYSENTER_EIP));
        self.need(eip, Rule::SysenterEipCanonical, vmcs::SYSENTER_EIP);
        if controls & entry::LOAD_PAT != 0 {
            let types = self.get(vmcs::PAT).to_le_bytes();
            let good = types.iter().all(|&kind| matches!(kind, 0 | 1 | 4..=7));
            self.need(good, Rule::PatTypes, vmcs::PAT);
        }
    }

    fn efer(&mut self) {
        if self.get32(vmcs::ENTRY_CONTROLS) & entry::LOAD_EFER == 0 {
            return;
        }
        let efer = self.get(vmcs::EFER);
        let (lma, lme) = (efer & bit::EFER_LMA != 0, efer & bit::EFER_LME != 0);
        self.need(efer & !bit::EFER_ALL == 0, Rule::EferReserved, vmcs::EFER);
        self.need(lma == self.ia32e(), Rule::EferLma, vmcs::EFER);
        let paging = self.get(vmcs::CR0) & bit::CR0_PG != 0;
        self.need(!paging || lma == lme, Rule::EferLme, vmcs::EFER);
    }

    /// The rules about RIP, RFLAGS, activity, interruptibility and pending debug exceptions.
    pub(super) fn flow(&mut self) {
        let rip = self.get(vmcs::RIP);
        if self.ia32e() && self.get(vmcs::CS_RIGHTS) >> 13 & 1 != 0 {
            self.need(self.canonical(rip), Rule::RipCanonical, vmcs::RIP);
        } else {
            self.need(rip >> 32 == 0, Rule::RipHigh, vmcs::RIP);
        }
        let flags = self.get(vmcs::RFLAGS);
        let reserved = flags & !0x3f_7fd7 == 0 && flags & 2 != 0;
        self.need(reserved, Rule::FlagsReserved, vmcs::RFLAGS);
        let may_be_v86 = !self.ia32e() && self.get(vmcs::CR0) & bit::CR0_PE != 0;
        self.need(
            may_be_v86 || flags & bit::FLAG_VM == 0,
            Rule::FlagsV86,
            vmcs::RFLAGS,
        );
        let event = self.get32(vmcs::ENTRY_INTERRUPTION);
        let interrupt = event >> 31 != 0 && event >> 8 & 7 == 0;
        self.need(
            !interrupt || flags & bit::FLAG_IF != 0,
            Rule::FlagsInterrupt,
            vmcs::RFLAGS,
        );
        self.activity(event);
        self.interruptibility(event);
        self.pending_debug();
    }

    fn activity(&mut self, event: u32) {
        let activity = self.get(vmcs::ACTIVITY);
        self.need(activity <= 1, Rule::Activity, vmcs::ACTIVITY);
        if activity == 0 {
            return;
        }
        let dpl = self.get(vmcs::SS_RIGHTS) >> 5 & 3;
        self.need(
            activity != 1 || dpl == 0,
            Rule::ActivityHltDpl,
            vmcs::SS_RIGHTS,
        );
        let blocked = self.get(vmcs::INTERRUPTIBILITY) & (bit::STI_BLOCKING | bit::MOV_SS_BLOCKING);
        self.need(blocked == 0, Rule::ActivityBlocking, vmcs::INTERRUPTIBILITY);
        if event >> 31 != 0 {
            let wakes = match (event >> 8 & 7, event & 0xff) {
                (0 | 2, _) | (7, 0) => true,
                (3, vector) => vector == 1 || vector == 18,
                _ => false,
            };
            self.need(wakes, Rule::ActivityEvent, vmcs::ENTRY_INTERRUPTION);
        }
    }

    fn interruptibility(&mut self, event: u32) {
        let state = self.get(vmcs::INTERRUPTIBILITY);
        let field = vmcs::INTERRUPTIBILITY;
        let (sti, mov_ss) = (
            state & bit::STI_BLOCKING != 0,
            state & bit::MOV_SS_BLOCKING != 0,
        );
        self.need(state & !0xf == 0, Rule::InterruptibilityReserved, field);
        self.need(!(sti && mov_ss), Rule::InterruptibilityBoth, field);
        let enabled = self.get(vmcs::RFLAGS) & bit::FLAG_IF != 0;
        self.need(!sti || enabled, Rule::InterruptibilitySti, field);
        self.need(
            state & bit::SMI_BLOCKING == 0,
            Rule::InterruptibilitySmi,
            field,
        );
        if event >> 31 == 0 {
            return;
        }
        let kind = event >> 8 & 7;
        self.need(
            kind != 0 || !(sti || mov_ss),
            Rule::InterruptibilityInterrupt,
            field,
        );
        if kind == 2 {
            self.need_or(!mov_ss, Rule::InterruptibilityNmi, field, 3);
            let virtual_nmis = self.get32(vmcs::PIN_BASED) & pin::VIRTUAL_NMIS != 0;
            let blocked = state & bit::NMI_BLOCKING != 0;
            self.need(
                !(virtual_nmis && blocked),
                Rule::InterruptibilityVirtualNmi,
                field,
            );
        }
    }

    fn pending_debug(&mut self) {
        let pending = self.get(vmcs::PENDING_DEBUG);
        let field = vmcs::PENDING_DEBUG;
        self.need(
            pending & !PENDING_DEBUG_KNOWN == 0,
            Rule::PendingDebugReserved,
            field,
        );
        let state = self.get(vmcs::INTERRUPTIBILITY);
        let held = state & (bit::STI_BLOCKING | bit::MOV_SS_BLOCKING) != 0;
        if held || self.get(vmcs::ACTIVITY) == 1 {
            let steps = self.get(vmcs::RFLAGS) & bit::FLAG_TF != 0
                && self.get(vmcs::DEBUGCTL) & DEBUGCTL_BTF == 0;
            self.need(
                (pending & PENDING_BS != 0) == steps,
                Rule::PendingDebugStep,
                field,
            );
        }
    }

    fn pdptes(&mut self) {
        let pae = self.get(vmcs::CR0) & bit::CR0_PG != 0
            && self.get(vmcs::CR4) & bit::CR4_PAE != 0
            && !self.ia32e();
        if !pae {
            return;
        }
        for field in [vmcs::PDPTE0, vmcs::PDPTE1, vmcs::PDPTE2, vmcs::PDPTE3] {
            let entry = self.get(field);
            let reserved = entry & 0x1e6 != 0 || !self.physical(entry);
            self.need_or(entry & 1 == 0 || !reserved, Rule::Pdpte, field, 2);
        }
    }
}
