//! The command line, and the program that it names: an ELF file or a flat image.

use std::path::{Path, PathBuf};

use object::Endianness;
use object::elf::{FileHeader64, PT_LOAD};
use object::read::elf::{FileHeader, ProgramHeader};

const USAGE: &str = "usage: gdb x86_64|aarch64 [--port N] [--cpus N] [--at ADDRESS] PROGRAM";
/// More make no sense with one stack of 64 KiB each in this memory map.
const MOST_CPUS: usize = 8;

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub struct Options {
    pub architecture: String,
    pub port: u16,
    pub cpus: usize,
    /// Where a flat image goes.
    pub at: Option<u64>,
    pub program: PathBuf,
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

impl Options {
    /// From the words behind the program's name.
    pub fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut options = Self {
            architecture: String::new(),
            port: 0,
            cpus: 1,
            at: None,
            program: PathBuf::new(),
        };
        while let Some(word) = words.next() {
            let mut value = |what: &str, most: u64| {
                let text = words.next().unwrap_or_default();
                let found = number(&text).filter(|&found| found <= most);
                found.ok_or(format!("{word} {text}: not {what}\n{USAGE}"))
            };
            match word.as_str() {
                "--port" => options.port = value("a port", 0xffff)? as u16,
                "--cpus" => {
                    options.cpus = value("a number of CPUs, 8 at most", MOST_CPUS as u64)? as usize;
                }
                "--at" => options.at = Some(value("an address", u64::MAX)?),
                option if option.starts_with("--") => {
                    return Err(format!("{option}: no such option\n{USAGE}"));
                }
                "x86_64" | "aarch64" if options.architecture.is_empty() => {
                    options.architecture = word;
                }
                _ if options.program.as_os_str().is_empty() => options.program = word.into(),
                _ => return Err(format!("{word}: there is a program already\n{USAGE}")),
            }
        }
        if options.architecture.is_empty() || options.program.as_os_str().is_empty() {
            return Err(USAGE.to_owned());
        }
        options.cpus = options.cpus.max(1);
        Ok(options)
    }
}

/// A program as it goes into memory.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    pub entry: u64,
    /// Address and bytes; what a segment has beyond its bytes is zero, as new memory is.
    pub parts: Vec<(u64, Vec<u8>)>,
}

impl Image {
    /// Reads a file.
    pub fn load(path: &Path, flat: u64, machine: u16) -> Result<Self, String> {
        let bytes = std::fs::read(path).map_err(|why| format!("{}: {why}", path.display()))?;
        if !bytes.starts_with(b"\x7fELF") {
            return Ok(Self {
                entry: flat,
                parts: vec![(flat, bytes)],
            });
        }
        Self::from_elf(&bytes, machine).map_err(|why| format!("{}: {why}", path.display()))
    }

    fn from_elf(bytes: &[u8], machine: u16) -> Result<Self, String> {
        let words = |error: object::Error| error.to_string();
        let header = FileHeader64::<Endianness>::parse(bytes).map_err(words)?;
        let endian = header.endian().map_err(words)?;
        if !matches!(endian, Endianness::Little) || header.e_machine(endian) != machine {
            return Err("an ELF file for another processor".to_owned());
        }
        let mut parts = Vec::new();
        for segment in header.program_headers(endian, bytes).map_err(words)? {
            if segment.p_type(endian) != PT_LOAD {
                continue;
            }
            let data = segment
                .data(endian, bytes)
                .map_err(|()| "a segment lies outside of the file".to_owned())?;
            parts.push((segment.p_paddr(endian), data.to_vec()));
        }
        Ok(Self {
            entry: header.e_entry(endian),
            parts,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options, String> {
        Options::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn command_lines() {
        let options = parse("aarch64 --cpus 2 --port 1234 --at 0x40001000 a.bin").unwrap();
        assert_eq!(
            (options.cpus, options.port, options.at),
            (2, 1234, Some(0x4000_1000))
        );
        for (line, why) in [
            ("", "usage"),
            ("x86_64", "usage"),
            ("riscv a.elf", "usage"),
            ("x86_64 a b", "there is a program already"),
            ("x86_64 --port 99999 a", "not a port"),
            ("x86_64 --cpus 9 a", "not a number of CPUs"),
            ("x86_64 --bogus a", "no such option"),
        ] {
            let error = parse(line).unwrap_err();
            assert!(error.contains(why), "{line}: {error}");
        }
    }

    #[test]
    fn damaged_programs_are_refused() {
        assert!(Image::from_elf(b"\x7fELF", 62).is_err());
        let mut elf = vec![0; 64];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (elf[18], elf[52]) = (62, 64);
        elf[6] = 1;
        elf[20] = 1;
        assert_eq!(Image::from_elf(&elf, 62).unwrap().parts, []);
        assert!(
            Image::from_elf(&elf, 183)
                .unwrap_err()
                .contains("another processor")
        );
        // Program headers beyond the end.
        (elf[33], elf[54], elf[56]) = (0xff, 56, 1);
        assert!(Image::from_elf(&elf, 62).is_err());
    }
}
