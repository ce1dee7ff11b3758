//! Real guests on the examples `linux` and `firmware`: Debian's kernels with busybox for x86-64, i386 and arm64, by themselves and driven through a
//! terminal as a user does; QEMU's and Valgrind's instruction tests and our own `programs` as processes; SeaBIOS and Memtest86+. `.ci/guests` and `.ci/suite` fetch them; `XHV_GUESTS`
//! names their folder.

#[path = "../programs/support.rs"]
#[allow(dead_code)] // Shared with the tests of the other examples.
mod support;

mod boots;
mod firmware;
mod refusals;
mod shell;
mod suite;
mod terminal;

use std::path::PathBuf;
use std::process::Command;

use support::example;

/// The folder with the guests; says so if there is none.
fn guests() -> Option<PathBuf> {
    match std::env::var_os("XHV_GUESTS") {
        Some(path) => Some(PathBuf::from(path)),
        None if std::env::var_os("XHV_REQUIRE").is_none() => {
            eprintln!("SKIPPED: XHV_GUESTS names no folder with guests (.ci/guests fetches them)");
            None
        }
        None => panic!("XHV_GUESTS names no folder with guests"),
    }
}

/// The example `linux` with these vCPUs, this command line behind what every guest gets, and these files of the guests' folder.
fn linux(cpus: u32, command_line: &str, initrd: &str, kernel: &str) -> Option<Command> {
    let guests = guests()?;
    let mut linux = example("linux");
    linux
        .args(["--memory", "256", "--cpus", &cpus.to_string()])
        .arg("--cmdline")
        .arg(format!(
            "console=ttyS0 quiet tsc=reliable panic=-1 {command_line}"
        ))
        .arg("--initrd")
        .arg(guests.join(initrd))
        .arg(guests.join(kernel));
    Some(linux)
}
