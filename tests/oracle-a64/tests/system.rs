//! The software CPU against QEMU's system emulation: `system.c` runs at EL1 on both and prints syndromes, addresses and saved states of
//! exceptions, PAR_EL1 of AT through random tables with all three granules, accesses after each TLBI, and debug events.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use xhv::aarch64::{Exit, Vm, reg};
use xhv::{Engine, Memory, Permissions};

const RAM: u64 = 0x4000_0000;
const SIZE: u64 = 16 << 20;
/// Where the program begins: QEMU puts its device tree before it.
const ENTRY: u64 = RAM + 0x20_0000;
const UART: u64 = 0x0900_0000;
const SYSTEM_OFF: u32 = 0x8400_0008;
/// The processor that claims what ours does, and does not claim what would change the results (52-bit addresses, E0PD, BTI).
const CPU: &str = "neoverse-n1";

/// Runs a command; `None`, said aloud, if this machine does not have it.
fn tool(command: &mut Command) -> Option<Output> {
    match command.stdin(Stdio::null()).output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "{command:?}: {told}");
            Some(output)
        }
        Err(why) if std::env::var_os("XHV_REQUIRE").is_some() => {
            panic!("{:?}: {why}", command.get_program())
        }
        Err(_) => {
            println!("SKIPPED: {:?} is not here", command.get_program());
            None
        }
    }
}

/// The program as ELF file and as flat image.
fn build(folder: &Path) -> Option<(PathBuf, PathBuf)> {
    let source = |name: &str| {
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("system")
            .join(name)
    };
    let (elf, image) = (folder.join("system.elf"), folder.join("system.bin"));
    let mut compile = Command::new("aarch64-linux-gnu-gcc");
    compile.args([
        "-O1",
        "-march=armv8.2-a",
        "-mgeneral-regs-only",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-ffreestanding",
        "-fno-stack-protector",
        "-fno-asynchronous-unwind-tables",
        "-fno-pic",
        "-no-pie",
        "-fno-tree-loop-distribute-patterns",
        "-nostdlib",
        "-static",
        "-Wl,--build-id=none",
        "-Wl,--no-warn-rwx-segments",
        "-T",
    ]);
    compile.arg(source("system.ld")).arg("-o").arg(&elf);
    compile.args(["system.S", "system.c"].map(source));
    tool(&mut compile)?;
    let mut copy = Command::new("aarch64-linux-gnu-objcopy");
    tool(copy.args(["-O", "binary"]).arg(&elf).arg(&image))?;
    Some((elf, image))
}

/// What it prints on QEMU.
fn on_qemu(elf: &Path) -> Option<String> {
    let mut qemu = Command::new("timeout");
    qemu.args(["120", "qemu-system-aarch64", "-M", "virt,gic-version=3"]);
    qemu.args(["-cpu", CPU, "-m", "64", "-display", "none", "-nodefaults"]);
    qemu.args(["-serial", "stdio", "-kernel"]).arg(elf);
    if Command::new("qemu-system-aarch64")
        .arg("--version")
        .output()
        .is_err()
    {
        // `timeout` would tell it by a status.
        tool(&mut Command::new("qemu-system-aarch64"))?;
    }
    let output = tool(&mut qemu)?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What it prints here.
fn here(image: &Path) -> String {
    let vm = Vm::builder().engine(Engine::Software).build().unwrap();
    let memory = Memory::new(SIZE).unwrap();
    let bytes = std::fs::read(image).unwrap();
    memory.write(ENTRY - RAM, &bytes).unwrap();
    vm.map(RAM, &memory, Permissions::ALL).unwrap();
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_el1(ENTRY, 0).unwrap();
    let mut printed = Vec::new();
    loop {
        match vcpu.run().unwrap() {
            Exit::MmioWrite(write) if write.gpa().0 == UART => {
                printed.push(write.value() as u8);
                write.finish().unwrap();
            }
            Exit::Hvc(call) if call.function().unwrap() == SYSTEM_OFF => break,
            Exit::Wfx(wait) => wait.finish().unwrap(),
            // The OS lock, which is not the engine's business.
            Exit::SystemRegisterWrite(write) => {
                write.finish_default().unwrap();
            }
            other => {
                let other = format!("{other:?}");
                let pc = vcpu.read(reg::PC).unwrap();
                let printed = String::from_utf8_lossy(&printed);
                let last: Vec<_> = printed.lines().rev().take(3).collect();
                panic!("{other} at {pc:#x} after {last:?}");
            }
        }
    }
    String::from_utf8(printed).unwrap()
}

#[test]
fn exceptions_and_translation_agree_with_qemu() {
    let folder = std::env::temp_dir().join(format!("xhv-system-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let built = build(&folder);
    let Some((elf, image)) = built else { return };
    let Some(expected) = on_qemu(&elf) else {
        return;
    };
    let got = here(&image);
    std::fs::remove_dir_all(&folder).unwrap();
    let (mut lines, mut wrong) = (0, Vec::new());
    let mut translation = "";
    for (here, qemu) in got.lines().zip(expected.lines()) {
        lines += 1;
        if here.starts_with("tcr") {
            translation = here;
        }
        if here != qemu {
            wrong.push(format!("{translation}\n  here: {here}\n  QEMU: {qemu}"));
        }
    }
    println!("{lines} lines compared");
    let count = wrong.len();
    wrong.truncate(40);
    assert!(wrong.is_empty(), "{count} differ\n{}", wrong.join("\n"));
    assert_eq!(got.lines().count(), expected.lines().count());
    assert!(got.ends_with("end\n") && lines > 5900);
}
