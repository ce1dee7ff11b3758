//! Guests that mean harm: random bytes as code in every mode, random page tables. Nothing may panic, and every run has to end.

use super::blocks::Blocks;
use super::cpu::{Cpu, Cr, Segment};
use super::tests::{Bounded, Machine};

const PAGES: u64 = 64;
struct Random(u64);

impl Random {
    fn bits(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

fn fill(machine: &Machine, random: &mut Random) {
    let bytes: Vec<u8> = (0..PAGES * 512)
        .flat_map(|_| random.bits().to_le_bytes())
        .collect();
    machine.memory.write(0, &bytes).unwrap();
}

fn scatter(cpu: &mut Cpu, random: &mut Random) {
    for n in 0..16 {
        let wide = random.bits();
        cpu.gpr[n] = match wide & 3 {
            0 => random.bits(),
            1 => random.bits() & 0xffff,
            _ => random.bits() & 0x3_ffff,
        };
    }
    let flags = random.bits() & 0x4_4fd7;
    cpu.set_flags(flags);
    cpu.rip = random.bits() & 0xffff;
    cpu.set_retired(0);
    cpu.activity = super::cpu::Activity::Active;
    cpu.pending_debug = 0;
    cpu.shadow = 0;
}

/// Runs many random starts; answers how many instructions got done.
fn attack(
    machine: &mut Machine,
    random: &mut Random,
    prepare: impl Fn(&mut Cpu, &mut Random),
) -> u64 {
    let mut done = 0;
    for _ in 0..300 {
        prepare(&mut machine.cpu, random);
        scatter(&mut machine.cpu, random);
        machine.cpu.update_mode();
        let exit = machine.cpu.run::<Bounded>(&mut machine.blocks);
        assert!(matches!(exit.reason, 0..=0xfff));
        done += machine.cpu.retired();
    }
    done
}

#[test]
fn random_code_in_real_and_virtual_8086_mode() {
    let mut random = Random(0x0bad_c0de);
    let mut machine = Machine::real(PAGES, &[]);
    fill(&machine, &mut random);
    assert!(attack(&mut machine, &mut random, |_, _| {}) > 300);
    let prepare = |cpu: &mut Cpu, _: &mut Random| {
        cpu.cr0 |= Cr::CR0_PE;
        cpu.lazy.system |= 1 << 17;
        for segment in &mut cpu.seg {
            *segment = Segment {
                selector: 0x100,
                rights: 0xf3,
                limit: 0xffff,
                base: 0x1000,
            };
        }
    };
    assert!(attack(&mut machine, &mut random, prepare) > 300);
}

#[test]
fn random_code_in_protected_mode() {
    let mut random = Random(0x1bad_c0de);
    let mut machine = Machine::flat(PAGES, &[]);
    fill(&machine, &mut random);
    let prepare = |cpu: &mut Cpu, random: &mut Random| {
        for (n, segment) in cpu.seg.iter_mut().enumerate() {
            let code = n == 1;
            let kind = if code {
                0x9b
            } else {
                0x93 | (random.bits() & 4) as u32
            };
            *segment = Segment {
                selector: 8,
                rights: kind | (random.bits() & 0x4000) as u32,
                limit: (random.bits() & 0xf_ffff) as u32,
                base: random.bits() & 0x1_ffff,
            };
        }
    };
    assert!(attack(&mut machine, &mut random, prepare) > 300);
}

#[test]
fn random_code_in_64_bit_mode() {
    let mut random = Random(0x2bad_c0de);
    let mut machine = Machine::long(PAGES, &[]);
    let tables = machine.cpu.cr3;
    let mut saved = vec![0; 0x3000];
    machine.memory.read(tables, &mut saved).unwrap();
    fill(&machine, &mut random);
    machine.memory.write(tables, &saved).unwrap();
    assert!(attack(&mut machine, &mut random, |_, _| {}) > 300);
}

#[test]
fn random_code_in_compatibility_mode_and_of_users() {
    let mut random = Random(0x4bad_c0de);
    let mut machine = Machine::long(PAGES, &[]);
    let tables = machine.cpu.cr3;
    let mut saved = vec![0; 0x3000];
    machine.memory.read(tables, &mut saved).unwrap();
    fill(&machine, &mut random);
    machine.memory.write(tables, &saved).unwrap();
    let prepare = |cpu: &mut Cpu, random: &mut Random| {
        // Code of 16, 32 or 64 bits; level 0 or 3.
        let sizes = [0, 0x4000, 0x2000][random.bits() as usize % 3];
        let level = if random.bits() & 1 == 0 { 0x60 } else { 0 };
        for (n, segment) in cpu.seg.iter_mut().enumerate() {
            let kind = if n == 1 { 0x809b | sizes } else { 0xc093 };
            segment.rights = kind | level;
            (segment.base, segment.limit) = (0, !0);
        }
        cpu.ldtr.base = random.bits() & 0x3_ffff;
        cpu.ldtr.limit = 0xffff;
        cpu.gdtr.base = random.bits() & 0x3_ffff;
    };
    assert!(attack(&mut machine, &mut random, prepare) > 300);
}

#[test]
fn random_page_tables() {
    let mut random = Random(0x3bad_c0de);
    for _ in 0..8 {
        let mut machine = Machine::long(PAGES, &[]);
        machine.blocks = Blocks::default();
        fill(&machine, &mut random);
        // Make many entries lead back into memory.
        for at in (0..PAGES * 4096).step_by(8) {
            if random.bits() & 3 != 0 {
                let entry = random.bits() & ((PAGES - 1) << 12 | 0xe7) | 1;
                machine.memory.write(at, &entry.to_le_bytes()).unwrap();
            }
        }
        let prepare = |cpu: &mut Cpu, random: &mut Random| {
            cpu.cr3 = random.bits() & ((PAGES - 1) << 12);
            cpu.cr4 = random.bits() & (0x10 | 0x80 | 0x20_0000 | 0x10_0000 | 0x40_0000 | 0x1000)
                | Cr::CR4_PAE;
            cpu.cr0 = Cr::CR0_PE | Cr::CR0_PG | random.bits() & (Cr::CR0_WP | Cr::CR0_AM);
            cpu.efer = Cr::EFER_LME | Cr::EFER_LMA | random.bits() & Cr::EFER_NXE;
            if random.bits() & 1 == 0 {
                cpu.efer = 0;
                cpu.cr4 &= !(random.bits() & Cr::CR4_PAE);
            }
            for (n, segment) in cpu.seg.iter_mut().enumerate() {
                let dpl = (random.bits() & 0x60) as u32;
                segment.rights =
                    if n == 1 { 0xa09b } else { 0xc093 } | if n == 2 { dpl } else { 0x60 };
                segment.limit = !0;
            }
            cpu.pdpte = core::array::from_fn(|_| random.bits() & ((PAGES - 1) << 12 | 1));
            cpu.pkru = random.bits() as u32;
            cpu.flush_tlb();
        };
        attack(&mut machine, &mut random, prepare);
    }
}
