//! Single instructions against QEMU's user mode emulation, where it is there.

use super::vcpu::Vcpu;
use super::vm::{Vm, VmConfig};
use crate::memory::{Memory, Permissions};

/// `HV_REG_PC`
const PC: u32 = 31;
/// `HV_REG_CPSR`
const CPSR: u32 = 34;

#[path = "../../../../../tests/oracle-a64/src/lib.rs"]
#[allow(dead_code, unreachable_pub)]
mod oracle;

fn here(vcpu: &mut Vcpu, code: &Memory, data: &Memory, case: &oracle::State) -> oracle::State {
    let mut out = case.clone();
    let bytes: Vec<u8> = case.words.iter().flat_map(|w| w.to_le_bytes()).collect();
    code.write(0, &bytes).unwrap();
    code.write(64, &0xd400_0ee1_u32.to_le_bytes()).unwrap();
    let bytes: Vec<u8> = case.memory.iter().flat_map(|w| w.to_le_bytes()).collect();
    data.write(0, &bytes).unwrap();
    for (n, &x) in case.x.iter().enumerate() {
        vcpu.set_reg(n as u32, x).unwrap();
    }
    for (n, &v) in case.v.iter().enumerate() {
        vcpu.set_simd_fp_reg(n as u32, v).unwrap();
    }
    vcpu.set_reg(32, case.fpcr).unwrap();
    vcpu.set_reg(33, case.fpsr).unwrap();
    vcpu.set_sys_reg(0xc208, case.sp).unwrap();
    vcpu.set_reg(CPSR, case.nzcv | 0x3c0).unwrap();
    vcpu.set_reg(PC, oracle::CODE).unwrap();
    let exit = vcpu.run().unwrap();
    assert_eq!(exit.syndrome >> 26, 0x16, "{case:x?} {exit:x?}");
    let esr = vcpu.get_sys_reg(0xc290).unwrap();
    out.fault = match (esr >> 26, esr & 0x3f) {
        (0x15, _) => 0,
        (0x24, 0x21) | (0x22, _) | (0x26, _) => 7,
        (0x20 | 0x24, _) => 11,
        (0x3c, _) => 5,
        _ => 4,
    };
    out.x = core::array::from_fn(|n| vcpu.get_reg(n as u32).unwrap());
    out.v = core::array::from_fn(|n| vcpu.get_simd_fp_reg(n as u32).unwrap());
    out.sp = vcpu.get_sys_reg(0xc208).unwrap();
    out.nzcv = vcpu.get_sys_reg(0xc200).unwrap() & 0xf000_0000;
    out.fpcr = vcpu.get_reg(32).unwrap();
    out.fpsr = vcpu.get_reg(33).unwrap();
    let mut bytes = [0; 8 * oracle::MEMORY];
    data.read(0, &mut bytes).unwrap();
    for (n, b) in bytes.chunks_exact(8).enumerate() {
        out.memory[n] = u64::from_le_bytes(b.try_into().unwrap());
    }
    out
}

#[test]
fn qemu_agrees() {
    use oracle::generate::{Random, case, table::A64};
    let mut qemu = match oracle::Qemu::start(&std::env::temp_dir()) {
        Ok(qemu) => qemu,
        Err(why) => return println!("skipped: {why}"),
    };
    let vm = Vm::create(&VmConfig {
        ipa_bits: 0,
        el2: false,
        granule: 4096,
    })
    .unwrap();
    let (code, data, tables) = (
        Memory::new(4096).unwrap(),
        Memory::new(4096).unwrap(),
        Memory::new(8192).unwrap(),
    );
    vm.map(&code, 0, oracle::CODE, 4096, Permissions::ALL)
        .unwrap();
    vm.map(&data, 0, oracle::DATA, 4096, Permissions::ALL)
        .unwrap();
    vm.map(&tables, 0, 0x8000_0000, 8192, Permissions::ALL)
        .unwrap();
    tables
        .write(8, &(0x4000_0000_u64 | 0x741).to_le_bytes())
        .unwrap();
    tables
        .write(16, &(0x8000_0000_u64 | 0x701).to_le_bytes())
        .unwrap();
    for slot in (0..0x800).step_by(0x80) {
        tables
            .write(4096 + slot, &0xd400_0002_u32.to_le_bytes())
            .unwrap();
    }
    let mut vcpu = Vcpu::create(&vm).unwrap();
    for (reg, value) in [
        (0xc600, 0x8000_1000),
        (0xc100, 0x8000_0000),
        (0xc102, 25 | 2 << 32 | 1 << 23),
        (0xc510, 0xff),
        (0xc082, 3 << 20),
        (0xc080, 1 | 1 << 4 | 1 << 14 | 1 << 15 | 1 << 26),
    ] {
        vcpu.set_sys_reg(reg, value).unwrap();
    }
    let only = std::env::var("ONLY").ok();
    let count: usize = std::env::var("COUNT")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(400);
    let mut bad = 0;
    for row in A64::ALL {
        if only.as_ref().is_some_and(|only| only != row.name) {
            continue;
        }
        let mut random = Random::new(0x5eed_0000 + u64::from(row.value));
        let mut cases = Vec::new();
        for _ in 0..count {
            let word = row.value | random.next() as u32 & !row.mask;
            cases.extend(case(row.name, word, &mut random));
        }
        let expected = qemu.run(&cases).unwrap();
        let mut wrong = 0;
        for (before, expected) in cases.iter().zip(&expected) {
            let got = here(&mut vcpu, &code, &data, before);
            let difference = got.difference(expected);
            if !difference.is_empty() && !(got.fault == 4 && expected.fault == 4) {
                wrong += 1;
                if wrong <= 3 {
                    println!("{} {:08x?} {difference:?}", row.name, &before.words[..4]);
                }
            }
        }
        println!("{}: {} cases, {wrong} differ", row.name, cases.len());
        bad += wrong;
    }
    assert_eq!(bad, 0);
}
