//! The command line of the example.

use std::path::PathBuf;

use crate::memory;

/// What the command line asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// Memory in bytes.
    pub memory: u64,
    /// How many vCPUs.
    pub cpus: u32,
    /// Initial RAM disk.
    pub initrd: Option<PathBuf>,
    /// The kernel's command line.
    pub command_line: String,
    /// Whether a reset ends the program.
    pub no_reboot: bool,
    /// The kernel.
    pub kernel: PathBuf,
}

/// Local APIC ids are eight bits, and FFh means all; the framework's GIC has redistributors for more than this.
const MOST_CPUS: u32 = 64;
/// Below this no kernel of today starts.
const LEAST_MIB: u64 = 16;
const USAGE: &str =
    "usage: linux [--memory MIB] [--cpus N] [--initrd FILE] [--cmdline TEXT] [--no-reboot] KERNEL";

/// Understands the arguments.
///
/// # Errors
/// In words, with the usage.
pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut kernel = None;
    let mut options = Options {
        memory: 256 << 20,
        cpus: 1,
        initrd: None,
        command_line: "console=ttyS0".to_owned(),
        no_reboot: false,
        kernel: PathBuf::new(),
    };
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{word} needs a value\n{USAGE}"))
        };
        match word.as_str() {
            "--memory" => options.memory = number(&word, &value()?, LEAST_MIB, most_mib())? << 20,
            "--cpus" => options.cpus = number(&word, &value()?, 1, MOST_CPUS.into())? as u32,
            "--initrd" => options.initrd = Some(value()?.into()),
            "--cmdline" => options.command_line = value()?,
            "--no-reboot" => options.no_reboot = true,
            option if option.starts_with('-') => {
                return Err(format!("{option}: no such option\n{USAGE}"));
            }
            _ if kernel.is_some() => return Err(format!("{word}: one kernel is enough\n{USAGE}")),
            _ => kernel = Some(word.into()),
        }
    }
    options.kernel = kernel.ok_or(USAGE)?;
    Ok(options)
}

fn most_mib() -> u64 {
    memory::MOST >> 20
}

fn number(option: &str, text: &str, least: u64, most: u64) -> Result<u64, String> {
    text.parse()
        .ok()
        .filter(|number| (least..=most).contains(number))
        .ok_or_else(|| format!("{option} {text}: a number from {least} to {most} is wanted"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Result<Options, String> {
        parse(words.iter().map(|word| (*word).to_string()))
    }

    #[test]
    fn command_lines() {
        let parsed = words(&[
            "--memory",
            "64",
            "--cpus",
            "2",
            "--cmdline",
            "quiet",
            "--no-reboot",
            "bzImage",
        ]);
        let expected = Options {
            memory: 64 << 20,
            cpus: 2,
            initrd: None,
            command_line: "quiet".to_owned(),
            no_reboot: true,
            kernel: "bzImage".into(),
        };
        assert_eq!(parsed, Ok(expected));
        for bad in [
            &[][..],
            &["--memory", "1", "k"],
            &["--memory", "99999999999999999999", "k"],
            &["--memory", "18446744073709551615", "k"],
            &["--cpus", "0", "k"],
            &["--cpus", "65", "k"],
            &["--cpus", "x", "k"],
            &["--what", "k"],
            &["a", "b"],
            &["--initrd"],
        ] {
            assert!(words(bad).is_err(), "{bad:?}");
        }
    }
}
