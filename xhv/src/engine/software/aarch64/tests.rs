//! Small programs on a whole vCPU, by the functions of the seam.

use super::vcpu::Vcpu;
use super::vm::{Vm, VmConfig};
use crate::memory::{Memory, Permissions, host_page_size};

/// Where the program of a [`machine`] starts.
const CODE: u64 = 0x1_0000;
/// `HV_REG_PC`
const PC: u32 = 31;
/// `HV_REG_CPSR`
const CPSR: u32 = 34;

/// A VM with 1 MiB of memory at 0, `words` at [`CODE`], and a vCPU at EL1h about to run them.
fn machine(words: &[u32]) -> (Vcpu, Memory) {
    let vm = Vm::create(&VmConfig {
        ipa_bits: 0,
        el2: false,
        granule: 4096,
    })
    .unwrap();
    let memory = Memory::new((1_u64 << 20).next_multiple_of(host_page_size())).unwrap();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.write(CODE, &bytes).unwrap();
    vm.map(&memory, 0, 0, 1 << 20, Permissions::ALL).unwrap();
    let mut vcpu = Vcpu::create(&vm).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    (vcpu, memory)
}

#[test]
fn a_loop_and_a_hypercall() {
    // mov x0, #0; mov x1, #10; 1: add x0, x0, x1; subs x1, x1, #1; b.ne 1b; hvc #7
    let (mut vcpu, _memory) = machine(&[
        0xd280_0000,
        0xd280_0141,
        0x8b01_0000,
        0xf100_0421,
        0x54ff_ffc1,
        0xd400_00e2,
    ]);
    let exit = vcpu.run().unwrap();
    assert_eq!((exit.reason, exit.syndrome), (1, 0x16 << 26 | 1 << 25 | 7));
    assert_eq!(vcpu.get_reg(0), Ok(55));
    assert_eq!(vcpu.get_reg(PC), Ok(CODE + 24));
}
