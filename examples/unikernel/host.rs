//! What a guest's hypercalls get: console, files inside one folder, arguments and environment.

use std::collections::BTreeMap;
use std::io::{Error as Io, ErrorKind, Result as Done, Seek, SeekFrom, Write, stdin, stdout};

use cap_std::fs::{Dir, File, OpenOptions};
use uhyve_interface::v2::parameters::{self as abi, EBADF, EFAULT, EINVAL, EPERM};
use xhv::hermit::{Hypercall, Request};
use xhv::{Error, GuestAccess};

bitflags::bitflags! {
    /// How a file is opened.
    struct Open: i32 {
        const WRITE = abi::O_WRONLY;
        const READ_WRITE = abi::O_RDWR;
        const CREATE = abi::O_CREAT;
        const NEW = abi::O_EXCL;
        const TRUNCATE = abi::O_TRUNC;
        const APPEND = abi::O_APPEND;
    }
}

/// What the vCPUs share. `Dir` is a folder that no path leaves, neither by `..` nor by a symbolic link.
pub struct Host {
    pub folder: Dir,
    pub files: BTreeMap<i32, File>,
    pub arguments: Vec<String>,
    pub environment: Vec<String>,
}

impl Host {
    /// Does a hypercall; answers the exit code if it is that.
    pub fn serve(
        &mut self,
        vcpu: &impl GuestAccess,
        call: Hypercall,
    ) -> Result<Option<i32>, Error> {
        let done = match call.request().clone() {
            Request::Exit { code } => return Ok(Some(code)),
            Request::PrintByte { byte } => stdout().write_all(&[byte]).map(|()| 1),
            Request::Print { from, size }
            | Request::Write {
                fd: 1 | 2,
                from,
                size,
            } => vcpu.copy_to(from, size, &mut stdout()),
            Request::Write { fd, from, size } => self
                .file(fd)
                .and_then(|file| vcpu.copy_to(from, size, file)),
            Request::Read { fd: 0, to, size } => vcpu.copy_from(to, size, &mut stdin()),
            Request::Read { fd, to, size } => self
                .file(fd)
                .and_then(|file| vcpu.copy_from(to, size, file)),
            Request::Seek { fd, offset, whence } => self.seek(fd, offset, whence),
            Request::Open { path, flags, .. } => self.open(&path, Open::from_bits_retain(flags)),
            Request::Close { fd: 0..3 } => Ok(0),
            Request::Close { fd } => self
                .file(fd)
                .map(|_| 0)
                .inspect(|_| drop(self.files.remove(&fd))),
            Request::Unlink { path } => self.folder.remove_file(inside(&path)).map(|()| 0),
            Request::CommandLine | Request::CommandLineSizes => {
                call.finish_command_line(vcpu, &self.arguments, &self.environment)?;
                return Ok(None);
            }
            other => {
                let what = format!("a hypercall that is not done here: {other:?}");
                return Err(Error::Guest { what });
            }
        };
        call.finish(vcpu, done.map_err(|why| number(&why)))?;
        Ok(None)
    }

    fn file(&mut self, fd: i32) -> Done<&mut File> {
        self.files
            .get_mut(&fd)
            .ok_or_else(|| Io::from_raw_os_error(EBADF))
    }

    fn seek(&mut self, fd: i32, offset: i64, whence: i32) -> Done<u64> {
        let place = match whence {
            abi::SEEK_SET => SeekFrom::Start(offset as u64),
            abi::SEEK_CUR => SeekFrom::Current(offset),
            abi::SEEK_END => SeekFrom::End(offset),
            _ => return Err(Io::from_raw_os_error(EINVAL)),
        };
        self.file(fd)?.seek(place)
    }

    fn open(&mut self, path: &str, flags: Open) -> Done<u64> {
        let has = |flag| flags.contains(flag);
        let mut how = OpenOptions::new();
        how.read(!has(Open::WRITE))
            .write(has(Open::WRITE) || has(Open::READ_WRITE));
        how.append(has(Open::APPEND)).truncate(has(Open::TRUNCATE));
        how.create(has(Open::CREATE))
            .create_new(has(Open::CREATE) && has(Open::NEW));
        let file = self.folder.open_with(inside(path), &how)?;
        let fd = self.files.last_key_value().map_or(3, |last| last.0 + 1);
        self.files.insert(fd, file);
        Ok(fd as u64)
    }
}

/// A guest's path as one in the folder, which is mounted at /root.
fn inside(path: &str) -> &str {
    path.strip_prefix("/root/")
        .unwrap_or(path.trim_start_matches('/'))
}

/// The guest's number for an error. Most are the same everywhere.
fn number(why: &Io) -> i32 {
    match why.kind() {
        ErrorKind::PermissionDenied => EPERM,
        _ => why.raw_os_error().unwrap_or(EFAULT),
    }
}
