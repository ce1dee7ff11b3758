//! What a snapshot holds, as the rows tell it: every state once, whatever a client can write, and nothing of the host.

use std::collections::BTreeMap;

use xhv::typed::{Route, RowInfo, Save, VmcsClass};
use xhv::x86_64::{msr, reg, vmcs};

fn all_rows() -> impl Iterator<Item = &'static RowInfo> {
    reg::ALL
        .iter()
        .chain(vmcs::ALL.iter())
        .chain(msr::ALL.iter())
}

#[test]
fn an_alias_leads_to_a_saved_row() {
    let by_name: BTreeMap<&str, &RowInfo> = all_rows().map(|row| (row.name, row)).collect();
    let mut aliases = 0;
    for row in all_rows() {
        if let Save::AliasOf(name) = row.save {
            aliases += 1;
            let other = by_name
                .get(name)
                .unwrap_or_else(|| panic!("{}: no row {name}", row.name));
            assert!(
                other.is_saved(),
                "{} is an alias of {name}, which is not saved",
                row.name
            );
        }
    }
    assert_eq!(aliases, 22 + 3 + 9, "registers, VMCS fields, MSRs");
}

#[test]
fn names_are_unique_where_rows_refer_to_them() {
    let mut seen = BTreeMap::new();
    for row in all_rows().filter(|row| row.is_saved()) {
        assert!(
            seen.insert(row.name, row.kind).is_none(),
            "two saved rows are called {}",
            row.name
        );
    }
}

#[test]
fn every_register_is_accounted_for() {
    for row in reg::ALL.iter() {
        let is_placeholder = ["CR1", "DR4", "DR5"].contains(&row.name);
        let is_elsewhere = matches!(row.save, Save::AliasOf(_));
        assert_eq!(
            row.is_saved(),
            !is_placeholder && !is_elsewhere,
            "{}",
            row.name
        );
        assert_eq!(row.is_saved(), row.is_restored(), "{}", row.name);
    }
}

#[test]
fn every_field_of_the_client_is_restored() {
    for row in vmcs::ALL.iter() {
        let is_clients = matches!(
            row.class,
            Some(VmcsClass::Rw | VmcsClass::Cond | VmcsClass::Undocumented)
        );
        let is_elsewhere = matches!(row.save, Save::AliasOf(_));
        if is_clients {
            assert_eq!(row.is_restored(), !is_elsewhere, "{}", row.name);
        }
        let is_host = row.key >> 10 & 3 == 3;
        assert!(!(is_host && row.is_saved()), "{}: host state", row.name);
        let is_exit_information = row.key >> 10 & 3 == 1;
        assert!(
            !(is_exit_information && row.is_restored()),
            "{}: exit information",
            row.name
        );
    }
}

#[test]
fn an_msr_that_the_framework_keeps_is_saved_unless_the_vmcs_has_it() {
    for row in msr::ALL.iter() {
        let is_kept = row
            .routes
            .iter()
            .any(|route| matches!(route, Route::Native | Route::Managed));
        let is_in_vmcs = row
            .routes
            .iter()
            .any(|route| matches!(route, Route::Vmcs(_)));
        let has_value = row.readable && row.writable;
        assert_eq!(
            row.is_saved(),
            is_kept && !is_in_vmcs && has_value,
            "{}",
            row.name
        );
    }
}

#[test]
fn write_order() {
    let order = |name: &str| vmcs::ALL.iter().find(|row| row.name == name).unwrap().order;
    // The entry controls say what EFER.LMA has to be; an event may be injected once the rest is there.
    assert!(order("VM_ENTRY_CONTROLS") < order("GUEST_IA32_EFER"));
    let last = vmcs::ALL.iter().map(|row| row.order).max().unwrap();
    assert_eq!(order("VM_ENTRY_INTERRUPTION_INFORMATION"), last);
}
