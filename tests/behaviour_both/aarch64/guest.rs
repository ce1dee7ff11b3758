//! AArch64 guests: EL1 without MMU. X1 is where no memory is, X2 the counter; HVC #1 ends a program, HVC #2 puts out X0.

/// The register that programs put out, and the program counter.
pub use xhv::aarch64::reg::{PC as PLACE, X0 as RESULT};
use xhv::aarch64::{Exit, GicBuilder};
pub use xhv::aarch64::{Vcpu, VcpuState, Vm};
use xhv::{Architecture, Engine, Gpa, Host};

use crate::Stop;

/// The name of the architecture in files.
pub const NAME: &str = "aarch64";
/// Another one's.
pub const OTHER: &str = "x86_64";

/// Where the memory begins.
pub const RAM: u64 = 0x4000_0000;
/// How much of it there is.
pub const SIZE: u64 = 0x10_0000;
/// Where the code lies.
pub const CODE: u64 = RAM + 0x1000;
/// What [`COUNT`] counts in.
pub const COUNTER: u64 = RAM + 0x2_0000;
/// Where no memory is: what [`LOAD`] and [`STORE`] access.
pub const FREE: u64 = 0x4020_0000;

/// Instructions as bytes.
const fn code<const WORDS: usize, const BYTES: usize>(words: [u32; WORDS]) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    let mut at = 0;
    while at < BYTES {
        bytes[at] = words[at / 4].to_le_bytes()[at % 4];
        at += 1;
    }
    bytes
}

/// ldrb w0, [x1]; hvc #1; b -8
pub const LOAD: &[u8] = &code::<3, 12>([0x3940_0020, 0xd400_0022, 0x17ff_fffe]);
/// mov w0, #9; strb w0, [x1]; hvc #1; b -12
pub const STORE: &[u8] = &code::<4, 16>([0x5280_0120, 0x3900_0020, 0xd400_0022, 0x17ff_fffd]);
/// ldr w0, [x2]; add w0, w0, #1; str w0, [x2]; b -12
pub const COUNT: &[u8] = &code::<4, 16>([0xb940_0040, 0x1100_0400, 0xb900_0040, 0x17ff_fffd]);
/// mov x0, #5; hvc #2; add x0, x0, #3; hvc #2; hvc #1
pub const STEPS: &[u8] = &code::<5, 20>([
    0xd280_00a0,
    0xd400_0042,
    0x9100_0c00,
    0xd400_0042,
    0xd400_0022,
]);
/// hvc #1
pub const NOTHING: &[u8] = &code::<1, 4>([0xd400_0022]);
/// br x1
pub const JUMP: &[u8] = &code::<1, 4>([0xd61f_0020]);

/// mov x0, #value; hvc #2; b -8
pub fn output(value: u8) -> Vec<u8> {
    let put = 0xd280_0000 | u32::from(value) << 5;
    code::<3, 12>([put, 0xd400_0042, 0x17ff_fffe]).to_vec()
}

/// Runs a test on each engine that AArch64 guests have on this host. The framework allows one VM in a process, so tests on it queue up.
pub fn on_every_engine(test: impl Fn(Engine)) {
    static ONE_VM: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let host = Host::probe();
    if host.software {
        test(Engine::Software);
    }
    match host.framework_missing_for(Architecture::Aarch64) {
        Some(why) => eprintln!("SKIPPED on the framework engine: {why}"),
        None => {
            let _one = ONE_VM
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            test(Engine::Framework);
        }
    }
}

/// A VM without memory.
pub fn empty(engine: Engine) -> Vm {
    Vm::builder().engine(engine).build().unwrap()
}

/// A VM with the engine's GIC, so that WFI waits inside, with a guest that does nothing else. `None` where the engine has none.
pub fn waiting(engine: Engine) -> Option<Vm> {
    let gic = GicBuilder::new(0x800_0000, 0x1000_0000);
    let vm = match Vm::builder().engine(engine).gic(gic).build() {
        Ok(vm) => vm,
        Err(why) => {
            eprintln!("SKIPPED on {engine:?}: {why}");
            return None;
        }
    };
    vm.map_new(Gpa(RAM), SIZE).unwrap();
    // wfi; b -4
    vm.write(Gpa(CODE), &code::<2, 8>([0xd503_207f, 0x17ff_ffff]))
        .unwrap();
    Some(vm)
}

/// Makes a vCPU begin with the code.
pub fn start(vcpu: &mut Vcpu) {
    vcpu.set_el1(CODE, RAM + 0x8000).unwrap();
    vcpu.set_x(1, FREE).unwrap();
    vcpu.set_x(2, COUNTER).unwrap();
}

/// Runs to the next stop.
#[track_caller]
pub fn next(vcpu: &mut Vcpu) -> Stop {
    match vcpu.run().unwrap() {
        Exit::Hvc(call) => {
            let stop = match call.immediate() {
                2 => Stop::Output(call.argument(0).unwrap()),
                _ => Stop::End,
            };
            call.finish_with(&[]).unwrap();
            stop
        }
        Exit::MmioRead(read) => Stop::Read {
            gpa: read.gpa().0,
            size: read.size(),
        },
        Exit::MmioWrite(write) => {
            let stop = Stop::Write {
                gpa: write.gpa().0,
                size: write.size(),
                value: write.value(),
            };
            write.finish().unwrap();
            stop
        }
        Exit::InstructionAbort(abort) => Stop::NoCode { gpa: abort.gpa().0 },
        Exit::Canceled => Stop::Canceled,
        other => panic!("{other:?}"),
    }
}

/// A VM with memory and `code`.
pub fn vm(engine: Engine, code: &[u8]) -> Vm {
    let vm = empty(engine);
    vm.map_new(Gpa(RAM), SIZE).unwrap();
    vm.write(Gpa(CODE), code).unwrap();
    vm
}

/// A vCPU that is about to run the code.
pub fn vcpu(vm: &Vm) -> Vcpu {
    let mut vcpu = vm.create_vcpu().unwrap();
    start(&mut vcpu);
    vcpu
}
