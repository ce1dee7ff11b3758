//! Programs that C compilers make, on both software CPUs: the kernels of the benchmark, compiled with -O2 (FP and SIMD on) for 64-bit mode
//! and for EL1, have to answer what they answer as programs of the host.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Folder, binary, root, run, text, tool};

const KERNELS: [&str; 6] = [
    "branchy", "sha256", "imatmul", "dmatmul", "calls", "heapsort",
];
/// Enough for every path, little enough for a debug build.
const ROUNDS: &str = "2";

fn source(name: &str) -> PathBuf {
    root().join("benches/kernels").join(name)
}

/// The kernel as a flat image at 10000h, its entry first.
fn image(
    folder: &Folder,
    prefix: &str,
    options: &[&str],
    jump: &str,
    kernel: &str,
) -> Option<PathBuf> {
    let entry = folder.file(
        "entry.s",
        format!(".section .text.entry, \"ax\"\n.globl _start\n_start: {jump} kernel\n"),
    );
    let (elf, flat) = (
        folder.0.join(format!("{kernel}.elf")),
        folder.0.join(format!("{kernel}.bin")),
    );
    let mut compile = Command::new(format!("{prefix}gcc"));
    compile.args([
        "-O2",
        "-ffreestanding",
        "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables",
        "-nostdlib",
        "-static",
        "-no-pie",
        "-fno-pic",
    ]);
    compile
        .args(["-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"])
        .args(options);
    compile
        .arg("-T")
        .arg(source("flat.ld"))
        .arg("-o")
        .arg(&elf)
        .arg(entry)
        .arg(source(&format!("{kernel}.c")));
    let copied = tool(&mut compile)
        && tool(
            Command::new(format!("{prefix}objcopy"))
                .args(["-O", "binary"])
                .arg(elf)
                .arg(&flat),
        );
    copied.then_some(flat)
}

fn compare(architecture: &str, prefix: &str, options: &[&str], jump: &str) {
    let folder = Folder::new();
    for kernel in KERNELS {
        let native = folder.0.join(kernel);
        let mut compile = Command::new("gcc");
        compile
            .args(["-O2", "-o"])
            .arg(&native)
            .arg(source(&format!("{kernel}.c")))
            .arg(source("main.c"));
        if !tool(&mut compile) {
            return;
        }
        let Some(image) = image(&folder, prefix, options, jump, kernel) else {
            return;
        };
        let expected = run(Command::new(native).arg(ROUNDS), "");
        let got = run(
            binary("xhv-benches", "kernels")
                .arg(architecture)
                .arg(image)
                .arg(ROUNDS),
            "",
        );
        assert!(got.status.success(), "{kernel}: {}", text(&got));
        assert_eq!(text(&got), text(&expected), "{kernel} for {architecture}");
    }
}

#[test]
fn x86_64_programs_compute_what_they_do_natively() {
    compare("x86_64", "", &["-mno-red-zone", "-mcmodel=small"], "jmp");
}

#[test]
fn aarch64_programs_compute_what_they_do_natively() {
    compare(
        "aarch64",
        "aarch64-linux-gnu-",
        &["-mno-outline-atomics"],
        "b",
    );
}
