//! A C program of some size at EL1: `el1/program.c` computes, formats, faults and is interrupted, and has to print there what it prints as a
//! process of the host. `el1/bare.c` has MMU, vectors, timer and GIC under it, `el1/native.c` signals.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Folder, example, root, run, text, tool};

/// How it is compiled: plain, for small code, and vectorized with the atomic instructions of ARMv8.1.
const BUILDS: [&[&str]; 3] = [
    &["-O2", "-mno-outline-atomics"],
    &["-Os", "-mno-outline-atomics"],
    &["-O3", "-march=armv8.1-a"],
];
/// No contraction to fused multiply-add, which the host may not have.
const COMMON: [&str; 4] = ["-Wall", "-Wextra", "-Werror", "-ffp-contract=off"];

fn source(name: &str) -> PathBuf {
    root().join("tests/programs/el1").join(name)
}

/// What the program prints as a process of this machine.
fn native(folder: &Folder) -> Option<String> {
    let program = folder.0.join("native");
    let mut compile = Command::new("gcc");
    compile.arg("-O2").args(COMMON).arg("-o").arg(&program);
    compile.arg(source("program.c")).arg(source("native.c"));
    if !tool(&mut compile) {
        return None;
    }
    let output = run(&mut Command::new(program), "");
    assert!(output.status.success(), "{}", text(&output));
    Some(text(&output))
}

/// The program as an image for EL1.
fn bare(folder: &Folder, options: &[&str]) -> Option<PathBuf> {
    let (elf, image) = (folder.0.join("bare.elf"), folder.0.join("bare.bin"));
    let mut compile = Command::new("aarch64-linux-gnu-gcc");
    compile.args(options).args(COMMON).args([
        "-ffreestanding",
        "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables",
        "-fno-pic",
        "-no-pie",
        "-fno-tree-loop-distribute-patterns",
        "-nostdlib",
        "-static",
        "-Wl,--build-id=none",
        "-Wl,--no-warn-rwx-segments",
        "-T",
    ]);
    compile.arg(source("bare.ld")).arg("-o").arg(&elf);
    compile.args(["start.S", "program.c", "bare.c", "string.c"].map(source));
    let mut copy = Command::new("aarch64-linux-gnu-objcopy");
    copy.args(["-O", "binary"]).arg(elf).arg(&image);
    (tool(&mut compile) && tool(&mut copy)).then_some(image)
}

#[test]
fn a_program_at_el1_prints_what_it_prints_natively() {
    let folder = Folder::new();
    let Some(expected) = native(&folder) else {
        return;
    };
    assert!(expected.ends_with("end\n"), "{expected}");
    for options in BUILDS {
        let Some(image) = bare(&folder, options) else {
            return;
        };
        for machine in [&[][..], &["--gic"]] {
            let output = run(example("hello_arm").args(machine).arg(&image), "");
            assert!(output.status.success(), "{}", text(&output));
            assert_eq!(text(&output), expected, "{options:?} {machine:?}");
        }
    }
}

/// It does not notice that it goes on in another process.
#[test]
fn a_program_at_el1_is_saved_and_restored() {
    let folder = Folder::new();
    let (Some(expected), Some(image)) = (native(&folder), bare(&folder, BUILDS[2])) else {
        return;
    };
    let state = folder.0.join("state.json");
    for (machine, point) in [
        (&[][..], "30"),
        (&["--gic"], "700"),
        // While the timer interrupts, and after it.
        (&[], "1210"),
        (&[], "1230"),
        (&["--gic"], "1240"),
    ] {
        let mut first = example("hello_arm");
        first
            .args(machine)
            .args(["--save-at", point, "--save"])
            .arg(&state);
        let first = run(first.arg(&image), "");
        assert!(text(&first).contains("saved to"), "{}", text(&first));
        let second = run(example("hello_arm").arg("--restore").arg(&state), "");
        assert!(second.status.success(), "{}", text(&second));
        let both = [first.stdout, second.stdout].concat();
        let both = String::from_utf8_lossy(&both);
        assert_eq!(both, expected, "{machine:?} at {point}");
    }
}
