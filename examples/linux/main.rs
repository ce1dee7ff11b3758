//! Boots an unmodified Linux kernel on xhv, with an initial RAM disk, a command line, several vCPUs, and the serial console on the
//! terminal. Ctrl-A x leaves.
//!
//!     linux [--memory MIB] [--cpus N] [--initrd FILE] [--cmdline TEXT] [--no-reboot] KERNEL
//!
//! The file tells the machine: a bzImage (of 64 or 32 bits) or `vmlinux` gets the PC of `x86`, an arm64 `Image` (gzip or not) the board of `arm`. What both
//! have in common is beside this file. When the guest reboots, a new machine takes the place of the old one in this process.
//!
//! It ends with 0 when the guest switches itself off, 1 when something fails, 3 for a reboot with `--no-reboot`, 4 when the user leaves, and
//! 128 and the number of a signal that ends it. The terminal is as before in every case.

mod arm;
mod console;
mod cpus;
mod kernel;
mod keys;
mod machine;
mod memory;
mod options;
mod signals;
mod uart;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::process::ExitCode;

use console::{Console, RawMode};
use cpus::End;
use kernel::Kernel;
use machine::Machine;
use options::Options;

/// A new machine with everything loaded.
fn machine(options: &Options) -> Result<Box<dyn Machine>, String> {
    match kernel::identify(&options.kernel)? {
        Kernel::Arm64(image) => Ok(Box::new(arm::Board::new(options, &image)?)),
        #[cfg(target_arch = "x86_64")]
        Kernel::X86(format) => Ok(Box::new(x86::Pc::new(options, format)?)),
        // The loader and its structures come from `linux-loader`, which has them on x86 hosts only.
        #[cfg(not(target_arch = "x86_64"))]
        Kernel::X86(format) => Err(format!(
            "{}: a kernel for x86 ({format:?}), which this example loads on x86 hosts only",
            options.kernel.display()
        )),
    }
}

/// Runs machine after machine, until one does not end by a reset.
fn run(options: &Options) -> Result<End, String> {
    signals::block();
    let mut machine = machine(options)?;
    let raw = RawMode::enter();
    let console = Console::open();
    loop {
        let end = machine.run(&console)?;
        if end != End::Reset || options.no_reboot {
            drop(raw);
            return Ok(end);
        }
        // The old one is gone: the framework has room for one VM in a process.
        machine = self::machine(options)?;
    }
}

fn main() -> ExitCode {
    let ended = options::parse(std::env::args().skip(1)).and_then(|options| run(&options));
    let (code, told) = match ended {
        Ok(End::Off) => return ExitCode::SUCCESS,
        Ok(End::Reset) => (3, "the guest asked for a reset".to_owned()),
        Ok(End::Left) => (4, "left".to_owned()),
        Ok(End::Signal(number)) => (128 + number as u8, format!("ended by signal {number}")),
        Err(why) => (1, why),
    };
    eprintln!("linux: {told}");
    ExitCode::from(code)
}
