//! Guest memory as its owner sees it: host bytes that a VM maps, read and written without references into them.
//!
//! A guest may write the bytes at any time, so nothing here hands out a `&` or `&mut` to them.
#![allow(unsafe_code)] // Owns the host mapping behind guest memory and copies in and out of it through raw pointers.

use core::fmt;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::error::Error;

bitflags::bitflags! {
    /// What a guest may do with mapped memory (`hv_memory_flags_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    pub struct Permissions: u64 {
        /// Data reads.
        const READ = 1;
        /// Data writes.
        const WRITE = 2;
        /// Instruction fetches.
        const EXECUTE = 4;
        /// Everything: ordinary RAM.
        const ALL = 7;
    }
}

/// Bytes in a page of the finest bookkeeping, on every host.
pub(crate) const PAGE: u64 = 4096;
/// Bytes in a line of the code map.
pub(crate) const CODE_LINE: u64 = 64;

/// Host memory that a guest can be given: zero-filled, page-aligned, shared by every clone of the handle.
///
/// It is freed when the last handle is dropped; a VM that has it mapped holds one.
#[derive(Clone)]
pub struct Memory(Arc<Inner>);

struct Inner {
    base: NonNull<u8>,
    size: u64,
    owned: bool,
    /// For each 4 KiB page a bit for each 64-byte line that some vCPU of the software engine has decoded code from.
    code: Box<[AtomicU64]>,
    /// Whom to tell when a line with code is written.
    watchers: Mutex<Vec<Weak<dyn CodeWatcher>>>,
}

// SAFETY: `base` points to memory that this struct keeps mapped for its whole life (or that the caller of
// `Memory::from_raw` promised to); all access to it is by copies through raw pointers, from any thread.
unsafe impl Send for Inner {}
// SAFETY: as above; the other fields are `Sync` themselves.
unsafe impl Sync for Inner {}

/// Somebody who holds code decoded from a [`Memory`].
pub(crate) trait CodeWatcher: Send + Sync {
    /// Decoded lines (a bit each) of the page at offset `page` of `memory` (see [`Memory::id`]) were written.
    fn code_changed(&self, memory: usize, page: u64, lines: u64);
}

/// The host's page size in bytes: what sizes and addresses of a [`Memory`] are rounded to.
#[must_use]
pub fn host_page_size() -> u64 {
    // SAFETY: sysconf takes no pointer and has no precondition.
    let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(size).unwrap_or(PAGE)
}

impl Memory {
    /// New zero-filled memory of `size` bytes.
    ///
    /// # Errors
    /// [`Error::Argument`] if `size` is zero or no multiple of the host's page size, [`Error::Memory`] if the host has no more.
    pub fn new(size: u64) -> Result<Self, Error> {
        let page = host_page_size();
        if size == 0 || !size.is_multiple_of(page) || usize::try_from(size).is_err() {
            return Err(Error::Argument {
                call: "Memory::new",
                why: format!(
                    "the size {size:#x} is no positive multiple of the host's page size {page:#x}"
                ),
            });
        }
        // SAFETY: an anonymous private mapping at an address that the host chooses touches nothing that exists.
        let base = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                size as usize,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_NORESERVE,
                -1,
                0,
            )
        };
        match NonNull::new(base.cast::<u8>()) {
            Some(base) if base.as_ptr().cast() != libc::MAP_FAILED => {
                Ok(Self::with(base, size, true))
            }
            _ => Err(Error::Memory {
                size,
                why: std::io::Error::last_os_error().to_string(),
            }),
        }
    }

    /// Memory that somebody else owns.
    ///
    /// # Safety
    /// `base` must be aligned to the host's page size and point to `size` readable and writable bytes that stay so until
    /// the last clone of the result is dropped (a VM that has it mapped holds one), and that nobody accesses through
    /// Rust references meanwhile.
    ///
    /// # Errors
    /// [`Error::Argument`] if `base` or `size` is not aligned to the host's page size or zero.
    pub unsafe fn from_raw(base: *mut u8, size: u64) -> Result<Self, Error> {
        let page = host_page_size();
        let aligned = (base as u64).is_multiple_of(page) && size.is_multiple_of(page) && size != 0;
        match NonNull::new(base) {
            Some(base) if aligned => Ok(Self::with(base, size, false)),
            _ => Err(Error::Argument {
                call: "Memory::from_raw",
                why: format!(
                    "{base:p} and the size {size:#x} have to be positive multiples of the host's page size {page:#x}"
                ),
            }),
        }
    }

    fn with(base: NonNull<u8>, size: u64, owned: bool) -> Self {
        let code = (0..size.div_ceil(PAGE))
            .map(|_| AtomicU64::new(0))
            .collect();
        Self(Arc::new(Inner {
            base,
            size,
            owned,
            code,
            watchers: Mutex::default(),
        }))
    }

    /// The size in bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// The host address of the first byte. Reading or writing through it is the caller's `unsafe` business.
    #[must_use]
    pub fn as_ptr(&self) -> *mut u8 {
        self.0.base.as_ptr()
    }

    /// A number that no other live memory has.
    pub(crate) fn id(&self) -> usize {
        Arc::as_ptr(&self.0) as usize
    }

    /// Copies `out.len()` bytes from `offset` on.
    ///
    /// vCPUs go on running meanwhile, and what they write may be seen in part: also one half of a locked access that crosses 16 aligned
    /// bytes, which is one step only to other vCPUs.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; nothing is copied then.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        let from = self.range(offset, out.len())?;
        // SAFETY: `range` checked that `out.len()` bytes from `from` lie inside the mapping; `out` is another object.
        unsafe { core::ptr::copy(from, out.as_mut_ptr(), out.len()) };
        Ok(())
    }

    /// Copies `bytes` to `offset`. Code that was decoded from there is forgotten.
    ///
    /// # Errors
    /// [`Error::OutOfRange`]; nothing is copied then.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
        let to = self.range(offset, bytes.len())?;
        // SAFETY: `range` checked that `bytes.len()` bytes from `to` lie inside the mapping; `bytes` is another object.
        unsafe { core::ptr::copy(bytes.as_ptr(), to, bytes.len()) };
        self.written(offset, bytes.len() as u64);
        Ok(())
    }

    fn range(&self, offset: u64, len: usize) -> Result<*mut u8, Error> {
        let size = len as u64;
        match offset.checked_add(size) {
            Some(end) if end <= self.0.size => {
                // SAFETY: the offset is inside the mapping, or one past its end for an empty range.
                let place = unsafe { self.0.base.as_ptr().add(offset as usize) };
                Ok(place)
            }
            _ => Err(Error::OutOfRange {
                address: offset,
                size,
            }),
        }
    }

    /// The lines of the page at `offset` that hold decoded code.
    pub(crate) fn code_lines(&self, offset: u64) -> u64 {
        self.0
            .code
            .get((offset / PAGE) as usize)
            .map_or(0, |lines| lines.load(Ordering::SeqCst))
    }

    /// Marks lines of the page at `offset` as code and says which were marked before. `watcher` is told of writes to them.
    pub(crate) fn mark_code(
        &self,
        offset: u64,
        lines: u64,
        watcher: &Weak<dyn CodeWatcher>,
    ) -> u64 {
        let Some(page) = self.0.code.get((offset / PAGE) as usize) else {
            return !0;
        };
        let mut watchers = lock(&self.0.watchers);
        if !watchers.iter().any(|known| Weak::ptr_eq(known, watcher)) {
            watchers.retain(|known| known.strong_count() > 0);
            watchers.push(watcher.clone());
        }
        page.fetch_or(lines, Ordering::SeqCst)
    }

    /// Tells the watchers if `len` bytes at `offset`, just written, held decoded code. Answers whether they did.
    pub(crate) fn written(&self, offset: u64, len: u64) -> bool {
        let Some(last) = len.checked_sub(1).map(|more| offset + more) else {
            return false;
        };
        let mut hit = false;
        for page in offset / PAGE..=last / PAGE {
            let Some(lines) = self.0.code.get(page as usize) else {
                break;
            };
            let marked = lines.load(Ordering::SeqCst);
            if marked == 0 {
                continue;
            }
            let first = offset.max(page * PAGE) % PAGE / CODE_LINE;
            let end = last.min(page * PAGE + PAGE - 1) % PAGE / CODE_LINE;
            let touched = (!0_u64 << first) & (!0_u64 >> (63 - end));
            if marked & touched != 0 {
                hit = true;
                lines.fetch_and(!touched, Ordering::SeqCst);
                for watcher in lock(&self.0.watchers).iter().filter_map(Weak::upgrade) {
                    watcher.code_changed(self.id(), page * PAGE, touched);
                }
            }
        }
        hit
    }
}

/// Locks a mutex whose data stays whole even if a holder panicked.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: `base` and `size` are those of the mapping that `Memory::new` made, and nobody holds it any more.
            unsafe { libc::munmap(self.base.as_ptr().cast(), self.size as usize) };
        }
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memory")
            .field("host", &self.0.base)
            .field("size", &format_args!("{:#x}", self.0.size))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_checked() {
        assert!(matches!(Memory::new(0), Err(Error::Argument { .. })));
        assert!(matches!(Memory::new(5), Err(Error::Argument { .. })));
        assert!(matches!(Memory::new(1 << 62), Err(Error::Memory { .. })));
    }

    #[test]
    fn copies_stay_in_range() {
        let page = host_page_size();
        let memory = Memory::new(page).unwrap();
        memory.write(page - 4, &[1, 2, 3, 4]).unwrap();
        let mut out = [0; 4];
        memory.read(page - 4, &mut out).unwrap();
        assert_eq!(out, [1, 2, 3, 4]);
        assert!(memory.write(page - 3, &[0; 4]).is_err());
        assert!(memory.read(u64::MAX, &mut out).is_err());
        assert!(memory.read(page, &mut []).is_ok());
    }

    #[test]
    fn a_write_to_code_tells_its_watcher_once() {
        #[derive(Default)]
        struct Seen(Mutex<Vec<(u64, u64)>>);
        impl CodeWatcher for Seen {
            fn code_changed(&self, _: usize, page: u64, lines: u64) {
                lock(&self.0).push((page, lines));
            }
        }
        let memory = Memory::new(host_page_size() * 4).unwrap();
        let seen = Arc::new(Seen::default());
        let weak: Weak<dyn CodeWatcher> = Arc::downgrade(&(seen.clone() as Arc<dyn CodeWatcher>));
        assert_eq!(memory.mark_code(PAGE, 0b10, &weak), 0);
        memory.write(PAGE, &[0; 64]).unwrap(); // the line before
        memory.write(PAGE + 128, &[0; 64]).unwrap(); // the line behind
        assert!(lock(&seen.0).is_empty());
        memory.write(PAGE - 1, &[0; 66]).unwrap();
        memory.write(PAGE + 64, &[0; 1]).unwrap();
        assert_eq!(*lock(&seen.0), [(PAGE, 0b11)]);
    }
}
