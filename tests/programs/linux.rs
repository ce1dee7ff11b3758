//! `linux`: bad input that needs no kernel. `tests/guests` boots real ones.

use std::process::Command;

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

#[test]
fn bad_input() {
    let folder = Folder::new();
    let linux = || example("linux");
    refuses(&mut linux(), "usage: linux");
    refuses(linux().args(["--cpus", "0", "kernel"]), "from 1 to 64");
    refuses(linux().args(["--memory", "3", "kernel"]), "from 16 to");
    refuses(linux().arg(folder.0.join("missing")), "missing: ");
    refuses(linux().arg(&folder.0), "directory");
    let empty = folder.file("empty", "");
    refuses(linux().arg(&empty), "no kernel");
    let prose = folder.file("prose", "not a kernel\n".repeat(1000));
    refuses(linux().arg(&prose), "no kernel");
    let packed = folder.file("packed", b"\x1f\x8b\x08\0damaged");
    refuses(linux().arg(&packed), "packed: ");
}

/// Files that begin as kernels do, and go on with nothing or nonsense.
#[test]
fn heads_of_kernels() {
    let folder = Folder::new();
    for rest in [0, 1, 0x400, 0x10_0000] {
        for fill in [0, 0x5a, 0xff] {
            let mut bzimage = vec![fill; 0x206];
            bzimage[0x202..].copy_from_slice(b"HdrS");
            let mut elf = vec![fill; 20];
            elf[..4].copy_from_slice(b"\x7fELF");
            elf[18..].copy_from_slice(&[62, 0]);
            let mut image = vec![fill; 64];
            image[56..60].copy_from_slice(b"ARM\x64");
            for mut head in [bzimage, elf, image] {
                head.extend(vec![fill; rest]);
                let file = folder.file("head", &head);
                refuses(example("linux").arg(file), "head: ");
            }
        }
    }
}
