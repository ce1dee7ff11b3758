//! The PC: memory, ports, and the engine's interrupt controllers with their timers (`hv_vm_*apic*`, macOS 12.0).

mod acpi;
mod boot;
mod cpu;
mod ports;

use std::sync::{Arc, Mutex};

use vm_memory::GuestMemoryMmap;
use xhv::x86_64::{Vcpu, Vm};
use xhv::{Error, Gpa, Permissions, VcpuThread};

use crate::console::Console;
use crate::cpus::{Cpus, End, lock};
use crate::kernel::X86Format;
use crate::machine::{self, Machine, Shared};
use crate::memory;
use crate::options::Options;
use crate::uart::{Line, Uart};

use boot::{Entry, Protocol};
use ports::{COM1_PIN, Ports};

/// Frequency of the APIC timers in Hz, which CPUID tells as the crystal's.
const APIC_BUS_HZ: u64 = 1_000_000_000;
/// Devices lie between this and 4 GiB.
const GAP: u64 = 0xc000_0000;
const GAP_END: u64 = 1 << 32;

/// How a vCPU starts.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// In the kernel, by one of its boot protocols.
    Kernel(Entry),
    /// By a start-up message: real mode at this physical address.
    Message(u64),
}

/// What the vCPUs share.
pub struct Board {
    vm: Vm,
    ports: Mutex<Ports>,
    cpus: Cpus<Start>,
}

/// A PC with a kernel in its memory.
pub struct Pc {
    board: Arc<Board>,
    count: u32,
    entry: Entry,
    /// The VM uses it: it goes last.
    _memory: GuestMemoryMmap,
}

/// First byte and size of each range of memory.
fn ranges(size: u64) -> Vec<(u64, u64)> {
    let mut ranges = vec![(0, size.min(GAP))];
    if size > GAP {
        ranges.push((GAP_END, size - GAP));
    }
    ranges
}

impl Pc {
    /// Loads everything that the options name.
    ///
    /// # Errors
    /// In words.
    pub fn new(options: &Options, format: X86Format) -> Result<Self, String> {
        let told = |why: Error| why.to_string();
        let memory = memory::allocate(&ranges(options.memory))?;
        let entry = boot::load(&memory, options, format)?;
        let vm = Vm::builder().accelerated_apic().build().map_err(told)?;
        vm.set_apic_bus_frequency(APIC_BUS_HZ).map_err(told)?;
        for (gpa, part) in memory::parts(&memory)? {
            vm.map(gpa, &part, Permissions::ALL).map_err(told)?;
        }
        let line = {
            let vm = vm.clone();
            // A VM that is gone needs no interrupts.
            Line::new(move || drop(vm.pulse_ioapic_irq(COM1_PIN)))
        };
        let board = Board {
            vm,
            ports: Mutex::new(Ports::new(Uart::new(line))),
            cpus: Cpus::new(options.cpus),
        };
        Ok(Self {
            board: Arc::new(board),
            count: options.cpus,
            entry,
            _memory: memory,
        })
    }
}

impl Machine for Pc {
    fn run(self: Box<Self>, console: &Console) -> Result<End, String> {
        // Taken apart, so that the VM goes with the board, before the memory.
        let Self {
            board,
            count,
            entry,
            _memory,
        } = *self;
        machine::run(board, count, Start::Kernel(entry), console)
    }
}

impl Shared for Board {
    type Vcpu = Vcpu;
    type Start = Start;

    fn cpus(&self) -> &Cpus<Start> {
        &self.cpus
    }

    fn spawn(
        &self,
        body: impl FnOnce(&mut Vcpu) + Send + 'static,
    ) -> Result<VcpuThread<Vcpu, ()>, Error> {
        self.vm.spawn_vcpu(body)
    }

    fn prepare(&self, vcpu: &mut Vcpu, _number: u32) -> Result<(), String> {
        vcpu.set_apic_address(Gpa(acpi::LOCAL_APIC))
            .map_err(|why| why.to_string())
    }

    fn begin(&self, vcpu: &mut Vcpu, start: Start) -> Result<(), String> {
        let begin = |vcpu: &mut Vcpu| match start {
            Start::Kernel(Entry { at, zero_page }) => match at {
                Protocol::Bits64(rip) => vcpu.set_linux(rip, zero_page, boot::START_TABLES),
                Protocol::Bits32(eip) => vcpu.set_linux32(eip, zero_page, boot::START_TABLES),
            },
            Start::Message(address) => {
                vcpu.enable_usual_msrs()?;
                vcpu.set_real_mode((address >> 4) as u16, 0)
            }
        };
        begin(vcpu).map_err(|why| why.to_string())
    }

    fn step(&self, vcpu: &mut Vcpu, _number: u32) -> Result<(), String> {
        cpu::step(vcpu, self)
    }

    fn input(&self, bytes: &[u8]) -> usize {
        lock(&self.ports).uart.input(bytes)
    }
}
