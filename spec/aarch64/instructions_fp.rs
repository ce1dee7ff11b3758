//! A64: the encodings of floating point and Advanced SIMD data processing, one row for each encoding class of the manual.
//!
//! Loads and stores of vector registers are in `instructions`. What an `opcode` means is decided where it is decoded
//! (`xhv/src/engine/software/aarch64/fp/decode`). A word that no row matches is undefined.
xhv_macros::spec! {
    /// Data processing of scalar floating point and Advanced SIMD.
    instructions A64Fp  cite "Arm DDI 0487, C4.1.96"
    {
        // Scalar floating point
        [sf 0 0 11110 ftype:2 1 rmode:2 opcode:3 000000 Rn:5 Rd:5]          FP_integer          "FCVTxS, FCVTxU, SCVTF, UCVTF, FMOV (general)";
        [sf 0 0 11110 ftype:2 0 rmode:2 opcode:3 scale:6 Rn:5 Rd:5]         FP_fixed            "FCVTZS, FCVTZU, SCVTF, UCVTF (fixed point)";
        [0 0 0 11110 ftype:2 1 opcode:6 10000 Rn:5 Rd:5]                    FP_1src             "FMOV, FABS, FNEG, FSQRT, FCVT, FRINTx";
        [0 0 0 11110 ftype:2 1 Rm:5 00 1000 Rn:5 opcode2:5]                 FP_compare          "FCMP, FCMPE";
        [0 0 0 11110 ftype:2 1 imm8:8 100 00000 Rd:5]                       FP_imm              "FMOV (scalar, immediate)";
        [0 0 0 11110 ftype:2 1 Rm:5 cond:4 01 Rn:5 op nzcv:4]               FP_ccmp             "FCCMP, FCCMPE";
        [0 0 0 11110 ftype:2 1 Rm:5 opcode:4 10 Rn:5 Rd:5]                  FP_2src             "FMUL, FDIV, FADD, FSUB, FMAX, FMIN, FMAXNM, FMINNM, FNMUL";
        [0 0 0 11110 ftype:2 1 Rm:5 cond:4 11 Rn:5 Rd:5]                    FP_csel             "FCSEL";
        [0 0 0 11111 ftype:2 o1 Rm:5 o0 Ra:5 Rn:5 Rd:5]                     FP_3src             "FMADD, FMSUB, FNMADD, FNMSUB";

        // Advanced SIMD scalar
        [01 U 11110 size:2 1 Rm:5 opcode:5 1 Rn:5 Rd:5]                     SCALAR_3same        "Scalar three same";
        [01 U 11110 size:2 1 Rm:5 opcode:4 00 Rn:5 Rd:5]                    SCALAR_3diff        "SQDMLAL, SQDMLSL, SQDMULL";
        [01 U 11110 size:2 10000 opcode:5 10 Rn:5 Rd:5]                     SCALAR_2misc        "Scalar two-register miscellaneous";
        [01 U 11110 size:2 11000 opcode:5 10 Rn:5 Rd:5]                     SCALAR_pairwise     "ADDP, FADDP, FMAXP, …";
        [01 op 11110000 imm5:5 0 imm4:4 1 Rn:5 Rd:5]                        SCALAR_copy         "DUP (element)";
        [01 U 11111 size:2 L M Rm:4 opcode:4 H 0 Rn:5 Rd:5]                 SCALAR_indexed      "Scalar by element";
        [01 U 111110 immh:4 immb:3 opcode:5 1 Rn:5 Rd:5]                    SCALAR_shift        "Scalar shift by immediate";

        // Advanced SIMD
        [0 Q U 01110 size:2 1 Rm:5 opcode:5 1 Rn:5 Rd:5]                    VECTOR_3same        "Three same";
        [0 Q U 01110 size:2 1 Rm:5 opcode:4 00 Rn:5 Rd:5]                   VECTOR_3diff        "Three different";
        [0 Q U 01110 size:2 10000 opcode:5 10 Rn:5 Rd:5]                    VECTOR_2misc        "Two-register miscellaneous";
        [0 Q U 01110 size:2 11000 opcode:5 10 Rn:5 Rd:5]                    VECTOR_across       "Across lanes";
        [0 Q op 01110000 imm5:5 0 imm4:4 1 Rn:5 Rd:5]                       VECTOR_copy         "DUP, INS, SMOV, UMOV";
        [0 Q U 01111 size:2 L M Rm:4 opcode:4 H 0 Rn:5 Rd:5]                VECTOR_indexed      "By element";
        [0 Q U 011110 immh:4 immb:3 opcode:5 1 Rn:5 Rd:5]                   VECTOR_shift        "Shift by immediate";
        [0 Q op 0111100000 abc:3 cmode:4 o2 1 defgh:5 Rd:5]                 VECTOR_imm          overrides VECTOR_shift   "MOVI, MVNI, ORR, BIC, FMOV (vector, immediate)";
        [0 Q 001110 000 Rm:5 0 len:2 op 00 Rn:5 Rd:5]                       VECTOR_table        "TBL, TBX";
        [0 Q 001110 size:2 0 Rm:5 0 opcode:3 10 Rn:5 Rd:5]                  VECTOR_permute      "UZP, TRN, ZIP";
        [0 Q 101110 000 Rm:5 0 imm4:4 0 Rn:5 Rd:5]                          VECTOR_extract      "EXT";
    }
}
