//! A vCPU of four rows that refuses what it is told to refuse.

use std::collections::BTreeMap;

use super::*;
use crate::typed::ReadWrite;

mod rows {
    xhv_macros::spec! {
        /// Flags.
        fields Flags: u8 cite "none: a test" {
            [7:2] res0;
            [1] SIGN;
            [0] ZERO;
        }
        registers test cite "none: a test" {
            0 PC: u64 after FLAGS;
            1 FLAGS: u8 as Flags order 1;
            2 OLD_PC: u64 alias of PC;
            3 TICKS: u64 ro volatile;
            4 NEW: u64 since macos 12.0;
            5 FIRST: u64 order 0;
        }
    }
}

xhv_macros::spec! {
    /// A snapshot.
    state State on x86_64 cite "none: a test" {
        general rows;
        extra part: Part;
    }
}

/// A part that is not a list of rows.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Part {
    number: u8,
}

#[derive(Default)]
struct Machine {
    values: BTreeMap<u32, u128>,
    refused: Option<u32>,
    order: Vec<&'static str>,
}

impl RowAccess for Machine {
    fn read_row(&self, row: &'static RowInfo) -> Result<u128, Code> {
        match row.name {
            "NEW" => Err(Code::UNSUPPORTED),
            _ => Ok(self.values.get(&row.key).copied().unwrap_or(0)),
        }
    }
    fn write_row(&mut self, row: &'static RowInfo, value: u128) -> Result<(), Code> {
        assert!(row.writable, "{}", row.name);
        if self.refused == Some(row.key) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.order.push(row.name);
        self.values.insert(row.key, value);
        Ok(())
    }
}

fn machine() -> Machine {
    let values = BTreeMap::from([(0, 0x1000), (1, 0x3), (3, 99), (5, 5)]);
    Machine {
        values,
        ..Machine::default()
    }
}

fn saved() -> State {
    let (state, report) = save::<State>(&machine(), &[]).unwrap();
    assert_eq!(report.absent.len(), 1);
    assert_eq!(report.absent[0].to_string(), "general.NEW: HV_UNSUPPORTED");
    state
}

#[test]
fn a_snapshot_travels_through_json() {
    let mut state = saved();
    state.part = Some(Part { number: 7 });
    let json = serde_json::to_string(&state).unwrap();
    assert_eq!(
        json,
        r#"{"format":"xhv-vcpu","version":1,"arch":"x86_64","general":{"PC":"0x1000","FLAGS":"0x3","TICKS":"0x63","FIRST":"0x5"},"part":{"number":7}}"#
    );
    assert_eq!(serde_json::from_str::<State>(&json).unwrap(), state);
}

#[test]
fn damage_is_refused_with_its_place() {
    let json = serde_json::to_string_pretty(&saved()).unwrap();
    for (good, bad, message) in [
        (
            "xhv-vcpu",
            "qemu",
            "invalid value: string \"qemu\", expected the format \"xhv-vcpu\" at line 2 column 18",
        ),
        (
            "1,",
            "2,",
            "invalid value: integer `2`, expected version 1 of the format at line 3 column 14",
        ),
        (
            "x86_64",
            "m68k",
            "invalid value: string \"m68k\", expected the architecture \"x86_64\" at line 4 column 16",
        ),
        (
            "\"0x1000\"",
            "4096",
            "invalid type: integer `4096`, expected a hexadecimal string such as \"0x1f\" for `PC` at line 6 column 14",
        ),
        ("FLAGS", "PC", "`PC` is given twice at line 7 column 8"),
        (
            "general",
            "vmcs",
            "unknown field `vmcs`, expected one of `format`, `version`, `arch`, `general`, `part`, `extra` at line 5 column 8",
        ),
    ] {
        let damaged = json.replacen(good, bad, 1);
        assert_ne!(damaged, json, "{good}");
        assert_eq!(
            serde_json::from_str::<State>(&damaged)
                .unwrap_err()
                .to_string(),
            message
        );
    }
    for end in 0..json.len() {
        assert!(serde_json::from_str::<State>(&json[..end]).is_err());
    }
}

#[test]
fn rows_are_written_in_the_order_of_the_table() {
    let mut target = Machine::default();
    let (report, _undo) = restore(&saved(), &mut target, Mode::Strict, &[]).unwrap();
    assert_eq!(report.written, 3);
    assert_eq!(target.order, ["FIRST", "FLAGS", "PC"]);
    assert_eq!(target.values, BTreeMap::from([(0, 0x1000), (1, 3), (5, 5)]));
}

#[test]
fn names_that_do_not_fit_are_refused_or_listed() {
    let mut state = saved();
    state.general.remove("FIRST");
    state.general.set("OLD_PC", 1);
    state.general.set("OTHER", 1);
    let mut target = Machine::default();
    let error = restore(&state, &mut target, Mode::Strict, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "restore: the file does not fit this host; unknown: general.OLD_PC, general.OTHER missing: general.FIRST"
    );
    assert!(target.order.is_empty());
    let (report, _undo) = restore(&state, &mut target, Mode::Lenient, &[]).unwrap();
    assert_eq!(
        (report.written, report.unknown.len(), report.missing.len()),
        (2, 2, 1)
    );
}

#[test]
fn a_refused_row_undoes_what_was_written() {
    let mut target = Machine {
        refused: Some(0),
        ..machine()
    };
    target.values.insert(1, 1);
    let before = target.values.clone();
    let error = restore(&saved(), &mut target, Mode::Strict, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "restore: general.PC = 0x1000: HV_BAD_ARGUMENT"
    );
    assert_eq!(target.values, before);
    let (report, undo) = restore(&saved(), &mut target, Mode::Lenient, &[]).unwrap();
    assert_eq!(
        report.refused[0].to_string(),
        "general.PC = 0x1000: HV_BAD_ARGUMENT"
    );
    assert_ne!(target.values, before);
    assert!(undo.roll_back(&mut target).is_empty());
    assert_eq!(target.values, before);
}

#[test]
fn a_value_that_is_too_wide_writes_nothing() {
    let mut state = saved();
    state.general.set("FLAGS", 0x100);
    let mut target = Machine::default();
    let error = restore(&state, &mut target, Mode::Lenient, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "restore: general.FLAGS = 0x100 has more than 8 bits"
    );
    assert!(target.order.is_empty());
}

#[test]
fn differences_name_bits() {
    let (left, mut right) = (saved(), saved());
    right.general.set("FLAGS", 1);
    right.general.set("TICKS", 1);
    right.general.remove("FIRST");
    right.extra.entry("mine".into()).or_default().set("X", 1);
    let lines: Vec<String> = left.diff(&right).iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "general.FLAGS: 0x3: SIGN | ZERO -> 0x1: ZERO",
            "general.FIRST: 0x5 -> absent",
            "mine.X: absent -> 0x1",
        ]
    );
}

#[test]
fn tables_of_others_are_saved_too() {
    static MORE: [RowInfo; 1] = [RowInfo {
        name: "MINE",
        key: 9,
        ..RowInfo::EMPTY
    }
    .typed::<u64, ReadWrite>()];
    let more = [Table {
        name: "mine",
        rows: &MORE,
    }];
    let mut source = machine();
    source.values.insert(9, 0x99);
    let (state, _) = save::<State>(&source, &more).unwrap();
    let mut target = Machine::default();
    let strict = restore(&state, &mut target, Mode::Strict, &[]).unwrap_err();
    assert!(
        strict.to_string().contains("unknown: mine.MINE"),
        "{strict}"
    );
    let (report, _undo) = restore(&state, &mut target, Mode::Strict, &more).unwrap();
    assert_eq!((report.written, target.values[&9]), (4, 0x99));
}
