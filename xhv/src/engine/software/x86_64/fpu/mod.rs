//! State of the x87 unit, MMX, SSE and AVX, and the x87 register stack with its exceptions.
//!
//! | file | what |
//! |---|---|
//! | `image` | FXSAVE and XSAVE images of the state |
//! | `load` | loads, constants, conversions from integers and packed decimal |
//! | `store` | conversions to memory formats |
//! | `arith` | arithmetic, comparison, remainder, scaling |
//! | `transcendental` | FSIN, FPATAN, … |
//! | `environment` | FNSTENV, FNSAVE and back, in all their layouts |
//! | `decode`, `memory` | bind all of this to decoded instructions
//!
//! SSE and AVX instructions are in `sse`. What the unit computes with is `software::float`.

mod arith;
mod decode;
mod environment;
mod image;
mod load;
mod memory;
mod store;
mod transcendental;

use crate::engine::software::float::{Env, F80, Flags, Format, NanRule, Rounding};

pub(crate) use arith::{Binary, Fcom};
pub(crate) use decode::{decode, is_x87, opcode, order_flags};
pub(crate) use environment::Layout;
pub(crate) use image::{Component, components, size_of_standard, u128_at};
pub(crate) use load::Constant;
pub(crate) use transcendental::Function;

/// Bits of the x87 status word.
pub(crate) mod status {
    pub(crate) const STACK_FAULT: u16 = 1 << 6;
    /// Error summary, and the busy bit that follows it.
    pub(crate) const SUMMARY: u16 = 1 << 7 | 1 << 15;
    pub(crate) const C0: u16 = 1 << 8;
    pub(crate) const C1: u16 = 1 << 9;
    pub(crate) const C2: u16 = 1 << 10;
    pub(crate) const C3: u16 = 1 << 14;
    pub(crate) const CONDITION: u16 = C0 | C1 | C2 | C3;
}

/// MXCSR after reset: all exceptions masked.
pub(crate) const MXCSR_INIT: u32 = 0x1f80;
/// The bits of MXCSR that exist.
pub(crate) const MXCSR_MASK: u32 = 0xffff;
/// The x87 control word after FNINIT.
pub(crate) const CONTROL_INIT: u16 = 0x37f;
/// The NaN of an invalid operation.
pub(crate) const INDEFINITE: u128 = F80.default_nan(false);

/// The registers of the x87 unit, MMX, SSE and AVX.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct State {
    /// XMM0 to XMM15: the low halves of YMM0 to YMM15.
    pub(crate) xmm: [u128; 16],
    /// The high halves of YMM0 to YMM15.
    pub(crate) high: [u128; 16],
    /// MXCSR.
    pub(crate) mxcsr: u32,
    /// R0 to R7, 80 bits each; the significands are MM0 to MM7.
    pub(crate) st: [u128; 8],
    /// Number of the register that is ST(0).
    pub(crate) top: u8,
    /// Control word.
    pub(crate) control: u16,
    /// Status word, its TOP field zero.
    pub(crate) status: u16,
    /// A bit for each of R0 to R7 that is not empty.
    pub(crate) valid: u8,
    /// FOP: eleven bits of the opcode of the last instruction that raised an unmasked exception.
    pub(crate) opcode: u16,
    /// FIP: the last instruction's address. Images with selectors have 0 for its code segment (CPUID.07H.EBX\[13\]), which is kept
    /// for the linear addresses of real mode.
    pub(crate) ip: u64,
    pub(crate) cs: u16,
    /// FDP: address of the memory operand of the last instruction with one that raised an unmasked exception; its segment is as `cs`.
    pub(crate) dp: u64,
    pub(crate) ds: u16,
}

impl Default for State {
    fn default() -> Self {
        Self {
            xmm: [0; 16],
            high: [0; 16],
            mxcsr: MXCSR_INIT,
            st: [0; 8],
            top: 0,
            control: CONTROL_INIT,
            status: 0,
            valid: 0,
            opcode: 0,
            ip: 0,
            cs: 0,
            dp: 0,
            ds: 0,
        }
    }
}

impl State {
    /// FNINIT: control, status, tags and pointers, but not the registers.
    pub(crate) fn init(&mut self) {
        let registers = State {
            xmm: self.xmm,
            high: self.high,
            mxcsr: self.mxcsr,
            st: self.st,
            ..Self::default()
        };
        *self = registers;
    }

    /// The status word.
    pub(crate) fn status_word(&self) -> u16 {
        self.status | u16::from(self.top & 7) << 11
    }

    /// Replaces the status word; its summary follows from the exceptions and their masks.
    pub(crate) fn set_status_word(&mut self, word: u16) {
        self.top = (word >> 11 & 7) as u8;
        self.status = word & !(7 << 11);
        self.summarize();
    }

    /// Replaces the control word.
    pub(crate) fn set_control(&mut self, word: u16) {
        // Bits 15:13 and 7 are reserved and zero, bit 6 is always one.
        self.control = word & 0x1f7f | 0x40;
        self.summarize();
    }

    fn summarize(&mut self) {
        self.status &= !status::SUMMARY;
        if self.status & !self.control & 0x3f != 0 {
            self.status |= status::SUMMARY;
        }
    }

    /// Whether an unmasked exception is pending: the next waiting instruction raises #MF.
    pub(crate) fn pending(&self) -> bool {
        self.status & status::SUMMARY != 0
    }

    /// The full tag word: two bits a register, 0 valid, 1 zero, 2 special, 3 empty.
    pub(crate) fn tag_word(&self) -> u16 {
        (0..8).fold(0, |word, register| {
            let bits = self.st[register];
            let exponent = (bits >> 64) as u16 & 0x7fff;
            let tag = if self.valid & 1 << register == 0 {
                3
            } else if exponent == 0 && bits as u64 == 0 {
                1
            } else if exponent == 0 || exponent == 0x7fff || bits as u64 >> 63 == 0 {
                2
            } else {
                0
            };
            word | tag << (2 * register)
        })
    }

    /// Takes a full tag word; the unit keeps only which registers are empty.
    pub(crate) fn set_tag_word(&mut self, word: u16) {
        self.valid = (0..8).fold(0, |valid, register| {
            valid | u8::from(word >> (2 * register) & 3 != 3) << register
        });
    }

    fn register(&self, i: u8) -> usize {
        usize::from(self.top.wrapping_add(i) & 7)
    }

    /// ST(i), whatever its tag.
    pub(crate) fn get(&self, i: u8) -> u128 {
        self.st[self.register(i)]
    }

    /// Replaces ST(i) and tags it as not empty.
    pub(crate) fn set(&mut self, i: u8, bits: u128) {
        let register = self.register(i);
        self.st[register] = bits & ((1 << 80) - 1);
        self.valid |= 1 << register;
    }

    /// Whether ST(i) is empty.
    pub(crate) fn is_empty(&self, i: u8) -> bool {
        self.valid & 1 << self.register(i) == 0
    }

    /// Tags ST(i) as empty.
    pub(crate) fn free(&mut self, i: u8) {
        self.valid &= !(1 << self.register(i));
    }

    /// Pops ST(0).
    pub(crate) fn pop(&mut self) {
        self.free(0);
        self.top = self.top.wrapping_add(1) & 7;
    }

    /// Moves TOP without touching tags: FINCSTP, FDECSTP.
    pub(crate) fn rotate(&mut self, by: u8) {
        self.status &= !status::C1;
        self.top = self.top.wrapping_add(by) & 7;
    }

    /// What arithmetic depends on, from the control word.
    pub(crate) fn env(&self) -> Env {
        Env {
            rounding: Rounding::from_rc(u32::from(self.control >> 10)),
            wrap: !(self.control as u8) & (Flags::OVERFLOW.0 | Flags::UNDERFLOW.0),
            nan: NanRule::X87,
            ..Env::default()
        }
    }

    /// The format of results under the control word's precision control.
    pub(crate) fn format(&self) -> Format {
        match self.control >> 8 & 3 {
            0 => F80.rounded_to(24),
            2 => F80.rounded_to(53),
            _ => F80,
        }
    }

    /// Notes what an operation raised. Answers whether its result is to be delivered: not if the exception is found before
    /// the operation and is unmasked.
    pub(crate) fn raise(&mut self, flags: Flags) -> bool {
        let before = flags.sticky() & 7;
        let stops = u16::from(before) & !self.control != 0;
        self.status &= !status::C1;
        self.status |= u16::from(if stops { before } else { flags.sticky() });
        if !stops && flags.has(Flags::ROUNDED_UP) {
            self.status |= status::C1;
        }
        self.summarize();
        !stops
    }

    /// A stack fault. Answers whether it is masked: then the result is [`INDEFINITE`].
    pub(crate) fn stack_fault(&mut self, overflow: bool) -> bool {
        let masked = self.raise(Flags::INVALID);
        self.status |= status::STACK_FAULT;
        if overflow {
            self.status |= status::C1;
        }
        masked
    }

    /// Pushes the result of a load that raised `flags`.
    pub(crate) fn push(&mut self, bits: u128, flags: Flags) {
        let bits = if !self.is_empty(7) {
            if !self.stack_fault(true) {
                return;
            }
            INDEFINITE
        } else if self.raise(flags) || !flags.has(Flags::INVALID) {
            // A load is done even if it raises an unmasked denormal exception.
            bits
        } else {
            return;
        };
        self.top = self.top.wrapping_sub(1) & 7;
        self.set(0, bits);
    }

    /// What every MMX instruction but EMMS does: all registers valid, TOP zero.
    #[inline]
    pub(crate) fn enter_mmx(&mut self) {
        self.top = 0;
        self.valid = 0xff;
    }

    /// MM`i`.
    #[inline]
    pub(crate) fn mm(&self, i: u8) -> u64 {
        self.st[usize::from(i & 7)] as u64
    }

    /// Writes MM`i`: exponent and sign become ones.
    #[inline]
    pub(crate) fn set_mm(&mut self, i: u8, value: u64) {
        self.st[usize::from(i & 7)] = 0xffff << 64 | u128::from(value);
    }
}
