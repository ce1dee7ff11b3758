//! The arm64 board: memory, a UART and a clock, the engine's GICv3 and timers (macOS 15.0), PSCI for its vCPUs.

mod boot;
mod cpu;
mod devices;
mod tree;

use std::sync::{Arc, Mutex};

use vm_memory::GuestMemoryMmap;
use xhv::aarch64::{Gic, GicBuilder, Vcpu, Vm};
use xhv::{Error, Gpa, Permissions, VcpuThread};

use crate::console::Console;
use crate::cpus::{Cpus, End, lock};
use crate::machine::{self, Machine, Shared};
use crate::memory;
use crate::options::Options;
use crate::uart::{Line, Uart};

use devices::Devices;

/// The GIC's distributor.
const DISTRIBUTOR: Gpa = Gpa(0x0800_0000);
/// All of the GIC's redistributors.
const REDISTRIBUTORS: Gpa = Gpa(0x0a00_0000);
/// Where memory begins.
const RAM: u64 = 0x4000_0000;

/// How a vCPU starts.
#[derive(Debug, Clone, Copy)]
pub enum Start {
    /// In the kernel.
    Kernel(boot::Entry),
    /// By PSCI's CPU_ON.
    On {
        /// Address of its first instruction.
        entry: u64,
        /// X0.
        context: u64,
    },
}

/// What the vCPUs share.
pub struct Parts {
    vm: Vm,
    devices: Mutex<Devices>,
    cpus: Cpus<Start>,
    count: u32,
}

/// A board with a kernel in its memory.
pub struct Board {
    parts: Arc<Parts>,
    entry: boot::Entry,
    /// The VM uses it: it goes last.
    _memory: GuestMemoryMmap,
}

impl Board {
    /// Loads `image` and everything that the options name.
    ///
    /// # Errors
    /// In words.
    pub fn new(options: &Options, image: &[u8]) -> Result<Self, String> {
        let told = |why: Error| why.to_string();
        let memory = memory::allocate(&[(RAM, options.memory)])?;
        let vm = Vm::builder()
            .gic(GicBuilder::new(DISTRIBUTOR, REDISTRIBUTORS))
            .build()
            .map_err(told)?;
        let gic = vm.gic().ok_or("the VM has no GIC")?;
        let entry = boot::load(&memory, options, image, &vm)?;
        for (gpa, part) in memory::parts(&memory)? {
            vm.map(gpa, &part, Permissions::ALL).map_err(told)?;
        }
        let uart = Uart::new(line(gic, devices::UART_SPI));
        let parts = Parts {
            vm,
            devices: Mutex::new(Devices::new(uart)),
            cpus: Cpus::new(options.cpus),
            count: options.cpus,
        };
        Ok(Self {
            parts: Arc::new(parts),
            entry,
            _memory: memory,
        })
    }
}

/// An edge-triggered line to a shared interrupt.
fn line(gic: Gic, spi: u32) -> Line {
    let intid = gic.parameters().spi_base + spi;
    // A VM that is gone needs no interrupts.
    Line::new(move || drop(gic.set_spi(intid, true)))
}

impl Machine for Board {
    fn run(self: Box<Self>, console: &Console) -> Result<End, String> {
        // Taken apart, so that the VM goes with its parts, before the memory.
        let Self {
            parts,
            entry,
            _memory,
        } = *self;
        let count = parts.count;
        machine::run(parts, count, Start::Kernel(entry), console)
    }
}

impl Shared for Parts {
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

    /// Before any vCPU runs all redistributors have to know whose they are.
    fn prepare(&self, vcpu: &mut Vcpu, number: u32) -> Result<(), String> {
        vcpu.set_identity(number.into())
            .map_err(|why| why.to_string())
    }

    fn begin(&self, vcpu: &mut Vcpu, start: Start) -> Result<(), String> {
        let done = match start {
            Start::Kernel(at) => vcpu.set_linux(at.pc, at.device_tree),
            Start::On { entry, context } => vcpu.set_psci_entry(entry, context),
        };
        done.map_err(|why| why.to_string())
    }

    fn step(&self, vcpu: &mut Vcpu, number: u32) -> Result<(), String> {
        cpu::step(vcpu, number, self)
    }

    fn input(&self, bytes: &[u8]) -> usize {
        lock(&self.devices).uart.input(bytes)
    }
}
