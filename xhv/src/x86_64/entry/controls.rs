//! VM-entry rules about control fields (SDM vol. 3, 28.2.1). Broken ones make the entry instruction fail.

use super::field::{bit, entry, exit, pin, primary, secondary, vmcs};
use super::{Check, Fields, Rule};

/// Vectors of hardware exceptions that push an error code.
const WITH_ERROR_CODE: u32 = 1 << 8 | 0x1f << 10 | 1 << 17;

fn within(value: u32, capability: u64) -> (bool, bool) {
    let (required, allowed) = (capability as u32, (capability >> 32) as u32);
    (value & required == required, value & !allowed == 0)
}

impl<F: Fields> Check<'_, F> {
    /// All rules about controls.
    pub(super) fn controls(&mut self) {
        self.allowed_settings();
        self.execution();
        self.apic();
        self.event();
    }

    fn word(&mut self, field: u32, capability: u64, required: Rule, allowed: Rule) {
        let (has_required, is_allowed) = within(self.get32(field), capability);
        self.need(has_required, required, field);
        self.need(is_allowed, allowed, field);
    }

    fn allowed_settings(&mut self) {
        use Rule as R;
        let l = *self.limits;
        self.word(
            vmcs::PIN_BASED,
            l.pin,
            R::PinBasedRequired,
            R::PinBasedAllowed,
        );
        self.word(
            vmcs::PRIMARY,
            l.primary,
            R::PrimaryRequired,
            R::PrimaryAllowed,
        );
        if self.get32(vmcs::PRIMARY) & primary::SECONDARY != 0 {
            self.word(
                vmcs::SECONDARY,
                l.secondary,
                R::SecondaryRequired,
                R::SecondaryAllowed,
            );
        }
        self.word(vmcs::EXIT_CONTROLS, l.exit, R::ExitRequired, R::ExitAllowed);
        self.word(
            vmcs::ENTRY_CONTROLS,
            l.entry,
            R::EntryRequired,
            R::EntryAllowed,
        );
        let entry_controls = self.get32(vmcs::ENTRY_CONTROLS);
        let smm = entry_controls & (entry::SMM | entry::DEACTIVATE_DUAL_MONITOR) != 0;
        self.need(!smm, R::EntrySmm, vmcs::ENTRY_CONTROLS);
    }

    pub(super) fn secondary(&self) -> u32 {
        if self.get32(vmcs::PRIMARY) & primary::SECONDARY == 0 {
            return 0;
        }
        self.get32(vmcs::SECONDARY)
    }

    fn execution(&mut self) {
        let (pin_based, primary) = (self.get32(vmcs::PIN_BASED), self.get32(vmcs::PRIMARY));
        let secondary = self.secondary();
        let has = |bits: u32, bit: u32| bits & bit != 0;
        self.need(
            self.get(vmcs::CR3_TARGET_COUNT) <= 4,
            Rule::Cr3TargetCount,
            vmcs::CR3_TARGET_COUNT,
        );
        let cache_bits = self.get(vmcs::CR0_MASK) & bit::CR0_CD_NW == bit::CR0_CD_NW;
        self.need(cache_bits, Rule::Cr0MaskCacheBits, vmcs::CR0_MASK);
        let virtual_nmis = has(pin_based, pin::VIRTUAL_NMIS);
        self.need(
            !virtual_nmis || has(pin_based, pin::NMI),
            Rule::VirtualNmisNeedNmiExiting,
            vmcs::PIN_BASED,
        );
        self.need(
            virtual_nmis || !has(primary, primary::NMI_WINDOW),
            Rule::NmiWindowNeedsVirtualNmis,
            vmcs::PRIMARY,
        );
        let needs_ept = secondary::UNRESTRICTED
            | secondary::MODE_BASED_EXECUTE
            | secondary::PML
            | secondary::SUB_PAGE_WRITE;
        self.need(
            has(secondary, secondary::EPT) || !has(secondary, needs_ept),
            Rule::UnrestrictedNeedsEpt,
            vmcs::SECONDARY,
        );
        self.need(
            !has(secondary, secondary::TSC_SCALING) || self.get(vmcs::TSC_MULTIPLIER) != 0,
            Rule::TscMultiplier,
            vmcs::TSC_MULTIPLIER,
        );
        let saves = has(self.get32(vmcs::EXIT_CONTROLS), exit::SAVE_TIMER);
        self.need(
            !saves || has(pin_based, pin::PREEMPTION_TIMER),
            Rule::SaveTimerNeedsTimer,
            vmcs::EXIT_CONTROLS,
        );
    }

    fn apic(&mut self) {
        let (pin_based, primary) = (self.get32(vmcs::PIN_BASED), self.get32(vmcs::PRIMARY));
        let secondary = self.secondary();
        let virtualizes = secondary & secondary::VIRTUALIZE_APIC != 0;
        let delivers = secondary & secondary::VIRTUAL_INTERRUPTS != 0;
        let needs_shadow =
            secondary::X2APIC | secondary::APIC_REGISTERS | secondary::VIRTUAL_INTERRUPTS;
        if primary & primary::TPR_SHADOW != 0 {
            let threshold = self.get(vmcs::TPR_THRESHOLD);
            self.need(
                delivers || threshold >> 4 == 0,
                Rule::TprThresholdReserved,
                vmcs::TPR_THRESHOLD,
            );
            let tpr = self.fields.virtual_tpr().unwrap_or(0xff);
            let above = threshold & 0xf > tpr >> 4 & 0xf;
            self.need(
                delivers || virtualizes || !above,
                Rule::TprThresholdAboveTpr,
                vmcs::TPR_THRESHOLD,
            );
        } else {
            self.need(
                secondary & needs_shadow == 0,
                Rule::TprShadowNeeded,
                vmcs::SECONDARY,
            );
        }
        self.need(
            !(virtualizes && secondary & secondary::X2APIC != 0),
            Rule::X2apicExcludesApicAccess,
            vmcs::SECONDARY,
        );
        self.need(
            !delivers || pin_based & pin::EXTERNAL_INTERRUPT != 0,
            Rule::VirtualInterruptsNeedExiting,
            vmcs::PIN_BASED,
        );
        if virtualizes {
            let page = self.get(vmcs::APIC_ACCESS);
            let good = page.is_multiple_of(4096) && self.physical(page);
            self.need(good, Rule::ApicAccessAddress, vmcs::APIC_ACCESS);
        }
    }

    /// The rules about the event to inject (SDM vol. 3, 28.2.1.3).
    pub(super) fn event(&mut self) {
        let info = self.get32(vmcs::ENTRY_INTERRUPTION);
        if info >> 31 == 0 {
            return;
        }
        let field = vmcs::ENTRY_INTERRUPTION;
        let (vector, kind, has_error) = (info & 0xff, info >> 8 & 7, info >> 11 & 1 != 0);
        self.need(kind != 1, Rule::EventType, field);
        let vector_fits = match kind {
            2 => vector == 2,
            3 => vector <= 31,
            7 => vector == 0,
            _ => true,
        };
        self.need(vector_fits, Rule::EventVector, field);
        let protected = self.get(vmcs::CR0) & bit::CR0_PE != 0;
        let relaxed = self.limits.basic >> 56 & 1 != 0 && protected && kind == 3;
        let pushes = protected && kind == 3 && vector < 32 && WITH_ERROR_CODE >> vector & 1 != 0;
        self.need(relaxed || has_error == pushes, Rule::EventErrorCode, field);
        self.need(info & 0x7fff_f000 == 0, Rule::EventReserved, field);
        if has_error {
            let high = self.get(vmcs::ENTRY_ERROR) >> 16 != 0;
            self.need(!high, Rule::EventErrorCodeHigh, vmcs::ENTRY_ERROR);
        }
        if (4..=6).contains(&kind) {
            let least = u64::from(self.limits.misc >> 30 & 1 == 0);
            let length = self.get(vmcs::ENTRY_LENGTH);
            self.need(
                (least..=15).contains(&length),
                Rule::EventLength,
                vmcs::ENTRY_LENGTH,
            );
        }
    }
}
