//! Instruction tests made elsewhere, and our own of what processes see of their CPU, as processes of Debian's kernels: `.ci/suite` builds them
//! for 32 and 64 bits.

use crate::support::{run, text};
use crate::{guests, linux};

/// Each program prints what it prints on the host CPU, and ends as there: `suite-init` compares.
#[track_caller]
fn prints_what_the_host_prints(suite: &str, kernel: &str, least: u32) {
    let Some(guests) = guests() else { return };
    if !guests.join(suite).exists() && std::env::var_os("XHV_REQUIRE").is_none() {
        eprintln!("SKIPPED: there is no {suite} (.ci/suite makes it)");
        return;
    }
    let Some(mut linux) = linux(1, "cryptomgr.notests", suite, kernel) else {
        return;
    };
    // The RAM disk, and what is unpacked of it.
    let output = run(linux.args(["--memory", "768"]), "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    let summary = printed
        .lines()
        .find(|line| line.contains("programs as on the host"));
    let summary = summary.unwrap_or_else(|| panic!("it does not get to its end: {printed}"));
    println!("{summary}");
    let numbers: Vec<u32> = summary
        .split(' ')
        .filter_map(|word| word.parse().ok())
        .collect();
    assert!(numbers[0] == numbers[1] && numbers[0] > least, "{printed}");
}

#[test]
fn processes_of_both_sizes_under_the_64_bit_kernel() {
    prints_what_the_host_prints("suite.cpio", "vmlinuz-suite", 160);
}

#[test]
fn processes_under_the_32_bit_kernel() {
    prints_what_the_host_prints("suite-i386.cpio", "bzImage-i386-pae", 70);
}
