//! Starts PC firmware on xhv, SeaBIOS for example, from its reset vector: what it prints on the debug port 402h goes to standard output.
//!
//!     firmware [--memory MIB] [--floppy IMAGE] [--until TEXT] BIOS
//!
//! The machine is what firmware asks for on its way to a boot sector, a file for each device: interval timer, CMOS clock, keyboard controller,
//! PCI host bridge, QEMU's configuration port. Interrupt controllers are the engine's. The floppy is given to SeaBIOS as a file, which it boots as
//! a drive. It ends with 0 when the firmware, or what it boots, resets the machine, and with 1 when something fails. `--until` ends it as
//! soon as the text is on the screen (which is memory only), and prints the screen.

mod cmos;
mod fw_cfg;
mod keyboard;
mod machine;
mod pci;
mod pit;
mod ports;
mod screen;

use std::path::PathBuf;
use std::process::ExitCode;

const USAGE: &str = "usage: firmware [--memory MIB] [--floppy IMAGE] [--until TEXT] BIOS";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    memory: u64,
    floppy: Option<PathBuf>,
    until: Option<String>,
    bios: PathBuf,
}

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut memory_mib, mut floppy, mut until, mut bios) = (32, None, None, None);
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
        };
        match word.as_str() {
            "--memory" => memory_mib = value()?.parse().map_err(|_| USAGE)?,
            "--floppy" => floppy = Some(value()?.into()),
            "--until" => until = Some(value()?),
            option if option.starts_with('-') => {
                return Err(format!("{option}: no such option\n{USAGE}"));
            }
            _ if bios.is_some() => return Err(format!("{word}: one BIOS is enough\n{USAGE}")),
            _ => bios = Some(word.into()),
        }
    }
    // Up to where devices begin; and from 16 MiB on CMOS tells the size in one way.
    if !(17..=2048).contains(&memory_mib) {
        return Err(format!("--memory {memory_mib}: from 17 to 2048 MiB"));
    }
    Ok(Options {
        memory: memory_mib << 20,
        floppy,
        until,
        bios: bios.ok_or(USAGE)?,
    })
}

fn run(options: &Options) -> Result<(), String> {
    let read =
        |path: &PathBuf| std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()));
    let bios = read(&options.bios)?;
    let floppy = options.floppy.as_ref().map(read).transpose()?;
    machine::run(options, &bios, floppy).map_err(|why| format!("{}: {why}", options.bios.display()))
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("firmware: {why}");
            ExitCode::FAILURE
        }
    }
}
