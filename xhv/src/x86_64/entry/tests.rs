//! Each VM-entry rule with a state that breaks it, and states that break none.

use std::collections::{BTreeMap, BTreeSet};

use super::field::{bit, entry, pin, primary, secondary, vmcs};
use super::*;

#[derive(Clone)]
struct State(BTreeMap<u32, u64>, Option<u64>);

impl Fields for State {
    fn get(&self, field: u32) -> u64 {
        self.0.get(&field).copied().unwrap_or(0)
    }

    fn virtual_tpr(&self) -> Option<u64> {
        self.1
    }
}

fn limits() -> Limits {
    let word = |required: u64, allowed: u64| required | allowed << 32;
    Limits {
        pin: word(0x16, 0x7f),
        primary: word(0x0401_e172, 0xffff_ffff),
        secondary: word(0x82, 0x0fff_ffff),
        exit: word(0x0003_6dff, 0x01ff_ffff),
        entry: word(0x11ff, 0x0003_ffff),
        basic: 1 << 55,
        misc: 1 << 5 | 1 << 6,
        cr0_fixed0: 0x8000_0021,
        cr0_fixed1: 0xffff_ffff,
        cr4_fixed0: 0x2000,
        cr4_fixed1: 0x00f7_3fff,
        debugctl: 0b11,
        physical_width: 40,
        linear_width: 57,
    }
}

fn real() -> State {
    let mut fields: BTreeMap<u32, u64> = [
        (vmcs::PIN_BASED, 0x1f),
        (vmcs::PRIMARY, 0x8401_e172),
        (vmcs::SECONDARY, 0x82),
        (vmcs::EXIT_CONTROLS, 0x0003_6dff),
        (vmcs::ENTRY_CONTROLS, 0x11ff),
        (vmcs::CR0_MASK, bit::CR0_CD_NW),
        (vmcs::CR0, 0x20),
        (vmcs::CR4, 0x2000),
        (vmcs::RFLAGS, 2),
        (vmcs::DR7, 0x400),
        (vmcs::LINK_POINTER, !0),
        (vmcs::TR_RIGHTS, 0x8b),
        (vmcs::LDTR_RIGHTS, 0x82),
        (vmcs::PAT, 0x0007_0406_0007_0406),
    ]
    .into();
    for number in 0..6 {
        fields.insert(vmcs::ES_RIGHTS + 2 * number, 0x93);
        fields.insert(vmcs::ES_LIMIT + 2 * number, 0xffff);
    }
    fields.insert(vmcs::CS_RIGHTS, 0x9b);
    State(fields, Some(0))
}

fn with(mut state: State, changes: &[(u32, u64)]) -> State {
    state.0.extend(changes.iter().copied());
    state
}

fn flat() -> State {
    let state = with(
        real(),
        &[
            (vmcs::CR0, 0x21),
            (vmcs::CS_RIGHTS, 0xc09b),
            (vmcs::ES_LIMIT + 2, 0xffff_ffff),
        ],
    );
    with(
        state,
        &[(vmcs::SS_RIGHTS, 0xc093), (vmcs::ES_LIMIT + 4, 0xffff_ffff)],
    )
}

fn pae() -> State {
    with(
        flat(),
        &[
            (vmcs::CR0, 0x8000_0021),
            (vmcs::CR4, 0x2020),
            (vmcs::PDPTE0, 0x1001),
        ],
    )
}

fn long() -> State {
    let changes = [
        (
            vmcs::ENTRY_CONTROLS,
            u64::from(0x11ff | entry::IA32E | entry::LOAD_EFER),
        ),
        (vmcs::EFER, 0x500),
        (vmcs::CS_RIGHTS, 0xa09b),
        (vmcs::RIP, 0x00ff_ffff_8000_0000),
    ];
    with(pae(), &changes)
}

fn v86() -> State {
    let mut state = with(flat(), &[(vmcs::RFLAGS, bit::FLAG_VM | 2)]);
    for number in 0..6 {
        let n = 2 * number;
        state = with(
            state,
            &[
                (vmcs::ES + n, 0x1000),
                (vmcs::ES_BASE + n, 0x1_0000),
                (vmcs::ES_LIMIT + n, 0xffff),
                (vmcs::ES_RIGHTS + n, 0xf3),
            ],
        );
    }
    state
}

/// A state that breaks a rule: where to start from, and what to change.
type Refused = (Rule, fn() -> State, Vec<(u32, u64)>);

const VALID: u64 = 1 << 31;

fn control_examples() -> Vec<Refused> {
    let p = |bits: u32| u64::from(0x8401_e172 | bits);
    let s = |bits: u32| u64::from(0x82 | bits);
    let event = vmcs::ENTRY_INTERRUPTION;
    vec![
        (Rule::PinBasedRequired, real, vec![(vmcs::PIN_BASED, 0)]),
        (Rule::PinBasedAllowed, real, vec![(vmcs::PIN_BASED, 0x9f)]),
        (
            Rule::PrimaryRequired,
            real,
            vec![(vmcs::PRIMARY, p(0) & !2)],
        ),
        (Rule::SecondaryRequired, real, vec![(vmcs::SECONDARY, 0)]),
        (
            Rule::SecondaryAllowed,
            real,
            vec![(vmcs::SECONDARY, 0xf000_0082)],
        ),
        (
            Rule::Cr3TargetCount,
            real,
            vec![(vmcs::CR3_TARGET_COUNT, 5)],
        ),
        (
            Rule::Cr0MaskCacheBits,
            real,
            vec![(vmcs::CR0_MASK, 0x2000_0000)],
        ),
        (
            Rule::TprThresholdReserved,
            real,
            vec![
                (vmcs::PRIMARY, p(primary::TPR_SHADOW)),
                (vmcs::TPR_THRESHOLD, 0x10),
            ],
        ),
        (
            Rule::TprThresholdAboveTpr,
            real,
            vec![
                (vmcs::PRIMARY, p(primary::TPR_SHADOW)),
                (vmcs::TPR_THRESHOLD, 3),
            ],
        ),
        (
            Rule::TprShadowNeeded,
            real,
            vec![(vmcs::SECONDARY, s(secondary::X2APIC))],
        ),
        (
            Rule::X2apicExcludesApicAccess,
            real,
            vec![(
                vmcs::SECONDARY,
                s(secondary::X2APIC | secondary::VIRTUALIZE_APIC),
            )],
        ),
        (
            Rule::VirtualInterruptsNeedExiting,
            real,
            vec![
                (vmcs::SECONDARY, s(secondary::VIRTUAL_INTERRUPTS)),
                (vmcs::PIN_BASED, 0x1e),
            ],
        ),
        (
            Rule::ApicAccessAddress,
            real,
            vec![
                (vmcs::SECONDARY, s(secondary::VIRTUALIZE_APIC)),
                (vmcs::APIC_ACCESS, 0xfee0_0001),
            ],
        ),
        (
            Rule::VirtualNmisNeedNmiExiting,
            real,
            vec![(vmcs::PIN_BASED, 0x16 | u64::from(pin::VIRTUAL_NMIS))],
        ),
        (
            Rule::NmiWindowNeedsVirtualNmis,
            real,
            vec![(vmcs::PRIMARY, p(primary::NMI_WINDOW))],
        ),
        (
            Rule::UnrestrictedNeedsEpt,
            real,
            vec![(vmcs::SECONDARY, 0x80)],
        ),
        (
            Rule::TscMultiplier,
            real,
            vec![(vmcs::SECONDARY, s(secondary::TSC_SCALING))],
        ),
        (Rule::ExitRequired, real, vec![(vmcs::EXIT_CONTROLS, 0)]),
        (
            Rule::ExitAllowed,
            real,
            vec![(vmcs::EXIT_CONTROLS, 0xf003_6dff)],
        ),
        (
            Rule::SaveTimerNeedsTimer,
            real,
            vec![(vmcs::EXIT_CONTROLS, 0x0043_6dff)],
        ),
        (Rule::EntryRequired, real, vec![(vmcs::ENTRY_CONTROLS, 0)]),
        (
            Rule::EntryAllowed,
            real,
            vec![(vmcs::ENTRY_CONTROLS, 0xf000_11ff)],
        ),
        (Rule::EntrySmm, real, vec![(vmcs::ENTRY_CONTROLS, 0x15ff)]),
        (Rule::EventType, real, vec![(event, VALID | 0x100)]),
        (Rule::EventVector, real, vec![(event, VALID | 0x203)]),
        (Rule::EventErrorCode, flat, vec![(event, VALID | 0x30d)]),
        (Rule::EventErrorCode, real, vec![(event, VALID | 0xb0d)]),
        (Rule::EventReserved, real, vec![(event, VALID | 0x1202)]),
        (
            Rule::EventErrorCodeHigh,
            flat,
            vec![(event, VALID | 0xb0d), (vmcs::ENTRY_ERROR, 0x1_0000)],
        ),
        (Rule::EventLength, real, vec![(event, VALID | 0x421)]),
    ]
}

fn guest_examples() -> Vec<Refused> {
    let entry_with = |bits: u32| u64::from(0x11ff | bits);
    vec![
        (Rule::Cr0Fixed, real, vec![(vmcs::CR0, 0)]),
        (Rule::Cr0CacheBits, real, vec![(vmcs::CR0, 0x6000_0020)]),
        (
            Rule::Cr0PagingNeedsProtection,
            real,
            vec![(vmcs::CR0, 0x8000_0020)],
        ),
        (Rule::Cr0WpForCet, flat, vec![(vmcs::CR4, 0x80_2000)]),
        (Rule::Cr4Fixed, real, vec![(vmcs::CR4, 0)]),
        (Rule::DebugctlReserved, real, vec![(vmcs::DEBUGCTL, 1 << 6)]),
        (Rule::Dr7High, real, vec![(vmcs::DR7, 1 << 32)]),
        (
            Rule::Ia32eNeedsPaging,
            real,
            vec![(vmcs::ENTRY_CONTROLS, entry_with(entry::IA32E))],
        ),
        (Rule::PcidNeedsIa32e, flat, vec![(vmcs::CR4, 0x2_2000)]),
        (Rule::Cr3Width, flat, vec![(vmcs::CR3, 1 << 45)]),
        (
            Rule::SysenterEspCanonical,
            flat,
            vec![(vmcs::SYSENTER_ESP, 1 << 60)],
        ),
        (
            Rule::SysenterEipCanonical,
            flat,
            vec![(vmcs::SYSENTER_EIP, 1 << 60)],
        ),
        (
            Rule::PatTypes,
            flat,
            vec![
                (vmcs::ENTRY_CONTROLS, entry_with(entry::LOAD_PAT)),
                (vmcs::PAT, 2),
            ],
        ),
        (Rule::EferReserved, long, vec![(vmcs::EFER, 0x502)]),
        (Rule::EferLma, long, vec![(vmcs::EFER, 0x100)]),
        (Rule::EferLme, long, vec![(vmcs::EFER, 0x400)]),
        (Rule::RipHigh, flat, vec![(vmcs::RIP, 1 << 32)]),
        (Rule::RipCanonical, long, vec![(vmcs::RIP, 1 << 57)]),
        (Rule::FlagsReserved, real, vec![(vmcs::RFLAGS, 0)]),
        (Rule::FlagsV86, real, vec![(vmcs::RFLAGS, bit::FLAG_VM | 2)]),
        (
            Rule::FlagsInterrupt,
            real,
            vec![(vmcs::ENTRY_INTERRUPTION, VALID | 0x20)],
        ),
        (Rule::Activity, real, vec![(vmcs::ACTIVITY, 2)]),
        (
            Rule::ActivityHltDpl,
            flat,
            vec![(vmcs::ACTIVITY, 1), (vmcs::SS_RIGHTS, 0xc0f3)],
        ),
        (
            Rule::ActivityBlocking,
            real,
            vec![(vmcs::ACTIVITY, 1), (vmcs::INTERRUPTIBILITY, 2)],
        ),
        (
            Rule::ActivityEvent,
            real,
            vec![
                (vmcs::ACTIVITY, 1),
                (vmcs::ENTRY_INTERRUPTION, VALID | 0x300),
            ],
        ),
        (
            Rule::InterruptibilityReserved,
            real,
            vec![(vmcs::INTERRUPTIBILITY, 0x10)],
        ),
        (
            Rule::InterruptibilityBoth,
            real,
            vec![(vmcs::INTERRUPTIBILITY, 3)],
        ),
        (
            Rule::InterruptibilitySti,
            real,
            vec![(vmcs::INTERRUPTIBILITY, 1)],
        ),
        (
            Rule::InterruptibilitySmi,
            real,
            vec![(vmcs::INTERRUPTIBILITY, 4)],
        ),
        (
            Rule::InterruptibilityInterrupt,
            real,
            vec![
                (vmcs::INTERRUPTIBILITY, 2),
                (vmcs::RFLAGS, 0x202),
                (vmcs::ENTRY_INTERRUPTION, VALID | 0x20),
            ],
        ),
        (
            Rule::InterruptibilityNmi,
            real,
            vec![
                (vmcs::INTERRUPTIBILITY, 2),
                (vmcs::ENTRY_INTERRUPTION, VALID | 0x202),
            ],
        ),
        (
            Rule::InterruptibilityVirtualNmi,
            real,
            vec![
                (vmcs::PIN_BASED, 0x3f),
                (vmcs::INTERRUPTIBILITY, 8),
                (vmcs::ENTRY_INTERRUPTION, VALID | 0x202),
            ],
        ),
        (
            Rule::PendingDebugReserved,
            real,
            vec![(vmcs::PENDING_DEBUG, 1 << 20)],
        ),
        (
            Rule::PendingDebugStep,
            real,
            vec![(vmcs::RFLAGS, 0x102), (vmcs::INTERRUPTIBILITY, 2)],
        ),
        (Rule::LinkPointer, real, vec![(vmcs::LINK_POINTER, 0)]),
        (Rule::Pdpte, pae, vec![(vmcs::PDPTE0, 0x1003)]),
    ]
}

fn segment_examples() -> Vec<Refused> {
    let (es, ss) = (vmcs::ES_RIGHTS, vmcs::SS_RIGHTS);
    let restricted = (vmcs::SECONDARY, 2);
    vec![
        (Rule::V86Base, v86, vec![(vmcs::ES_BASE, 0)]),
        (Rule::V86Limit, v86, vec![(vmcs::ES_LIMIT, 0xfffff)]),
        (Rule::V86Rights, v86, vec![(es, 0x93)]),
        (Rule::TrSelector, real, vec![(vmcs::TR, 4)]),
        (Rule::LdtrSelector, real, vec![(vmcs::LDTR, 4)]),
        (Rule::SsRpl, flat, vec![(vmcs::SS, 3), restricted]),
        (Rule::BaseCanonical, flat, vec![(vmcs::TR_BASE, 1 << 60)]),
        (Rule::BaseHigh, flat, vec![(vmcs::ES_BASE, 1 << 32)]),
        (Rule::TypeAccessed, flat, vec![(es, 0x92)]),
        (Rule::CodeReadable, flat, vec![(es, 0x99)]),
        (Rule::CsType, flat, vec![(vmcs::CS_RIGHTS, 0xc095)]),
        (Rule::SsType, flat, vec![(ss, 0xc091)]),
        (Rule::NotSystem, flat, vec![(es, 0x83)]),
        (Rule::CsDpl, flat, vec![(vmcs::CS_RIGHTS, 0xc0fb)]),
        (Rule::SsDpl, real, vec![(ss, 0xf3), (vmcs::CS_RIGHTS, 0xfb)]),
        (Rule::DataDpl, flat, vec![(vmcs::ES, 3), restricted]),
        (Rule::Present, flat, vec![(es, 0x13)]),
        (Rule::RightsReserved, flat, vec![(es, 0x193)]),
        (Rule::CsLongAndBig, long, vec![(vmcs::CS_RIGHTS, 0xe09b)]),
        (Rule::Granularity, flat, vec![(vmcs::ES_LIMIT, 0x10_0fff)]),
        (Rule::TrType, long, vec![(vmcs::TR_RIGHTS, 0x83)]),
        (Rule::TrSystem, real, vec![(vmcs::TR_RIGHTS, 0x9b)]),
        (Rule::TrUsable, real, vec![(vmcs::TR_RIGHTS, 0x1_008b)]),
        (Rule::LdtrType, real, vec![(vmcs::LDTR_RIGHTS, 0x83)]),
        (Rule::TableBase, real, vec![(vmcs::GDTR_BASE, 1 << 60)]),
        (Rule::TableLimit, real, vec![(vmcs::IDTR_LIMIT, 0x1_0000)]),
    ]
}

#[test]
fn good_states_break_no_rule() {
    for state in [real(), flat(), pae(), long(), v86()] {
        assert_eq!(check(&state, &limits()), []);
        assert_eq!(check_volatile(&state, &limits()), []);
    }
}

#[test]
fn each_rule_refuses_its_example() {
    let mut seen = BTreeSet::new();
    let examples = [control_examples(), guest_examples(), segment_examples()].concat();
    for (rule, base, changes) in examples {
        let limits = match rule {
            Rule::SsRpl | Rule::DataDpl => Limits {
                secondary: 0x0fff_ffff << 32,
                ..limits()
            },
            _ => limits(),
        };
        let found = check(&with(base(), &changes), &limits);
        assert!(found.iter().any(|v| v.rule == rule), "{rule:?}: {found:?}");
        seen.insert(rule);
    }
    // This host's primary controls have no bit that is not allowed: with narrower ones there is one.
    let narrow = Limits {
        primary: 0x0401_e172 | 0x8fff_ffff << 32,
        ..limits()
    };
    let found = check(&with(real(), &[(vmcs::PRIMARY, 0xd401_e172)]), &narrow);
    assert_eq!(found[0].rule, Rule::PrimaryAllowed);
    seen.insert(Rule::PrimaryAllowed);
    let missing: Vec<_> = Rule::ALL
        .iter()
        .filter(|rule| !seen.contains(rule))
        .collect();
    assert!(
        missing.is_empty(),
        "rules without a refused example: {missing:?}"
    );
}

#[test]
fn qualifications_tell_the_special_cases() {
    let nmi = [
        (vmcs::INTERRUPTIBILITY, 2),
        (vmcs::ENTRY_INTERRUPTION, VALID | 0x202),
    ];
    assert_eq!(check(&with(real(), &nmi), &limits())[0].qualification, 3);
    assert_eq!(
        check(&with(real(), &[(vmcs::LINK_POINTER, 0)]), &limits())[0].qualification,
        4
    );
    assert_eq!(
        check(&with(pae(), &[(vmcs::PDPTE0, 0x1003)]), &limits())[0].qualification,
        2
    );
}

#[test]
fn a_violation_speaks() {
    let found = check(&with(real(), &[(vmcs::CR4, 0)]), &limits());
    assert_eq!(
        found[0].to_string(),
        "guest CR4: VMXE is 1, and bits that the CPU does not know are 0 (VMCS field 0x6804 is 0x0)"
    );
}
