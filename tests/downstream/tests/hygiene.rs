//! Expansions without a prelude, beside modules and types with the names that they could take by mistake.
#![no_implicit_prelude]
#![allow(dead_code, non_camel_case_types)]

mod core {}
mod std {}
mod xhv {}
struct Option;
struct Some;
struct Result;
struct Vec;
struct String;
struct Default;
struct Debug;

mod rows {
    ::xhv::spec! {
        /// A set of values.
        values Colour: u4 cite "none" { 0 Red; 1..=2 Blue{0}; }
        /// Every kind of field.
        fields Flags: u32 cite "none" {
            [31:24] NUMBER;
            [23:20] COLOUR as Colour;
            [19:17] SHAPE { 0 Round, 1 Square };
            [16]    ON as bool;
            [15:2]  res0;
            [1]     res1;
            [0]     FLAG "A flag";
        }
        registers x cite "none" { 0 A: u64; 1 B: u32 as Flags after A since macos 10.10 unsure "why"; }
        simd x cite "none" { 0 Q0: u128; }
        vmcs cite "none" { 0x2806 EFER_FIELD: u64 rw high 0x2807; 0x4000 PIN: u32 as Pin rw = VMCS_PIN; }
        capabilities cite "none" { 0 PINBASED; }
        controls Pin: u32 of PIN capability PINBASED default1 0x16 cite "none" { 0 INTR = PIN_INTR; }
        /// An MSR that the VMCS holds.
        msr 0xc000_0080 EFER: Efer via EFER_FIELD cite "none" { [63:1] res0; [0] SCE; }
        sysregs cite "none" { 3 0 1 0 2 CPACR_EL1: u64 requires el2; }
        gic msi cite "none" { 8 GICM_TYPER: u32 ro; }
        /// From rows.
        exits Exit of A[15:0] cite "none" { 1 HLT; 2 IO { access: B as Flags, low: A[3:0] as u8 } = VMX_IO; }
        /// From a value.
        exits Syndrome in Flags[31:24] cite "none" { 1 ABORT { colour: [23:20] as Colour }; }
    }
}

mod ffi {
    ::xhv::spec! {
        framework Hypervisor on x86_64 cite "none" {
            type hv_vcpuid_t = u32;
            opaque hv_config_t;
            vector hv_vector_t size 16 align 16;
            struct hv_pair_t size 8 align 4 { 0 first: u32; 4 second: [u8; 4]; }
            enum hv_return_t: i32 { 0 HV_SUCCESS; 0xfae94001 HV_ERROR; }
            const HV_FOREVER: u64 = 0xffff_ffff_ffff_ffff;
            fn hv_vcpu_run(vcpu: hv_vcpuid_t) -> hv_return_t thread owner;
            fn hv_newer(config: hv_config_t, value: out u64) -> hv_return_t since macos 12.0;
            fn hv_nothing();
        }
    }
}

mod state {
    use super::rows;
    ::xhv::spec! {
        /// A snapshot.
        state State on aarch64 cite "none" { rows rows; extra part: u8; }
    }
}

mod decoder {
    ::xhv::spec! {
        /// Two instructions.
        instructions Isa cite "none" { [op 0 imm:s30] MOVE; [_ 1 0 _:29] HALT; }
    }
}

#[test]
fn the_expansions_work() {
    let flags = rows::Flags::FLAG
        .with_shape(rows::FlagsShape::SQUARE)
        .with_colour(rows::Colour::BLUE1);
    ::std::assert_eq!(flags.bits(), 0x0022_0001);
    ::std::assert_eq!(
        rows::Syndrome::decode(flags).reason(),
        rows::SyndromeReason(0)
    );
    let move_ = decoder::Isa::Move(decoder::Move(0xbfff_ffff));
    ::std::assert_eq!(
        decoder::Isa::decode(0xbfff_ffff),
        ::core::option::Option::Some(move_)
    );
    ::std::assert_eq!(decoder::Move(0xbfff_ffff).imm(), -1);
    ::std::assert_eq!(ffi::FUNCTIONS.len(), 3);
    ::std::assert_eq!(rows::raw::VMCS_PIN, 0x4000);
}
