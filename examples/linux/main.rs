//! Boots an unmodified Linux kernel for x86-64 on xhv: bzImage or `vmlinux`, initial RAM disk, command line, several vCPUs, the serial
//! console on the terminal. Ctrl-A x leaves.
//!
//!     linux [--memory MIB] [--cpus N] [--initrd FILE] [--cmdline TEXT] KERNEL
//!
//! Interrupt controllers and their timers are the engine's (`hv_vm_*apic*`, macOS 12.0); everything else that the guest sees is in `devices` and `acpi`.

mod acpi;
mod boot;
mod console;
mod cpu;
mod devices;
mod machine;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use devices::End;
use machine::Machine;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
struct Options {
    memory_mib: u64,
    cpus: u32,
    initrd: Option<PathBuf>,
    command_line: String,
    kernel: PathBuf,
}

const USAGE: &str =
    "usage: linux [--memory MIB] [--cpus N] [--initrd FILE] [--cmdline TEXT] KERNEL";

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut memory_mib, mut cpus, mut initrd, mut kernel) = (256, 1, None, None);
    let mut command_line = "console=ttyS0".to_owned();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
        };
        let number = |text: String| {
            text.parse::<u32>()
                .map_err(|_| format!("{text}: not a number\n{USAGE}"))
        };
        match word.as_str() {
            "--memory" => memory_mib = u64::from(number(value()?)?),
            "--cpus" => cpus = number(value()?)?,
            "--initrd" => initrd = Some(value()?.into()),
            "--cmdline" => command_line = value()?,
            option if option.starts_with('-') => {
                return Err(format!("{option}: no such option\n{USAGE}"));
            }
            _ if kernel.is_some() => return Err(format!("{word}: one kernel is enough\n{USAGE}")),
            _ => kernel = Some(word.into()),
        }
    }
    let limit = boot::MEMORY_LIMIT >> 20;
    if !(16..=limit).contains(&memory_mib) {
        return Err(format!("--memory {memory_mib}: from 16 to {limit} MiB"));
    }
    if !(1..=machine::MOST_CPUS).contains(&cpus) {
        return Err(format!("--cpus {cpus}: from 1 to {}", machine::MOST_CPUS));
    }
    let kernel = kernel.ok_or(USAGE)?;
    Ok(Options {
        memory_mib,
        cpus,
        initrd,
        command_line,
        kernel,
    })
}

fn run(options: &Options) -> Result<End, String> {
    let machine = Machine::new(options.memory_mib << 20, options.cpus)?;
    let entry = machine.load(&boot::Boot {
        kernel: &options.kernel,
        initrd: options.initrd.as_deref(),
        command_line: &options.command_line,
        cpus: options.cpus,
    })?;
    let raw = console::RawMode::enter();
    let ended = machine.run(entry);
    drop(raw);
    ended
}

fn main() -> ExitCode {
    let ended = options(std::env::args().skip(1)).and_then(|options| run(&options));
    let _ = std::io::stdout().flush();
    match ended {
        Ok(End::Off) => ExitCode::SUCCESS,
        Ok(End::Reset) => {
            eprintln!("\nlinux: the guest asked for a reset");
            ExitCode::from(3)
        }
        Ok(End::Left) => {
            eprintln!("\nlinux: left");
            ExitCode::from(4)
        }
        Err(why) => {
            eprintln!("linux: {why}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Options, String> {
        options(words.iter().map(|word| (*word).to_string()))
    }

    #[test]
    fn command_lines() {
        let parsed = parse(&[
            "--memory",
            "64",
            "--cpus",
            "2",
            "--cmdline",
            "quiet",
            "bzImage",
        ])
        .unwrap();
        assert_eq!(
            (parsed.memory_mib, parsed.cpus, parsed.command_line.as_str()),
            (64, 2, "quiet")
        );
        for bad in [
            &[][..],
            &["--memory", "1", "k"],
            &["--memory", "4096", "k"],
            &["--cpus", "0", "k"],
            &["--cpus", "x", "k"],
            &["--what", "k"],
            &["a", "b"],
            &["--initrd"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
