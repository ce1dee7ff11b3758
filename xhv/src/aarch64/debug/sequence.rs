//! How an instruction is stepped over: exclusive sequences as a whole, waits not at all.
//!
//! Every debug exception clears the exclusive monitor, so that a store-exclusive that is stepped to always fails, and the guest's loop
//! never ends (Arm DDI 0487, D2.12.7).

use crate::aarch64::reg::PC;
use crate::aarch64::vcpu::Vcpu;
use crate::debug::Single;
use crate::error::Error;

/// A sequence is at most this long (Arm DDI 0487, B2.12.5 recommends 128 bytes).
const LONGEST: u64 = 32;

/// What an instruction does to a sequence.
#[derive(Debug, PartialEq, Eq)]
enum Role {
    LoadExclusive,
    StoreExclusive,
    /// Branches on a condition, by this many bytes.
    Branch(i64),
    /// Leaves it for good, in a way that is not followed here.
    Leaves,
    Wait,
    Other,
}

/// Sign-extends the `bits` low bits of an offset in words to bytes.
fn bytes(offset: u32, bits: u32) -> i64 {
    (i64::from(offset) << (64 - bits) >> (64 - bits)) * 4
}

/// By the encodings of Arm DDI 0487, C4.1.
fn role(word: u32) -> Role {
    match word {
        // LDXR, LDAXR, LDXP, LDAXP; STXR and its like: bit 23 clear.
        _ if word & 0x3fc0_0000 == 0x0840_0000 => Role::LoadExclusive,
        _ if word & 0x3fc0_0000 == 0x0800_0000 => Role::StoreExclusive,
        _ if word & 0xff00_0000 == 0x5400_0000 => Role::Branch(bytes(word >> 5 & 0x7_ffff, 19)),
        _ if word & 0x7e00_0000 == 0x3400_0000 => Role::Branch(bytes(word >> 5 & 0x7_ffff, 19)),
        _ if word & 0x7e00_0000 == 0x3600_0000 => Role::Branch(bytes(word >> 5 & 0x3fff, 14)),
        // B, BL; branches by register; exceptions.
        _ if word & 0x7c00_0000 == 0x1400_0000 => Role::Leaves,
        _ if word & 0xfe00_0000 == 0xd600_0000 => Role::Leaves,
        _ if word & 0xff00_0000 == 0xd400_0000 => Role::Leaves,
        // WFE, WFI; WFET, WFIT.
        0xd503_205f | 0xd503_207f => Role::Wait,
        _ if word & 0xffff_ffc0 == 0xd503_1000 => Role::Wait,
        _ => Role::Other,
    }
}

/// Where the guest comes out of the sequence that begins at `pc`; nothing if it is none that is understood.
fn ends(pc: u64, mut read: impl FnMut(u64) -> Option<u32>) -> Vec<u64> {
    let mut targets = Vec::new();
    for at in (1..LONGEST).map(|step| pc.wrapping_add(4 * step)) {
        match read(at).map(role) {
            Some(Role::StoreExclusive) => {
                let end = at.wrapping_add(4);
                targets.retain(|&target: &u64| !(pc..end).contains(&target));
                targets.push(end);
                return targets;
            }
            Some(Role::Branch(offset)) => targets.push(at.wrapping_add_signed(offset)),
            Some(Role::Other) => {}
            _ => break,
        }
    }
    Vec::new()
}

impl Vcpu {
    /// How the instruction at the program counter is stepped over.
    pub(super) fn how_to_step(&self) -> Result<Single, Error> {
        let pc = self.read(PC)?;
        let word = |at: u64| {
            let gpa = self.translate(at).ok()??.gpa;
            let mut bytes = [0; 4];
            let memory = &self.vm.0.memory;
            memory
                .traps()
                .read(
                    memory,
                    gpa.0,
                    &mut bytes,
                    <Self as crate::debug::Machine>::TRAP,
                )
                .ok()?;
            Some(u32::from_le_bytes(bytes))
        };
        Ok(match word(pc).map(role) {
            // The engine would sleep, with all others paused if it is a breakpoint that is passed.
            Some(Role::Wait) if self.vm.gic().is_some() => Single::Skip,
            Some(Role::LoadExclusive) => match ends(pc, word) {
                ends if ends.is_empty() => Single::Plain,
                ends => Single::Until(ends),
            },
            _ => Single::Plain,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instructions_have_their_roles() {
        for (word, expected) in [
            (0xc85f_7c20, Role::LoadExclusive),  // ldxr x0, [x1]
            (0x885f_fc20, Role::LoadExclusive),  // ldaxr w0, [x1]
            (0xc87f_0c22, Role::LoadExclusive),  // ldxp x2, x3, [x1]
            (0xc802_7c20, Role::StoreExclusive), // stxr w2, x0, [x1]
            (0x0802_fc20, Role::StoreExclusive), // stlxrb w2, w0, [x1]
            (0xc8df_fc20, Role::Other),          // ldar x0, [x1]
            (0xc89f_fc20, Role::Other),          // stlr x0, [x1]
            (0xc8a0_7c22, Role::Other),          // cas x0, x2, [x1]
            (0x5400_0041, Role::Branch(8)),      // b.ne +8
            (0x35ff_ffa2, Role::Branch(-12)),    // cbnz w2, -12
            (0x3707_fff0, Role::Branch(-4)),     // tbnz w16, #0, -4
            (0x1400_0001, Role::Leaves),
            (0x9400_0001, Role::Leaves),
            (0xd65f_03c0, Role::Leaves), // ret
            (0xd400_0001, Role::Leaves), // svc #0
            (0xd503_207f, Role::Wait),
            (0xd503_1020, Role::Wait), // wfit x0
            (0xd503_201f, Role::Other),
        ] {
            assert_eq!(role(word), expected, "{word:#x}");
        }
    }

    #[test]
    fn sequences_end_behind_the_store_or_at_a_branch_out() {
        // ldxr; cmp; b.ne out; stxr; cbnz back
        let code = [
            0xc85f_7c20,
            0xf100_041f,
            0x5400_0061,
            0xc802_7c20,
            0x35ff_ff82,
        ];
        let read = |at: u64| code.get((at as usize - 0x1000) / 4).copied();
        assert_eq!(ends(0x1000, read), [0x1014, 0x1010]);
        // A call in between: not followed.
        let code = [0xc85f_7c20, 0x9400_0001, 0xc802_7c20];
        let read = |at: u64| code.get((at as usize - 0x1000) / 4).copied();
        assert!(ends(0x1000, read).is_empty());
    }
}
