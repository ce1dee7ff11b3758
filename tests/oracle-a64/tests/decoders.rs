//! Which words are instructions: the software CPU's decisions against two decoders of other people, on random words and on every row of
//! our tables with random fields.
//!
//! Neither crate is exact: `disarm64` takes operand values that the manual does not allocate, `yaxpeax-arm` takes some encodings and lacks
//! others. Where one of them is with us the other is counted; where both are against us, the manual's reason has to be in [`REASONS`].
//!
//! System instructions are left out: what they are depends on the register and the level, which decoders do not know.

use std::collections::BTreeMap;

use disarm64::InsnOpcode;
use oracle_a64::generate::{Random, fp_table, table};
use xhv::aarch64::{Exit, Granule, Vcpu, Vm, reg, sysreg};
use xhv::{Engine, Memory};
use yaxpeax_arch::{Decoder, U8Reader};
use yaxpeax_arm::armv8::a64::InstDecoder;

const RAM: u64 = 0x4000_0000;
const VECTORS: u64 = RAM + 0x1000;

/// Extensions (as `disarm64` names them) that this CPU claims in its ID registers, and what every CPU has.
const CLAIMED: [&str; 8] = ["V8", "FP", "SIMD", "LSE", "CRC", "FLAGM", "RCPC", "RCPC2"];

/// Runs single words at EL0.
struct Here {
    vcpu: Vcpu,
    memory: Memory,
    at: u64,
}

impl Here {
    fn new() -> Self {
        let builder = Vm::builder()
            .engine(Engine::Software)
            .granule(Granule::Kib4);
        let vm = builder.build().unwrap();
        let memory = vm.map_new(RAM, 0x4000).unwrap();
        let mut vcpu = vm.create_vcpu().unwrap();
        let writes = [
            (sysreg::VBAR_EL1.cast::<u64>(), VECTORS),
            (sysreg::CPACR_EL1.cast(), 3 << 20),
            // One step at a time, which the VMM sees.
            (sysreg::MDSCR_EL1.cast(), 1),
        ];
        for (row, value) in writes {
            vcpu.write(row, value).unwrap();
        }
        vcpu.set_trap_debug_exceptions(true).unwrap();
        let at = 0;
        Self { vcpu, memory, at }
    }

    /// Whether the word is an instruction, whatever it does.
    fn is_defined(&mut self, word: u32) -> bool {
        // Another place each time, so that no device access of the word before is waited for.
        self.at = (self.at + 4) % (VECTORS - RAM);
        self.memory.write(self.at, &word.to_le_bytes()).unwrap();
        let vcpu = &mut self.vcpu;
        vcpu.write(reg::CPSR.cast::<u64>(), 0x3c0 | 1 << 21)
            .unwrap();
        vcpu.write(reg::PC.cast::<u64>(), RAM + self.at).unwrap();
        vcpu.write(sysreg::ESR_EL1.cast::<u64>(), u64::MAX >> 32)
            .unwrap();
        let exit = vcpu.run().unwrap();
        assert!(
            !matches!(exit, Exit::Exception(_) | Exit::Unknown(_)),
            "{word:08x}: {exit:?}"
        );
        vcpu.read(sysreg::ESR_EL1.cast::<u64>()).unwrap() >> 26 != 0
    }
}

/// Bits of a word, by the manual's numbering.
fn bits(word: u32, high: u32, low: u32) -> u32 {
    word >> low & (u32::MAX >> (31 - (high - low)))
}

/// Why a word that both decoders take is not allocated: the row of our tables, what has to hold, and the manual's words.
type Reason = (&'static str, fn(u32) -> bool, &'static str);

/// From the decoding tables and the pseudocode of the instructions (Arm DDI 0487, C4.1, C6.2, C7.2).
const REASONS: &[Reason] = &[
    ("", |w| w >> 16 == 0, "UDF is permanently undefined"),
    ("ADDSUB_ext", |w| bits(w, 12, 10) > 4, "shift > 4"),
    (
        "LOGICAL_imm",
        |w| w >> 31 == 0 && bits(w, 22, 22) == 1,
        "32 bits with N",
    ),
    ("LOGICAL_imm", is_all_ones, "an element of ones only"),
    (
        "LOGICAL_shift",
        |w| w >> 31 == 0 && bits(w, 15, 15) == 1,
        "32 bits, shift of 32 and more",
    ),
    (
        "MOVE_wide",
        |w| w >> 31 == 0 && bits(w, 22, 22) == 1,
        "32 bits, shift of 32 and more",
    ),
    (
        "LDST_reg",
        |w| bits(w, 14, 14) == 0,
        "option<1> 0: sub-word index",
    ),
    (
        "SIMD_multiple",
        |w| bits(w, 11, 10) == 3 && bits(w, 30, 30) == 0,
        "structures of 1D",
    ),
    (
        "SIMD_multiple_post",
        |w| bits(w, 11, 10) == 3 && bits(w, 30, 30) == 0,
        "structures of 1D",
    ),
    (
        "FP_1src",
        |w| bits(w, 23, 22) == 3 && bits(w, 20, 15) == 6,
        "FCVT to no format",
    ),
    (
        "FP_fixed",
        |w| w >> 31 == 0 && bits(w, 15, 15) == 0,
        "32 bits, more than 32 fraction bits",
    ),
    (
        "SCALAR_2misc",
        |w| bits(w, 23, 22) != 3,
        "comparison, ABS, NEG of other than D",
    ),
    (
        "SCALAR_3same",
        |w| bits(w, 15, 11) == 0b10110 && matches!(bits(w, 23, 22), 0 | 3),
        "SQDMULH, SQRDMULH of B and D",
    ),
    (
        "SCALAR_indexed",
        |w| matches!(bits(w, 23, 22), 0 | 3) && bits(w, 15, 12) >= 3,
        "saturating multiplication of B and D",
    ),
    (
        "VECTOR_2misc",
        |w| bits(w, 29, 29) == 1 && bits(w, 16, 12) == 0 && bits(w, 23, 22) >= 2,
        "REV32 of S and D",
    ),
    (
        "VECTOR_2misc",
        |w| bits(w, 16, 12) == 0b11100 && bits(w, 23, 22) == 3,
        "URECPE, URSQRTE of D",
    ),
    (
        "VECTOR_3diff",
        |w| matches!(bits(w, 15, 12), 9 | 11 | 13) && matches!(bits(w, 23, 22), 0 | 3),
        "SQDMULL and its like of B and D",
    ),
    (
        "VECTOR_3same",
        |w| bits(w, 23, 22) == 3 && bits(w, 15, 11) < 0b11000,
        "integer operation that has no D",
    ),
    (
        "VECTOR_3same",
        |w| bits(w, 15, 11) == 0b10110 && bits(w, 23, 22) == 0,
        "SQDMULH, SQRDMULH of B",
    ),
    (
        "VECTOR_3same",
        |w| bits(w, 15, 11) == 0b10011 && bits(w, 29, 29) == 1 && bits(w, 23, 22) != 0,
        "PMUL of other than B",
    ),
    (
        "VECTOR_3same",
        |w| bits(w, 15, 11) >= 0b11000 && bits(w, 22, 22) == 1 && bits(w, 30, 30) == 0,
        "floating point of 1D",
    ),
    (
        "VECTOR_copy",
        |w| bits(w, 19, 16) == 8 && bits(w, 30, 30) == 0,
        "DUP of D to 1D",
    ),
    (
        "VECTOR_indexed",
        |w| bits(w, 23, 22) == 3 && bits(w, 30, 30) == 0,
        "floating point of 1D",
    ),
    (
        "VECTOR_shift",
        |w| bits(w, 22, 19) == 0,
        "immh 0 is the modified immediate, with o2 only FMOV",
    ),
    (
        "VECTOR_shift",
        |w| bits(w, 22, 22) == 1 && (bits(w, 30, 30) == 0 || bits(w, 15, 11) >= 0b10000),
        "D to 1D, or D that is narrowed or widened",
    ),
];

/// Whether a logical immediate's element is all ones (Arm DDI 0487, `DecodeBitMasks`).
fn is_all_ones(word: u32) -> bool {
    let (n, imms) = (bits(word, 22, 22), bits(word, 15, 10));
    let element = n << 6 | !imms & 0x3f;
    element < 2 || {
        let levels = (1 << element.ilog2()) - 1;
        imms & levels == levels
    }
}

/// What the three say about a word.
#[derive(Debug)]
struct Verdict {
    ours: bool,
    disarm: bool,
    yaxpeax: bool,
}

#[test]
fn words_are_instructions_where_the_manual_says_so() {
    let wanted = std::env::var("ORACLE_WORDS").ok();
    let count = wanted
        .and_then(|count| count.parse().ok())
        .unwrap_or(1_000_000);
    let rows: Vec<(&str, u32, u32)> = table::A64::ALL
        .iter()
        .map(|row| (row.name, row.value, row.mask))
        .chain(
            fp_table::A64Fp::ALL
                .iter()
                .map(|row| (row.name, row.value, row.mask)),
        )
        .collect();
    let (mut here, decoder) = (Here::new(), InstDecoder::default());
    let mut random = Random::new(0x00de_c0de);
    let (mut agree, mut tally, mut wrong) = (0, BTreeMap::<String, u64>::new(), Vec::new());
    for number in 0..count {
        let mut word = random.next() as u32;
        if number % 2 == 0 {
            let (_, value, mask) = rows[number / 2 % rows.len()];
            word = value | word & !mask;
        }
        // Exceptions and system instructions; ERET, which EL0 does not have.
        if word >> 25 == 0x6a || word & 0xffff_fc1f == 0xd69f_0000 {
            continue;
        }
        let disarm = disarm64::decoder::decode(word);
        let extension = disarm.map(|opcode| format!("{:?}", opcode.definition().feature_set));
        let claimed = |name: &String| CLAIMED.contains(&name.as_str());
        let row = rows.iter().find(|(_, value, mask)| word & mask == *value);
        let row = row.map_or("", |row| row.0);
        // `disarm64` counts the conversions of S and D by immediate to half precision as well.
        let is_conversion = row.ends_with("_shift") && bits(word, 22, 19) >= 4;
        let is_extension = !is_conversion && extension.as_ref().is_some_and(|name| !claimed(name));
        let verdict = Verdict {
            ours: here.is_defined(word),
            disarm: disarm.is_some(),
            yaxpeax: decoder
                .decode(&mut U8Reader::new(&word.to_le_bytes()))
                .is_ok(),
        };
        let reason = REASONS
            .iter()
            .find(|(of, holds, _)| *of == row && holds(word));
        let kind = match (&verdict, reason) {
            (Verdict { ours: true, .. }, _) if is_extension => None,
            (_, _) if is_extension => Some("an extension that is not claimed".to_owned()),
            (v, _) if v.ours == v.disarm && v.ours == v.yaxpeax => {
                agree += 1;
                continue;
            }
            (v, _) if v.ours == v.yaxpeax => Some("only disarm64 differs".to_owned()),
            (v, _) if v.ours == v.disarm => Some("only yaxpeax-arm differs".to_owned()),
            (Verdict { ours: false, .. }, Some((of, _, why))) => Some(format!("{of}: {why}")),
            _ => None,
        };
        match kind {
            Some(kind) => *tally.entry(kind).or_default() += 1,
            None => wrong.push(format!("{word:08x} {row} {extension:?} {verdict:?}")),
        }
    }
    println!("{agree} words: all three agree");
    tally
        .iter()
        .for_each(|(kind, count)| println!("{count} words: {kind}"));
    wrong.truncate(20);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (of, _, why) in REASONS {
        assert!(
            tally.contains_key(&format!("{of}: {why}")),
            "no word for {of}: {why}"
        );
    }
}
