//! The C interface: functions with signature, version and thread rule; types with layout; constants.

use std::collections::BTreeMap;

use serde_json::Value;
use xhv::aarch64::{feature, ffi, gic_registers, reg, simd, sysreg};
use xhv::typed::RowInfo;
use xhv::typed::ffi::{Thread, TypeKind};
use xhv_tests::reference::{Differences, list, number, text, version};

use crate::{FIRST, members, reference, value};

/// A type of C as the tables spell it: several spellings tell what a pointer is for.
fn spellings(c: &str) -> Vec<String> {
    let c = c.trim();
    if c == "uint64_t[8]" {
        return vec!["out [u64; 8]".to_owned()];
    }
    let Some(pointee) = c.strip_suffix('*') else {
        return vec![one(c)];
    };
    let pointee = pointee.trim();
    if let Some(inner) = pointee.strip_suffix('*') {
        return vec![format!("out *mut {}", one(inner))];
    }
    match pointee.strip_prefix("const ") {
        Some(pointee) => ["ref ", "*const "]
            .map(|how| format!("{how}{}", one(pointee)))
            .to_vec(),
        None => ["out ", "*mut "]
            .map(|how| format!("{how}{}", one(pointee)))
            .to_vec(),
    }
}

fn one(c: &str) -> String {
    match c.trim() {
        "uint64_t" => "u64",
        "uint32_t" => "u32",
        "uint16_t" => "u16",
        "uint8_t" => "u8",
        "int32_t" => "i32",
        "size_t" => "usize",
        other => other,
    }
    .to_owned()
}

/// A spelling without the blanks that differ between printers of tokens.
fn tight(spelling: &str) -> String {
    let without = spelling.replace("* ", "*").replace(" ;", ";");
    without.replace("[ ", "[").replace(" ]", "]")
}

#[test]
fn functions() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let table: BTreeMap<_, _> = ffi::FUNCTIONS.iter().map(|row| (row.name, row)).collect();
    let facts: BTreeMap<_, _> = list(&json, "functions")
        .iter()
        .map(|fact| (text(fact, "name"), fact))
        .collect();
    found.both_ways(&table, &facts, &BTreeMap::new(), |found, row, fact| {
        let name = row.name;
        let parameters = list(fact, "params");
        found.equal(
            format!("parameters of {name}"),
            row.parameters.len(),
            parameters.len(),
        );
        for ((parameter, spelled), fact) in row.parameters.iter().zip(parameters) {
            let c = text(fact, "ctype");
            let spelled = tight(spelled);
            if !spellings(c).contains(&spelled) {
                found.note(format!(
                    "{name}, {parameter}: table `{spelled}`, reference `{c}`"
                ));
            }
            // `type` is a word of Rust.
            let expected = text(fact, "name").replace("type", "kind");
            found.equal(
                format!("parameter of {name}"),
                parameter.replace("type", "kind"),
                expected,
            );
        }
        found.equal(
            format!("result of {name}"),
            row.result,
            text(fact, "returns"),
        );
        found.equal(
            format!("version of {name}"),
            Some(row.since),
            version(&fact["introduced"]),
        );
        found.equal(
            format!("look-up of {name}"),
            row.looked_up,
            row.since > FIRST,
        );
        let thread = match text(fact, "thread") {
            "any thread" => Thread::Any,
            _ if name == "hv_vcpu_create" => Thread::Binds,
            _ => Thread::Owner,
        };
        found.equal(format!("thread of {name}"), row.thread, thread);
        let doubtful = !text(fact, "confidence").starts_with("sdk-header");
        found.equal(
            format!("doubt about {name}"),
            row.unsure.is_some(),
            doubtful,
        );
    });
    found.equal("functions", table.len(), 93);
    found.finish(700);
}

/// Types of a kernel-shared header that no public function uses: not bound, as the reference advises.
const UNBOUND: [&str; 2] = ["hv_data_abort_notification_t", "hv_vm_mem_access_msg_t"];

#[test]
fn types() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let table: BTreeMap<_, _> = ffi::TYPES.iter().map(|row| (row.name, row)).collect();
    let mut facts: BTreeMap<_, _> = list(&json, "types")
        .iter()
        .map(|fact| (text(fact, "name"), fact))
        .collect();
    for name in UNBOUND {
        found.equal(
            format!("{name} is known"),
            facts.remove(name).is_some(),
            true,
        );
    }
    found.both_ways(&table, &facts, &BTreeMap::new(), |found, row, fact| {
        let name = row.name;
        if let Some(size) = fact["size"].as_u64() {
            found.equal(format!("size of {name}"), row.size as u64, size);
            found.equal(
                format!("alignment of {name}"),
                row.align as u64,
                number(fact, "align"),
            );
        }
        found.equal(
            format!("version of {name}"),
            Some(row.since),
            version(&fact["introduced"]),
        );
        if row.kind == TypeKind::Struct {
            members_of(found, name, row.members, list(fact, "fields"));
        }
    });
    found.equal("types", table.len() + UNBOUND.len(), 36);
    found.finish(120);
}

fn members_of(
    found: &mut Differences,
    name: &str,
    table: &[(usize, &str, &str, usize)],
    facts: &[Value],
) {
    let real: Vec<_> = facts
        .iter()
        .filter(|fact| text(fact, "name") != "(padding)")
        .collect();
    found.equal(format!("members of {name}"), table.len(), real.len());
    for ((offset, member, spelled, size), fact) in table.iter().zip(real) {
        found.equal(format!("{name}.{member}"), *member, text(fact, "name"));
        found.equal(
            format!("offset of {name}.{member}"),
            *offset as u64,
            number(fact, "offset"),
        );
        found.equal(
            format!("size of {name}.{member}"),
            *size as u64,
            number(fact, "size"),
        );
        let c = one(text(fact, "ctype"));
        found.equal(format!("type of {name}.{member}"), (*spelled).to_owned(), c);
    }
}

#[test]
fn constants() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let mut table: BTreeMap<String, (u128, String)> = BTreeMap::new();
    for constant in ffi::CONSTANTS {
        let bits = constant.row.value & u128::from(u64::MAX);
        let bits = if constant.of == "hv_return_t" {
            bits & 0xffff_ffff
        } else {
            bits
        };
        table.insert(constant.row.name.to_owned(), (bits, constant.of.to_owned()));
    }
    // Register numbers come from the other tables; that they are right is tested there.
    let elsewhere: [&[RowInfo]; 5] = [
        &reg::ALL,
        &simd::ALL,
        &sysreg::ALL,
        &feature::ALL,
        &gic_registers::ALL,
    ];
    for row in elsewhere.into_iter().flatten() {
        for name in row.apple {
            table.insert((*name).to_owned(), (u128::from(row.key), String::new()));
        }
    }
    let mut total = 0;
    let mut facts: BTreeMap<String, (u128, String)> = BTreeMap::new();
    for fact in list(&json, "enums") {
        let name = text(fact, "name");
        for member in members(&json, name) {
            total += 1;
            if let Some(value) = value(member) {
                facts.insert(text(member, "name").to_owned(), (value, name.to_owned()));
            }
        }
    }
    found.both_ways(&table, &facts, &BTreeMap::new(), |found, row, fact| {
        found.equal("a constant", row.0, fact.0);
        if !row.1.is_empty() {
            found.equal("the enum of a constant", row.1.clone(), fact.1.clone());
        }
    });
    found.equal("members of enums", total, 1926);
    found.finish(2000);
}

/// The raw constants that programs use, a few of each table, so that their import is seen to work.
#[test]
fn raw_constants_are_there() {
    assert_eq!(ffi::HV_REG_PC, 31);
    assert_eq!(ffi::HV_SIMD_FP_REG_Q31, 31);
    assert_eq!(ffi::HV_SYS_REG_SCTLR_EL1, 0xc080);
    assert_eq!(ffi::HV_SYS_REG_MDCR_EL2, 0xe089);
    assert_eq!(ffi::HV_FEATURE_REG_CTR_EL0, 9);
    assert_eq!(ffi::HV_GIC_DISTRIBUTOR_REG_GICD_IROUTER1019, 0x7fd8);
    assert_eq!(ffi::HV_INTERRUPT_TYPE_IRQ, 0);
}
