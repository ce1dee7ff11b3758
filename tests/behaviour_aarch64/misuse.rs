//! What a client does wrong gets an error in words, and nothing is lost.

use xhv::aarch64::sysreg::{CNTP_CVAL_EL0, HCR_EL2, Hcr};
use xhv::aarch64::{GicBuilder, Granule, Vm};
use xhv::{Code, Memory, Permissions};

use crate::guest::{RAM, SIZE, on_every_engine, start, vm};

#[test]
fn maps_are_checked() {
    on_every_engine(|engine| {
        let (vm, memory) = vm(engine, &[]);
        let other = Memory::new(0x8000).unwrap();
        let words = |result: Result<(), xhv::Error>| result.unwrap_err().to_string();
        let all = Permissions::ALL;
        assert!(words(vm.map(RAM + 0x4000, &other, all)).contains("overlaps"));
        assert!(words(vm.map(0x1000, &other, all)).contains("no multiple of 0x4000"));
        assert!(words(vm.map_part(0, &other, 0x4000, 0x8000, all)).contains("not all"));
        assert!(words(vm.map(1 << 36, &other, all)).contains("36 bits"));
        assert!(words(vm.map_part(0, &other, 0, 0, all)).contains("zero"));
        assert!(vm.unmap(0, 0x4000).is_err());
        assert!(vm.protect(RAM, SIZE * 2, all).is_err());
        assert!(vm.read(RAM + SIZE - 4, &mut [0; 8]).is_err());
        // The memory outlives its mapping, and the range is free again.
        vm.unmap(RAM, SIZE).unwrap();
        memory.write(0, &[1]).unwrap();
        assert!(vm.read(RAM, &mut [0]).is_err());
        vm.map(RAM, &other, all).unwrap();
    });
}

#[test]
fn builders_are_checked() {
    on_every_engine(|engine| {
        for bits in [31, 53, 200] {
            let told = Vm::builder()
                .engine(engine)
                .ipa_bits(bits)
                .build()
                .unwrap_err();
            assert!(told.to_string().contains(&format!("{bits} bits")), "{told}");
        }
        let vm = Vm::builder().engine(engine).ipa_bits(40).build().unwrap();
        assert_eq!((vm.ipa_bits(), vm.granule()), (40, 0x4000));
        assert!(vm.gic().is_none());
        drop(vm);
        let small = Vm::builder().engine(engine).granule(Granule::Kib4).build();
        if let Ok(vm) = small {
            vm.map_new(0x1000, 0x4000).unwrap();
        }
    });
}

#[test]
fn a_gic_layout_is_checked() {
    on_every_engine(|engine| {
        let Ok(host) = xhv::aarch64::GicParameters::probe(engine) else {
            eprintln!("SKIPPED: the {engine} engine has no GIC here");
            return;
        };
        let build = |gic| Vm::builder().engine(engine).gic(gic).build();
        let overlap = build(GicBuilder::new(0x800_0000, 0x800_0000)).unwrap_err();
        assert!(overlap.to_string().contains("overlaps"), "{overlap}");
        let crooked = build(GicBuilder::new(0x800_0001, 0x1000_0000)).unwrap_err();
        assert!(crooked.to_string().contains("multiple"), "{crooked}");
        let far = build(GicBuilder::new(1 << 60, 0x1000_0000)).unwrap_err();
        assert!(far.to_string().contains("36 bits"), "{far}");
        let first = host.spi_base + host.spi_count;
        let msi = GicBuilder::new(0x800_0000, 0x1000_0000).msi(0x900_0000, first, 1);
        assert!(build(msi).unwrap_err().to_string().contains("SPIs"));
    });
}

#[test]
fn registers_that_are_not_there_say_what_they_need() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[]);
        let told = vcpu.read(HCR_EL2).unwrap_err().to_string();
        assert!(told.contains("EL2"), "{told}");
        let told = vcpu.write(HCR_EL2, Hcr::RW).unwrap_err();
        assert!(matches!(
            told.code(),
            Some(Code::UNSUPPORTED | Code::BAD_ARGUMENT)
        ));
        let told = vcpu.read(CNTP_CVAL_EL0).unwrap_err().to_string();
        assert!(told.contains("GIC"), "{told}");
        assert!(vcpu.sme_state().is_err());
        assert!(vcpu.x(32).is_err());
        assert!(vcpu.set_x(255, 0).is_err());
        assert!(vcpu.redistributor_base().is_err());
    });
}

#[test]
fn one_vcpu_for_each_thread() {
    on_every_engine(|engine| {
        let (vcpu, _memory) = start(engine, &[]);
        let told = vcpu.vm().create_vcpu().unwrap_err().to_string();
        assert!(told.contains("this thread has a vCPU already"), "{told}");
        let vm = vcpu.vm().clone();
        drop(vcpu);
        vm.create_vcpu().unwrap();
    });
}

#[test]
fn illegal_states_are_not_entered() {
    on_every_engine(|engine| {
        use xhv::aarch64::reg::{CPSR, Spsr, SpsrM};
        let (mut vcpu, _memory) = start(engine, &[]);
        vcpu.write(CPSR, Spsr::empty().with_m(SpsrM::EL2H)).unwrap();
        let told = vcpu.run().unwrap_err();
        assert_eq!(told.code(), Some(Code::ILLEGAL_GUEST_STATE));
        assert!(told.to_string().contains("CPSR"), "{told}");
    });
}
