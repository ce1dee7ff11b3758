//! Real guests: Debian's cloud kernel with busybox, booted by the example `linux` to a `/init` that checks CPUs, memory, timers, FP, processes
//! and pipes, and powers off. `.ci/guests` fetches them; `XHV_GUESTS` names their folder.

#[path = "../programs/support.rs"]
#[allow(dead_code)] // Shared with the tests of the other examples.
mod support;

use std::path::PathBuf;
use std::process::Command;

use support::{example, run, text};

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

fn boots(cpus: u32) {
    let Some(guests) = guests() else { return };
    let command_line =
        format!("console=ttyS0 quiet tsc=reliable panic=-1 xhv.test xhv.cpus={cpus}");
    let mut linux: Command = example("linux");
    linux.args([
        "--memory",
        "256",
        "--cpus",
        &cpus.to_string(),
        "--cmdline",
        &command_line,
    ]);
    linux
        .arg("--initrd")
        .arg(guests.join("initramfs-amd64.cpio"))
        .arg(guests.join("bzImage-amd64"));
    let output = run(&mut linux, "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    for check in [
        "cpus", "memory", "timers", "fp", "fork", "pipes", "digest", "parallel",
    ] {
        assert!(
            printed.contains(&format!("check {check}: ok")),
            "{check}: {printed}"
        );
    }
    assert!(printed.contains("xhv guest: done"), "{printed}");
}

#[test]
fn debians_kernel_with_one_vcpu() {
    boots(1);
}

#[test]
fn debians_kernel_with_two_vcpus() {
    boots(2);
}
