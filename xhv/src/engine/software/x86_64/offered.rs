//! What CPUID offers runs, and what it does not offer raises #UD: every encoding that `iced-x86` decodes, in 16, 32 and 64-bit code.

use std::collections::{BTreeMap, BTreeSet};

use iced_x86::{Code, CpuidFeature, Decoder, DecoderOptions, Mnemonic};

use super::cpu::Cr;
use super::cpuid::cpuid;
use super::tests::{Bounded, Machine};
use crate::x86_64::entry::field::{primary, secondary};

/// Where the instruction lies, and where its memory operand.
const CODE: u64 = 0x1000;
const DATA: u64 = 0x4000;

/// The bit of CPUID that offers a feature: leaf (subleaf 0, but for leaf 0DH), register (EAX to EDX), bit. `None`: nothing here does.
fn place(feature: CpuidFeature) -> Option<(u32, usize, u32)> {
    use CpuidFeature as F;
    Some(match feature {
        F::SSE3 => (1, 2, 0),
        F::PCLMULQDQ => (1, 2, 1),
        F::MONITOR => (1, 2, 3),
        F::VMX => (1, 2, 5),
        F::SMX => (1, 2, 6),
        F::SSSE3 => (1, 2, 9),
        F::FMA => (1, 2, 12),
        F::CMPXCHG16B => (1, 2, 13),
        F::SSE4_1 => (1, 2, 19),
        F::SSE4_2 => (1, 2, 20),
        F::MOVBE => (1, 2, 22),
        F::POPCNT => (1, 2, 23),
        F::AES => (1, 2, 25),
        F::XSAVE => (1, 2, 26),
        F::AVX => (1, 2, 28),
        F::F16C => (1, 2, 29),
        F::RDRAND => (1, 2, 30),
        F::FPU | F::FPU287 | F::FPU387 => (1, 3, 0),
        F::TSC => (1, 3, 4),
        F::MSR => (1, 3, 5),
        F::CX8 => (1, 3, 8),
        F::SEP => (1, 3, 11),
        F::CMOV => (1, 3, 15),
        F::CLFSH => (1, 3, 19),
        F::MMX => (1, 3, 23),
        F::FXSR => (1, 3, 24),
        F::SSE => (1, 3, 25),
        F::SSE2 => (1, 3, 26),
        F::FSGSBASE => (7, 1, 0),
        F::SGX1 => (7, 1, 2),
        F::BMI1 => (7, 1, 3),
        F::HLE => (7, 1, 4),
        F::AVX2 => (7, 1, 5),
        F::BMI2 => (7, 1, 8),
        F::INVPCID => (7, 1, 10),
        F::RTM => (7, 1, 11),
        F::MPX => (7, 1, 14),
        F::RDSEED => (7, 1, 18),
        F::ADX => (7, 1, 19),
        F::SMAP => (7, 1, 20),
        F::CLFLUSHOPT => (7, 1, 23),
        F::CLWB => (7, 1, 24),
        F::SHA => (7, 1, 29),
        F::PREFETCHWT1 => (7, 2, 0),
        F::PKU => (7, 2, 3),
        F::WAITPKG => (7, 2, 5),
        F::CET_SS => (7, 2, 7),
        F::GFNI => (7, 2, 8),
        F::VAES => (7, 2, 9),
        F::VPCLMULQDQ => (7, 2, 10),
        F::RDPID => (7, 2, 22),
        F::KL => (7, 2, 23),
        F::CLDEMOTE => (7, 2, 25),
        F::MOVDIRI => (7, 2, 27),
        F::MOVDIR64B => (7, 2, 28),
        F::ENQCMD => (7, 2, 29),
        F::UINTR => (7, 3, 5),
        F::SERIALIZE => (7, 3, 14),
        F::TSXLDTRK => (7, 3, 16),
        F::PCONFIG => (7, 3, 18),
        F::CET_IBT => (7, 3, 20),
        F::XSAVEOPT => (0xd, 0, 0),
        F::XSAVEC => (0xd, 0, 1),
        F::XSAVES => (0xd, 0, 3),
        F::LZCNT => (0x8000_0001, 2, 5),
        F::PREFETCHW => (0x8000_0001, 2, 8),
        F::SYSCALL => (0x8000_0001, 3, 11),
        F::RDTSCP => (0x8000_0001, 3, 27),
        F::X64 => (0x8000_0001, 3, 29),
        F::WBNOINVD => (0x8000_0008, 1, 9),
        _ => return None,
    })
}

fn is_offered(feature: CpuidFeature) -> bool {
    use CpuidFeature as F;
    // What every CPU of family 6 has, CPUID or not.
    if matches!(
        feature,
        F::INTEL8086
            | F::INTEL186
            | F::INTEL286
            | F::INTEL386
            | F::INTEL486
            | F::CPUID
            | F::PAUSE
            | F::MULTIBYTENOP
            | F::RDPMC
    ) {
        return true;
    }
    place(feature).is_some_and(|(leaf, register, bit)| {
        let answer = cpuid(leaf, u32::from(leaf == 0xd));
        [answer.eax, answer.ebx, answer.ecx, answer.edx][register] >> bit & 1 != 0
    })
}

/// Instructions for which the rule is not the rule, each with its reason. Answers whether they raise #UD.
fn exception_to_the_rule(code: Code, bits: u32) -> Option<bool> {
    use Mnemonic::*;
    Some(match code.mnemonic() {
        // Undefined by definition.
        Ud0 | Ud1 | Ud2 => true,
        // Exist only in system-management mode.
        Rsm => true,
        // Hints in the space of reserved NOPs and prefetches: without their feature they do nothing.
        Prefetchw | Prefetchwt1 | Prefetch | Cldemote | Endbr32 | Endbr64 | Bndmk | Bndcl
        | Bndcu | Bndcn | Bndmov | Bndldx | Bndstx | Rdsspd | Rdsspq | Prefetchit0
        | Prefetchit1 | Reservednop | Wbnoinvd => false,
        // In VMX non-root operation these exit whatever CPUID says (SDM vol. 3, 27.1.2).
        Vmcall | Vmlaunch | Vmresume | Vmxoff | Vmclear | Vmptrld | Vmptrst | Vmxon | Vmread
        | Vmwrite | Invept | Invvpid => false,
        // EFER.SCE is set here; Intel has SYSCALL and SYSRET in 64-bit mode only.
        Syscall | Sysret | Sysretq => bits != 64,
        _ => return None,
    })
}

/// A code and whether the operand is in memory; the code again, and an example's bytes.
type Examples = BTreeMap<(usize, bool), (Code, Vec<u8>)>;

/// Decodes one candidate, and keeps it if its code is new.
fn note(bits: u32, bytes: &[u8], examples: &mut Examples) {
    let mut decoder = Decoder::with_ip(bits, bytes, CODE, DecoderOptions::NONE);
    let i = decoder.decode();
    if i.is_invalid() {
        return;
    }
    let memory = super::decode::has_memory(&i);
    examples
        .entry((i.code() as usize, memory))
        .or_insert_with(|| (i.code(), bytes[..i.len()].to_vec()));
}

/// ModRM bytes: every value of the reg field with a register and with a memory operand, and all of the last quarter for groups that use rm.
fn modrms() -> impl Iterator<Item = u8> {
    (0..8).map(|reg| reg << 3 | 4).chain(0xc0..=0xff)
}

/// All examples for code of one size.
fn examples(bits: u32) -> Examples {
    let mut examples = Examples::new();
    let prefixes: [&[u8]; 7] = [
        &[],
        &[0x66],
        &[0xf3],
        &[0xf2],
        &[0x67],
        &[0x66, 0xf3],
        &[0x66, 0xf2],
    ];
    let escapes: [&[u8]; 4] = [&[], &[0x0f], &[0x0f, 0x38], &[0x0f, 0x3a]];
    // An addressing form that any instruction takes: (E/R)BX, or SI; a vector index adds zero.
    let tail = if bits == 16 {
        [0; 12]
    } else {
        [0x23, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    };
    for opcode in 0..=255_u8 {
        for modrm in modrms() {
            let rest = [&[opcode, modrm][..], &tail].concat();
            for (prefix, escape) in prefixes
                .iter()
                .flat_map(|p| escapes.iter().map(move |e| (p, e)))
            {
                note(bits, &[prefix, *escape, &rest].concat(), &mut examples);
                if bits == 64 {
                    note(
                        bits,
                        &[prefix, &[0x48][..], *escape, &rest].concat(),
                        &mut examples,
                    );
                }
            }
            for (map, w, pp) in vex_fields() {
                // vvvv all ones or not: some have an operand there and some must not.
                for (vvvv, l) in [(0x78, 0), (0x78, 4), (0x68, 0), (0x68, 4)] {
                    let vex = [0xc4, 0xe0 | map, w | vvvv | l | pp];
                    note(bits, &[&vex[..], &rest].concat(), &mut examples);
                }
            }
        }
    }
    examples
}

fn vex_fields() -> impl Iterator<Item = (u8, u8, u8)> {
    (1..=3).flat_map(|map| {
        [0, 0x80]
            .into_iter()
            .flat_map(move |w| (0..4).map(move |pp| (map, w, pp)))
    })
}

/// Privilege level 0, everything enabled that has to be enabled.
fn machine(bits: u32) -> Machine {
    let mut machine = if bits == 64 {
        Machine::long(32, &[])
    } else {
        Machine::flat(32, &[])
    };
    let cpu = &mut machine.cpu;
    if bits == 16 {
        cpu.seg[1].rights &= !0x4000;
    }
    cpu.cr4 |=
        Cr::CR4_OSFXSR | Cr::CR4_OSXMMEXCPT | Cr::CR4_OSXSAVE | Cr::CR4_FSGSBASE | Cr::CR4_PKE;
    cpu.efer |= Cr::EFER_SCE;
    cpu.xcr0 = 7;
    cpu.vmx.primary |= primary::SECONDARY;
    cpu.vmx.secondary_written |= secondary::RDTSCP | secondary::INVPCID | secondary::XSAVES;
    cpu.gpr[..16].fill(DATA);
    cpu.gpr[4] = 0x8000;
    cpu.update_mode();
    machine
}

/// Whether an instruction raises #UD.
fn is_undefined(bits: u32, bytes: &[u8]) -> bool {
    let mut machine = machine(bits);
    // Whatever follows ends the run without #UD: INT3.
    let mut code = [0xcc; 64];
    code[..bytes.len()].copy_from_slice(bytes);
    machine.memory.write(CODE, &code).unwrap();
    machine.cpu.rip = CODE;
    let exit = machine.cpu.run::<Bounded>(&mut machine.blocks);
    (exit.reason, exit.qualification) == (0, 6) && machine.cpu.rip == CODE
}

fn walk(bits: u32) {
    let (mut run, mut undefined, mut wrong) = (0, 0, Vec::new());
    let mut absent = BTreeSet::new();
    for ((_, memory), (code, bytes)) in examples(bits) {
        let lacking = code
            .cpuid_features()
            .iter()
            .find(|&&feature| !is_offered(feature));
        let expected = exception_to_the_rule(code, bits).unwrap_or(lacking.is_some());
        if let Some(feature) = lacking {
            absent.insert(format!("{feature:?}"));
        }
        *if expected { &mut undefined } else { &mut run } += 1;
        if is_undefined(bits, &bytes) != expected {
            let form = if memory { "memory" } else { "register" };
            wrong.push(format!(
                "{code:?} ({form}) {bytes:02x?} {:?}: {}",
                code.cpuid_features(),
                if expected { "runs" } else { "raises #UD" }
            ));
        }
    }
    println!("{bits}-bit code: {run} forms run, {undefined} raise #UD; not offered: {absent:?}");
    assert!(run > 1000 && undefined > 50);
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn cpuid_tells_the_truth_about_16_bit_code() {
    walk(16);
}

#[test]
fn cpuid_tells_the_truth_about_32_bit_code() {
    walk(32);
}

#[test]
fn cpuid_tells_the_truth_about_64_bit_code() {
    walk(64);
}
