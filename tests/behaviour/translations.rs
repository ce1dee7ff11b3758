//! What a guest may rely on when it changes its page tables: invalidation by MOV to control registers, INVLPG and INVPCID, with process-context
//! identifiers and global pages (Intel SDM vol. 3, 5.10.4.1). What a processor may keep is not looked at.

use xhv::x86_64::{Vcpu, Vm, reg};
use xhv::{Engine, Gpa};

use crate::support::{CODE, exits_with, on_every_engine, vm};

const PAGE: u64 = 0x1000;
const TABLES: u64 = 0x4_0000;
/// The page that changes, and what it leads to: frames that hold their number, as data and in code.
const AT: u64 = 0x1f_0000;
const FRAMES: u64 = 0x8_0000;
const DESCRIPTOR: u64 = 0x9000;
const GLOBAL: u64 = 1 << 8;
const PGE: u64 = 1 << 7;
const PCIDE: u64 = 1 << 17;

/// Each changes something, takes a byte from the page into AL, and calls it, which adds the same: from 32 bytes to the next.
const MOV_CR3: u64 = CODE;
const MOV_CR4: u64 = CODE + 32;
const INVLPG: u64 = CODE + 64;
const INVPCID: u64 = CODE + 96;
const CODES: [(u64, &[u8]); 4] = [
    (MOV_CR3, &[0x0f, 0x22, 0xd8]),
    (MOV_CR4, &[0x0f, 0x22, 0xe0]),
    (INVLPG, &[0x0f, 0x01, 0x3b]),
    (INVPCID, &[0x66, 0x0f, 0x38, 0x82, 0x01]),
];
/// mov al, [rbx + 2]; call rbx; hlt
const LOOK: &[u8] = &[0x8a, 0x43, 0x02, 0xff, 0xd3, 0xf4];

struct Guest {
    vm: Vm,
    vcpu: Vcpu,
    cr4: u64,
}

impl Guest {
    fn new(engine: Engine) -> Self {
        let vm = vm(engine, &[]);
        for (at, code) in CODES {
            vm.write(Gpa(at), &[code, LOOK].concat()).unwrap();
        }
        for n in 0..8 {
            // add al, n; then ret, which the load does not see
            vm.write(Gpa(FRAMES + n * PAGE), &[0x04, n as u8, 0xc3])
                .unwrap();
            vm.write(Gpa(FRAMES + n * PAGE + 2), &[0xc3]).unwrap();
        }
        for level in 0..3 {
            let at = TABLES + level * PAGE;
            vm.write(Gpa(at), &(at + PAGE + 3).to_le_bytes()).unwrap();
        }
        for n in 0..256_u64 {
            let at = TABLES + 3 * PAGE + 8 * n;
            vm.write(Gpa(at), &(n * PAGE + 3).to_le_bytes()).unwrap();
        }
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_long_mode64(CODE, Gpa(TABLES)).unwrap();
        vcpu.write(reg::RSP, 0x8000).unwrap();
        vcpu.write(reg::RBX, AT).unwrap();
        vcpu.write(reg::RCX, DESCRIPTOR).unwrap();
        let cr4 = vcpu.read(reg::CR4).unwrap().bits();
        Self { vm, vcpu, cr4 }
    }

    /// Leads the page to a frame, without telling the processor.
    fn map(&self, frame: u64, flags: u64) {
        let entry = FRAMES + frame * PAGE | flags | 3;
        let at = TABLES + 3 * PAGE + 8 * (AT / PAGE);
        self.vm.write(Gpa(at), &entry.to_le_bytes()).unwrap();
    }

    /// Runs one of the codes; the frame that code ran in, behind a load that may fill the TLB.
    fn run(&mut self, code: u64, rax: u64) -> u64 {
        self.vcpu.write(reg::RAX, rax).unwrap();
        self.vcpu.write(reg::RIP, code).unwrap();
        exits_with!(self.vcpu.run().unwrap(), Hlt(hlt) { hlt.finish().unwrap() });
        (self.vcpu.read(reg::RAX).unwrap() & 0xff).wrapping_sub(0xc3) & 0xff
    }

    fn set_cr4(&mut self, set: u64, clear: u64) -> u64 {
        self.cr4 = self.cr4 & !clear | set;
        self.run(MOV_CR4, self.cr4)
    }

    fn invpcid(&mut self, kind: u64, pcid: u64) -> u64 {
        self.vm.write(Gpa(DESCRIPTOR), &pcid.to_le_bytes()).unwrap();
        self.vm
            .write(Gpa(DESCRIPTOR + 8), &AT.to_le_bytes())
            .unwrap();
        self.run(INVPCID, kind)
    }
}

#[test]
fn every_way_to_invalidate_shows_the_new_page() {
    on_every_engine(|engine| {
        let mut guest = Guest::new(engine);
        guest.map(1, 0);
        assert_eq!(guest.run(MOV_CR3, TABLES), 1);
        guest.map(2, 0);
        assert_eq!(guest.run(MOV_CR3, TABLES), 2);
        guest.map(3, 0);
        assert_eq!(guest.run(INVLPG, 0), 3);
        // With identifiers, for the present one and one that was left meanwhile.
        guest.set_cr4(PCIDE, 0);
        assert_eq!(guest.run(MOV_CR3, TABLES | 5), 3);
        guest.map(4, 0);
        assert_eq!(guest.run(MOV_CR3, TABLES | 5), 4);
        for (kind, frame) in [(0, 5), (1, 6), (2, 7), (3, 1)] {
            guest.map(frame, 0);
            assert_eq!(guest.invpcid(kind, 5), frame, "INVPCID {kind}");
            guest.map(0, 0);
            assert_eq!(guest.run(MOV_CR3, TABLES | 6), 0);
            guest.invpcid(kind, 5);
            assert_eq!(guest.run(MOV_CR3, 1 << 63 | TABLES | 5), 0);
        }
    });
}

#[test]
fn global_pages_go_with_cr4_pge_and_invpcid_of_all_contexts() {
    on_every_engine(|engine| {
        let mut guest = Guest::new(engine);
        guest.map(1, GLOBAL);
        assert_eq!(guest.set_cr4(PGE, 0), 1);
        guest.map(2, GLOBAL);
        assert_eq!(guest.set_cr4(0, PGE), 2);
        guest.map(3, GLOBAL);
        assert_eq!(guest.set_cr4(PGE, 0), 3);
        guest.map(4, GLOBAL);
        assert_eq!(guest.invpcid(2, 0), 4);
        // By INVLPG under another identifier.
        guest.set_cr4(PCIDE, 0);
        assert_eq!(guest.run(MOV_CR3, TABLES | 5), 4);
        guest.run(MOV_CR3, TABLES | 6);
        guest.map(5, GLOBAL);
        assert_eq!(guest.run(INVLPG, 0), 5);
        assert_eq!(guest.run(MOV_CR3, 1 << 63 | TABLES | 5), 5);
    });
}
