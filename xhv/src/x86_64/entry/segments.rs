//! VM-entry rules about segment registers and descriptor tables (SDM vol. 3, 28.3.1.2 and 28.3.1.3).

use super::field::{bit, secondary, vmcs};
use super::{Check, Fields, Rule};

/// Segment registers in VMX order.
const CS: u32 = 1;
const SS: u32 = 2;
const LDTR: u32 = 6;
const TR: u32 = 7;

/// The fields of one segment register.
#[derive(Clone, Copy)]
struct Segment {
    number: u32,
    selector: u64,
    base: u64,
    limit: u64,
    rights: u64,
}

impl Segment {
    fn kind(self) -> u64 {
        self.rights & 0xf
    }

    fn dpl(self) -> u64 {
        self.rights >> 5 & 3
    }

    fn usable(self) -> bool {
        self.rights & bit::RIGHTS_UNUSABLE == 0
    }

    fn rights_field(self) -> u32 {
        vmcs::ES_RIGHTS + 2 * self.number
    }

    fn granular(self) -> bool {
        let large = self.rights >> 15 & 1 != 0;
        (self.limit & 0xfff == 0xfff || !large) && (self.limit >> 20 == 0 || large)
    }
}

impl<F: Fields> Check<'_, F> {
    fn segment(&self, number: u32) -> Segment {
        Segment {
            number,
            selector: self.get(vmcs::ES + 2 * number),
            base: self.get(vmcs::ES_BASE + 2 * number),
            limit: self.get(vmcs::ES_LIMIT + 2 * number),
            rights: self.get(vmcs::ES_RIGHTS + 2 * number),
        }
    }

    /// All rules about segments and tables.
    pub(super) fn segments(&mut self) {
        let v86 = self.get(vmcs::RFLAGS) & bit::FLAG_VM != 0;
        self.selectors(v86);
        self.bases();
        for number in 0..6 {
            let segment = self.segment(number);
            if v86 {
                self.v86(segment);
            } else if number == CS || segment.usable() {
                self.rights(segment);
            }
        }
        if !v86 {
            self.code_and_stack_dpl();
        }
        self.system_segments();
        for (base, limit) in [
            (vmcs::GDTR_BASE, vmcs::GDTR_LIMIT),
            (vmcs::IDTR_BASE, vmcs::IDTR_LIMIT),
        ] {
            self.need(self.canonical(self.get(base)), Rule::TableBase, base);
            self.need(self.get(limit) <= 0xffff, Rule::TableLimit, limit);
        }
    }

    fn unrestricted(&self) -> bool {
        self.secondary() & secondary::UNRESTRICTED != 0
    }

    fn selectors(&mut self, v86: bool) {
        let (tr, ldtr) = (self.segment(TR), self.segment(LDTR));
        self.need(tr.selector & 4 == 0, Rule::TrSelector, vmcs::TR);
        let good = !ldtr.usable() || ldtr.selector & 4 == 0;
        self.need(good, Rule::LdtrSelector, vmcs::LDTR);
        if !v86 && !self.unrestricted() {
            let same = self.get(vmcs::SS) & 3 == self.get(vmcs::CS) & 3;
            self.need(same, Rule::SsRpl, vmcs::SS);
        }
    }

    fn bases(&mut self) {
        for number in 0..8 {
            let segment = self.segment(number);
            let field = vmcs::ES_BASE + 2 * number;
            let always = matches!(number, CS | 4 | 5 | TR);
            if !always && !segment.usable() {
                continue;
            }
            if number >= 4 {
                self.need(self.canonical(segment.base), Rule::BaseCanonical, field);
            } else {
                self.need(segment.base >> 32 == 0, Rule::BaseHigh, field);
            }
        }
    }

    fn v86(&mut self, segment: Segment) {
        let n = 2 * segment.number;
        let base = segment.base == segment.selector << 4;
        self.need(base, Rule::V86Base, vmcs::ES_BASE + n);
        self.need(segment.limit == 0xffff, Rule::V86Limit, vmcs::ES_LIMIT + n);
        self.need(segment.rights == 0xf3, Rule::V86Rights, vmcs::ES_RIGHTS + n);
    }

    fn rights(&mut self, segment: Segment) {
        let field = segment.rights_field();
        let kind = segment.kind();
        match segment.number {
            CS => {
                let flat = kind == 3 && self.unrestricted();
                self.need(
                    matches!(kind, 9 | 11 | 13 | 15) || flat,
                    Rule::CsType,
                    field,
                );
                let both = segment.rights >> 13 & 3 == 3 && self.ia32e();
                self.need(!both, Rule::CsLongAndBig, field);
            }
            SS => self.need(matches!(kind, 3 | 7), Rule::SsType, field),
            _ => {
                self.need(kind & 1 != 0, Rule::TypeAccessed, field);
                self.need(kind & 8 == 0 || kind & 2 != 0, Rule::CodeReadable, field);
                let conforming = kind >= 12;
                let good = conforming || segment.dpl() >= segment.selector & 3;
                self.need(self.unrestricted() || good, Rule::DataDpl, field);
            }
        }
        self.need(segment.rights & 0x10 != 0, Rule::NotSystem, field);
        self.always(segment);
    }

    fn always(&mut self, segment: Segment) {
        let field = segment.rights_field();
        self.need(segment.rights & 0x80 != 0, Rule::Present, field);
        let reserved = segment.rights & 0xfffe_0f00 != 0;
        self.need(!reserved, Rule::RightsReserved, field);
        self.need(segment.granular(), Rule::Granularity, field);
    }

    fn code_and_stack_dpl(&mut self) {
        let (cs, ss) = (self.segment(CS), self.segment(SS));
        let good = match cs.kind() {
            3 => cs.dpl() == 0,
            9 | 11 => cs.dpl() == ss.dpl(),
            13 | 15 => cs.dpl() <= ss.dpl(),
            _ => true, // `CsType` has said it
        };
        self.need(good, Rule::CsDpl, vmcs::CS_RIGHTS);
        let protected = self.get(vmcs::CR0) & bit::CR0_PE != 0;
        let zero = cs.kind() == 3 || !protected;
        let as_rpl = self.unrestricted() || !ss.usable() || ss.dpl() == ss.selector & 3;
        self.need(
            as_rpl && (!zero || ss.dpl() == 0),
            Rule::SsDpl,
            vmcs::SS_RIGHTS,
        );
    }

    fn system_segments(&mut self) {
        let (tr, ldtr) = (self.segment(TR), self.segment(LDTR));
        let good = tr.kind() == 11 || tr.kind() == 3 && !self.ia32e();
        self.need(good, Rule::TrType, vmcs::TR_RIGHTS);
        self.need(tr.rights & 0x10 == 0, Rule::TrSystem, vmcs::TR_RIGHTS);
        self.need(tr.usable(), Rule::TrUsable, vmcs::TR_RIGHTS);
        self.always(tr);
        if ldtr.usable() {
            let good = ldtr.rights & 0x1f == 2;
            self.need(good, Rule::LdtrType, vmcs::LDTR_RIGHTS);
            self.always(ldtr);
        }
    }
}
