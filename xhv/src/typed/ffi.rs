//! What generated FFI needs: look-up of newer functions at run time, answers for absent ones, descriptions.
#![allow(unsafe_code)] // `dlsym` is a C function.

#[cfg(target_os = "macos")]
use core::ffi::c_char;
use core::ffi::{CStr, c_void};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::info::{ValueInfo, Version};

/// `HV_UNSUPPORTED`: what an absent function answers.
pub const UNSUPPORTED: i32 = 0xfae9_400f_u32 as i32;

/// The answer of a function that this system does not have.
pub trait Absent {
    /// An error code, zero or a null pointer.
    fn absent() -> Self;
}

impl Absent for i32 {
    fn absent() -> Self {
        UNSUPPORTED
    }
}
impl Absent for () {
    fn absent() {}
}
impl<T> Absent for *mut T {
    fn absent() -> Self {
        core::ptr::null_mut()
    }
}
impl<T> Absent for *const T {
    fn absent() -> Self {
        core::ptr::null()
    }
}
macro_rules! zero {
    ($($int:ident)*) => {$(
        impl Absent for $int {
            fn absent() -> Self {
                0
            }
        }
    )*};
}
zero!(u8 u16 u32 u64 usize);

/// A function newer than the oldest system that xhv supports: looked up at its first use.
#[derive(Debug)]
pub struct Symbol {
    name: &'static CStr,
    /// Null before the look-up, `MISSING` after one that found nothing.
    address: AtomicPtr<c_void>,
}

const MISSING: *mut c_void = core::ptr::without_provenance_mut(1);

impl Symbol {
    /// The symbol `name`.
    pub const fn new(name: &'static CStr) -> Symbol {
        Symbol {
            name,
            address: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// Its address, if this system has it.
    pub fn get(&self) -> Option<*mut c_void> {
        let mut address = self.address.load(Ordering::Acquire);
        if address.is_null() {
            // Threads that race here find the same answer.
            address = look_up(self.name).unwrap_or(MISSING);
            self.address.store(address, Ordering::Release);
        }
        (address != MISSING).then_some(address)
    }
}

#[cfg(target_os = "macos")]
fn look_up(name: &'static CStr) -> Option<*mut c_void> {
    unsafe extern "C" {
        fn dlsym(handle: *mut c_void, symbol: *const c_char) -> *mut c_void;
    }
    const RTLD_DEFAULT: *mut c_void = core::ptr::without_provenance_mut(-2isize as usize);
    // SAFETY: `dlsym` wants a C string, which `CStr` guarantees, and a handle, for which the system header gives this constant.
    let address = unsafe { dlsym(RTLD_DEFAULT, name.as_ptr()) };
    (!address.is_null()).then_some(address)
}

/// The framework exists only there; a function of the same name elsewhere is another one.
#[cfg(not(target_os = "macos"))]
fn look_up(_name: &'static CStr) -> Option<*mut c_void> {
    None
}

/// Which thread may call a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Thread {
    /// Only the thread that created the vCPU.
    Owner,
    /// Any thread.
    Any,
    /// Any thread that has no vCPU: it becomes the vCPU's owner.
    Binds,
    /// The table does not say.
    Unknown,
}

/// A C function.
#[derive(Clone, Copy, Debug)]
pub struct FunctionInfo {
    /// Its C name.
    pub name: &'static str,
    /// Names and types of the parameters, as the table spells them.
    pub parameters: &'static [(&'static str, &'static str)],
    /// Type of the result, as the table spells it; empty for none.
    pub result: &'static str,
    /// First macOS that has it.
    pub since: Version,
    /// Last macOS before it was deprecated.
    pub deprecated: Option<Version>,
    /// Which thread may call it.
    pub thread: Thread,
    /// Whether it is looked up at run time, rather than linked.
    pub looked_up: bool,
    /// What is not verified.
    pub unsure: Option<&'static str>,
    /// One line about it.
    pub doc: &'static str,
    /// Address of the Rust function that calls it.
    pub binding: fn() -> *const (),
    /// Whether this process can call it.
    pub present: fn() -> bool,
}

/// What kind of C type it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TypeKind {
    /// Another name.
    Alias,
    /// Pointer to an object whose layout is not told.
    Opaque,
    /// Vector.
    Vector,
    /// Structure.
    Struct,
    /// Numbers with names.
    Enum,
    /// Bits with names.
    Flags,
}

/// A C type.
#[derive(Clone, Copy, Debug)]
pub struct TypeInfo {
    /// Its C name.
    pub name: &'static str,
    /// What kind it is.
    pub kind: TypeKind,
    /// What the table says it is made of; empty for structures.
    pub underlying: &'static str,
    /// Size in bytes.
    pub size: usize,
    /// Alignment in bytes.
    pub align: usize,
    /// Structures: offset, name, type as spelled, size.
    pub members: &'static [(usize, &'static str, &'static str, usize)],
    /// First macOS whose headers have it.
    pub since: Version,
    /// What is not verified.
    pub unsure: Option<&'static str>,
    /// One line about it.
    pub doc: &'static str,
}

/// A C constant or enumerator.
#[derive(Clone, Copy, Debug)]
pub struct ConstantInfo {
    /// Its type, or the enum that has it; `_` for nameless ones.
    pub of: &'static str,
    /// First macOS whose headers have it.
    pub since: Version,
    /// Name, bits and the rest.
    pub row: ValueInfo,
}
