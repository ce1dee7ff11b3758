//! Runs a small program at EL1 on xhv: `hello.S`, which prints through a PL011, uses MMU, FPU and timer, and ends by PSCI. Can stop in
//! the middle and save everything, and go on from there in another process.
//!
//!     hello_arm [--gic] [--save-at N --save STATE.json] [IMAGE]
//!     hello_arm [--save-at N --save STATE.json] --restore STATE.json
//!
//! Another image is loaded at 40000000h and entered there at EL1 with the MMU off. `--gic` gives the machine a GICv3; without, the timer's
//! interrupt is the CPU's line. `--save-at N` stops after N exits of the guest.

mod machine;
mod saved;

use std::path::PathBuf;
use std::process::ExitCode;

use machine::Ended;

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    gic: bool,
    save_at: Option<u64>,
    save: Option<PathBuf>,
    restore: Option<PathBuf>,
    image: Option<PathBuf>,
}

const USAGE: &str = "usage: hello_arm [--gic] [--save-at N --save STATE.json] [IMAGE]\n       hello_arm [--save-at N --save STATE.json] --restore STATE.json";

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--gic" => options.gic = true,
            "--save-at" => {
                let number = value()?;
                options.save_at =
                    Some(number.parse().map_err(|_| {
                        format!("--save-at {number}: not a number of exits\n{USAGE}")
                    })?);
            }
            "--save" => options.save = Some(value()?.into()),
            "--restore" => options.restore = Some(value()?.into()),
            option if option.starts_with("--") => {
                return Err(format!("{option}: no such option\n{USAGE}"));
            }
            _ if options.image.is_none() => options.image = Some(word.into()),
            _ => return Err(format!("{word}: there is an image already\n{USAGE}")),
        }
    }
    if options.save.is_some() != options.save_at.is_some() {
        return Err(format!("--save and --save-at go together\n{USAGE}"));
    }
    if options.restore.is_some() && (options.image.is_some() || options.gic) {
        return Err(format!(
            "--restore takes image and GIC from the file\n{USAGE}"
        ));
    }
    Ok(options)
}

fn run(options: &Options) -> Result<(), String> {
    let told = |why: xhv::Error| why.to_string();
    let mut vcpu = match &options.restore {
        Some(path) => saved::restore(path)?,
        None => {
            let image = match &options.image {
                Some(path) => {
                    std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?
                }
                None => include_bytes!("hello.bin").to_vec(),
            };
            let vm = machine::vm(options.gic).map_err(told)?;
            let mut vcpu = vm.create_vcpu().map_err(told)?;
            machine::start(&vm, &mut vcpu, &image)?;
            vcpu
        }
    };
    let ended = machine::run(&mut vcpu, &mut std::io::stdout().lock(), options.save_at)?;
    if let (Ended::Stopped, Some(path)) = (ended, &options.save) {
        saved::save(path, &vcpu)?;
        eprintln!("saved to {}; go on with --restore {0}", path.display());
    }
    Ok(())
}

fn main() -> ExitCode {
    match options(std::env::args().skip(1)).and_then(|options| run(&options)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("hello_arm: {why}");
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
        let parsed = parse(&["--gic", "--save-at", "5", "--save", "a.json", "image"]).unwrap();
        assert_eq!((parsed.gic, parsed.save_at), (true, Some(5)));
        assert_eq!(parse(&[]).unwrap(), Options::default());
        for bad in [
            &["--save", "a"][..],
            &["--save-at", "x", "--save", "a"],
            &["--nothing"],
            &["--restore", "a", "image"],
            &["--restore", "a", "--gic"],
            &["one", "two"],
            &["--save"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
