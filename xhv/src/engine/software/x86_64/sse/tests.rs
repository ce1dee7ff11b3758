//! What the comparison with the host cannot show: exceptions, control registers, whole-state instructions, approximations.

use iced_x86::IcedError;
use iced_x86::code_asm::*;

use super::super::cpu::{Cpu, Cr, Trap};
use super::super::decode::Assembler;
use super::super::fpu::State;
use super::super::tests::Machine;
use crate::engine::software::dispatch::{Block, Outcome};
use crate::x86_64::entry::field::{primary, secondary};

const AREA: u64 = 0x4000;

/// A 64-bit machine that allows everything.
fn machine() -> Machine {
    let mut machine = Machine::long(16, &[]);
    machine.cpu.cr4 |= Cr::CR4_OSFXSR | Cr::CR4_OSXMMEXCPT | Cr::CR4_OSXSAVE;
    machine.cpu.xcr0 = 0x207;
    machine.cpu.update_mode();
    machine.cpu.gpr[3] = AREA;
    machine.cpu.vmx.primary |= primary::SECONDARY;
    machine.cpu.vmx.secondary_written |= secondary::XSAVES;
    machine
}

/// Runs instructions in the machine's mode; answers the vector of the exception that they raise.
fn run(
    cpu: &mut Cpu,
    code: impl FnOnce(&mut CodeAssembler) -> Result<(), IcedError>,
) -> Option<u8> {
    let bits = cpu.mode.code.bits();
    let mut assembler = CodeAssembler::new(bits).unwrap();
    code(&mut assembler).unwrap();
    let bytes = assembler.assemble(0).unwrap();
    let mut asm = Assembler::new(cpu.mode, &mut cpu.links, 0, false);
    let mut decoder = iced_x86::Decoder::new(bits, &bytes, 0);
    while decoder.can_decode() {
        let at = decoder.position();
        let instruction = decoder.decode();
        asm.note_x87(&bytes[at..]);
        asm.instruction(&instruction, at as u16);
    }
    asm.go_on(bytes.len() as u16);
    cpu.rip = 0x1000;
    let outcome = Block::new(asm.finish().0).unwrap().run(cpu);
    match cpu.trap.take() {
        Some(Trap::Exception(exception)) => Some(exception.vector),
        Some(Trap::Exit(exit)) => panic!("{exit:?}"),
        None => {
            assert_eq!(outcome, Outcome::End);
            None
        }
    }
}

fn double(cpu: &mut Cpu, n: usize, value: f64) {
    cpu.fpu.xmm[n] = value.to_bits().into();
}

#[test]
fn unmasked_exceptions_keep_the_destination() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    double(cpu, 1, 1.0);
    double(cpu, 2, 0.0);
    cpu.fpu.mxcsr = 0x1f80 & !0x200;
    let before = cpu.fpu.xmm;
    assert_eq!(run(cpu, |a| a.divsd(xmm1, xmm2)), Some(19));
    assert_eq!((cpu.fpu.xmm, cpu.fpu.mxcsr & 0x3f), (before, 4));
    // Inexact is found after the operation; the destination is kept all the same.
    cpu.fpu.mxcsr = 0x1f80 & !0x1000;
    double(cpu, 2, 3.0);
    let before = cpu.fpu.xmm;
    assert_eq!(run(cpu, |a| a.divsd(xmm1, xmm2)), Some(19));
    assert_eq!((cpu.fpu.xmm, cpu.fpu.mxcsr & 0x3f), (before, 0x20));
    // A tiny result that is exact raises underflow only when that is unmasked.
    double(cpu, 1, f64::MIN_POSITIVE);
    double(cpu, 2, 0.5);
    cpu.fpu.mxcsr = 0x1f80;
    assert_eq!(run(cpu, |a| a.mulsd(xmm1, xmm2)), None);
    assert_eq!(cpu.fpu.mxcsr & 0x3f, 0);
    double(cpu, 1, f64::MIN_POSITIVE);
    cpu.fpu.mxcsr = 0x1f80 & !0x800;
    assert_eq!(run(cpu, |a| a.mulsd(xmm1, xmm2)), Some(19));
    assert_eq!(cpu.fpu.mxcsr & 0x3f, 0x10);
    // Without CR4.OSXMMEXCPT it is an invalid opcode.
    cpu.cr4 &= !Cr::CR4_OSXMMEXCPT;
    cpu.update_mode();
    assert_eq!(run(cpu, |a| a.mulsd(xmm1, xmm2)), Some(6));
}

#[test]
fn control_registers_decide_who_may_run() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    type Code = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let sse: Code = |a| a.addps(xmm1, xmm2);
    let avx: Code = |a| a.vaddps(ymm1, ymm2, ymm3);
    let mmx: Code = |a| a.paddb(mm1, mm2);
    let x87: Code = |a| a.fld1();
    let wait: Code = |a| a.wait();
    let all = [sse, avx, mmx, x87, wait];
    let set = |cpu: &mut Cpu, c0: u64, c4: u64, x0: u64| {
        cpu.cr0 = cpu.cr0 & !0xe | c0;
        cpu.cr4 = cpu.cr4 & !(Cr::CR4_OSFXSR | Cr::CR4_OSXSAVE) | c4;
        cpu.xcr0 = x0;
        cpu.update_mode();
    };
    let both = Cr::CR4_OSFXSR | Cr::CR4_OSXSAVE;
    let cases: [(u64, u64, u64, [Option<u8>; 5]); 7] = [
        (0, both, 7, [None; 5]),
        (
            Cr::CR0_TS,
            both,
            7,
            [Some(7), Some(7), Some(7), Some(7), None],
        ),
        (Cr::CR0_TS | Cr::CR0_MP, both, 7, [Some(7); 5]),
        (Cr::CR0_EM, both, 7, [Some(6), None, Some(6), Some(7), None]),
        (0, Cr::CR4_OSXSAVE, 7, [Some(6), None, None, None, None]),
        (0, Cr::CR4_OSFXSR, 7, [None, Some(6), None, None, None]),
        (0, both, 3, [None, Some(6), None, None, None]),
    ];
    for (c0, c4, x0, wanted) in cases {
        set(cpu, c0, c4, x0);
        cpu.fpu.init();
        let got = all.map(|code| run(cpu, code));
        assert_eq!(got, wanted, "CR0 {c0:x} CR4 {c4:x} XCR0 {x0:x}");
    }
}

#[test]
fn pending_x87_exceptions_are_raised_by_the_next_waiting_instruction() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    cpu.fpu.set_control(0x37f & !4);
    assert_eq!(
        run(cpu, |a| {
            a.fldz()?;
            a.fld1()?;
            a.fdiv_2(st0, st1)
        }),
        None
    );
    assert_eq!(cpu.fpu.status_word() & 0x80bf, 0x8084);
    assert_eq!(run(cpu, |a| a.fnstsw(ax)), None, "does not wait");
    assert_eq!(run(cpu, |a| a.fld1()), Some(16));
    assert_eq!(run(cpu, |a| a.paddb(mm1, mm2)), Some(16));
    assert_eq!(run(cpu, |a| a.wait()), Some(16));
    assert_eq!(
        run(cpu, |a| a.addps(xmm1, xmm2)),
        None,
        "SSE is not concerned"
    );
    assert_eq!(
        run(cpu, |a| {
            a.fnclex()?;
            a.fld1()
        }),
        None
    );
}

#[test]
fn aligned_forms_fault_on_odd_addresses() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    cpu.gpr[3] = AREA + 8;
    assert_eq!(run(cpu, |a| a.movaps(xmm1, xmmword_ptr(rbx))), Some(13));
    assert_eq!(run(cpu, |a| a.movaps(xmmword_ptr(rbx), xmm1)), Some(13));
    assert_eq!(run(cpu, |a| a.addps(xmm1, xmmword_ptr(rbx))), Some(13));
    assert_eq!(run(cpu, |a| a.paddb(xmm1, xmmword_ptr(rbx))), Some(13));
    assert_eq!(run(cpu, |a| a.movups(xmm1, xmmword_ptr(rbx))), None);
    assert_eq!(run(cpu, |a| a.vaddps(xmm1, xmm1, xmmword_ptr(rbx))), None);
    assert_eq!(
        run(cpu, |a| a.vmovaps(ymm1, ymmword_ptr(rbx + 8))),
        Some(13)
    );
    assert_eq!(run(cpu, |a| a.fxsave(ptr(rbx))), Some(13));
    cpu.gpr[3] = AREA + 16;
    assert_eq!(run(cpu, |a| a.movaps(xmm1, xmmword_ptr(rbx))), None);
    assert_eq!(run(cpu, |a| a.xsave(ptr(rbx))), Some(13));
}

fn filled() -> State {
    let mut state = State::default();
    for n in 0..16 {
        state.xmm[n] = u128::MAX / (n as u128 + 7);
        state.high[n] = u128::MAX / (n as u128 + 99);
    }
    state.fild(77);
    state.fld64(2.75_f64.to_bits());
    (state.mxcsr, state.ip, state.dp, state.opcode) = (0x1fa0, 0x1_0000_1234, 0x5678, 0);
    state
}

#[test]
fn fxsave_and_the_xsave_family_bring_everything_back() {
    type Code = fn(&mut CodeAssembler) -> Result<(), IcedError>;
    let pairs: [(Code, Code); 5] = [
        (|a| a.fxsave64(ptr(rbx)), |a| a.fxrstor64(ptr(rbx))),
        (|a| a.xsave64(ptr(rbx)), |a| a.xrstor64(ptr(rbx))),
        (|a| a.xsaveopt64(ptr(rbx)), |a| a.xrstor64(ptr(rbx))),
        (|a| a.xsavec64(ptr(rbx)), |a| a.xrstor64(ptr(rbx))),
        (|a| a.xsaves64(ptr(rbx)), |a| a.xrstors64(ptr(rbx))),
    ];
    for (number, (save, restore)) in pairs.into_iter().enumerate() {
        let mut m = machine();
        let cpu = &mut m.cpu;
        (cpu.gpr[0], cpu.gpr[2]) = (!0, !0);
        cpu.fpu = filled();
        cpu.pkru = 0x55;
        assert_eq!(run(cpu, save), None, "{number}");
        cpu.fpu = State::default();
        cpu.pkru = 0;
        let mut wanted = filled();
        if number == 0 {
            wanted.high = [0; 16];
        }
        assert_eq!(run(cpu, restore), None, "{number}");
        assert_eq!(cpu.fpu, wanted, "{number}");
        assert_eq!(cpu.pkru, if number == 0 { 0 } else { 0x55 }, "{number}");
    }
}

#[test]
fn xrstor_initializes_what_the_area_leaves_out_and_refuses_what_is_reserved() {
    let mut m = machine();
    (m.cpu.gpr[0], m.cpu.gpr[2]) = (7, 0);
    m.cpu.fpu = State::default();
    assert_eq!(run(&mut m.cpu, |a| a.xsavec64(ptr(rbx))), None);
    let mut header = [0; 16];
    m.memory.read(AREA + 512, &mut header).unwrap();
    assert_eq!(
        u128::from_le_bytes(header),
        (1 << 63 | 7) << 64,
        "nothing in use"
    );
    m.cpu.fpu = filled();
    assert_eq!(run(&mut m.cpu, |a| a.xrstor64(ptr(rbx))), None);
    assert_eq!(m.cpu.fpu, State::default());
    for (at, value) in [(512, 8_u8), (520, 8), (528, 1), (575, 1)] {
        let mut old = [0];
        m.memory.read(AREA + at, &mut old).unwrap();
        m.memory.write(AREA + at, &[old[0] ^ value]).unwrap();
        assert_eq!(run(&mut m.cpu, |a| a.xrstor64(ptr(rbx))), Some(13), "{at}");
        m.memory.write(AREA + at, &old).unwrap();
    }
    assert_eq!(run(&mut m.cpu, |a| a.xrstors64(ptr(rbx))), None);
    assert_eq!(run(&mut m.cpu, |a| a.xsave64(ptr(rbx + 0x800))), None);
    m.cpu.gpr[3] += 0x800;
    assert_eq!(
        run(&mut m.cpu, |a| a.xrstors64(ptr(rbx))),
        Some(13),
        "not compacted"
    );
    // MXCSR is loaded with SSE or AVX, and has reserved bits.
    m.memory.write(AREA + 0x800 + 26, &[1]).unwrap();
    assert_eq!(run(&mut m.cpu, |a| a.xrstor64(ptr(rbx))), Some(13));
}

#[test]
fn xsaves_needs_its_control_and_privilege() {
    let mut m = machine();
    m.cpu.vmx.secondary_written = 0;
    assert_eq!(run(&mut m.cpu, |a| a.xsaves64(ptr(rbx))), Some(6));
    assert_eq!(run(&mut m.cpu, |a| a.xrstors64(ptr(rbx))), Some(6));
    assert_eq!(run(&mut m.cpu, |a| a.xsavec64(ptr(rbx))), None);
}

#[test]
fn xgetbv_tells_what_is_enabled_and_in_use() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    cpu.gpr[1] = 0;
    assert_eq!(run(cpu, |a| a.xgetbv()), None);
    assert_eq!((cpu.gpr[0], cpu.gpr[2]), (0x207, 0));
    cpu.gpr[1] = 1;
    cpu.fpu.high[3] = 1;
    assert_eq!(run(cpu, |a| a.xgetbv()), None);
    assert_eq!(cpu.gpr[0], 4);
    cpu.gpr[1] = 2;
    assert_eq!(run(cpu, |a| a.xgetbv()), Some(13));
}

#[test]
fn approximations_are_close_enough() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    for n in 1..2000_u32 {
        let x = f32::from_bits(0x3000_0000 + n * 0x7_1234);
        cpu.fpu.xmm[2] = x.to_bits().into();
        assert_eq!(
            run(cpu, |a| {
                a.rcpss(xmm1, xmm2)?;
                a.rsqrtss(xmm3, xmm2)
            }),
            None
        );
        let got = [1, 3].map(|n| f64::from(f32::from_bits(cpu.fpu.xmm[n] as u32)));
        let x = f64::from(x);
        // Intel SDM vol. 2, RCPSS: relative error at most 1.5 * 2^-12.
        for (got, want) in got.into_iter().zip([1.0 / x, 1.0 / x.sqrt()]) {
            assert!((got / want - 1.0).abs() <= 1.5 / 4096.0, "{x}");
        }
    }
    let special = [
        (0.0, f32::INFINITY),
        (-0.0, f32::NEG_INFINITY),
        (f32::INFINITY, 0.0),
    ];
    for (x, want) in special {
        cpu.fpu.xmm[2] = x.to_bits().into();
        assert_eq!(run(cpu, |a| a.rcpss(xmm1, xmm2)), None);
        assert_eq!(cpu.fpu.xmm[1] as u32, want.to_bits());
    }
    assert_eq!(cpu.fpu.mxcsr, 0x1f80);
}

#[test]
fn ldmxcsr_refuses_reserved_bits() {
    let mut m = machine();
    m.memory.write(AREA, &0x1_1f80_u32.to_le_bytes()).unwrap();
    assert_eq!(run(&mut m.cpu, |a| a.ldmxcsr(dword_ptr(rbx))), Some(13));
    m.memory.write(AREA, &0xffff_u32.to_le_bytes()).unwrap();
    assert_eq!(
        run(&mut m.cpu, |a| {
            a.ldmxcsr(dword_ptr(rbx))?;
            a.stmxcsr(dword_ptr(rbx + 4))
        }),
        None
    );
    let mut stored = [0; 4];
    m.memory.read(AREA + 4, &mut stored).unwrap();
    assert_eq!(u32::from_le_bytes(stored), 0xffff);
}

/// VGATHERDPS XMM1, [RBX + XMM1], XMM2.
const GATHER: [u8; 6] = [0xc4, 0xe2, 0x69, 0x92, 0x0c, 0x0b];

#[test]
fn encodings_that_the_cpu_does_not_have_are_undefined() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    assert_eq!(run(cpu, |a| a.vaddps(zmm1, zmm2, zmm3)), Some(6));
    assert_eq!(run(cpu, |a| a.vaesenc(ymm1, ymm2, ymm3)), Some(6));
    assert_eq!(run(cpu, |a| a.db(&GATHER)), Some(6));
}

#[test]
fn the_environment_has_four_layouts() {
    let mut m = machine();
    m.cpu.fpu.init();
    assert_eq!(
        run(&mut m.cpu, |a| {
            a.fld1()?;
            a.fldz()?;
            a.fnstenv(ptr(rbx))
        }),
        None
    );
    let mut image = [0; 28];
    m.memory.read(AREA, &mut image).unwrap();
    let field = |n: usize| u32::from_le_bytes(image[4 * n..4 * n + 4].try_into().unwrap());
    // R7 = 1 is valid, R6 = 0 is zero, all others are empty.
    assert_eq!(
        [field(0), field(1), field(2)],
        [0xffff_037f, 0xffff_3000, 0xffff_1fff]
    );
    assert_eq!(field(3), 0x1002, "the second load");
    let mut real = Machine::real(16, &[]);
    real.cpu.gpr[3] = AREA;
    assert_eq!(
        run(&mut real.cpu, |a| {
            a.fld1()?;
            a.fnstenv(ptr(bx))
        }),
        None
    );
    let mut image = [0; 16];
    real.memory.read(AREA, &mut image).unwrap();
    assert_eq!(image[..8], [0x7f, 3, 0, 0x38, 0xff, 0x3f, 0, 0x10]);
    assert_eq!(image[14..], [0, 0], "14 bytes");
}

#[test]
fn unmasked_exceptions_tell_opcode_and_operand() {
    let mut m = machine();
    m.memory.write(AREA + 64, &[0x7b, 3]).unwrap(); // division by zero unmasked
    let image = |m: &Machine| {
        let mut image = [0; 24];
        m.memory.read(AREA, &mut image).unwrap();
        let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
        (word(0) >> 48, word(8), word(16))
    };
    let done = run(&mut m.cpu, |a| {
        a.fld1()?;
        a.fld(qword_ptr(rbx + 8))?;
        a.fxsave64(ptr(rbx))
    });
    assert_eq!(done, None);
    assert_eq!(image(&m), (0, 0x1002, 0), "no exception: FIP only");
    let done = run(&mut m.cpu, |a| {
        a.fldcw(word_ptr(rbx + 64))?;
        a.fdiv(qword_ptr(rbx + 128))?; // dc b3 80 00 00 00
        a.fnclex()?;
        a.fxsave64(ptr(rbx))
    });
    assert_eq!(done, None);
    assert_eq!(image(&m), (0x4b3, 0x1003, AREA + 128));
    // What comes later moves FIP alone; FXRSTOR brings all three back, selectors are not kept.
    let done = run(&mut m.cpu, |a| {
        a.fxrstor64(ptr(rbx))?;
        a.fxsave(ptr(rbx))?;
        a.fnop()?;
        a.fnstenv(ptr(rbx + 0x200))
    });
    assert_eq!(done, None);
    assert_eq!(image(&m), (0x4b3, 0x1003, AREA + 128));
    let mut env = [0; 28];
    m.memory.read(AREA + 0x200, &mut env).unwrap();
    let field = |n: usize| u32::from_le_bytes(env[4 * n..4 * n + 4].try_into().unwrap());
    let expected = [0x1007, 0x4b3 << 16, (AREA + 128) as u32, 0xffff_0000];
    assert_eq!([3, 4, 5, 6].map(field), expected);
    assert_eq!(run(&mut m.cpu, |a| a.fninit()), None);
    let pointers = |cpu: &Cpu| (cpu.fpu.ip, cpu.fpu.dp, cpu.fpu.opcode);
    assert_eq!(pointers(&m.cpu), (0, 0, 0));
    // A block that the CPU decoded itself knows opcodes, too.
    let code = [
        0xd9, 0xe8, 0xd9, 0x2e, 0x00, 0x30, 0x66, 0xdc, 0x36, 0x08, 0x30, 0x0f, 0x0b,
    ];
    let mut real = Machine::real(16, &code); // fld1; fldcw [3000h]; fdiv qword [3008h] behind a prefix; ud2
    real.memory.write(0x3000, &[0x7b, 3]).unwrap();
    assert_eq!(real.run().qualification, 6);
    assert_eq!(pointers(&real.cpu), (0x1006, 0x3008, 0x436));
}

#[test]
fn fnsave_and_frstor_bring_the_stack_back() {
    let mut m = machine();
    let cpu = &mut m.cpu;
    assert_eq!(
        run(cpu, |a| {
            a.fld1()?;
            a.fldpi()?;
            a.fldl2e()?;
            a.fchs()
        }),
        None
    );
    let before = cpu.fpu.clone();
    assert_eq!(run(cpu, |a| a.fnsave(ptr(rbx))), None);
    assert_eq!((cpu.fpu.valid, cpu.fpu.control), (0, 0x37f));
    cpu.fpu.init_x87();
    assert_eq!(run(cpu, |a| a.frstor(ptr(rbx))), None);
    assert_eq!(
        (cpu.fpu.st, cpu.fpu.top, cpu.fpu.valid),
        (before.st, before.top, before.valid)
    );
}
