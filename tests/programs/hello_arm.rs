//! `hello_arm`: MMU, FPU, timer interrupts, GIC and PSCI of a program at EL1; saved in the middle, restored in a new process; bad input.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use crate::support::{Folder, example, root, run, text};

const WHOLE: &str = "hello from EL1 with the MMU on\nthe square root of 2 is 1.4142135623731\nthe timer has ticked\nwaiting for another tick ... here it is\n";
/// With and without a GIC.
const MACHINES: [&[&str]; 2] = [&[], &["--gic"]];

#[test]
fn prints_computes_and_ticks() {
    for machine in MACHINES {
        let output = run(example("hello_arm").args(machine), "");
        assert!(output.status.success(), "{}", text(&output));
        assert_eq!(
            String::from_utf8_lossy(&output.stdout),
            WHOLE,
            "{machine:?}"
        );
    }
}

/// Stops a machine after some exits. Answers what it printed until then.
fn save(machine: &[&str], at: u32, path: &Path) -> String {
    let mut command = example("hello_arm");
    command.args(machine).args(["--save-at", &at.to_string()]);
    let output = run(command.arg("--save").arg(path), "");
    assert!(output.status.success(), "{}", text(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A number of the first vCPU's state: `group` and `name` as they are in the file.
fn number(state: &Value, group: &str, name: &str) -> u64 {
    let value = &state["vcpus"][0][group][name];
    let digits = value.as_str().and_then(|text| text.strip_prefix("0x"));
    let digits = digits.unwrap_or_else(|| panic!("{group}.{name}: {value}"));
    // Of a vector register the low half.
    let low = digits.len().saturating_sub(16);
    u64::from_str_radix(&digits[low..], 16).expect("it is hexadecimal")
}

/// What is alive when a machine is stopped: floating point, a timer that runs or has fired, an interrupt that waits, a GIC.
#[derive(Debug, Default)]
struct Alive {
    floating_point: bool,
    timer_runs: bool,
    timer_fired: bool,
    line: bool,
    gic: bool,
}

impl Alive {
    fn look(&mut self, state: &Value) {
        let control = number(state, "system", "CNTV_CTL_EL0");
        let root = f64::from_bits(number(state, "simd", "Q1"));
        self.floating_point |= (root - std::f64::consts::SQRT_2).abs() < 1e-9;
        self.timer_runs |= control == 1;
        self.timer_fired |= control == 5;
        self.line |= state["vcpus"][0]["lines"]["irq"] == true;
        self.gic |= state["extra"]["gic"].is_string();
    }
}

/// Wherever the machine is stopped: what it prints before and what a new process prints after make the whole.
#[test]
fn goes_on_from_a_saved_state() {
    let folder = Folder::new();
    let path = folder.0.join("state.json");
    for machine in MACHINES {
        let (mut alive, mut at) = (Alive::default(), 1);
        loop {
            let first = save(machine, at, &path);
            if first == WHOLE {
                break;
            }
            let json = std::fs::read_to_string(&path).expect("the state was written");
            alive.look(&serde_json::from_str(&json).expect("it is JSON"));
            let second = run(example("hello_arm").arg("--restore").arg(&path), "");
            assert!(second.status.success(), "{}", text(&second));
            let both = first + &String::from_utf8_lossy(&second.stdout);
            assert_eq!(both, WHOLE, "{machine:?} stopped at {at}");
            at += 17;
        }
        let gic = !machine.is_empty();
        assert!(
            alive.floating_point && alive.timer_runs && alive.timer_fired,
            "{alive:?}"
        );
        assert_eq!((alive.line, alive.gic), (!gic, gic), "{alive:?}");
    }
}

/// Stopped again and again: each process does its part.
#[test]
fn goes_on_in_many_processes() {
    let folder = Folder::new();
    let paths = [folder.0.join("even.json"), folder.0.join("odd.json")];
    let mut printed = save(&["--gic"], 40, &paths[0]);
    for turn in 1.. {
        let mut command = example("hello_arm");
        command.args(["--save-at", "40", "--save"]);
        command.arg(&paths[turn % 2]).arg("--restore");
        let output = run(command.arg(&paths[(turn + 1) % 2]), "");
        assert!(output.status.success(), "{}", text(&output));
        printed += &String::from_utf8_lossy(&output.stdout);
        if !text(&output).contains("saved to") {
            break;
        }
    }
    assert_eq!(printed, WHOLE);
}

/// Restores a state that is bad, and checks that the words say why and nothing was run.
#[track_caller]
fn refused(path: &Path, words: &[&str]) {
    let output = run(example("hello_arm").arg("--restore").arg(path), "");
    assert!(!output.status.success(), "{words:?}");
    let told = text(&output);
    assert!(words.iter().all(|word| told.contains(word)), "{told}");
    assert!(!told.contains("panicked"), "{told}");
    assert_eq!(output.stdout, b"", "nothing was run");
}

#[test]
fn bad_states_are_told() {
    let folder = Folder::new();
    let path = folder.0.join("state.json");
    save(&["--gic"], 120, &path);
    let good = std::fs::read_to_string(&path).expect("the state was written");
    let with = |from: &str, to: &str| {
        let bad = good.replacen(from, to, 1);
        assert_ne!(bad, good, "{from}");
        bad
    };
    let cases: &[(String, &[&str])] = &[
        (String::new(), &["bad.json", "line 1"]),
        ("[]".into(), &["line 1"]),
        (good[..good.len() / 2].into(), &["line"]),
        (with("aarch64", "x86_64"), &["aarch64", "x86_64", "line"]),
        (with("\"xhv-vm\"", "\"xhv-vcpu\""), &["xhv-vm"]),
        (with("\"X7\"", "\"X77\""), &["general.X77"]),
        (with("\"TTBR0_EL1\"", "\"TTBR7_EL1\""), &["TTBR7_EL1"]),
        (with("\"X7\": \"0x", "\"X7\": \"0y"), &["0y", "line"]),
        (
            with("\"X7\": \"0x", "\"X7\": \"0x10000000000000000"),
            &["general.X7", "bits"],
        ),
        (
            with("\"FPCR\": \"0x", "\"FPCR\": \"0x8000000000000000000"),
            &["FPCR"],
        ),
        (with("\"gic\": \"", "\"gic\": \"ff"), &["gic"]),
        (
            with("\"gic\": \"", "\"gic\": \"zz"),
            &["extra", "hexadecimal"],
        ),
        (
            with("\"checksum\": \"0x", "\"checksum\": \"0x1"),
            &["checksum"],
        ),
        (with("state.json.mem", "nowhere.mem"), &["nowhere.mem"]),
    ];
    for (json, words) in cases {
        refused(&folder.file("bad.json", json), words);
    }
    refused(Path::new("nowhere.json"), &["nowhere.json"]);
}

#[test]
fn bad_memory_files_are_told() {
    let folder = Folder::new();
    let path = folder.0.join("state.json");
    save(&[], 60, &path);
    let memory: PathBuf = folder.0.join("state.json.mem");
    let good = std::fs::read(&memory).expect("the memory was written");
    folder.file("state.json.mem", &good[..good.len() - 1]);
    refused(&path, &["state.json.mem"]);
    let mut other = good.clone();
    other[good.len() / 2] ^= 1;
    folder.file("state.json.mem", other);
    refused(&path, &["checksum"]);
    std::fs::remove_file(&memory).expect("it is there");
    refused(&path, &["state.json.mem"]);
    folder.file("state.json.mem", good);
    let output = run(example("hello_arm").arg("--restore").arg(&path), "");
    assert!(output.status.success(), "{}", text(&output));
}

#[test]
fn bad_images_are_told() {
    let folder = Folder::new();
    let cases = [
        (folder.0.join("nothing.bin"), "nothing.bin"),
        (
            folder.file("long.bin", vec![0; (4 << 20) + 1]),
            "does not fit",
        ),
        // A jump to where no memory is: MOV X0, #0; BR X0
        (
            folder.file("lost.bin", [0_u8, 0, 0x80, 0xd2, 0, 0, 0x1f, 0xd6]),
            "InstructionAbort",
        ),
    ];
    for (path, words) in cases {
        let output = run(example("hello_arm").arg(path), "");
        assert!(!output.status.success());
        assert!(
            text(&output).contains(words) && !text(&output).contains("panicked"),
            "{}",
            text(&output)
        );
    }
}

/// The program that is kept as bytes is what the assembler makes of its source.
#[test]
fn the_program_is_its_source() {
    let (folder, sources) = (Folder::new(), root().join("examples/hello_arm"));
    let (object, binary) = (folder.0.join("hello.o"), folder.0.join("hello.bin"));
    let assembled = Command::new("aarch64-linux-gnu-gcc")
        .arg("-c")
        .arg("-o")
        .arg(&object)
        .arg(sources.join("hello.S"))
        .status();
    match assembled {
        Ok(status) => assert!(status.success(), "hello.S does not assemble"),
        Err(_) if std::env::var_os("XHV_REQUIRE").is_none() => {
            eprintln!(
                "SKIPPED: aarch64-linux-gnu-gcc is not on this machine; hello.bin is not compared with its source"
            );
            return;
        }
        Err(why) => panic!("aarch64-linux-gnu-gcc: {why}"),
    }
    let copied = Command::new("aarch64-linux-gnu-objcopy")
        .args(["-O", "binary", "-j", ".text"])
        .arg(object)
        .arg(&binary)
        .status();
    assert!(copied.expect("objcopy comes with the assembler").success());
    assert_eq!(
        std::fs::read(binary).expect("objcopy wrote it"),
        std::fs::read(sources.join("hello.bin")).expect("it is there")
    );
}
