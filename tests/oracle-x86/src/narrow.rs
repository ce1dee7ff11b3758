//! Runs 16-bit and 32-bit protected-mode code natively, in segments of this process's LDT, until it faults: the whole state behind it, and
//! the fault's vector and error code. Neighbour of `lib`, which runs 64-bit code that does not fault.
//!
//! All memory that the code can reach through the LDT's segments is one arena at a fixed address. The end of every run is a fault or trap, which comes
//! back as a signal: fill what lies around the code with INT3.

use core::arch::naked_asm;
use std::sync::MutexGuard;

/// Where the arena lies.
pub const ARENA_AT: u64 = 0x2030_0000;
/// Its length: 64 KiB of code, 64 KiB of data, 64 KiB of stack.
pub const ARENA_LEN: usize = 0x3_0000;
const STATE_AT: usize = 0x2001_0000;

/// A descriptor of the LDT as `modify_ldt` takes it; the accessed bit and DPL 3 come by themselves.
#[derive(Clone, Copy, Debug)]
pub struct Descriptor {
    /// Base, relative to the arena.
    pub base: u32,
    /// Limit in bytes, or in pages if [`Descriptor::pages`].
    pub limit: u32,
    /// D or B.
    pub big: bool,
    /// 0 data, 1 data that expands down, 2 code, 3 conforming code (absent only).
    pub contents: u8,
    /// Data that cannot be written, code that cannot be read.
    pub closed: bool,
    /// G.
    pub pages: bool,
    /// P.
    pub present: bool,
}

impl Descriptor {
    /// The descriptor's eight bytes, as the kernel puts them into the LDT.
    #[must_use]
    pub fn bits(&self) -> u64 {
        let (base, limit) = (ARENA_AT + u64::from(self.base), u64::from(self.limit));
        let kind = 1 | u64::from(!self.closed) << 1 | u64::from(self.contents) << 2;
        let rights = kind
            | 0x70
            | u64::from(self.present) << 7
            | 1 << 12 // available to software
            | u64::from(self.big) << 14
            | u64::from(self.pages) << 15;
        limit & 0xffff
            | (base & 0xff_ffff) << 16
            | rights << 40
            | (limit >> 16 & 15) << 48
            | (base >> 24 & 0xff) << 56
    }
}

/// The LDT, from entry 0.
pub const LDT: [Option<Descriptor>; 13] = {
    const DATA: Descriptor = Descriptor {
        base: 0x1_0000,
        limit: 0xffff,
        big: true,
        contents: 0,
        closed: false,
        pages: false,
        present: true,
    };
    const CODE: Descriptor = Descriptor {
        base: 0,
        contents: 2,
        ..DATA
    };
    const STACK: Descriptor = Descriptor {
        base: 0x2_0000,
        ..DATA
    };
    [
        None,
        Some(Descriptor { big: false, ..CODE }),
        Some(CODE),
        Some(DATA),
        Some(Descriptor {
            limit: 0x7fff,
            big: false,
            ..DATA
        }),
        Some(Descriptor {
            closed: true,
            ..DATA
        }),
        Some(Descriptor {
            contents: 1,
            limit: 0xfff,
            big: false,
            ..DATA
        }),
        Some(Descriptor {
            big: false,
            ..STACK
        }),
        Some(STACK),
        Some(Descriptor {
            closed: true,
            ..CODE
        }),
        Some(Descriptor {
            contents: 3,
            present: false,
            ..CODE
        }),
        Some(Descriptor {
            present: false,
            ..DATA
        }),
        Some(Descriptor {
            limit: 3,
            pages: true,
            ..DATA
        }),
    ]
};

/// The selector of an entry of the [`LDT`] with privilege level 3.
#[must_use]
pub const fn selector(entry: u16) -> u16 {
    entry << 3 | 7
}

/// Registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct State {
    /// EAX, ECX, EDX, EBX, ESP, EBP, ESI, EDI.
    pub gpr: [u64; 8],
    /// EFLAGS.
    pub flags: u64,
    /// EIP.
    pub ip: u64,
    /// ES, CS, SS, DS, FS, GS. FS is the host's and not loaded.
    pub seg: [u16; 6],
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Fault {
    /// Vector of the exception.
    pub vector: u64,
    /// Its error code, or zero.
    pub error: u64,
}

/// What lies at [`STATE_AT`]. The machine code below knows the offsets.
#[repr(C)]
struct Place {
    state: State,
    host_rsp: u64,
    /// Far pointer: offset and selector.
    target: u32,
    target_cs: u16,
    running: u16,
    fault: Fault,
}

/// The right to run code: one at a time.
#[derive(Debug)]
pub struct Narrow {
    _alone: MutexGuard<'static, ()>,
    old: Vec<(i32, libc::sigaction)>,
    old_stack: libc::stack_t,
    _stack: Vec<u8>,
}

const SIGNALS: [i32; 5] = [
    libc::SIGSEGV,
    libc::SIGILL,
    libc::SIGTRAP,
    libc::SIGBUS,
    libc::SIGFPE,
];

impl Narrow {
    /// Makes the LDT and takes the signals until it is dropped.
    ///
    /// # Errors
    /// The host's error if it has no LDT, or if the fixed addresses cannot be mapped.
    pub fn new() -> std::io::Result<Self> {
        use std::sync::{Mutex, PoisonError};
        static MAPPED: Mutex<bool> = Mutex::new(false);
        let alone = super::ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let mut mapped = MAPPED.lock().unwrap_or_else(PoisonError::into_inner);
        if !*mapped {
            let rw = libc::PROT_READ | libc::PROT_WRITE;
            super::map(STATE_AT, 0x1000, rw)?;
            super::map(ARENA_AT as usize, ARENA_LEN, rw | libc::PROT_EXEC)?;
            for (entry, descriptor) in LDT.iter().enumerate() {
                if let Some(descriptor) = descriptor {
                    install(entry as u32, descriptor)?;
                }
            }
            *mapped = true;
        }
        let mut stack = vec![0_u8; 1 << 16];
        let own = libc::stack_t {
            ss_sp: stack.as_mut_ptr().cast(),
            ss_flags: 0,
            ss_size: stack.len(),
        };
        let mut old_stack = libc::stack_t {
            ss_sp: core::ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: the stack lives as long as the value, whose drop takes it back.
        unsafe { libc::sigaltstack(&own, &mut old_stack) };
        let old = SIGNALS.map(|signal| (signal, take(signal))).to_vec();
        Ok(Self {
            _alone: alone,
            old,
            old_stack,
            _stack: stack,
        })
    }

    /// Writes into the arena.
    ///
    /// # Panics
    /// If the bytes do not lie inside.
    pub fn write(&mut self, at: usize, bytes: &[u8]) {
        assert!(at + bytes.len() <= ARENA_LEN, "outside of the arena");
        let to = (ARENA_AT as usize + at) as *mut u8;
        // SAFETY: `new` has mapped the arena, the bytes lie inside, and only the holder of the lock uses it.
        unsafe { core::ptr::copy(bytes.as_ptr(), to, bytes.len()) };
    }

    /// The arena's content.
    #[must_use]
    pub fn arena(&self) -> &[u8] {
        // SAFETY: `new` has mapped the arena, and nobody writes to it while `self` is borrowed.
        unsafe { core::slice::from_raw_parts(ARENA_AT as *const u8, ARENA_LEN) }
    }

    /// Runs from `state` to the fault that ends it.
    ///
    /// # Safety
    /// The code must reach nothing but the arena, make no system call, load no FS, and get to a fault.
    pub unsafe fn run(&mut self, state: &State) -> (State, Fault) {
        let place = STATE_AT as *mut Place;
        let start = Place {
            state: *state,
            host_rsp: 0,
            target: state.ip as u32,
            target_cs: state.seg[1],
            running: 1,
            fault: Fault::default(),
        };
        // SAFETY: `new` has mapped a page there; nobody else uses it.
        unsafe { place.write(start) };
        // SAFETY: the state is in place; the caller vouches for the code.
        unsafe { enter() };
        // SAFETY: as above.
        let after = unsafe { place.read() };
        (after.state, after.fault)
    }
}

impl Drop for Narrow {
    fn drop(&mut self) {
        for (signal, old) in &self.old {
            // SAFETY: `old` is what `sigaction` gave for this signal.
            unsafe { libc::sigaction(*signal, old, core::ptr::null_mut()) };
        }
        // SAFETY: what `sigaltstack` gave for this thread: the value is not `Send`.
        unsafe { libc::sigaltstack(&self.old_stack, core::ptr::null_mut()) };
    }
}

fn install(entry: u32, descriptor: &Descriptor) -> std::io::Result<()> {
    let flags = u32::from(descriptor.big)
        | u32::from(descriptor.contents) << 1
        | u32::from(descriptor.closed) << 3
        | u32::from(descriptor.pages) << 4
        | u32::from(!descriptor.present) << 5
        | 1 << 6;
    let base = ARENA_AT as u32 + descriptor.base;
    let described = [entry, base, descriptor.limit, flags];
    // SAFETY: function 0x11 writes one entry from a `user_desc` of this size.
    let done = unsafe { libc::syscall(libc::SYS_modify_ldt, 0x11, described.as_ptr(), 16_usize) };
    // The kernel answers with 32 bits.
    match done as i32 {
        0 => Ok(()),
        error => Err(std::io::Error::from_raw_os_error(-error)),
    }
}

fn take(signal: i32) -> libc::sigaction {
    // SAFETY: all zero is a valid `sigaction`.
    let mut old: libc::sigaction = unsafe { core::mem::zeroed() };
    let mut new = old;
    new.sa_sigaction = entry as *const () as usize;
    new.sa_flags = libc::SA_SIGINFO | libc::SA_ONSTACK | libc::SA_NODEFER;
    // SAFETY: the handler has the type that SA_SIGINFO asks for.
    unsafe { libc::sigaction(signal, &new, &mut old) };
    old
}

/// The handler: clears AC, which the kernel leaves as it was, and goes on in `on_signal`.
#[unsafe(naked)]
extern "C" fn entry(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    naked_asm!(
        "pushfq",
        "and dword ptr [rsp], {mask}",
        "popfq",
        "jmp {on_signal}",
        mask = const !0x4_0000_i32,
        on_signal = sym on_signal,
    )
}

/// Saves the state, and makes the return from the signal lead to `leave`.
extern "C" fn on_signal(signal: i32, _: *mut libc::siginfo_t, context: *mut libc::c_void) {
    use libc::{REG_CSGSFS, REG_EFL, REG_ERR, REG_RIP, REG_RSP, REG_TRAPNO};
    // SAFETY: the kernel gives a `ucontext_t` to a handler with SA_SIGINFO.
    let context = unsafe { &mut *context.cast::<libc::ucontext_t>() };
    // SAFETY: `Narrow::new` has mapped the place before it took the signal.
    let place = unsafe { &mut *(STATE_AT as *mut Place) };
    if place.running == 0 {
        // Not ours: what it would have done comes when the instruction is repeated.
        // SAFETY: the default action is a valid one.
        unsafe { libc::signal(signal, libc::SIG_DFL) };
        return;
    }
    place.running = 0;
    let registers = &mut context.uc_mcontext.gregs;
    let order = [
        libc::REG_RAX,
        libc::REG_RCX,
        libc::REG_RDX,
        libc::REG_RBX,
        libc::REG_RSP,
        libc::REG_RBP,
        libc::REG_RSI,
        libc::REG_RDI,
    ];
    for (to, from) in place.state.gpr.iter_mut().zip(order) {
        *to = registers[from as usize] as u64;
    }
    place.state.flags = registers[REG_EFL as usize] as u64;
    place.state.ip = registers[REG_RIP as usize] as u64;
    let selectors = registers[REG_CSGSFS as usize] as u64;
    place.state.seg = [0, selectors as u16, (selectors >> 48) as u16, 0, 0, 0];
    let (mut es, mut ds, mut gs): (u16, u16, u16);
    // SAFETY: reads segment registers, which the kernel does not touch, and clears them: 64-bit code uses none of them.
    unsafe {
        core::arch::asm!(
            "mov {es:x}, es", "mov {ds:x}, ds", "mov {gs:x}, gs",
            "xor {zero:e}, {zero:e}",
            "mov es, {zero:x}", "mov ds, {zero:x}", "mov gs, {zero:x}",
            es = out(reg) es, ds = out(reg) ds, gs = out(reg) gs, zero = out(reg) _,
            options(nostack),
        );
    }
    (place.state.seg[0], place.state.seg[3], place.state.seg[5]) = (es, ds, gs);
    place.fault = Fault {
        vector: registers[REG_TRAPNO as usize] as u64,
        error: registers[REG_ERR as usize] as u64,
    };
    registers[REG_RIP as usize] = leave as *const () as usize as i64;
    registers[REG_RSP as usize] = place.host_rsp as i64;
    registers[REG_EFL as usize] = 0x202;
    // CS 33H and SS 2BH are those of every 64-bit process.
    registers[REG_CSGSFS as usize] = 0x2b << 48 | 0x33;
}

const AT: usize = STATE_AT;
const SEG: usize = AT + core::mem::offset_of!(State, seg);
const FLAGS: usize = AT + core::mem::offset_of!(State, flags);
const HOST_RSP: usize = AT + core::mem::offset_of!(Place, host_rsp);
const TARGET: usize = AT + core::mem::offset_of!(Place, target);

/// Loads the state and jumps to the code.
#[unsafe(naked)]
unsafe extern "sysv64" fn enter() {
    naked_asm!(
        "push rbx", "push rbp", "push r12", "push r13", "push r14", "push r15",
        "mov [{host_rsp}], rsp",
        "push qword ptr [{flags}]",
        "popfq",
        "mov es, word ptr [{seg}]",
        "mov ds, word ptr [{seg} + 6]",
        "mov gs, word ptr [{seg} + 10]",
        "mov rax, [{gpr}]",
        "mov rcx, [{gpr} + 8]",
        "mov rdx, [{gpr} + 16]",
        "mov rbx, [{gpr} + 24]",
        "mov rbp, [{gpr} + 40]",
        "mov rsi, [{gpr} + 48]",
        "mov rdi, [{gpr} + 56]",
        "mov ss, word ptr [{seg} + 4]",
        "mov rsp, [{gpr} + 32]",
        // jmp m16:32 [target]
        ".byte 0xff, 0x2c, 0x25",
        ".long {target}",
        host_rsp = const HOST_RSP,
        flags = const FLAGS,
        seg = const SEG,
        gpr = const AT,
        target = const TARGET,
    )
}

/// Goes back to the caller of `enter`: the signal handler has set RSP.
#[unsafe(naked)]
unsafe extern "sysv64" fn leave() {
    naked_asm!(
        "cld", "pop r15", "pop r14", "pop r13", "pop r12", "pop rbp", "pop rbx", "ret",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ES, CS, SS, DS, FS, GS.
    fn start(code: u16) -> State {
        let mut state = State {
            flags: 0x202,
            ip: 0x100,
            seg: [selector(3), selector(code), selector(7), selector(3), 0, 0],
            ..State::default()
        };
        state.gpr[4] = 0x8000;
        state
    }

    #[test]
    fn sizes_are_those_of_the_segment() {
        let mut narrow = Narrow::new().unwrap();
        // mov ax, 1234h; inc eax; int3: in 32-bit code the bytes are mov eax, 66401234h …
        narrow.write(0x100, &[0xb8, 0x34, 0x12, 0x66, 0x40, 0xcc, 0xcc]);
        // SAFETY: the code above.
        let (state, fault) = unsafe { narrow.run(&start(1)) };
        assert_eq!((fault.vector, state.gpr[0], state.ip), (3, 0x1235, 0x106));
        // SAFETY: the code above.
        let (state, fault) = unsafe { narrow.run(&start(2)) };
        assert_eq!((fault.vector, state.gpr[0]), (3, 0x4066_1234));
    }

    #[test]
    fn faults_come_with_their_error_code() {
        let mut narrow = Narrow::new().unwrap();
        // mov ds, ax
        narrow.write(0x100, &[0x8e, 0xd8, 0xcc]);
        let mut state = start(2);
        state.gpr[0] = selector(11).into();
        // SAFETY: the code above.
        let (after, fault) = unsafe { narrow.run(&state) };
        assert_eq!(
            (fault.vector, fault.error),
            (11, u64::from(selector(11) & !3))
        );
        assert_eq!(after.ip, 0x100);
        assert_eq!(after.seg, state.seg);
    }

    #[test]
    fn alignment_checks_are_met() {
        let mut narrow = Narrow::new().unwrap();
        let mut state = start(2);
        state.flags |= 1 << 18;
        narrow.write(0x100, &[0x90, 0xcc]);
        // SAFETY: NOP and INT3.
        let (after, fault) = unsafe { narrow.run(&state) };
        assert_eq!((fault.vector, after.ip), (3, 0x102));
        // mov eax, [ebx]
        narrow.write(0x100, &[0x8b, 0x03, 0xcc]);
        state.gpr[3] = 0x21;
        // SAFETY: the code above.
        let (after, fault) = unsafe { narrow.run(&state) };
        assert_eq!((fault.vector, fault.error, after.ip), (17, 0, 0x100));
    }
}
