//! Runs the six kernels on every machine that can: the host itself, the software engine, Bochs, QEMU system and user emulation, and
//! prints each one's speed as a share of native and the ratios that the project watches.
//!
//! `cargo run --release -p xhv-benches --bin compare [-- KERNEL ...]`. Needs gcc, nasm and binutils; what else is missing (qemu-system-x86,
//! qemu-user, bochs with bochs-sdl and bochsbios, gcc-aarch64-linux-gnu) is said and left out. Each figure is the best of several
//! rounds, all machines in turn; a machine's start-up is measured with no rounds of work and taken off.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Kernels, and rounds that take a native CPU some tenths of a second.
const KERNELS: [(&str, u64); 6] = [
    ("branchy", 40_000),
    ("sha256", 600_000),
    ("imatmul", 10_000),
    ("dmatmul", 8_000),
    ("calls", 60_000),
    ("heapsort", 3_000),
];
/// Debian's Bochs is built with debugger and instrumentation and is that much slower than a plain one.
const DEBIAN_BOCHS: f64 = 4.5;

/// Something that runs a kernel.
struct Machine {
    name: &'static str,
    /// How many times fewer rounds than native, so that it ends in some seconds.
    fewer: u64,
    /// Builds and answers the command for so many rounds; an error says what is missing.
    command: fn(&Bench, &str, u64) -> Result<Command, String>,
}

struct Bench {
    sources: PathBuf,
    out: PathBuf,
}

const MACHINES: [Machine; 7] = [
    Machine {
        name: "native",
        fewer: 1,
        command: |bench, kernel, rounds| bench.program("gcc", kernel, None, rounds),
    },
    Machine {
        name: "xhv x86_64",
        fewer: 10,
        command: |bench, kernel, rounds| bench.engine("x86_64", kernel, rounds),
    },
    Machine {
        name: "Bochs",
        fewer: 400,
        command: Bench::bochs,
    },
    Machine {
        name: "QEMU system x86_64",
        fewer: 10,
        command: Bench::qemu_system,
    },
    Machine {
        name: "QEMU user x86_64",
        fewer: 10,
        command: |bench, kernel, rounds| bench.program("gcc", kernel, Some("qemu-x86_64"), rounds),
    },
    Machine {
        name: "xhv aarch64",
        fewer: 10,
        command: |bench, kernel, rounds| bench.engine("aarch64", kernel, rounds),
    },
    Machine {
        name: "QEMU user aarch64",
        fewer: 10,
        command: |bench, kernel, rounds| {
            bench.program(
                "aarch64-linux-gnu-gcc",
                kernel,
                Some("qemu-aarch64"),
                rounds,
            )
        },
    },
];

fn run(command: &mut Command) -> Result<(Duration, String), String> {
    let start = Instant::now();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|why| format!("{:?}: {why}", command.get_program()))?;
    Ok((
        start.elapsed(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
    ))
}

fn build(command: &mut Command) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|why| format!("{:?}: {why}", command.get_program()))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

/// The sixteen hexadecimal digits that every kernel prints.
fn answer(output: &str) -> Option<&str> {
    output
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 16 && line.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Bench {
    fn source(&self, kernel: &str) -> PathBuf {
        self.sources.join(kernel).with_extension("c")
    }

    /// The kernel with a `main`, run natively or by `under`.
    fn program(
        &self,
        gcc: &str,
        kernel: &str,
        under: Option<&str>,
        rounds: u64,
    ) -> Result<Command, String> {
        let program = self.out.join(format!("{kernel}-{gcc}"));
        if !program.exists() {
            let mut compile = Command::new(gcc);
            compile
                .args(["-O2", "-static", "-o"])
                .arg(&program)
                .arg(self.source(kernel))
                .arg(self.sources.join("main.c"));
            build(&mut compile)?;
        }
        let mut command = under.map_or_else(|| Command::new(&program), Command::new);
        if under.is_some() {
            command.arg(&program);
        }
        command.arg(rounds.to_string());
        Ok(command)
    }

    /// The kernel as a flat image at 10000h.
    fn flat(&self, architecture: &str, kernel: &str) -> Result<PathBuf, String> {
        let at = |suffix: &str| self.out.join(format!("{kernel}-{architecture}.{suffix}"));
        if at("bin").exists() {
            return Ok(at("bin"));
        }
        let (prefix, options, jump): (_, &[&str], _) = match architecture {
            "x86_64" => (
                "",
                &["-mno-red-zone", "-fno-pic", "-mcmodel=small"],
                "jmp kernel",
            ),
            _ => (
                "aarch64-linux-gnu-",
                &["-mno-outline-atomics", "-fno-pic"],
                "b kernel",
            ),
        };
        let entry = self.out.join("entry.s");
        let text = format!(".section .text.entry, \"ax\"\n.globl _start\n_start: {jump}\n");
        std::fs::write(&entry, text).map_err(|why| why.to_string())?;
        let mut compile = Command::new(format!("{prefix}gcc"));
        compile.args([
            "-O2",
            "-ffreestanding",
            "-fno-stack-protector",
            "-fno-asynchronous-unwind-tables",
            "-nostdlib",
            "-static",
        ]);
        compile
            .args([
                "-Wl,--build-id=none",
                "-Wl,--no-warn-rwx-segments",
                "-no-pie",
            ])
            .args(options);
        compile
            .arg("-T")
            .arg(self.sources.join("flat.ld"))
            .arg("-o")
            .arg(at("elf"))
            .arg(&entry)
            .arg(self.source(kernel));
        build(&mut compile)?;
        build(
            Command::new(format!("{prefix}objcopy"))
                .args(["-O", "binary"])
                .arg(at("elf"))
                .arg(at("bin")),
        )?;
        Ok(at("bin"))
    }

    fn engine(&self, architecture: &str, kernel: &str, rounds: u64) -> Result<Command, String> {
        let image = self.flat(architecture, kernel)?;
        let runner = std::env::current_exe()
            .map_err(|why| why.to_string())?
            .with_file_name("kernels");
        let mut command = Command::new(runner);
        command.arg(architecture).arg(image).arg(rounds.to_string());
        Ok(command)
    }

    /// A disk that boots the kernel.
    fn disk(&self, kernel: &str, rounds: u64) -> Result<PathBuf, String> {
        let image = std::fs::read(self.flat("x86_64", kernel)?).map_err(|why| why.to_string())?;
        let (boot, disk) = (
            self.out.join("boot.bin"),
            self.out.join(format!("{kernel}.img")),
        );
        let mut assemble = Command::new("nasm");
        assemble.args([
            "-f",
            "bin",
            "-D",
            &format!("SECTORS={}", image.len().div_ceil(512)),
            "-D",
            &format!("ROUNDS={rounds}"),
            "-o",
        ]);
        build(assemble.arg(&boot).arg(self.sources.join("boot.asm")))?;
        let mut bytes = std::fs::read(boot).map_err(|why| why.to_string())?;
        bytes.extend(image);
        bytes.resize(2 * 16 * 63 * 512, 0);
        std::fs::write(&disk, bytes).map_err(|why| why.to_string())?;
        Ok(disk)
    }

    fn qemu_system(&self, kernel: &str, rounds: u64) -> Result<Command, String> {
        let disk = self.disk(kernel, rounds)?;
        let mut command = Command::new("qemu-system-x86_64");
        command.args([
            "-M",
            "pc",
            "-display",
            "none",
            "-debugcon",
            "stdio",
            "-device",
            "isa-debug-exit,iobase=0xf4",
        ]);
        command
            .arg("-drive")
            .arg(format!("file={},format=raw", disk.display()));
        Ok(command)
    }

    fn bochs(&self, kernel: &str, rounds: u64) -> Result<Command, String> {
        let disk = self.disk(kernel, rounds)?;
        let (settings, commands) = (self.out.join("bochsrc"), self.out.join("bochs.commands"));
        let text = format!(
            "config_interface: textconfig\ndisplay_library: sdl2\nromimage: file=/usr/share/bochs/BIOS-bochs-latest\n\
             vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\nmegs: 32\ncpu: model=corei7_haswell_4770, ips=100000000\n\
             clock: sync=none\nata0-master: type=disk, path={}, mode=flat, cylinders=2, heads=16, spt=63\nboot: disk\n\
             port_e9_hack: enabled=1\nlog: {}\nsound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\nspeaker: enabled=0\n",
            disk.display(),
            self.out.join("bochs.log").display()
        );
        std::fs::write(&settings, text).map_err(|why| why.to_string())?;
        std::fs::write(&commands, "c\n").map_err(|why| why.to_string())?;
        let mut command = Command::new("bochs");
        command
            .env("SDL_VIDEODRIVER", "dummy")
            .arg("-q")
            .arg("-f")
            .arg(settings)
            .arg("-rc")
            .arg(commands);
        Ok(command)
    }

    /// Seconds for a round of work, start-up taken off; checked against the native answer.
    fn measure(
        &self,
        machine: &Machine,
        kernel: &str,
        rounds: u64,
        repeat: u32,
    ) -> Result<f64, String> {
        let rounds = (rounds / machine.fewer).max(1);
        let mut native = self.program("gcc", kernel, None, rounds)?;
        let (_, expected) = run(&mut native)?;
        let best = |rounds| -> Result<(Duration, String), String> {
            let mut best: Option<(Duration, String)> = None;
            for _ in 0..repeat {
                let this = run(&mut (machine.command)(self, kernel, rounds)?)?;
                if best.as_ref().is_none_or(|best| this.0 < best.0) {
                    best = Some(this);
                }
            }
            best.ok_or_else(|| "no repetition".to_string())
        };
        let (start_up, _) = best(0)?;
        let (time, output) = best(rounds)?;
        if answer(&output) != answer(&expected) {
            return Err(format!(
                "answered {:?} instead of {:?}",
                answer(&output),
                answer(&expected)
            ));
        }
        Ok((time.as_secs_f64() - start_up.as_secs_f64()).max(1e-6) / rounds as f64)
    }
}

fn main() -> Result<(), String> {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let out = std::env::current_exe()
        .map_err(|why| why.to_string())?
        .with_file_name("bench-kernels");
    std::fs::create_dir_all(&out).map_err(|why| why.to_string())?;
    let bench = Bench {
        sources: root.join("kernels"),
        out,
    };
    let kernels: Vec<_> = KERNELS
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|want| want == name))
        .collect();
    println!(
        "share of native speed on the same kernel (Bochs: Debian's build times {DEBIAN_BOCHS}, see benches/README.md)"
    );
    print!("{:20}", "");
    kernels.iter().for_each(|(name, _)| print!("{name:>10}"));
    println!("{:>10}", "geomean");
    let mut native = Vec::new();
    for machine in &MACHINES {
        let mut shares = Vec::new();
        let mut missing = None;
        for (at, (kernel, rounds)) in kernels.iter().enumerate() {
            match bench.measure(machine, kernel, *rounds, 3) {
                Ok(seconds) => {
                    if machine.name == "native" {
                        native.push(seconds);
                    }
                    let corrected = if machine.name == "Bochs" {
                        seconds / DEBIAN_BOCHS
                    } else {
                        seconds
                    };
                    shares.push(native[at] / corrected);
                }
                Err(why) => missing = Some(format!("{kernel}: {why}")),
            }
        }
        print!("{:20}", machine.name);
        shares.iter().for_each(|share| print!("{share:>10.4}"));
        if let Some(why) = missing {
            println!("  left out: {}", why.trim());
        } else {
            let mean =
                (shares.iter().map(|share| share.ln()).sum::<f64>() / shares.len() as f64).exp();
            println!("{mean:>10.4}");
        }
    }
    Ok(())
}
