//! How long the way from the guest to its client and back is, for each kind of exit of both architectures; and what the typed layer
//! adds to a raw call. Wall-clock time: the least of several measurements, since a neighbour's load only adds.
//!
//! `cargo run --release -p xhv-benches --bin exits [KIND]`

use std::hint::black_box;
use std::time::Instant;

use xhv::typed::{RawRead, space};
use xhv::x86_64::{Exit, Vcpu, Vm, reg};
use xhv::{Error, Gpa, aarch64};

const ROUNDS: u32 = 200_000;
const MEASUREMENTS: u32 = 10;

fn guest(code: &[u8]) -> Result<(Vm, Vcpu), Error> {
    let vm = Vm::new()?;
    vm.map_new(Gpa(0), 0x10_0000)?;
    vm.write(Gpa(0x1000), code)?;
    let mut vcpu = vm.create_vcpu()?;
    vcpu.set_flat32(0x1000)?;
    vcpu.write(reg::RBX, 0x20_0000)?;
    Ok((vm, vcpu))
}

/// As [`guest`], in 64-bit code: behind four levels of page tables.
fn guest64(code: &[u8]) -> Result<(Vm, Vcpu), Error> {
    let (vm, mut vcpu) = guest(code)?;
    vm.write_identity_map(Gpa(0x2_0000), 1 << 30)?;
    vcpu.set_long_mode64(0x1000, Gpa(0x2_0000))?;
    vcpu.write(reg::RBX, 0x20_0000)?;
    Ok((vm, vcpu))
}

/// Finishes any exit that the guests below make.
fn finish(exit: Exit<'_>) -> Result<(), Error> {
    match exit {
        Exit::PortWrite(out) => out.finish(),
        Exit::PortRead(read) => read.finish(1),
        Exit::Hlt(hlt) => hlt.finish(),
        Exit::Cpuid(cpuid) => cpuid.finish(xhv::x86_64::CpuidResult::default()),
        Exit::Hypercall(call) => call.finish(0),
        Exit::MmioRead(read) => read.finish(1),
        Exit::MmioWrite(write) => write.finish(),
        other => Err(Error::Argument {
            call: "exits",
            why: format!("unexpected: {other:?}"),
        }),
    }
}

/// Nanoseconds for an exit of an Intel guest.
fn intel((_vm, mut vcpu): (Vm, Vcpu)) -> Result<f64, Error> {
    least(|| finish(vcpu.run()?))
}

/// Nanoseconds for an exit of an AArch64 guest at EL1, whose X1 is where no memory is.
fn arm(code: [u32; 2]) -> Result<f64, Error> {
    let ram = Gpa(0x4000_0000);
    let vm = aarch64::Vm::new()?;
    vm.map_new(ram, 0x10_0000)?;
    vm.write(ram, &code.map(u32::to_le_bytes).concat())?;
    let mut vcpu = vm.create_vcpu()?;
    vcpu.set_el1(ram.0, ram.0 + 0x8000)?;
    vcpu.set_x(1, 0x1000_0000)?;
    least(|| match vcpu.run()? {
        aarch64::Exit::Hvc(call) => call.finish(0),
        aarch64::Exit::MmioRead(read) => read.finish(1),
        aarch64::Exit::MmioWrite(write) => write.finish(),
        other => Err(Error::Argument {
            call: "exits",
            why: format!("unexpected: {other:?}"),
        }),
    })
}

/// Nanoseconds of one piece of work: the least of several measurements.
fn least(mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
    let mut best = f64::INFINITY;
    for _ in 0..MEASUREMENTS {
        best = best.min(time(&mut work, ROUNDS)?);
    }
    Ok(best)
}

fn time(mut work: impl FnMut() -> Result<(), Error>, rounds: u32) -> Result<f64, Error> {
    let start = Instant::now();
    for _ in 0..rounds {
        work()?;
    }
    Ok(start.elapsed().as_nanos() as f64 / f64::from(rounds))
}

fn main() -> Result<(), Error> {
    println!("engine: {}", Vm::new()?.engine());
    // Each is one exiting instruction and a jump back to it.
    let kinds: [(&str, &[u8]); 7] = [
        ("OUT", &[0xe6, 5, 0xeb, 0xfc]),
        ("IN", &[0xe4, 5, 0xeb, 0xfc]),
        ("HLT", &[0xf4, 0xeb, 0xfd]),
        ("CPUID", &[0x0f, 0xa2, 0xeb, 0xfc]),
        ("VMCALL", &[0x0f, 0x01, 0xc1, 0xeb, 0xfb]),
        ("MMIO load", &[0x8b, 0x03, 0xeb, 0xfc]),
        ("MMIO store", &[0x89, 0x03, 0xeb, 0xfc]),
    ];
    let arm_kinds = [
        ("A64 HVC", [0xd400_0002, 0x17ff_ffff]),
        ("A64 MMIO load", [0xb940_0020, 0x17ff_ffff]),
        ("A64 MMIO store", [0xb900_0020, 0x17ff_ffff]),
    ];
    let only = std::env::args().nth(1);
    let wanted = |name: &str| only.as_deref().is_none_or(|only| only == name);
    for (name, code) in kinds {
        if wanted(name) {
            println!("{name:<24} {:>9.1} ns", intel(guest(code)?)?);
        }
    }
    for (name, code) in &kinds[5..] {
        let name = format!("{name}, 64-bit");
        if wanted(&name) {
            println!("{name:<24} {:>9.1} ns", intel(guest64(code)?)?);
        }
    }
    for (name, code) in arm_kinds {
        if wanted(name) {
            println!("{name:<24} {:>9.1} ns", arm(code)?);
        }
    }
    if only.is_some() {
        return Ok(());
    }
    let (_vm, vcpu) = guest(&[0xf4])?;
    let rounds = ROUNDS * 100;
    let typed = time(
        || {
            black_box(vcpu.read(black_box(reg::RAX))?);
            Ok(())
        },
        rounds,
    )?;
    let raw = time(
        || {
            let key = black_box(reg::RAX).key();
            black_box(RawRead::<space::General>::raw_read(&vcpu, key).unwrap_or(0));
            Ok(())
        },
        rounds,
    )?;
    println!(
        "{:<24} {typed:>9.2} ns, raw {raw:.2} ns",
        "typed register read"
    );
    drop(vcpu);
    let whole = time(
        || {
            let (_vm, mut vcpu) =
                guest(&[0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0x90, 0xf4])?;
            vcpu.run().map(drop)
        },
        1000,
    )?;
    println!("{:<24} {:>9.1} µs", "create, run, destroy", whole / 1000.0);
    Ok(())
}
