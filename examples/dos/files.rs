//! Files of a DOS program: handles, 8.3 names, and the one folder that they all lie in.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::registers::DosError;

/// The first handle that is not one of the five standard ones.
const FIRST: u16 = 5;
/// How many handles a program has, standard ones included.
const HANDLES: usize = 20;

/// What has to be known of an open file to open it again.
#[derive(Debug, Serialize, Deserialize)]
pub struct Open {
    /// Its name inside the folder.
    name: PathBuf,
    /// Where reading or writing goes on, in bytes.
    position: u64,
    /// Whether it may be written.
    write: bool,
    /// The file, while the program runs.
    #[serde(skip)]
    file: Option<File>,
}

/// The folder and the open files.
#[derive(Debug)]
pub struct Files {
    root: PathBuf,
    open: Vec<Option<Open>>,
}

impl Files {
    /// No open files, all of them to lie in `root`.
    ///
    /// # Errors
    /// If there is no such folder.
    pub fn new(root: &Path) -> std::io::Result<Self> {
        Ok(Self {
            root: root.canonicalize()?,
            open: Vec::new(),
        })
    }

    /// What a saved state needs to know.
    pub fn save(&mut self) -> Vec<Option<Open>> {
        for open in self.open.iter_mut().flatten() {
            if let Some(file) = &mut open.file {
                open.position = file.stream_position().unwrap_or(open.position);
            }
        }
        let save = |open: &Open| Open {
            name: open.name.clone(),
            position: open.position,
            write: open.write,
            file: None,
        };
        self.open
            .iter()
            .map(|open| open.as_ref().map(save))
            .collect()
    }

    /// Opens again what was open when the state was saved.
    ///
    /// # Errors
    /// Names the file that cannot be opened again.
    pub fn restore(&mut self, saved: Vec<Option<Open>>) -> Result<(), String> {
        if saved.len() > HANDLES {
            return Err(format!(
                "{} open files are more than a DOS program can have",
                saved.len()
            ));
        }
        self.open = saved;
        for at in 0..self.open.len() {
            let Some(open) = &self.open[at] else { continue };
            let (name, write, position) = (open.name.clone(), open.write, open.position);
            let told = |why: &dyn std::fmt::Display| format!("open file {}: {why}", name.display());
            let path = self
                .inside(&name)
                .map_err(|_| told(&"not inside the folder"))?;
            let mut file = OpenOptions::new()
                .read(true)
                .write(write)
                .open(path)
                .map_err(|why| told(&why))?;
            file.seek(SeekFrom::Start(position))
                .map_err(|why| told(&why))?;
            if let Some(open) = &mut self.open[at] {
                open.file = Some(file);
            }
        }
        Ok(())
    }

    /// The host's name of a DOS name: drive letter and leading backslash mean the folder, case does not matter. The
    /// result lies inside the folder, whatever links there are.
    fn locate(&self, dos: &[u8]) -> Result<PathBuf, DosError> {
        let text = std::str::from_utf8(dos).map_err(|_| DosError::FILE_NOT_FOUND)?;
        let text = text
            .get(2..)
            .filter(|_| text.as_bytes().get(1) == Some(&b':'))
            .unwrap_or(text);
        let mut relative = PathBuf::new();
        for part in text
            .split(['\\', '/'])
            .filter(|part| !part.is_empty() && *part != ".")
        {
            if part == ".." || part.contains('\0') {
                return Err(DosError::PATH_NOT_FOUND);
            }
            let folder = self.root.join(&relative);
            let same = |entry: &std::fs::DirEntry| {
                entry
                    .file_name()
                    .to_str()
                    .is_some_and(|name| name.eq_ignore_ascii_case(part))
            };
            let found = folder
                .read_dir()
                .ok()
                .and_then(|mut entries| entries.find_map(|entry| entry.ok().filter(same)));
            relative.push(found.map_or_else(|| part.into(), |entry| entry.file_name()));
        }
        if relative.as_os_str().is_empty() {
            return Err(DosError::FILE_NOT_FOUND);
        }
        Ok(relative)
    }

    /// The full path of a name inside the folder, checked against links that lead out of it.
    fn inside(&self, relative: &Path) -> Result<PathBuf, DosError> {
        let path = self.root.join(relative);
        let parent = path.parent().ok_or(DosError::PATH_NOT_FOUND)?;
        let parent = parent
            .canonicalize()
            .map_err(|_| DosError::PATH_NOT_FOUND)?;
        let name = path.file_name().ok_or(DosError::PATH_NOT_FOUND)?;
        let full = parent.join(name);
        // A link as last part is followed before the check, so that it cannot lead out either.
        let real = if full.symlink_metadata().is_ok() {
            full.canonicalize().map_err(|why| DosError::of(&why))?
        } else {
            full
        };
        if real.starts_with(&self.root) {
            Ok(real)
        } else {
            Err(DosError::ACCESS_DENIED)
        }
    }

    fn add(&mut self, name: PathBuf, write: bool, file: File) -> Result<u16, DosError> {
        let slot = self
            .open
            .iter()
            .position(Option::is_none)
            .unwrap_or(self.open.len());
        if slot + usize::from(FIRST) >= HANDLES {
            return Err(DosError::TOO_MANY_OPEN_FILES);
        }
        if slot == self.open.len() {
            self.open.push(None);
        }
        self.open[slot] = Some(Open {
            name,
            position: 0,
            write,
            file: Some(file),
        });
        Ok(slot as u16 + FIRST)
    }

    /// Makes a file, or empties it (function 3Ch).
    pub fn create(&mut self, dos: &[u8]) -> Result<u16, DosError> {
        let name = self.locate(dos)?;
        let path = self.inside(&name)?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(true)
            .open(path);
        self.add(name, true, file.map_err(|why| DosError::of(&why))?)
    }

    /// Opens a file (function 3Dh): mode 0 reads, 1 and 2 write.
    pub fn open(&mut self, dos: &[u8], mode: u8) -> Result<u16, DosError> {
        let name = self.locate(dos)?;
        let path = self.inside(&name)?;
        let write = mode & 7 != 0;
        let file = OpenOptions::new()
            .read(true)
            .write(write)
            .open(&path)
            .map_err(|why| DosError::of(&why))?;
        if !file.metadata().is_ok_and(|meta| meta.is_file()) {
            return Err(DosError::ACCESS_DENIED);
        }
        self.add(name, write, file)
    }

    fn slot(&mut self, handle: u16) -> Result<&mut Option<Open>, DosError> {
        let at = handle.checked_sub(FIRST).ok_or(DosError::INVALID_HANDLE)?;
        self.open
            .get_mut(usize::from(at))
            .ok_or(DosError::INVALID_HANDLE)
    }

    fn file(&mut self, handle: u16) -> Result<&mut File, DosError> {
        self.slot(handle)?
            .as_mut()
            .and_then(|open| open.file.as_mut())
            .ok_or(DosError::INVALID_HANDLE)
    }

    /// Closes a file (function 3Eh). Closing a standard handle does nothing.
    pub fn close(&mut self, handle: u16) -> Result<(), DosError> {
        if handle < FIRST {
            return Ok(());
        }
        self.slot(handle)?
            .take()
            .map(|_| ())
            .ok_or(DosError::INVALID_HANDLE)
    }

    /// Reads up to `count` bytes (function 3Fh).
    pub fn read(&mut self, handle: u16, count: u16) -> Result<Vec<u8>, DosError> {
        let mut bytes = Vec::new();
        let file = self.file(handle)?;
        file.take(count.into())
            .read_to_end(&mut bytes)
            .map_err(|why| DosError::of(&why))?;
        Ok(bytes)
    }

    /// Writes (function 40h); no bytes at all cut the file off where it stands.
    pub fn write(&mut self, handle: u16, bytes: &[u8]) -> Result<(), DosError> {
        let file = self.file(handle)?;
        let done = match bytes {
            [] => file.stream_position().and_then(|end| file.set_len(end)),
            bytes => file.write_all(bytes),
        };
        done.map_err(|_| DosError::ACCESS_DENIED)
    }

    /// Moves (function 42h): `from` is 0 for the start, 1 for here, 2 for the end. Answers the new place.
    pub fn seek(&mut self, handle: u16, from: u8, distance: i32) -> Result<u32, DosError> {
        let to = match from {
            0 => SeekFrom::Start(u64::from(distance as u32)),
            1 => SeekFrom::Current(distance.into()),
            2 => SeekFrom::End(distance.into()),
            _ => return Err(DosError::INVALID_FUNCTION),
        };
        let place = self
            .file(handle)?
            .seek(to)
            .map_err(|_| DosError::INVALID_FUNCTION)?;
        u32::try_from(place).map_err(|_| DosError::INVALID_FUNCTION)
    }

    /// Deletes a file (function 41h).
    pub fn delete(&mut self, dos: &[u8]) -> Result<(), DosError> {
        let path = self.inside(&self.locate(dos)?)?;
        std::fs::remove_file(path).map_err(|why| DosError::of(&why))
    }

    /// The files in a folder whose names match a pattern with `?` and `*`, as name and size, sorted.
    pub fn find(&self, pattern: &[u8]) -> Result<Vec<(String, u32)>, DosError> {
        let at = pattern
            .iter()
            .rposition(|&byte| matches!(byte, b'\\' | b'/' | b':'))
            .map_or(0, |at| at + 1);
        let (folder, pattern) = pattern.split_at(at);
        let folder = match self.locate(folder) {
            Ok(relative) => self
                .inside(&relative)
                .map_err(|_| DosError::PATH_NOT_FOUND)?,
            Err(DosError::FILE_NOT_FOUND) => self.root.clone(),
            Err(error) => return Err(error),
        };
        let mut found: Vec<_> = folder
            .read_dir()
            .map_err(|_| DosError::PATH_NOT_FOUND)?
            .filter_map(Result::ok)
            .filter_map(|entry| {
                Some((
                    entry.file_name().to_str()?.to_ascii_uppercase(),
                    entry.metadata().ok()?,
                ))
            })
            .filter(|(name, meta)| {
                meta.is_file() && short(name) && matches(pattern, name.as_bytes())
            })
            .map(|(name, meta)| (name, u32::try_from(meta.len()).unwrap_or(u32::MAX)))
            .collect();
        found.sort();
        Ok(found)
    }
}

/// Whether a name fits eight and three letters.
fn short(name: &str) -> bool {
    let (base, extension) = name.split_once('.').unwrap_or((name, ""));
    name.is_ascii()
        && (1..=8).contains(&base.len())
        && extension.len() <= 3
        && !extension.contains('.')
}

/// Whether a DOS pattern matches an upper-case name: base and extension are compared as fields filled up with blanks.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    fields(pattern)
        .iter()
        .zip(fields(name))
        .all(|(&want, got)| want == b'?' || want.to_ascii_uppercase() == got)
}

/// A name or pattern as the eleven letters of a directory entry; `*` fills its field with `?`.
fn fields(name: &[u8]) -> [u8; 11] {
    let mut fields = [b' '; 11];
    let dot = name
        .iter()
        .position(|&byte| byte == b'.')
        .unwrap_or(name.len());
    let extension = name.get(dot + 1..).unwrap_or(&[]);
    for (part, range) in [(&name[..dot], 0..8), (extension, 8..11)] {
        let field = &mut fields[range];
        match part.iter().position(|&byte| byte == b'*') {
            Some(star) => {
                field.fill(b'?');
                let star = star.min(field.len());
                field[..star].copy_from_slice(&part[..star]);
            }
            None => {
                let len = part.len().min(field.len());
                field[..len].copy_from_slice(&part[..len]);
            }
        }
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder() -> (PathBuf, Files) {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("xhv-dos-{}-{number}", std::process::id()));
        std::fs::create_dir_all(path.join("sub")).unwrap();
        let files = Files::new(&path).unwrap();
        (path, files)
    }

    #[test]
    fn names_stay_inside() {
        let (path, mut files) = folder();
        for name in [
            "..\\x",
            "C:\\..\\x",
            "sub/../../x",
            "sub\\..\\..\\etc\\passwd",
        ] {
            assert_eq!(
                files.open(name.as_bytes(), 0),
                Err(DosError::PATH_NOT_FOUND),
                "{name}"
            );
        }
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/", path.join("OUT")).unwrap();
            std::os::unix::fs::symlink("/etc/hostname", path.join("HOST.TXT")).unwrap();
            assert!(files.open(b"out\\etc\\hostname", 0).is_err());
            assert!(files.open(b"host.txt", 0).is_err());
            assert!(files.create(b"host.txt").is_err());
        }
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn reads_what_it_wrote() {
        let (path, mut files) = folder();
        let handle = files.create(b"C:\\Sub\\A.TXT").unwrap();
        files.write(handle, b"hello world").unwrap();
        assert_eq!(files.seek(handle, 2, -5), Ok(6));
        assert_eq!(files.read(handle, 100).unwrap(), b"world");
        files.close(handle).unwrap();
        assert_eq!(files.close(handle), Err(DosError::INVALID_HANDLE));
        assert_eq!(files.read(4711, 1), Err(DosError::INVALID_HANDLE));
        assert_eq!(
            files.find(b"sub\\*.*").unwrap(),
            [("A.TXT".to_string(), 11)]
        );
        let handle = files.open(b"SUB\\a.txt", 0).unwrap();
        assert_eq!(files.write(handle, b"x"), Err(DosError::ACCESS_DENIED));
        files.read(handle, 6).unwrap();
        let saved = files.save();
        let mut again = Files::new(&path).unwrap();
        again.restore(saved).unwrap();
        assert_eq!(again.read(handle, 5).unwrap(), b"world");
        std::fs::remove_dir_all(path).unwrap();
    }

    #[test]
    fn patterns() {
        for (pattern, name, same) in [
            ("*.*", "A.TXT", true),
            ("*", "A", true),
            ("*", "A.TXT", false),
            ("a?c.t*", "ABC.TXT", true),
            ("a?c.t*", "ABCD.TXT", false),
            ("ab*.txt", "ABCDEFGH.TXT", true),
        ] {
            assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                same,
                "{pattern} {name}"
            );
        }
        assert!(
            short("ABCDEFGH.TXT") && !short("ABCDEFGHI.TXT") && !short(".X") && !short("A.B.C")
        );
    }
}
