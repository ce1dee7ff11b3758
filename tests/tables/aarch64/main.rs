//! The AArch64 tables against the facts table, in both directions: nothing wrong, nothing missing, nothing extra without a reason.

mod ffi;
mod registers;

use serde_json::Value;
use xhv::typed::Version;

/// The first macOS on Apple silicon.
const FIRST: Version = Version(11, 0, 0);

fn reference() -> Option<Value> {
    xhv_tests::reference::reference("hvf-aarch64.json")
}

/// The members of an enum of the reference.
fn members<'a>(reference: &'a Value, name: &str) -> &'a [Value] {
    let found = xhv_tests::reference::list(reference, "enums")
        .iter()
        .find(|fact| fact["name"] == name);
    let found = found.unwrap_or_else(|| panic!("the reference has no {name}"));
    xhv_tests::reference::list(found, "members")
}

/// A value of the reference: a hexadecimal string. `None` where nobody knows the number.
fn value(fact: &Value) -> Option<u128> {
    let digits = fact["value"].as_str()?.trim_start_matches("0x");
    Some(u128::from_str_radix(digits, 16).expect("a hexadecimal number"))
}
