//! The engine's GIC: an SPI, a message, the registers, and its state in another VM.

use std::time::Duration;

use xhv::Engine;
use xhv::aarch64::gic_registers::{
    GICD_CTLR, GICD_IGROUPR1, GICD_ISENABLER1, GICD_ISPENDR1, GICD_TYPER, GicdCtlr,
    ICC_IGRPEN1_EL1, ICC_PMR_EL1, IccIgrpen, IccPmr,
};
use xhv::aarch64::{BuiltIn, Exit, Gic, GicBuilder, GicParameters, GicState, Interrupt, Vm};

use crate::guest::{RAM, SIZE, load, on_every_engine};

const DISTRIBUTOR: u64 = 0x0800_0000;
const REDISTRIBUTORS: u64 = 0x1000_0000;
const MSI: u64 = 0x0a00_0000;

const PROGRAM: [u32; 10] = [
    0x1000_4000, // adr x0, vectors
    0xd518_c000, // msr vbar_el1, x0
    0xd280_1fe1, // mov x1, #0xff
    0xd518_4601, // msr icc_pmr_el1, x1
    0xd280_0021, // mov x1, #1
    0xd518_cce1, // msr icc_igrpen1_el1, x1
    0xd503_3fdf, // isb
    0xd503_42ff, // msr daifclr, #2
    0xd503_207f, // again: wfi
    0x17ff_ffff, // b again
];
const HANDLER: [u32; 4] = [
    0xd538_cc0a, // mrs x10, icc_iar1_el1
    0xd518_cc2a, // msr icc_eoir1_el1, x10
    0xd400_0082, // hvc #4
    0xd69f_03e0, // eret
];

/// A VM with a GIC, if the engine has one here.
pub fn vm(engine: Engine) -> Option<Vm> {
    let Ok(host) = GicParameters::probe(engine) else {
        eprintln!("SKIPPED: the {engine} engine has no GIC here");
        return None;
    };
    let gic = GicBuilder::new(DISTRIBUTOR, REDISTRIBUTORS).msi(MSI, host.spi_base + 32, 32);
    let vm = Vm::builder().engine(engine).gic(gic).build().unwrap();
    let memory = vm.map_new(RAM, SIZE).unwrap();
    load(&memory, 0, &PROGRAM);
    load(&memory, 0xa80, &HANDLER);
    Some(vm)
}

/// Makes SPIs 32 to 63 group 1 and enables them.
fn enable(gic: &mut Gic) {
    let on = GicdCtlr::ARE | GicdCtlr::ENABLEGRP1 | GicdCtlr::DS;
    gic.write(GICD_CTLR, on).unwrap();
    gic.write(GICD_IGROUPR1, u32::MAX).unwrap();
    gic.write(GICD_ISENABLER1, u32::MAX).unwrap();
}

#[test]
fn a_line_wakes_a_guest() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine) else { return };
        let mut gic = vm.gic().unwrap();
        assert!(gic.read(GICD_TYPER).unwrap().itlinesnumber() > 0);
        assert_eq!(gic.intid(BuiltIn::El1VirtualTimer).unwrap(), 27);
        enable(&mut gic);
        let (sender, receiver) = std::sync::mpsc::channel();
        let thread = vm
            .spawn_vcpu(move |vcpu| {
                vcpu.set_el1(RAM, RAM + SIZE).unwrap();
                let base = vcpu.redistributor_base().unwrap();
                loop {
                    match vcpu.run().unwrap() {
                        Exit::Hvc(call) => {
                            let id = call.argument(10).unwrap();
                            call.finish_with(&[]).unwrap();
                            sender.send((id, base)).unwrap();
                        }
                        Exit::Wfx(wait) => wait.wait(Duration::from_secs(1)).unwrap(),
                        Exit::Canceled => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
            .unwrap();
        let patience = Duration::from_secs(10);
        std::thread::sleep(Duration::from_millis(10));
        gic.set_spi(40, true).unwrap();
        let (id, base) = receiver.recv_timeout(patience).unwrap();
        gic.set_spi(40, false).unwrap();
        assert_eq!((id, base.0), (40, REDISTRIBUTORS));
        thread.cancel();
        thread.join().unwrap();
    });
}

#[test]
fn misuse_of_a_gic_is_refused() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine) else { return };
        let gic = vm.gic().unwrap();
        assert!(gic.set_spi(5, true).is_err());
        assert!(
            gic.set_spi(70, true).is_err(),
            "it belongs to the MSI frame"
        );
        assert!(gic.send_msi(MSI + 0x44, 64).is_err());
        let early = gic.restore(&GicState(vec![])).unwrap_err().to_string();
        assert!(early.contains("created first"), "{early}");
        let mut vcpu = vm.create_vcpu().unwrap();
        assert!(gic.restore(&GicState(vec![1, 2, 3])).is_err());
        let told = vcpu
            .set_pending_interrupt(Interrupt::Irq, true)
            .unwrap_err();
        assert!(told.to_string().contains("GIC"), "{told}");
    });
}

#[test]
fn its_state_moves_to_another_vm() {
    on_every_engine(|engine| {
        let Some(old) = vm(engine) else { return };
        let mut gic = old.gic().unwrap();
        enable(&mut gic);
        gic.write(GICD_ISPENDR1, 1 << 9).unwrap();
        let mut vcpu = old.create_vcpu().unwrap();
        vcpu.set_el1(RAM, RAM + SIZE).unwrap();
        vcpu.write(ICC_PMR_EL1, IccPmr::empty().with_priority(0xf0))
            .unwrap();
        vcpu.write(ICC_IGRPEN1_EL1, IccIgrpen::ENABLE).unwrap();
        let (state, blob) = (vcpu.save().unwrap(), gic.save().unwrap());
        assert_eq!(state.gic.get("ICC_PMR_EL1"), Some(0xf0));
        drop((vcpu, gic, old));

        let Some(new) = vm(engine) else { return };
        let mut vcpu = new.create_vcpu().unwrap();
        let gic = new.gic().unwrap();
        gic.restore(&blob).unwrap();
        vcpu.restore(&state).unwrap();
        assert_eq!(vcpu.read(ICC_PMR_EL1).unwrap().priority(), 0xf0);
        assert_eq!(gic.read(GICD_ISENABLER1).unwrap(), u32::MAX);
        match vcpu.run().unwrap() {
            Exit::Hvc(call) => assert_eq!(call.argument(10).unwrap(), 41),
            other => panic!("{other:?}"),
        }
    });
}
