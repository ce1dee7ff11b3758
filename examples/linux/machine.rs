//! What the machines of both architectures have in common: vCPUs on threads of their own while the main thread attends to the console.

use std::sync::Arc;

use xhv::{Error, VcpuThread};

use crate::console::Console;
use crate::cpus::{Cpus, End, Watch};

/// A machine with everything loaded.
pub trait Machine {
    /// Runs until the guest switches it off or resets it, or the user leaves. Nothing of it is left then.
    ///
    /// # Errors
    /// What went wrong, in words.
    fn run(self: Box<Self>, console: &Console) -> Result<End, String>;
}

/// What the threads of a machine share.
pub trait Shared: Send + Sync + 'static {
    /// A vCPU.
    type Vcpu: 'static;
    /// What a vCPU has to know to start.
    type Start: Copy + Send + 'static;

    /// Its vCPUs.
    fn cpus(&self) -> &Cpus<Self::Start>;

    /// Creates a vCPU on a thread of its own and lets it do `body` there.
    ///
    /// # Errors
    /// As `spawn_vcpu` of the VM.
    fn spawn(
        &self,
        body: impl FnOnce(&mut Self::Vcpu) + Send + 'static,
    ) -> Result<VcpuThread<Self::Vcpu, ()>, Error>;

    /// Makes a vCPU ready that has never run.
    ///
    /// # Errors
    /// In words.
    fn prepare(&self, vcpu: &mut Self::Vcpu, number: u32) -> Result<(), String>;

    /// Puts a vCPU into the state that it starts in.
    ///
    /// # Errors
    /// In words.
    fn begin(&self, vcpu: &mut Self::Vcpu, start: Self::Start) -> Result<(), String>;

    /// Runs a vCPU to its next exit and answers that.
    ///
    /// # Errors
    /// In words.
    fn step(&self, vcpu: &mut Self::Vcpu, number: u32) -> Result<(), String>;

    /// Gives the guest what is typed; answers how many bytes it takes now.
    fn input(&self, bytes: &[u8]) -> usize;
}

/// Runs a machine of `count` vCPUs whose first begins with `start`.
///
/// # Errors
/// What went wrong, in words.
pub fn run<M: Shared>(
    shared: Arc<M>,
    count: u32,
    start: M::Start,
    console: &Console,
) -> Result<End, String> {
    let cpus = shared.cpus();
    cpus.tell(console.events());
    let mut threads = Vec::new();
    let spawned = (0..count).try_for_each(|number| {
        let own = shared.clone();
        let thread = shared.spawn(move |vcpu| live(&*own, vcpu, number))?;
        cpus.add(thread.handle());
        threads.push(thread);
        Ok(())
    });
    match spawned {
        Ok(()) => {
            cpus.boot(start);
            console.attend(|end| cpus.stop(Ok(end)), |bytes| shared.input(bytes));
        }
        Err::<(), Error>(why) => cpus.stop(Err(why.to_string())),
    }
    for thread in threads {
        // One that has panicked has stopped the machine with that reason.
        let _ = thread.join();
    }
    cpus.end()
}

/// The life of a vCPU: it is started as often as it is stopped.
fn live<M: Shared>(shared: &M, vcpu: &mut M::Vcpu, number: u32) {
    let _watch = Watch(shared.cpus());
    let work = |vcpu: &mut M::Vcpu| -> Result<(), String> {
        shared.prepare(vcpu, number)?;
        while let Some(start) = shared.cpus().wait_for_start(number) {
            shared.begin(vcpu, start)?;
            while shared.cpus().runs(number) {
                shared.step(vcpu, number)?;
            }
        }
        Ok(())
    };
    if let Err(why) = work(vcpu) {
        shared.cpus().stop(Err(format!("vCPU {number}: {why}")));
    }
}
