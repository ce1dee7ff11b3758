//! Every register of the GIC through the API: each row of the table is read and, where it can be, written back; arrays are set and cleared;
//! what needs an EL2 says so.

use std::collections::BTreeMap;

use xhv::aarch64::gic_registers::{
    self as gic, GICD_ICENABLER1, GICD_ICFGR2, GICD_ICPENDR1, GICD_IPRIORITYR8, GICD_IROUTER40,
    GICD_ISACTIVER1, GICD_ISENABLER1, GICD_ISPENDR1, GICD_PIDR2, GICM_TYPER, GICR_ICENABLER0,
    GICR_IPRIORITYR7, GICR_ISENABLER0, GICR_ISPENDR0, GICR_TYPER, GicPidr2Archrev, GicdIrouter,
    ICC_BPR1_EL1, ICC_IGRPEN1_EL1, ICC_PMR_EL1, ICC_RPR_EL1, ICH_HCR_EL2, IccBpr, IccIgrpen,
    IccPmr,
};
use xhv::aarch64::{Gic, Vcpu};
use xhv::typed::{
    GicDistributorRegister, GicIccRegister, GicIchRegister, GicIcvRegister, GicMsiRegister,
    GicRedistributorRegister, Kind, RowInfo,
};
use xhv::{Error, Gpa};

use crate::gic::vm;
use crate::guest::{RAM, SIZE, on_every_engine};

/// Reads a row, whatever its space.
fn read(gic: &Gic, vcpu: &Vcpu, row: &'static RowInfo) -> Result<u64, Error> {
    match row.kind {
        Kind::GicDistributor => gic.read(GicDistributorRegister::<u64>::new(row.key, row)),
        Kind::GicMsi => gic.read(GicMsiRegister::<u64>::new(row.key, row)),
        Kind::GicRedistributor => vcpu.read(GicRedistributorRegister::<u64>::new(row.key, row)),
        Kind::GicIcc => vcpu.read(GicIccRegister::<u64>::new(row.key, row)),
        Kind::GicIch => vcpu.read(GicIchRegister::<u64>::new(row.key, row)),
        Kind::GicIcv => vcpu.read(GicIcvRegister::<u64>::new(row.key, row)),
        other => panic!("{}: {other:?}", row.name),
    }
}

/// Writes a row, whatever its space.
fn write(gic: &mut Gic, vcpu: &mut Vcpu, row: &'static RowInfo, value: u64) -> Result<(), Error> {
    match row.kind {
        Kind::GicDistributor => gic.write(GicDistributorRegister::<u64>::new(row.key, row), value),
        Kind::GicMsi => gic.write(GicMsiRegister::<u64>::new(row.key, row), value),
        Kind::GicRedistributor => {
            vcpu.write(GicRedistributorRegister::<u64>::new(row.key, row), value)
        }
        Kind::GicIcc => vcpu.write(GicIccRegister::<u64>::new(row.key, row), value),
        Kind::GicIch => vcpu.write(GicIchRegister::<u64>::new(row.key, row), value),
        Kind::GicIcv => vcpu.write(GicIcvRegister::<u64>::new(row.key, row), value),
        other => panic!("{}: {other:?}", row.name),
    }
}

#[test]
fn every_register_is_read_and_written_back() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine) else { return };
        let (mut gic, mut vcpu) = (vm.gic().unwrap(), vm.create_vcpu().unwrap());
        vcpu.set_el1(RAM, RAM + SIZE).unwrap();
        let mut seen = BTreeMap::<String, u32>::new();
        for row in &gic::ALL {
            if row.requires.contains(&"el2") {
                let told = read(&gic, &vcpu, row).unwrap_err();
                assert!(told.to_string().contains("EL2"), "{}: {told}", row.name);
                continue;
            }
            *seen.entry(format!("{:?}", row.kind)).or_default() += 1;
            if !row.readable {
                continue;
            }
            let value = read(&gic, &vcpu, row).unwrap_or_else(|why| panic!("{}: {why}", row.name));
            assert!(row.width == 64 || value >> row.width == 0, "{}", row.name);
            if row.writable {
                write(&mut gic, &mut vcpu, row, value)
                    .unwrap_or_else(|why| panic!("{}: {why}", row.name));
                assert_eq!(read(&gic, &vcpu, row).unwrap(), value, "{}", row.name);
            }
        }
        let told = vcpu.write(ICH_HCR_EL2, gic::IchHcr::EN).unwrap_err();
        assert!(told.to_string().contains("EL2"), "{told}");
        let spaces: Vec<_> = seen.keys().map(String::as_str).collect();
        assert_eq!(
            spaces,
            ["GicDistributor", "GicIcc", "GicMsi", "GicRedistributor"]
        );
        assert!(seen["GicDistributor"] > 1500 && seen["GicRedistributor"] > 18);
    });
}

#[test]
fn bits_are_set_and_cleared_by_their_own_registers() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine) else { return };
        let (mut gic, mut vcpu) = (vm.gic().unwrap(), vm.create_vcpu().unwrap());
        vcpu.set_el1(RAM, RAM + SIZE).unwrap();
        assert_eq!(
            gic.read(GICD_PIDR2).unwrap().archrev(),
            GicPidr2Archrev::GICV3
        );
        gic.write(GICD_ISENABLER1, 0xf0).unwrap();
        gic.write(GICD_ISENABLER1, 0x0f).unwrap();
        gic.write(GICD_ICENABLER1, 0x11).unwrap();
        assert_eq!(gic.read(GICD_ISENABLER1).unwrap(), 0xee);
        assert_eq!(gic.read(GICD_ICENABLER1).unwrap(), 0xee);
        gic.write(GICD_ISPENDR1, 6).unwrap();
        gic.write(GICD_ICPENDR1, 2).unwrap();
        gic.write(GICD_ISACTIVER1, 8).unwrap();
        assert_eq!(
            (
                gic.read(GICD_ISPENDR1).unwrap(),
                gic.read(GICD_ISACTIVER1).unwrap()
            ),
            (4, 8)
        );
        gic.write(GICD_IPRIORITYR8, 0xf0e0_d0c0).unwrap();
        assert_eq!(gic.read(GICD_IPRIORITYR8).unwrap(), 0xf0e0_d0c0);
        gic.write(GICD_ICFGR2, 0b10).unwrap();
        assert_eq!(gic.read(GICD_ICFGR2).unwrap() & 3, 2);
        let route = GicdIrouter::empty().with_aff1(2).with_aff0(3);
        gic.write(GICD_IROUTER40, route).unwrap();
        assert_eq!(gic.read(GICD_IROUTER40).unwrap(), route);
        let frame = gic.read(GICM_TYPER).unwrap();
        assert_eq!((frame.base(), frame.count()), (64, 32));

        vcpu.write(GICR_ISENABLER0, 1 << 27 | 1).unwrap();
        vcpu.write(GICR_ICENABLER0, 1).unwrap();
        vcpu.write(GICR_ISPENDR0, 1 << 27).unwrap();
        assert_eq!(vcpu.read(GICR_ISENABLER0).unwrap() & !0xfffe, 1 << 27);
        assert_eq!(vcpu.read(GICR_ISPENDR0).unwrap(), 1 << 27);
        vcpu.write(GICR_IPRIORITYR7, 0x8070_6050).unwrap();
        assert_eq!(vcpu.read(GICR_IPRIORITYR7).unwrap(), 0x8070_6050);
        assert_eq!(vcpu.read(GICR_TYPER).unwrap().affinity(), 0);

        vcpu.write(ICC_PMR_EL1, IccPmr::empty().with_priority(0xf0))
            .unwrap();
        vcpu.write(ICC_BPR1_EL1, IccBpr::empty().with_binarypoint(5))
            .unwrap();
        vcpu.write(ICC_IGRPEN1_EL1, IccIgrpen::ENABLE).unwrap();
        assert_eq!(vcpu.read(ICC_PMR_EL1).unwrap().priority(), 0xf0);
        assert_eq!(vcpu.read(ICC_BPR1_EL1).unwrap().binarypoint(), 5);
        assert_eq!(vcpu.read(ICC_RPR_EL1).unwrap().priority(), 0xff, "idle");

        // All of it is in the blob, none of it after a reset.
        let state = gic.save().unwrap();
        gic.reset().unwrap();
        assert_eq!(gic.read(GICD_ISENABLER1).unwrap(), 0);
        assert_eq!(vcpu.read(GICR_ISPENDR0).unwrap(), 0);
        gic.restore(&state).unwrap();
        assert_eq!(gic.read(GICD_ISENABLER1).unwrap(), 0xee);
        assert_eq!(gic.read(GICD_IROUTER40).unwrap(), route);
        assert_eq!(gic.read(GICD_ISACTIVER1).unwrap(), 8);
        assert_eq!(vcpu.read(GICR_ISPENDR0).unwrap(), 1 << 27);
        assert_eq!(vcpu.read(GICR_IPRIORITYR7).unwrap(), 0x8070_6050);
    });
}

#[test]
fn a_vcpu_has_the_redistributor_of_its_affinity() {
    on_every_engine(|engine| {
        let Some(vm) = vm(engine) else { return };
        let size = vm.gic().unwrap().parameters().redistributor_size;
        let first = vm.create_vcpu().unwrap();
        let second = vm.spawn_vcpu(|vcpu| {
            vcpu.set_el1(RAM, RAM + SIZE).unwrap();
            let last = vcpu.read(GICR_TYPER).unwrap();
            (vcpu.redistributor_base().unwrap(), last.affinity())
        });
        let (base, affinity) = second.unwrap().join().unwrap();
        let zero = first.redistributor_base().unwrap();
        assert_eq!((base, affinity), (Gpa(zero.0 + size), 1));
    });
}
