//! Apple silicon: devices, exits, the virtual timer. The guests are a few instructions at 0.

use xhv::aarch64::policy::{self, Answered};
use xhv::aarch64::reg::{CPSR, PC, Spsr};
use xhv::aarch64::sysreg::{CNTV_CTL_EL0, CNTV_CVAL_EL0, CntCtl, TrappedRegister};
use xhv::aarch64::{Exit, Vcpu};

/// A device, where no memory is.
const DEVICE: u64 = 0x0900_0000;

/// A vCPU at the beginning of these instructions, with the device's address in X0.
fn vcpu(words: &[u32]) -> Vcpu {
    let vm = crate::vm!(aarch64);
    vm.map_new(0, 0x4000).unwrap();
    vm.write(
        0,
        &words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect::<Vec<u8>>(),
    )
    .unwrap();
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_el1(0, 0x4000).unwrap();
    vcpu.set_x(0, DEVICE).unwrap();
    vcpu
}

#[track_caller]
fn read(vcpu: &mut Vcpu, value: u64) {
    match vcpu.run().unwrap() {
        Exit::MmioRead(read) => read.finish(value).unwrap(),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn write(vcpu: &mut Vcpu, size: u8, value: u64) {
    match vcpu.run().unwrap() {
        Exit::MmioWrite(write) => {
            assert_eq!((write.size(), write.value()), (size, value));
            write.finish().unwrap();
        }
        other => panic!("{other:?}"),
    }
}

/// | MMIO | load to the zero register written to register 31, which is PC | guest jumps away |
#[test]
fn load_to_the_zero_register() {
    let mut vcpu = vcpu(&[0xf940_001f]); // ldr xzr, [x0]
    read(&mut vcpu, 0xdead_beef);
    assert_eq!(vcpu.read(PC).unwrap(), 4);
    assert_eq!(vcpu.x(31).unwrap(), 0);
}

/// | MMIO | no sign extension (SSE/SF); 16-bit store panics; ISV = 0 unchecked; PC not advanced on one of two paths | guest corruption |
#[test]
fn no_sign_extension_or_syndrome() {
    let mut vcpu = vcpu(&[
        0x39c0_0001, // ldrsb w1, [x0]
        0x7980_0002, // ldrsh x2, [x0]
        0x7900_0001, // strh w1, [x0]
        0xa940_1003, // ldp x3, x4, [x0]: no syndrome
        0xf800_8401, // str x1, [x0], #8: no syndrome
    ]);
    read(&mut vcpu, 0x80);
    assert_eq!(
        (vcpu.x(1).unwrap(), vcpu.read(PC).unwrap()),
        (0xffff_ff80, 4)
    );
    read(&mut vcpu, 0x8000);
    assert_eq!(
        (vcpu.x(2).unwrap(), vcpu.read(PC).unwrap()),
        (0xffff_ffff_ffff_8000, 8)
    );
    write(&mut vcpu, 2, 0xff80);
    assert_eq!(vcpu.read(PC).unwrap(), 12);
    read(&mut vcpu, 3);
    assert_eq!(vcpu.read(PC).unwrap(), 12, "half of a pair");
    read(&mut vcpu, 4);
    assert_eq!(
        [
            vcpu.x(3).unwrap(),
            vcpu.x(4).unwrap(),
            vcpu.read(PC).unwrap()
        ],
        [3, 4, 16]
    );
    write(&mut vcpu, 8, 0xffff_ff80);
    assert_eq!(
        (vcpu.x(0).unwrap(), vcpu.read(PC).unwrap()),
        (DEVICE + 8, 20)
    );
}

/// | exits | SMC needs PC + 4, HVC does not; WFI depends on the case | endless loop or skipped instruction |
#[test]
fn smc_needs_pc_plus_4_and_hvc_does_not() {
    // hvc #1; smc #2; wfi; hvc #3
    let mut vcpu = vcpu(&[0xd400_0022, 0xd400_0043, 0xd503_207f, 0xd400_0062]);
    for (pc, immediate) in [(4, 1), (8, 2), (16, 3)] {
        match vcpu.run().unwrap() {
            Exit::Hvc(call) => {
                assert_eq!(call.immediate(), immediate);
                call.finish(0).unwrap();
            }
            Exit::Smc(call) => {
                assert_eq!(call.immediate(), 2);
                call.finish(0).unwrap();
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(PC).unwrap(), pc);
        if pc == 8 {
            match vcpu.run().unwrap() {
                Exit::Wfx(wait) => wait.finish().unwrap(),
                other => panic!("{other:?}"),
            }
            assert_eq!(vcpu.read(PC).unwrap(), 12);
        }
    }
}

/// | exits | panic on an unknown trapped system register | every new macOS (26 traps MDCCINT_EL1 and CNTHCTL_EL2) breaks the client |
#[test]
fn panic_on_an_unknown_trapped_system_register() {
    let vcpu = vcpu(&[]);
    let unknown = TrappedRegister(0xfffe);
    assert_eq!(
        policy::read(&vcpu, unknown).unwrap(),
        Answered::Unknown(unknown)
    );
    // A known one that traps: mrs x1, oslsr_el1. The default answers both ways.
    let mut vcpu = self::vcpu(&[0xd530_1181, 0xd510_1081]); // mrs x1, oslsr_el1; msr oslar_el1, x1
    for pc in [4, 8] {
        match vcpu.run().unwrap() {
            Exit::SystemRegisterRead(read) => drop(read.finish_default().unwrap()),
            Exit::SystemRegisterWrite(write) => drop(write.finish_default().unwrap()),
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(PC).unwrap(), pc);
    }
}

/// | vtimer | mask not cleared after the interrupt is handled | guest timer dead |
#[test]
fn vtimer_mask_not_cleared() {
    let mut vcpu = vcpu(&[0x1400_0000]); // b .
    let flags = vcpu.read(CPSR).unwrap();
    vcpu.write(CPSR, flags | Spsr::I).unwrap();
    for _ in 0..3 {
        vcpu.write(CNTV_CVAL_EL0, 0).unwrap();
        vcpu.write(CNTV_CTL_EL0, CntCtl::ENABLE).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::VtimerActivated));
        assert!(vcpu.vtimer_mask().unwrap(), "the engine masks it");
        assert!(vcpu.vtimer_line().unwrap(), "the guest has not handled it");
        // The guest handles it, and the same call finds out.
        vcpu.write(CNTV_CTL_EL0, CntCtl::empty()).unwrap();
        assert!(!vcpu.vtimer_line().unwrap());
        assert!(!vcpu.vtimer_mask().unwrap());
    }
}
