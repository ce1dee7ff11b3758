//! A vCPU's loop: one arm for each kind of exit.

use xhv::x86_64::policy;
use xhv::x86_64::{ApicExit, CpuidResult, Exit, Vcpu, reg};
use xhv::{Error, Gpa};

use crate::acpi::{IO_APIC, LOCAL_APIC};
use crate::boot::Entry;
use crate::devices::End;
use crate::machine::{APIC_BUS_HZ, Shared, lock};

/// Where the first page tables lie.
const PAGE_TABLES: Gpa = Gpa(0x9000);

/// The bootstrap processor.
///
/// # Errors
/// In words.
pub fn boot(vcpu: &mut Vcpu, shared: &Shared, entry: Entry) -> Result<(), String> {
    let begin = |vcpu: &mut Vcpu| -> Result<(), Error> {
        shared.vm.write_identity_map(PAGE_TABLES, 4 << 30)?;
        vcpu.set_apic_address(Gpa(LOCAL_APIC))?;
        vcpu.set_long_mode64(entry.rip, PAGE_TABLES)?;
        vcpu.write(reg::RSI, entry.zero_page)
    };
    begin(vcpu).map_err(|why| why.to_string())?;
    while !shared.stopped() {
        step(vcpu, shared)?;
    }
    Ok(())
}

/// An application processor: waits to be started, as often as it is stopped.
///
/// # Errors
/// In words.
pub fn application(vcpu: &mut Vcpu, shared: &Shared) -> Result<(), String> {
    vcpu.set_apic_address(Gpa(LOCAL_APIC))
        .map_err(|why| why.to_string())?;
    while let Some(address) = shared.wait_for_start(vcpu.id()) {
        let begin = |vcpu: &mut Vcpu| {
            vcpu.enable_usual_msrs()?;
            vcpu.set_real_mode((address >> 4) as u16, 0)
        };
        begin(vcpu).map_err(|why| why.to_string())?;
        while !shared.stopped() && !shared.is_parked(vcpu.id()) {
            step(vcpu, shared)?;
        }
    }
    Ok(())
}

/// Runs to the next exit and answers it.
fn step(vcpu: &mut Vcpu, shared: &Shared) -> Result<(), String> {
    let told = |why: Error| why.to_string();
    match vcpu.run().map_err(told)? {
        Exit::PortRead(read) => {
            let value = port_read(shared, read.port(), read.size());
            read.finish(value)
        }
        Exit::PortWrite(write) => {
            port_write(shared, write.port(), write.size(), write.value());
            write.finish()
        }
        Exit::MmioRead(read) if is_io_apic(read.gpa()) => {
            let value = shared.vm.read_ioapic(read.gpa()).map_err(told)?;
            read.finish(value.into())
        }
        Exit::MmioWrite(write) if is_io_apic(write.gpa()) => {
            shared
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
        Exit::Apic(ApicExit::Init(cpus)) => {
            shared.park(&cpus);
            Ok(())
        }
        Exit::Apic(ApicExit::Startup { vcpus, address }) => {
            shared.start(&vcpus, address);
            Ok(())
        }
        Exit::Apic(_) | Exit::Canceled => Ok(()),
        Exit::Hlt(hlt) => hlt.finish(),
        Exit::TripleFault => {
            shared.stop(Ok(End::Reset));
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
fn port_read(shared: &Shared, port: u16, size: u8) -> u32 {
    let mut ports = lock(&shared.ports);
    (0..size).fold(0, |value, at| {
        value | u32::from(ports.read(port.wrapping_add(at.into()))) << (8 * at)
    })
}

fn port_write(shared: &Shared, port: u16, size: u8, value: u32) {
    for at in 0..size {
        let end =
            lock(&shared.ports).write(port.wrapping_add(at.into()), (value >> (8 * at)) as u8);
        if let Some(end) = end {
            shared.stop(Ok(end));
        }
    }
}
