//! The tables of `spec/x86_64` against the facts table, in both directions; `words` has the bit layouts, `ffi` the C interface, `saved` what a snapshot holds, `values` known values.

mod ffi;
mod saved;
mod values;
mod words;

use std::collections::BTreeMap;

use serde_json::Value;
use xhv::typed::{Route, RowInfo, Version, VmcsClass};
use xhv::x86_64::{capabilities, msr, reg, vmcs};
use xhv_tests::reference::{Differences, list, number, text, version};

/// The first macOS with the framework: rows say nothing about it.
const FIRST: Version = Version(10, 10, 0);

fn reference() -> Option<Value> {
    xhv_tests::reference::reference("hvf-x86_64.json")
}

fn rows(all: &[RowInfo]) -> BTreeMap<u32, &RowInfo> {
    let map: BTreeMap<_, _> = all.iter().map(|row| (row.key, row)).collect();
    assert_eq!(map.len(), all.len(), "a key is there twice");
    map
}

fn facts<'a>(list: &'a [Value], key: &str) -> BTreeMap<u32, &'a Value> {
    list.iter()
        .map(|fact| (u32::try_from(number(fact, key)).unwrap(), fact))
        .collect()
}

fn since(fact: &Value) -> Option<Version> {
    version(fact).filter(|since| *since != FIRST)
}

fn enum_members<'a>(reference: &'a Value, name: &str) -> &'a [Value] {
    let found = list(reference, "enums")
        .iter()
        .find(|fact| text(fact, "name") == name);
    list(found.unwrap_or_else(|| panic!("no enum {name}")), "members")
}

/// The manual's words as a name of the tables: `Guest IA32_EFER` is `GUEST_IA32_EFER`.
fn as_name(words: &str) -> String {
    let outside = words
        .split('(')
        .next()
        .unwrap_or("")
        .trim()
        .replace("I/O", "IO")
        .replace('#', "");
    let outside = if words.contains("(S)") {
        words.replace("(S)", "S")
    } else {
        outside
    };
    outside.replace(['-', ' ', '/'], "_").to_uppercase()
}

#[test]
fn registers() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let members: Vec<Value> = enum_members(&reference, "hv_x86_reg_t")
        .iter()
        .filter(|fact| text(fact, "name") != "HV_X86_REGISTERS_MAX") // a count: a constant of `ffi`
        .cloned()
        .collect();
    all.both_ways(
        &rows(&reg::ALL),
        &facts(&members, "value"),
        &BTreeMap::new(),
        |all, row, fact| {
            all.equal(row.name, row.apple.first().copied(), fact["name"].as_str());
            all.equal(
                row.name,
                Some(format!("HV_X86_{}", row.name)),
                fact["name"].as_str().map(String::from),
            );
            all.equal(row.name, row.since, since(&fact["introduced"]));
            all.equal(row.name, row.width, 64);
        },
    );
    all.finish(51 * 4);
}

#[test]
fn capability_ids() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let members = facts(enum_members(&reference, "hv_vmx_capability_t"), "value");
    all.both_ways(
        &rows(&capabilities::ALL),
        &members,
        &BTreeMap::new(),
        |all, row, fact| {
            all.equal(row.name, row.apple.first().copied(), fact["name"].as_str());
            all.equal(
                row.name,
                Some(format!("HV_VMX_CAP_{}", row.name)),
                fact["name"].as_str().map(String::from),
            );
            all.equal(row.name, row.since, since(&fact["introduced"]));
            all.equal(row.name, (row.readable, row.writable), (true, false));
        },
    );
    all.finish(18 * 4);
}

/// VMCS fields whose name is not the manual's words, because these are long or hold a symbol.
const VMCS_NAMES: &[(u32, &str)] = &[
    (0x0000, "VPID"),                              // Virtual-processor identifier (VPID)
    (0x2000, "IO_BITMAP_A"),                       // Address of I/O bitmap A
    (0x2002, "IO_BITMAP_B"),                       // Address of I/O bitmap B
    (0x2004, "MSR_BITMAPS"),                       // Address of MSR bitmaps
    (0x201a, "EPTP"),                              // EPT pointer (EPTP)
    (0x202a, "VIRTUALIZATION_EXCEPTION_ADDRESS"),  // Virtualization-exception information address
    (0x2030, "SPPTP"),                             // Sub-page-permission-table pointer (SPPTP)
    (0x2034, "TERTIARY_PROCESSOR_BASED_CONTROLS"), // Tertiary processor-based VM-execution controls
    (0x203c, "SHARED_EPTP"),                       // Shared EPT pointer (SEAM)
    (0x2040, "HLATP"), // Hypervisor-managed linear-address translation pointer (HLATP)
    (0x4000, "PIN_BASED_CONTROLS"), // Pin-based VM-execution controls
    (0x4002, "PRIMARY_PROCESSOR_BASED_CONTROLS"), // Primary processor-based VM-execution controls
    (0x4016, "VM_ENTRY_INTERRUPTION_INFORMATION"), // VM-entry interruption-information field
    (0x401e, "SECONDARY_PROCESSOR_BASED_CONTROLS"), // Secondary processor-based VM-execution controls
    (0x4408, "IDT_VECTORING_INFORMATION"),          // IDT-vectoring information field
];

fn class(fact: &Value) -> VmcsClass {
    match text(fact, "hvf_write") {
        "rw" => VmcsClass::Rw,
        "cond" => VmcsClass::Cond,
        "ro" => VmcsClass::Ro,
        "hidden" => VmcsClass::Hidden,
        "refused" => VmcsClass::Refused,
        "undocumented-rw" => VmcsClass::Undocumented,
        "framework" => VmcsClass::Framework,
        "unknown" => VmcsClass::Unknown,
        other => panic!("write class {other}"),
    }
}

#[test]
fn vmcs_fields() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let names: BTreeMap<u32, &str> = VMCS_NAMES.iter().copied().collect();
    let fields = facts(list(&reference, "vmcs_fields"), "encoding");
    all.both_ways(
        &rows(&vmcs::ALL),
        &fields,
        &BTreeMap::new(),
        |all, row, fact| {
            let name = row.name;
            let expected = names
                .get(&row.key)
                .map_or_else(|| as_name(text(fact, "sdm_name")), |name| name.to_string());
            all.equal(name, name, &expected);
            let width = fact["width"]
                .as_u64()
                .map_or((64, true), |width| (width as u32, false));
            all.equal(name, (row.width, row.natural), width);
            all.equal(name, row.class, Some(class(fact)));
            all.equal(
                name,
                row.high.map(u64::from),
                fact["high_encoding"].as_u64(),
            );
            all.equal(
                name,
                row.apple.first().copied(),
                fact["apple_name"].as_str(),
            );
            all.equal(name, row.since, since(&fact["apple_introduced"]));
            let kind = [
                "control",
                "read-only exit information",
                "guest state",
                "host state",
            ];
            all.equal(name, kind[(row.key >> 10 & 3) as usize], text(fact, "type"));
            all.equal(name, u64::from(row.key >> 1 & 0x1ff), number(fact, "index"));
            all.equal(
                name,
                row.unsure.is_some(),
                text(fact, "note").contains("no stored source"),
            );
        },
    );

    all.finish(206 * 9);
}

/// MSRs of which the facts table tells the ends of a range only, or not even the last.
fn between_the_ends(fact: &BTreeMap<u32, &Value>) -> BTreeMap<u32, &'static str> {
    let ranges = [
        (0x0c1..=0x0c8, 1, "PMC0 and PMC7 stand for all"),
        (
            0x186..=0x18d,
            1,
            "PERFEVTSEL0 and PERFEVTSEL7 stand for all",
        ),
        (
            0x200..=0x20f,
            1,
            "MTRR_PHYSBASE0 and MTRR_PHYSMASK0 stand for all",
        ),
        (0x4c1..=0x4c8, 1, "A_PMC0 and A_PMC7 stand for all"),
        (
            0x680..=0x69f,
            1,
            "LASTBRANCH_0_FROM_IP and the last stand for all",
        ),
        (
            0x6c0..=0x6df,
            1,
            "LASTBRANCH_0_TO_IP and the last stand for all",
        ),
        (
            0xdc0..=0xddf,
            1,
            "LASTBRANCH_INFO_0 and the last stand for all",
        ),
        (
            0x810..=0x827,
            1,
            "the first of ISR, TMR and IRR stand for all",
        ),
    ];
    ranges
        .into_iter()
        .flat_map(|(range, step, why)| range.step_by(step).map(move |key| (key, why)))
        .filter(|(key, _)| !fact.contains_key(key))
        .collect()
}

fn msr_name(fact: &Value) -> &str {
    let name = text(fact, "name");
    match name {
        "IA32_TIME_STAMP_COUNTER" => "TSC",
        "x2APIC base" => "X2APIC_BASE",
        _ => name
            .strip_prefix("IA32_")
            .or_else(|| name.strip_prefix("MSR_"))
            .unwrap_or(name),
    }
}

#[test]
fn msrs() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let known = facts(list(&reference, "msrs"), "number");
    let extra = between_the_ends(&known);
    all.both_ways(&rows(&msr::ALL), &known, &extra, |all, row, fact| {
        let (name, hvf) = (row.name, &fact["hvf"]);
        all.equal(name, name, msr_name(fact));
        all.equal(
            name,
            row.apple.first().copied(),
            fact["apple_name"].as_str(),
        );
        all.equal(
            name,
            row.routes.contains(&Route::Native),
            hvf["native"] == true,
        );
        all.equal(
            name,
            row.routes.contains(&Route::Managed),
            hvf["managed"] == true,
        );
        all.equal(
            name,
            row.routes.contains(&Route::Emulated),
            hvf["must_be_emulated_by_client"] == true,
        );
        let field = row.routes.iter().find_map(|route| match route {
            Route::Vmcs(encoding) => vmcs::ALL.iter().find(|field| field.key == *encoding),
            _ => None,
        });
        all.equal(name, field.is_some(), hvf["vmcs_field"] == true);
        if let Some(field) = field {
            all.equal(
                name,
                field
                    .name
                    .trim_start_matches("GUEST_")
                    .trim_start_matches("IA32_"),
                name,
            );
        }
        if !row.routes.contains(&Route::Emulated) {
            all.equal(
                name,
                !row.readable,
                text(fact, "note").starts_with("write-only"),
            );
            let read_only = text(fact, "note").starts_with("read-only")
                || text(fact, "note").ends_with("read-only");
            all.equal(name, !row.writable, read_only);
        }
    });
    all.finish(170 * 6);
}
