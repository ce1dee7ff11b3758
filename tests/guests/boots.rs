//! Kernels that boot to a `/init` which checks CPUs, memory, timers, FP, processes and pipes, and powers off.

use crate::linux;
use crate::support::{Folder, run, text};

const CHECKS: [&str; 8] = [
    "cpus", "memory", "timers", "fp", "fork", "pipes", "digest", "parallel",
];

/// How a guest ends when its checks are done, and the exit code of the program with `--no-reboot`.
#[derive(Clone, Copy)]
enum End {
    Off = 0,
    Reboot = 3,
}

fn boots(cpus: u32, architecture: &str, kernel: &str) {
    ends(cpus, architecture, kernel, "", End::Off);
}

fn ends(cpus: u32, architecture: &str, kernel: &str, line: &str, end: End) {
    let initrd = format!("initramfs-{architecture}.cpio");
    let reboot = match end {
        End::Off => "",
        End::Reboot => "xhv.reboot",
    };
    let line = format!("xhv.test xhv.cpus={cpus} {reboot} {line}");
    let Some(mut linux) = linux(cpus, &line, &initrd, kernel) else {
        return;
    };
    let output = run(linux.arg("--no-reboot"), "");
    let printed = text(&output);
    assert_eq!(output.status.code(), Some(end as i32), "{printed}");
    for check in CHECKS {
        assert!(
            printed.contains(&format!("check {check}: ok")),
            "{check}: {printed}"
        );
    }
    assert!(printed.contains("xhv guest: done"), "{printed}");
}

#[test]
fn debians_kernel_with_one_vcpu() {
    boots(1, "amd64", "bzImage-amd64");
}

#[test]
fn debians_kernel_with_two_vcpus() {
    boots(2, "amd64", "bzImage-amd64");
}

/// What the bzImage unpacks: the ELF file, booted without its set-up code.
#[test]
fn debians_kernel_unpacked() {
    boots(2, "amd64", "vmlinux-amd64");
}

/// The generic kernels test each of their ciphers and signatures at the start, which takes longer than all the rest: once is enough.
const NO_SELF_TESTS: &str = "cryptomgr.notests";

/// 32-bit paging with two levels.
#[test]
fn debians_i386_kernel_with_one_vcpu() {
    ends(1, "i386", "bzImage-i386", "", End::Off);
}

#[test]
fn debians_i386_kernel_with_two_vcpus() {
    ends(2, "i386", "bzImage-i386", NO_SELF_TESTS, End::Reboot);
}

/// PAE paging: three levels, no-execute.
#[test]
fn debians_i386_pae_kernel_with_one_vcpu() {
    ends(1, "i386", "bzImage-i386-pae", NO_SELF_TESTS, End::Reboot);
}

#[test]
fn debians_i386_pae_kernel_with_two_vcpus() {
    ends(2, "i386", "bzImage-i386-pae", NO_SELF_TESTS, End::Off);
}

#[test]
fn debians_arm64_kernel_with_one_vcpu() {
    boots(1, "arm64", "Image-arm64");
}

#[test]
fn debians_arm64_kernel_with_two_vcpus() {
    boots(2, "arm64", "Image.gz-arm64");
}

/// `--no-reboot`: a reset ends the program, with its own code.
#[test]
fn a_reset_can_end_the_program() {
    for (initrd, kernel) in [
        ("initramfs-amd64.cpio", "bzImage-amd64"),
        ("initramfs-arm64.cpio", "Image-arm64"),
    ] {
        // An empty RAM disk and no other root: the kernel panics, and panics reset at once.
        let folder = Folder::new();
        let empty = folder.file("empty", "");
        let Some(mut linux) = linux(1, "root=/dev/nothing", initrd, kernel) else {
            return;
        };
        let output = run(linux.arg("--no-reboot").arg("--initrd").arg(empty), "");
        assert_eq!(output.status.code(), Some(3), "{}", text(&output));
    }
}
