//! The GIC with small guests: timers, SPIs, MSIs, SGIs, waiting, state.

use std::time::Duration;

use super::super::vcpu::Vcpu;
use super::super::vm::{Vm, VmConfig};
use crate::engine::aarch64::GicConfig;
use crate::error::Code;
use crate::memory::{Memory, Permissions, host_page_size};

const CODE: u64 = 0x1_0000;
const VECTORS: u64 = 0x2_0000;
const DISTRIBUTOR: u64 = 0x800_0000;
const REDISTRIBUTORS: u64 = 0x80a_0000;
const MSI: u64 = 0x802_0000;
/// `HV_REG_PC`
const PC: u32 = 31;
/// `HV_REG_CPSR`
const CPSR: u32 = 34;

/// Enables group 1 with X10 the distributor and X11 this redistributor; then PPI 27, SGI 5 and SPIs 32 to 63.
const SETUP: &[u32] =
    &[0x5280_0040, 0xb900_0140, 0x1280_0000, 0xb901_0540, 0x9140_416c, 0x52a1_0000, 0x321b_0000, 0xb901_0180, 0xd280_1e00, 0xd518_4600, 0xd280_0020, 0xd518_cce0, 0xd503_3fdf] /* mov w0, #2; str w0, [x10]; mov w0, #-1; str w0, [x10, #0x104]; add x12, x11, #0x10000; mov w0, #0x8000000; orr w0, w0, #0x20; str w0, [x12, #0x100]; mov x0, #0xf0; msr s3_0_c4_c6_0, x0; mov x0, #1; msr s3_0_c12_c12_7, x0; isb */;

/// Waits, acknowledges, ends, and leaves with the number in X1.
const WAIT: &[u32] = &[0xd503_207f, 0xd538_cc01, 0x5280_7fe2, 0xeb02_003f, 0x54ff_ff80, 0xd518_cc21, 0xd400_0022] /* 1: wfi; mrs x1, s3_0_c12_c12_0; mov w2, #1023; cmp x1, x2; b.eq 1b; msr s3_0_c12_c12_1, x1; hvc #1 */;

fn config() -> GicConfig {
    GicConfig {
        distributor_base: DISTRIBUTOR,
        redistributor_base: REDISTRIBUTORS,
        msi_region_base: Some(MSI),
        msi_interrupts: Some((48, 8)),
    }
}

fn vm(programs: &[&[u32]]) -> (Vm, Memory) {
    let vm = Vm::create(&VmConfig {
        ipa_bits: 0,
        el2: false,
        granule: 4096,
    })
    .unwrap();
    let memory = Memory::new((1_u64 << 20).next_multiple_of(host_page_size())).unwrap();
    let words = programs.iter().flat_map(|program| program.iter());
    let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
    memory.write(CODE, &bytes).unwrap();
    for entry in 0..16_u32 {
        let hvc = 0xd400_0002 | (0x100 | entry) << 5;
        let at = VECTORS + 0x80 * u64::from(entry);
        memory.write(at, &hvc.to_le_bytes()).unwrap();
    }
    vm.map(&memory, 0, 0, 1 << 20, Permissions::ALL).unwrap();
    vm.gic_create(&config()).unwrap();
    (vm, memory)
}

fn vcpu(vm: &Vm) -> Vcpu {
    let mut vcpu = Vcpu::create(vm).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    vcpu.set_reg(10, DISTRIBUTOR).unwrap();
    let own = vcpu.gic_get_redistributor_base().unwrap();
    vcpu.set_reg(11, own).unwrap();
    vcpu.set_sys_reg(0xc600, VECTORS).unwrap();
    vcpu
}

/// Runs to an HVC and answers its number.
#[track_caller]
fn hvc(vcpu: &mut Vcpu) -> u64 {
    let exit = vcpu.run().unwrap();
    assert_eq!(exit.syndrome >> 26, 0x16, "{exit:x?}");
    exit.syndrome & 0xffff
}

#[test]
fn layouts_are_checked() {
    let vm = Vm::create(&VmConfig {
        ipa_bits: 0,
        el2: false,
        granule: 4096,
    })
    .unwrap();
    assert_eq!(vm.gic_set_spi(40, true), Err(Code::NO_DEVICE));
    for wrong in [
        GicConfig {
            distributor_base: 0x800,
            ..config()
        },
        GicConfig {
            distributor_base: REDISTRIBUTORS,
            ..config()
        },
        GicConfig {
            redistributor_base: 0xf_ffff_0000,
            ..config()
        },
        GicConfig {
            redistributor_base: 0xffff_ffff_ffff_0000,
            ..config()
        },
        GicConfig {
            msi_region_base: None,
            ..config()
        },
        GicConfig {
            msi_interrupts: Some((16, 4)),
            ..config()
        },
        GicConfig {
            msi_interrupts: Some((1019, 2)),
            ..config()
        },
    ] {
        assert_eq!(vm.gic_create(&wrong), Err(Code::BAD_ARGUMENT), "{wrong:x?}");
    }
    vm.gic_create(&config()).unwrap();
    assert_eq!(vm.gic_create(&config()), Err(Code::EXISTS));
    assert_eq!(vm.gic_set_spi(31, true), Err(Code::BAD_ARGUMENT));
    assert_eq!(
        vm.gic_set_spi(48, true),
        Err(Code::BAD_ARGUMENT),
        "kept for MSIs"
    );
    assert_eq!(vm.gic_send_msi(MSI + 0x40, 47), Err(Code::BAD_ARGUMENT));
    assert_eq!(vm.gic_send_msi(MSI, 48), Err(Code::BAD_ARGUMENT));
}

#[test]
fn the_virtual_timer_interrupts_and_ends_a_wait() {
    let timer = &[0xd28b_b800, 0xd51b_e300, 0xd280_0020, 0xd51b_e320] /* mov x0, #24000; msr cntv_tval_el0, x0; mov x0, #1; msr cntv_ctl_el0, x0 */;
    let (vm, _memory) = vm(&[SETUP, timer, WAIT]);
    let mut vcpu = vcpu(&vm);
    assert_eq!(hvc(&mut vcpu), 1, "no VTIMER_ACTIVATED with a GIC");
    assert_eq!(vcpu.get_reg(1), Ok(27));
    assert!(vcpu.get_wait_for_interrupt_time().unwrap() >= 12_000);
    assert_eq!(vcpu.set_pending_interrupt(0, true), Err(Code::UNSUPPORTED));
    assert_eq!(
        vcpu.get_sys_reg(0xdf11),
        Ok(0),
        "the physical timer is there"
    );
    // Still asserted: it interrupts as soon as IRQs are unmasked.
    vcpu.set_reg(CPSR, 0x305).unwrap();
    assert_eq!(hvc(&mut vcpu), 0x105);
}

#[test]
fn an_spi_wakes_a_waiting_vcpu() {
    let (vm, _memory) = vm(&[SETUP, WAIT]);
    let mut vcpu = vcpu(&vm);
    let other = vm.clone();
    let device = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        other.gic_set_spi(40, true)
    });
    assert_eq!(hvc(&mut vcpu), 1);
    device.join().unwrap().unwrap();
    assert_eq!(vcpu.get_reg(1), Ok(40));
    // A level stays; lowered, only the MSI is left.
    vcpu.set_reg(PC, CODE + 4 * SETUP.len() as u64).unwrap();
    assert_eq!((hvc(&mut vcpu), vcpu.get_reg(1)), (1, Ok(40)));
    vm.gic_set_spi(40, false).unwrap();
    vm.gic_send_msi(MSI + 0x40, 50).unwrap();
    vcpu.set_reg(PC, CODE + 4 * SETUP.len() as u64).unwrap();
    assert_eq!((hvc(&mut vcpu), vcpu.get_reg(1)), (1, Ok(50)));
    // Nothing left: the wait ends by a cancel.
    let exiter = vcpu.exiter();
    let canceler = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        exiter.exit()
    });
    vcpu.set_reg(PC, CODE + 4 * SETUP.len() as u64).unwrap();
    assert_eq!(vcpu.run().unwrap().reason, 0);
    canceler.join().unwrap().unwrap();
}

#[test]
fn an_sgi_reaches_the_other_vcpu() {
    let (vm, _memory) = vm(&[SETUP, WAIT]);
    let other = vm.clone();
    let (ready, started) = std::sync::mpsc::channel();
    let receiver = std::thread::spawn(move || {
        let mut vcpu = vcpu(&other);
        ready.send(vcpu.get_sys_reg(0xc005).unwrap()).unwrap();
        assert_eq!(hvc(&mut vcpu), 1);
        vcpu.get_reg(1).unwrap()
    });
    let mpidr = started.recv().unwrap();
    let send: &[u32] = &[0xd518_cba5, 0xd400_0042] /* msr s3_0_c12_c11_5, x5; hvc #2 */;
    let (memory, at) = (Memory::new(host_page_size()).unwrap(), 0x20_0000);
    memory
        .write(
            0,
            &send
                .iter()
                .flat_map(|word| word.to_le_bytes())
                .collect::<Vec<_>>(),
        )
        .unwrap();
    vm.map(&memory, 0, at, host_page_size(), Permissions::ALL)
        .unwrap();
    let mut sender = vcpu(&vm);
    sender.set_reg(PC, at).unwrap();
    sender.set_reg(5, 5 << 24 | 1 << (mpidr & 0xf)).unwrap();
    assert_eq!(hvc(&mut sender), 2);
    assert_eq!(receiver.join().unwrap(), 5);
}

#[test]
fn priorities_preempt_and_drop() {
    let (vm, _memory) = vm(&[
        SETUP,
        &[0xd538_cc01, 0xd400_0022, 0xd518_cc21, 0xd400_0042], /* mrs x1, s3_0_c12_c12_0; hvc #1; msr s3_0_c12_c12_1, x1; hvc #2 */
    ]);
    let mut vcpu = vcpu(&vm);
    for (spi, priority) in [(33, 0xa0), (34, 0x80), (35, 0x88)] {
        let at = 0x400 + spi as u16 / 4 * 4;
        let shift = 8 * (spi % 4);
        let old = vm.gic_get_distributor_reg(at).unwrap();
        vm.gic_set_distributor_reg(at, old & !(0xff << shift) | priority << shift)
            .unwrap();
        vm.gic_set_spi(spi, true).unwrap();
    }
    assert_eq!((hvc(&mut vcpu), vcpu.get_reg(1)), (1, Ok(34)));
    assert_eq!(vcpu.gic_get_icc_reg(0xc65b), Ok(0x80), "RPR");
    // Nothing preempts priority 0x80; lowered and ended, the next is 35.
    vcpu.set_reg(PC, CODE + 4 * SETUP.len() as u64).unwrap();
    assert_eq!((hvc(&mut vcpu), vcpu.get_reg(1)), (1, Ok(1023)));
    vm.gic_set_spi(34, false).unwrap();
    vcpu.set_reg(1, 34).unwrap();
    assert_eq!(hvc(&mut vcpu), 2);
    vcpu.set_reg(PC, CODE + 4 * SETUP.len() as u64).unwrap();
    assert_eq!((hvc(&mut vcpu), vcpu.get_reg(1)), (1, Ok(35)));
    assert_eq!(
        vcpu.gic_set_icc_reg(0xc65b, 0),
        Err(Code::BAD_ARGUMENT),
        "RPR is read-only"
    );
    assert_eq!(
        vcpu.gic_get_icc_reg(0xc660),
        Err(Code::BAD_ARGUMENT),
        "IAR is not state"
    );
}

#[test]
fn state_travels_as_bytes() {
    let (vm, _memory) = vm(&[SETUP, WAIT]);
    let mut first = vcpu(&vm);
    vm.gic_set_distributor_reg(0, 2).unwrap();
    vm.gic_set_distributor_reg(0x104, 0xff00).unwrap();
    vm.gic_set_distributor_reg(0x6140, 0x3).unwrap();
    first
        .gic_set_redistributor_reg(0x1_0404, 0x2030_40f8)
        .unwrap();
    let state = vm.gic_state().unwrap();
    drop(first);
    let (other, _memory) = self::vm(&[SETUP, WAIT]);
    let second = vcpu(&other);
    other.gic_set_state(&state).unwrap();
    assert_eq!(other.gic_get_distributor_reg(0x184), Ok(0xff00));
    assert_eq!(other.gic_get_distributor_reg(0x6140), Ok(3));
    assert_eq!(second.gic_get_redistributor_reg(0x1_0404), Ok(0x2030_40f8));
    assert_eq!(other.gic_state().unwrap(), state);
    let mut damaged = state.clone();
    damaged[0] ^= 1;
    assert_eq!(other.gic_set_state(&damaged), Err(Code::BAD_ARGUMENT));
    for len in [0, 7, 8, 100, state.len() - 1] {
        assert_eq!(other.gic_set_state(&state[..len]), Err(Code::BAD_ARGUMENT));
    }
    other.gic_reset().unwrap();
    assert_eq!(other.gic_get_distributor_reg(0x184), Ok(0));
}
