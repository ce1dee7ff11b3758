//! Hypervisor.framework on Apple silicon behind the seam's names: every function makes its one C call, and decides nothing.
//!
//! `vm.rs` has the VM and its GIC, `vcpu.rs` the vCPU.
#![allow(unsafe_code)] // Calls C functions; each call argues for its pointers.

mod vcpu;
mod vm;

pub(crate) use vcpu::Vcpu;
pub(crate) use vm::Vm;

use crate::error::Code;

/// Calls an FFI function whose last parameter is an out pointer, and answers what it stored there.
macro_rules! get {
    ($function:ident($($argument:expr),* $(,)?): $type:ty) => {{
        let mut value: $type = Default::default();
        // SAFETY: the out pointer is a place of the type that the table gives, and lives past the call; the other
        // arguments are plain numbers or objects that the caller holds.
        let code = unsafe { $crate::aarch64::ffi::$function($($argument,)* &raw mut value) };
        $crate::error::Code(code).result().map(|()| value)
    }};
}

/// Calls an FFI function whose arguments are plain numbers or objects that the caller holds.
macro_rules! call {
    ($function:ident($($argument:expr),* $(,)?)) => {{
        // SAFETY: no argument is a pointer into memory of ours.
        let code = unsafe { $crate::aarch64::ffi::$function($($argument),*) };
        $crate::error::Code(code).result()
    }};
}

use {call, get};

unsafe extern "C" {
    /// libSystem: gives up a reference to an OS object.
    fn os_release(object: *mut core::ffi::c_void);
}

/// An OS object of the framework with one reference, which goes away with this.
struct Object<T>(*mut T);

impl<T> Object<T> {
    /// What a `create` function answered: null is out of resources.
    fn new(object: *mut T) -> Result<Self, Code> {
        if object.is_null() {
            return Err(Code::NO_RESOURCES);
        }
        Ok(Self(object))
    }
}

impl<T> Drop for Object<T> {
    fn drop(&mut self) {
        // SAFETY: a `create` function gave the reference that this gives back.
        unsafe { os_release(self.0.cast()) };
    }
}
