//! Code that changes, code of several vCPUs on the same memory, and code that nobody wrote.

use super::{
    CODE, CPSR, ELR_EL1, MAIR_EL1, MDSCR_EL1, PC, SCTLR_EL1, SPSR_EL1, TABLES, TCR_EL1, TTBR0_EL1,
    VBAR_EL1, hvc, machine,
};
use crate::engine::software::aarch64::vcpu::Vcpu;

#[test]
fn code_that_changes_itself_runs_as_changed() {
    // The second pass runs what the first has stored over `mov x0, #1`.
    let (mut vcpu, ..) = machine(
        &[
            0xd280_0020,
            0x8b00_00a5,
            0xb900_0022,
            0xd503_3b9f,
            0xd503_3fdf,
            0xf100_0463,
            0x54ff_ff41,
            0xd400_0022,
        ], /* 1: mov x0, #1; add x5, x5, x0; str w2, [x1]; dsb ish; isb; subs x3, x3, #1; b.ne 1b; hvc #1 */
    );
    vcpu.set_reg(1, CODE).unwrap();
    vcpu.set_reg(2, 0xd280_00e0).unwrap(); // mov x0, #7
    vcpu.set_reg(3, 3).unwrap();
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(vcpu.get_reg(5), Ok(15));
}

#[test]
fn exclusives_of_two_vcpus_count_together() {
    let words = &[0xc85f_fc20, 0x9100_0400, 0xc802_fc20, 0x35ff_ffa2, 0xf8e4_00c5, 0xf100_0463, 0x54ff_ff41, 0xd400_0022] /* 1: ldaxr x0, [x1]; add x0, x0, #1; stlxr w2, x0, [x1]; cbnz w2, 1b; ldaddal x4, x5, [x6]; subs x3, x3, #1; b.ne 1b; hvc #1 */;
    let (mut vcpu, vm, memory) = machine(words);
    let start = |vcpu: &mut Vcpu| {
        for (reg, value) in [
            (1, 0x8_0000),
            (3, 20_000),
            (4, 1),
            (6, 0x8_0040),
            (PC, CODE),
            (CPSR, 0x3c5),
        ] {
            vcpu.set_reg(reg, value).unwrap();
        }
    };
    start(&mut vcpu);
    let other = std::thread::spawn(move || {
        let mut vcpu = Vcpu::create(&vm).unwrap();
        start(&mut vcpu);
        hvc(&mut vcpu)
    });
    assert_eq!(hvc(&mut vcpu), 1);
    assert_eq!(other.join().unwrap(), 1);
    let mut bytes = [0; 8];
    for at in [0x8_0000, 0x8_0040] {
        memory.read(at, &mut bytes).unwrap();
        assert_eq!(u64::from_le_bytes(bytes), 40_000);
    }
}

/// A small generator with a fixed seed (`xorshift64*`).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

#[test]
fn hostile_code_and_tables_stay_in_the_guest() {
    let mut random = Random(0x0123_4567_89ab_cdef);
    let (mut vcpu, _vm, memory) = machine(&[]);
    let exiter = vcpu.exiter();
    let done = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let watch = done.clone();
    let canceler = std::thread::spawn(move || {
        while !watch.load(std::sync::atomic::Ordering::Relaxed) {
            std::thread::sleep(std::time::Duration::from_millis(1));
            exiter.exit().unwrap();
        }
    });
    for round in 0..600_u64 {
        let bytes: Vec<u8> = (0..512).flat_map(|_| random.next().to_le_bytes()).collect();
        memory.write(CODE, &bytes).unwrap();
        if round % 2 == 0 {
            // Tables whose entries lead back into them.
            let entries = (0..512).flat_map(|_| {
                let entry = random.next() & 0x00ff_0000_000f_ffff | 0x403;
                entry.to_le_bytes()
            });
            memory.write(TABLES, &entries.collect::<Vec<u8>>()).unwrap();
        }
        for reg in [TTBR0_EL1, 0xc101, VBAR_EL1] {
            vcpu.set_sys_reg(reg, TABLES | random.next() & 0xffff_0000_0000_0000)
                .unwrap();
        }
        for reg in [
            TCR_EL1, MAIR_EL1, SPSR_EL1, ELR_EL1, 0xc082, MDSCR_EL1, 0x8005, 0x8007,
        ] {
            vcpu.set_sys_reg(reg, random.next()).unwrap();
        }
        vcpu.set_sys_reg(SCTLR_EL1, random.next() & !1 | round & 1)
            .unwrap();
        for reg in 0..31 {
            vcpu.set_reg(reg, random.next() >> (random.next() & 63))
                .unwrap();
        }
        vcpu.set_trap_debug_exceptions(random.next() & 1 != 0)
            .unwrap();
        vcpu.set_reg(CPSR, [0x3c5, 0x3c4, 0, 0x5][(round % 4) as usize])
            .unwrap();
        vcpu.set_reg(PC, CODE + (random.next() & 0xffc)).unwrap();
        for _ in 0..8 {
            vcpu.run().unwrap();
            let pc = vcpu.get_reg(PC).unwrap();
            vcpu.set_reg(PC, pc.wrapping_add(4)).unwrap();
        }
    }
    done.store(true, std::sync::atomic::Ordering::Relaxed);
    canceler.join().unwrap();
}
