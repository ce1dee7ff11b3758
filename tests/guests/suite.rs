//! Instruction tests made elsewhere, as processes of Debian's kernel: QEMU's tests/tcg, which `.ci/suite` builds for 32 and 64 bits.

use crate::support::{run, text};
use crate::{guests, linux};

/// Each program prints what it prints on the host CPU: `suite-init` compares.
#[test]
fn processes_print_what_they_print_on_the_host() {
    let Some(guests) = guests() else { return };
    if !guests.join("suite.cpio").exists() && std::env::var_os("XHV_REQUIRE").is_none() {
        eprintln!("SKIPPED: there is no suite.cpio (.ci/suite makes it)");
        return;
    }
    let Some(mut linux) = linux(1, "", "suite.cpio", "vmlinuz-suite") else {
        return;
    };
    let output = run(&mut linux, "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    let summary = printed
        .lines()
        .find(|line| line.trim_end().ends_with("programs as on the host"));
    let summary = summary.unwrap_or_else(|| panic!("it does not get to its end: {printed}"));
    println!("{summary}");
    let numbers: Vec<u32> = summary
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(numbers[0] == numbers[1] && numbers[0] > 20, "{printed}");
}
