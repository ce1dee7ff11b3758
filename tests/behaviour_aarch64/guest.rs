//! A guest of a few instructions, and the engines that it is run on.

use xhv::aarch64::reg::{CPSR, PC, Spsr, SpsrM};
use xhv::aarch64::sysreg::{MPIDR_EL1, Mpidr, SCTLR_EL1, SP_EL1, Sctlr};
use xhv::aarch64::{Vcpu, Vm};
use xhv::{Engine, Gpa, Memory};

/// Where a guest's memory is.
pub const RAM: u64 = 0x4000_0000;
/// How much of it there is: two granules.
pub const SIZE: u64 = 0x8000;
/// Where no memory is.
pub const DEVICE: u64 = 0x0900_0000;

/// The engines that can run AArch64 guests here.
pub fn engines() -> Vec<Engine> {
    let all = [Engine::Framework, Engine::Software];
    let here = all
        .into_iter()
        .filter(|&engine| xhv::aarch64::Limits::probe(engine).is_ok());
    let here: Vec<_> = here.collect();
    assert!(
        !here.is_empty(),
        "no engine runs aarch64 guests on this machine"
    );
    here
}

/// Runs a test on every engine.
pub fn on_every_engine(test: impl Fn(Engine)) {
    engines().into_iter().for_each(test);
}

/// A VM with `words` at the start of its memory.
pub fn vm(engine: Engine, words: &[u32]) -> (Vm, Memory) {
    let vm = Vm::builder().engine(engine).build().unwrap();
    let memory = vm.map_new(RAM, SIZE).unwrap();
    load(&memory, 0, words);
    (vm, memory)
}

/// Puts instructions into memory.
pub fn load(memory: &Memory, offset: u64, words: &[u32]) {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    memory.write(offset, &bytes).unwrap();
}

/// A vCPU at the start of the memory: EL1, everything masked, MMU off, floating point allowed.
pub fn vcpu(vm: &Vm) -> Vcpu {
    let mut vcpu = vm.create_vcpu().unwrap();
    reset(&mut vcpu);
    vcpu
}

pub fn reset(vcpu: &mut Vcpu) {
    let masked = Spsr::D | Spsr::A | Spsr::I | Spsr::F;
    vcpu.write(CPSR, masked.with_m(SpsrM::EL1H)).unwrap();
    vcpu.write(PC, RAM).unwrap();
    vcpu.write(SP_EL1, RAM + SIZE).unwrap();
    vcpu.write(SCTLR_EL1, Sctlr::from_bits(0x3090_0180))
        .unwrap();
    vcpu.write(MPIDR_EL1, Mpidr::from_bits(1 << 31)).unwrap();
    let fp = xhv::aarch64::sysreg::Cpacr::from_bits(3 << 20);
    vcpu.write(xhv::aarch64::sysreg::CPACR_EL1, fp).unwrap();
}

/// One guest on one vCPU.
pub fn start(engine: Engine, words: &[u32]) -> (Vcpu, Memory) {
    let (vm, memory) = vm(engine, words);
    (vcpu(&vm), memory)
}

/// A guest-physical address in the device.
pub fn device(offset: u64) -> Gpa {
    Gpa(DEVICE + offset)
}
