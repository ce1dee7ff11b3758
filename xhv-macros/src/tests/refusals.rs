//! Every check with an input that it refuses: place and words.

use super::expand;

#[track_caller]
fn refuse(source: &str, expected: &[&str]) {
    match expand(source) {
        Ok(_) => panic!("accepted: {source}"),
        Err(lines) => assert_eq!(lines, expected, "{source}"),
    }
}

#[test]
fn heads() {
    refuse(
        r#"rows x {}"#,
        &[
            "1:1: expected `registers`, `simd`, `feature_registers`, `gic`, `vmcs`, `controls`, `capabilities`, `msr`, `msrs`, `sysreg`, `sysregs`, `fields`, `values`, `exits`, `framework`, `library`, `state` or `instructions`, found `rows`",
        ],
    );
    refuse(
        "/// Docs.\n42",
        &[
            "2:1: expected `registers`, `simd`, `feature_registers`, `gic`, `vmcs`, `controls`, `capabilities`, `msr`, `msrs`, `sysreg`, `sysregs`, `fields`, `values`, `exits`, `framework`, `library`, `state` or `instructions`, found `42`",
        ],
    );
    refuse(r#"fields A: u8 {}"#, &["1:14: expected `cite`, found `{`"]);
    refuse(
        r#"fields A: u8 cite 1 {}"#,
        &["1:19: expected a string with document and place, found `1`"],
    );
    refuse(
        r#"fields A: u200 cite "c" {}"#,
        &["1:11: expected a width: `u1` to `u128`, found `u200`"],
    );
    refuse(
        r#"fields A: natural cite "c" {}"#,
        &["1:11: expected `u1` to `u128`"],
    );
    refuse(
        r#"registers 1 cite "c" {}"#,
        &["1:11: expected an architecture or `cite`, found `1`"],
    );
    refuse(
        r#"gic timer cite "c" {}"#,
        &[
            "1:5: expected `distributor`, `redistributor`, `icc`, `ich`, `icv` or `msi`, found `timer`",
        ],
    );
    refuse(r#"vmcs cite "c""#, &["1:1: expected `{`, found the end"]);
    refuse(
        r#"#[test] fields A: u8 cite "c" {}"#,
        &["1:3: expected `doc`, found `test`"],
    );
}

#[test]
fn rows_that_cannot_be_read() {
    refuse(
        r#"registers cite "c" { RIP: u64; }"#,
        &["1:22: expected the number of a row, found `RIP`"],
    );
    refuse(
        r#"registers cite "c" { 0 : u64; }"#,
        &["1:24: expected the name of the row, found `:`"],
    );
    refuse(
        r#"registers cite "c" { 0 RIP u64; }"#,
        &["1:28: expected `:`, found `u64`"],
    );
    refuse(
        r#"registers cite "c" { 0 RIP: f64; }"#,
        &["1:29: expected a width: `u1` to `u128`, found `f64`"],
    );
    refuse(
        r#"registers cite "c" { 0 RIP: u64 as ; }"#,
        &["1:36: expected a type, found `;`"],
    );
    refuse(
        r#"registers cite "c" { 0 RIP: u64 fast; }"#,
        &[
            "1:33: expected `rw`, `ro`, `wo`, `=`, `since`, `deprecated`, `unsure`, `alias`, `after`, `order`, `volatile`, `optional`, `nosave`, a string or `;`, found `fast`",
        ],
    );
    refuse(
        r#"registers cite "c" { 0u8 RIP: u64; }"#,
        &["1:22: expected the number of a row, found `0u8`"],
    );
    refuse(
        r#"registers cite "c" { 0 RIP: u64 }"#,
        &[
            "1:33: expected `rw`, `ro`, `wo`, `=`, `since`, `deprecated`, `unsure`, `alias`, `after`, `order`, `volatile`, `optional`, `nosave`, a string or `;`, found the end",
        ],
    );
    refuse(
        "registers cite \"c\" {\n 0 A: u64 fast;\n 1 B: u64;\n 2 C: u64 slow;\n}",
        &[
            "2:11: expected `rw`, `ro`, `wo`, `=`, `since`, `deprecated`, `unsure`, `alias`, `after`, `order`, `volatile`, `optional`, `nosave`, a string or `;`, found `fast`",
            "4:11: expected `rw`, `ro`, `wo`, `=`, `since`, `deprecated`, `unsure`, `alias`, `after`, `order`, `volatile`, `optional`, `nosave`, a string or `;`, found `slow`",
        ],
    );
    refuse(
        r#"registers cite "c" { 0..3 R{0}: u64; }"#,
        &["1:25: expected `=`, found `3`"],
    );
}

#[test]
fn facts() {
    refuse(
        r#"registers cite "c" { 0 A: u64 rw ro; }"#,
        &["1:34: access is given twice"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 since macos 11.0 since macos 12.0; }"#,
        &["1:48: `since` is given twice"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 "one" "two"; }"#,
        &["1:37: a row has one line of documentation"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 since 11.0; }"#,
        &["1:37: expected `macos`, found `11.0`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 since macos 11; }"#,
        &["1:43: expected a version such as `11.0`, found `11`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 since macos 10.10.999; }"#,
        &["1:43: expected a version such as `11.0`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 unsure; }"#,
        &["1:37: expected a string that says why, found `;`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 alias B; }"#,
        &["1:37: expected `of`, found `B`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 nosave; }"#,
        &["1:37: expected a string that says why, found `;`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 volatile volatile; }"#,
        &["1:40: `volatile` is given twice"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 = ; }"#,
        &["1:33: expected Apple's name, found `;`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 high 1; }"#,
        &[
            "1:31: expected `rw`, `ro`, `wo`, `=`, `since`, `deprecated`, `unsure`, `alias`, `after`, `order`, `volatile`, `optional`, `nosave`, a string or `;`, found `high`",
        ],
    );
    refuse(
        r#"msrs cite "c" { 0 A: u64 native native; }"#,
        &["1:33: `native` is given twice"],
    );
    refuse(
        r#"msrs cite "c" { 0 A: u64 via 3; }"#,
        &["1:30: expected the path of a VMCS field, found `3`"],
    );
}

#[test]
fn keys_and_names_of_rows() {
    refuse(
        r#"registers cite "c" { 0 A: u64; 0 B: u64; }"#,
        &["1:32: the number of `A`, 0x0, is used twice"],
    );
    refuse(
        r#"registers cite "c" { 1 A: u64; 0 B: u64; }"#,
        &["1:32: `0` stands after 0x1: rows ascend"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64; 1 A: u64; }"#,
        &["1:34: `A` is defined twice"],
    );
    refuse(
        r#"registers a cite "c" { 0 A: u64; } registers b cite "c" { 0 B: u64; }"#,
        &["1:59: the number of `A`, 0x0, is used twice"],
    );
    refuse(
        r#"registers cite "c" { 0x1_0000_0000 A: u64; }"#,
        &["1:22: `0x1_0000_0000` does not fit a key of 32 bits"],
    );
    refuse(
        r#"vmcs cite "c" { 0x8000 A: u16 rw; }"#,
        &["1:17: `0x8000` does not fit a VMCS encoding of 15 bits"],
    );
    refuse(
        r#"sysregs cite "c" { 3 0 1 0 2 A: u64; 3 0 1 0 2 B: u64; }"#,
        &["1:38: the number of `A`, 0xc082, is used twice"],
    );
    refuse(
        r#"fields A: u1 cite "c" { [0] X; } values A: u8 cite "c" { 0 B; }"#,
        &["1:41: `A` is defined twice"],
    );
    refuse(
        r#"fields A: u1 cite "c" { [0] X { 0 Off }; } values AX: u8 cite "c" { 0 B; }"#,
        &["1:51: `X` and `AX` would both be called `AX`"],
    );
    refuse(
        r#"values Hlt: u8 cite "c" { 0 B; } exits E of R[3:0] cite "c" { 1 HLT { a: Q }; }"#,
        &["1:65: `Hlt` and `HLT` would both be called `Hlt`"],
    );
    refuse(
        r#"values B: u8 cite "c" { 0 X; } instructions I cite "c" { [x:32] B; }"#,
        &["1:65: `B` is defined twice"],
    );
}

#[test]
fn ranges() {
    refuse(
        r#"registers cite "c" { 0..=3 R: u64; }"#,
        &["1:28: a range needs a running number in the name: `R{0}`"],
    );
    refuse(
        r#"registers cite "c" { 0 R{0}: u64; }"#,
        &["1:26: a running number needs a range such as `0..=3`"],
    );
    refuse(
        r#"registers cite "c" { 3..=0 R{0}: u64; }"#,
        &["1:26: the range ends before it starts"],
    );
    refuse(
        r#"registers cite "c" { 0..=3 step 0 R{0}: u64; }"#,
        &["1:33: the step must not be 0"],
    );
    refuse(
        r#"registers cite "c" { 0..=3 step 2 R{0}: u64; }"#,
        &["1:26: the step does not lead to the last number"],
    );
    refuse(
        r#"registers cite "c" { 0..=9999 R{0}: u64; }"#,
        &["1:26: more than 4096 rows in one range"],
    );
    refuse(
        r#"registers cite "c" { 0..=3 R{0}: u64 = HV_R; }"#,
        &["1:40: a range needs a running number in the name: `HV_R{0}`"],
    );
}

#[test]
fn widths() {
    refuse(
        r#"registers cite "c" { 0 A: u7; }"#,
        &["1:27: expected `u8` or `u16` or `u32` or `u64`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: natural; }"#,
        &["1:27: `natural` is a width of VMCS fields: expected `u64`"],
    );
    refuse(
        r#"simd cite "c" { 0 Q0: u64; }"#,
        &["1:23: expected `u128`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: i32; }"#,
        &["1:27: expected `u8` or `u16` or `u32` or `u64`"],
    );
    refuse(
        r#"vmcs cite "c" { 0x0000 A: u8 rw; }"#,
        &[
            "1:27: expected `u16` or `u32` or `u64`",
            "1:27: encoding 0x0000 is of width `u16`, not `u8`",
        ],
    );
}

#[test]
fn vmcs_fields() {
    refuse(
        r#"vmcs cite "c" { 0x6820 A: u64 rw; }"#,
        &["1:27: encoding 0x6820 is of width `natural`, not `u64`"],
    );
    refuse(
        r#"vmcs cite "c" { 0x4002 A: natural rw; }"#,
        &["1:27: encoding 0x4002 is of width `u32`, not `natural`"],
    );
    refuse(
        r#"vmcs cite "c" { 0x0001 A: u16 rw; }"#,
        &["1:17: an odd encoding is the high half of the field before"],
    );
    refuse(
        r#"vmcs cite "c" { 0x2010 A: u64 rw; }"#,
        &["1:24: a 64-bit field says where its high half is: `high 0x2011`"],
    );
    refuse(
        r#"vmcs cite "c" { 0x2010 A: u64 rw high 0x2012; }"#,
        &["1:39: the high half of 0x2010 is 0x2011"],
    );
    refuse(
        r#"vmcs cite "c" { 0x4002 A: u32 rw high 0x4003; }"#,
        &["1:39: only a `u64` field has a high half"],
    );
    refuse(
        r#"vmcs cite "c" { 0x4002 A: u32; }"#,
        &[
            "1:24: expected a class: `rw`, `cond`, `ro`, `hidden`, `refused`, `undocumented`, `framework` or `unknown`",
        ],
    );
    refuse(
        r#"vmcs cite "c" { 0x4402 A: u32 rw; }"#,
        &["1:31: encoding 0x4402 is exit information, which cannot be `rw`: expected `ro`"],
    );
    refuse(
        r#"vmcs cite "c" { 0x4402 A: u32 wo; }"#,
        &[
            "1:31: expected `rw`, `cond`, `ro`, `hidden`, `refused`, `undocumented`, `framework`, `unknown`, `high`, `=`, `since`, `deprecated`, `unsure`, `alias`, `after`, `order`, `volatile`, `optional`, `nosave`, a string or `;`, found `wo`",
        ],
    );
}

#[test]
fn system_registers() {
    refuse(
        r#"sysregs cite "c" { 4 0 0 0 0 A: u64; }"#,
        &["1:20: `4` is no op0: accepted are 0 to 3"],
    );
    refuse(
        r#"sysregs cite "c" { 3 8 0 0 0 A: u64; }"#,
        &["1:22: `8` is no op1: accepted are 0 to 7"],
    );
    refuse(
        r#"sysregs cite "c" { 3 0 16 0 0 A: u64; }"#,
        &["1:24: `16` is no CRn: accepted are 0 to 15"],
    );
    refuse(
        r#"sysregs cite "c" { 3 0 0 16 0 A: u64; }"#,
        &["1:26: `16` is no CRm: accepted are 0 to 15"],
    );
    refuse(
        r#"sysregs cite "c" { 3 0 0 0 8 A: u64; }"#,
        &["1:28: `8` is no op2: accepted are 0 to 7"],
    );
    refuse(
        r#"sysregs cite "c" { 3 0 0 0 A: u64; }"#,
        &["1:28: expected op2, found `A`"],
    );
    refuse(
        r#"sysregs cite "c" { 3 4 1 1 1 MDCR_EL2: u64 = 0xe089 "no departure"; }"#,
        &["1:46: `0xe089` is the computed number: leave it out"],
    );
    refuse(
        r#"sysregs cite "c" { 3 4 1 1 1 MDCR_EL2: u64 = 0x1_0000 "too wide"; }"#,
        &["1:46: `0x1_0000` does not fit the 16 bits"],
    );
    refuse(
        r#"sysregs cite "c" { 3 4 1 1 1 MDCR_EL2: u64 = 0xe019; }"#,
        &["1:52: expected a string that says why the number departs, found `;`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 = 1 "why"; }"#,
        &["1:33: only a system register has a computed number"],
    );
}

#[test]
fn snapshot_facts() {
    refuse(
        r#"registers cite "c" { 0 A: u64; 1 B: u64 alias of A nosave "why"; }"#,
        &["1:52: an alias is not saved: leave `nosave` out"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 volatile nosave "why"; }"#,
        &["1:40: `nosave` and `volatile` contradict each other"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 alias of A; }"#,
        &["1:40: a row cannot be an alias of itself"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 after A; }"#,
        &["1:37: `A` would be written after itself"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 after B; }"#,
        &["1:37: no row is called `B`"],
    );
    refuse(
        r#"registers cite "c" { 0 A: u64 after B; 1 B: u64 after C; 2 C: u64 after A; }"#,
        &[
            "1:37: `A` would be written after itself",
            "1:55: `B` would be written after itself",
            "1:73: `C` would be written after itself",
        ],
    );
    refuse(
        r#"msrs cite "c" { 0 A: u64 native emulated; }"#,
        &["1:33: `emulated` says that there is no other way"],
    );
}

#[test]
fn bit_fields() {
    refuse(
        r#"fields A: u8 cite "c" { [7:1] res0; }"#,
        &["1:8: bit 0 is not described"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [7:4] res0; [2:0] X; }"#,
        &["1:38: bit 3 is not described"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [7:4] res0; [4:0] X; }"#,
        &["1:38: bit 4 is described twice"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [3:0] X; [7:4] res0; }"#,
        &[
            "1:26: bits 7:4 are not described",
            "1:35: bit 7 is described twice",
        ],
    );
    refuse(
        r#"fields A: u8 cite "c" { [8:0] X; }"#,
        &["1:26: bit 8 is beyond the 8 bits"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [0:7] X; }"#,
        &["1:28: the highest bit stands first"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [7:0 1] X; }"#,
        &["1:30: expected `]`, found `1`"],
    );
    refuse(
        r#"fields A: u8 cite "c" { 7 X; }"#,
        &["1:25: expected `[`, found `7`"],
    );
    refuse(
        r#"fields A: u2 cite "c" { [1] X; [0] X; }"#,
        &["1:36: `X` is defined twice"],
    );
    refuse(
        r#"fields A: u4 cite "c" { [3:2] AB; [1:0] ab; }"#,
        &["1:41: `AB` and `ab` would both be called `ab`"],
    );
    refuse(
        r#"fields A: u1 cite "c" { [0] RES0; }"#,
        &["1:29: `RES0` is what every bit-field type has: call it otherwise"],
    );
    refuse(
        r#"fields A: i32 cite "c" { [31:0] X; }"#,
        &["1:11: expected `u1` to `u128`"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [7:0] X {}; }"#,
        &["1:33: expected named values such as `{ 0 Off, 1 On }`"],
    );
    refuse(
        r#"fields A: u8 cite "c" { [7:0] X { 0 Off 1 On }; }"#,
        &["1:41: expected `,`, found `1`"],
    );
    refuse(
        r#"fields A: u2 cite "c" { [1:0] X { 0 Off, 4 On }; }"#,
        &["1:42: `4` does not fit 2 bits"],
    );
    refuse(
        r#"fields A: u2 cite "c" { [1:0] X { 1 Off, 0 On }; }"#,
        &["1:42: `0` stands after 0x1: rows ascend"],
    );
    refuse(
        r#"fields A: u2 cite "c" { [1:0] X { 0 Off, 1 Off }; }"#,
        &["1:44: `Off` is defined twice"],
    );
    refuse(
        r#"msr 0x10 TSC: Tsc rw cite "c" { [31:0] X; }"#,
        &["1:34: bits 63:32 are not described"],
    );
}

#[test]
fn named_values() {
    refuse(
        r#"values A: u8 cite "c" { 256 B; }"#,
        &["1:25: `256` does not fit 8 bits"],
    );
    refuse(
        r#"values A: u8 cite "c" { 1 B; 0 C; }"#,
        &["1:30: `0` stands after 0x1: rows ascend"],
    );
    refuse(
        r#"values A: u8 cite "c" { 0 B; 0 C; }"#,
        &["1:30: `B` has this value: a second name says `alias of B`"],
    );
    refuse(
        r#"values A: u8 cite "c" { 0 B; 0 C alias of D; }"#,
        &["1:43: no value before this one is called `D`"],
    );
    refuse(
        r#"values A: u8 cite "c" { 0 AllToo; 1 ALL_TOO; }"#,
        &["1:37: `AllToo` and `ALL_TOO` would both be called `ALL_TOO`"],
    );
    refuse(
        r#"values A: u128 cite "c" { 0 B; }"#,
        &["1:11: expected `u1` to `u64`"],
    );
    refuse(
        r#"values A: i32 cite "c" { 0 B; }"#,
        &["1:11: expected `u1` to `u64`"],
    );
}

#[test]
fn control_words() {
    refuse(
        r#"controls A: u16 cite "c" { 0 X; }"#,
        &["1:13: expected `u32` or `u64`"],
    );
    refuse(
        r#"controls A: u32 cite "c" { 1 X; 0 Y; }"#,
        &["1:33: bit 0 stands after bit 1: rows ascend"],
    );
    refuse(
        r#"controls A: u32 cite "c" { 32 X; }"#,
        &["1:28: bit 32 is beyond the 32 bits"],
    );
    refuse(
        r#"controls A: u32 default1 0x1_0000_0000 cite "c" { 0 X; }"#,
        &["1:26: `0x1_0000_0000` does not fit the 32 bits"],
    );
    refuse(
        r#"controls A: u32 default2 0x16 cite "c" { 0 X; }"#,
        &[
            "1:17: expected `of`, `capability`, `default1`, `true_default1` or `cite`, found `default2`",
        ],
    );
}

#[test]
fn exit_reasons() {
    refuse(
        r#"exits E at R[15:0] cite "c" { 0 X; }"#,
        &["1:9: expected `of` and a row, or `in` and a type, found `at`"],
    );
    refuse(
        r#"exits E of R cite "c" { 0 X; }"#,
        &["1:14: expected `[`, found `cite`"],
    );
    refuse(
        r#"exits E of R[63:0] cite "c" { 0 X; }"#,
        &["1:14: a reason has at most 32 bits"],
    );
    refuse(
        r#"exits E of R[64:0] cite "c" { 0 X; }"#,
        &["1:14: bit 64 is beyond the 64 bits"],
    );
    refuse(
        r#"exits E of R[3:0] cite "c" { 16 X; }"#,
        &["1:30: `16` does not fit the 4 bits of a reason"],
    );
    refuse(
        r#"exits E of R[3:0] cite "c" { 1 X; 1 Y; }"#,
        &["1:35: `1` is used twice"],
    );
    refuse(
        r#"exits E of R[3:0] cite "c" { 1 X; 2 X; }"#,
        &["1:37: `X` is defined twice"],
    );
    refuse(
        r#"exits E of R[3:0] cite "c" { 1 UNLISTED; }"#,
        &["1:32: `Unlisted` is what numbers without a row become"],
    );
    refuse(
        r#"exits E of R[3:0] cite "c" { 1 X { a: Q, a: Q }; }"#,
        &["1:42: `a` is defined twice"],
    );
    refuse(
        r#"exits E of R[3:0] cite "c" { 1 X { a Q }; }"#,
        &["1:38: expected `:`, found `Q`"],
    );
    refuse(
        r#"exits E in R[3:0] cite "c" { 1 X { a: Q }; }"#,
        &["1:39: expected `[`, found `Q`"],
    );
    refuse(
        r#"exits E in R[3:0] cite "c" { 1 X { a: [64] }; }"#,
        &["1:40: bit 64 is beyond the 64 bits"],
    );
}

#[test]
fn ffi() {
    refuse(
        r#"framework F cite "c" {}"#,
        &["1:13: expected `on`, found `cite`"],
    );
    refuse(
        r#"framework F on riscv cite "c" {}"#,
        &["1:16: expected `x86_64` or `aarch64`"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { union a; }"#,
        &[
            "1:35: expected `type`, `opaque`, `vector`, `struct`, `enum`, `flags`, `const` or `fn`, found `union`",
        ],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { fn f(a: u8, a: u8); }"#,
        &["1:47: `a` is defined twice"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { fn f(a); }"#,
        &["1:41: expected `:`, found the end"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { fn f() thread some; }"#,
        &["1:49: expected `owner`, `any` or `binds`"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { fn f(); fn f(); }"#,
        &["1:46: `f` is defined twice"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { fn f(a: *u8); }"#,
        &["1:44: expected `const` or `mut`"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { enum e: u32 { 0 A; 0 B; } }"#,
        &["1:54: `A` has this value: a second name says `alias of A`"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { enum e: u32 { 0 A; } enum f: u32 { 0 A; } }"#,
        &["1:72: `A` is defined twice"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { enum e: u24 { 0 A; } }"#,
        &["1:43: expected `u8`, `u16`, `u32`, `u64` or `i32`"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { type _ = u32; }"#,
        &["1:40: only an `enum` or `flags` may be nameless"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { const A: u8 = 256; }"#,
        &["1:49: `256` does not fit `u8`"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { struct s size 8 align 3 { 0 a: u64; } }"#,
        &["1:57: an alignment is a power of two"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { struct s size 9 align 8 { 0 a: u64; } }"#,
        &["1:49: `9` is no multiple of the alignment"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { struct s size 8 align 8 { 8 a: u64; } }"#,
        &["1:61: offset 8 is beyond the size"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { struct s size 8 align 4 { 4 a: u32; 0 b: u32; } }"#,
        &["1:71: `0` stands after 0x4: rows ascend"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { vector v size 8 align 16; }"#,
        &["1:49: a vector is of 16, 32 or 64 bytes"],
    );
    refuse(
        r#"framework F on aarch64 cite "c" { vector v size 16 align 8; }"#,
        &["1:58: a vector is aligned to 16 bytes"],
    );
}

#[test]
fn snapshot_structs() {
    refuse(
        r#"state S on x86_64 cite "c" {}"#,
        &["1:28: expected groups such as `general reg;`"],
    );
    refuse(
        r#"state S on mips cite "c" { a b; }"#,
        &["1:12: expected `x86_64` or `aarch64`"],
    );
    refuse(
        r#"state S on x86_64 cite "c" { a b; a c; }"#,
        &["1:35: `a` is defined twice"],
    );
    refuse(
        r#"state S on x86_64 cite "c" { version b; }"#,
        &["1:30: `version` is a key that every file has"],
    );
    refuse(
        r#"state S on x86_64 cite "c" { extra b c; }"#,
        &["1:38: expected `:`, found `c`"],
    );
}

#[test]
fn instruction_patterns() {
    refuse(
        r#"instructions I cite "c" { [0 1] A; }"#,
        &["1:27: the pattern has 2 bits, not 32"],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:32] A; }"#,
        &["1:27: the pattern has 33 bits, not 32"],
    );
    refuse(
        r#"instructions I cite "c" { [x:33] A; }"#,
        &["1:28: expected a width from 1 to 32, or `s` and a width"],
    );
    refuse(
        r#"instructions I cite "c" { [x:t3] A; }"#,
        &["1:28: expected a width from 1 to 32, or `s` and a width"],
    );
    refuse(
        r#"instructions I cite "c" { [2 x:31] A; }"#,
        &["1:28: expected binary digits or a field such as `Rn:5`, found `2`"],
    );
    refuse(
        r#"instructions I cite "c" { [x:16 x:16] A; }"#,
        &["1:33: `x` is defined twice"],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:31] A; [00 x:30] B; }"#,
        &[
            "1:49: `B` and `A` both match 0x00000000: the more specific one, `B`, must say `overrides`",
        ],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:31] A; [00 x:30] B overrides C; }"#,
        &[
            "1:61: no row is called `C`",
            "1:49: `B` and `A` both match 0x00000000: the more specific one, `B`, must say `overrides`",
        ],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:31] A; [1 x:31] B overrides A; }"#,
        &["1:60: `A` has no word in common with this row"],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:31] A; [x:31 0] B overrides A; }"#,
        &["1:60: `A` fixes as many bits as this row, which is not more specific"],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:31] A; [1 x:31] A; }"#,
        &["1:48: `A` is defined twice"],
    );
    refuse(
        r#"instructions I cite "c" { ["0" x:31] A; }"#,
        &[r#"1:28: expected binary digits or a field such as `Rn:5`, found `"0"`"#],
    );
    refuse(
        r#"instructions I cite "c" { [0 x:30 0] A overrides B; [0 0 x:30] B overrides A; }"#,
        &[
            "1:50: `B` fixes as many bits as this row, which is not more specific",
            "1:76: `A` fixes as many bits as this row, which is not more specific",
        ],
    );
}
