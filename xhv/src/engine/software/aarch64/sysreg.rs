//! System registers: which exist, who may access them, and where their values live. What accesses do is in `exec::system`.

use core::ops::{Index, IndexMut};

/// How a register is accessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Read and written at EL1, nothing else happens.
    Plain,
    /// As `Plain`, and decides about translation or about what other instructions do.
    Control,
    /// Read at EL1, and set by the VMM only.
    Id,
    /// Read and written at EL0 too.
    User,
    /// Read at EL0, written at EL1.
    UserRead,
    /// Has no value here: `exec::system` knows.
    Special,
    /// The VMM only: what EL1 does with it is [`Kind::Special`] under another number, or undefined.
    Vmm,
    /// Accesses exit to the VMM, which can also set the value (on real systems since macOS 26).
    Exits,
}

/// A register.
#[derive(Debug)]
pub(crate) struct Info {
    /// The number: op0\[15:14\] op1\[13:11\] CRn\[10:7\] CRm\[6:3\] op2\[2:0\], as in `hv_sys_reg_t`.
    pub(crate) number: u16,
    pub(crate) reg: Reg,
    pub(crate) kind: Kind,
}

/// The number of a register from the parts of its encoding.
pub(crate) const fn number(op0: u16, op1: u16, crn: u16, crm: u16, op2: u16) -> u16 {
    op0 << 14 | op1 << 11 | crn << 7 | crm << 3 | op2
}

macro_rules! system_registers {
    ($($op0:literal $op1:literal $crn:literal $crm:literal $op2:literal $name:ident $kind:ident;)*) => {
        /// A system register that exists.
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)] // the manual's names
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Reg { $(#[allow(missing_docs)] $name),* }

        /// All of them, by ascending number.
        static TABLE: &[Info] = &[
            $(Info { number: number($op0, $op1, $crn, $crm, $op2), reg: Reg::$name, kind: Kind::$kind }),*
        ];
    };
}

system_registers! {
//  op0 op1 CRn CRm op2
    2   0   0   2   0   MDCCINT_EL1        Exits;
    2   0   0   2   2   MDSCR_EL1          Special;
    3   0   0   0   0   MIDR_EL1           Id;
    3   0   0   0   5   MPIDR_EL1          Id;
    3   0   0   0   6   REVIDR_EL1         Id;
    3   0   0   4   0   ID_AA64PFR0_EL1    Id;
    3   0   0   4   1   ID_AA64PFR1_EL1    Id;
    3   0   0   4   2   ID_AA64PFR2_EL1    Id;
    3   0   0   4   4   ID_AA64ZFR0_EL1    Id;
    3   0   0   4   5   ID_AA64SMFR0_EL1   Id;
    3   0   0   5   0   ID_AA64DFR0_EL1    Id;
    3   0   0   5   1   ID_AA64DFR1_EL1    Id;
    3   0   0   5   4   ID_AA64AFR0_EL1    Id;
    3   0   0   5   5   ID_AA64AFR1_EL1    Id;
    3   0   0   6   0   ID_AA64ISAR0_EL1   Id;
    3   0   0   6   1   ID_AA64ISAR1_EL1   Id;
    3   0   0   6   2   ID_AA64ISAR2_EL1   Id;
    3   0   0   7   0   ID_AA64MMFR0_EL1   Id;
    3   0   0   7   1   ID_AA64MMFR1_EL1   Id;
    3   0   0   7   2   ID_AA64MMFR2_EL1   Id;
    3   0   0   7   3   ID_AA64MMFR3_EL1   Id;
    3   0   0   7   4   ID_AA64MMFR4_EL1   Id;
    3   0   1   0   0   SCTLR_EL1          Control;
    3   0   1   0   1   ACTLR_EL1          Plain;
    3   0   1   0   2   CPACR_EL1          Control;
    3   0   2   0   0   TTBR0_EL1          Control;
    3   0   2   0   1   TTBR1_EL1          Control;
    3   0   2   0   2   TCR_EL1            Control;
    3   0   2   1   0   APIAKEYLO_EL1      Vmm;
    3   0   2   1   1   APIAKEYHI_EL1      Vmm;
    3   0   2   1   2   APIBKEYLO_EL1      Vmm;
    3   0   2   1   3   APIBKEYHI_EL1      Vmm;
    3   0   2   2   0   APDAKEYLO_EL1      Vmm;
    3   0   2   2   1   APDAKEYHI_EL1      Vmm;
    3   0   2   2   2   APDBKEYLO_EL1      Vmm;
    3   0   2   2   3   APDBKEYHI_EL1      Vmm;
    3   0   2   3   0   APGAKEYLO_EL1      Vmm;
    3   0   2   3   1   APGAKEYHI_EL1      Vmm;
    3   0   4   0   0   SPSR_EL1           Plain;
    3   0   4   0   1   ELR_EL1            Plain;
    3   0   4   1   0   SP_EL0             Special;
    3   0   4   2   0   SPSel              Special;
    3   0   4   2   2   CurrentEL          Special;
    3   0   4   2   3   PAN                Special;
    3   0   4   6   0   ICC_PMR_EL1        Special;
    3   0   5   1   0   AFSR0_EL1          Plain;
    3   0   5   1   1   AFSR1_EL1          Plain;
    3   0   5   2   0   ESR_EL1            Plain;
    3   0   6   0   0   FAR_EL1            Plain;
    3   0   7   4   0   PAR_EL1            Plain;
    3   0   10  2   0   MAIR_EL1           Control;
    3   0   10  3   0   AMAIR_EL1          Plain;
    3   0   12  0   0   VBAR_EL1           Plain;
    3   0   12  1   0   ISR_EL1            Special;
    3   0   13  0   1   CONTEXTIDR_EL1     Plain;
    3   0   13  0   4   TPIDR_EL1          Plain;
    3   0   13  0   7   SCXTNUM_EL1        Plain;
    3   0   14  1   0   CNTKCTL_EL1        Plain;
    3   1   0   0   0   CCSIDR_EL1         Special;
    3   1   0   0   1   CLIDR_EL1          Id;
    3   1   0   0   7   AIDR_EL1           Id;
    3   2   0   0   0   CSSELR_EL1         Plain;
    3   3   0   0   1   CTR_EL0            Special;
    3   3   0   0   7   DCZID_EL0          Special;
    3   3   4   2   0   NZCV               Special;
    3   3   4   2   1   DAIF               Special;
    3   3   4   2   5   DIT                Special;
    3   3   4   2   6   SSBS               Special;
    3   3   4   4   0   FPCR               Special;
    3   3   4   4   1   FPSR               Special;
    3   3   13  0   2   TPIDR_EL0          User;
    3   3   13  0   3   TPIDRRO_EL0        UserRead;
    3   3   13  0   7   SCXTNUM_EL0        Special;
    3   3   14  0   0   CNTFRQ_EL0         Special;
    3   3   14  0   1   CNTPCT_EL0         Special;
    3   3   14  0   2   CNTVCT_EL0         Special;
    3   3   14  2   0   CNTP_TVAL_EL0      Special;
    3   3   14  2   1   CNTP_CTL_EL0       Special;
    3   3   14  2   2   CNTP_CVAL_EL0      Special;
    3   3   14  3   0   CNTV_TVAL_EL0      Special;
    3   3   14  3   1   CNTV_CTL_EL0       Special;
    3   3   14  3   2   CNTV_CVAL_EL0      Special;
    3   4   4   1   0   SP_EL1             Vmm;
}

/// The register with this number, if it exists.
pub(crate) fn lookup(number: u16) -> Option<&'static Info> {
    let at = TABLE.binary_search_by_key(&number, |info| info.number);
    at.ok().and_then(|at| TABLE.get(at))
}

/// The values, by register.
#[derive(Clone, Debug)]
pub(crate) struct SystemRegisters([u64; 256]);

impl Index<Reg> for SystemRegisters {
    type Output = u64;

    #[inline(always)]
    fn index(&self, reg: Reg) -> &u64 {
        &self.0[usize::from(reg as u8)]
    }
}

impl IndexMut<Reg> for SystemRegisters {
    #[inline(always)]
    fn index_mut(&mut self, reg: Reg) -> &mut u64 {
        &mut self.0[usize::from(reg as u8)]
    }
}

impl SystemRegisters {
    /// By the index of a register.
    #[inline(always)]
    pub(crate) fn by_index(&self, index: u8) -> u64 {
        self.0[usize::from(index)]
    }

    /// By the index of a register.
    #[inline(always)]
    pub(crate) fn by_index_mut(&mut self, index: u8) -> &mut u64 {
        &mut self.0[usize::from(index)]
    }

    /// As the framework creates them: zero (`SCTLR_EL1` without its RES1 bits too), but for the identification registers.
    pub(crate) fn new(ipa_bits: u32) -> Self {
        let mut all = Self([0; 256]);
        for (reg, value) in identification(ipa_bits) {
            all[reg] = value;
        }
        all
    }
}

/// `ID_AA64MMFR0_EL1.PARange` for a number of address bits.
fn pa_range(bits: u32) -> u64 {
    match bits {
        ..=32 => 0,
        33..=36 => 1,
        37..=40 => 2,
        41..=42 => 3,
        43..=44 => 4,
        _ => 5,
    }
}

/// What this CPU is: the features that it has, and no other (Arm DDI 0487, D19.2).
pub(crate) fn identification(ipa_bits: u32) -> [(Reg, u64); 14] {
    [
        // Implementer 0: reserved for software use. Architecture 15: see the ID registers.
        (Reg::MIDR_EL1, 0x000f_0510),
        (Reg::MPIDR_EL1, 1 << 31),
        // EL0 and EL1 in AArch64 state only, FP and SIMD without half-precision arithmetic, CSV2 and CSV3.
        (Reg::ID_AA64PFR0_EL1, 1 << 60 | 1 << 56 | 0x11),
        // SSBS with its MSR and MRS.
        (Reg::ID_AA64PFR1_EL1, 2 << 4),
        // Debug v8, six breakpoints, four watchpoints, no PMU.
        (Reg::ID_AA64DFR0_EL1, 3 << 20 | 5 << 12 | 6),
        // CRC32, LSE, FlagM.
        (
            Reg::ID_AA64ISAR0_EL1,
            super::fp::ISAR0 | 1 << 52 | 2 << 20 | 1 << 16,
        ),
        // DC CVAP, LRCPC with LDAPUR, SB.
        (
            Reg::ID_AA64ISAR1_EL1,
            super::fp::ISAR1 | 1 << 36 | 2 << 20 | 1,
        ),
        // 16-bit ASIDs, all three granules.
        (Reg::ID_AA64MMFR0_EL1, 1 << 20 | 2 << 4 | pa_range(ipa_bits)),
        // PAN with AT S1E1RP, HPDS, hardware management of access flag and dirty state.
        (Reg::ID_AA64MMFR1_EL1, 2 << 20 | 1 << 12 | 2),
        // 48-bit addresses, 32-bit-aligned TTBRs only.
        (Reg::ID_AA64MMFR2_EL1, 0),
        // 64-byte lines, IDC and DIC: caches need no maintenance here.
        (
            Reg::CTR_EL0,
            1 << 31 | 3 << 28 | 4 << 24 | 4 << 20 | 4 << 16 | 3 << 14 | 4,
        ),
        // Separate level 1 caches, unified level 2.
        (Reg::CLIDR_EL1, 2 << 27 | 2 << 24 | 4 << 3 | 3),
        // DC ZVA of 64 bytes.
        (Reg::DCZID_EL0, 4),
        (Reg::CCSIDR_EL1, 0),
    ]
}

/// `CCSIDR_EL1` by cache level (from 0) for data or unified (false) and instruction caches.
pub(crate) fn ccsidr(level: u64, instruction: bool) -> u64 {
    // 64-byte lines; fields are one less than the numbers of sets and ways.
    let geometry = |sets: u64, ways: u64| (sets - 1) << 13 | (ways - 1) << 3 | 2;
    match (level, instruction) {
        (0, false) => geometry(256, 8),
        (0, true) => geometry(512, 6),
        (1, false) => geometry(4096, 12),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_found() {
        assert!(TABLE.is_sorted_by(|a, b| a.number < b.number));
        assert_eq!(lookup(0xc080).map(|info| info.reg), Some(Reg::SCTLR_EL1));
        assert_eq!(
            lookup(0xdf1a).map(|info| info.reg),
            Some(Reg::CNTV_CVAL_EL0)
        );
        assert!(lookup(0xc094).is_none(), "no SME here");
    }
}
