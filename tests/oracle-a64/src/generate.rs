//! Makes cases from the rows of the decoder table: random fields, with operands that keep the effects where both sides can see them.

#[path = "../../../spec/aarch64/instructions.rs"]
#[allow(missing_docs, missing_debug_implementations)]
pub mod table;

#[path = "../../../spec/aarch64/instructions_fp.rs"]
#[allow(clippy::len_without_is_empty)] // LEN is a field of TBL.
#[allow(missing_docs, missing_debug_implementations)]
pub mod fp_table;

use super::{CODE, DATA, MEMORY, State, WORDS};

/// NOP
pub const NOP: u32 = 0xd503_201f;
/// ADD X29, X29, #1: shows whether a branch went over it.
const MARK: u32 = 0x9100_07bd;

/// A random number generator with a fixed seed (`xorshift64*`).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// From a seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed | 1)
    }

    /// The next number.
    #[expect(clippy::should_implement_trait, reason = "a generator without end")]
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of the kind that breaks arithmetic: often near a power of two or all ones.
    pub fn operand(&mut self) -> u64 {
        let shift = self.below(64);
        match self.below(6) {
            0 => self.next(),
            1 => self.next() >> shift,
            2 => (1_u64 << shift).wrapping_sub(self.below(3)),
            3 => !(self.next() >> shift),
            4 => self.below(4).wrapping_sub(2),
            _ => self.next() & 0xffff_ffff,
        }
    }

    /// A state with random registers and memory.
    pub fn state(&mut self) -> State {
        State {
            words: [NOP; WORDS],
            x: core::array::from_fn(|_| self.operand()),
            sp: DATA + 512,
            nzcv: self.below(16) << 28,
            fpcr: 0,
            fpsr: 0,
            fault: 0,
            v: core::array::from_fn(|_| {
                u128::from(self.operand()) << 64 | u128::from(self.operand())
            }),
            memory: core::array::from_fn::<_, MEMORY, _>(|_| self.operand()),
        }
    }
}

fn field(word: u32, at: u32, bits: u32) -> u32 {
    word >> at & ((1 << bits) - 1)
}

fn with_field(word: u32, at: u32, bits: u32, value: u32) -> u32 {
    let mask = ((1 << bits) - 1) << at;
    word & !mask | value << at & mask
}

/// A case for a word of the row with this name, or `None` where the word would do what cannot be compared.
pub fn named_case(name: &str, word: u32, random: &mut Random) -> Option<State> {
    let mut state = random.state();
    let (rt, rn, rm) = (field(word, 0, 5), field(word, 5, 5), field(word, 16, 5));
    state.words[0] = word;
    match name {
        "HVC" | "SMC" | "BRK" | "HLT" | "ERET" | "SVC" | "MSR_imm" | "SYS" => return None,
        "HINT" | "BARRIER" => return None,
        "SYSTEM_register" => {
            // NZCV
            state.words[0] = with_field(word, 5, 15, 0b101_1010_0001_0000) | 1 << 19;
        }
        "B_imm" => state.words[..3].copy_from_slice(&[with_field(word, 0, 26, 2), MARK, NOP]),
        "B_cond" | "CB_imm" => {
            state.words[..3].copy_from_slice(&[with_field(word, 5, 19, 2), MARK, NOP]);
        }
        "TB_imm" => state.words[..3].copy_from_slice(&[with_field(word, 5, 14, 2), MARK, NOP]),
        "BR" | "BLR" | "RET" => {
            *state.x.get_mut(rn as usize)? = CODE + 8;
            state.words[1] = MARK;
        }
        "LOAD_literal" => {
            state.words[0] = with_field(word, 5, 19, 2 + random.below(10) as u32);
            for other in &mut state.words[2..] {
                *other = random.next() as u32;
            }
            // The code goes on over the literals.
            state.words[1] = 0x1400_0000 | (WORDS as u32 - 1);
        }
        // SUBP, IRG, GMI; STGP: memory tagging, which QEMU has.
        "DP_2src" if matches!(field(word, 10, 6), 0 | 4 | 5) => return None,
        "LDST_pair"
            if field(word, 26, 1) == 0 && field(word, 30, 2) == 1 && field(word, 22, 1) == 0 =>
        {
            return None;
        }
        "ADDSUB_imm" | "ADDSUB_shift" | "LOGICAL_shift" | "LOGICAL_imm" => {
            if random.below(3) == 0 {
                // Followed by a conditional branch.
                let branch = 0x5400_0040 | random.below(16) as u32;
                state.words[1..4].copy_from_slice(&[branch, MARK, NOP]);
            }
        }
        _ if fp_table::A64Fp::ALL.iter().any(|row| row.name == name) => fp_case(&mut state, random),
        _ if is_memory(name) => memory_case(name, &mut state, (rt, rn, rm), random)?,
        _ => {}
    }
    Some(state)
}

/// Rounding modes, flush to zero, default NaN; operands that are numbers of some format, and those between them.
fn fp_case(state: &mut State, random: &mut Random) {
    if random.below(2) == 0 {
        state.fpcr = random.below(4) << 22 | random.below(2) << 24 | random.below(2) << 25;
    }
    const DOUBLES: [u64; 8] = [
        0,
        1 << 63,
        0x7ff0_0000_0000_0000,
        0xfff8_0000_0000_0001,
        0x7ff0_0000_0000_0001,
        1,
        0x3ff0_0000_0000_0000,
        0x43e0_0000_0000_0000,
    ];
    const SINGLES: [u32; 8] = [
        0,
        1 << 31,
        0x7f80_0000,
        0xffc0_0001,
        0x7f80_0001,
        1,
        0x3f80_0000,
        0x4f00_0000,
    ];
    for v in &mut state.v {
        let lane = |random: &mut Random| match random.below(5) {
            0 => DOUBLES[random.below(8) as usize],
            1 => f64::from(random.next() as i32).to_bits(),
            2 => {
                let single = |random: &mut Random| u64::from(SINGLES[random.below(8) as usize]);
                single(random) << 32 | single(random)
            }
            3 => {
                let single = (random.next() as i16 as f32 / 16.0).to_bits();
                u64::from(single) << 32 | u64::from(single ^ random.next() as u32 & 0x8000_0007)
            }
            _ => random.next(),
        };
        *v = u128::from(lane(random)) << 64 | u128::from(lane(random));
    }
}

/// Whether the row is of loads and stores with a base register.
#[must_use]
pub fn is_memory(name: &str) -> bool {
    matches!(
        name,
        "SIMD_multiple"
            | "SIMD_multiple_post"
            | "SIMD_single"
            | "SIMD_single_post"
            | "EXCLUSIVE"
            | "EXCLUSIVE_pair"
            | "CASP"
            | "ORDERED"
            | "CAS"
            | "ORDERED_unscaled"
            | "LDST_pair"
            | "LDST_imm9"
            | "LDST_reg"
            | "LDST_imm12"
            | "ATOMIC"
    )
}

fn memory_case(
    name: &str,
    state: &mut State,
    (rt, rn, rm): (u32, u32, u32),
    random: &mut Random,
) -> Option<()> {
    let word = state.words[0];
    let rt2 = field(word, 10, 5);
    let aligned = matches!(
        name,
        "EXCLUSIVE" | "EXCLUSIVE_pair" | "CASP" | "ORDERED" | "CAS" | "ATOMIC" | "ORDERED_unscaled"
    );
    let mut base = DATA + 512 + random.below(16) * if aligned { 16 } else { 1 };
    let mut index = None;
    match name {
        "LDST_pair" => {
            let (writes_back, load) = (field(word, 23, 1) == 1, field(word, 22, 1) == 1);
            let vector = field(word, 26, 1) == 1;
            // What the manual calls CONSTRAINED UNPREDICTABLE.
            if (load && rt == rt2)
                || (!vector && writes_back && rn != 31 && (rt == rn || rt2 == rn))
            {
                return None;
            }
            // Offsets up to 1024 bytes would leave the memory: smaller ones.
            let imm = field(word, 15, 7);
            let small = ((imm << 25) as i32 >> 27) as u32;
            state.words[0] = with_field(word, 15, 7, small);
        }
        "LDST_imm9" => {
            let writes_back = field(word, 10, 1) == 1;
            if field(word, 26, 1) == 0 && writes_back && rn != 31 && rt == rn {
                return None;
            }
        }
        "LDST_imm12" => {
            state.words[0] = with_field(word, 10, 12, random.below(24) as u32);
        }
        "LDST_reg" => {
            if rm == rn {
                return None;
            }
            index = Some(random.below(16).wrapping_sub(8));
        }
        "SIMD_multiple_post" | "SIMD_single_post" => index = Some(random.below(64)),
        "EXCLUSIVE" | "EXCLUSIVE_pair" => {
            let status = rm;
            let store = field(word, 22, 1) == 0;
            let pair = name == "EXCLUSIVE_pair";
            if store && status != 31 && (status == rn || status == rt || (pair && status == rt2)) {
                return None;
            }
            if !store && pair && rt == rt2 {
                return None;
            }
            if store && random.below(2) == 0 {
                // A load-exclusive before it, into registers that the store does not use.
                let free = (0..30).find(|&r| {
                    ![rt, rt2, rn, status].contains(&r) && ![rt, rt2, rn, status].contains(&(r + 1))
                })?;
                let load = with_field(with_field(word | 1 << 22, 0, 5, free), 16, 5, 31);
                let load = with_field(load, 10, 5, if pair { free + 1 } else { 31 });
                state.words[0] = load;
                state.words[1] = word;
            }
        }
        "ORDERED_unscaled" => {
            // Keep the alignment, which both sides check differently.
            state.words[0] = with_field(word, 12, 9, (random.below(16) as u32) << 3);
        }
        "CAS" if random.below(2) == 0 && rm != rn && rm != 31 => {
            // One that succeeds.
            state.x[rm as usize] = state.memory[((base - DATA) / 8) as usize];
        }
        _ => {}
    }
    if rn == 31 {
        base &= !15;
        state.sp = base;
    } else {
        state.x[rn as usize] = base;
    }
    if let Some(index) = index
        && rm != 31
        && rm != rn
    {
        state.x[rm as usize] = index;
    }
    Some(())
}
