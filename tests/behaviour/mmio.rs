//! Devices behind unmapped memory: every kind of instruction that drivers use on them.

use xhv::x86_64::vmcs::{self, AccessRights};
use xhv::x86_64::{Exit, Vcpu, reg};
use xhv::{Engine, Gpa};

use crate::support::{CODE, exits_with, flat32, long_mode, on_every_engine, vm};

/// An access as a device sees it: address, size, and the value of a write.
type Seen = (u64, u8, Option<u64>);

/// Runs to HLT with a device that answers reads with `answer`, and lists what it saw.
fn run(vcpu: &mut Vcpu, answer: u64) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        match vcpu.run().unwrap() {
            Exit::MmioRead(read) => {
                seen.push((read.gpa().0, read.size(), None));
                read.finish(answer).unwrap();
            }
            Exit::MmioWrite(write) => {
                seen.push((write.gpa().0, write.size(), Some(write.value())));
                write.finish().unwrap();
            }
            Exit::Hlt(hlt) => {
                hlt.finish().unwrap();
                return seen;
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs 32-bit code with EBX = 200000h, where a device answers.
fn device32(
    engine: Engine,
    code: &[u8],
    answer: u64,
    prepare: impl Fn(&mut Vcpu),
) -> (Vcpu, Vec<Seen>) {
    let mut all = code.to_vec();
    all.push(0xf4);
    let vm = vm(engine, &all);
    let mut vcpu = flat32(&vm);
    vcpu.write(reg::RBX, 0x20_0000).unwrap();
    prepare(&mut vcpu);
    let seen = run(&mut vcpu, answer);
    (vcpu, seen)
}

const DEVICE: u64 = 0x20_0000;

#[test]
fn loads_extend() {
    on_every_engine(|engine| {
        // mov eax,[ebx]; movzx ecx,byte [ebx+4]; movsx edx,word [ebx+8]; mov si,[ebx+16]
        let code = [
            0x8b, 0x03, 0x0f, 0xb6, 0x4b, 4, 0x0f, 0xbf, 0x53, 8, 0x66, 0x8b, 0x73, 16,
        ];
        let (vcpu, seen) = device32(engine, &code, 0xffff_ffff_ffff_8081, |vcpu| {
            vcpu.write(reg::RSI, 0x1111_1111).unwrap();
        });
        assert_eq!(
            seen,
            [
                (DEVICE, 4, None),
                (DEVICE + 4, 1, None),
                (DEVICE + 8, 2, None),
                (DEVICE + 16, 2, None)
            ]
        );
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0xffff_8081);
        assert_eq!(vcpu.read(reg::RCX).unwrap(), 0x81);
        assert_eq!(vcpu.read(reg::RDX).unwrap(), 0xffff_8081);
        assert_eq!(vcpu.read(reg::RSI).unwrap(), 0x1111_8081);
    });
}

#[test]
fn stores_tell_their_value() {
    on_every_engine(|engine| {
        // mov [ebx],ah; mov dword [ebx+4],12345678h; mov [ebx+8],ax
        let code = [
            0x88, 0x23, 0xc7, 0x43, 4, 0x78, 0x56, 0x34, 0x12, 0x66, 0x89, 0x43, 8,
        ];
        let (_, seen) = device32(engine, &code, 0, |vcpu| {
            vcpu.write(reg::RAX, 0xaabb_ccdd).unwrap();
        });
        assert_eq!(
            seen,
            [
                (DEVICE, 1, Some(0xcc)),
                (DEVICE + 4, 4, Some(0x1234_5678)),
                (DEVICE + 8, 2, Some(0xccdd))
            ]
        );
    });
}

#[test]
fn arithmetic_reads_and_writes_back() {
    on_every_engine(|engine| {
        // add [ebx],eax; or byte [ebx+4],1; test dword [ebx+8],8; xchg [ebx+12],ecx; bt dword [ebx+16],3; setc dl
        let code = [
            0x01, 0x03, 0x80, 0x4b, 4, 1, 0xf7, 0x43, 8, 8, 0, 0, 0, 0x87, 0x4b, 12, 0x0f, 0xba,
            0x63, 16, 3, 0x0f, 0x92, 0xc2,
        ];
        let (vcpu, seen) = device32(engine, &code, 0xf8, |vcpu| {
            vcpu.write(reg::RAX, 8).unwrap();
            vcpu.write(reg::RCX, 0x55).unwrap();
        });
        assert_eq!(
            seen,
            [
                (DEVICE, 4, None),
                (DEVICE, 4, Some(0x100)),
                (DEVICE + 4, 1, None),
                (DEVICE + 4, 1, Some(0xf9)),
                (DEVICE + 8, 4, None),
                (DEVICE + 12, 4, None),
                (DEVICE + 12, 4, Some(0x55)),
                (DEVICE + 16, 4, None),
            ]
        );
        assert_eq!(vcpu.read(reg::RCX).unwrap(), 0xf8);
        assert_eq!(vcpu.read(reg::RDX).unwrap() & 0xff, 1);
    });
}

#[test]
fn compare_and_exchange_goes_both_ways() {
    on_every_engine(|engine| {
        // lock cmpxchg [ebx],ecx (twice)
        let code = [0xf0, 0x0f, 0xb1, 0x0b, 0xf0, 0x0f, 0xb1, 0x0b];
        let (vcpu, seen) = device32(engine, &code, 5, |vcpu| {
            vcpu.write(reg::RAX, 4).unwrap();
            vcpu.write(reg::RCX, 9).unwrap();
        });
        assert_eq!(
            seen,
            [
                (DEVICE, 4, None),
                (DEVICE, 4, Some(5)),
                (DEVICE, 4, None),
                (DEVICE, 4, Some(9))
            ]
        );
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 5);
    });
}

#[test]
fn strings_cross_from_device_to_memory() {
    on_every_engine(|engine| {
        // mov esi,ebx; mov edi,3000h; mov ecx,3; rep movsd; mov edi,ebx; mov ecx,2; rep stosb
        let code = [
            0x89, 0xde, 0xbf, 0, 0x30, 0, 0, 0xb9, 3, 0, 0, 0, 0xf3, 0xa5, 0x89, 0xdf, 0xb9, 2, 0,
            0, 0, 0xf3, 0xaa,
        ];
        let (vcpu, seen) = device32(engine, &code, 0x0403_0201, |vcpu| {
            vcpu.write(reg::RAX, 0x77).unwrap();
        });
        assert_eq!(
            seen,
            [
                (DEVICE, 4, None),
                (DEVICE + 4, 4, None),
                (DEVICE + 8, 4, None),
                (DEVICE, 1, Some(0x77)),
                (DEVICE + 1, 1, Some(0x77)),
            ]
        );
        let mut copied = [0; 12];
        vcpu.vm().read(Gpa(0x3000), &mut copied).unwrap();
        assert_eq!(copied, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
        assert_eq!(vcpu.read(reg::RDI).unwrap(), DEVICE + 2);
    });
}

#[test]
fn vectors_come_in_halves() {
    on_every_engine(|engine| {
        // movups xmm1,[rbx]; movaps [rbx+32],xmm1; mov rax,[rbx]; hlt
        let code = [
            0x0f, 0x10, 0x0b, 0x0f, 0x29, 0x4b, 32, 0x48, 0x8b, 0x03, 0xf4,
        ];
        let vm = vm(engine, &code);
        let mut vcpu = long_mode(&vm);
        vcpu.write(reg::RBX, DEVICE).unwrap();
        let seen = run(&mut vcpu, 0x1122_3344_5566_7788);
        let value = Some(0x1122_3344_5566_7788);
        assert_eq!(
            seen,
            [
                (DEVICE, 8, None),
                (DEVICE + 8, 8, None),
                (DEVICE + 32, 8, value),
                (DEVICE + 40, 8, value),
                (DEVICE, 8, None),
            ]
        );
        assert_eq!(
            vcpu.fpstate().unwrap().xmm[1],
            0x1122_3344_5566_7788_1122_3344_5566_7788
        );
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 0x1122_3344_5566_7788);
    });
}

#[test]
fn a_forgotten_half_comes_again() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xff, 0x03, 0xf4]); // inc dword [ebx]; hlt
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RBX, DEVICE).unwrap();
        for _ in 0..2 {
            exits_with!(vcpu.run().unwrap(), MmioRead(_read) {});
        }
        exits_with!(vcpu.run().unwrap(), MmioRead(read) { read.finish(41).unwrap() });
        for _ in 0..3 {
            exits_with!(vcpu.run().unwrap(), MmioWrite(write) { assert_eq!(write.value(), 42) });
            assert_eq!(vcpu.read(reg::RIP).unwrap(), 0x1000);
        }
        exits_with!(vcpu.run().unwrap(), MmioWrite(write) { write.finish().unwrap() });
        assert_eq!(vcpu.read(reg::RIP).unwrap(), 0x1002);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}

/// Decoded instructions are remembered: never longer than the guest's memory holds them.
#[test]
fn a_changed_instruction_is_decoded_anew() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[]);
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RBX, DEVICE).unwrap();
        // mov eax,[ebx], mov ecx,[ebx], mov edx,[ebx]: only the last byte differs; twice each, then back.
        let rows = [reg::RAX, reg::RCX, reg::RDX];
        let places = [0, 0, 1, 1, 2, 0];
        for (answer, place) in (1..).zip(places) {
            vm.write(Gpa(CODE), &[0x8b, 0x03 | (place as u8) << 3, 0xf4])
                .unwrap();
            vcpu.write(reg::RIP, CODE).unwrap();
            assert_eq!(run(&mut vcpu, answer), [(DEVICE, 4, None)]);
            assert_eq!(vcpu.read(rows[place]).unwrap(), answer);
        }
        // An answer is for the instruction that asked, as a processor fetches it once.
        vcpu.write(reg::RIP, CODE).unwrap();
        exits_with!(vcpu.run().unwrap(), MmioRead(read) {
            vm.write(Gpa(CODE + 1), &[0x0b]).unwrap();
            read.finish(77).unwrap();
        });
        assert_eq!(vcpu.read(reg::RAX).unwrap(), 77);
        assert_eq!(vcpu.read(reg::RIP).unwrap(), CODE + 2);
    });
}

#[test]
fn the_same_bytes_mean_something_else_in_another_mode() {
    on_every_engine(|engine| {
        // 67 8b 03 is mov eax,[bp+di] in 32-bit code and mov ax,[ebx] in 16-bit code.
        let vm = vm(engine, &[0x67, 0x8b, 0x03, 0xf4]);
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RBX, DEVICE + 8).unwrap();
        vcpu.write(reg::RBP, 0).unwrap();
        vcpu.write(reg::RDI, 0).unwrap();
        vcpu.write(vmcs::GUEST_SS_BASE, DEVICE).unwrap();
        let wide = [(DEVICE, 4, None)];
        let narrow = [(DEVICE + 8, 2, None)];
        for (is_wide, seen) in [(true, wide), (false, narrow), (true, wide)] {
            vcpu.modify(vmcs::GUEST_CS_ACCESS_RIGHTS, |rights: AccessRights| {
                rights.with(AccessRights::DB, is_wide)
            })
            .unwrap();
            vcpu.write(reg::RIP, CODE).unwrap();
            assert_eq!(run(&mut vcpu, 5), seen);
        }
    });
}

#[test]
fn an_instruction_may_end_where_memory_ends() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[]);
        let last = 0x10_0000 - 2;
        vm.write(Gpa(last), &[0x8b, 0x03]).unwrap(); // mov eax,[ebx]
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RBX, DEVICE).unwrap();
        for answer in 1..4 {
            vcpu.write(reg::RIP, last).unwrap();
            exits_with!(vcpu.run().unwrap(), MmioRead(read) { read.finish(answer).unwrap() });
            assert_eq!(vcpu.read(reg::RAX).unwrap(), answer);
            assert_eq!(vcpu.read(reg::RIP).unwrap(), last + 2);
        }
    });
}

/// The second page of an instruction comes from where the page tables say now.
#[test]
fn an_instruction_across_two_pages_follows_the_page_tables() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[]);
        let mut vcpu = long_mode(&vm);
        // mov eax,[rbx+disp32] of which three bytes are on the next page; there are two versions of that.
        let start = CODE + 0x1000 - 3;
        vm.write(Gpa(start), &[0x8b, 0x83, 0x10]).unwrap();
        vm.write(Gpa(CODE + 0x1000), &[0, 0, 0, 0xf4]).unwrap();
        vm.write(Gpa(CODE + 0x2000), &[1, 0, 0, 0xf4]).unwrap();
        // 4-KiB pages for the first 2 MiB, in a table of their own.
        let table = 0x4_0000;
        for page in 0..512_u64 {
            vm.write_value(Gpa(table + page * 8), page << 12 | 3)
                .unwrap();
        }
        let pdpt: u64 = vm.read_value(Gpa(0x2_0000)).unwrap();
        let pd: u64 = vm.read_value(Gpa(pdpt & !0xfff)).unwrap();
        vm.write_value(Gpa(pd & !0xfff), table | 3).unwrap();
        vcpu.write(reg::RBX, DEVICE).unwrap();
        for (page, offset) in [(2, 0x10), (3, 0x110), (2, 0x10)] {
            vm.write_value(Gpa(table + 2 * 8), page << 12 | 3_u64)
                .unwrap();
            vcpu.invalidate_tlb().unwrap();
            vcpu.write(reg::RIP, start).unwrap();
            assert_eq!(run(&mut vcpu, 5), [(DEVICE + offset, 4, None)]);
        }
    });
}

#[test]
fn what_cannot_be_decoded_is_handed_over_with_the_reason() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0x0f, 0x01, 0x13]); // lgdt [ebx]
        let mut vcpu = flat32(&vm);
        vcpu.write(reg::RBX, DEVICE).unwrap();
        exits_with!(vcpu.run().unwrap(), UndecodedAccess(access) {
            assert_eq!(access.gpa(), Gpa(DEVICE));
            assert!(access.why().contains("not emulated"), "{}", access.why());
        });
        vcpu.write(reg::RIP, 0x40_0000).unwrap();
        exits_with!(vcpu.run().unwrap(), UndecodedAccess(access) {
            assert!(access.why().contains("fetches"), "{}", access.why());
        });
    });
}
