//! A vCPU's exits: one arm for each kind.

use xhv::x86_64::policy;
use xhv::x86_64::{ApicExit, CpuidResult, Exit, Vcpu};
use xhv::{Error, Gpa};

use super::acpi::IO_APIC;
use super::{APIC_BUS_HZ, Board, Start};
use crate::cpus::{End, lock};

/// Runs to the next exit and answers it.
///
/// # Errors
/// In words, for what this machine cannot answer.
pub fn step(vcpu: &mut Vcpu, board: &Board) -> Result<(), String> {
    let told = |why: Error| why.to_string();
    match vcpu.run().map_err(told)? {
        Exit::PortRead(read) => {
            let value = port_read(board, read.port(), read.size());
            read.finish(value)
        }
        Exit::PortWrite(write) => {
            port_write(board, write.port(), write.size(), write.value());
            write.finish()
        }
        Exit::MmioRead(read) if is_io_apic(read.gpa()) => {
            let value = board.vm.read_ioapic(read.gpa()).map_err(told)?;
            read.finish(value.into())
        }
        Exit::MmioWrite(write) if is_io_apic(write.gpa()) => {
            board
                .vm
                .write_ioapic(write.gpa(), write.value() as u32)
                .map_err(told)?;
            write.finish()
        }
        // Nothing else is there: all ones, and writes are lost.
        Exit::MmioRead(read) => read.finish(u64::MAX),
        Exit::MmioWrite(write) => write.finish(),
        Exit::Cpuid(mut cpuid) => {
            let (leaf, subleaf) = (cpuid.leaf(), cpuid.subleaf());
            let answer = processor(cpuid.vcpu(), leaf, subleaf);
            cpuid.finish(answer)
        }
        Exit::MsrRead(read) => read.finish_default().map(drop),
        Exit::MsrWrite(write) => write.finish_default().map(drop),
        Exit::ControlRegister(access) => access.finish(),
        Exit::Xsetbv(xsetbv) => xsetbv.finish(),
        Exit::Apic(ApicExit::Init(vcpus)) => {
            vcpus.iter().for_each(|&vcpu| board.cpus.switch_off(vcpu));
            Ok(())
        }
        Exit::Apic(ApicExit::Startup { vcpus, address }) => {
            for vcpu in vcpus {
                board.cpus.start(vcpu, Start::Message(address));
            }
            Ok(())
        }
        Exit::Apic(_) | Exit::Canceled => Ok(()),
        Exit::Hlt(hlt) => hlt.finish(),
        Exit::TripleFault => {
            board.cpus.stop(Ok(End::Reset));
            Ok(())
        }
        Exit::EntryRefused(refused) => return Err(refused.to_string()),
        other => {
            return Err(format!(
                "the guest did what this machine does not know: {other:?}"
            ));
        }
    }
    .map_err(told)
}

fn is_io_apic(gpa: Gpa) -> bool {
    (IO_APIC..IO_APIC + 0x1000).contains(&gpa.0)
}

/// CPUID: the default, and the frequencies that the machine has, so that the guest need not measure them (SDM vol. 2A, leaf 15H).
fn processor(vcpu: &Vcpu, leaf: u32, subleaf: u32) -> CpuidResult {
    let tsc = vcpu.vm().tsc_frequency();
    match leaf {
        0 => {
            let answer = policy::cpuid(vcpu, leaf, subleaf);
            CpuidResult {
                eax: answer.eax.max(0x16),
                ..answer
            }
        }
        // TSC = crystal * EBX / EAX. Linux multiplies kilohertz by EBX in 32 bits, so the fraction is reduced, and its numerator small.
        0x15 => {
            let unit = common_divisor(APIC_BUS_HZ, tsc).max(APIC_BUS_HZ / 1000);
            CpuidResult {
                eax: (APIC_BUS_HZ / unit) as u32,
                ebx: (tsc / unit) as u32,
                ecx: APIC_BUS_HZ as u32,
                edx: 0,
            }
        }
        0x16 => {
            let mhz = (tsc / 1_000_000) as u32;
            CpuidResult {
                eax: mhz,
                ebx: mhz,
                ecx: 100,
                edx: 0,
            }
        }
        _ => policy::cpuid(vcpu, leaf, subleaf),
    }
}

/// The greatest common divisor.
fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

/// Devices are a byte wide: wider accesses go to neighbours.
fn port_read(board: &Board, port: u16, size: u8) -> u32 {
    let mut ports = lock(&board.ports);
    (0..size).fold(0, |value, at| {
        value | u32::from(ports.read(port.wrapping_add(at.into()))) << (8 * at)
    })
}

fn port_write(board: &Board, port: u16, size: u8, value: u32) {
    for at in 0..size {
        let end = lock(&board.ports).write(port.wrapping_add(at.into()), (value >> (8 * at)) as u8);
        if let Some(end) = end {
            board.cpus.stop(Ok(end));
        }
    }
}
