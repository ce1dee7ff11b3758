//! Runs a small program at EL1 on xhv: `hello.S`, which prints through a PL011, uses MMU, FPU and timer, and ends by PSCI.
//!
//!     hello_arm [IMAGE]
//!
//! Another image is loaded at 40000000h and entered there at EL1 with the MMU off.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use xhv::aarch64::reg;
use xhv::aarch64::{Exit, Interrupt, Vcpu, Vm, sysreg};
use xhv::{Gpa, Memory, Permissions};

/// Where memory begins.
const RAM: Gpa = Gpa(0x4000_0000);
/// How much there is.
const SIZE: u64 = 4 << 20;
/// The PL011's registers (Arm DDI 0183, 3.2).
const UART: u64 = 0x0900_0000;
const DATA: u64 = UART;
/// Functions of PSCI (Arm DEN 0022, 5).
const SYSTEM_OFF: u32 = 0x8400_0008;
/// What an unknown function answers.
const NOT_SUPPORTED: u64 = u64::MAX;

fn start(vcpu: &mut Vcpu) -> Result<(), xhv::Error> {
    // EL1 with its own stack pointer, all interrupts masked.
    vcpu.write(reg::CPSR, reg::Spsr::from_bits(0x3c5))?;
    vcpu.write(sysreg::SCTLR_EL1, sysreg::Sctlr::from_bits(0x3090_0180))?;
    vcpu.write(reg::PC, RAM.0)
}

/// Runs until the guest switches itself off.
fn run(vcpu: &mut Vcpu, out: &mut dyn Write) -> Result<(), String> {
    let told = |why: xhv::Error| why.to_string();
    loop {
        match vcpu.run().map_err(told)? {
            Exit::MmioWrite(write) => {
                if write.gpa().0 == DATA {
                    out.write_all(&[write.value() as u8])
                        .map_err(|why| why.to_string())?;
                }
                write.finish().map_err(told)?;
            }
            // The flag register: never full, nothing received. There is nothing else to read.
            Exit::MmioRead(read) => read.finish(0).map_err(told)?,
            Exit::Hvc(call) if call.function().map_err(told)? == SYSTEM_OFF => return Ok(()),
            Exit::Hvc(call) => call.finish(NOT_SUPPORTED).map_err(told)?,
            Exit::Wfx(wait) => wait.wait(Duration::from_secs(1)).map_err(told)?,
            Exit::VtimerActivated | Exit::Canceled => {}
            other => {
                return Err(format!(
                    "the guest did what this machine does not know: {other:?}"
                ));
            }
        }
        // The only interrupt source is the timer: its line is the CPU's.
        let level = vcpu.vtimer_line().map_err(told)?;
        vcpu.set_interrupt_line(Interrupt::Irq, level);
    }
}

fn main() -> ExitCode {
    let image = match std::env::args().nth(1) {
        Some(path) => std::fs::read(&path).map_err(|why| format!("{path}: {why}")),
        None => Ok(include_bytes!("hello.bin").to_vec()),
    };
    let result = image.and_then(|image| {
        let told = |why: xhv::Error| why.to_string();
        let memory = Memory::new(SIZE).map_err(told)?;
        memory
            .write(0, &image)
            .map_err(|why| format!("the image does not fit into {SIZE:#x} bytes: {why}"))?;
        let vm = Vm::new().map_err(told)?;
        vm.map(RAM, &memory, Permissions::ALL).map_err(told)?;
        let mut vcpu = vm.create_vcpu().map_err(told)?;
        start(&mut vcpu).map_err(told)?;
        run(&mut vcpu, &mut std::io::stdout().lock())
    });
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hello_arm: {why}");
            ExitCode::FAILURE
        }
    }
}
