//! Atomics and exclusives of several vCPUs on the same memory are atomic, a lock of each kind excludes, and events wake who waits for them.

use std::time::Duration;

use xhv::aarch64::{Exit, Vcpu, Vm};
use xhv::{Engine, Gpa};

use crate::guest::{RAM, SIZE, load, on_every_engine};

/// Every vCPU runs this as often as X3 says: X1 is the shared memory, a line of 64 bytes for each place, X24 a bit of its own, X0 counts
/// what should not be. Places: 0 to 3 counters of 64, 8, 16 and 32 bits; 4 compare and swap; 5 a pair by CASP; 6 a pair by exclusives; 7 a
/// byte by exclusives; 8 own bits; 9 greatest and least; 10 a lock by SWP and 11 what it protects; 12 a lock by WFE and 13 what it protects.
const PROGRAM: [u32; 77] = [
    0xd280_0024, // mov x4, #1
    0x9100_0025, // add x5, x1, #0
    0xf824_00a6, // ldadd x4, x6, [x5]
    0x9101_0025, // add x5, x1, #64
    0x38e4_00a6, // ldaddalb w4, w6, [x5]
    0x9102_0025, // add x5, x1, #128
    0x78a4_00a6, // ldaddah w4, w6, [x5]
    0x9103_0025, // add x5, x1, #192
    0xb824_00bf, // stadd w4, [x5]
    0x9104_0027, // add x7, x1, #256
    0xf940_00e6, // ldr x6, [x7]
    0x9100_04c8, // add x8, x6, #1
    0xaa06_03e9, // mov x9, x6
    0xc8e9_fce8, // casal x9, x8, [x7]
    0xeb06_013f, // cmp x9, x6
    0xaa09_03e6, // mov x6, x9
    0x54ff_ff61, // b.ne -20
    0x9105_002c, // add x12, x1, #320
    0xa940_2d8a, // ldp x10, x11, [x12]
    0xaa0a_03f4, // mov x20, x10
    0xaa0b_03f5, // mov x21, x11
    0x9100_0556, // add x22, x10, #1
    0xd100_0577, // sub x23, x11, #1
    0x4874_fd96, // caspal x20, x21, x22, x23, [x12]
    0xeb0a_029f, // cmp x20, x10
    0xfa4b_02a0, // ccmp x21, x11, #0, eq
    0xaa14_03ea, // mov x10, x20
    0xaa15_03eb, // mov x11, x21
    0x54ff_fee1, // b.ne -36
    0x9106_002c, // add x12, x1, #384
    0xc87f_ad8a, // ldaxp x10, x11, [x12]
    0x9100_0d4a, // add x10, x10, #3
    0xd100_0d6b, // sub x11, x11, #3
    0xc829_ad8a, // stlxp w9, x10, x11, [x12]
    0x35ff_ff89, // cbnz w9, -16
    0x9107_002c, // add x12, x1, #448
    0x085f_7d8a, // ldxrb w10, [x12]
    0x1100_054a, // add w10, w10, #1
    0x0809_7d8a, // stxrb w9, w10, [x12]
    0x35ff_ffa9, // cbnz w9, -12
    0x9108_002c, // add x12, x1, #512
    0xf8f8_318a, // ldsetal x24, x10, [x12]
    0xea18_015f, // tst x10, x24
    0x9a80_0400, // cinc x0, x0, ne
    0xf8f8_118a, // ldclral x24, x10, [x12]
    0xea18_015f, // tst x10, x24
    0x9a80_1400, // cinc x0, x0, eq
    0xf838_218a, // ldeor x24, x10, [x12]
    0xf8f8_218a, // ldeoral x24, x10, [x12]
    0x9109_002c, // add x12, x1, #576
    0xf8e3_618a, // ldumaxal x3, x10, [x12]
    0x9109_202c, // add x12, x1, #584
    0xf863_518a, // ldsminl x3, x10, [x12]
    0x910a_002c, // add x12, x1, #640
    0x5280_002a, // mov w10, #1
    0xb8aa_818a, // swpa w10, w10, [x12]
    0x35ff_ffca, // cbnz w10, -8
    0xf941_602b, // ldr x11, [x1, #704]
    0x9100_056b, // add x11, x11, #1
    0xf901_602b, // str x11, [x1, #704]
    0x889f_fd9f, // stlr wzr, [x12]
    0x910c_002c, // add x12, x1, #768
    0xd503_20bf, // sevl
    0xd503_205f, // wfe
    0x885f_fd8a, // ldaxr w10, [x12]
    0x35ff_ffca, // cbnz w10, -8
    0x5280_002a, // mov w10, #1
    0x8809_7d8a, // stxr w9, w10, [x12]
    0x35ff_ff69, // cbnz w9, -20
    0xf941_a02b, // ldr x11, [x1, #832]
    0x9100_056b, // add x11, x11, #1
    0xf901_a02b, // str x11, [x1, #832]
    0x889f_fd9f, // stlr wzr, [x12]
    0xd503_209f, // sev
    0xf100_0463, // subs x3, x3, #1
    0x54ff_f6a1, // b.ne -300
    0xd400_0002, // hvc #0
];

const SHARED: u64 = RAM + 0x4000;
const CPUS: u64 = 3;

/// Runs to the end of the program.
fn finish(vcpu: &mut Vcpu) {
    loop {
        match vcpu.run().unwrap() {
            Exit::Hvc(_) => return,
            // Without an event: not for long, another vCPU sends one.
            Exit::Wfx(wait) => {
                assert!(wait.is_event());
                std::thread::yield_now();
                wait.finish().unwrap();
            }
            other => panic!("{other:?}"),
        }
    }
}

fn machine(engine: Engine) -> Vm {
    let vm = Vm::builder().engine(engine).build().unwrap();
    let memory = vm.map_new(RAM, SIZE).unwrap();
    load(&memory, 0, &PROGRAM);
    vm
}

#[test]
fn nothing_is_lost_between_vcpus() {
    let rounds = if cfg!(debug_assertions) {
        3_000
    } else {
        50_000
    };
    on_every_engine(|engine| {
        let vm = machine(engine);
        // The pairs of CASP and of the exclusives.
        for place in [5, 6] {
            vm.write_value(SHARED + 64 * place + 8, u64::MAX).unwrap();
        }
        let threads: Vec<_> = (0..CPUS)
            .map(|number| {
                vm.spawn_vcpu(move |vcpu| {
                    vcpu.set_el1(RAM, RAM + SIZE).unwrap();
                    for (register, value) in [(0, 0), (1, SHARED), (3, rounds), (24, 2 << number)] {
                        vcpu.set_x(register, value).unwrap();
                    }
                    finish(vcpu);
                    vcpu.x(0).unwrap()
                })
                .unwrap()
            })
            .collect();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), 0, "somebody touched another's bit");
        }
        let all = CPUS * rounds;
        let at = |place: u64| vm.read_value::<u64>(Gpa(SHARED + 64 * place)).unwrap();
        let second = |place: u64| vm.read_value::<u64>(Gpa(SHARED + 64 * place + 8)).unwrap();
        let counters = [at(0), at(1), at(2), at(3), at(4)];
        let masks = [u64::MAX, 0xff, 0xffff, u64::from(u32::MAX), u64::MAX];
        assert_eq!(counters, masks.map(|mask| all & mask));
        assert_eq!((at(5), second(5)), (all, u64::MAX - all));
        assert_eq!((at(6), second(6)), (3 * all, u64::MAX - 3 * all));
        assert_eq!(at(7), all & 0xff);
        assert_eq!(at(8), 0);
        assert_eq!((at(9), second(9)), (rounds, 0));
        assert_eq!([at(10), at(11), at(12), at(13)], [0, all, 0, all]);
    });
}

#[test]
fn an_event_reaches_the_other_vcpu() {
    on_every_engine(|engine| {
        let vm = machine(engine);
        // wfe; hvc #0
        vm.write_value(RAM, 0xd400_0002_d503_205f_u64).unwrap();
        // sev; hvc #0
        vm.write_value(RAM + 8, 0xd400_0002_d503_209f_u64).unwrap();
        let mut waits = vm.create_vcpu().unwrap();
        let waited = |vcpu: &mut Vcpu| {
            vcpu.set_el1(RAM, RAM + SIZE).unwrap();
            match vcpu.run().unwrap() {
                Exit::Hvc(_) => false,
                Exit::Wfx(wait) => {
                    wait.is_event() && wait.timeout().unwrap() != Some(Duration::ZERO)
                }
                other => panic!("{other:?}"),
            }
        };
        assert!(waited(&mut waits));
        let sends = vm.spawn_vcpu(|vcpu| {
            vcpu.set_el1(RAM + 8, RAM + SIZE).unwrap();
            finish(vcpu);
        });
        sends.unwrap().join().unwrap();
        assert!(!waited(&mut waits), "the event is there");
        assert!(waited(&mut waits), "and is taken");
    });
}
