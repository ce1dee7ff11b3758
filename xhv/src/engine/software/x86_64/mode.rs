//! What decoding and memory access depend on, derived from the CPU's state once whenever that changes.

use super::cpu::{Cpu, Cr, Seg, Segment};
use super::flags::Rflags;

/// A size of code, addresses or stack.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Size {
    #[default]
    Bits16,
    Bits32,
    Bits64,
}

impl Size {
    /// 16, 32 or 64.
    pub(crate) fn bits(self) -> u32 {
        16 << self as u32
    }

    /// All ones in this size.
    pub(crate) fn mask(self) -> u64 {
        MASKS[self as usize]
    }
}

/// All ones in 16, 32, 64 (and again 64) bits.
pub(crate) const MASKS: [u64; 4] = [0xffff, 0xffff_ffff, !0, !0];

/// How linear addresses become guest-physical ones (Intel SDM vol. 3, 5.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Paging {
    #[default]
    Off,
    Bits32,
    Pae,
    Level4,
    Level5,
}

/// Which of the view's TLBs an access uses.
#[derive(Debug)]
pub(crate) struct Regime;

impl Regime {
    pub(crate) const SUPERVISOR: usize = 0;
    pub(crate) const USER: usize = 1;
    /// Supervisor accesses that SMAP keeps from user pages.
    pub(crate) const SMAP: usize = 2;
    /// User accesses with alignment checks: never filled, so that all of them go the slow way.
    pub(crate) const ALIGNED: usize = 3;
}

/// What a segment lets the fast path do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Span {
    pub(crate) base: u64,
    /// An access may read if it ends at this offset at most; else `access` looks closely.
    pub(crate) read: u64,
    /// The same for writes.
    pub(crate) write: u64,
}

/// State that changes where the TLB's content comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Controls {
    cr0: u64,
    cr4: u64,
    efer: u64,
    pkru: u32,
    breakpoints: [u64; 5],
}

/// The derived state.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Mode {
    /// Code size: 16, 32 or 64-bit.
    pub(crate) code: Size,
    /// Size of the stack pointer.
    pub(crate) stack: Size,
    pub(crate) cpl: u8,
    pub(crate) paging: Paging,
    /// PE = 1 and VM = 0.
    pub(crate) protected: bool,
    pub(crate) v8086: bool,
    /// IA-32e mode: 64-bit or compatibility.
    pub(crate) long: bool,
    pub(crate) regime: usize,
    /// What linear addresses are truncated to, and instruction pointers that run on: in 16-bit code too the next instruction's may be
    /// 10000H, which is beyond the segment.
    pub(crate) linear_mask: u64,
    /// Code segment, for fetches: zero in 64-bit mode.
    pub(crate) cs_base: u64,
    /// Where code may go on, by an instruction pointer: what it is less than when `target_bias` has been added. The code segment;
    /// in 64-bit mode, canonical addresses.
    pub(crate) target_end: u64,
    pub(crate) target_bias: u64,
    /// One past the last offset that may be fetched; all ones in 64-bit mode.
    pub(crate) cs_end: u64,
    /// Code is all of the linear address space: no instruction pointer is outside of the segment, and offsets are linear addresses.
    pub(crate) flat: bool,
    /// Everything that decoding may depend on: `code`, `stack`, `protected`, `v8086`, `long`, `flat`, and `fp`.
    pub(crate) decode: u32,
    /// CR0.MP, EM, TS (bits 0 to 2), CR4.OSFXSR, OSXMMEXCPT, OSXSAVE (3 to 5), XCR0 SSE and AVX (6, 7).
    pub(crate) fp: u8,
    /// Some data breakpoint is enabled.
    pub(crate) watch: bool,
    /// Some instruction breakpoint is enabled.
    pub(crate) breakpoint: bool,
    /// Either: instructions run one by one.
    pub(crate) debugged: bool,
    controls: Controls,
}

impl Cpu {
    /// Derives anew what depends on control registers, RFLAGS, segment registers, DR7, PKRU and EFER: to be called after a change of
    /// any of them. Forgets translations if the change asks for it; a write to CR3 has to ask for itself: [`Cpu::switch_space`].
    pub(crate) fn update_mode(&mut self) {
        let flags = self.lazy.system;
        let (cs, ss) = (&self.seg[Seg::Cs as usize], &self.seg[Seg::Ss as usize]);
        let pe = self.cr0 & Cr::CR0_PE != 0;
        let v8086 = pe && flags & Rflags::VM != 0;
        let protected = pe && !v8086;
        let long = pe && self.efer & Cr::EFER_LMA != 0;
        let big = |segment: &Segment| {
            if segment.has(Segment::BIG) {
                Size::Bits32
            } else {
                Size::Bits16
            }
        };
        let code = match long && cs.has(Segment::LONG) {
            true => Size::Bits64,
            false => big(cs),
        };
        let is64 = code == Size::Bits64;
        let cpl = match (v8086, protected) {
            (true, _) => 3,
            (_, true) => ss.dpl(),
            _ => 0,
        };
        let fp = (self.cr0 >> 1 & 7)
            | (self.cr4 >> 9 & 3) << 3
            | (self.cr4 >> 18 & 1) << 5
            | (self.xcr0 >> 1 & 3) << 6;
        let mut mode = Mode {
            code,
            stack: if is64 { Size::Bits64 } else { big(ss) },
            cpl,
            paging: self.paging(),
            protected,
            v8086,
            long,
            regime: self.regime(cpl),
            linear_mask: if is64 { !0 } else { 0xffff_ffff },
            cs_base: if is64 { 0 } else { cs.base },
            target_end: match (is64, self.cr4 & Cr::CR4_LA57 != 0) {
                (false, _) => u64::from(cs.limit) + 1,
                (true, false) => 1 << 48,
                (true, true) => 1 << 57,
            },
            target_bias: match (is64, self.cr4 & Cr::CR4_LA57 != 0) {
                (false, _) => 0,
                (true, false) => 1 << 47,
                (true, true) => 1 << 56,
            },
            cs_end: if is64 { !0 } else { u64::from(cs.limit) + 1 },
            flat: is64 || code == Size::Bits32 && cs.base == 0 && cs.limit == u32::MAX,
            decode: 0,
            fp: fp as u8,
            watch: self.dr[7] & 0xff != 0 && (0..4).any(|n| self.data_breakpoint(n)),
            breakpoint: self.dr[7] & 0xff != 0 && (0..4).any(|n| self.code_breakpoint(n)),
            debugged: self.dr[7] & 0xff != 0,
            controls: self.controls(),
        };
        mode.decode = code as u32
            | (mode.stack as u32) << 2
            | u32::from(protected) << 4
            | u32::from(v8086) << 5
            | u32::from(long) << 6
            | u32::from(mode.flat) << 7
            | u32::from(mode.fp) << 8;
        let flush = mode.controls != self.mode.controls;
        // Instructions run alone from now on.
        self.check |= mode.breakpoint;
        self.mode = mode;
        self.update_spans();
        if flush {
            self.flush_tlb();
        } else {
            self.update_code_key(false);
        }
    }

    fn paging(&self) -> Paging {
        if self.cr0 & Cr::CR0_PG == 0 {
            Paging::Off
        } else if self.cr4 & Cr::CR4_PAE == 0 {
            Paging::Bits32
        } else if self.efer & Cr::EFER_LMA == 0 {
            Paging::Pae
        } else if self.cr4 & Cr::CR4_LA57 == 0 {
            Paging::Level4
        } else {
            Paging::Level5
        }
    }

    fn regime(&self, cpl: u8) -> usize {
        let ac = self.lazy.system & Rflags::AC != 0;
        match cpl {
            3 if ac && self.cr0 & Cr::CR0_AM != 0 => Regime::ALIGNED,
            3 => Regime::USER,
            _ if self.cr4 & Cr::CR4_SMAP != 0 && !ac => Regime::SMAP,
            _ => Regime::SUPERVISOR,
        }
    }

    fn controls(&self) -> Controls {
        let mut breakpoints = [0; 5];
        if self.dr[7] & 0xff != 0 {
            breakpoints = [self.dr[0], self.dr[1], self.dr[2], self.dr[3], self.dr[7]];
        }
        Controls {
            cr0: self.cr0 & (Cr::CR0_PG | Cr::CR0_WP | Cr::CR0_PE),
            cr4: self.cr4
                & (Cr::CR4_PSE
                    | Cr::CR4_PAE
                    | Cr::CR4_PGE
                    | Cr::CR4_LA57
                    | Cr::CR4_PCIDE
                    | Cr::CR4_SMEP
                    | Cr::CR4_SMAP
                    | Cr::CR4_PKE),
            efer: self.efer & (Cr::EFER_NXE | Cr::EFER_LMA),
            pkru: self.pkru,
            breakpoints,
        }
    }

    fn update_spans(&mut self) {
        for number in 0..6_u8 {
            let segment = self.seg[usize::from(number)];
            self.spans[usize::from(number)] = if self.mode.code == Size::Bits64 {
                let based = number == Seg::Fs as u8 || number == Seg::Gs as u8;
                Span {
                    base: if based { segment.base } else { 0 },
                    read: !0,
                    write: !0,
                }
            } else {
                segment.span(self.mode.protected)
            };
        }
    }

    /// What DR0 to DR3 number `n` breaks on: 0 instructions, 1 writes, 2 ports, 3 reads and writes.
    pub(crate) fn breakpoint_kind(&self, n: usize) -> u64 {
        self.dr[7] >> (16 + 4 * n) & 3
    }

    fn is_enabled(&self, n: usize) -> bool {
        self.dr[7] >> (2 * n) & 3 != 0
    }

    /// Whether DR0 to DR3 number `n` is enabled for instructions.
    pub(crate) fn code_breakpoint(&self, n: usize) -> bool {
        self.is_enabled(n) && self.breakpoint_kind(n) == 0
    }

    /// Whether DR0 to DR3 number `n` is enabled for data.
    pub(crate) fn data_breakpoint(&self, n: usize) -> bool {
        self.is_enabled(n) && matches!(self.breakpoint_kind(n), 1 | 3)
    }

    /// Whether DR0 to DR3 number `n` is enabled for ports, as far as DR7 tells: CR4.DE has to allow it.
    pub(crate) fn io_breakpoint(&self, n: usize) -> bool {
        self.is_enabled(n) && self.breakpoint_kind(n) == 2
    }
}

impl Segment {
    /// Whether data may be read from the segment in protected mode.
    pub(crate) fn readable(&self) -> bool {
        self.usable() && (!self.has(Self::CODE) || self.has(Self::WRITABLE))
    }

    /// Whether data may be written to the segment in protected mode.
    pub(crate) fn writable(&self) -> bool {
        self.usable() && !self.has(Self::CODE) && self.has(Self::WRITABLE)
    }

    /// Whether offsets above the limit are the valid ones.
    pub(crate) fn expands_down(&self) -> bool {
        !self.has(Self::CODE) && self.has(Self::EXPAND_DOWN)
    }

    fn span(&self, protected: bool) -> Span {
        let end = u64::from(self.limit) + 1;
        let fast = !protected || !self.expands_down();
        Span {
            base: self.base,
            read: end * u64::from(fast && (!protected || self.readable())),
            write: end * u64::from(fast && (!protected || self.writable())),
        }
    }
}
