//! Runs the six kernels on every machine that can: the host itself, the software engine, Bochs, QEMU system and user emulation.
//! Prints each one's speed as a share of native, the engine's in MIPS, and whether it reaches the project's goals.
//!
//! `cargo run --release -p xhv-benches --bin compare [-- --rounds N] [--quick] [KERNEL ...]` after
//! `cargo build --release -p xhv-benches` (which builds the engine's runner, `kernels`). Needs gcc and binutils. A machine that is missing is said to
//! be missing: qemu-user, qemu-system-x86 and nasm, what `.ci/bochs` builds with bochsbios, gcc-aarch64-linux-gnu; valgrind
//! counts instructions for MIPS.
//!
//! Rounds are outermost: in each, every machine runs every kernel, so that a busy minute of the host meets all of them. Time is
//! processor time; a machine's start-up is measured with no work, in each round, and taken off. Shares are the medians over rounds of
//! what each round found. Every answer is compared with the native one: `--quick` (one round, little work) is a test
//! that all machines still work, its figures mean nothing. With `XHV_REQUIRE=1` a missing machine is an error.

mod machines;
mod process;

use std::path::Path;
use std::process::{Command, ExitCode};

use machines::{BOCHS, Bench, MACHINES, Machine, NATIVE, OURS, QEMU};
use process::run;

/// Kernels, and work that takes a native CPU about a second: processor time is told in hundredths.
const KERNELS: [(&str, u64); 6] = [
    ("branchy", 80_000),
    ("sha256", 1_500_000),
    ("imatmul", 25_000),
    ("dmatmul", 20_000),
    ("calls", 150_000),
    ("heapsort", 10_000),
];
/// Ratios that are watched.
const PAIRS: [(&str, &str, &str); 4] = [
    ("x86_64: xhv / Bochs", OURS[0], BOCHS),
    ("x86_64: xhv / QEMU system", OURS[0], QEMU[0]),
    ("x86_64: xhv / QEMU user", OURS[0], QEMU[1]),
    ("aarch64: xhv / QEMU user", OURS[1], QEMU[2]),
];

/// What was found about a machine, kernel by kernel.
struct Column {
    machine: &'static Machine,
    /// Why it is left out.
    missing: Option<String>,
    /// For each kernel, seconds for a unit of work in each round.
    seconds: Vec<Vec<f64>>,
}

struct Options {
    rounds: u32,
    quick: bool,
    kernels: Vec<usize>,
}

fn options() -> Result<Options, String> {
    let mut options = Options {
        rounds: 5,
        quick: false,
        kernels: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--quick" => (options.quick, options.rounds) = (true, 1),
            "--rounds" => {
                let rounds = words.next().and_then(|word| word.parse().ok());
                options.rounds = rounds
                    .filter(|&n| n > 0)
                    .ok_or("--rounds needs a number above 0")?;
            }
            _ => {
                let at = KERNELS.iter().position(|(name, _)| *name == word);
                let names = KERNELS.map(|(name, _)| name).join(", ");
                options
                    .kernels
                    .push(at.ok_or(format!("{word}: not a kernel ({names}) or option"))?);
            }
        }
    }
    if options.kernels.is_empty() {
        options.kernels = (0..KERNELS.len()).collect();
    }
    Ok(options)
}

/// The sixteen hexadecimal digits that every kernel prints.
fn answer(output: &str) -> Option<&str> {
    output
        .lines()
        .map(str::trim)
        .find(|line| line.len() == 16 && line.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

impl Bench {
    /// Seconds for a unit of work, start-up taken off; the answer is checked against the native one.
    fn measure(&self, machine: &Machine, kernel: &str, work: u64) -> Result<f64, String> {
        let expected = run(&mut self.program("gcc", kernel, None, work)?)?;
        let start_up = run(&mut (machine.command)(self, kernel, 0)?)?.time;
        let done = run(&mut (machine.command)(self, kernel, work)?)?;
        if answer(&done.output) != answer(&expected.output) || answer(&done.output).is_none() {
            let (wrong, right) = (answer(&done.output), answer(&expected.output));
            return Err(format!(
                "answered {wrong:?} instead of {right:?}: {}",
                done.output.trim()
            ));
        }
        // A clock that ticks every hundredth of a second may see nothing at all.
        let seconds = (done.time.as_secs_f64() - start_up.as_secs_f64()).max(1e-3);
        Ok(seconds / work as f64)
    }

    /// Native instructions for a unit of work, if valgrind is there to count them.
    fn instructions(&self, kernel: &str) -> Result<f64, String> {
        let count = |work: u64| -> Result<f64, String> {
            let program = self.program("gcc", kernel, None, work)?;
            let mut valgrind = Command::new("valgrind");
            valgrind
                .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
                .arg(program.get_program())
                .args(program.get_args());
            let output = run(&mut valgrind)?.output;
            let line = output
                .lines()
                .find_map(|line| line.split_once("Collected : "));
            line.and_then(|(_, count)| count.trim().parse().ok())
                .ok_or("valgrind counts nothing".to_owned())
        };
        Ok((count(12)? - count(2)?) / 10.0)
    }
}

fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        n if n % 2 == 0 => (values[middle - 1] + values[middle]) / 2.0,
        _ => values[middle],
    }
}

fn geometric_mean(values: &[f64]) -> f64 {
    (values.iter().map(|value| value.ln()).sum::<f64>() / values.len() as f64).exp()
}

/// Runs everything; what is missing in the first round is not tried again.
fn measure(bench: &Bench, options: &Options) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = MACHINES
        .iter()
        .map(|machine| Column {
            machine,
            missing: None,
            seconds: vec![Vec::new(); options.kernels.len()],
        })
        .collect();
    for round in 0..options.rounds {
        eprintln!("round {} of {}", round + 1, options.rounds);
        for (at, &kernel) in options.kernels.iter().enumerate() {
            let (name, work) = KERNELS[kernel];
            for column in columns.iter_mut().filter(|column| column.missing.is_none()) {
                let fewer = column.machine.fewer * if options.quick { 50 } else { 1 };
                match bench.measure(column.machine, name, (work / fewer).max(1)) {
                    Ok(seconds) => column.seconds[at].push(seconds),
                    Err(why) if why.starts_with("answered") => {
                        return Err(format!("{}, {name}: {why}", column.machine.name));
                    }
                    Err(why) => column.missing = Some(why),
                }
            }
        }
    }
    Ok(columns)
}

fn print_row(name: &str, values: &[f64], digits: usize) {
    print!("{name:<28}");
    values
        .iter()
        .for_each(|value| print!("{value:>10.digits$}"));
    println!("{:>10.digits$}", geometric_mean(values));
}

/// Medians over rounds of how many times faster `a` is than `b`, kernel by kernel.
fn ratios(a: &Column, b: &Column) -> Vec<f64> {
    let pairs = a.seconds.iter().zip(&b.seconds);
    pairs
        .map(|(a, b)| median(a.iter().zip(b).map(|(a, b)| b / a)))
        .collect()
}

fn judge(what: &str, ratios: &[f64]) {
    let least = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let mean = geometric_mean(ratios);
    let met = |met| if met { "met" } else { "NOT MET" };
    println!(
        "goal: at least {what} on every kernel: {} (least {least:.2}); twice in the geometric mean: {} ({mean:.2})",
        met(least >= 1.0),
        met(mean >= 2.0)
    );
}

fn report(bench: &Bench, options: &Options, columns: &[Column]) {
    let find = |name| {
        columns
            .iter()
            .find(|column| column.machine.name == name && column.missing.is_none())
    };
    let names: Vec<_> = options.kernels.iter().map(|&at| KERNELS[at].0).collect();
    println!(
        "\nshare of native speed, median of {} rounds{}",
        options.rounds,
        if options.quick {
            " (with so little work it means nothing)"
        } else {
            ""
        }
    );
    print!("{:<28}", "");
    names.iter().for_each(|name| print!("{name:>10}"));
    println!("{:>10}", "geomean");
    let Some(native) = find(NATIVE) else {
        println!("no native gcc: nothing to compare with");
        return;
    };
    for column in columns {
        let name = column.machine.name;
        match &column.missing {
            Some(why) => println!("{name:<28}  missing: {why}"),
            None => print_row(name, &ratios(column, native), 4),
        }
    }
    let Some(ours) = find(OURS[0]) else { return };
    print_mips(bench, &names, ours);
    println!();
    for (title, ours, qemu) in PAIRS {
        if let (Some(ours), Some(qemu)) = (find(ours), find(qemu)) {
            print_row(title, &ratios(ours, qemu), 3);
        }
    }
    match find(BOCHS) {
        Some(bochs) => judge(BOCHS, &ratios(ours, bochs)),
        None => println!("goals: not judged without {BOCHS}"),
    }
}

fn print_mips(bench: &Bench, names: &[&str], ours: &Column) {
    let counts: Result<Vec<f64>, String> =
        names.iter().map(|name| bench.instructions(name)).collect();
    match counts {
        Ok(counts) => {
            let seconds = ours
                .seconds
                .iter()
                .map(|rounds| median(rounds.iter().copied()));
            let mips: Vec<_> = counts
                .iter()
                .zip(seconds)
                .map(|(n, s)| n / s / 1e6)
                .collect();
            print_row(&format!("{}, MIPS", ours.machine.name), &mips, 0);
        }
        Err(why) => println!("MIPS: instructions are not counted: {why}"),
    }
}

fn compare() -> Result<(), String> {
    let options = options()?;
    let out = std::env::current_exe()
        .map_err(|why| why.to_string())?
        .with_file_name("bench-kernels");
    // Built anew: the compiler or a source may be another one.
    let _ = std::fs::remove_dir_all(&out);
    std::fs::create_dir_all(&out).map_err(|why| format!("{}: {why}", out.display()))?;
    let bench = Bench {
        sources: Path::new(env!("CARGO_MANIFEST_DIR")).join("kernels"),
        out,
    };
    let columns = measure(&bench, &options)?;
    report(&bench, &options, &columns);
    let missing: Vec<_> = columns
        .iter()
        .filter(|column| column.missing.is_some())
        .collect();
    if !missing.is_empty() && std::env::var_os("XHV_REQUIRE").is_some() {
        return Err(format!(
            "XHV_REQUIRE=1 and {} machines are missing",
            missing.len()
        ));
    }
    Ok(())
}

fn main() -> ExitCode {
    match compare() {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("compare: {why}");
            ExitCode::FAILURE
        }
    }
}
