//! A device that behaves as memory against memory: the instructions that the guards finish leave the same behind as the processor, in
//! registers, flags, vectors and what was accessed.

use xhv::Gpa;
use xhv::x86_64::reg::{self, Cr4, Rflags, Xcr0};
use xhv::x86_64::{Exit, FpState, Vcpu, Vm, vmcs};

use crate::support::{long_mode, on_every_engine, vm};

/// Where the operands are, and there is memory at times.
const PLACE: u64 = 0x20_0000;
const SIZE: usize = 64;
const ROUNDS: u64 = 24;

/// Instructions in 64-bit code. RBX is the start of 64 bytes, RSI its byte 24, RDI its byte 32, RCX at most 3.
const CODES: [(&str, &[u8]); 63] = [
    ("mov [rbx], ah", &[0x88, 0x23]),
    ("mov ah, [rbx]", &[0x8a, 0x23]),
    ("movsxd rax, [rbx]", &[0x48, 0x63, 0x03]),
    ("movbe eax, [rbx]", &[0x0f, 0x38, 0xf0, 0x03]),
    ("movbe [rbx], rax", &[0x48, 0x0f, 0x38, 0xf1, 0x03]),
    ("movnti [rbx], rax", &[0x48, 0x0f, 0xc3, 0x03]),
    ("adc [rbx], eax", &[0x11, 0x03]),
    ("adc rax, [rbx]", &[0x48, 0x13, 0x03]),
    ("sbb [rbx], al", &[0x18, 0x03]),
    ("sbb ax, [rbx]", &[0x66, 0x1b, 0x03]),
    ("cmp byte [rbx], 1", &[0x80, 0x3b, 1]),
    ("inc word [rbx]", &[0x66, 0xff, 0x03]),
    ("dec qword [rbx]", &[0x48, 0xff, 0x0b]),
    ("not dword [rbx]", &[0xf7, 0x13]),
    ("neg byte [rbx]", &[0xf6, 0x1b]),
    ("xchg [rbx], rax", &[0x48, 0x87, 0x03]),
    ("xadd [rbx], eax", &[0x0f, 0xc1, 0x03]),
    ("xadd [rbx], al", &[0x0f, 0xc0, 0x03]),
    ("cmpxchg [rbx], ecx", &[0x0f, 0xb1, 0x0b]),
    ("cmpxchg [rbx], rcx", &[0x48, 0x0f, 0xb1, 0x0b]),
    ("lock cmpxchg [rbx], cl", &[0xf0, 0x0f, 0xb0, 0x0b]),
    ("cmpxchg8b [rbx]", &[0x0f, 0xc7, 0x0b]),
    ("lock cmpxchg8b [rbx]", &[0xf0, 0x0f, 0xc7, 0x0b]),
    ("cmpxchg16b [rbx]", &[0x48, 0x0f, 0xc7, 0x0b]),
    ("lock cmpxchg16b [rbx]", &[0xf0, 0x48, 0x0f, 0xc7, 0x0b]),
    ("bts dword [rbx], 5", &[0x0f, 0xba, 0x2b, 5]),
    ("btr [rbx + 8], cx", &[0x66, 0x0f, 0xb3, 0x4b, 8]),
    ("btc [rbx + 8], rcx", &[0x48, 0x0f, 0xbb, 0x4b, 8]),
    ("movsb", &[0xa4]),
    ("rep movsw", &[0xf3, 0x66, 0xa5]),
    ("rep stosd", &[0xf3, 0xab]),
    ("rep lodsq", &[0xf3, 0x48, 0xad]),
    ("scasb", &[0xae]),
    ("scasd, address size 32", &[0x67, 0xaf]),
    ("repe scasw", &[0xf3, 0x66, 0xaf]),
    ("repne scasb", &[0xf2, 0xae]),
    ("repne scasq", &[0xf2, 0x48, 0xaf]),
    ("cmpsb", &[0xa6]),
    ("cmpsq", &[0x48, 0xa7]),
    ("repe cmpsb", &[0xf3, 0xa6]),
    ("repe cmpsd", &[0xf3, 0xa7]),
    ("repne cmpsw", &[0xf2, 0x66, 0xa7]),
    ("movups xmm1, [rbx + 4]", &[0x0f, 0x10, 0x4b, 4]),
    ("movlps xmm1, [rbx]", &[0x0f, 0x12, 0x0b]),
    ("movhpd [rbx], xmm1", &[0x66, 0x0f, 0x17, 0x0b]),
    ("vmovaps xmm1, [rbx]", &[0xc5, 0xf8, 0x28, 0x0b]),
    ("vmovapd [rbx], ymm1", &[0xc5, 0xfd, 0x29, 0x0b]),
    ("vmovups ymm1, [rbx + 4]", &[0xc5, 0xfc, 0x10, 0x4b, 4]),
    ("vmovupd [rbx + 4], xmm1", &[0xc5, 0xf9, 0x11, 0x4b, 4]),
    ("vmovdqa ymm9, [rbx]", &[0xc5, 0x7d, 0x6f, 0x0b]),
    ("vmovdqu [rbx + 1], ymm9", &[0xc5, 0x7e, 0x7f, 0x4b, 1]),
    ("vlddqu ymm1, [rbx + 4]", &[0xc5, 0xff, 0xf0, 0x4b, 4]),
    ("vmovntdqa ymm1, [rbx]", &[0xc4, 0xe2, 0x7d, 0x2a, 0x0b]),
    ("vmovntdq [rbx], ymm1", &[0xc5, 0xfd, 0xe7, 0x0b]),
    ("vmovntps [rbx], xmm1", &[0xc5, 0xf8, 0x2b, 0x0b]),
    ("vmovd xmm1, [rbx]", &[0xc5, 0xf9, 0x6e, 0x0b]),
    ("vmovq xmm1, [rbx], W1", &[0xc4, 0xe1, 0xf9, 0x6e, 0x0b]),
    ("vmovq [rbx], xmm1", &[0xc5, 0xf9, 0xd6, 0x0b]),
    ("vmovss xmm1, [rbx]", &[0xc5, 0xfa, 0x10, 0x0b]),
    ("vmovsd [rbx], xmm1", &[0xc5, 0xfb, 0x11, 0x0b]),
    ("vmovlps xmm1, xmm2, [rbx]", &[0xc5, 0xe8, 0x12, 0x0b]),
    ("vmovhpd xmm1, xmm2, [rbx]", &[0xc5, 0xe9, 0x16, 0x0b]),
    ("vmovhps [rbx], xmm1", &[0xc5, 0xf8, 0x17, 0x0b]),
];

/// xorshift64*
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// What an instruction starts from.
struct Start {
    content: [u8; SIZE],
    rax: u64,
    rdx: u64,
    rcx: u64,
    flags: Rflags,
    vectors: [u128; 32],
}

impl Start {
    /// In every other round what is compared is the same; in some of these but for a byte.
    fn new(round: u64, random: &mut Random) -> Self {
        let pattern = random.next() as u32;
        let same = u64::from(pattern) << 32 | u64::from(pattern);
        let mut content = [0; SIZE];
        for (at, byte) in content.iter_mut().enumerate() {
            *byte = match round % 2 {
                0 => pattern.to_le_bytes()[at % 4],
                _ => random.next() as u8,
            };
        }
        if round % 4 == 2 {
            content[random.next() as usize % SIZE] ^= 1;
        }
        let status = Rflags::CF | Rflags::PF | Rflags::AF | Rflags::ZF | Rflags::SF | Rflags::OF;
        Self {
            content,
            rax: same,
            rdx: same,
            rcx: random.next() % 4,
            flags: Rflags::from_bits(random.next()) & (status | Rflags::DF) | Rflags::from_bits(2),
            vectors: core::array::from_fn(|_| {
                u128::from(random.next()) << 64 | u128::from(random.next())
            }),
        }
    }

    fn vcpu(&self, vm: &Vm) -> Vcpu {
        let mut vcpu = long_mode(vm);
        vcpu.modify(vmcs::GUEST_CR4, |cr4: Cr4| cr4 | Cr4::OSFXSR | Cr4::OSXSAVE)
            .unwrap();
        vcpu.write(reg::XCR0, Xcr0::X87 | Xcr0::SSE | Xcr0::AVX)
            .unwrap();
        for (register, value) in [
            (reg::RAX, self.rax),
            (reg::RDX, self.rdx),
            (reg::RCX, self.rcx),
            (reg::RBX, PLACE),
            (reg::RSI, PLACE + 24),
            (reg::RDI, PLACE + 32),
        ] {
            vcpu.write(register, value).unwrap();
        }
        vcpu.write(reg::RFLAGS, self.flags).unwrap();
        let mut state = vcpu.fpstate().unwrap();
        state.xmm.copy_from_slice(&self.vectors[..16]);
        state.ymm_high.copy_from_slice(&self.vectors[16..]);
        vcpu.set_fpstate(&state).unwrap();
        vcpu
    }
}

/// What an instruction leaves behind.
#[derive(Debug, PartialEq)]
struct End {
    registers: [u64; 6],
    flags: Rflags,
    vectors: FpState,
    content: [u8; SIZE],
}

impl End {
    fn of(vcpu: &Vcpu, content: [u8; SIZE]) -> Self {
        let general = [reg::RAX, reg::RCX, reg::RDX, reg::RBX, reg::RSI, reg::RDI];
        Self {
            registers: general.map(|row| vcpu.read(row).unwrap()),
            flags: vcpu.read(reg::RFLAGS).unwrap(),
            vectors: vcpu.fpstate().unwrap(),
            content,
        }
    }
}

/// Runs to HLT with a device that is memory.
fn on_device(vcpu: &mut Vcpu, content: &mut [u8; SIZE], name: &str) {
    let place = |gpa: Gpa, size: u8| {
        let at = (gpa.0 - PLACE) as usize;
        at..at + usize::from(size)
    };
    loop {
        match vcpu.run().unwrap() {
            Exit::MmioRead(read) => {
                let mut value = [0; 8];
                let bytes = &content[place(read.gpa(), read.size())];
                value[..bytes.len()].copy_from_slice(bytes);
                read.finish(u64::from_le_bytes(value)).unwrap();
            }
            Exit::MmioWrite(write) => {
                let bytes = &mut content[place(write.gpa(), write.size())];
                bytes.copy_from_slice(&write.value().to_le_bytes()[..bytes.len()]);
                write.finish().unwrap();
            }
            Exit::Hlt(_) => return,
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_device_that_is_memory_is_like_memory() {
    on_every_engine(|engine| {
        for (name, code) in CODES {
            let vm = vm(engine, &[code, &[0xf4]].concat());
            let mut random = Random(0x1234_5678);
            for round in 0..ROUNDS {
                let start = Start::new(round, &mut random);

                vm.map_new(Gpa(PLACE), 0x1000).unwrap();
                vm.write(Gpa(PLACE), &start.content).unwrap();
                let mut vcpu = start.vcpu(&vm);
                assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)), "{name}");
                let mut content = [0; SIZE];
                vm.read(Gpa(PLACE), &mut content).unwrap();
                let expected = End::of(&vcpu, content);
                drop(vcpu);
                vm.unmap(Gpa(PLACE), 0x1000).unwrap();

                let mut vcpu = start.vcpu(&vm);
                let mut content = start.content;
                on_device(&mut vcpu, &mut content, name);
                let end = End::of(&vcpu, content);
                assert_eq!(end, expected, "{name}, round {round}");
            }
        }
    });
}
