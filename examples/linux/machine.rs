//! The machine: memory, vCPUs on threads of their own, and what they share.

use std::io::{Stdout, stdin, stdout};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use vm_memory::{GuestAddress, GuestMemoryBackend, GuestMemoryMmap, GuestMemoryRegion};
use xhv::x86_64::{Vcpu, Vm};
use xhv::{Gpa, Memory, Permissions, VcpuHandle, VcpuThread};

use crate::boot::{self, Boot, Entry};
use crate::console::{Input, Keys};
use crate::cpu;
use crate::devices::{COM1_PIN, End, Line, Ports};

/// Local APIC ids are eight bits, and FFh means all.
pub const MOST_CPUS: u32 = 64;

/// Frequency of the APIC timers in Hz, which CPUID tells as the crystal's.
pub const APIC_BUS_HZ: u64 = 1_000_000_000;

/// Locks what stays whole even if a holder has panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What an application processor waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Parked {
    /// A start-up message.
    #[default]
    Waiting,
    /// It got one: real mode at this physical address.
    Start(u64),
    /// It runs.
    Running,
}

/// What the vCPUs share.
pub struct Shared {
    /// The VM.
    pub vm: Vm,
    /// The devices.
    pub ports: Mutex<Ports<Stdout>>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    end: Option<Result<End, String>>,
    parked: Vec<Parked>,
    handles: Vec<VcpuHandle>,
}

impl Shared {
    /// The machine stops for this reason, if it has not stopped for another already.
    pub fn stop(&self, end: Result<End, String>) {
        let mut state = lock(&self.state);
        state.end.get_or_insert(end);
        state.handles.iter().for_each(VcpuHandle::cancel);
        self.changed.notify_all();
    }

    /// Whether the machine stops.
    pub fn stopped(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    /// INIT: these processors stop and wait.
    pub fn park(&self, cpus: &[u32]) {
        self.set(cpus, Parked::Waiting);
    }

    /// Start-up: those of these processors that wait begin at `address`.
    pub fn start(&self, cpus: &[u32], address: u64) {
        let mut state = lock(&self.state);
        for &cpu in cpus {
            if let Some(parked @ Parked::Waiting) = state.parked.get_mut(cpu as usize) {
                *parked = Parked::Start(address);
            }
        }
        self.changed.notify_all();
    }

    fn set(&self, cpus: &[u32], to: Parked) {
        let mut state = lock(&self.state);
        for &cpu in cpus {
            if let Some(parked) = state.parked.get_mut(cpu as usize) {
                *parked = to;
            }
            if let Some(handle) = state.handles.get(cpu as usize) {
                handle.cancel();
            }
        }
        self.changed.notify_all();
    }

    /// Whether a processor was told to stop and wait.
    pub fn is_parked(&self, cpu: u32) -> bool {
        lock(&self.state).parked.get(cpu as usize) != Some(&Parked::Running)
    }

    /// Waits for a start-up message; `None` if the machine stops first.
    pub fn wait_for_start(&self, cpu: u32) -> Option<u64> {
        let mut state = lock(&self.state);
        loop {
            if state.end.is_some() {
                return None;
            }
            if let Some(parked) = state.parked.get_mut(cpu as usize)
                && let Parked::Start(address) = *parked
            {
                *parked = Parked::Running;
                return Some(address);
            }
            state = self
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// A machine that has not been started.
pub struct Machine {
    shared: Arc<Shared>,
    memory: GuestMemoryMmap,
    cpus: u32,
}

impl Machine {
    /// `size` bytes of memory from address 0.
    ///
    /// # Errors
    /// In words.
    pub fn new(size: u64, cpus: u32) -> Result<Self, String> {
        let told = |why: xhv::Error| why.to_string();
        let memory = GuestMemoryMmap::from_ranges(&[(GuestAddress(0), size as usize)])
            .map_err(|why| why.to_string())?;
        let vm = Vm::builder().accelerated_apic().build().map_err(told)?;
        vm.set_apic_bus_frequency(APIC_BUS_HZ).map_err(told)?;
        for region in memory.iter() {
            vm.map(
                Gpa(region.start_addr().0),
                &borrowed(region)?,
                Permissions::ALL,
            )
            .map_err(told)?;
        }
        let line = {
            let vm = vm.clone();
            // A VM that is gone needs no interrupts.
            Line::new(move || drop(vm.pulse_ioapic_irq(COM1_PIN)))
        };
        let state = State {
            parked: vec![Parked::default(); cpus as usize],
            ..State::default()
        };
        let ports = Mutex::new(Ports::new(line, stdout()));
        let shared = Shared {
            vm,
            ports,
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            memory,
            cpus,
        })
    }

    /// Loads kernel and tables.
    ///
    /// # Errors
    /// In words, naming the file.
    pub fn load(&self, boot: &Boot<'_>) -> Result<Entry, String> {
        let size = self.memory.iter().map(GuestMemoryRegion::len).sum();
        boot::load(&self.memory, size, boot)
    }

    /// Runs until the guest switches itself off, asks for a reset, or the user leaves.
    ///
    /// # Errors
    /// What went wrong, in words.
    pub fn run(self, entry: Entry) -> Result<End, String> {
        let mut threads: Vec<VcpuThread<Vcpu, ()>> = Vec::new();
        for number in 0..self.cpus {
            let shared = self.shared.clone();
            let body = move |vcpu: &mut Vcpu| {
                let done = if number == 0 {
                    cpu::boot(vcpu, &shared, entry)
                } else {
                    cpu::application(vcpu, &shared)
                };
                if let Err(why) = done {
                    shared.stop(Err(format!("vCPU {number}: {why}")));
                }
            };
            let thread = self
                .shared
                .vm
                .spawn_vcpu(body)
                .map_err(|why| why.to_string())?;
            lock(&self.shared.state).handles.push(thread.handle());
            threads.push(thread);
        }
        listen(self.shared.clone());
        for thread in threads {
            if thread.join().is_err() {
                self.shared.stop(Err("a vCPU's thread panicked".to_owned()));
            }
        }
        let end = lock(&self.shared.state).end.take();
        end.unwrap_or_else(|| Err("all vCPUs have stopped".to_owned()))
    }
}

/// The memory of a region, for the VM. `vm-memory` owns it.
#[allow(unsafe_code)]
fn borrowed(region: &vm_memory::GuestRegionMmap) -> Result<Memory, String> {
    // SAFETY: the region is a private mapping of the machine's `GuestMemoryMmap`, page-aligned as every mapping; the machine is
    // consumed by `run`, which keeps it until all vCPUs have ended, and only raw copies go to it.
    unsafe { Memory::from_raw(region.as_ptr(), region.len()) }.map_err(|why| why.to_string())
}

/// Feeds the terminal to the UART, from a thread that ends with the process.
fn listen(shared: Arc<Shared>) {
    std::thread::spawn(move || {
        let (mut keys, mut input) = (Keys::default(), stdin().lock());
        loop {
            match keys.next(&mut input) {
                Input::Bytes(bytes) => type_in(&shared, &bytes),
                Input::Quit => return shared.stop(Ok(End::Left)),
                Input::End => return,
            }
        }
    });
}

/// Gives bytes to the UART as fast as the guest takes them.
fn type_in(shared: &Shared, mut bytes: &[u8]) {
    while !bytes.is_empty() && !shared.stopped() {
        let taken = lock(&shared.ports).input(bytes);
        bytes = &bytes[taken..];
        if taken == 0 {
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    }
}
