//! Rows of a downstream crate through the same two verbs as the library's, and in its snapshots.

use xhv::typed::state::{Mode, Table};
use xhv::x86_64::{Vcpu, Vm};
use xhv::{Code, Engine, Error};
use xhv_downstream::my::{self, Blocking, ClearedFlags, Ring, Selectors};

const MORE: &[Table] = &[Table {
    name: "my",
    rows: &my::ALL,
}];

/// A vCPU of the software engine, which runs on every host unless the feature is off.
fn vcpu() -> Option<Vcpu> {
    let vm = match Vm::builder().engine(Engine::Software).build() {
        Err(Error::Call {
            code: Code::UNSUPPORTED,
            ..
        }) => {
            eprintln!("skipped: xhv was built without its software engine");
            return None;
        }
        vm => vm.unwrap(),
    };
    let mut vcpu = vm.create_vcpu().unwrap();
    for msr in [my::SELECTORS.key(), my::CLEARED_FLAGS.key()] {
        vcpu.enable_native_msr(msr, true).unwrap();
    }
    Some(vcpu)
}

fn selectors() -> Selectors {
    Selectors::empty()
        .with_sysret_index(4)
        .with_sysret_ring(Ring::USER)
        .with_syscall(0x8)
}

#[test]
fn own_rows_are_read_and_written() {
    let Some(mut vcpu) = vcpu() else { return };
    vcpu.write(my::SELECTORS, selectors()).unwrap();
    assert_eq!(
        vcpu.read(my::SELECTORS).unwrap().bits(),
        0x0013_0008_0000_0000
    );
    vcpu.write(
        my::CLEARED_FLAGS,
        ClearedFlags::INTERRUPTS | ClearedFlags::TRAP,
    )
    .unwrap();
    assert_eq!(vcpu.read(my::CLEARED_FLAGS).unwrap().bits(), 0x300);
    vcpu.write(my::BLOCKING, Blocking::STI).unwrap();
    assert_eq!(vcpu.read(my::BLOCKING).unwrap(), Blocking::STI);
    // The library's own row of the same field sees it too.
    assert_eq!(
        vcpu.read(xhv::x86_64::vmcs::GUEST_INTERRUPTIBILITY_STATE)
            .unwrap()
            .bits(),
        1
    );
}

#[test]
fn own_rows_are_in_snapshots() {
    let (Some(mut source), Some(mut target)) = (vcpu(), vcpu()) else {
        return;
    };
    source.write(my::SELECTORS, selectors()).unwrap();
    let (state, _) = source.save_with(MORE).unwrap();
    let json = serde_json::to_value(&state).unwrap();
    assert_eq!(json["extra"]["my"]["SELECTORS"], "0x13000800000000");
    let report = target.restore_with(&state, Mode::Strict, MORE).unwrap();
    assert!(report.written > 0);
    assert_eq!(target.read(my::SELECTORS).unwrap(), selectors());
}

#[test]
fn values_print_with_their_names() {
    assert_eq!(
        format!("{:?}", selectors()),
        "Selectors(0x13000800000000: SYSRET_INDEX=0x4 | SYSRET_RING=User | SYSCALL=0x8)"
    );
    assert_eq!(format!("{:?}", Ring(1)), "Ring(0x1)");
    assert_eq!(my::ALL[0].describe(0), "0x0: SYSRET_RING=Supervisor");
}
