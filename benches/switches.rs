//! How long a guest's switch to another address space and back takes, with the work that it makes afterwards: TLB misses and blocks of code to be
//! found anew. Wall-clock time of the least of several measurements; run one kind under `valgrind --tool=callgrind` for host instructions.
//!
//! `cargo run --release -p xhv-benches --bin switches [KIND]`

use std::time::Instant;

use xhv::x86_64::{Exit, Vcpu, Vm, reg};
use xhv::{Error, Gpa};

/// Switches that a measurement makes.
const SWITCHES: u32 = 20_000;
const MEASUREMENTS: u32 = 5;
/// After each switch the guest loads from so many pages, and calls a function in each of so many others.
const DATA: u64 = 32;
const FUNCTIONS: u64 = 64;

const PAGE: u64 = 0x1000;
const CODE: u64 = 0x1000;
const TOUCH: u64 = 0x2000;
const STACK: u64 = 0x8000;
/// Two roots, four pages of tables each.
const TABLES: u64 = 0x1_0000;
const DATA_AT: u64 = 0x4_0000;
const FUNCTIONS_AT: u64 = 0x8_0000;

const PGE: u32 = 1 << 7;
const PCIDE: u32 = 1 << 17;
const GLOBAL: u64 = 1 << 8;
const KEEP: u64 = 1 << 63;

/// Switches between two roots for as many rounds as ECX says.
fn code(cr4: u32) -> Vec<u8> {
    let mut code = vec![0x0f, 0x20, 0xe0, 0x48, 0x0d]; // mov rax, cr4; or rax, …
    code.extend(cr4.to_le_bytes());
    code.extend([0x0f, 0x22, 0xe0]); // mov cr4, rax
    code.extend([0x41, 0x0f, 0x22, 0xd8, 0xff, 0xd3]); // again: mov cr3, r8; call rbx
    code.extend([0x41, 0x0f, 0x22, 0xd9, 0xff, 0xd3]); // mov cr3, r9; call rbx
    code.extend([0xff, 0xc9, 0x75, 0xf0]); // dec ecx; jnz again
    code.extend([0xe6, 5]); // out 5, al
    code
}

/// Loads from every page of data, calls every function.
fn touch() -> Vec<u8> {
    let mut code = Vec::new();
    for n in 0..DATA {
        code.extend([0x8a, 0x86]); // mov al, [rsi + …]
        code.extend(((n * PAGE) as u32).to_le_bytes());
    }
    for n in 0..FUNCTIONS {
        code.push(0xe8); // call …
        let behind = TOUCH + code.len() as u64 + 4;
        let to = FUNCTIONS_AT + n * PAGE;
        code.extend(((to - behind) as u32).to_le_bytes());
    }
    code.push(0xc3);
    code
}

fn guest(cr4: u32, flags: u64) -> Result<(Vm, Vcpu), Error> {
    let vm = Vm::new()?;
    vm.map_new(Gpa(0), 0x20_0000)?;
    vm.write(Gpa(CODE), &code(cr4))?;
    vm.write(Gpa(TOUCH), &touch())?;
    for n in 0..FUNCTIONS {
        vm.write(Gpa(FUNCTIONS_AT + n * PAGE), &[0xc3])?;
    }
    for root in [TABLES, TABLES + 4 * PAGE] {
        for level in 0..3 {
            let at = root + level * PAGE;
            vm.write(Gpa(at), &(at + PAGE + 3).to_le_bytes())?;
        }
        for n in 0..512 {
            let entry = n * PAGE + 3 | flags;
            vm.write(Gpa(root + 3 * PAGE + 8 * n), &entry.to_le_bytes())?;
        }
    }
    let mut vcpu = vm.create_vcpu()?;
    vcpu.set_long_mode64(CODE, Gpa(TABLES))?;
    vcpu.write(reg::RBX, TOUCH)?;
    vcpu.write(reg::RSI, DATA_AT)?;
    vcpu.write(reg::RSP, STACK)?;
    Ok((vm, vcpu))
}

/// Nanoseconds for a switch.
fn measure(cr4: u32, flags: u64, keep: u64) -> Result<f64, Error> {
    let (_vm, mut vcpu) = guest(cr4, flags)?;
    let pcid = u64::from(cr4 & PCIDE != 0);
    let mut best = f64::INFINITY;
    for _ in 0..MEASUREMENTS {
        vcpu.write(reg::R8, TABLES | pcid | keep)?;
        vcpu.write(reg::R9, TABLES + 4 * PAGE | 2 * pcid | keep)?;
        vcpu.write(reg::RCX, u64::from(SWITCHES / 2))?;
        let start = Instant::now();
        match vcpu.run()? {
            Exit::PortWrite(out) => out.finish()?,
            other => {
                return Err(Error::Argument {
                    call: "switches",
                    why: format!("unexpected: {other:?}"),
                });
            }
        }
        best = best.min(start.elapsed().as_nanos() as f64);
        // Behind the instructions that set CR4, which is as it was already.
        vcpu.write(reg::RIP, CODE + 12)?;
    }
    Ok(best / f64::from(SWITCHES))
}

fn main() -> Result<(), Error> {
    println!("engine: {}", Vm::new()?.engine());
    let kinds = [
        ("reload", 0, 0, 0),
        ("reload-global", PGE, GLOBAL, 0),
        ("pcid-reload", PCIDE, 0, 0),
        ("pcid-keep", PCIDE, 0, KEEP),
        ("pcid-keep-global", PCIDE | PGE, GLOBAL, KEEP),
    ];
    let only = std::env::args().nth(1);
    for (name, cr4, flags, keep) in kinds {
        if only.as_deref().is_none_or(|only| only == name) {
            println!("{name:<24} {:>9.1} ns", measure(cr4, flags, keep)?);
        }
    }
    Ok(())
}
