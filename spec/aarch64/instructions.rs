//! A64: the encodings of the base instructions and of all loads and stores, one row for each encoding class of the manual.
//!
//! Rows carry the manual's field names; which operation a class with `op`, `opc` or `opcode` means is decided where it is
//! decoded (`xhv/src/engine/software/aarch64/decode`). A word that no row matches is undefined.
xhv_macros::spec! {
    /// Data processing (immediate and register), branches, system instructions, loads and stores.
    instructions A64  cite "Arm DDI 0487, C4.1"
    {
        // Data processing: immediate
        [op immlo:2 10000 immhi:s19 Rd:5]                             PC_rel              "ADR, ADRP";
        [sf op S 100010 sh imm12:12 Rn:5 Rd:5]                        ADDSUB_imm          "Add, subtract (immediate)";
        [sf opc:2 100100 N immr:6 imms:6 Rn:5 Rd:5]                   LOGICAL_imm         "AND, ORR, EOR, ANDS (immediate)";
        [sf opc:2 100101 hw:2 imm16:16 Rd:5]                          MOVE_wide           "MOVN, MOVZ, MOVK";
        [sf opc:2 100110 N immr:6 imms:6 Rn:5 Rd:5]                   BITFIELD            "SBFM, BFM, UBFM";
        [sf 00 100111 N 0 Rm:5 imms:6 Rn:5 Rd:5]                      EXTR                "Extract from a pair of registers";

        // Branches, exceptions, system
        [01010100 imm19:s19 0 cond:4]                                 B_cond              "Branch on condition";
        [11010100 000 imm16:16 00001]                                 SVC                 "Supervisor call";
        [11010100 000 imm16:16 00010]                                 HVC                 "Hypervisor call";
        [11010100 000 imm16:16 00011]                                 SMC                 "Secure monitor call";
        [11010100 001 imm16:16 00000]                                 BRK                 "Breakpoint instruction";
        [11010100 010 imm16:16 00000]                                 HLT                 "Halting breakpoint";
        [1101010100 0 00 op1:3 0100 CRm:4 op2:3 11111]                MSR_imm             "Write a PSTATE field; CFINV";
        [1101010100 0 00 011 0010 CRm:4 op2:3 11111]                  HINT                "NOP, YIELD, WFE, WFI, SEV, SEVL and hints that do nothing here";
        [1101010100 0 00 011 0011 CRm:4 op2:3 11111]                  BARRIER             "CLREX, DSB, DMB, ISB, SB";
        [1101010100 L 01 op1:3 CRn:4 CRm:4 op2:3 Rt:5]                SYS                 "SYS, SYSL: cache, TLB and address translation operations";
        [1101010100 L 1 o0 op1:3 CRn:4 CRm:4 op2:3 Rt:5]              SYSTEM_register     "MSR, MRS (register)";
        [1101011 0000 11111 000000 Rn:5 00000]                        BR                  "Branch to register";
        [1101011 0001 11111 000000 Rn:5 00000]                        BLR                 "Branch with link to register";
        [1101011 0010 11111 000000 Rn:5 00000]                        RET                 "Return from subroutine";
        [1101011 0100 11111 000000 11111 00000]                       ERET                "Exception return";
        [op 00101 imm26:s26]                                          B_imm               "B, BL";
        [sf 011010 op imm19:s19 Rt:5]                                 CB_imm              "CBZ, CBNZ";
        [b5 011011 op b40:5 imm14:s14 Rt:5]                           TB_imm              "TBZ, TBNZ";

        // Data processing: register
        [sf 0 0 11010110 Rm:5 opcode:6 Rn:5 Rd:5]                     DP_2src             "Division, variable shifts, CRC32";
        [sf 1 0 11010110 00000 opcode:6 Rn:5 Rd:5]                    DP_1src             "RBIT, REV, CLZ, CLS";
        [sf opc:2 01010 shift:2 N Rm:5 imm6:6 Rn:5 Rd:5]              LOGICAL_shift       "AND, BIC, ORR, ORN, EOR, EON, ANDS, BICS (shifted register)";
        [sf op S 01011 shift:2 0 Rm:5 imm6:6 Rn:5 Rd:5]               ADDSUB_shift        "Add, subtract (shifted register)";
        [sf op S 01011 00 1 Rm:5 option:3 imm3:3 Rn:5 Rd:5]           ADDSUB_ext          "Add, subtract (extended register)";
        [sf op S 11010000 Rm:5 000000 Rn:5 Rd:5]                      ADDSUB_carry        "ADC, ADCS, SBC, SBCS";
        [1 0 1 11010000 imm6:6 00001 Rn:5 0 mask:4]                   RMIF                "Rotate, mask insert flags";
        [0 0 1 11010000 000000 sz 0010 Rn:5 0 1101]                   SETF                "SETF8, SETF16: evaluate into flags";
        [sf op 1 11010010 Rm:5 cond:4 imm 0 Rn:5 0 nzcv:4]            COND_compare        "CCMN, CCMP (register, immediate)";
        [sf op 0 11010100 Rm:5 cond:4 0 o2 Rn:5 Rd:5]                 COND_select         "CSEL, CSINC, CSINV, CSNEG";
        [sf 00 11011 op31:3 Rm:5 o0 Ra:5 Rn:5 Rd:5]                   DP_3src             "MADD, MSUB, SMADDL, SMULH, UMADDL, UMULH";

        // Loads and stores
        [0 Q 0011000 L 000000 opcode:4 size:2 Rn:5 Rt:5]              SIMD_multiple       "LD1 to LD4, ST1 to ST4 (multiple structures)";
        [0 Q 0011001 L 0 Rm:5 opcode:4 size:2 Rn:5 Rt:5]              SIMD_multiple_post  "The same, post-indexed";
        [0 Q 0011010 L R 00000 opcode:3 S size:2 Rn:5 Rt:5]           SIMD_single         "LD1 to LD4, ST1 to ST4 (single structure), LD1R to LD4R";
        [0 Q 0011011 L R Rm:5 opcode:3 S size:2 Rn:5 Rt:5]            SIMD_single_post    "The same, post-indexed";
        [size:2 001000 0 L 0 Rs:5 o0 Rt2:5 Rn:5 Rt:5]                 EXCLUSIVE           "STXR, STLXR, LDXR, LDAXR";
        [1 sz 001000 0 L 1 Rs:5 o0 Rt2:5 Rn:5 Rt:5]                   EXCLUSIVE_pair      "STXP, STLXP, LDXP, LDAXP";
        [0 sz 001000 0 L 1 Rs:5 o0 11111 Rn:5 Rt:5]                   CASP                "Compare and swap a pair of registers";
        [size:2 001000 1 L 0 Rs:5 o0 Rt2:5 Rn:5 Rt:5]                 ORDERED             "LDAR, LDLAR, STLR, STLLR";
        [size:2 001000 1 L 1 Rs:5 o0 11111 Rn:5 Rt:5]                 CAS                 "Compare and swap";
        [size:2 011001 opc:2 0 imm9:s9 00 Rn:5 Rt:5]                  ORDERED_unscaled    "LDAPUR, STLUR";
        [opc:2 011 V 00 imm19:s19 Rt:5]                               LOAD_literal        "LDR, LDRSW, PRFM (literal)";
        [opc:2 101 V 0 index:2 L imm7:s7 Rt2:5 Rn:5 Rt:5]             LDST_pair           "LDP, STP, LDPSW, LDNP, STNP";
        [size:2 111 V 00 opc:2 0 imm9:s9 index:2 Rn:5 Rt:5]           LDST_imm9           "Unscaled, post-indexed, unprivileged, pre-indexed";
        [size:2 111 V 00 opc:2 1 Rm:5 option:3 S 10 Rn:5 Rt:5]        LDST_reg            "Register offset";
        [size:2 111 V 01 opc:2 imm12:12 Rn:5 Rt:5]                    LDST_imm12          "Unsigned offset";
        [size:2 111 0 00 A R 1 Rs:5 o3 opc:3 00 Rn:5 Rt:5]            ATOMIC              "LDADD to LDUMIN, SWP, LDAPR";
    }
}
