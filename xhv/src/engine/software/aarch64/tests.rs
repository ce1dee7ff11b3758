//! Small programs on a whole vCPU, by the functions of the seam.

use super::cpu::Exit;
use super::vcpu::Vcpu;
use super::vm::{Vm, VmConfig};
use crate::error::Code;
use crate::memory::{Memory, Permissions, host_page_size};

/// Where the program of a [`machine`] starts.
const CODE: u64 = 0x1_0000;
/// Where its exception vectors are: HVC with the number of the entry.
const VECTORS: u64 = 0x2_0000;
/// Where its translation tables are, if it has any.
const TABLES: u64 = 0x4_0000;
/// `HV_REG_PC`
const PC: u32 = 31;
/// `HV_REG_CPSR`
const CPSR: u32 = 34;

const SCTLR_EL1: u16 = 0xc080;
const TTBR0_EL1: u16 = 0xc100;
const TCR_EL1: u16 = 0xc102;
const SPSR_EL1: u16 = 0xc200;
const ELR_EL1: u16 = 0xc201;
const ESR_EL1: u16 = 0xc290;
const FAR_EL1: u16 = 0xc300;
const MAIR_EL1: u16 = 0xc510;
const VBAR_EL1: u16 = 0xc600;
const CNTV_CTL_EL0: u16 = 0xdf19;
const MDSCR_EL1: u16 = 0x8012;

/// A VM with 1 MiB of memory at 0, `words` at [`CODE`], vectors, and a vCPU at EL1h about to run them.
fn machine(words: &[u32]) -> (Vcpu, Vm, Memory) {
    let config = VmConfig {
        ipa_bits: 0,
        el2: false,
        granule: 4096,
    };
    let vm = Vm::create(&config).unwrap();
    let memory = Memory::new((1_u64 << 20).next_multiple_of(host_page_size())).unwrap();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.write(CODE, &bytes).unwrap();
    for entry in 0..16_u32 {
        let hvc = 0xd400_0002 | entry << 5;
        let at = VECTORS + 0x80 * u64::from(entry);
        memory.write(at, &hvc.to_le_bytes()).unwrap();
    }
    vm.map(&memory, 0, 0, 1 << 20, Permissions::ALL).unwrap();
    let mut vcpu = Vcpu::create(&vm).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    vcpu.set_sys_reg(VBAR_EL1, VECTORS).unwrap();
    (vcpu, vm, memory)
}

/// Runs to an HVC and answers its number.
#[track_caller]
fn hvc(vcpu: &mut Vcpu) -> u64 {
    let exit = vcpu.run().unwrap();
    assert_eq!(exit.syndrome >> 26, 0x16, "{exit:x?}");
    exit.syndrome & 0xffff
}

fn sys(vcpu: &Vcpu, reg: u16) -> u64 {
    vcpu.get_sys_reg(reg).unwrap()
}

/// Runs to an exit by exception of this class, and answers the exit.
#[track_caller]
fn exits(vcpu: &mut Vcpu, class: u64) -> Exit {
    let exit = vcpu.run().unwrap();
    assert_eq!((exit.reason, exit.syndrome >> 26), (1, class), "{exit:x?}");
    exit
}

#[test]
fn a_loop_and_a_hypercall() {
    let (mut vcpu, ..) = machine(
        &[
            0xd280_0000,
            0xd280_0141,
            0x8b01_0000,
            0xf100_0421,
            0x54ff_ffc1,
            0xd400_00e2,
        ], /* mov x0, #0; mov x1, #10; 1: add x0, x0, x1; subs x1, x1, #1; b.ne 1b; hvc #7 */
    );
    assert_eq!(hvc(&mut vcpu), 7);
    assert_eq!(vcpu.get_reg(0), Ok(55));
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 24));
}

#[test]
fn a_supervisor_call_is_taken_by_el1() {
    let (mut vcpu, ..) = machine(
        &[0xeb00_0000, 0xd402_4681], /* subs x0, x0, x0; svc #0x1234 */
    );
    assert_eq!(hvc(&mut vcpu), 4, "synchronous, from EL1h");
    assert_eq!(sys(&vcpu, ESR_EL1), 0x15 << 26 | 1 << 25 | 0x1234);
    assert_eq!(sys(&vcpu, ELR_EL1), CODE + 8);
    assert_eq!(sys(&vcpu, SPSR_EL1), 0x6000_03c5);
    vcpu.set_reg(PC, CODE + 4).unwrap();
    vcpu.set_reg(CPSR, 0).unwrap();
    assert_eq!(hvc(&mut vcpu), 8, "synchronous, from EL0");
    assert_eq!(
        (sys(&vcpu, SPSR_EL1), vcpu.get_reg(CPSR).unwrap() & 0x3cf),
        (0, 0x3c5)
    );
    vcpu.set_reg(PC, CODE + 4).unwrap();
    vcpu.set_reg(CPSR, 0x3c4).unwrap();
    assert_eq!(hvc(&mut vcpu), 0, "synchronous, from EL1t");
}

#[test]
fn stack_pointers_are_banked() {
    let (mut vcpu, ..) = machine(
        &[
            0x9100_03e0,
            0xd500_40bf,
            0x9100_03e1,
            0xd280_4002,
            0x9100_005f,
            0xd500_41bf,
            0x9100_03e3,
            0xd400_0022,
        ], /* mov x0, sp; msr spsel, #0; mov x1, sp; mov x2, #0x200; mov sp, x2; msr spsel, #1; mov x3, sp; hvc #1 */
    );
    vcpu.set_sys_reg(0xe208, 0x1000).unwrap();
    vcpu.set_sys_reg(0xc208, 0x2000).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    let x = |n| vcpu.get_reg(n).unwrap();
    assert_eq!((x(0), x(1), x(3)), (0x1000, 0x2000, 0x1000));
    assert_eq!((sys(&vcpu, 0xc208), sys(&vcpu, 0xe208)), (0x200, 0x1000));
}

#[test]
fn what_does_not_exist_is_undefined() {
    for words in [
        &[0x0000_0000], /* udf #0 */
        &[0xd53c_1100], /* mrs x0, s3_4_c1_c1_0 */
        &[0xd538_2100], /* mrs x0, apiakeylo_el1 */
        &[0xd440_0000], /* hlt #0 */
        &[0xd518_0000], /* msr midr_el1, x0 */
    ] {
        let (mut vcpu, ..) = machine(words);
        assert_eq!(hvc(&mut vcpu), 4);
        assert_eq!((sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)), (1 << 25, CODE));
    }
}

#[test]
fn fp_is_trapped_until_enabled() {
    let (mut vcpu, ..) = machine(&[0x3dc0_0000, 0xd400_0022] /* ldr q0, [x0]; hvc #1 */);
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(sys(&vcpu, ESR_EL1), 0x07 << 26 | 1 << 25 | 0x1e << 20);
    vcpu.set_sys_reg(0xc082, 3 << 20).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
}

#[test]
fn mmio_is_described() {
    let device = 0x900_0000;
    let common = 0x24 << 26 | 1 << 25 | 0x07;
    let isv = 1 << 24;
    let cases: &[(&[u32], u64)] = &[
        (
            &[0x79c0_1023], /* ldrsh w3, [x1, #8] */
            isv | 1 << 22 | 1 << 21 | 3 << 16,
        ),
        (
            &[0x3980_2023], /* ldrsb x3, [x1, #8] */
            isv | 1 << 21 | 3 << 16 | 1 << 15,
        ),
        (&[0xf840_8c3e], /* ldr x30, [x1, #8]! */ 0),
        (
            &[0xb900_083f], /* str wzr, [x1, #8] */
            isv | 2 << 22 | 31 << 16 | 1 << 6,
        ),
        (
            &[0xf820_4822], /* str x2, [x1, w0, uxtw] */
            isv | 3 << 22 | 2 << 16 | 1 << 15 | 1 << 6,
        ),
        (&[0xa940_8c22], /* ldp x2, x3, [x1, #8] */ 0),
        (&[0x2901_0c22], /* stp w2, w3, [x1, #8] */ 1 << 6),
        (
            &[0x9100_2021, 0x88df_fc22], /* add x1, x1, #8; ldar w2, [x1] */
            isv | 2 << 22 | 2 << 16 | 1 << 14,
        ),
        (
            &[0x9100_2021, 0x885f_7c22], /* add x1, x1, #8; ldxr w2, [x1] */
            0,
        ),
        (
            &[0x9100_2021, 0xb822_0023], /* add x1, x1, #8; ldadd w2, w3, [x1] */
            0,
        ),
        (&[0x3840_8822], /* ldtrb w2, [x1, #8] */ isv | 2 << 16),
    ];
    for &(words, expected) in cases {
        let (mut vcpu, ..) = machine(words);
        vcpu.set_reg(1, device).unwrap();
        vcpu.set_reg(0, 8).unwrap();
        let exit = exits(&mut vcpu, 0x24);
        assert_eq!(
            exit.syndrome,
            common | expected,
            "{words:x?} {:x}",
            exit.syndrome
        );
        let at = device + 8;
        assert_eq!(
            (exit.virtual_address, exit.physical_address),
            (at, at),
            "{words:x?}"
        );
        let last = CODE + 4 * (words.len() as u64 - 1);
        assert_eq!(vcpu.get_reg(PC), Ok(last), "the client advances it");
    }
}

#[test]
fn protected_memory_exits_as_a_permission_fault() {
    let (mut vcpu, vm, _memory) =
        machine(&[0xf900_0020, 0xd400_0022] /* str x0, [x1]; hvc #1 */);
    vm.protect(0x8_0000, 0x1000, Permissions::READ).unwrap();
    vcpu.set_reg(1, 0x8_0010).unwrap();
    let exit = exits(&mut vcpu, 0x24);
    assert_eq!(
        (exit.syndrome & 0x7f, exit.physical_address),
        (0x4f, 0x8_0010)
    );
    vm.protect(0x8_0000, 0x1000, Permissions::ALL).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    vm.protect(CODE, 0x1000, Permissions::READ).unwrap();
    vcpu.set_reg(PC, CODE + 4).unwrap();
    let exit = exits(&mut vcpu, 0x20);
    assert_eq!(
        (exit.syndrome & 0x3f, exit.physical_address),
        (0x0f, CODE + 4)
    );
    vm.unmap(CODE, 0x1000).unwrap();
    let exit = exits(&mut vcpu, 0x20);
    assert_eq!(
        (exit.syndrome & 0x3f, exit.virtual_address),
        (0x07, CODE + 4)
    );
}

#[test]
fn unaligned_accesses_fault_without_translation() {
    let (mut vcpu, ..) = machine(&[0xf940_0020] /* ldr x0, [x1] */);
    vcpu.set_reg(1, 0x8_0001).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(sys(&vcpu, ESR_EL1), 0x25 << 26 | 1 << 25 | 0x21);
    assert_eq!(sys(&vcpu, FAR_EL1), 0x8_0001);
    let (mut vcpu, ..) = machine(
        &[0x9100_003f, 0x9100_13ff, 0xf940_03e0], /* mov sp, x1; add sp, sp, #4; ldr x0, [sp] */
    );
    vcpu.set_reg(1, 0x8_0000).unwrap();
    vcpu.set_sys_reg(SCTLR_EL1, 1 << 3).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x26 << 26 | 1 << 25, CODE + 8)
    );
    let (mut vcpu, ..) = machine(&[0xd61f_0020] /* br x1 */);
    vcpu.set_reg(1, 0x8_0002).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x22 << 26 | 1 << 25, 0x8_0002)
    );
}

#[test]
fn system_registers_that_the_vmm_answers_exit() {
    for (words, expected) in [
        // op0 op2 op1 CRn Rt CRm read
        (
            &[0xd530_1185], /* mrs x5, oslsr_el1 */
            2 << 20 | 4 << 17 | 1 << 10 | 5 << 5 | 1 << 1 | 1,
        ),
        (
            &[0xd51b_9c07], /* msr pmcr_el0, x7 */
            3 << 20 | 3 << 14 | 9 << 10 | 7 << 5 | 12 << 1,
        ),
        (
            &[0xd518_cba2], /* msr s3_0_c12_c11_5, x2 */
            3 << 20 | 5 << 17 | 12 << 10 | 2 << 5 | 11 << 1,
        ),
        (
            &[0xd53b_e225], /* mrs x5, cntp_ctl_el0 */
            3 << 20 | 1 << 17 | 3 << 14 | 14 << 10 | 5 << 5 | 2 << 1 | 1,
        ),
    ] {
        let (mut vcpu, ..) = machine(words);
        let exit = exits(&mut vcpu, 0x18);
        assert_eq!(exit.syndrome & 0x1ff_ffff, expected, "{words:x?}");
        assert_eq!(vcpu.get_reg(PC), Ok(CODE));
    }
}

#[test]
fn waiting_exits_unless_something_is_pending() {
    let (mut vcpu, ..) = machine(&[0xd503_207f, 0xd400_0022] /* wfi; hvc #1 */);
    let exit = exits(&mut vcpu, 0x01);
    assert_eq!((exit.syndrome & 1, vcpu.get_reg(PC)), (0, Ok(CODE)));
    vcpu.set_pending_interrupt(0, true).unwrap();
    assert_eq!(hvc(&mut vcpu), 1, "masked, but it ends the wait");
    assert_eq!(vcpu.get_pending_interrupt(0), Ok(false), "for one run only");
    let (mut vcpu, ..) = machine(
        &[0xd503_20bf, 0xd503_205f, 0xd503_205f], /* sevl; wfe; wfe */
    );
    let exit = exits(&mut vcpu, 0x01);
    assert_eq!((exit.syndrome & 1, vcpu.get_reg(PC)), (1, Ok(CODE + 8)));
}

#[test]
fn interrupts_are_taken_when_unmasked() {
    let (mut vcpu, ..) = machine(
        &[0xd503_201f, 0xd503_43ff, 0xd503_201f, 0xd400_0c82], /* nop; msr daifclr, #3; nop; hvc #100 */
    );
    vcpu.set_pending_interrupt(0, true).unwrap();
    assert_eq!(hvc(&mut vcpu), 5, "IRQ, from EL1h");
    assert_eq!(
        (sys(&vcpu, ELR_EL1), sys(&vcpu, SPSR_EL1)),
        (CODE + 8, 0x305)
    );
    vcpu.set_reg(PC, CODE).unwrap();
    vcpu.set_pending_interrupt(1, true).unwrap();
    assert_eq!(hvc(&mut vcpu), 6, "FIQ, from EL1h");
    vcpu.set_reg(PC, CODE).unwrap();
    assert_eq!(hvc(&mut vcpu), 100);
    assert_eq!(vcpu.set_pending_interrupt(2, true), Err(Code::BAD_ARGUMENT));
}

#[test]
fn the_virtual_timer_exits_once_and_masks_itself() {
    let (mut vcpu, ..) = machine(&[0x1400_0000] /* 1: b 1b */);
    vcpu.set_sys_reg(CNTV_CTL_EL0, 1).unwrap();
    let exit = vcpu.run().unwrap();
    assert_eq!((exit.reason, vcpu.get_vtimer_mask()), (2, Ok(true)));
    assert_eq!(sys(&vcpu, CNTV_CTL_EL0), 5, "the mask is not the guest's");
    let exiter = vcpu.exiter();
    let canceler = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(5));
        exiter.exit()
    });
    assert_eq!(vcpu.run().unwrap().reason, 0);
    canceler.join().unwrap().unwrap();
    vcpu.set_vtimer_mask(false).unwrap();
    assert_eq!(vcpu.run().unwrap().reason, 2);
}

#[test]
fn a_cancel_before_the_run_is_not_lost() {
    let (mut vcpu, ..) = machine(&[0xd400_0022] /* hvc #1 */);
    let exiter = vcpu.exiter();
    exiter.exit().unwrap();
    exiter.exit().unwrap();
    assert_eq!(vcpu.run().unwrap().reason, 0);
    assert_eq!(hvc(&mut vcpu), 1);
    drop(vcpu);
    exiter.exit().unwrap();
}

#[test]
fn an_illegal_state_is_refused() {
    let (mut vcpu, vm, _memory) = machine(&[0xd400_0022] /* hvc #1 */);
    for status in [0x3c9, 0x3cd, 0x1d3] {
        vcpu.set_reg(CPSR, status).unwrap();
        assert_eq!(vcpu.run().unwrap_err(), Code::ILLEGAL_GUEST_STATE);
        assert_eq!(vcpu.get_reg(CPSR), Ok(status));
    }
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(Vcpu::create(&vm).unwrap_err(), Code::BUSY);
    drop(vcpu);
    assert!(Vcpu::create(&vm).is_ok());
    // An illegal ERET sets PSTATE.IL, and the next instruction takes the exception.
    let (mut vcpu, ..) = machine(&[0xd69f_03e0] /* eret */);
    vcpu.set_sys_reg(SPSR_EL1, 0x3c9).unwrap();
    vcpu.set_sys_reg(ELR_EL1, 0x8_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x0e << 26 | 1 << 25, 0x8_0000)
    );
    assert_eq!(sys(&vcpu, SPSR_EL1) >> 20 & 1, 1);
}

#[test]
fn breakpoint_instructions_are_the_guests_unless_trapped() {
    let (mut vcpu, ..) = machine(&[0xd420_0840] /* brk #0x42 */);
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1), sys(&vcpu, ELR_EL1)),
        (0x3c << 26 | 1 << 25 | 0x42, CODE)
    );
    vcpu.set_trap_debug_exceptions(true).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    assert_eq!(exits(&mut vcpu, 0x3c).syndrome & 0xffff, 0x42);
    assert_eq!(vcpu.get_reg(PC), Ok(CODE));
}

#[test]
fn the_vmm_steps_and_breaks() {
    let (mut vcpu, ..) = machine(
        &[
            0xd280_0020,
            0xd280_0040,
            0xf900_0420,
            0xd280_0060,
            0xd400_0022,
        ], /* mov x0, #1; mov x0, #2; str x0, [x1, #8]; mov x0, #3; hvc #1 */
    );
    vcpu.set_trap_debug_exceptions(true).unwrap();
    vcpu.set_sys_reg(MDSCR_EL1, 1).unwrap();
    for step in 1..3 {
        vcpu.set_reg(CPSR, 0x3c5 | 1 << 21).unwrap();
        exits(&mut vcpu, 0x32);
        assert_eq!(
            (vcpu.get_reg(0), vcpu.get_reg(PC)),
            (Ok(step), Ok(CODE + 4 * step))
        );
    }
    // A watchpoint on the store, a breakpoint behind it.
    vcpu.set_reg(1, 0x8_0000).unwrap();
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    vcpu.set_sys_reg(MDSCR_EL1, 1 << 15).unwrap();
    vcpu.set_sys_reg(0x8006, 0x8_0008).unwrap();
    vcpu.set_sys_reg(0x8007, 0xff << 5 | 2 << 3 | 3 << 1 | 1)
        .unwrap();
    vcpu.set_sys_reg(0x800c, CODE + 12).unwrap();
    vcpu.set_sys_reg(0x800d, 0xf << 5 | 3 << 1 | 1).unwrap();
    let exit = exits(&mut vcpu, 0x34);
    assert_eq!(
        (exit.virtual_address, exit.syndrome & 0x7f),
        (0x8_0008, 0x62)
    );
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 8));
    vcpu.set_sys_reg(0x8007, 0).unwrap();
    exits(&mut vcpu, 0x30);
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 12));
    vcpu.set_sys_reg(0x800d, 0).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(vcpu.get_reg(0), Ok(3));
}

#[test]
fn a_guest_steps_its_el0() {
    // EL1 returns to EL0 with SS set: one instruction, then the step exception.
    let (mut vcpu, ..) = machine(
        &[0xd69f_03e0, 0xd280_0020, 0xd280_0040], /* eret; mov x0, #1; mov x0, #2 */
    );
    vcpu.set_sys_reg(MDSCR_EL1, 1).unwrap();
    vcpu.set_sys_reg(SPSR_EL1, 1 << 21).unwrap();
    vcpu.set_sys_reg(ELR_EL1, CODE + 4).unwrap();
    assert_eq!(hvc(&mut vcpu), 8);
    assert_eq!(
        (sys(&vcpu, ESR_EL1) >> 26, sys(&vcpu, ELR_EL1)),
        (0x32, CODE + 8)
    );
    assert_eq!(vcpu.get_reg(0), Ok(1));
}

#[test]
fn code_that_changes_itself_runs_as_changed() {
    // The second pass runs what the first has stored over `mov x0, #1`.
    let (mut vcpu, ..) = machine(
        &[
            0xd280_0020,
            0x8b00_00a5,
            0xb900_0022,
            0xd503_3b9f,
            0xd503_3fdf,
            0xf100_0463,
            0x54ff_ff41,
            0xd400_0022,
        ], /* 1: mov x0, #1; add x5, x5, x0; str w2, [x1]; dsb ish; isb; subs x3, x3, #1; b.ne 1b; hvc #1 */
    );
    vcpu.set_reg(1, CODE).unwrap();
    vcpu.set_reg(2, 0xd280_00e0).unwrap(); // mov x0, #7
    vcpu.set_reg(3, 3).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(vcpu.get_reg(5), Ok(15));
}

/// One level 1 table of 1 GiB blocks (T0SZ 25): [0] all for EL1, [1] all for EL0 of the same memory.
fn translated(words: &[u32]) -> (Vcpu, Vm, Memory) {
    let (mut vcpu, vm, memory) = machine(words);
    for (entry, descriptor) in [(0, 0x701_u64), (1, 0x741), (2, 0x781), (3, 0x301)] {
        memory
            .write(TABLES + 8 * entry, &descriptor.to_le_bytes())
            .unwrap();
    }
    vcpu.set_sys_reg(TTBR0_EL1, TABLES).unwrap();
    vcpu.set_sys_reg(TCR_EL1, 25 | 1 << 23 | 1 << 32 | 1 << 37)
        .unwrap();
    vcpu.set_sys_reg(MAIR_EL1, 0xff).unwrap();
    vcpu.set_sys_reg(SCTLR_EL1, 1 | 1 << 23).unwrap();
    (vcpu, vm, memory)
}

#[test]
fn translation_faults_say_why() {
    for (address, store, status, is_el0) in [
        (0x1_0000_0000_u64, false, 0x05, false), // invalid descriptor, level 1
        (0x80_0000_0000, false, 0x04, false),    // outside of the input range
        (0xffff_ff80_0000_0000, false, 0x04, false), // TTBR1 walks are disabled
        (0xc000_0000, false, 0x09, false),       // access flag
        (0x8000_0000, true, 0x4d, false),        // read-only
        (0x0, false, 0x0d, true),                // not for EL0
        (0x8000_0000, false, 0x0d, true),
    ] {
        let (mut vcpu, ..) = translated(if store {
            &[0xf900_0020] /* str x0, [x1] */
        } else {
            &[0xf940_0020] /* ldr x0, [x1] */
        });
        vcpu.set_reg(1, address | 8).unwrap();
        if is_el0 {
            vcpu.set_reg(CPSR, 0x3c0).unwrap();
            vcpu.set_reg(PC, CODE | 0x4000_0000).unwrap();
        }
        assert_eq!(hvc(&mut vcpu), if is_el0 { 8 } else { 4 });
        let class = if is_el0 { 0x24 } else { 0x25 };
        assert_eq!(
            sys(&vcpu, ESR_EL1),
            class << 26 | 1 << 25 | status,
            "{address:#x}"
        );
        assert_eq!(sys(&vcpu, FAR_EL1), address | 8);
    }
}

#[test]
fn privileged_code_may_not_be_writable_by_el0_and_pan_keeps_el1_out() {
    let (mut vcpu, ..) = translated(&[0xd503_201f] /* nop */);
    vcpu.set_reg(PC, CODE | 0x4000_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(sys(&vcpu, ESR_EL1), 0x21 << 26 | 1 << 25 | 0x0d);
    let words = &[0xf940_0020, 0xd500_419f, 0xf840_0820, 0xf940_0020] /* ldr x0, [x1]; msr pan, #1; ldtr x0, [x1]; ldr x0, [x1] */;
    let (mut vcpu, ..) = translated(words);
    vcpu.set_reg(1, 0x4000_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1) & 0x3f, sys(&vcpu, ELR_EL1)),
        (0x0d, CODE + 12)
    );
    // The top byte is ignored (TBI0).
    let (mut vcpu, ..) = translated(
        &[0xf940_0020, 0x3940_0422, 0xd400_0022], /* ldr x0, [x1]; ldrb w2, [x1, #1]; hvc #1 */
    );
    vcpu.set_reg(1, 0xab00_0000_4001_0000).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(vcpu.get_reg(0).unwrap() as u32, 0xf940_0020);
}

#[test]
fn changed_tables_count_after_invalidation() {
    // Loads, makes the block invalid, invalidates, loads again.
    let words = &[0xf940_0020, 0xf900_005f, 0xd503_3a9f, 0xd34c_fc23, 0xd508_8323, 0xd503_3b9f, 0xd503_3fdf, 0xf940_0020] /* ldr x0, [x1]; str xzr, [x2]; dsb ishst; lsr x3, x1, #12; tlbi vae1is, x3; dsb ish; isb; ldr x0, [x1] */;
    let (mut vcpu, ..) = translated(words);
    vcpu.set_reg(1, 0x4000_0000).unwrap();
    vcpu.set_reg(2, TABLES + 8).unwrap();
    assert_eq!(hvc(&mut vcpu), 4);
    assert_eq!(
        (sys(&vcpu, ESR_EL1) & 0x3f, sys(&vcpu, ELR_EL1)),
        (0x05, CODE + 28)
    );
}

#[test]
fn a_walk_to_nowhere_exits() {
    let (mut vcpu, ..) = translated(&[0xf940_0020] /* ldr x0, [x1] */);
    vcpu.set_sys_reg(TTBR0_EL1, 0x50_0000).unwrap();
    let exit = exits(&mut vcpu, 0x20);
    assert_eq!(
        (exit.syndrome & 0xff, exit.physical_address),
        (0x87, 0x50_0000)
    );
}

#[test]
fn at_reports_in_par() {
    let words = &[0xd508_7801, 0xd538_7402, 0xd508_7863, 0xd538_7404, 0xd400_0022] /* at s1e1r, x1; mrs x2, par_el1; at s1e0w, x3; mrs x4, par_el1; hvc #1 */;
    let (mut vcpu, ..) = translated(words);
    vcpu.set_reg(1, 0x4001_2345).unwrap();
    vcpu.set_reg(3, 0x8001_2345).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(
        vcpu.get_reg(2),
        Ok(0xff << 56 | 0x1_2000 | 1 << 11 | 3 << 7)
    );
    assert_eq!(vcpu.get_reg(4), Ok(1 << 11 | 0x0d << 1 | 1));
}

#[test]
fn exclusives_of_two_vcpus_count_together() {
    let words = &[0xc85f_fc20, 0x9100_0400, 0xc802_fc20, 0x35ff_ffa2, 0xf8e4_00c5, 0xf100_0463, 0x54ff_ff41, 0xd400_0022] /* 1: ldaxr x0, [x1]; add x0, x0, #1; stlxr w2, x0, [x1]; cbnz w2, 1b; ldaddal x4, x5, [x6]; subs x3, x3, #1; b.ne 1b; hvc #1 */;
    let (mut vcpu, vm, memory) = machine(words);
    let start = |vcpu: &mut Vcpu| {
        for (reg, value) in [
            (1, 0x8_0000),
            (3, 20_000),
            (4, 1),
            (6, 0x8_0040),
            (PC, CODE),
            (CPSR, 0x3c5),
        ] {
            vcpu.set_reg(reg, value).unwrap();
        }
    };
    start(&mut vcpu);
    let other = std::thread::spawn(move || {
        let mut vcpu = Vcpu::create(&vm).unwrap();
        start(&mut vcpu);
        hvc(&mut vcpu)
    });
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(other.join().unwrap(), 1);
    let mut bytes = [0; 8];
    for at in [0x8_0000, 0x8_0040] {
        memory.read(at, &mut bytes).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 40_000);
    }
}

/// A small generator with a fixed seed (`xorshift64*`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[test]
fn hostile_code_and_tables_stay_in_the_guest() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let (mut vcpu, _vm, memory) = machine(&[]);
    let exiter = vcpu.exiter();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watch = done.clone();
    let canceler = std::thread::spawn(move || {
        while !watch.load(std::sync::atomic::Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(1));
            exiter.exit().unwrap();
        }
    });
    for round in 0..600_u64 {
        let bytes: Vec<u8> = (0..512).flat_map(|_| random.next().to_le_bytes()).collect();
        memory.write(CODE, &bytes).unwrap();
        if round % 2 == 0 {
            // Tables whose entries lead back into them.
            let entries = (0..512).flat_map(|_| {
                let entry = random.next() & 0x00ff_0000_000f_ffff | 0x403;
                entry.to_le_bytes()
            });
            memory.write(TABLES, &entries.collect::<Vec<u8>>()).unwrap();
        }
        for reg in [TTBR0_EL1, 0xc101, VBAR_EL1] {
            vcpu.set_sys_reg(reg, TABLES | random.next() & 0xffff_0000_0000_0000)
                .unwrap();
        }
        for reg in [
            TCR_EL1, MAIR_EL1, SPSR_EL1, ELR_EL1, 0xc082, MDSCR_EL1, 0x8005, 0x8007,
        ] {
            vcpu.set_sys_reg(reg, random.next()).unwrap();
        }
        vcpu.set_sys_reg(SCTLR_EL1, random.next() & !1 | round & 1)
            .unwrap();
        for reg in 0..31 {
            vcpu.set_reg(reg, random.next() >> (random.next() & 63))
                .unwrap();
        }
        vcpu.set_trap_debug_exceptions(random.next() & 1 != 0)
            .unwrap();
        vcpu.set_reg(CPSR, [0x3c5, 0x3c4, 0, 0x5][(round % 4) as usize])
            .unwrap();
        vcpu.set_reg(PC, CODE + (random.next() & 0xffc)).unwrap();
        for _ in 0..8 {
            vcpu.run().unwrap();
            let pc = vcpu.get_reg(PC).unwrap();
            vcpu.set_reg(PC, pc.wrapping_add(4)).unwrap();
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    canceler.join().unwrap();
}
