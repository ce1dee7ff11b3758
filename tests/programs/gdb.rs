//! The example `gdb` with real gdb at the other end: break, step, registers with floating point, memory, watch, threads, on both
//! architectures. Wants `gdb-multiarch` and compilers for both.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{Folder, example, root, run, text, tool};

/// What differs between the architectures.
struct Guest {
    name: &'static str,
    prefix: &'static str,
    options: &'static [&'static str],
    /// gdb's names: program counter, first argument as an integer, and as a double.
    pc: &'static str,
    argument: &'static str,
    double: &'static str,
    /// A control register of floating point, and a register that is wider than a double.
    control: &'static str,
    control_is: &'static [&'static str],
    extended: &'static str,
    extended_is: &'static [&'static str],
}

const X86_64: Guest = Guest {
    name: "x86_64",
    prefix: "",
    options: &["-mno-red-zone", "-mcmodel=small", "-Wl,-Ttext=0x100000"],
    pc: "$rip",
    argument: "$rdi",
    double: "$xmm0.v2_double[0]",
    control: "printf \"control %x %x\\n\", $fctrl, $mxcsr",
    control_is: &["control 37f 1f80"],
    // Pushed by hand: TOP is 7, the register full.
    extended: "print $st0 = 1.5",
    extended_is: &["= 1.5"],
};

const AARCH64: Guest = Guest {
    name: "aarch64",
    prefix: "aarch64-linux-gnu-",
    options: &[
        "-mstrict-align",
        "-mno-outline-atomics",
        "-Wl,-Ttext=0x40000000",
    ],
    pc: "$pc",
    argument: "$x0",
    double: "$v0.d.f[0]",
    control: "printf \"control %x %x\\n\", $fpcr, $fpsr",
    control_is: &["control 0 0"],
    extended: "print $v31.q.u[0] = 0x12345",
    extended_is: &["= 74565"],
};

/// The program, with what debuggers want to know of it; `None` without a compiler.
fn program(guest: &Guest, folder: &Folder) -> Option<PathBuf> {
    let sources = root().join("tests/programs/gdb");
    let elf = folder.0.join(format!("{}.elf", guest.name));
    let mut compile = Command::new(format!("{}gcc", guest.prefix));
    compile.args(
        [
            "-O0",
            "-g",
            "-ffreestanding",
            "-fno-stack-protector",
            "-fno-asynchronous-unwind-tables",
            "-nostdlib",
            "-static",
            "-no-pie",
            "-fno-pic",
            "-fcf-protection=none",
        ]
        .iter()
        .filter(|option| guest.name == "x86_64" || !option.starts_with("-fcf")),
    );
    compile
        .args(["-Wl,--build-id=none", "-Wl,-N"])
        .args(guest.options)
        .arg("-o")
        .arg(&elf)
        .arg(sources.join(format!("{}.s", guest.name)))
        .arg(sources.join("guest.c"));
    tool(&mut compile).then_some(elf)
}

/// Something that is to be gone when a test ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The example with a program; what it says comes from the second.
fn serve(architecture: &str, cpus: &str, program: &Path) -> (Running, BufReader<ChildStderr>) {
    let mut serve = example("gdb");
    serve.args([architecture, "--cpus", cpus]).arg(program);
    let serve = serve.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = Running(serve.spawn().unwrap());
    let said = BufReader::new(server.0.stderr.take().unwrap());
    (server, said)
}

/// Where it can be debugged.
fn address_in(said: &mut impl BufRead) -> String {
    let mut line = String::new();
    said.read_line(&mut line).unwrap();
    let address = line.trim().strip_prefix("gdb: target remote ");
    address
        .unwrap_or_else(|| panic!("the example said {line}"))
        .to_owned()
}

/// Has gdb do `commands` with the program on `cpus` CPUs, and answers what it and the example said.
fn session(guest: &Guest, cpus: &str, commands: &[String]) -> Option<String> {
    if !tool(Command::new("gdb-multiarch").arg("--version")) {
        return None;
    }
    let folder = Folder::new();
    let elf = program(guest, &folder)?;
    let (mut server, mut said) = serve(guest.name, cpus, &elf);
    let address = address_in(&mut said);
    let script = folder.file("commands", commands.join("\n"));
    let mut gdb = Command::new("gdb-multiarch");
    gdb.args([
        "-nx",
        "-batch",
        "-iex",
        "set auto-load off",
        "-ex",
        "set confirm off",
    ])
    .arg("-ex")
    .arg(format!("target remote {address}"))
    .arg("-x")
    .arg(script)
    .arg(&elf)
    .stdin(Stdio::null())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped());
    let mut gdb = Running(gdb.spawn().unwrap());
    let start = Instant::now();
    while gdb.0.try_wait().unwrap().is_none() {
        if start.elapsed() > Duration::from_secs(100) {
            let _ = gdb.0.kill();
            let _ = server.0.kill();
            break;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let mut both = String::new();
    for out in [
        gdb.0
            .stdout
            .take()
            .map(|out| Box::new(out) as Box<dyn std::io::Read>),
        gdb.0
            .stderr
            .take()
            .map(|out| Box::new(out) as Box<dyn std::io::Read>),
    ]
    .into_iter()
    .flatten()
    {
        both += &std::io::read_to_string(out).unwrap();
    }
    both += "\n";
    let ended = server.0.wait().unwrap();
    both += &std::io::read_to_string(said).unwrap();
    Some(format!("{both}\nexample: {ended}\n"))
}

/// Looks for `expected` in this order.
#[track_caller]
fn in_order(output: &str, expected: &[&str]) {
    let mut rest = output;
    for part in expected {
        let Some(at) = rest.find(part) else {
            panic!("`{part}` does not follow in:\n{output}");
        };
        rest = &rest[at + part.len()..];
    }
}

fn words(text: &str) -> Vec<String> {
    text.lines().map(|line| line.trim().to_owned()).collect()
}

/// What gdb is asked, and what it has to say to that, in this order. A dollar in front of a name is gdb's.
fn conversation(guest: &Guest) -> Vec<(String, &'static [&'static str])> {
    let Guest {
        pc,
        argument,
        double,
        ..
    } = guest;
    let line = |text: &str| text.to_owned();
    vec![
        (line("break add"), &["Breakpoint 1 at"]),
        (line("continue"), &["Breakpoint 1, add (a=2, b=3)"]),
        (line("info args"), &["a = 2\nb = 3"]),
        (
            format!("printf \"argument %d\\n\", {argument}"),
            &["argument 2"],
        ),
        (
            line("backtrace"),
            &["#0  add (a=2, b=3)", "in main (cpu=0)"],
        ),
        (line("next"), &["return sum"]),
        (line("print sum"), &["$1 = 5"]),
        // A general register and memory, written.
        (line("set var sum = 40"), &[]),
        (format!("set var {argument} = 0x1234567890"), &[]),
        (format!("print/x {argument}"), &["$2 = 0x1234567890"]),
        (line("stepi"), &[]),
        (line("watch counter"), &["ardware watchpoint 2: counter"]),
        (line("continue"), &["Old value = 0\nNew value = 40"]),
        (line("delete"), &[]),
        (line("break half"), &["Breakpoint 3 at"]),
        (line("continue"), &["Breakpoint 3, half (x=1.5)"]),
        (
            format!("printf \"double %g\\n\", {double}"),
            &["double 1.5"],
        ),
        // A vector register, written behind the load of the argument: the quotient is its half.
        (line("set var x = 9.0"), &[]),
        (line("finish"), &["Value returned is $3 = 4.5"]),
        (format!("set var {double} = 2.25"), &[]),
        (line("next"), &[]),
        (line("print scale"), &["$4 = 2.25"]),
        (line("x/2gd &table"), &["1\t2"]),
        (line("set var table[1] = 10"), &[]),
        (line("hbreak ticket"), &["ardware assisted breakpoint 4 at"]),
        (line("continue"), &["Breakpoint 4, ticket ()"]),
        (line("next"), &[]),
        (line("next"), &[]),
        (line("print tickets"), &["$5 = 1"]),
        (format!("print {pc} != 0"), &["$6 = 1"]),
        (line(guest.control), guest.control_is),
        (line(guest.extended), guest.extended_is),
        (line("continue"), &["exited with code 013"]),
    ]
}

fn debugs(guest: &Guest) {
    let conversation = conversation(guest);
    let commands: Vec<String> = conversation.iter().map(|(line, _)| line.clone()).collect();
    if let Some(output) = session(guest, "1", &commands) {
        let expected: Vec<&str> = conversation
            .iter()
            .flat_map(|(_, words)| *words)
            .copied()
            .collect();
        in_order(&output, &expected);
        assert!(output.contains("example: exit status: 11"), "{output}");
    }
}

#[test]
fn gdb_debugs_an_x86_64_program() {
    debugs(&X86_64);
}

#[test]
fn gdb_debugs_an_aarch64_program() {
    debugs(&AARCH64);
}

/// Two CPUs are two threads: one meets a breakpoint, all stand; one steps alone.
fn has_threads(guest: &Guest) {
    let argument = guest.argument;
    let commands = words(&format!(
        "break step_turn
         thread 2
         set scheduler-locking on
         continue
         info threads
         printf \"cpu %d\\n\", {argument}
         next
         next
         printf \"turns %d\\n\", turns
         set scheduler-locking off
         delete
         break add
         continue
         thread 2
         printf \"more %d\\n\", turns >= 1
         delete
         continue",
    ));
    let Some(output) = session(guest, "2", &commands) else {
        return;
    };
    in_order(
        &output,
        &[
            "Thread 2 hit Breakpoint 1, step_turn (cpu=1)",
            "  1    Thread 1.1",
            "* 2    Thread 1.2",
            "cpu 1",
            "turns 1",
            "Thread 1 hit Breakpoint 2, add (a=2, b=3)",
            "Switching to thread 2",
            "more 1",
            "exited with code 03",
        ],
    );
}

#[test]
fn cpus_are_threads() {
    has_threads(&X86_64);
    has_threads(&AARCH64);
}

#[test]
fn bad_programs_are_refused_in_words() {
    let folder = Folder::new();
    let damaged = folder.file("damaged.elf", b"\x7fELF and nothing behind it");
    for (arguments, why) in [
        (vec!["x86_64"], "usage"),
        (vec!["x86_64", "no-such-file"], "no-such-file"),
        (vec!["aarch64", damaged.to_str().unwrap()], "damaged.elf"),
        (
            vec!["aarch64", "--at", "0x1000", damaged.to_str().unwrap()],
            "damaged.elf",
        ),
    ] {
        let output = run(example("gdb").args(&arguments), "");
        assert!(!output.status.success());
        assert!(
            text(&output).contains(why),
            "{arguments:?}: {}",
            text(&output)
        );
    }
    // Outside of memory.
    let flat = folder.file("flat.bin", [0xf4]);
    let output = run(
        example("gdb")
            .args(["x86_64", "--at", "0x80000000"])
            .arg(flat),
        "",
    );
    assert!(text(&output).contains("out of range"), "{}", text(&output));
}

/// What a debugger sends, checksum and all.
fn packet(text: &str) -> Vec<u8> {
    let sum = text.bytes().fold(0_u8, u8::wrapping_add);
    format!("${text}#{sum:02x}").into_bytes()
}

/// Reads until what was received contains `expected`.
#[track_caller]
fn receive(stream: &mut TcpStream, expected: &str) {
    let mut all = Vec::new();
    let mut part = [0; 512];
    while !String::from_utf8_lossy(&all).contains(expected) {
        let count = stream.read(&mut part).expect("the stub answers");
        let so_far = String::from_utf8_lossy(&all);
        assert!(count > 0, "`{expected}` does not come in {so_far}");
        all.extend_from_slice(&part[..count]);
    }
}

#[test]
fn an_interrupt_stops_a_guest_that_runs_for_ever() {
    let folder = Folder::new();
    // jmp to itself; b to itself.
    for (name, code) in [("x86_64", &[0xeb, 0xfe][..]), ("aarch64", &[0, 0, 0, 0x14])] {
        let flat = folder.file(name, code);
        let (_server, mut said) = serve(name, "2", &flat);
        let mut stream = TcpStream::connect(address_in(&mut said)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        for _ in 0..3 {
            stream.write_all(&packet("vCont;c")).unwrap();
            std::thread::sleep(Duration::from_millis(20));
            stream.write_all(&[3]).unwrap();
            receive(&mut stream, "T02");
            stream.write_all(b"+").unwrap();
        }
        stream.write_all(&packet("k")).unwrap();
    }
}
