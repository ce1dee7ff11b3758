//! Runs one kernel of the benchmark on the software engine: `kernels ARCHITECTURE IMAGE ROUNDS`. The image is flat, at 10000h, its
//! entry first; it gets the number of rounds as its argument and answers in the result register of the calling convention.
//! Prints the answer in hexadecimal, as the other machines of `compare` do.

use std::process::ExitCode;

use xhv::{Engine, Gpa};

const ENTRY: u64 = 0x1_0000;
const SIZE: u64 = 0x20_0000;
const STACK: u64 = 0x1f_0000;

/// x86-64: 64-bit mode, memory mapped to itself; the kernel returns to an HLT.
fn x86_64(image: &[u8], rounds: u64) -> Result<u64, String> {
    use xhv::x86_64::{Exit, Vm, reg};
    const RETURN: u64 = 0xf000;
    const TABLES: Gpa = Gpa(0x1000);
    let begin = || {
        let vm = Vm::builder().engine(Engine::Software).build()?;
        vm.map_new(Gpa(0), SIZE)?;
        vm.write(Gpa(ENTRY), image)?;
        vm.write(Gpa(RETURN), &[0xf4])?;
        // As a call leaves it: eight bytes off from a multiple of sixteen.
        vm.write_value(Gpa(STACK - 8), RETURN)?;
        vm.write_identity_map(TABLES, SIZE)?;
        let mut vcpu = vm.create_vcpu()?;
        vcpu.set_long_mode64(ENTRY, TABLES)?;
        vcpu.write(reg::RDI, rounds)?;
        vcpu.write(reg::RSP, STACK - 8)?;
        Ok::<_, xhv::Error>(vcpu)
    };
    let mut vcpu = begin().map_err(|why| why.to_string())?;
    loop {
        match vcpu.run().map_err(|why| why.to_string())? {
            Exit::Hlt(mut hlt) => return hlt.vcpu().read(reg::RAX).map_err(|why| why.to_string()),
            Exit::Canceled => {}
            other => return Err(format!("{other:?}")),
        }
    }
}

/// AArch64: EL1, the MMU on with the first GiB mapped to itself, FP on; the kernel returns to an HVC.
fn aarch64(image: &[u8], rounds: u64) -> Result<u64, String> {
    use xhv::aarch64::{Exit, Vm, reg, sysreg};
    use xhv::{Memory, Permissions};
    const RETURN: u64 = 0xf000;
    const TABLE: u64 = 0x1000;
    let begin = || {
        let vm = Vm::builder().engine(Engine::Software).build()?;
        let memory = Memory::new(SIZE)?;
        vm.map(Gpa(0), &memory, Permissions::ALL)?;
        vm.write(Gpa(ENTRY), image)?;
        // HVC #0
        vm.write(Gpa(RETURN), &0xd400_0002_u32.to_le_bytes())?;
        // A block of 1 GiB at level 1: access flag, inner shareable, attribute 0.
        vm.write(Gpa(TABLE), &0x701_u64.to_le_bytes())?;
        let mut vcpu = vm.create_vcpu()?;
        vcpu.write(reg::CPSR, reg::Spsr::from_bits(0x3c5))?;
        vcpu.write(sysreg::MAIR_EL1, sysreg::Mair::from_bits(0xff))?;
        vcpu.write(sysreg::TCR_EL1, sysreg::Tcr::from_bits(0x1_0080_3519))?;
        vcpu.write(sysreg::TTBR0_EL1, sysreg::Ttbr::from_bits(TABLE))?;
        vcpu.write(sysreg::CPACR_EL1, sysreg::Cpacr::from_bits(3 << 20))?;
        vcpu.write(sysreg::SCTLR_EL1, sysreg::Sctlr::from_bits(0x3090_1185))?;
        vcpu.write(reg::PC, ENTRY)?;
        vcpu.set_x(0, rounds)?;
        vcpu.set_x(30, RETURN)?;
        vcpu.set_sp(STACK)?;
        Ok::<_, xhv::Error>(vcpu)
    };
    let mut vcpu = begin().map_err(|why| why.to_string())?;
    loop {
        match vcpu.run().map_err(|why| why.to_string())? {
            Exit::Hvc(call) => return call.argument(0).map_err(|why| why.to_string()),
            Exit::Canceled => {}
            other => return Err(format!("{other:?}")),
        }
    }
}

fn run() -> Result<u64, String> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [architecture, image, rounds] = &words[..] else {
        return Err("usage: kernels x86_64|aarch64 IMAGE ROUNDS".to_owned());
    };
    let image = std::fs::read(image).map_err(|why| format!("{image}: {why}"))?;
    let rounds = rounds
        .parse()
        .map_err(|_| format!("{rounds}: not a number"))?;
    match architecture.as_str() {
        "x86_64" => x86_64(&image, rounds),
        "aarch64" => aarch64(&image, rounds),
        other => Err(format!("{other}: no such architecture")),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(answer) => {
            println!("{answer:016x}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("kernels: {why}");
            ExitCode::FAILURE
        }
    }
}
