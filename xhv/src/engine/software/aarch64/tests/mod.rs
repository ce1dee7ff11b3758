//! Small programs on a whole vCPU, by the functions of the seam; a file for each theme.

mod code;
mod debug;
mod exceptions;
mod exits;
mod translation;

use super::cpu::Exit;
use super::vcpu::Vcpu;
use super::vm::{Vm, VmConfig};
use crate::memory::{Memory, Permissions, host_page_size};

/// Where the program of a [`machine`] starts.
const CODE: u64 = 0x1_0000;
/// Where its exception vectors are: HVC with the number of the entry.
const VECTORS: u64 = 0x2_0000;
/// Where its translation tables are, if it has any.
const TABLES: u64 = 0x4_0000;
/// `HV_REG_PC`
const PC: u32 = 31;
/// `HV_REG_CPSR`
const CPSR: u32 = 34;

const SCTLR_EL1: u16 = 0xc080;
const TTBR0_EL1: u16 = 0xc100;
const TCR_EL1: u16 = 0xc102;
const SPSR_EL1: u16 = 0xc200;
const ELR_EL1: u16 = 0xc201;
const ESR_EL1: u16 = 0xc290;
const FAR_EL1: u16 = 0xc300;
const MAIR_EL1: u16 = 0xc510;
const VBAR_EL1: u16 = 0xc600;
const CNTV_CTL_EL0: u16 = 0xdf19;
const MDSCR_EL1: u16 = 0x8012;

/// A VM with 1 MiB of memory at 0, `words` at [`CODE`], vectors, and a vCPU at EL1h about to run them.
fn machine(words: &[u32]) -> (Vcpu, Vm, Memory) {
    let config = VmConfig {
        ipa_bits: 0,
        el2: false,
        granule: 4096,
    };
    let vm = Vm::create(&config).unwrap();
    let memory = Memory::new((1_u64 << 20).next_multiple_of(host_page_size())).unwrap();
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.write(CODE, &bytes).unwrap();
    for entry in 0..16_u32 {
        let hvc = 0xd400_0002 | entry << 5;
        let at = VECTORS + 0x80 * u64::from(entry);
        memory.write(at, &hvc.to_le_bytes()).unwrap();
    }
    vm.map(&memory, 0, 0, 1 << 20, Permissions::ALL).unwrap();
    let mut vcpu = Vcpu::create(&vm).unwrap();
    vcpu.set_reg(PC, CODE).unwrap();
    vcpu.set_reg(CPSR, 0x3c5).unwrap();
    vcpu.set_sys_reg(VBAR_EL1, VECTORS).unwrap();
    (vcpu, vm, memory)
}

/// Runs to an HVC and answers its number.
#[track_caller]
fn hvc(vcpu: &mut Vcpu) -> u64 {
    let exit = vcpu.run().unwrap();
    assert_eq!(exit.syndrome >> 26, 0x16, "{exit:x?}");
    exit.syndrome & 0xffff
}

fn sys(vcpu: &Vcpu, reg: u16) -> u64 {
    vcpu.get_sys_reg(reg).unwrap()
}

/// Runs to an exit by exception of this class, and answers the exit.
#[track_caller]
fn exits(vcpu: &mut Vcpu, class: u64) -> Exit {
    let exit = vcpu.run().unwrap();
    assert_eq!((exit.reason, exit.syndrome >> 26), (1, class), "{exit:x?}");
    exit
}
