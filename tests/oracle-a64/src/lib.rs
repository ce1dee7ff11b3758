//! Compares single A64 instructions and short sequences with QEMU's user mode emulation.
//!
//! [`Qemu`] builds `runner.c` with a cross compiler and starts it; [`generate`] makes cases from the decoder table; `tests/` runs them on
//! both sides. Where the compiler or QEMU is missing, [`Qemu::start`] says so.

pub mod generate;

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Where the instructions are, on both sides.
pub const CODE: u64 = 0x4000_0000;
/// Where the memory that they use is, on both sides.
pub const DATA: u64 = 0x5000_0000;
/// Words of code in a case; shorter code is padded with NOPs.
pub const WORDS: usize = 16;
/// Doublewords of memory in a case.
pub const MEMORY: usize = 128;

/// State before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// The code.
    pub words: [u32; WORDS],
    /// X0 to X30.
    pub x: [u64; 31],
    /// The stack pointer.
    pub sp: u64,
    /// NZCV at bits 31 to 28.
    pub nzcv: u64,
    /// FPCR.
    pub fpcr: u64,
    /// FPSR.
    pub fpsr: u64,
    /// After: 0, or the number of the Linux signal that the code raised.
    pub fault: u64,
    /// V0 to V31.
    pub v: [u128; 32],
    /// Memory at [`DATA`].
    pub memory: [u64; MEMORY],
}

impl State {
    /// Bytes of a state as the runner reads and writes it.
    pub const SIZE: usize = 4 * WORDS + 8 * (31 + 5) + 16 * 32 + 8 * MEMORY;

    /// As the runner has it.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(Self::SIZE);
        self.words
            .iter()
            .for_each(|word| out.extend(word.to_le_bytes()));
        let rest = [self.sp, self.nzcv, self.fpcr, self.fpsr, self.fault];
        self.x
            .iter()
            .chain(&rest)
            .for_each(|value| out.extend(value.to_le_bytes()));
        self.v
            .iter()
            .for_each(|value| out.extend(value.to_le_bytes()));
        self.memory
            .iter()
            .for_each(|value| out.extend(value.to_le_bytes()));
        out
    }

    /// From what the runner wrote.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let word = |at: usize| u32::from_le_bytes(core::array::from_fn(|n| bytes[at + n]));
        let double = |at: usize| u64::from_le_bytes(core::array::from_fn(|n| bytes[at + n]));
        let quad = |at: usize| u128::from_le_bytes(core::array::from_fn(|n| bytes[at + n]));
        let after_words = 4 * WORDS;
        let rest = after_words + 8 * 31;
        let vectors = rest + 8 * 5;
        Self {
            words: core::array::from_fn(|n| word(4 * n)),
            x: core::array::from_fn(|n| double(after_words + 8 * n)),
            sp: double(rest),
            nzcv: double(rest + 8),
            fpcr: double(rest + 16),
            fpsr: double(rest + 24),
            fault: double(rest + 32),
            v: core::array::from_fn(|n| quad(vectors + 16 * n)),
            memory: core::array::from_fn(|n| double(vectors + 16 * 32 + 8 * n)),
        }
    }

    /// What differs between two results, in words.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Vec<String> {
        let mut out = Vec::new();
        let mut check = |name: String, a: u128, b: u128| {
            if a != b {
                out.push(format!("{name}: {a:#x} here, {b:#x} in QEMU"));
            }
        };
        check("fault".into(), self.fault.into(), other.fault.into());
        for (n, (a, b)) in self.x.iter().zip(&other.x).enumerate() {
            check(format!("x{n}"), (*a).into(), (*b).into());
        }
        check("sp".into(), self.sp.into(), other.sp.into());
        check("nzcv".into(), self.nzcv.into(), other.nzcv.into());
        check("fpcr".into(), self.fpcr.into(), other.fpcr.into());
        check("fpsr".into(), self.fpsr.into(), other.fpsr.into());
        for (n, (a, b)) in self.v.iter().zip(&other.v).enumerate() {
            check(format!("v{n}"), *a, *b);
        }
        for (n, (a, b)) in self.memory.iter().zip(&other.memory).enumerate() {
            check(format!("memory+{:#x}", 8 * n), (*a).into(), (*b).into());
        }
        out
    }
}

/// A runner under QEMU.
#[derive(Debug)]
pub struct Qemu(Child);

impl Qemu {
    /// Builds the runner in `folder` and starts it.
    ///
    /// # Errors
    /// In words, what is missing.
    pub fn start(folder: &Path) -> Result<Self, String> {
        let binary = folder.join(format!("oracle-a64-runner-{}", std::process::id()));
        let source = folder.join(format!("oracle-a64-runner-{}.c", std::process::id()));
        std::fs::write(&source, include_str!("../runner.c")).map_err(|error| error.to_string())?;
        let built = Command::new("aarch64-linux-gnu-gcc")
            .args(["-O1", "-static", "-Wl,--defsym=start_of_code=0x40000000"])
            .arg("-Wl,-Ttext-segment=0x3f000000")
            .arg(&source)
            .arg("-o")
            .arg(&binary)
            .status()
            .map_err(|error| format!("aarch64-linux-gnu-gcc: {error}"))?;
        if !built.success() {
            return Err(format!("aarch64-linux-gnu-gcc: {built}"));
        }
        let child = Command::new("qemu-aarch64")
            .args(["-cpu", "max,pauth=off"])
            .arg(&binary)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let child = child.map_err(|error| format!("qemu-aarch64: {error}"))?;
        Ok(Self(child))
    }

    /// Runs cases; answers their results in order.
    ///
    /// # Errors
    /// If the runner ended.
    pub fn run(&mut self, cases: &[State]) -> Result<Vec<State>, String> {
        let (Some(input), Some(output)) = (self.0.stdin.as_mut(), self.0.stdout.as_mut()) else {
            return Err("the runner has no pipes".into());
        };
        let mut results = Vec::with_capacity(cases.len());
        let mut bytes = vec![0; State::SIZE];
        // Few enough at a time for a pipe to hold.
        for some in cases.chunks(16) {
            for case in some {
                input
                    .write_all(&case.to_bytes())
                    .map_err(|error| error.to_string())?;
            }
            input.flush().map_err(|error| error.to_string())?;
            for case in some {
                output
                    .read_exact(&mut bytes)
                    .map_err(|error| format!("{error}, after {:08x?}", case.words))?;
                results.push(State::from_bytes(&bytes));
            }
        }
        Ok(results)
    }
}

impl Drop for Qemu {
    fn drop(&mut self) {
        // Ends at the end of its input.
        drop(self.0.stdin.take());
        drop(self.0.wait());
    }
}
