//! Every instruction that the guards promise to finish, in both directions: what the device sees, and what the guest gets.

use xhv::Gpa;
use xhv::x86_64::{Exit, Vcpu, reg};

use crate::support::{flat32, on_every_engine, vm};

const DEVICE: u64 = 0x20_0000;
/// EAX before, ECX before, and what the device answers.
const EAX: u64 = 0x0f0f_00ff;
const ECX: u64 = 0x1234_5678;
const ANSWER: u64 = 0x00ff_0ff0;

/// Bytes, how many reads the device sees, what is written to it, and EAX behind.
type Case = (&'static str, &'static [u8], usize, Option<u64>, u64);

/// Load and store, XMM0 behind the load, and what the store writes.
type VectorCase = (
    &'static str,
    &'static [u8],
    &'static [u8],
    u128,
    &'static [u64],
);

const fn low(value: u64) -> u64 {
    value & 0xffff_ffff
}

/// EBX is the device's address.
const CASES: [Case; 26] = [
    ("mov [ebx], eax", &[0x89, 0x03], 0, Some(EAX), EAX),
    ("mov eax, [ebx]", &[0x8b, 0x03], 1, None, ANSWER),
    (
        "mov [200000h], eax",
        &[0xa3, 0, 0, 0x20, 0],
        0,
        Some(EAX),
        EAX,
    ),
    (
        "mov eax, [200000h]",
        &[0xa1, 0, 0, 0x20, 0],
        1,
        None,
        ANSWER,
    ),
    (
        "movzx eax, word [ebx]",
        &[0x0f, 0xb7, 0x03],
        1,
        None,
        0x0ff0,
    ),
    (
        "movsx eax, byte [ebx]",
        &[0x0f, 0xbe, 0x03],
        1,
        None,
        0xffff_fff0,
    ),
    ("and [ebx], eax", &[0x21, 0x03], 1, Some(ANSWER & EAX), EAX),
    ("and eax, [ebx]", &[0x23, 0x03], 1, None, ANSWER & EAX),
    ("or [ebx], eax", &[0x09, 0x03], 1, Some(ANSWER | EAX), EAX),
    ("or eax, [ebx]", &[0x0b, 0x03], 1, None, ANSWER | EAX),
    ("xor [ebx], eax", &[0x31, 0x03], 1, Some(ANSWER ^ EAX), EAX),
    ("xor eax, [ebx]", &[0x33, 0x03], 1, None, ANSWER ^ EAX),
    (
        "add [ebx], eax",
        &[0x01, 0x03],
        1,
        Some(low(ANSWER + EAX)),
        EAX,
    ),
    ("add eax, [ebx]", &[0x03, 0x03], 1, None, low(ANSWER + EAX)),
    (
        "sub [ebx], eax",
        &[0x29, 0x03],
        1,
        Some(low(ANSWER.wrapping_sub(EAX))),
        EAX,
    ),
    (
        "sub eax, [ebx]",
        &[0x2b, 0x03],
        1,
        None,
        low(EAX.wrapping_sub(ANSWER)),
    ),
    // LAHF shows the flags: in AH.
    (
        "cmp [ebx], eax; lahf",
        &[0x39, 0x03, 0x9f],
        1,
        None,
        0x0f0f_93ff,
    ),
    (
        "cmp eax, [ebx]; lahf",
        &[0x3b, 0x03, 0x9f],
        1,
        None,
        0x0f0f_06ff,
    ),
    (
        "test [ebx], eax; lahf",
        &[0x85, 0x03, 0x9f],
        1,
        None,
        0x0f0f_06ff,
    ),
    ("xchg [ebx], eax", &[0x87, 0x03], 1, Some(EAX), ANSWER),
    // EAX differs: the processor writes back what was there, and loads it.
    (
        "cmpxchg [ebx], ecx",
        &[0x0f, 0xb1, 0x0b],
        1,
        Some(ANSWER),
        ANSWER,
    ),
    // Bit 34 of the bit string: bit 2 of the next word is 0, bit 4 is 1.
    (
        "mov eax, 34; bt [ebx - 4], eax; sbb eax, eax",
        &[0xb8, 34, 0, 0, 0, 0x0f, 0xa3, 0x43, 0xfc, 0x19, 0xc0],
        1,
        None,
        0,
    ),
    (
        "mov eax, 36; bt [ebx - 4], eax; sbb eax, eax",
        &[0xb8, 36, 0, 0, 0, 0x0f, 0xa3, 0x43, 0xfc, 0x19, 0xc0],
        1,
        None,
        0xffff_ffff,
    ),
    (
        "mov edi, ebx; stosd",
        &[0x89, 0xdf, 0xab],
        0,
        Some(EAX),
        EAX,
    ),
    ("mov esi, ebx; lodsd", &[0x89, 0xde, 0xad], 1, None, ANSWER),
    (
        "mov esi, ebx; lea edi, [ebx + 8]; movsd",
        &[0x89, 0xde, 0x8d, 0x7b, 8, 0xa5],
        1,
        Some(ANSWER),
        EAX,
    ),
];

fn start(vm: &xhv::x86_64::Vm) -> Vcpu {
    let mut vcpu = flat32(vm);
    vcpu.write(reg::RBX, DEVICE).unwrap();
    vcpu.write(reg::RAX, EAX).unwrap();
    vcpu.write(reg::RCX, ECX).unwrap();
    vcpu
}

/// Runs to HLT. Answers how many reads there were, and the writes.
fn run(vcpu: &mut Vcpu, name: &str) -> (usize, Vec<u64>) {
    let (mut reads, mut writes) = (0, vec![]);
    loop {
        match vcpu.run().unwrap() {
            Exit::MmioRead(read) => {
                reads += 1;
                read.finish(ANSWER).unwrap();
            }
            Exit::MmioWrite(write) => {
                writes.push(write.value());
                write.finish().unwrap();
            }
            Exit::Hlt(hlt) => {
                hlt.finish().unwrap();
                return (reads, writes);
            }
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn every_instruction_is_finished_in_both_directions() {
    on_every_engine(|engine| {
        for (name, code, reads, written, eax) in CASES {
            let vm = vm(engine, &[code, &[0xf4]].concat());
            let mut vcpu = start(&vm);
            let (seen, writes) = run(&mut vcpu, name);
            assert_eq!(seen, reads, "{name}");
            assert_eq!(writes, written.into_iter().collect::<Vec<_>>(), "{name}");
            assert_eq!(vcpu.read(reg::RAX).unwrap(), eax, "{name}");
            assert_eq!(
                vcpu.read(reg::RIP).unwrap(),
                0x1000 + code.len() as u64 + 1,
                "{name}"
            );
        }
    });
}

/// Loads and stores of XMM0, by size: what the load leaves of the upper half, and where the store takes its value from.
#[test]
fn vectors_are_moved_in_both_directions() {
    const OLD: u128 = 0x1111_2222_3333_4444_5555_6666_7777_8888;
    let wide = u128::from(ANSWER) << 64 | u128::from(ANSWER);
    let cases: [VectorCase; 6] = [
        (
            "movups",
            &[0x0f, 0x10, 0x03],
            &[0x0f, 0x11, 0x03],
            wide,
            &[0x5555_6666_7777_8888, 0x1111_2222_3333_4444],
        ),
        (
            "movss",
            &[0xf3, 0x0f, 0x10, 0x03],
            &[0xf3, 0x0f, 0x11, 0x03],
            ANSWER.into(),
            &[0x7777_8888],
        ),
        (
            "movd",
            &[0x66, 0x0f, 0x6e, 0x03],
            &[0x66, 0x0f, 0x7e, 0x03],
            ANSWER.into(),
            &[0x7777_8888],
        ),
        (
            "movq",
            &[0xf3, 0x0f, 0x7e, 0x03],
            &[0x66, 0x0f, 0xd6, 0x03],
            ANSWER.into(),
            &[0x5555_6666_7777_8888],
        ),
        (
            "movlps",
            &[0x0f, 0x12, 0x03],
            &[0x0f, 0x13, 0x03],
            OLD >> 64 << 64 | u128::from(ANSWER),
            &[0x5555_6666_7777_8888],
        ),
        (
            "movhps",
            &[0x0f, 0x16, 0x03],
            &[0x0f, 0x17, 0x03],
            u128::from(ANSWER) << 64 | OLD & u128::from(u64::MAX),
            &[0x1111_2222_3333_4444],
        ),
    ];
    on_every_engine(|engine| {
        for (name, load, store, loaded, stored) in cases {
            for (code, is_load) in [(load, true), (store, false)] {
                let vm = vm(engine, &[code, &[0xf4]].concat());
                let mut vcpu = start(&vm);
                vcpu.modify(xhv::x86_64::vmcs::GUEST_CR4, |cr4: reg::Cr4| {
                    cr4 | reg::Cr4::OSFXSR
                })
                .unwrap();
                let mut state = vcpu.fpstate().unwrap();
                state.xmm[0] = OLD;
                vcpu.set_fpstate(&state).unwrap();
                let (_, writes) = run(&mut vcpu, name);
                let now = vcpu.fpstate().unwrap().xmm[0];
                if is_load {
                    assert_eq!((now, writes.len()), (loaded, 0), "{name}");
                } else {
                    assert_eq!((now, &writes[..]), (OLD, stored), "{name}");
                }
            }
        }
    });
}

/// A repeated string instruction exits once for each element, and its registers count.
#[test]
fn strings_of_ports_go_element_by_element() {
    on_every_engine(|engine| {
        // rep outsb; rep insw; hlt
        let vm = vm(
            engine,
            &[0xf3, 0x6e, 0xb9, 2, 0, 0, 0, 0xf3, 0x66, 0x6d, 0xf4],
        );
        vm.write(Gpa(0x3000), b"abc").unwrap();
        let mut vcpu = start(&vm);
        for (register, value) in [
            (reg::RCX, 3),
            (reg::RDX, 0x42),
            (reg::RSI, 0x3000),
            (reg::RDI, 0x4000),
        ] {
            vcpu.write(register, value).unwrap();
        }
        for (done, byte) in (0..).zip(*b"abc") {
            match vcpu.run().unwrap() {
                Exit::PortWrite(mut write) => {
                    assert_eq!(
                        (write.port(), write.size(), write.value()),
                        (0x42, 1, byte.into())
                    );
                    assert_eq!(write.vcpu().read(reg::RCX).unwrap(), 3 - done);
                    write.finish().unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        for value in [0x1122, 0x3344] {
            match vcpu.run().unwrap() {
                Exit::PortRead(read) => {
                    assert_eq!((read.port(), read.size()), (0x42, 2));
                    read.finish(value).unwrap();
                }
                other => panic!("{other:?}"),
            }
        }
        assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
        assert_eq!(vm.read_value::<u32>(Gpa(0x4000)).unwrap(), 0x3344_1122);
        let after = [reg::RCX, reg::RSI, reg::RDI].map(|register| vcpu.read(register).unwrap());
        assert_eq!(after, [0, 0x3003, 0x4004]);
    });
}
