//! The machine: memory with the BIOS in its two places, one vCPU, and the thread that beats IRQ 0. `ports` has the devices.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use xhv::x86_64::{Exit, Vcpu, Vm};
use xhv::{Error, Gpa, Memory, Permissions};

use crate::Options;
use crate::fw_cfg::FwCfg;
use crate::pit::Pit;
use crate::ports::Ports;
use crate::screen::{self, Wanted};

/// Physical address of the local APIC.
const LOCAL_APIC: u64 = 0xfee0_0000;
const IO_APIC: u64 = 0xfec0_0000;
/// The BIOS ends here, and at 4 GiB.
const BIOS_END: u64 = 0x10_0000;
/// As much of it as there is room for below 1 MiB.
const BIOS_LOW: usize = 0x2_0000;
/// The BIOS is mapped in pages.
const PAGE: usize = 4096;

/// Locks what stays whole even if a holder has panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a BIOS until it resets the machine, or what is wanted is on the screen.
///
/// # Errors
/// In words.
pub fn run(options: &Options, bios: &[u8], floppy: Option<Vec<u8>>) -> Result<(), String> {
    if bios.is_empty() || !bios.len().is_multiple_of(PAGE) || bios.len() > 1 << 20 {
        return Err(format!(
            "{} bytes are no BIOS: a multiple of {PAGE} up to 1 MiB is",
            bios.len()
        ));
    }
    let told = |why: Error| why.to_string();
    let vm = Vm::builder().accelerated_apic().build().map_err(told)?;
    vm.map_new(Gpa(0), options.memory).map_err(told)?;
    let low = &bios[bios.len() - bios.len().min(BIOS_LOW)..];
    vm.write(Gpa(BIOS_END - low.len() as u64), low)
        .map_err(told)?;
    let rom = Memory::new(bios.len() as u64).map_err(told)?;
    rom.write(0, bios).map_err(told)?;
    let below_4_gib = Gpa((1 << 32) - bios.len() as u64);
    vm.map(below_4_gib, &rom, Permissions::READ | Permissions::EXECUTE)
        .map_err(told)?;
    let pit = Arc::new(Mutex::new(Pit::default()));
    let mut ports = Ports::new(options.memory, pit.clone(), FwCfg::new(floppy));
    beat(vm.clone(), Arc::downgrade(&pit));
    let mut vcpu = vm.create_vcpu().map_err(told)?;
    vcpu.set_apic_address(Gpa(LOCAL_APIC)).map_err(told)?;
    vcpu.enable_usual_msrs().map_err(told)?;
    // The reset vector, in the copy below 1 MiB.
    vcpu.set_real_mode(0xf000, 0xfff0).map_err(told)?;
    let watch = |text: &String| Wanted::watch(vm.clone(), vcpu.handle(), text.clone());
    let wanted = options.until.as_ref().map(watch);
    while !ports.reset() {
        step(&vm, &mut vcpu, &mut ports)?;
        if wanted.as_ref().is_some_and(Wanted::found) {
            print!("{}", screen::text(&vm).map_err(told)?);
            break;
        }
    }
    Ok(())
}

/// IRQ 0 at the rate that the timer has, as long as there is one.
fn beat(vm: Vm, pit: std::sync::Weak<Mutex<Pit>>) {
    /// While the guest has not set a rate.
    const IDLE: Duration = Duration::from_millis(10);
    thread::spawn(move || {
        while let Some(pit) = pit.upgrade() {
            let period = lock(&pit).period();
            drop(pit);
            thread::sleep(period.unwrap_or(IDLE));
            if period.is_some() {
                // The output falls for a moment and rises again: the 8259 wants it high until it is acknowledged. A VM that is gone
                // needs no interrupts.
                let _ = vm
                    .deassert_atpic_irq(0)
                    .and_then(|()| vm.assert_atpic_irq(0));
            }
        }
    });
}

/// Runs to the next exit and answers it.
fn step(vm: &Vm, vcpu: &mut Vcpu, ports: &mut Ports) -> Result<(), String> {
    let told = |why: Error| why.to_string();
    match vcpu.run().map_err(told)? {
        Exit::PortRead(read) => {
            let value = ports.read(vm, read.port(), read.size()).map_err(told)?;
            read.finish(value)
        }
        Exit::PortWrite(write) => {
            ports
                .write(vm, write.port(), write.size(), write.value())
                .map_err(told)?;
            write.finish()
        }
        Exit::MmioRead(read) if is_io_apic(read.gpa()) => {
            let value = vm.read_ioapic(read.gpa()).map_err(told)?;
            read.finish(value.into())
        }
        Exit::MmioWrite(write) if is_io_apic(write.gpa()) => {
            vm.write_ioapic(write.gpa(), write.value() as u32)
                .map_err(told)?;
            write.finish()
        }
        // Nothing else is there: all ones, and writes are lost.
        Exit::MmioRead(read) => read.finish(u64::MAX),
        Exit::MmioWrite(write) => write.finish(),
        Exit::Cpuid(cpuid) => cpuid.finish_default(),
        Exit::MsrRead(read) => read.finish_default().map(drop),
        Exit::MsrWrite(write) => write.finish_default().map(drop),
        Exit::ControlRegister(access) => access.finish(),
        Exit::Xsetbv(xsetbv) => xsetbv.finish(),
        // Start-up messages for processors that are not there.
        Exit::Apic(_) | Exit::Canceled => Ok(()),
        Exit::Hlt(hlt) => hlt.finish(),
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
