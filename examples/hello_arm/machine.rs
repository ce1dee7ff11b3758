//! The machine: memory, one vCPU, a PL011 that only prints, PSCI, and a GIC if it is asked for. `saved` stops it and goes on with it.

use std::io::Write;
use std::time::Duration;

use xhv::aarch64::{Exit, GicBuilder, Interrupt, Vcpu, Vm};
use xhv::{Error, Gpa, Memory, Permissions};

/// Where memory begins.
pub const RAM: Gpa = Gpa(0x4000_0000);
/// How much there is.
pub const SIZE: u64 = 4 << 20;
/// The PL011's registers (Arm DDI 0183, 3.2): of those only the data register does something.
const DATA: Gpa = Gpa(0x0900_0000);
/// The GIC's distributor.
const DISTRIBUTOR: Gpa = Gpa(0x0800_0000);
/// The GIC's redistributors.
const REDISTRIBUTORS: Gpa = Gpa(0x1000_0000);
/// A function of PSCI (Arm DEN 0022, 5).
const SYSTEM_OFF: u32 = 0x8400_0008;
/// What an unknown function answers.
const NOT_SUPPORTED: u64 = u64::MAX;

/// A VM without memory and vCPU.
pub fn vm(gic: bool) -> Result<Vm, Error> {
    let builder = Vm::builder();
    if gic {
        builder
            .gic(GicBuilder::new(DISTRIBUTOR, REDISTRIBUTORS))
            .build()
    } else {
        builder.build()
    }
}

/// Loads an image and makes the vCPU begin with it.
///
/// # Errors
/// In words.
pub fn start(vm: &Vm, vcpu: &mut Vcpu, image: &[u8]) -> Result<(), String> {
    let told = |why: Error| why.to_string();
    let memory = Memory::new(SIZE).map_err(told)?;
    memory
        .write(0, image)
        .map_err(|why| format!("the image does not fit into {SIZE:#x} bytes: {why}"))?;
    vm.map(RAM, &memory, Permissions::ALL).map_err(told)?;
    vcpu.set_el1(RAM.0, 0).map_err(told)
}

/// How a run ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Ended {
    /// The guest has switched itself off.
    Off,
    /// The exits that it was allowed are used up.
    Stopped,
}

/// Runs until the guest switches itself off, or has left for the `most`th time.
///
/// # Errors
/// In words: what the guest did that this machine does not know.
pub fn run(vcpu: &mut Vcpu, out: &mut dyn Write, most: Option<u64>) -> Result<Ended, String> {
    let told = |why: Error| why.to_string();
    let mut exits = 0;
    while most.is_none_or(|most| exits < most) {
        exits += 1;
        match vcpu.run().map_err(told)? {
            Exit::MmioWrite(write) => {
                if write.gpa() == DATA {
                    out.write_all(&[write.value() as u8])
                        .map_err(|why| why.to_string())?;
                }
                write.finish().map_err(told)?;
            }
            // The flag register: never full, nothing received. There is nothing else to read.
            Exit::MmioRead(read) => read.finish(0).map_err(told)?,
            Exit::Hvc(call) if call.function().map_err(told)? == SYSTEM_OFF => {
                return Ok(Ended::Off);
            }
            Exit::Hvc(call) => call.finish(NOT_SUPPORTED).map_err(told)?,
            Exit::Wfx(wait) => wait.wait(Duration::from_secs(1)).map_err(told)?,
            Exit::VtimerActivated | Exit::Canceled => {}
            other => {
                return Err(format!(
                    "the guest did what this machine does not know: {other:?}"
                ));
            }
        }
        // Without a GIC the only interrupt source is the timer: its line is the CPU's.
        if vcpu.vm().gic().is_none() {
            let level = vcpu.vtimer_line().map_err(told)?;
            vcpu.set_interrupt_line(Interrupt::Irq, level);
        }
    }
    Ok(Ended::Stopped)
}
