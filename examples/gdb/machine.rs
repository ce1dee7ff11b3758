//! The machine as gdb debugs it: CPUs as threads that all stop when one does, registers and memory; `points` has the breakpoints.

use std::collections::{BTreeMap, VecDeque};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use gdbstub::common::{Signal, Tid};
use gdbstub::conn::ConnectionExt;
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::stub::run_blocking::{BlockingEventLoop, Event, WaitForStopReasonError};
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadResume, MultiThreadResumeOps, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::breakpoints::BreakpointsOps;
use gdbstub::target::{Target, TargetError, TargetResult};
use xhv::Error;
use xhv::debug::Debugger;

use super::guest::{Guest, Registers};
use super::program::Image;
use super::worker::{Action, Report, Worker};

/// How often it is looked for an interrupt of gdb's while the guest runs.
const POLL: Duration = Duration::from_millis(5);

/// A machine with its debugger's wishes.
pub struct Machine<G: Guest> {
    cpus: Vec<Worker<G>>,
    /// What each CPU does next; others go on, unless `locked`.
    actions: BTreeMap<usize, Action>,
    locked: bool,
    running: Vec<bool>,
    off: Vec<bool>,
    done: Sender<(usize, Report)>,
    reports: Receiver<(usize, Report)>,
    /// Stops that came together with the one that was told: told next.
    late: VecDeque<(usize, Report)>,
}

type Reason = MultiThreadStopReason<u64>;

fn tid(cpu: usize) -> Tid {
    Tid::MIN.saturating_add(cpu)
}

impl<G: Guest> Machine<G> {
    /// A machine with the program in memory and all CPUs at its entry.
    pub fn new(image: &Image, cpus: usize) -> Result<Self, Error> {
        let vm = G::machine(image)?;
        let workers: Result<Vec<_>, Error> = (0..cpus)
            .map(|number| Worker::start(&vm, number, image.entry))
            .collect();
        let (done, reports) = channel();
        Ok(Self {
            cpus: workers?,
            actions: BTreeMap::new(),
            locked: false,
            running: vec![false; cpus],
            off: vec![false; cpus],
            done,
            reports,
            late: VecDeque::new(),
        })
    }

    /// Asks a CPU. What it refuses gdb is told to be impossible, and why on standard error; the session goes on.
    fn ask<R: Send + 'static>(
        &self,
        tid: Tid,
        question: impl for<'v> FnOnce(&mut Debugger<'v, G>) -> Result<R, Error> + Send + 'static,
    ) -> Result<R, TargetError<Error>> {
        let cpu = self.cpus.get(tid.get() - 1).ok_or(TargetError::NonFatal)?;
        let answer = cpu.ask(question).and_then(core::convert::identity);
        answer.map_err(|error| {
            eprintln!("gdb: {error}");
            TargetError::NonFatal
        })
    }

    /// Does the same to every CPU. Answers whether all of them could; why not is on standard error.
    pub fn all(
        &self,
        change: impl for<'v> Fn(&mut Debugger<'v, G>) -> Result<(), Error> + Send + Clone + 'static,
    ) -> bool {
        (0..self.cpus.len()).all(|cpu| self.ask(tid(cpu), change.clone()).is_ok())
    }

    /// Lets run what should.
    fn go(&mut self) -> Result<(), Error> {
        if !self.late.is_empty() {
            return Ok(());
        }
        (0..self.cpus.len()).try_for_each(|number| self.go_one(number))
    }

    fn go_one(&mut self, number: usize) -> Result<(), Error> {
        let action = self.actions.get(&number).copied();
        let action = action.or((!self.locked).then_some(Action::Continue));
        if let Some(action) = action.filter(|_| !self.off[number]) {
            self.cpus[number].go(action, number, self.done.clone())?;
            self.running[number] = true;
        }
        Ok(())
    }

    /// Stops the CPUs that still run, and keeps what they have to say beside that they were stopped.
    fn stop(&mut self) {
        for (cpu, _) in self.cpus.iter().zip(&self.running).filter(|(_, on)| **on) {
            cpu.handle().cancel();
        }
        while self.running.contains(&true) {
            let Ok((number, report)) = self.reports.recv() else {
                return;
            };
            self.note(number, &report);
            if !matches!(report, Report::Canceled | Report::Off) {
                self.late.push_back((number, report));
            }
        }
    }

    fn note(&mut self, number: usize, report: &Report) {
        self.running[number] = false;
        self.off[number] |= matches!(report, Report::Off);
    }

    /// The next stop that gdb has to know of, `None` if nothing has happened for a while.
    fn next(&mut self) -> Option<Reason> {
        let (number, report) = match self.late.pop_front() {
            Some(late) => late,
            None => {
                let (number, report) = match self.reports.recv_timeout(POLL) {
                    Ok(report) => report,
                    Err(RecvTimeoutError::Timeout) => return None,
                    Err(RecvTimeoutError::Disconnected) => {
                        return Some(Reason::Terminated(Signal::SIGABRT));
                    }
                };
                self.note(number, &report);
                match report {
                    Report::Off => return None,
                    // Left over from a stop at which it had stopped by itself already.
                    Report::Canceled if self.go_one(number).is_ok() => return None,
                    _ => self.stop(),
                }
                (number, report)
            }
        };
        Some(reason(number, report))
    }

    /// Without a debugger: until the program ends. Answers its code.
    pub fn run_to_end(&mut self) -> Result<u8, Error> {
        self.actions.clear();
        self.locked = false;
        loop {
            self.go()?;
            let ended = loop {
                match self.next() {
                    Some(reason) => break reason,
                    None if self.off.iter().all(|&off| off) => return Ok(0),
                    None => {}
                }
            };
            match ended {
                Reason::Exited(code) => return Ok(code),
                Reason::Terminated(signal) | Reason::SignalWithThread { signal, .. } => {
                    return Err(Error::Argument {
                        call: "gdb",
                        why: format!("the program ended by {signal}"),
                    });
                }
                _ => {}
            }
        }
    }
}

/// A report in gdb's words.
fn reason(number: usize, report: Report) -> Reason {
    let tid = tid(number);
    let signal = |signal| Reason::SignalWithThread { tid, signal };
    match report {
        Report::Step => signal(Signal::SIGTRAP),
        Report::Breakpoint { hardware: false } => Reason::SwBreak(tid),
        Report::Breakpoint { hardware: true } => Reason::HwBreak(tid),
        Report::Watch { kind, address } => Reason::Watch {
            tid,
            kind,
            addr: address,
        },
        Report::Canceled | Report::Off => signal(Signal::SIGINT),
        Report::Ended(code) => Reason::Exited(code),
        Report::Broken(why) => {
            eprintln!("gdb: CPU {tid}: {why}");
            signal(Signal::SIGSEGV)
        }
    }
}

/// Waits for what happens first: a CPU stops, or gdb says something.
pub struct Events<G>(core::marker::PhantomData<G>);

impl<G: Guest> BlockingEventLoop for Events<G> {
    type Target = Machine<G>;
    type Connection = TcpStream;
    type StopReason = Reason;

    fn wait_for_stop_reason(
        machine: &mut Machine<G>,
        connection: &mut TcpStream,
    ) -> Result<Event<Reason>, WaitForStopReasonError<Error, std::io::Error>> {
        loop {
            if let Some(reason) = machine.next() {
                return Ok(Event::TargetStopped(reason));
            }
            let waiting = ConnectionExt::peek(connection);
            if waiting
                .map_err(WaitForStopReasonError::Connection)?
                .is_some()
            {
                let byte = ConnectionExt::read(connection);
                return byte
                    .map(Event::IncomingData)
                    .map_err(WaitForStopReasonError::Connection);
            }
        }
    }

    fn on_interrupt(machine: &mut Machine<G>) -> Result<Option<Reason>, Error> {
        machine.stop();
        Ok(Some(machine.late.pop_front().map_or(
            Reason::SignalWithThread {
                tid: tid(0),
                signal: Signal::SIGINT,
            },
            |(number, report)| reason(number, report),
        )))
    }
}

impl<G: Guest> Target for Machine<G> {
    type Arch = G::Arch;
    type Error = Error;

    fn base_ops(&mut self) -> BaseOps<'_, G::Arch, Error> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        Some(self)
    }
}

impl<G: Guest> MultiThreadBase for Machine<G> {
    fn read_registers(&mut self, registers: &mut Registers<G>, tid: Tid) -> TargetResult<(), Self> {
        *registers = self.ask(tid, |debugger| debugger.vcpu().registers())?;
        Ok(())
    }

    fn write_registers(&mut self, registers: &Registers<G>, tid: Tid) -> TargetResult<(), Self> {
        let values = registers.clone();
        self.ask(tid, move |debugger| {
            debugger.vcpu_mut().set_registers(&values)
        })
    }

    fn read_addrs(&mut self, start: u64, data: &mut [u8], tid: Tid) -> TargetResult<usize, Self> {
        let mut bytes = vec![0; data.len()];
        let bytes = self.ask(tid, move |debugger| {
            let count = debugger.read_memory(start, &mut bytes)?;
            bytes.truncate(count);
            Ok(bytes)
        })?;
        data[..bytes.len()].copy_from_slice(&bytes);
        if bytes.is_empty() && !data.is_empty() {
            return Err(TargetError::NonFatal);
        }
        Ok(bytes.len())
    }

    fn write_addrs(&mut self, start: u64, data: &[u8], tid: Tid) -> TargetResult<(), Self> {
        let bytes = data.to_vec();
        let written = self.ask(tid, move |debugger| debugger.write_memory(start, &bytes))?;
        if written < data.len() {
            return Err(TargetError::NonFatal);
        }
        Ok(())
    }

    fn list_active_threads(&mut self, register: &mut dyn FnMut(Tid)) -> Result<(), Error> {
        (0..self.cpus.len()).for_each(|cpu| register(tid(cpu)));
        Ok(())
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }
}

impl<G: Guest> MultiThreadResume for Machine<G> {
    fn resume(&mut self) -> Result<(), Error> {
        self.go()
    }

    fn clear_resume_actions(&mut self) -> Result<(), Error> {
        self.actions.clear();
        self.locked = false;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Error> {
        self.actions.insert(tid.get() - 1, Action::Continue);
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl<G: Guest> MultiThreadSingleStep for Machine<G> {
    fn set_resume_action_step(&mut self, tid: Tid, _: Option<Signal>) -> Result<(), Error> {
        self.actions.insert(tid.get() - 1, Action::Step);
        Ok(())
    }
}

impl<G: Guest> MultiThreadSchedulerLocking for Machine<G> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Error> {
        self.locked = true;
        Ok(())
    }
}
