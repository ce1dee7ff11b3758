//! Runs a DOS program (a .COM file) on xhv, can stop in the middle and save everything to JSON, and go on from there in another process.
//!
//!     dos PROGRAM.COM [ARGUMENT ...]
//!     dos --save-at N --save STATE.json PROGRAM.COM [ARGUMENT ...]
//!     dos --restore STATE.json
//!
//! Files that the program opens lie in the working folder. `--save-at N` stops after N exits from the guest. What else there is of DOS
//! is in `int21`: what a small program needs.

mod clock;
mod files;
mod int21;
mod machine;
mod registers;
mod saved;

use std::io::{Write, stdin, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use int21::{Dos, Next};
use machine::Event;
use xhv::x86_64::{Vcpu, Vm};

/// What the command line asks for.
#[derive(Debug, Default, PartialEq, Eq)]
struct Options {
    save_at: Option<u64>,
    save: Option<PathBuf>,
    restore: Option<PathBuf>,
    program: Option<PathBuf>,
    arguments: Vec<String>,
}

const USAGE: &str = "usage: dos [--save-at N --save STATE.json] PROGRAM.COM [ARGUMENT ...]\n       dos [--save-at N --save STATE.json] --restore STATE.json";

fn options(mut words: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or(format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
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
            _ => {
                options.program = Some(word.into());
                options.arguments = words.collect();
                break;
            }
        }
    }
    if options.save.is_some() != options.save_at.is_some() {
        return Err(format!("--save and --save-at go together\n{USAGE}"));
    }
    if options.restore.is_some() == options.program.is_some() {
        return Err(USAGE.into());
    }
    Ok(options)
}

/// How a run ended.
enum Ended {
    Exit(u8),
    Saved,
}

fn program(path: &Path) -> Result<Vec<u8>, String> {
    let bytes = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
    match bytes.len() {
        0 => Err(format!("{}: an empty file is no program", path.display())),
        len if len > machine::LONGEST => Err(format!(
            "{}: {len} bytes are more than a .COM program can have ({})",
            path.display(),
            machine::LONGEST
        )),
        _ if bytes.starts_with(b"MZ") => Err(format!(
            "{}: an .EXE program; only .COM programs are run here",
            path.display()
        )),
        _ => Ok(bytes),
    }
}

fn begin(options: &Options, vm: &Vm, vcpu: &mut Vcpu, dos: &mut Dos<'_>) -> Result<(), String> {
    if let Some(path) = &options.restore {
        return saved::restore(path, vm, vcpu, dos);
    }
    let Some(path) = &options.program else {
        return Err(USAGE.into());
    };
    let program = program(path)?;
    let mut tail = String::new();
    for argument in &options.arguments {
        tail.push(' ');
        tail.push_str(argument);
    }
    machine::load(vm, &program, tail.as_bytes()).map_err(|why| why.to_string())?;
    machine::start(vcpu).map_err(|why| why.to_string())?;
    dos.start(machine::PSP, machine::END);
    Ok(())
}

/// Answers an interrupt; `Some` if the program has ended by it.
fn interrupt(vector: u8, vcpu: &mut Vcpu, dos: &mut Dos<'_>) -> Result<Option<u8>, xhv::Error> {
    let before = machine::registers(vcpu)?;
    let mut regs = before;
    match vector {
        0x00 | 0x04..=0x07 => {
            let what = [
                "divide overflow",
                "",
                "",
                "",
                "overflow",
                "bound",
                "invalid opcode",
                "no coprocessor",
            ][usize::from(vector)];
            let _ = writeln!(dos.output, "\r\n{what} at {}", machine::caller(vcpu)?);
            return Ok(Some(255));
        }
        0x10 => dos.video(&mut regs),
        0x16 => dos.keyboard(&mut regs),
        0x1a => dos.time_of_day(&mut regs),
        0x20 => return Ok(Some(0)),
        0x21 => {
            let vm = vcpu.vm().clone();
            if let Next::Exit(code) = dos.call(&mut regs, &machine::Segments(&vm)) {
                return Ok(Some(code));
            }
        }
        0x29 => {
            let _ = dos.output.write_all(&[regs.al()]);
        }
        // Everything else returns at once, as an empty handler does.
        _ => {}
    }
    machine::set_registers(vcpu, &before, &regs)?;
    Ok(None)
}

fn run(options: &Options) -> Result<Ended, String> {
    let vm = Vm::new().map_err(|why| why.to_string())?;
    let mut vcpu = vm.create_vcpu().map_err(|why| why.to_string())?;
    let folder = std::env::current_dir().map_err(|why| why.to_string())?;
    let files = files::Files::new(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let (mut input, mut output) = (stdin().lock(), stdout().lock());
    let mut dos = Dos {
        state: int21::State::default(),
        files,
        input: &mut input,
        output: &mut output,
    };
    begin(options, &vm, &mut vcpu, &mut dos)?;
    let mut exits = 0;
    loop {
        if let (Some(at), Some(path)) = (options.save_at, &options.save)
            && exits >= at
        {
            saved::save(path, &vm, &vcpu, &mut dos)?;
            return Ok(Ended::Saved);
        }
        exits += 1;
        match machine::run(&mut vcpu).map_err(|why| why.to_string())? {
            Event::Interrupt(vector) => {
                if let Some(code) =
                    interrupt(vector, &mut vcpu, &mut dos).map_err(|why| why.to_string())?
                {
                    return Ok(Ended::Exit(code));
                }
            }
            Event::Idle => {}
            Event::Broken => {
                let place = machine::place(&vcpu).unwrap_or_default();
                return Err(format!("the program cannot go on at {place}"));
            }
        }
    }
}

fn main() -> ExitCode {
    let ended = options(std::env::args().skip(1)).and_then(|options| {
        let ended = run(&options)?;
        if let (Ended::Saved, Some(path)) = (&ended, &options.save) {
            eprintln!("saved to {}; go on with --restore {0}", path.display());
        }
        Ok(ended)
    });
    let _ = stdout().flush();
    match ended {
        Ok(Ended::Exit(code)) => ExitCode::from(code),
        Ok(Ended::Saved) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("dos: {why}");
            ExitCode::from(254)
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
        let parsed = parse(&["--save-at", "5", "--save", "a.json", "x.com", "--restore"]).unwrap();
        assert_eq!(
            (parsed.save_at, parsed.arguments),
            (Some(5), vec!["--restore".to_string()])
        );
        for bad in [
            &[][..],
            &["--save", "a"],
            &["--save-at", "x", "--save", "a", "p"],
            &["--nothing", "p"],
            &["--restore", "a", "p"],
            &["--save"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
