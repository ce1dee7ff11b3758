//! Runs a program of yours with a debugger's door: gdb (`gdb-multiarch`) or lldb connects over TCP and breaks, steps, reads and writes
//! registers and memory, and watches it. Both architectures, several CPUs as gdb's threads.
//!
//!     gdb x86_64|aarch64 [--port N] [--cpus N] [--at ADDRESS] PROGRAM
//!     gdb-multiarch PROGRAM -ex 'target remote :1234'
//!
//! PROGRAM is an ELF file, or a flat image that is loaded and entered at `--at`. It starts in 64-bit mode with memory mapped to itself, or
//! at EL1 with the MMU off; 16 MiB of memory are at 0 (x86-64) or 40000000h (AArch64), the stacks at their end; RDI or X0 has the CPU's
//! number. A byte written to port E9h, or to 9000000h, is printed. HLT with interrupts off ends a CPU, and on the first one the program, with AL as
//! its code; on AArch64 PSCI's CPU_OFF and SYSTEM_OFF do. `--port 0`, the default, takes a free port; standard error says which.
//!
//! `program` loads, `guest` is what the two architectures have to say, `worker` a CPU's thread, `machine` and `points` what gdb debugs.

mod guest;
mod machine;
mod points;
mod program;
mod worker;

use std::net::TcpListener;
use std::process::ExitCode;

use gdbstub::stub::{DisconnectReason, GdbStub};
use guest::Guest;
use machine::{Events, Machine};
use program::{Image, Options};

type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    let done = Options::parse(std::env::args().skip(1))
        .map_err(Failure::from)
        .and_then(|options| match options.architecture.as_str() {
            "x86_64" => debug::<xhv::x86_64::Vcpu>(&options),
            _ => debug::<xhv::aarch64::Vcpu>(&options),
        });
    match done {
        Ok(code) => ExitCode::from(code),
        Err(why) => {
            eprintln!("gdb: {why}");
            ExitCode::FAILURE
        }
    }
}

/// Serves one debugger, and answers the program's exit code.
fn debug<G: Guest>(options: &Options) -> Result<u8, Failure> {
    let image = Image::load(
        &options.program,
        options.at.unwrap_or(G::FLAT),
        G::ELF_MACHINE,
    )?;
    let mut machine = Machine::<G>::new(&image, options.cpus)?;
    let listener = TcpListener::bind(("127.0.0.1", options.port))?;
    eprintln!("gdb: target remote {}", listener.local_addr()?);
    let (stream, _) = listener.accept()?;
    stream.set_nodelay(true)?;
    match GdbStub::new(stream).run_blocking::<Events<G>>(&mut machine) {
        Ok(DisconnectReason::TargetExited(code)) => Ok(code),
        Ok(DisconnectReason::Kill) => Ok(0),
        Ok(DisconnectReason::TargetTerminated(signal)) => {
            Err(format!("the program ended by {signal}").into())
        }
        // The debugger is gone; the program goes on without one.
        Ok(DisconnectReason::Disconnect) => Ok(machine.run_to_end()?),
        Err(error) => Err(error.to_string().into()),
    }
}
