//! The few instructions that touch host memory on behalf of a guest.
//!
//! A guest's other vCPUs and the VMM may access the same bytes at the same time: that is what guest memory is. Plain accesses are single
//! host instructions where the size allows; the guest's memory order is at least the host's (on hosts that order less than
//! x86, aligned accesses acquire and release). Locked accesses are host atomics.
#![allow(unsafe_code)] // The home of host pointers: each function says what its pointer has to be.

use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

/// An unsigned integer that guest code loads and stores whole.
pub(crate) trait Scalar:
    Copy + Eq + Default + core::fmt::Debug + Send + Sync + 'static
{
    /// Size in bytes.
    const SIZE: u64;

    /// Loads from host memory at any alignment.
    ///
    /// # Safety
    /// `from` must point to `SIZE` readable bytes of a live mapping of guest memory.
    unsafe fn load(from: *const u8) -> Self;

    /// Stores to host memory at any alignment.
    ///
    /// # Safety
    /// `to` must point to `SIZE` writable bytes of a live mapping of guest memory.
    unsafe fn store(to: *mut u8, value: Self);

    /// Replaces `old` by `new` in one atomic step and answers what was there.
    ///
    /// # Safety
    /// `at` must point to `SIZE` writable bytes of a live mapping of guest memory, and be aligned to `SIZE`.
    unsafe fn compare_exchange(at: *mut u8, old: Self, new: Self) -> Self;

    /// From the low bits.
    fn from_u128(value: u128) -> Self;
    /// Zero-extended.
    fn to_u128(self) -> u128;
}

macro_rules! scalar {
    ($($int:ident $atomic:ident;)*) => {$(
        impl Scalar for $int {
            const SIZE: u64 = size_of::<$int>() as u64;

            #[inline(always)]
            unsafe fn load(from: *const u8) -> Self {
                #[cfg(not(target_arch = "x86_64"))]
                if from.cast::<$int>().is_aligned() {
                    // SAFETY: aligned, and the caller says that the bytes are there.
                    return unsafe { $atomic::from_ptr(from.cast_mut().cast()) }.load(Ordering::Acquire);
                }
                // SAFETY: the caller says that the bytes are there.
                unsafe { from.cast::<$int>().read_unaligned() }
            }

            #[inline(always)]
            unsafe fn store(to: *mut u8, value: Self) {
                #[cfg(not(target_arch = "x86_64"))]
                if to.cast::<$int>().is_aligned() {
                    // SAFETY: aligned, and the caller says that the bytes are there.
                    return unsafe { $atomic::from_ptr(to.cast()) }.store(value, Ordering::Release);
                }
                // SAFETY: the caller says that the bytes are there.
                unsafe { to.cast::<$int>().write_unaligned(value) }
            }

            #[inline]
            unsafe fn compare_exchange(at: *mut u8, old: Self, new: Self) -> Self {
                // SAFETY: the caller says that the bytes are there and aligned.
                let atomic = unsafe { $atomic::from_ptr(at.cast()) };
                match atomic.compare_exchange(old, new, Ordering::SeqCst, Ordering::SeqCst) {
                    Ok(was) | Err(was) => was,
                }
            }

            #[inline(always)]
            fn from_u128(value: u128) -> Self {
                value as $int
            }

            #[inline(always)]
            fn to_u128(self) -> u128 {
                self.into()
            }
        }
    )*};
}

scalar! {
    u8 AtomicU8;
    u16 AtomicU16;
    u32 AtomicU32;
    u64 AtomicU64;
}

impl Scalar for u128 {
    const SIZE: u64 = 16;

    #[inline(always)]
    unsafe fn load(from: *const u8) -> Self {
        // SAFETY: the caller says that the bytes are there.
        unsafe { from.cast::<u128>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(to: *mut u8, value: Self) {
        // SAFETY: the caller says that the bytes are there.
        unsafe { to.cast::<u128>().write_unaligned(value) }
    }

    unsafe fn compare_exchange(at: *mut u8, old: Self, new: Self) -> Self {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("cmpxchg16b") {
            let (mut low, mut high) = (old as u64, (old >> 64) as u64);
            // SAFETY: the CPU has the instruction; the caller says that the bytes are there and aligned. RBX, which the compiler
            // keeps for itself, is exchanged before and after. (`core::arch::x86_64::cmpxchg16b` becomes a library
            // call that does not exist when it is not inlined.)
            unsafe {
                core::arch::asm!(
                    "xchg rbx, rsi",
                    "lock cmpxchg16b [rdi]",
                    "mov rbx, rsi",
                    // Named registers: one of the compiler's choice might be RBX itself.
                    in("rdi") at,
                    inout("rsi") new as u64 => _,
                    in("rcx") (new >> 64) as u64,
                    inout("rax") low,
                    inout("rdx") high,
                    options(nostack),
                );
            }
            return (u128::from(high) << 64) | u128::from(low);
        }
        // No portable 16-byte atomic: such accesses exclude each other.
        static EXCLUSIVE: std::sync::Mutex<()> = std::sync::Mutex::new(());
        let _held = crate::memory::lock(&EXCLUSIVE);
        // SAFETY: the caller says that the bytes are there.
        let was = unsafe { Self::load(at) };
        if was == old {
            // SAFETY: the caller says that the bytes are there.
            unsafe { Self::store(at, new) };
        }
        was
    }

    #[inline(always)]
    fn from_u128(value: u128) -> Self {
        value
    }

    #[inline(always)]
    fn to_u128(self) -> u128 {
        self
    }
}

/// Whether 16 aligned bytes are changed in one step for everybody, and not only for those who change 16 bytes as well.
pub(crate) fn has_wide_atomics() -> bool {
    #[cfg(target_arch = "x86_64")]
    return std::arch::is_x86_feature_detected!("cmpxchg16b");
    #[cfg(not(target_arch = "x86_64"))]
    false
}

/// Loads, changes and stores in one atomic step; answers what was there.
///
/// # Safety
/// As [`Scalar::compare_exchange`].
#[inline(always)]
pub(super) unsafe fn update<T: Scalar>(host: *mut u8, mut change: impl FnMut(T) -> T) -> T {
    // SAFETY: the caller says that the bytes are there.
    let mut old = unsafe { T::load(host) };
    loop {
        // SAFETY: the caller says that the bytes are there and aligned.
        let was = unsafe { T::compare_exchange(host, old, change(old)) };
        if was == old {
            return was;
        }
        old = was;
    }
}
