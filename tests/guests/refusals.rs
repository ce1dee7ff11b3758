//! Kernels that are damaged or have too little room are refused in words, before the terminal is touched.

use std::path::Path;
use std::process::Command;

use crate::guests;
use crate::support::{Folder, example, run, text};

#[track_caller]
fn refuses(linux: &mut Command, reason: &str) {
    let output = run(linux, "");
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(
        told.starts_with("linux: ") && told.contains(reason),
        "{told}"
    );
    assert!(!told.contains("panicked"), "{told}");
}

fn half(folder: &Folder, of: &Path) -> std::path::PathBuf {
    let bytes = std::fs::read(of).expect("the guest is there");
    folder.file("half", &bytes[..bytes.len() / 2])
}

#[test]
fn damaged_kernels() {
    let Some(guests) = guests() else { return };
    let folder = Folder::new();
    let half = |name: &str| half(&folder, &guests.join(name));
    refuses(example("linux").arg(half("bzImage-amd64")), "truncated");
    refuses(example("linux").arg(half("bzImage-i386")), "truncated");
    refuses(example("linux").arg(half("vmlinux-amd64")), "half: ");
    refuses(example("linux").arg(half("Image.gz-arm64")), "half: ");
    refuses(example("linux").arg(half("Image-arm64")), "truncated");
}

#[test]
fn too_little_memory() {
    let Some(guests) = guests() else { return };
    for kernel in [
        "bzImage-amd64",
        "bzImage-i386",
        "vmlinux-amd64",
        "Image-arm64",
    ] {
        let mut linux = example("linux");
        refuses(
            linux.args(["--memory", "16"]).arg(guests.join(kernel)),
            "memory",
        );
    }
    // Room for the kernel, but not for such a RAM disk.
    let folder = Folder::new();
    let large = folder.file("large", vec![0; 100 << 20]);
    for kernel in ["bzImage-amd64", "Image-arm64"] {
        let mut linux = example("linux");
        linux.args(["--memory", "128", "--initrd"]).arg(&large);
        refuses(linux.arg(guests.join(kernel)), "does not fit");
    }
}

#[test]
fn a_command_line_that_is_too_long() {
    let Some(guests) = guests() else { return };
    let mut linux = example("linux");
    linux.arg("--cmdline").arg("x".repeat(5000));
    refuses(linux.arg(guests.join("bzImage-amd64")), "command line");
}
