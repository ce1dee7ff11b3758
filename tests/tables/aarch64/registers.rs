//! Register numbers of all kinds: name, number, version, what they require, and the packing of system register numbers.

use std::collections::BTreeMap;

use serde_json::Value;
use xhv::aarch64::{exits, feature, gic_registers, reg, simd, sme_registers, sysreg};
use xhv::typed::{RowInfo, Version};
use xhv_tests::reference::{Differences, number, text, version};

use crate::{FIRST, members, reference, value};

/// Members whose numbers nobody knows, so that no table has them.
const UNKNOWN: [&str; 4] = [
    "HV_FEATURE_REG_ID_AA64ISAR2_EL1",
    "HV_FEATURE_REG_ID_AA64MMFR3_EL1",
    "HV_FEATURE_REG_ID_AA64MMFR4_EL1",
    "HV_FEATURE_REG_ID_AA64PFR2_EL1",
];

fn facts(facts: &[Value]) -> BTreeMap<&str, &Value> {
    facts
        .iter()
        .filter(|fact| value(fact).is_some())
        .map(|fact| (text(fact, "name"), fact))
        .collect()
}

fn rows(rows: &'static [RowInfo]) -> BTreeMap<&'static str, &'static RowInfo> {
    let named = rows
        .iter()
        .flat_map(|row| row.apple.iter().map(move |name| (*name, row)));
    named.collect()
}

/// Rows against the members of an enum. `baseline` is the version of rows that name none.
fn compare(
    differences: &mut Differences,
    table: &BTreeMap<&'static str, &'static RowInfo>,
    members: &[Value],
    baseline: Version,
) {
    let reference = facts(members);
    differences.both_ways(table, &reference, &BTreeMap::new(), |found, row, fact| {
        let name = text(fact, "name");
        found.equal(
            format!("number of {name}"),
            Some(u128::from(row.key)),
            value(fact),
        );
        let since = row.since.unwrap_or(baseline);
        found.equal(
            format!("version of {name}"),
            Some(since),
            version(&fact["introduced"]),
        );
    });
}

#[test]
fn general_and_vector_registers() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    compare(
        &mut found,
        &rows(&reg::ALL),
        members(&json, "hv_reg_t"),
        FIRST,
    );
    compare(
        &mut found,
        &rows(&simd::ALL),
        members(&json, "hv_simd_fp_reg_t"),
        FIRST,
    );
    for fact in members(&json, "hv_reg_t") {
        let Some(of) = fact["alias_of"].as_str() else {
            continue;
        };
        let table = rows(&reg::ALL);
        let number = |name: &str| table.get(name).map(|row| row.key);
        found.equal(
            format!("alias {of}"),
            number(text(fact, "name")),
            number(of),
        );
    }
    found.finish(140);
}

#[test]
fn system_registers() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let facts = members(&json, "hv_sys_reg_t");
    let table = rows(&sysreg::ALL);
    compare(&mut found, &table, facts, FIRST);
    for fact in facts {
        let name = text(fact, "name");
        let Some(row) = table.get(name) else { continue };
        let ops = ["op0", "op1", "CRn", "CRm", "op2"].map(|op| number(fact, op) as u8);
        found.equal(format!("encoding of {name}"), row.ops, Some(ops));
        let [op0, op1, crn, crm, op2] = ops.map(u32::from);
        let packed = op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2;
        found.equal(format!("packing of {name}"), row.key, packed);
        let requires = fact["requires"].as_str().into_iter().collect::<Vec<_>>();
        found.equal(format!("needs of {name}"), row.requires.to_vec(), requires);
        let derived = fact["confidence"] == "derived";
        found.equal(format!("doubt about {name}"), row.unsure.is_some(), derived);
    }
    found.equal("system registers", table.len(), 152);
    found.finish(900);
}

#[test]
fn feature_registers() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let facts = members(&json, "hv_feature_reg_t");
    compare(&mut found, &rows(&feature::ALL), facts, FIRST);
    let unknown: Vec<_> = facts
        .iter()
        .filter(|fact| value(fact).is_none())
        .map(|fact| text(fact, "name"))
        .collect();
    found.equal("members without a number", unknown, UNKNOWN.to_vec());
    found.finish(28);
}

#[test]
fn gic_registers() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let first = Version(15, 0, 0);
    for name in ["distributor", "redistributor", "icc", "ich", "icv", "msi"] {
        let facts = members(&json, &format!("hv_gic_{name}_reg_t"));
        let prefix = match name {
            "msi" => "HV_GIC_REG_GICM_".to_owned(),
            _ => format!("HV_GIC_{}_REG_", name.to_uppercase()),
        };
        let mut table = rows(&gic_registers::ALL);
        table.retain(|apple, _| apple.starts_with(&prefix));
        compare(&mut found, &table, facts, first);
        for fact in facts {
            let Some(row) = table.get(text(fact, "name")) else {
                continue;
            };
            let read_only = text(fact, "note") == "read-only";
            if read_only {
                found.equal(format!("write of {}", row.name), row.writable, false);
            }
        }
    }
    found.finish(3000);
}

#[test]
fn values() {
    let Some(json) = reference() else { return };
    let mut found = Differences::default();
    let tables = [
        ("hv_exit_reason_t", exits::ExitReason::VALUES),
        ("hv_sme_z_reg_t", sme_registers::ZRegister::VALUES),
        ("hv_sme_p_reg_t", sme_registers::PRegister::VALUES),
    ];
    for (name, table) in tables {
        let reference = facts(members(&json, name));
        let table: BTreeMap<_, _> = table
            .iter()
            .flat_map(|row| row.apple.iter().map(move |name| (*name, row)))
            .collect();
        found.both_ways(&table, &reference, &BTreeMap::new(), |found, row, fact| {
            found.equal(row.name, Some(row.value), value(fact));
        });
    }
    found.finish(50);
}
