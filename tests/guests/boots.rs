//! Kernels that boot to a `/init` which checks CPUs, memory, timers, FP, processes and pipes, and powers off.

use crate::linux;
use crate::support::{Folder, run, text};

const CHECKS: [&str; 8] = [
    "cpus", "memory", "timers", "fp", "fork", "pipes", "digest", "parallel",
];

fn boots(cpus: u32, architecture: &str, kernel: &str) {
    let initrd = format!("initramfs-{architecture}.cpio");
    let line = format!("xhv.test xhv.cpus={cpus}");
    let Some(mut linux) = linux(cpus, &line, &initrd, kernel) else {
        return;
    };
    let output = run(linux.arg("--no-reboot"), "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
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
