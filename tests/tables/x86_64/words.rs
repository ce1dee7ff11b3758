//! The layouts of control words, exit information and other words against the facts table; `main` has the rows.

use std::collections::BTreeMap;

use serde_json::Value;
use xhv::typed::{Bits, Controls, FieldInfo};
use xhv::x86_64::capabilities::{AllowedSettings, EptVpidCap, VmxBasic, VmxMisc};
use xhv::x86_64::controls::*;
use xhv::x86_64::exits::*;
use xhv::x86_64::vmcs::*;
use xhv_tests::reference::{Differences, list, number, text};

use crate::{as_name, reference, since};

/// Compares one control word: bits, names, Apple's names, default settings.
fn control_word<T: Bits + Controls>(all: &mut Differences, reference: &Value, word: &str) {
    let table: BTreeMap<u64, &FieldInfo> = T::FIELDS
        .iter()
        .filter(|field| !field.name.is_empty())
        .map(|field| (u64::from(field.lsb), field))
        .collect();
    let facts: BTreeMap<u64, &Value> = list(&reference["control_bits"], word)
        .iter()
        .map(|fact| (number(fact, "bit"), fact))
        .collect();
    all.both_ways(&table, &facts, &BTreeMap::new(), |all, field, fact| {
        let what = format!("{}::{}", T::NAME, field.name);
        all.equal(&what, field.name, &as_name(text(fact, "name")));
        all.equal(&what, field.msb, field.lsb);
        all.equal(
            &what,
            field.apple.first().copied(),
            fact["apple_name"].as_str(),
        );
        all.equal(&what, field.since, since(&fact["apple_introduced"]));
        all.equal(
            &what,
            format!("{:#x}", 1u64 << field.lsb),
            text(fact, "mask").to_string(),
        );
    });
    let defaults = &reference["control_defaults"][word];
    all.equal(
        T::NAME,
        T::DEFAULT1,
        defaults["default1"].as_u64().unwrap_or(0),
    );
    all.equal(
        T::NAME,
        T::TRUE_DEFAULT1,
        defaults["default1_true"].as_u64().unwrap_or(0),
    );
}

#[test]
fn control_words() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    control_word::<PinBasedControls>(&mut all, &reference, "pin");
    control_word::<PrimaryProcessorBasedControls>(&mut all, &reference, "primary");
    control_word::<SecondaryProcessorBasedControls>(&mut all, &reference, "secondary");
    control_word::<TertiaryProcessorBasedControls>(&mut all, &reference, "tertiary");
    control_word::<VmExitControls>(&mut all, &reference, "exit");
    control_word::<SecondaryVmExitControls>(&mut all, &reference, "exit_secondary");
    control_word::<VmEntryControls>(&mut all, &reference, "entry");
    assert_eq!(
        reference["control_bits"].as_object().unwrap().len(),
        7,
        "a control word is missing here"
    );
    all.finish(104 * 5 + 14);
}

/// The type of each exit qualification that has a layout of its own.
const QUALIFICATIONS: &[(&str, &str, &[FieldInfo])] = &[
    ("debug_or_pagefault", "u64", DebugQualification::FIELDS), // laid out only for #DB
    ("cr", "CrQualification", CrQualification::FIELDS),
    ("dr", "DrQualification", DrQualification::FIELDS),
    ("io", "IoQualification", IoQualification::FIELDS),
    (
        "task",
        "TaskSwitchQualification",
        TaskSwitchQualification::FIELDS,
    ),
    ("sipi", "SipiQualification", SipiQualification::FIELDS),
    ("mwait", "MwaitQualification", MwaitQualification::FIELDS),
    (
        "apic_access",
        "ApicAccessQualification",
        ApicAccessQualification::FIELDS,
    ),
    (
        "veoi",
        "VirtualizedEoiQualification",
        VirtualizedEoiQualification::FIELDS,
    ),
    (
        "apic_write",
        "ApicWriteQualification",
        ApicWriteQualification::FIELDS,
    ),
    ("ept", "EptQualification", EptQualification::FIELDS),
    (
        "pml_full",
        "PmlFullQualification",
        PmlFullQualification::FIELDS,
    ),
    ("spp", "SppQualification", SppQualification::FIELDS),
    (
        "instr_timeout",
        "InstructionTimeoutQualification",
        InstructionTimeoutQualification::FIELDS,
    ),
    ("wrmsr", "WrmsrQualification", WrmsrQualification::FIELDS),
];

/// Exit qualifications that are one number: its name and type.
const WHOLE: &[(&str, &str, &str)] = &[
    ("linear", "linear_address", "u64"),
    ("displacement", "displacement", "u64"),
    ("vmentry_guest", "check", "EntryFailure"),
    ("vmentry_msr", "entry", "u64"),
    ("msr_address", "msr", "u64"),
];

const INFORMATION: &[(&str, &str, &[FieldInfo])] = &[
    ("ins_outs", "InsOutsInformation", InsOutsInformation::FIELDS),
    ("inv", "InvInformation", InvInformation::FIELDS),
    (
        "gdtr_idtr",
        "GdtrIdtrInformation",
        GdtrIdtrInformation::FIELDS,
    ),
    ("ldtr_tr", "LdtrTrInformation", LdtrTrInformation::FIELDS),
    (
        "vmread_vmwrite",
        "VmreadVmwriteInformation",
        VmreadVmwriteInformation::FIELDS,
    ),
    ("mem_only", "MemoryInformation", MemoryInformation::FIELDS),
    (
        "reg_opsize",
        "RegisterInformation",
        RegisterInformation::FIELDS,
    ),
    (
        "loadiwkey",
        "LoadiwkeyInformation",
        LoadiwkeyInformation::FIELDS,
    ),
];

#[test]
fn exit_layouts() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let qualifications = reference["qualification_layouts"].as_object().unwrap();
    all.equal(
        "number of qualifications",
        QUALIFICATIONS.len() + WHOLE.len() + 1,
        qualifications.len(),
    ); // 1: "none"
    for (layout, name, fields) in QUALIFICATIONS {
        all.layout(name, fields, list(&qualifications[*layout], "layout"), &[]);
    }
    let information = reference["instruction_info_layouts"].as_object().unwrap();
    all.equal(
        "number of instruction information layouts",
        INFORMATION.len(),
        information.len(),
    );
    for (layout, name, fields) in INFORMATION {
        all.layout(name, fields, list(&information[*layout], "layout"), &[]);
    }
    all.layout(
        "ExitReasonField",
        ExitReasonField::FIELDS,
        list(&reference, "exit_reason_field"),
        &[],
    );
    all.finish(111);
}

/// Exit reasons whose name is not the manual's words, because these are long or hold a comment.
const EXIT_NAMES: &[(u32, &str)] = &[
    (4, "SIPI"),                         // Start-up IPI
    (5, "IO_SMI"),                       // I/O system-management interrupt
    (28, "CR_ACCESS"),                   // Control-register access
    (30, "IO"),                          // I/O instruction
    (33, "ENTRY_FAILURE_GUEST_STATE"),   // VM-entry failure: guest state
    (34, "ENTRY_FAILURE_MSR_LOADING"),   // VM-entry failure: MSR loading
    (41, "ENTRY_FAILURE_MACHINE_CHECK"), // VM-entry failure: machine check
    (46, "GDTR_IDTR_ACCESS"),            // GDTR or IDTR access
    (47, "LDTR_TR_ACCESS"),              // LDTR or TR access
    (54, "WBINVD"),                      // WBINVD or WBNOINVD
    (62, "PML_FULL"),                    // Page-modification log full
    (66, "SPP_EVENT"),                   // SPP-related event
    (72, "ENQCMD_PASID_FAILURE"),        // ENQCMD PASID translation failure
    (73, "ENQCMDS_PASID_FAILURE"),       // ENQCMDS PASID translation failure
    (84, "RDMSR_IMMEDIATE"),             // RDMSR, immediate form
    (85, "WRMSRNS_IMMEDIATE"),           // WRMSRNS, immediate form
    (0, "EXCEPTION_OR_NMI"),
];

/// The details that a fact asks for: name and type, in no order.
fn expected_payload(fact: &Value) -> Vec<(&'static str, &'static str)> {
    let mut payload = Vec::new();
    let qualification = text(fact, "qualification");
    payload.extend(
        QUALIFICATIONS
            .iter()
            .filter(|(key, ..)| *key == qualification)
            .map(|(_, ty, _)| ("qualification", *ty)),
    );
    payload.extend(
        WHOLE
            .iter()
            .filter(|(key, ..)| *key == qualification)
            .map(|(_, name, ty)| (*name, *ty)),
    );
    let information = text(fact, "instruction_info");
    payload.extend(
        INFORMATION
            .iter()
            .filter(|(key, ..)| *key == information)
            .map(|(_, ty, _)| ("information", *ty)),
    );
    if !["none", "undefined"].contains(&text(fact, "instruction_length")) {
        payload.push(("length", "u32"));
    }
    for also in fact["also_valid"].as_array().into_iter().flatten() {
        payload.extend::<&[_]>(match also.as_str().unwrap() {
            "exit interruption info" | "exit interruption info (with ACK)" => {
                &[("information", "VmExitInterruptionInformation")]
            }
            "exit interruption error code" => &[("error_code", "u32")],
            "I/O RCX/RSI/RDI/RIP" => &[
                ("rcx", "u64"),
                ("rsi", "u64"),
                ("rdi", "u64"),
                ("rip", "u64"),
            ],
            "IDT-vectoring info" => &[("vectoring", "IdtVectoringInformation")],
            "guest-physical address" => &[("guest_physical", "u64")],
            "MSR data" => &[("data", "u64")],
            linear if linear.starts_with("guest-linear address") => &[("guest_linear", "u64")],
            other => panic!("also valid: {other}"),
        });
    }
    payload
}

#[test]
fn exit_reasons() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let names: BTreeMap<u32, &str> = EXIT_NAMES.iter().copied().collect();
    let table: BTreeMap<u32, _> = Exit::ALL.iter().map(|row| (row.number, row)).collect();
    let facts = crate::facts(list(&reference, "exit_reasons"), "number");
    all.both_ways(&table, &facts, &BTreeMap::new(), |all, row, fact| {
        let expected = names
            .get(&row.number)
            .map_or_else(|| as_name(text(fact, "name")), |name| name.to_string());
        all.equal(row.name, row.name, &expected);
        all.equal(
            row.name,
            row.apple.first().copied(),
            fact["apple_name"].as_str(),
        );
        all.equal(row.name, row.since, since(&fact["apple_introduced"]));
        let sorted = |mut payload: Vec<(&'static str, &'static str)>| {
            payload.sort_unstable();
            payload
        };
        all.equal(
            row.name,
            sorted(row.payload.to_vec()),
            sorted(expected_payload(fact)),
        );
    });
    for reserved in list(&reference, "reserved_exit_reasons") {
        let number = u32::try_from(reserved.as_u64().unwrap()).unwrap();
        all.equal(
            format!("reserved reason {number}"),
            table.contains_key(&number),
            false,
        );
    }
    all.finish(80 * 4);
}

#[test]
fn event_and_state_words() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let info = &reference["interrupt_info"];
    let fred = &[(
        "NESTED",
        "only with FRED; the facts table tells it for entry only",
    )];
    let entry = list(&info["vm_entry_interruption_info"], "layout");
    all.layout(
        "VmEntryInterruptionInformation",
        VmEntryInterruptionInformation::FIELDS,
        entry,
        &[],
    );
    let exit = list(&info["vm_exit_interruption_info"], "layout");
    all.layout(
        "VmExitInterruptionInformation",
        VmExitInterruptionInformation::FIELDS,
        exit,
        fred,
    );
    let vectoring = list(&info["idt_vectoring_info"], "layout");
    all.layout(
        "IdtVectoringInformation",
        IdtVectoringInformation::FIELDS,
        vectoring,
        fred,
    );
    let layout = list(&info["interruptibility_state"], "layout");
    all.layout(
        "InterruptibilityState",
        InterruptibilityState::FIELDS,
        layout,
        &[],
    );
    let layout = list(&info["pending_debug_exceptions"], "layout");
    all.layout(
        "PendingDebugExceptions",
        PendingDebugExceptions::FIELDS,
        layout,
        &[],
    );
    all.layout(
        "AccessRights",
        AccessRights::FIELDS,
        list(&info["access_rights"], "layout"),
        &[],
    );
    all.layout("Eptp", Eptp::FIELDS, list(&reference["ept"], "eptp"), &[]);
    all.layout(
        "EptEntry",
        EptEntry::FIELDS,
        list(&reference["ept"], "entry"),
        &[],
    );

    let table: BTreeMap<u64, _> = ActivityState::VALUES
        .iter()
        .map(|row| (row.value as u64, row))
        .collect();
    let facts = list(&info["activity_state"], "values")
        .iter()
        .map(|fact| (number(fact, "value"), fact))
        .collect();
    all.both_ways(&table, &facts, &BTreeMap::new(), |all, row, fact| {
        let plain = |name: &str| name.replace('-', "").to_lowercase();
        all.equal(row.name, plain(row.name), plain(text(fact, "name")));
    });
    let table: BTreeMap<u64, _> = VmInstructionError::VALUES
        .iter()
        .map(|row| (row.value as u64, row))
        .collect();
    let errors = list(&reference, "vm_instruction_errors");
    let facts = errors
        .iter()
        .map(|fact| (number(fact, "number"), fact))
        .collect();
    all.both_ways(&table, &facts, &BTreeMap::new(), |all, row, fact| {
        all.equal(row.name, row.doc, text(fact, "meaning"))
    });
    all.finish(82);
}

#[test]
fn capability_words() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let layouts = list(&reference, "vmx_capability_layouts");
    let tables: [(&str, &[FieldInfo]); 4] = [
        ("VmxBasic", VmxBasic::FIELDS),
        ("AllowedSettings", AllowedSettings::FIELDS),
        ("VmxMisc", VmxMisc::FIELDS),
        ("EptVpidCap", EptVpidCap::FIELDS),
    ];
    all.equal("number of capability words", layouts.len(), tables.len());
    for ((name, fields), fact) in tables.into_iter().zip(layouts) {
        all.layout(name, fields, list(fact, "layout"), &[]);
    }
    all.finish(40);
}
