//! Locked accesses that cross 16 bytes, a cache line or a page: one step to every other vCPU, as with the bus lock of a processor.

use std::time::{Duration, Instant};

use xhv::x86_64::{Exit, Vcpu, Vm, reg};
use xhv::{Gpa, VcpuThread};

use crate::support::on_every_engine;

const WRITER: u64 = 0x1000;
const READER: u64 = 0x1100;
const TABLES: Gpa = Gpa(0x2_0000);
/// Both halves of the counter go up by one.
const ONE: u64 = 0x1_0000_0001;
/// Across two blocks of 16 bytes, a cache line, a page; and inside 16 bytes.
const PLACES: [u64; 4] = [0x600c, 0x603c, 0x6ffc, 0x6004];
/// Where the VMM says that it is enough.
const STOP: Gpa = Gpa(0x7800);

/// l: lock add [rdi], rbx; inc ecx; cmp byte [STOP], 0; je l; hlt
const WRITE: [u8; 17] = [
    0xf0, 0x48, 0x01, 0x1f, 0xff, 0xc1, 0x80, 0x3c, 0x25, 0x00, 0x78, 0, 0, 0, 0x74, 0xf0, 0xf4,
];
/// Aligned loads of both halves: whichever is read last may be ahead of the other, but not behind.
const READ: [u8; 42] = [
    0x48, 0x8b, 0x06, // l: mov rax, [rsi]: the low half on top
    0x48, 0x8b, 0x56, 0x08, // mov rdx, [rsi+8]: the high half at the bottom
    0x48, 0xc1, 0xe8, 0x20, // shr rax, 32
    0x39, 0xc2, 0x72, 0x1a, // cmp edx, eax; jb torn
    0x48, 0x8b, 0x56, 0x08, // mov rdx, [rsi+8]
    0x48, 0x8b, 0x06, // mov rax, [rsi]
    0x48, 0xc1, 0xe8, 0x20, // shr rax, 32
    0x39, 0xd0, 0x72, 0x0b, // cmp eax, edx; jb torn
    0x80, 0x3c, 0x25, 0x00, 0x78, 0, 0, 0, // cmp byte [STOP], 0
    0x74, 0xd8, // je l
    0xf4, // hlt
    0xf4, // torn: hlt
];
const WRITTEN: u64 = 16;
const WHOLE: u64 = 40;

fn guest(engine: xhv::Engine) -> Vm {
    let vm = Vm::builder().engine(engine).build().unwrap();
    prepare(&vm);
    vm
}

/// Memory with both programs, and tables for 64-bit mode.
fn prepare(vm: &Vm) {
    vm.map_new(Gpa(0), 0x10_0000).unwrap();
    vm.write(Gpa(WRITER), &WRITE).unwrap();
    vm.write(Gpa(READER), &READ).unwrap();
    vm.write_identity_map(TABLES, 1 << 30).unwrap();
}

/// A vCPU on a thread of its own that runs to HLT, RDI being the counter's place. Answers where it ended, from `rip` on, and RCX.
fn start(vm: &Vm, rip: u64, place: u64) -> VcpuThread<Vcpu, (u64, u64)> {
    vm.spawn_vcpu(move |vcpu| {
        vcpu.set_long_mode64(rip, TABLES).unwrap();
        for (register, value) in [
            (reg::RDI, place),
            (reg::RSI, place & !7),
            (reg::RBX, ONE),
            (reg::RCX, 0),
        ] {
            vcpu.write(register, value).unwrap();
        }
        let exit = vcpu.run().unwrap();
        assert!(matches!(exit, Exit::Hlt(_)), "{exit:?}");
        let end = vcpu.read(reg::RIP).unwrap() - rip;
        (end, vcpu.read(reg::RCX).unwrap())
    })
    .unwrap()
}

/// Lets `work` go on for a while; then the guest is told to stop.
fn for_a_while(vm: &Vm, mut work: impl FnMut()) {
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(200) {
        work();
    }
    vm.write(STOP, &[1]).unwrap();
}

fn counter(vm: &Vm, place: u64) -> u64 {
    let mut bytes = [0; 8];
    vm.read(Gpa(place), &mut bytes).unwrap();
    u64::from_le_bytes(bytes)
}

#[test]
fn aligned_loads_see_both_halves_or_none() {
    on_every_engine(|engine| {
        for place in PLACES {
            let vm = guest(engine);
            let reader = start(&vm, READER, place);
            let writer = start(&vm, WRITER, place);
            for_a_while(&vm, || std::thread::sleep(Duration::from_millis(5)));
            let (end, rounds) = writer.join().unwrap();
            assert_eq!(end, WRITTEN);
            assert_eq!(reader.join().unwrap().0, WHOLE, "{place:#x} torn");
            assert_eq!(counter(&vm, place), rounds * ONE);
        }
    });
}

#[test]
fn locks_of_two_and_changes_of_the_map_do_not_wait_for_each_other() {
    on_every_engine(|engine| {
        let (vm, place) = (guest(engine), 0x6ffc);
        let reader = start(&vm, READER, place);
        let writers = [(); 2].map(|()| start(&vm, WRITER, place));
        let mut maps = 0;
        for_a_while(&vm, || {
            vm.map_new(Gpa(0x40_0000), 0x4000).unwrap();
            vm.unmap(Gpa(0x40_0000), 0x4000).unwrap();
            maps += 1;
        });
        let [first, second] = writers.map(|writer| writer.join().unwrap());
        assert_eq!(
            [first.0, second.0, reader.join().unwrap().0],
            [WRITTEN, WRITTEN, WHOLE]
        );
        assert!(maps > 0 && first.1 > 0 && second.1 > 0);
        assert_eq!(counter(&vm, place), (first.1 + second.1) * ONE);
    });
}

#[test]
fn a_halted_vcpu_keeps_nobody_waiting() {
    on_every_engine(|engine| {
        // HLT stays inside the engine with interrupt controllers there.
        let vm = match Vm::builder().engine(engine).accelerated_apic().build() {
            Ok(vm) => vm,
            Err(error) => return eprintln!("skipped: {error}"),
        };
        prepare(&vm);
        vm.write(Gpa(0x1200), &[0xf4]).unwrap();
        let halted = vm
            .spawn_vcpu(|vcpu| {
                vcpu.set_long_mode64(0x1200, TABLES).unwrap();
                vcpu.set_apic_address(Gpa(0xfee0_0000)).unwrap();
                matches!(vcpu.run().unwrap(), Exit::Canceled)
            })
            .unwrap();
        // The writer leaves by its first OUT in place of HLT.
        vm.write(Gpa(WRITER + WRITTEN), &[0xe6, 5]).unwrap();
        let writer = vm
            .spawn_vcpu(|vcpu| {
                vcpu.set_long_mode64(WRITER, TABLES).unwrap();
                vcpu.set_apic_address(Gpa(0xfee0_0000)).unwrap();
                vcpu.write(reg::RDI, PLACES[2]).unwrap();
                vcpu.write(reg::RBX, ONE).unwrap();
                let exit = vcpu.run().unwrap();
                assert!(matches!(exit, Exit::PortWrite(_)), "{exit:?}");
                vcpu.read(reg::RCX).unwrap()
            })
            .unwrap();
        for_a_while(&vm, || std::thread::sleep(Duration::from_millis(5)));
        let rounds = writer.join().unwrap();
        assert_eq!(counter(&vm, PLACES[2]), rounds * ONE);
        assert!(!halted.is_finished());
        halted.cancel();
        assert!(halted.join().unwrap());
    });
}
