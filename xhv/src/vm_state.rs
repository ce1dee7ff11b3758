//! A whole machine in two files: JSON with the vCPUs, and beside it the memory, without pages that are zero. Shared by both architectures.

use std::fs::{self, File};
use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::guest_memory::{Gpa, Mapping};
use crate::memory::{Memory, Permissions, host_page_size};

/// Bytes in a page of the memory file.
const PAGE: u64 = 4096;
/// Most that a file may ask for, so that a damaged one cannot take all of the host's memory.
const MOST: u64 = 1 << 42;

/// A machine: its vCPUs, its memory, and whatever else its client wants to keep with them (devices, a clock).
#[derive(Debug, Clone)]
pub struct VmState<V> {
    /// The vCPUs, in the order of their ids.
    pub vcpus: Vec<V>,
    /// The memory.
    pub memory: Vec<SavedMemory>,
    /// The client's own part, as it likes.
    pub extra: serde_json::Value,
}

/// A mapped range.
#[derive(Debug, Clone)]
pub struct SavedMemory {
    /// Where it is mapped.
    pub gpa: Gpa,
    /// What the guest may do.
    pub permissions: Permissions,
    /// The contents.
    pub memory: Memory,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<V> {
    format: String,
    version: u32,
    vcpus: Vec<V>,
    memory: MemoryHeader,
    #[serde(default)]
    extra: serde_json::Value,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct MemoryHeader {
    /// Name of the file, beside the JSON.
    file: String,
    /// FNV-1a of the file, 64 bits.
    checksum: String,
    ranges: Vec<Range>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Range {
    gpa: String,
    size: String,
    permissions: String,
    /// Runs of pages that are not zero: the first and how many. Their bytes follow each other in the file.
    pages: Vec<(u64, u64)>,
}

const FORMAT: &str = "xhv-vm";
const VERSION: u32 = 1;

fn damaged(place: impl Into<String>, why: impl Into<String>) -> Error {
    Error::Snapshot {
        place: place.into(),
        why: why.into(),
    }
}

fn file_error(path: &Path, error: &std::io::Error) -> Error {
    damaged(path.display().to_string(), error.to_string())
}

/// FNV-1a, 64 bits.
struct Checksum(u64);

impl Checksum {
    fn new() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }

    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn text(&self) -> String {
        format!("{:#018x}", self.0)
    }
}

impl<V: Serialize + DeserializeOwned> VmState<V> {
    /// The state of a machine with these vCPUs and mappings. Memory is not copied: keep the vCPUs stopped until it is written.
    #[must_use]
    pub fn new(vcpus: Vec<V>, mappings: &[Mapping]) -> Self {
        let memory = mappings.iter().filter_map(|mapping| {
            // A part of a memory is saved as a memory of its own.
            Some(SavedMemory {
                gpa: mapping.gpa,
                permissions: mapping.permissions,
                memory: whole(mapping)?,
            })
        });
        Self {
            vcpus,
            memory: memory.collect(),
            extra: serde_json::Value::Null,
        }
    }

    /// Writes the JSON to `path`, and the memory beside it as `path` with `.mem` added. Both appear under their names only when they are complete.
    ///
    /// # Errors
    /// [`Error::Snapshot`] with the file and what is wrong with it.
    pub fn write(&self, path: &Path) -> Result<(), Error> {
        let memory_path = with_suffix(path, ".mem");
        let partial = with_suffix(&memory_path, ".partial");
        let (ranges, checksum) = self
            .write_memory(&partial)
            .map_err(|error| file_error(&partial, &error))?;
        let name = memory_path
            .file_name()
            .map(|name| name.to_string_lossy().into_owned());
        let header = Header {
            format: FORMAT.to_owned(),
            version: VERSION,
            vcpus: self.vcpus.iter().collect::<Vec<&V>>(),
            memory: MemoryHeader {
                file: name.unwrap_or_default(),
                checksum,
                ranges,
            },
            extra: self.extra.clone(),
        };
        let json = serde_json::to_string_pretty(&header)
            .map_err(|error| damaged("", error.to_string()))?;
        let partial_json = with_suffix(path, ".partial");
        fs::write(&partial_json, json).map_err(|error| file_error(&partial_json, &error))?;
        fs::rename(&partial, &memory_path).map_err(|error| file_error(&memory_path, &error))?;
        fs::rename(&partial_json, path).map_err(|error| file_error(path, &error))
    }

    fn write_memory(&self, path: &Path) -> std::io::Result<(Vec<Range>, String)> {
        let mut file = BufWriter::new(File::create(path)?);
        let mut checksum = Checksum::new();
        let mut ranges = Vec::new();
        for saved in &self.memory {
            let mut pages: Vec<(u64, u64)> = Vec::new();
            let mut page = [0; PAGE as usize];
            for number in 0..saved.memory.size() / PAGE {
                saved
                    .memory
                    .read(number * PAGE, &mut page)
                    .map_err(std::io::Error::other)?;
                if page.iter().all(|byte| *byte == 0) {
                    continue;
                }
                checksum.add(&page);
                file.write_all(&page)?;
                match pages.last_mut() {
                    Some((first, count)) if *first + *count == number => *count += 1,
                    _ => pages.push((number, 1)),
                }
            }
            ranges.push(Range {
                gpa: format!("{:#x}", saved.gpa.0),
                size: format!("{:#x}", saved.memory.size()),
                permissions: letters(saved.permissions),
                pages,
            });
        }
        file.into_inner()?.sync_all()?;
        Ok((ranges, checksum.text()))
    }

    /// Reads what [`VmState::write`] wrote, into new memory.
    ///
    /// # Errors
    /// [`Error::Snapshot`] that says where a file is damaged or truncated, or that it is of another kind, version or architecture;
    /// [`Error::Memory`] if the host has not enough.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| file_error(path, &error))?;
        let header: Header<V> = serde_json::from_str(&text).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            damaged(format!("line {line}, column {column}"), error.to_string())
        })?;
        if header.format != FORMAT || header.version != VERSION {
            let Header {
                format, version, ..
            } = header;
            return Err(damaged(
                "format",
                format!(
                    "this is `{format}` version {version}, and `{FORMAT}` version {VERSION} is read"
                ),
            ));
        }
        Ok(Self {
            memory: read_memory(path, &header.memory)?,
            vcpus: header.vcpus,
            extra: header.extra,
        })
    }
}

/// All of the memory behind a mapping, or a copy of the part that is mapped.
fn whole(mapping: &Mapping) -> Option<Memory> {
    if mapping.offset == 0 && mapping.size == mapping.memory.size() {
        return Some(mapping.memory.clone());
    }
    let copy = Memory::new(mapping.size.next_multiple_of(host_page_size())).ok()?;
    let mut page = [0; PAGE as usize];
    for at in (0..mapping.size).step_by(PAGE as usize) {
        mapping.memory.read(mapping.offset + at, &mut page).ok()?;
        if page.iter().any(|byte| *byte != 0) {
            copy.write(at, &page).ok()?;
        }
    }
    Some(copy)
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn letters(permissions: Permissions) -> String {
    [
        (Permissions::READ, 'r'),
        (Permissions::WRITE, 'w'),
        (Permissions::EXECUTE, 'x'),
    ]
    .iter()
    .filter(|(bit, _)| permissions.contains(*bit))
    .map(|(_, letter)| *letter)
    .collect()
}

fn permissions(text: &str) -> Option<Permissions> {
    text.chars()
        .try_fold(Permissions::empty(), |known, letter| {
            Some(
                known
                    | match letter {
                        'r' => Permissions::READ,
                        'w' => Permissions::WRITE,
                        'x' => Permissions::EXECUTE,
                        _ => return None,
                    },
            )
        })
}

fn hex(text: &str, place: &str) -> Result<u64, Error> {
    let digits = text.strip_prefix("0x");
    let value = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok());
    value.ok_or_else(|| {
        damaged(
            place,
            format!("`{text}` is no hexadecimal number like 0x1f"),
        )
    })
}

fn read_memory(path: &Path, header: &MemoryHeader) -> Result<Vec<SavedMemory>, Error> {
    if header.file.contains(['/', '\\']) || header.file == ".." {
        return Err(damaged("memory.file", "the memory lies beside the JSON"));
    }
    let file_path = path.with_file_name(&header.file);
    let mut file = File::open(&file_path).map_err(|error| file_error(&file_path, &error))?;
    let mut checksum = Checksum::new();
    let mut memories = Vec::new();
    for (at, range) in header.ranges.iter().enumerate() {
        let place = |name: &str| format!("memory.ranges[{at}].{name}");
        let size = hex(&range.size, &place("size"))?;
        if size > MOST {
            return Err(damaged(
                place("size"),
                format!("{size:#x} bytes are too many"),
            ));
        }
        let memory = Memory::new(size)?;
        for &(first, count) in &range.pages {
            let fits = first
                .checked_add(count)
                .is_some_and(|end| end <= size / PAGE);
            if !fits {
                return Err(damaged(
                    place("pages"),
                    format!("{count} pages from {first} on are beyond the end"),
                ));
            }
            for number in first..first + count {
                let mut page = [0; PAGE as usize];
                file.read_exact(&mut page)
                    .map_err(|error| file_error(&file_path, &error))?;
                checksum.add(&page);
                memory.write(number * PAGE, &page)?;
            }
        }
        memories.push(SavedMemory {
            gpa: Gpa(hex(&range.gpa, &place("gpa"))?),
            permissions: permissions(&range.permissions)
                .ok_or_else(|| damaged(place("permissions"), "letters are r, w and x"))?,
            memory,
        });
    }
    let behind = file
        .read(&mut [0])
        .map_err(|error| file_error(&file_path, &error))?;
    if behind != 0 || checksum.text() != header.checksum {
        return Err(damaged(
            file_path.display().to_string(),
            format!(
                "the checksum is {}, and {} is expected",
                checksum.text(),
                header.checksum
            ),
        ));
    }
    Ok(memories)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> VmState<u32> {
        let memory = Memory::new(64 * PAGE).unwrap();
        memory.write(3 * PAGE + 5, b"three").unwrap();
        memory.write(4 * PAGE, b"four").unwrap();
        memory.write(63 * PAGE, b"last").unwrap();
        VmState {
            vcpus: vec![7],
            memory: vec![SavedMemory {
                gpa: Gpa(0x10_0000),
                permissions: Permissions::READ | Permissions::WRITE,
                memory,
            }],
            extra: serde_json::json!({"clock": "0x5"}),
        }
    }

    fn folder(name: &str) -> PathBuf {
        let folder = std::env::temp_dir().join(format!("xhv-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn files_are_sparse_and_whole() {
        let folder = folder("files");
        let path = folder.join("vm.json");
        state().write(&path).unwrap();
        assert_eq!(
            fs::metadata(folder.join("vm.json.mem")).unwrap().len(),
            3 * PAGE
        );
        let read = VmState::<u32>::read(&path).unwrap();
        assert_eq!((read.vcpus, read.memory.len()), (vec![7], 1));
        assert_eq!(read.extra["clock"], "0x5");
        let saved = &read.memory[0];
        assert_eq!(
            (saved.gpa, saved.memory.size()),
            (Gpa(0x10_0000), 64 * PAGE)
        );
        assert_eq!(letters(saved.permissions), "rw");
        let mut word = [0; 5];
        saved.memory.read(3 * PAGE + 5, &mut word).unwrap();
        assert_eq!(&word, b"three");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn damage_is_told_with_its_place() {
        let folder = folder("damage");
        let path = folder.join("vm.json");
        state().write(&path).unwrap();
        let json = fs::read_to_string(&path).unwrap();
        let memory = fs::read(folder.join("vm.json.mem")).unwrap();
        let cases = [
            ("xhv-vm", "xhv-em", "format"),
            ("\"0x40000\"", "\"0x4000\"", "memory.ranges[0].pages"),
            ("\"0x40000\"", "\"0xffffffffffff\"", "memory.ranges[0].size"),
            ("\"0x100000\"", "\"1\"", "memory.ranges[0].gpa"),
            ("\"rw\"", "\"rq\"", "memory.ranges[0].permissions"),
            ("vm.json.mem", "../vm.json.mem", "memory.file"),
            ("\"vcpus\"", "\"vcpu\"", "line 4"),
        ];
        for (from, to, place) in cases {
            fs::write(&path, json.replace(from, to)).unwrap();
            let told = VmState::<u32>::read(&path).unwrap_err().to_string();
            assert!(told.contains(place), "{told}");
        }
        fs::write(&path, &json).unwrap();
        for (name, bytes) in [
            ("cut", &memory[..5000]),
            ("grown", &[&memory[..], &[1]].concat()),
        ] {
            fs::write(folder.join("vm.json.mem"), bytes).unwrap();
            assert!(VmState::<u32>::read(&path).is_err(), "{name}");
        }
        let mut flipped = memory.clone();
        flipped[100] ^= 1;
        fs::write(folder.join("vm.json.mem"), flipped).unwrap();
        let told = VmState::<u32>::read(&path).unwrap_err().to_string();
        assert!(told.contains("checksum"), "{told}");
        fs::remove_dir_all(folder).unwrap();
    }
}
