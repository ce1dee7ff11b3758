//! Runs single x86-64 instructions natively, in this process: the truth that the software engine is tested against.
//!
//! [`Oracle`] owns three fixed ranges of low memory: the state, a page of code and some pages of data that the instruction may use. It
//! loads all general registers, RFLAGS and the XSAVE state, jumps to the code, and stores all of them again. There is no signal
//! handler: do not run what faults. Exists on x86-64 Linux only; elsewhere the crate is empty.
#![cfg(all(target_arch = "x86_64", target_os = "linux"))]
#![allow(unsafe_code)] // Maps memory at fixed addresses and runs machine code: that is what it is for.

pub mod narrow;

use core::arch::naked_asm;
use std::sync::{Mutex, MutexGuard};

/// Where the state lies: in the low 2 GiB, so that `mov [address], register` reaches it.
const STATE_AT: usize = 0x2000_0000;
/// Where the code lies; it is at most [`CODE_LEN`] bytes long.
pub const CODE_AT: u64 = 0x2010_0000;
/// Room for the code.
pub const CODE_LEN: usize = 64;
/// Where the data lies that instructions may read and write.
pub const DATA_AT: u64 = 0x2020_0000;
/// Bytes of data.
pub const DATA_LEN: usize = 0x4000;
/// Bytes of the XSAVE area (standard format): legacy, header, AVX upper halves.
pub const XSAVE_LEN: usize = 832;

/// General registers in the order of their numbers, RFLAGS, and the XSAVE area: x87, SSE, and AVX where the host has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub struct State {
    /// The XSAVE area in standard format.
    pub xsave: [u8; XSAVE_LEN],
    /// RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 to R15.
    pub gpr: [u64; 16],
    /// RFLAGS.
    pub rflags: u64,
    host_rsp: u64,
    exit: u64,
    code: u64,
}

impl Default for State {
    fn default() -> Self {
        let mut xsave = [0; XSAVE_LEN];
        xsave[..2].copy_from_slice(&0x37f_u16.to_le_bytes());
        xsave[24..28].copy_from_slice(&0x1f80_u32.to_le_bytes());
        // XSTATE_BV: x87, SSE, AVX.
        xsave[512] = 7;
        let mut gpr = [0; 16];
        gpr[4] = DATA_AT + DATA_LEN as u64 / 2;
        Self {
            xsave,
            gpr,
            rflags: 2,
            host_rsp: 0,
            exit: 0,
            code: 0,
        }
    }
}

/// The right to run code: one at a time.
#[derive(Debug)]
pub struct Oracle {
    _alone: MutexGuard<'static, ()>,
}

static ALONE: Mutex<()> = Mutex::new(());

impl Oracle {
    /// Maps the ranges (the first time) and waits for its turn.
    ///
    /// # Errors
    /// The host's error if the fixed addresses cannot be mapped.
    pub fn new() -> std::io::Result<Self> {
        static MAPPED: Mutex<bool> = Mutex::new(false);
        let alone = ALONE
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut mapped = MAPPED
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        if !*mapped {
            let rw = libc::PROT_READ | libc::PROT_WRITE;
            map(STATE_AT, 0x1000, rw)?;
            map(CODE_AT as usize, 0x1000, rw | libc::PROT_EXEC)?;
            map(DATA_AT as usize, DATA_LEN, rw)?;
            *mapped = true;
        }
        Ok(Self { _alone: alone })
    }

    /// Replaces the data.
    pub fn set_data(&mut self, data: &[u8; DATA_LEN]) {
        // SAFETY: `new` has mapped these bytes, and only the holder of the lock uses them.
        unsafe { core::ptr::copy(data.as_ptr(), DATA_AT as *mut u8, DATA_LEN) };
    }

    /// The data now.
    #[must_use]
    pub fn data(&self) -> Box<[u8; DATA_LEN]> {
        let mut data = Box::new([0; DATA_LEN]);
        // SAFETY: `new` has mapped these bytes, and only the holder of the lock uses them.
        unsafe { core::ptr::copy(DATA_AT as *const u8, data.as_mut_ptr(), DATA_LEN) };
        data
    }

    /// Runs `code` on `state` and answers the state behind it.
    ///
    /// # Safety
    /// The code must fall through to its end without a fault, and write nothing but registers and the data range. RSP may be anything, if the code does
    /// not use it: signals must be blocked or have an alternate stack then.
    ///
    /// # Panics
    /// If the code is longer than [`CODE_LEN`].
    pub unsafe fn run(&mut self, code: &[u8], state: &State) -> State {
        assert!(code.len() <= CODE_LEN, "too much code");
        let mut bytes = [0_u8; CODE_LEN + 8];
        bytes[..code.len()].copy_from_slice(code);
        // jmp qword ptr [exit]
        bytes[code.len()..code.len() + 3].copy_from_slice(&[0xff, 0x24, 0x25]);
        let exit = (STATE_AT + core::mem::offset_of!(State, exit)) as u32;
        bytes[code.len() + 3..code.len() + 7].copy_from_slice(&exit.to_le_bytes());
        let mut here = state.clone();
        here.exit = leave as *const () as usize as u64;
        here.code = CODE_AT;
        // Bits that must not be set: TF, and those that a process cannot change.
        here.rflags = state.rflags & 0xcd5 | 2;
        let place = STATE_AT as *mut State;
        // SAFETY: `new` has mapped a page there, large enough and aligned for a `State`; nobody else uses it.
        unsafe { place.write(here) };
        // SAFETY: `new` has mapped a page there, and the length is checked above.
        unsafe { core::ptr::copy(bytes.as_ptr(), CODE_AT as *mut u8, bytes.len()) };
        // SAFETY: state and code are in place; the caller vouches for the code.
        unsafe { enter() };
        // SAFETY: as above.
        let mut after = unsafe { place.read() };
        after.host_rsp = state.host_rsp;
        after.exit = state.exit;
        after.code = state.code;
        after
    }
}

fn map(at: usize, len: usize, protection: i32) -> std::io::Result<()> {
    // SAFETY: MAP_FIXED_NOREPLACE maps nothing over what exists.
    let got = unsafe {
        libc::mmap(
            at as *mut libc::c_void,
            len,
            protection,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_FIXED_NOREPLACE,
            -1,
            0,
        )
    };
    if got as usize == at {
        Ok(())
    } else {
        Err(std::io::Error::last_os_error())
    }
}

const GPR: usize = STATE_AT + core::mem::offset_of!(State, gpr);
const RFLAGS: usize = STATE_AT + core::mem::offset_of!(State, rflags);
const CODE: usize = STATE_AT + core::mem::offset_of!(State, code);
const HOST_RSP: usize = STATE_AT + core::mem::offset_of!(State, host_rsp);

/// Loads the state and jumps to the code.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter() {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "sub rsp, 24",
        "stmxcsr [rsp]",
        "fnstcw [rsp + 8]",
        "mov [{host_rsp}], rsp",
        "mov eax, 7",
        "xor edx, edx",
        "xrstor64 [{state}]",
        "push qword ptr [{rflags}]",
        "popfq",
        "mov rax, [{gpr}]",
        "mov rcx, [{gpr} + 8]",
        "mov rdx, [{gpr} + 16]",
        "mov rbx, [{gpr} + 24]",
        "mov rsp, [{gpr} + 32]",
        "mov rbp, [{gpr} + 40]",
        "mov rsi, [{gpr} + 48]",
        "mov rdi, [{gpr} + 56]",
        "mov r8, [{gpr} + 64]",
        "mov r9, [{gpr} + 72]",
        "mov r10, [{gpr} + 80]",
        "mov r11, [{gpr} + 88]",
        "mov r12, [{gpr} + 96]",
        "mov r13, [{gpr} + 104]",
        "mov r14, [{gpr} + 112]",
        "mov r15, [{gpr} + 120]",
        "jmp [{code}]",
        host_rsp = const HOST_RSP,
        state = const STATE_AT,
        rflags = const RFLAGS,
        gpr = const GPR,
        code = const CODE,
    )
}

/// Stores the state; the code jumps here.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "mov [{gpr}], rax",
        "mov [{gpr} + 8], rcx",
        "mov [{gpr} + 16], rdx",
        "mov [{gpr} + 24], rbx",
        "mov [{gpr} + 32], rsp",
        "mov [{gpr} + 40], rbp",
        "mov [{gpr} + 48], rsi",
        "mov [{gpr} + 56], rdi",
        "mov [{gpr} + 64], r8",
        "mov [{gpr} + 72], r9",
        "mov [{gpr} + 80], r10",
        "mov [{gpr} + 88], r11",
        "mov [{gpr} + 96], r12",
        "mov [{gpr} + 104], r13",
        "mov [{gpr} + 112], r14",
        "mov [{gpr} + 120], r15",
        "mov rsp, [{host_rsp}]",
        "pushfq",
        "pop qword ptr [{rflags}]",
        "mov eax, 7",
        "xor edx, edx",
        "xsave64 [{state}]",
        // Leave the host's own floating point as it was.
        "fninit",
        "fldcw [rsp + 8]",
        "ldmxcsr [rsp]",
        "cld",
        "add rsp, 24",
        "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx",
        "ret",
        host_rsp = const HOST_RSP,
        state = const STATE_AT,
        rflags = const RFLAGS,
        gpr = const GPR,
    )
}

/// Random numbers for tests (xorshift64*): the same sequence for the same seed.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence; the seed must not be zero.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed.max(1))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        (u128::from(self.bits()) * u128::from(end) >> 64) as u64
    }

    /// An operand that finds edges: random bits, small numbers, powers of two, their neighbours, extremes.
    pub fn operand(&mut self) -> u64 {
        let bit = 1_u64 << self.below(64);
        match self.below(8) {
            0 => self.below(256),
            1 => self.below(256).wrapping_neg(),
            2 => bit,
            3 => bit.wrapping_sub(1),
            4 => bit.wrapping_neg(),
            5 => [
                0,
                !0,
                1 << 63,
                !0 >> 1,
                0x8000_0000,
                0x7fff_ffff,
                0x8080_8080,
                0x7f,
            ][self.below(8) as usize],
            _ => self.bits(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_runs_an_addition() {
        let mut oracle = Oracle::new().unwrap();
        let mut state = State::default();
        state.gpr[0] = !0;
        state.gpr[15] = 1;
        // add rax, r15
        // SAFETY: an addition of registers.
        let after = unsafe { oracle.run(&[0x4c, 0x01, 0xf8], &state) };
        assert_eq!(after.gpr[0], 0);
        assert_eq!(after.rflags & 0x8d5, 0x55);
        assert_eq!(after.gpr[1..], state.gpr[1..]);
    }

    #[test]
    fn memory_and_vectors_come_back() {
        let mut oracle = Oracle::new().unwrap();
        let mut data = [0; DATA_LEN];
        data[0x10] = 7;
        oracle.set_data(&data);
        let mut state = State::default();
        state.gpr[3] = DATA_AT;
        state.xsave[160] = 3; // XMM0
        // SAFETY: inc byte ptr [rbx + 16]; movaps xmm1, xmm0: the address is in the data range.
        let after = unsafe { oracle.run(&[0xfe, 0x43, 0x10, 0x0f, 0x28, 0xc8], &state) };
        assert_eq!(oracle.data()[0x10], 8);
        assert_eq!(after.xsave[176], 3);
    }
}
