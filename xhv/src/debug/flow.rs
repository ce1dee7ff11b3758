//! The debugger itself: what is set where, and how a vCPU runs, steps and passes breakpoints. `machine` is what it asks of a processor.

use core::fmt;

use super::{Armed, HandOver, Outcome, Part, Single, Stop, Target, Watch, Watchpoint};
use crate::error::Error;
use crate::memory::PAGE;

/// A debugger on a vCPU: see the [module](super). Everything that it has set is gone when it is dropped.
pub struct Debugger<'v, V: Target> {
    vcpu: &'v mut V,
    /// Software breakpoints: virtual and guest-physical address.
    software: Vec<(u64, u64)>,
    hardware: Vec<u64>,
    watches: Vec<(Watchpoint, Vec<Part>)>,
    /// Where the guest stood when it stopped last: breakpoints there were told and are passed.
    passing: Option<u64>,
    /// That stop was a watchpoint before the access: it is passed too.
    passing_watch: bool,
    /// The instruction of a step that an exit interrupted.
    began: Option<u64>,
}

impl<V: Target> fmt::Debug for Debugger<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debugger")
            .field("software", &self.software)
            .field("hardware", &self.hardware)
            .field("watches", &self.watches)
            .finish_non_exhaustive()
    }
}

impl<V: Target> Drop for Debugger<'_, V> {
    fn drop(&mut self) {
        let memory = self.vcpu.debug_memory();
        for &(_, gpa) in &self.software {
            // Memory that cannot be written any more is not there any more.
            let _ = memory.traps().remove(memory, gpa, V::TRAP);
        }
        memory.traps().detach(&self.vcpu.debug_handle());
    }
}

/// What `run` and `step` find, before it borrows the vCPU.
enum Found<E> {
    Event(E),
    Stop(Stop<core::convert::Infallible>),
}

fn no_memory(address: u64, size: u64) -> Error {
    Error::OutOfRange { address, size }
}

fn watches_nothing(why: &str) -> Error {
    Error::Argument {
        call: "Debugger::add_watchpoint",
        why: why.to_owned(),
    }
}

impl<'v, V: Target> Debugger<'v, V> {
    /// Begins to debug.
    pub fn new(vcpu: &'v mut V) -> Self {
        vcpu.debug_memory().traps().attach(vcpu.debug_handle());
        Self {
            vcpu,
            software: Vec::new(),
            hardware: Vec::new(),
            watches: Vec::new(),
            passing: None,
            passing_watch: false,
            began: None,
        }
    }

    /// The vCPU.
    #[must_use]
    pub fn vcpu(&self) -> &V {
        self.vcpu
    }

    /// The vCPU, to be changed.
    pub fn vcpu_mut(&mut self) -> &mut V {
        self.vcpu
    }

    /// Virtual address of the next instruction (linear on x86: CS base and RIP).
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn pc(&self) -> Result<u64, Error> {
        self.vcpu.debug_pc()
    }

    fn place(&self, address: u64) -> Result<u64, Error> {
        let place = self.vcpu.locate(address)?;
        place.ok_or_else(|| no_memory(address, V::TRAP.len() as u64))
    }

    /// Sets a breakpoint: an INT3 or BRK at a virtual address (linear on x86), as the guest's tables have it now. Setting it twice is
    /// setting it once.
    ///
    /// # Errors
    /// [`Error::Argument`] if no instruction can be there, [`Error::OutOfRange`] if there is no memory; [`Error::Row`] if the engine refuses.
    pub fn add_breakpoint(&mut self, address: u64) -> Result<(), Error> {
        if !address.is_multiple_of(V::TRAP.len() as u64) {
            return Err(Error::Argument {
                call: "Debugger::add_breakpoint",
                why: format!("{address:#x} is no multiple of {}", V::TRAP.len()),
            });
        }
        let gpa = self.place(address)?;
        if self.software.contains(&(address, gpa)) {
            return Ok(());
        }
        let memory = self.vcpu.debug_memory();
        memory.traps().plant(memory, gpa, V::TRAP)?;
        self.software.push((address, gpa));
        Ok(())
    }

    /// Takes a breakpoint back. Answers whether there was one.
    ///
    /// # Errors
    /// [`Error::OutOfRange`] if the memory cannot be written.
    pub fn remove_breakpoint(&mut self, address: u64) -> Result<bool, Error> {
        let Some(at) = self.software.iter().position(|known| known.0 == address) else {
            return Ok(false);
        };
        let (_, gpa) = self.software.swap_remove(at);
        let memory = self.vcpu.debug_memory();
        memory.traps().remove(memory, gpa, V::TRAP)?;
        Ok(true)
    }

    fn armed(&self) -> Armed {
        Armed {
            step: false,
            breakpoints: self.hardware.clone(),
            watches: self
                .watches
                .iter()
                .flat_map(|(point, parts)| parts.iter().map(|&part| (part, point.kind)))
                .collect(),
        }
    }

    /// Sets a breakpoint in a debug register: guest memory stays as it is.
    ///
    /// # Errors
    /// [`Error::Missing`] if all registers are taken; [`Error::Argument`] if no instruction can be there.
    pub fn add_hardware_breakpoint(&mut self, address: u64) -> Result<(), Error> {
        if self.hardware.contains(&address) {
            return Ok(());
        }
        let mut armed = self.armed();
        armed.breakpoints.push(address);
        self.vcpu.check_room(&armed)?;
        self.hardware.push(address);
        Ok(())
    }

    /// Takes a hardware breakpoint back. Answers whether there was one.
    pub fn remove_hardware_breakpoint(&mut self, address: u64) -> bool {
        let before = self.hardware.len();
        self.hardware.retain(|&known| known != address);
        self.hardware.len() < before
    }

    /// Watches memory. A range that one debug register cannot cover takes several.
    ///
    /// # Errors
    /// [`Error::Missing`] if too few registers are free, or the processor has no such kind; [`Error::Argument`] if the range is empty or
    /// wraps.
    pub fn add_watchpoint(&mut self, address: u64, length: u64, kind: Watch) -> Result<(), Error> {
        let point = Watchpoint {
            address,
            length,
            kind,
        };
        if length == 0 {
            return Err(watches_nothing("the range is empty"));
        }
        if address.checked_add(length - 1).is_none() {
            return Err(watches_nothing("the range leaves the address space"));
        }
        if self.watches.iter().any(|(known, _)| *known == point) {
            return Ok(());
        }
        let parts = self.vcpu.parts(point)?;
        self.watches.push((point, parts));
        if let Err(error) = self.vcpu.check_room(&self.armed()) {
            self.watches.pop();
            return Err(error);
        }
        Ok(())
    }

    /// Takes a watchpoint back. Answers whether there was one.
    pub fn remove_watchpoint(&mut self, address: u64, length: u64, kind: Watch) -> bool {
        let point = Watchpoint {
            address,
            length,
            kind,
        };
        let before = self.watches.len();
        self.watches.retain(|(known, _)| *known != point);
        self.watches.len() < before
    }

    /// Reads guest memory by virtual address (linear on x86), whatever the guest's permissions are, with the guest's instructions in place
    /// of software breakpoints. Answers how many bytes there are.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn read_memory(&self, address: u64, out: &mut [u8]) -> Result<usize, Error> {
        let memory = self.vcpu.debug_memory();
        let mut done = 0;
        while done < out.len() {
            let at = address.wrapping_add(done as u64);
            let len = ((PAGE - at % PAGE) as usize).min(out.len() - done);
            let Some(gpa) = self.vcpu.locate(at)? else {
                break;
            };
            let part = &mut out[done..done + len];
            if memory.traps().read(memory, gpa, part, V::TRAP).is_err() {
                break;
            }
            done += len;
        }
        Ok(done)
    }

    /// Writes guest memory by virtual address (linear on x86), whatever the guest's permissions are; software breakpoints stay. Answers how
    /// many bytes could be written.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses.
    pub fn write_memory(&mut self, address: u64, bytes: &[u8]) -> Result<usize, Error> {
        let memory = self.vcpu.debug_memory();
        let mut done = 0;
        while done < bytes.len() {
            let at = address.wrapping_add(done as u64);
            let len = ((PAGE - at % PAGE) as usize).min(bytes.len() - done);
            let Some(gpa) = self.vcpu.locate(at)? else {
                break;
            };
            let part = &bytes[done..done + len];
            if memory.traps().write(memory, gpa, part, V::TRAP).is_err() {
                break;
            }
            done += len;
        }
        Ok(done)
    }

    /// Runs the guest until something stops it. What is set at the instruction that it stopped at last is passed.
    ///
    /// # Errors
    /// As the vCPU's `run`.
    pub fn run(&mut self) -> Result<Stop<V::Exit<'_>>, Error> {
        self.began = None;
        let found = self.run_on()?;
        self.stopped(found)
    }

    /// Executes one instruction, or delivers one event to the guest. On AArch64 a sequence from a load-exclusive to its store-exclusive is
    /// one step, since a debug exception in between would make the store fail for ever.
    ///
    /// # Errors
    /// As the vCPU's `run`.
    pub fn step(&mut self) -> Result<Stop<V::Exit<'_>>, Error> {
        let pc = self.pc()?;
        // The exit that interrupted the last step has ended its instruction meanwhile.
        let found = if self.began.take().is_some_and(|began| began != pc) {
            Found::Stop(Stop::Step)
        } else {
            self.one(pc)?
        };
        if matches!(&found, Found::Event(event) if V::is_of_instruction(event)) {
            self.began = Some(pc);
        }
        self.stopped(found)
    }

    fn stopped(&mut self, found: Found<V::Event>) -> Result<Stop<V::Exit<'_>>, Error> {
        let stop = match found {
            Found::Event(event) => return self.vcpu.finish_event(event).map(Stop::Exit),
            Found::Stop(stop) => stop,
        };
        self.passing = Some(self.pc()?);
        self.passing_watch = V::WATCH_STOPS_BEFORE && matches!(stop, Stop::Watchpoint { .. });
        Ok(match stop {
            Stop::Exit(never) => match never {},
            Stop::Breakpoint { address, hardware } => Stop::Breakpoint { address, hardware },
            Stop::Watchpoint { point, access } => Stop::Watchpoint { point, access },
            Stop::Step => Stop::Step,
        })
    }

    fn run_on(&mut self) -> Result<Found<V::Event>, Error> {
        if let Some(passing) = self.passing
            && passing == self.pc()?
            && self.is_set_at(passing)?
        {
            match self.one(passing)? {
                Found::Stop(Stop::Step) => {}
                // `passing` stays: if the exit comes again, so does the way over the breakpoint.
                found => return Ok(found),
            }
        }
        (self.passing, self.passing_watch) = (None, false);
        let armed = self.armed();
        self.enter(&armed, None)
    }

    /// Whether something would stop the guest before the instruction at `address`.
    fn is_set_at(&self, address: u64) -> Result<bool, Error> {
        Ok(self.passing_watch
            || self.hardware.contains(&address)
            || self.planted(address)?.is_some())
    }

    /// The place of the software breakpoint at a virtual address.
    fn planted(&self, address: u64) -> Result<Option<u64>, Error> {
        let gpa = self.vcpu.locate(address)?;
        Ok(gpa.filter(|&gpa| self.vcpu.debug_memory().traps().contains(gpa)))
    }

    /// Executes the instruction at `pc`, without what is set there.
    fn one(&mut self, pc: u64) -> Result<Found<V::Event>, Error> {
        let mut armed = self.armed();
        armed.breakpoints.retain(|&set| set != pc);
        if self.passing_watch && self.passing == Some(pc) {
            armed.watches.clear();
        }
        let ends = match self.vcpu.single()? {
            Single::Plain => Vec::new(),
            Single::Until(ends) => ends,
            Single::Skip => {
                self.vcpu.skip()?;
                return Ok(Found::Stop(Stop::Step));
            }
        };
        armed.step = ends.is_empty();
        let lifted = self.planted(pc)?;
        if lifted.is_none() && ends.is_empty() {
            return self.enter(&armed, None);
        }
        let memory = self.vcpu.debug_memory().clone();
        let _alone = memory.traps().alone(&self.vcpu.debug_handle());
        let mut placed = Vec::new();
        for end in ends {
            let gpa = self.place(end)?;
            memory.traps().plant(&memory, gpa, V::TRAP)?;
            placed.push((end, gpa));
        }
        if let Some(gpa) = lifted {
            memory.traps().lift(&memory, gpa, V::TRAP)?;
        }
        let found = self.enter(&armed, lifted.map(|_| pc));
        if let Some(gpa) = lifted {
            memory.traps().lower(&memory, gpa, V::TRAP)?;
        }
        for &(_, gpa) in &placed {
            memory.traps().remove(&memory, gpa, V::TRAP)?;
        }
        Ok(match found? {
            Found::Stop(Stop::Breakpoint {
                address,
                hardware: false,
            }) if placed.iter().any(|&(end, _)| end == address) => Found::Stop(Stop::Step),
            found => found,
        })
    }

    /// Runs the guest until it stops for the debugger or the VMM. `lifted`: the software breakpoint that is out of its place.
    fn enter(&mut self, armed: &Armed, lifted: Option<u64>) -> Result<Found<V::Event>, Error> {
        loop {
            let outcome = self.vcpu.enter_armed(armed)?;
            let stop = match outcome {
                Outcome::Event(event) => return Ok(Found::Event(event)),
                Outcome::Stepped => Stop::Step,
                Outcome::Breakpoint => Stop::Breakpoint {
                    address: self.pc()?,
                    hardware: true,
                },
                Outcome::Watch(index, access) => Stop::Watchpoint {
                    point: self.watch_of(index),
                    access,
                },
                Outcome::Trap => {
                    let address = self.pc()?;
                    if lifted != Some(address) && self.planted(address)?.is_some() {
                        Stop::Breakpoint {
                            address,
                            hardware: false,
                        }
                    } else {
                        match self.vcpu.hand_over()? {
                            HandOver::Event(event) => return Ok(Found::Event(event)),
                            HandOver::Taken if armed.step => Stop::Step,
                            HandOver::Taken | HandOver::Queued => continue,
                        }
                    }
                }
            };
            return Ok(Found::Stop(stop));
        }
    }

    /// The watchpoint that a part belongs to.
    fn watch_of(&self, index: usize) -> Watchpoint {
        let owners = self
            .watches
            .iter()
            .flat_map(|(point, parts)| parts.iter().map(move |_| *point));
        owners.clone().nth(index).unwrap_or(Watchpoint {
            address: 0,
            length: 0,
            kind: Watch::Access,
        })
    }
}
