//! Counts the instructions of a typed register read and of the raw call below it, with valgrind's callgrind: they have to be the same.
//!
//! `cargo run --release -p xhv-benches --bin typed_read`. Needs valgrind.

use std::hint::black_box;
use std::process::{Command, ExitCode};

use xhv::typed::{RawRead, space};
use xhv::x86_64::{Vcpu, Vm, reg, vmcs};

/// Reads of each kind: enough to drown what starting the program takes.
const READS: u64 = 200_000;

/// The loop that is counted: it folds what it reads, so that no read can be left out.
fn fold<E: ToString>(vcpu: &Vcpu, read: impl Fn(&Vcpu) -> Result<u64, E>) -> Result<u64, String> {
    let mut sum = 0_u64;
    for _ in 0..READS {
        sum = sum.wrapping_add(read(black_box(vcpu)).map_err(|why| why.to_string())?);
    }
    Ok(black_box(sum))
}

fn work(vcpu: &Vcpu, kind: &str) -> Result<u64, String> {
    match kind {
        "typed register" => fold(vcpu, |vcpu| vcpu.read(reg::RAX)),
        "raw register" => fold(vcpu, |vcpu| {
            RawRead::<space::General>::raw_read(vcpu, reg::RAX.key())
        }),
        "typed VMCS field" => fold(vcpu, |vcpu| {
            Ok::<_, xhv::Error>(vcpu.read(vmcs::GUEST_CR3)?.bits())
        }),
        "raw VMCS field" => fold(vcpu, |vcpu| {
            RawRead::<space::Vmcs>::raw_read(vcpu, vmcs::GUEST_CR3.key())
        }),
        _ => fold(vcpu, |_| Ok::<_, xhv::Error>(black_box(0))),
    }
}

/// Instructions of a run of this program with one kind of work.
fn count(kind: &str) -> Result<u64, String> {
    let program = std::env::current_exe().map_err(|why| why.to_string())?;
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .arg(kind);
    let output = command.output().map_err(|why| format!("valgrind: {why}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let total = text
        .lines()
        .find_map(|line| line.split("Collected :").nth(1));
    let total = total.and_then(|number| number.trim().parse().ok());
    total.ok_or_else(|| format!("valgrind told no count:\n{text}"))
}

fn report() -> Result<(), String> {
    let nothing = count("nothing")?;
    for pair in [
        ["typed register", "raw register"],
        ["typed VMCS field", "raw VMCS field"],
    ] {
        for kind in pair {
            let each = (count(kind)?.saturating_sub(nothing)) as f64 / READS as f64;
            println!("{kind:18} {each:6.1} instructions");
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    let done = match std::env::args().nth(1) {
        None => report(),
        Some(kind) => Vm::new()
            .and_then(|vm| vm.create_vcpu())
            .map_err(|why| why.to_string())
            .and_then(|vcpu| work(&vcpu, &kind).map(|sum| println!("{sum}"))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("typed_read: {why}");
            ExitCode::FAILURE
        }
    }
}
