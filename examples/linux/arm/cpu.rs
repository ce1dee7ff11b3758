//! A vCPU's exits: one arm for each kind, and what the guest asks of its firmware.

use xhv::Error;
use xhv::aarch64::psci::result;
use xhv::aarch64::{Exit, Psci, Vcpu, affinity};

use super::{Parts, Start};
use crate::cpus::{End, Power, lock};

/// The bits of MPIDR_EL1 that are the affinity, as PSCI has it (Arm DEN 0022, 5.1.4).
const AFFINITY: u64 = 0xff_00ff_ffff;

/// Runs to the next exit and answers it.
///
/// # Errors
/// In words, for what this machine cannot answer.
pub fn step(vcpu: &mut Vcpu, number: u32, parts: &Parts) -> Result<(), String> {
    let told = |why: Error| why.to_string();
    match vcpu.run().map_err(told)? {
        Exit::MmioRead(read) => {
            let value = lock(&parts.devices).read(read.gpa());
            read.finish(value)
        }
        Exit::MmioWrite(write) => {
            lock(&parts.devices).write(write.gpa(), write.value());
            write.finish()
        }
        Exit::Hvc(call) => {
            let answer = firmware(call.psci().map_err(told)?, number, parts);
            call.finish(answer)
        }
        Exit::SystemRegisterRead(read) => read.finish_default().map(drop),
        Exit::SystemRegisterWrite(write) => write.finish_default().map(drop),
        Exit::Canceled => Ok(()),
        other => {
            return Err(format!(
                "the guest did what this machine does not know: {other:?}"
            ));
        }
    }
    .map_err(told)
}

/// Does what the guest asks by PSCI; answers what X0 gets.
fn firmware(call: Psci, number: u32, parts: &Parts) -> u64 {
    match call {
        Psci::Answer(value) => value,
        Psci::CpuOn {
            target,
            entry,
            context,
        } => on(target, Start::On { entry, context }, parts),
        Psci::CpuOff => {
            parts.cpus.switch_off(number);
            result::SUCCESS
        }
        Psci::AffinityInfo { target, .. } => match power(target, parts) {
            Some(Power::On) => 0,
            Some(Power::Starting(_)) => 2,
            Some(Power::Off | Power::New) => 1,
            None => result::INVALID_PARAMETERS,
        },
        // A suspend that ends at once is allowed (Arm DEN 0022, 5.4.1): the guest looks again and waits by itself.
        Psci::CpuSuspend { .. } => result::SUCCESS,
        Psci::SystemOff => end(End::Off, parts),
        Psci::SystemReset => end(End::Reset, parts),
        _ => result::NOT_SUPPORTED,
    }
}

fn end(how: End, parts: &Parts) -> u64 {
    parts.cpus.stop(Ok(how));
    result::SUCCESS
}

/// The number of the vCPU with this affinity.
fn find(target: u64, parts: &Parts) -> Option<u32> {
    (0..parts.count).find(|&cpu| affinity(cpu.into()).bits() & AFFINITY == target)
}

fn power(target: u64, parts: &Parts) -> Option<Power<Start>> {
    parts.cpus.power(find(target, parts)?)
}

fn on(target: u64, start: Start, parts: &Parts) -> u64 {
    match find(target, parts).and_then(|cpu| parts.cpus.start(cpu, start)) {
        Some(Power::Off) => result::SUCCESS,
        Some(Power::On) => result::ALREADY_ON,
        Some(Power::Starting(_) | Power::New) => result::ON_PENDING,
        None => result::INVALID_PARAMETERS,
    }
}
