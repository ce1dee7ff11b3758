//! What a subscriber hears of a VM's life, with the feature `tracing`.
#![cfg(all(feature = "tracing", feature = "software"))]

use std::fmt::{Debug, Write};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};
use xhv::{Engine, Gpa};

/// Keeps each event as a line: level, message, fields.
#[derive(Clone, Default)]
struct Listener(Arc<Mutex<Vec<String>>>);

struct Line(String);

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        write!(self.0, " {field}={value:?}").unwrap();
    }
}

impl Subscriber for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == "xhv"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Everything that is told while `body` runs.
fn heard(body: impl FnOnce()) -> Vec<String> {
    let listener = Listener::default();
    tracing::subscriber::with_default(listener.clone(), body);
    std::mem::take(&mut *listener.0.lock().unwrap())
}

/// Whether the lines come in this order, others between them.
#[track_caller]
fn in_order(lines: &[String], expected: &[&[&str]]) {
    let mut rest = lines.iter();
    for parts in expected {
        let found = rest.any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} does not follow in {lines:#?}");
    }
}

#[test]
fn the_life_of_an_intel_vm_is_told() {
    use xhv::x86_64::{Exit, Vm, msr};
    let lines = heard(|| {
        let vm = Vm::builder().engine(Engine::Software).build().unwrap();
        vm.map_new(Gpa(0), 0x10000).unwrap();
        vm.write(Gpa(0x1000), &[0xe6, 0x10, 0xf4]).unwrap(); // out 10h, al; hlt
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_flat32(0x1000).unwrap();
        assert!(vcpu.read(msr::LSTAR).is_err());
        match vcpu.run().unwrap() {
            Exit::PortWrite(out) => out.finish().unwrap(),
            other => panic!("{other:?}"),
        }
        vcpu.handle().cancel();
        assert!(matches!(vcpu.run().unwrap(), Exit::Canceled));
        assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
        vm.unmap(Gpa(0), 0x10000).unwrap();
    });
    in_order(
        &lines,
        &[
            &["DEBUG", "VM created", "engine=Software"],
            &["DEBUG", "map", "gpa=0x0", "size=65536"],
            &["DEBUG", "vCPU created", "vcpu=0"],
            &["DEBUG", "refused row", "verb=\"read\"", "LSTAR"],
            &["TRACE", "exit", "rip=4096", "IO"],
            &["TRACE", "cancel"],
            &["TRACE", "exit", "rip=4098", "HLT"],
            &["DEBUG", "unmap", "gpa=0x0"],
            &["DEBUG", "vCPU destroyed", "vcpu=0"],
        ],
    );
}

#[test]
fn the_life_of_an_arm_vm_is_told() {
    use xhv::aarch64::{Exit, Vm};
    let lines = heard(|| {
        let vm = Vm::builder().engine(Engine::Software).build().unwrap();
        let memory = vm.map_new(0x4000_0000, 0x4000).unwrap();
        memory.write(0, &0xd400_0002_u32.to_le_bytes()).unwrap(); // hvc #0
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_el1(0x4000_0000, 0).unwrap();
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        assert!(vcpu.redistributor_base().is_err());
    });
    in_order(
        &lines,
        &[
            &["DEBUG", "VM created", "ipa_bits="],
            &["DEBUG", "map", "gpa=0x40000000"],
            &["DEBUG", "vCPU created"],
            &["TRACE", "exit", "EXCEPTION", "HVC"],
            &["DEBUG", "refused call", "hv_gic_get_redistributor_base"],
            &["DEBUG", "vCPU destroyed"],
        ],
    );
}
