//! Runs one instruction on the host CPU with a given register state, and hands back what it left.
#![allow(unsafe_code)] // Maps a page, writes machine code into it and calls that.

use std::sync::Mutex;

/// Registers and memory that an instruction may read and write. Offsets are used by the machine code below.
#[repr(C, align(64))]
#[derive(Clone, Debug)]
pub(super) struct Native {
    /// XSAVE area before and after.
    pub(super) before: [u8; 2752],
    pub(super) after: [u8; 2752],
    /// Memory operand, in the middle: indices of gathers may be negative.
    pub(super) memory: [u8; 1024],
    /// RAX, RCX, RDX, RBX, RSI, RDI.
    pub(super) gpr: [u64; 6],
    pub(super) flags: u64,
}

const AFTER: i32 = 2752;
/// Offset of the middle of the memory operand.
pub(super) const MIDDLE: usize = 512;
const MEMORY: i32 = 2 * 2752 + MIDDLE as i32;
const GPR: i32 = 2 * 2752 + 1024;
const FLAGS: i32 = GPR + 48;

impl Native {
    pub(super) fn new() -> Box<Self> {
        Box::new(Self {
            before: [0; 2752],
            after: [0; 2752],
            memory: [0; 1024],
            gpr: [0; 6],
            flags: 0,
        })
    }
}

/// A page of machine code.
pub(super) struct Page(*mut u8);

// SAFETY: the page is only reached through the lock in `run`.
unsafe impl Send for Page {}

const SIZE: usize = 4096;

impl Page {
    pub(super) fn new() -> Mutex<Self> {
        // SAFETY: a new anonymous mapping.
        let page = unsafe {
            libc::mmap(
                core::ptr::null_mut(),
                SIZE,
                libc::PROT_READ | libc::PROT_WRITE | libc::PROT_EXEC,
                libc::MAP_PRIVATE | libc::MAP_ANON,
                -1,
                0,
            )
        };
        assert_ne!(page, libc::MAP_FAILED);
        Mutex::new(Self(page.cast()))
    }

    /// Puts `instruction` between code that loads and code that saves all registers. RBX points to the middle of the memory
    /// operand, as does RDI; R15 is not the instruction's.
    pub(super) fn assemble(&mut self, instruction: &[u8]) {
        let mut code = vec![0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57];
        code.extend([0x49, 0x89, 0xff]); // mov r15, rdi
        code.extend([0xb8, 7, 0, 0, 0, 0x31, 0xd2]); // mov eax, 7; xor edx, edx
        code.extend([0x49, 0x0f, 0xae, 0x2f]); // xrstor64 [r15]
        code.extend([0x41, 0xff, 0xb7]); // push qword [r15 + FLAGS]
        code.extend(FLAGS.to_le_bytes());
        code.push(0x9d); // popfq
        code.extend([0x49, 0x8d, 0x9f]); // lea rbx, [r15 + MEMORY]
        code.extend(MEMORY.to_le_bytes());
        code.extend([0x49, 0x8d, 0xbf]); // lea rdi, [r15 + MEMORY]
        code.extend(MEMORY.to_le_bytes());
        for (n, modrm) in [(0, 0x87), (1, 0x8f), (2, 0x97), (4, 0xb7)] {
            code.extend([0x49, 0x8b, modrm]); // mov rax/rcx/rdx/rsi, [r15 + GPR + 8 n]
            code.extend((GPR + 8 * n).to_le_bytes());
        }
        code.extend(instruction);
        for (n, modrm) in [(0, 0x87), (1, 0x8f), (2, 0x97), (4, 0xb7)] {
            code.extend([0x49, 0x89, modrm]); // mov [r15 + GPR + 8 n], rax/rcx/rdx/rsi
            code.extend((GPR + 8 * n).to_le_bytes());
        }
        code.extend([0x9c, 0x41, 0x8f, 0x87]); // pushfq; pop qword [r15 + FLAGS]
        code.extend(FLAGS.to_le_bytes());
        code.extend([0xb8, 7, 0, 0, 0, 0x31, 0xd2]);
        code.extend([0x49, 0x0f, 0xae, 0xa7]); // xsave64 [r15 + AFTER]
        code.extend(AFTER.to_le_bytes());
        // fninit; mov dword [r15 + FLAGS + 8 - 4 …] is not needed: MXCSR comes back from the stack.
        code.extend([0xdb, 0xe3]);
        code.extend([0x68, 0x80, 0x1f, 0, 0, 0x0f, 0xae, 0x14, 0x24, 0x58]); // push 0x1f80; ldmxcsr [rsp]; pop rax
        code.extend([0xc5, 0xf8, 0x77]); // vzeroupper
        code.extend([
            0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3,
        ]);
        assert!(code.len() < SIZE);
        // SAFETY: the page is ours and large enough.
        unsafe { core::ptr::copy_nonoverlapping(code.as_ptr(), self.0, code.len()) };
    }

    /// Runs the code.
    pub(super) fn run(&mut self, state: &mut Native) {
        // SAFETY: `assemble` wrote a function of this type.
        let code: extern "C" fn(*mut Native) = unsafe { core::mem::transmute(self.0) };
        code(state);
    }
}
