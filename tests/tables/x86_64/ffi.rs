//! The C interface against the facts table: functions, types, enums and constants, in both directions.

use std::collections::BTreeMap;

use serde_json::Value;
use xhv::typed::Version;
use xhv::typed::ffi::{Thread, TypeKind};
use xhv::x86_64::{capabilities, controls, exits, ffi, msr, reg, vmcs};
use xhv_tests::reference::{Differences, list, number, text, version};

use crate::{FIRST, reference};

/// A type of C as the tables spell it: several spellings tell what a pointer is for.
fn spellings(c: &str) -> Vec<String> {
    let c = c.trim().trim_start_matches("struct ");
    if let Some(pointee) = c.strip_suffix('*') {
        let pointee = pointee.trim();
        return match pointee.strip_prefix("const ") {
            Some(pointee) => vec![
                format!("ref {}", one(pointee)),
                format!("*const {}", one(pointee)),
            ],
            None if pointee == "void" => vec!["*mut void".into()],
            None => ["out ", "inout ", "*mut "]
                .iter()
                .map(|how| format!("{how}{}", one(pointee)))
                .collect(),
        };
    }
    vec![one(c)]
}

fn one(c: &str) -> String {
    let c = c.trim().trim_start_matches("struct ");
    if let Some((of, count)) = c.strip_suffix(']').and_then(|c| c.split_once('[')) {
        return format!("[{}; {count}]", one(of));
    }
    match c {
        "void *" => "*mut void",
        "const void *" => "*const void",
        "uint64_t" => "u64",
        "uint32_t" | "unsigned" | "unsigned int" => "u32",
        "uint16_t" => "u16",
        "uint8_t" => "u8",
        "int64_t" => "i64",
        "int" => "i32",
        "size_t" => "usize",
        other => other,
    }
    .into()
}

/// A spelling without the blanks that differ between printers of tokens.
fn tight(spelling: &str) -> String {
    spelling
        .replace("* ", "*")
        .replace(" ;", ";")
        .replace("[ ", "[")
        .replace(" ]", "]")
}

fn thread(fact: &Value) -> Thread {
    match text(fact, "thread") {
        "owner" => Thread::Owner,
        "any" => Thread::Any,
        "binds" => Thread::Binds,
        other => panic!("thread {other}"),
    }
}

fn by_name(facts: &[Value]) -> BTreeMap<&str, &Value> {
    facts
        .iter()
        .map(|fact| (text(fact, "name"), fact))
        .collect()
}

fn introduced(fact: &Value) -> Version {
    version(&fact["introduced"]).unwrap_or(FIRST)
}

#[test]
fn functions() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let table: BTreeMap<&str, _> = ffi::FUNCTIONS.iter().map(|row| (row.name, row)).collect();
    let facts = by_name(list(&reference, "functions"));
    all.both_ways(&table, &facts, &BTreeMap::new(), |all, row, fact| {
        let parameters = list(fact, "params");
        all.equal(row.name, row.parameters.len(), parameters.len());
        for ((name, ty), fact) in row.parameters.iter().zip(parameters) {
            let what = format!("{}({name})", row.name);
            all.equal(&what, *name, text(fact, "name"));
            if !spellings(text(fact, "ctype")).contains(&tight(ty)) {
                all.note(format!(
                    "{what}: table {ty}, reference {}",
                    text(fact, "ctype")
                ));
            }
        }
        all.equal(row.name, row.result, &one(text(fact, "return")));
        all.equal(row.name, row.since, introduced(fact));
        all.equal(row.name, row.deprecated, version(&fact["deprecated"]));
        all.equal(row.name, row.thread, thread(fact));
        let in_doubt =
            !fact["attribute_missing"].is_null() || fact["exported"]["12.0_sdk_stub"] == false;
        all.equal(row.name, row.unsure.is_some(), in_doubt);
        all.equal(row.name, row.looked_up, row.since > FIRST);
        all.equal(row.name, (row.binding)().is_null(), false);
    });
    all.finish(841);
}

/// Types that only the tables have.
const MACH: &str = "part of hv_ion_message_t, from mach/message.h";
const EXTRA_TYPES: &[(&str, &str)] = &[("mach_msg_header_t", MACH), ("mach_msg_trailer_t", MACH)];

#[test]
fn types() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    // An enum that stands for several constants without a type of its own is called `_`.
    let table: BTreeMap<&str, _> = ffi::TYPES
        .iter()
        .filter(|row| row.name != "_")
        .map(|row| (row.name, row))
        .collect();
    let facts = by_name(list(&reference, "types"));
    let extra = EXTRA_TYPES.iter().copied().collect();
    all.both_ways(&table, &facts, &extra, |all, row, fact| {
        all.equal(row.name, row.size as u64, number(fact, "size"));
        all.equal(row.name, row.since, introduced(fact));
        all.equal(
            row.name,
            row.kind == TypeKind::Struct,
            text(fact, "kind") == "struct",
        );
        if row.kind != TypeKind::Struct {
            return;
        }
        all.equal(row.name, row.align as u64, number(fact, "align"));
        let members = list(fact, "fields");
        all.equal(row.name, row.members.len(), members.len());
        for ((offset, name, ty, size), fact) in row.members.iter().zip(members) {
            let what = format!("{}.{name}", row.name);
            all.equal(&what, *name, text(fact, "name"));
            all.equal(&what, *offset as u64, number(fact, "offset"));
            all.equal(&what, tight(ty), one(text(fact, "ctype")));
            all.equal(&what, *size as u64, number(fact, "size"));
        }
    });
    all.finish(29 * 3 + 55 * 4);
}

/// Names that are rows of other tables: each with its number there.
fn rows_elsewhere() -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::new();
    for table in [&reg::ALL[..], &capabilities::ALL[..]] {
        all.extend(
            table
                .iter()
                .filter_map(|row| Some((*row.apple.first()?, u64::from(row.key)))),
        );
    }
    all
}

#[test]
fn enums_and_constants() {
    let Some(reference) = reference() else { return };
    let mut all = Differences::default();
    let constants: BTreeMap<&str, _> = ffi::CONSTANTS
        .iter()
        .map(|row| (row.row.name, row))
        .collect();
    let elsewhere = rows_elsewhere();
    let mut known = BTreeMap::new();
    for fact in list(&reference, "enums") {
        for member in list(fact, "members") {
            known.insert(text(member, "name"), (text(fact, "name"), member));
        }
    }
    for fact in list(&reference, "constants") {
        known.insert(text(fact, "name"), ("", fact));
    }
    let known: BTreeMap<_, _> = known
        .into_iter()
        .filter(|(name, (_, fact))| match elsewhere.get(name) {
            Some(value) => {
                all.equal(name, *value, number(fact, "value"));
                false
            }
            None => true,
        })
        .collect();
    all.both_ways(
        &constants,
        &known,
        &BTreeMap::new(),
        |all, row, (of, fact)| {
            let name = row.row.name;
            all.equal(name, row.row.value as u64, number(fact, "value"));
            all.equal(name, row.row.since.unwrap_or(row.since), introduced(fact));
            // Enums that the headers do not name are `_` here and a description there.
            if ffi::TYPES
                .iter()
                .any(|ty| ty.name == *of && of.starts_with("hv_") && ty.kind != TypeKind::Alias)
            {
                all.equal(name, row.of, *of);
            }
        },
    );
    all.finish(150 * 2);
}

/// `ffi` has every name of Apple's headers with its number, be it listed here or in another table.
#[test]
fn names_of_other_tables() {
    let mut all = Differences::default();
    all.equal("VMCS", ffi::VMCS_GUEST_RIP, vmcs::GUEST_RIP.key());
    let older = vmcs::GUEST_INTERRUPTIBILITY_STATE.key();
    all.equal("older name", ffi::VMCS_GUEST_IGNORE_IRQ, older);
    all.equal("register", ffi::HV_X86_XCR0, reg::XCR0.key());
    all.equal(
        "capability",
        ffi::HV_VMX_CAP_PREEMPTION_TIMER,
        capabilities::PREEMPTION_TIMER.key(),
    );
    all.equal(
        "exit reason",
        ffi::VMX_REASON_HLT,
        u32::from(exits::ExitReason::HLT.0),
    );
    all.equal(
        "MSR",
        ffi::HV_MSR_IA32_KERNEL_GS_BASE,
        msr::KERNEL_GS_BASE.key(),
    );
    all.equal(
        "control bit",
        ffi::CPU_BASED_HLT,
        u64::from(controls::PrimaryProcessorBasedControls::HLT_EXITING.bits()),
    );
    all.finish(7);
}
