//! A CPU's thread: the framework binds a vCPU to the thread that made it, so everything that is asked of one travels there.

use std::sync::mpsc::{Sender, channel};

use gdbstub::target::ext::breakpoints::WatchKind;
use xhv::debug::{Debugger, Stop, Watch};
use xhv::{Error, VcpuHandle, VcpuThread};

use super::guest::{Guest, Served};

type Job<G> = Box<dyn for<'v> FnOnce(&mut Debugger<'v, G>) + Send>;

/// How a CPU goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Continue,
    Step,
}

/// Why a CPU has stopped.
#[derive(Debug)]
pub enum Report {
    Step,
    Breakpoint { hardware: bool },
    Watch { kind: WatchKind, address: u64 },
    Canceled,
    Off,
    Ended(u8),
    Broken(String),
}

/// A CPU that can be asked.
pub struct Worker<G: Guest> {
    jobs: Sender<Job<G>>,
    thread: VcpuThread<G, ()>,
}

fn gone() -> Error {
    Error::Argument {
        call: "gdb",
        why: "a CPU's thread has ended".to_owned(),
    }
}

impl<G: Guest> Worker<G> {
    /// Starts CPU `number` at `entry`; it waits.
    pub fn start(vm: &G::Vm, number: usize, entry: u64) -> Result<Self, Error> {
        let (jobs, asked) = channel::<Job<G>>();
        let thread = G::start(vm, number, entry, move |vcpu| {
            let mut debugger = Debugger::new(vcpu);
            for job in asked {
                job(&mut debugger);
            }
        })?;
        Ok(Self { jobs, thread })
    }

    /// Asks a CPU that has stopped.
    pub fn ask<R: Send + 'static>(
        &self,
        question: impl for<'v> FnOnce(&mut Debugger<'v, G>) -> R + Send + 'static,
    ) -> Result<R, Error> {
        let (tell, told) = channel();
        let job: Job<G> = Box::new(move |debugger| {
            let _ = tell.send(question(debugger));
        });
        self.jobs.send(job).map_err(|_| gone())?;
        told.recv().map_err(|_| gone())
    }

    /// Lets it run until there is something to report to `done`, with its `number`.
    pub fn go(
        &self,
        action: Action,
        number: usize,
        done: Sender<(usize, Report)>,
    ) -> Result<(), Error> {
        let job: Job<G> = Box::new(move |debugger| {
            let report = run(debugger, action);
            let report = report.unwrap_or_else(|error| Report::Broken(error.to_string()));
            let _ = done.send((number, report));
        });
        self.jobs.send(job).map_err(|_| gone())
    }

    /// To stop it.
    pub fn handle(&self) -> VcpuHandle {
        self.thread.handle()
    }
}

fn run<G: Guest>(debugger: &mut Debugger<'_, G>, action: Action) -> Result<Report, Error> {
    loop {
        debugger.vcpu_mut().before_entry()?;
        let stop = match action {
            Action::Continue => debugger.run()?,
            Action::Step => debugger.step()?,
        };
        return Ok(match stop {
            Stop::Exit(exit) => match G::serve(exit)? {
                Served::GoOn => continue,
                Served::Canceled => Report::Canceled,
                Served::Off => Report::Off,
                Served::Ended(code) => Report::Ended(code),
                Served::Broken(why) => Report::Broken(why),
            },
            Stop::Breakpoint { hardware, .. } => Report::Breakpoint { hardware },
            Stop::Watchpoint { point, .. } => Report::Watch {
                kind: match point.kind {
                    Watch::Read => WatchKind::Read,
                    Watch::Write => WatchKind::Write,
                    Watch::Access => WatchKind::ReadWrite,
                },
                address: point.address,
            },
            Stop::Step => Report::Step,
        });
    }
}
