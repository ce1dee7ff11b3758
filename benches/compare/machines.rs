//! The machines of the comparison, and how each gets a kernel: as a program, as a flat image, or on a disk that boots.

use std::path::PathBuf;
use std::process::Command;

use crate::process::build;

/// Something that runs a kernel.
pub(crate) struct Machine {
    pub(crate) name: &'static str,
    /// How many times less work than native it gets, so that it ends in about a second.
    pub(crate) fewer: u64,
    /// Builds the kernel and answers the command that does so much work; an error says what is missing.
    pub(crate) command: fn(&Bench, &str, u64) -> Result<Command, String>,
}

pub(crate) const NATIVE: &str = "native";
/// Bochs as `.ci/bochs` builds it: from source, with every optimization and without debugger.
pub(crate) const BOCHS: &str = "Bochs (-O3)";
pub(crate) const OURS: [&str; 2] = ["xhv x86_64", "xhv aarch64"];
pub(crate) const QEMU: [&str; 3] = [
    "QEMU system x86_64",
    "QEMU user x86_64",
    "QEMU user aarch64",
];

pub(crate) const MACHINES: [Machine; 7] = [
    Machine {
        name: NATIVE,
        fewer: 1,
        command: |bench, kernel, work| bench.program("gcc", kernel, None, work),
    },
    Machine {
        name: OURS[0],
        fewer: 10,
        command: |bench, kernel, work| bench.engine("x86_64", kernel, work),
    },
    Machine {
        name: BOCHS,
        fewer: 10,
        command: Bench::bochs,
    },
    Machine {
        name: QEMU[0],
        fewer: 10,
        command: Bench::qemu_system,
    },
    Machine {
        name: QEMU[1],
        fewer: 10,
        command: |bench, kernel, work| bench.program("gcc", kernel, Some("qemu-x86_64"), work),
    },
    Machine {
        name: OURS[1],
        fewer: 10,
        command: |bench, kernel, work| bench.engine("aarch64", kernel, work),
    },
    Machine {
        name: QEMU[2],
        fewer: 10,
        command: |bench, kernel, work| {
            bench.program("aarch64-linux-gnu-gcc", kernel, Some("qemu-aarch64"), work)
        },
    },
];

/// Where the kernels' sources are, and where what is built of them goes.
pub(crate) struct Bench {
    pub(crate) sources: PathBuf,
    pub(crate) out: PathBuf,
}

impl Bench {
    fn source(&self, kernel: &str) -> PathBuf {
        self.sources.join(kernel).with_extension("c")
    }

    /// The kernel with a `main`, run natively or by `under`.
    pub(crate) fn program(
        &self,
        gcc: &str,
        kernel: &str,
        under: Option<&str>,
        work: u64,
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
        command.arg(work.to_string());
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
        compile
            .args(["-O2", "-ffreestanding", "-fno-stack-protector"])
            .args(["-fno-asynchronous-unwind-tables", "-nostdlib", "-static"])
            .args(["-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments"])
            .arg("-no-pie")
            .args(options)
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

    fn engine(&self, architecture: &str, kernel: &str, work: u64) -> Result<Command, String> {
        let image = self.flat(architecture, kernel)?;
        let runner = std::env::current_exe()
            .map_err(|why| why.to_string())?
            .with_file_name("kernels");
        if !runner.exists() {
            return Err(
                "the program `kernels` is not built: cargo build --release -p xhv-benches".into(),
            );
        }
        let mut command = Command::new(runner);
        command.arg(architecture).arg(image).arg(work.to_string());
        Ok(command)
    }

    /// A disk that boots the kernel.
    fn disk(&self, kernel: &str, work: u64) -> Result<PathBuf, String> {
        let image = std::fs::read(self.flat("x86_64", kernel)?).map_err(|why| why.to_string())?;
        let (boot, disk) = (
            self.out.join("boot.bin"),
            self.out.join(format!("{kernel}.img")),
        );
        let mut assemble = Command::new("nasm");
        assemble
            .args(["-f", "bin"])
            .args(["-D", &format!("SECTORS={}", image.len().div_ceil(512))])
            .args(["-D", &format!("ROUNDS={work}"), "-o"])
            .arg(&boot)
            .arg(self.sources.join("boot.asm"));
        build(&mut assemble)?;
        let mut bytes = std::fs::read(boot).map_err(|why| why.to_string())?;
        bytes.extend(image);
        bytes.resize(2 * 16 * 63 * 512, 0);
        std::fs::write(&disk, bytes).map_err(|why| why.to_string())?;
        Ok(disk)
    }

    fn qemu_system(&self, kernel: &str, work: u64) -> Result<Command, String> {
        let disk = self.disk(kernel, work)?;
        let mut command = Command::new("qemu-system-x86_64");
        command
            .args(["-M", "pc,accel=tcg", "-display", "none"])
            .args(["-debugcon", "stdio"])
            .args(["-device", "isa-debug-exit,iobase=0xf4"])
            .arg("-drive")
            .arg(format!("file={},format=raw", disk.display()));
        Ok(command)
    }

    fn bochs(&self, kernel: &str, work: u64) -> Result<Command, String> {
        let program = self
            .out
            .ancestors()
            .map(|folder| folder.join("bochs/bochs"))
            .find(|path| path.exists())
            .ok_or("not built: run .ci/bochs")?;
        let bios = PathBuf::from("/usr/share/bochs/BIOS-bochs-latest");
        if !bios.exists() {
            return Err(format!("{}: not there (package bochsbios)", bios.display()));
        }
        let disk = self.disk(kernel, work)?;
        let settings = self.out.join("bochsrc");
        let text = format!(
            "config_interface: textconfig\ndisplay_library: nogui\nromimage: file={}\n\
             vgaromimage: file=/usr/share/bochs/VGABIOS-lgpl-latest\nmegs: 32\ncpu: model=corei7_haswell_4770, ips=100000000\n\
             clock: sync=none\nata0-master: type=disk, path={}, mode=flat, cylinders=2, heads=16, spt=63\nboot: disk\n\
             port_e9_hack: enabled=1\nlog: {}\nspeaker: enabled=0\n",
            bios.display(),
            disk.display(),
            self.out.join("bochs.log").display()
        );
        std::fs::write(&settings, text).map_err(|why| why.to_string())?;
        let mut command = Command::new(program);
        command.arg("-q").arg("-f").arg(settings);
        Ok(command)
    }
}
