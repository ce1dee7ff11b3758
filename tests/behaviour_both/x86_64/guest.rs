//! Intel guests: 32-bit flat code.

use xhv::x86_64::Exit;
/// The register that programs put out, and the program counter.
pub use xhv::x86_64::reg::{RAX as RESULT, RIP as PLACE};
pub use xhv::x86_64::{Vcpu, VcpuState, Vm};
use xhv::{Architecture, Engine, Gpa, Host};

use crate::Stop;

/// The name of the architecture in files.
pub const NAME: &str = "x86_64";
/// Another one's.
pub const OTHER: &str = "aarch64";
/// Where the memory begins.
pub const RAM: u64 = 0;
/// How much of it there is.
pub const SIZE: u64 = 0x10_0000;
/// Where the code lies.
pub const CODE: u64 = 0x1000;
/// What [`COUNT`] counts in.
pub const COUNTER: u64 = 0x2_0000;
/// Where no memory is: what [`LOAD`] and [`STORE`] access.
pub const FREE: u64 = 0x20_0000;

/// l: mov al, [FREE]; hlt; jmp l
pub const LOAD: &[u8] = &[0xa0, 0, 0, 0x20, 0, 0xf4, 0xeb, 0xf8];
/// l: mov byte [FREE], 9; hlt; jmp l
pub const STORE: &[u8] = &[0xc6, 0x05, 0, 0, 0x20, 0, 9, 0xf4, 0xeb, 0xf6];
/// l: inc dword [COUNTER]; jmp l
pub const COUNT: &[u8] = &[0xff, 0x05, 0, 0, 2, 0, 0xeb, 0xf8];
/// mov eax, 5; out 1, al; add eax, 3; out 1, al; hlt
pub const STEPS: &[u8] = &[0xb8, 5, 0, 0, 0, 0xe6, 1, 0x83, 0xc0, 3, 0xe6, 1, 0xf4];
/// hlt
pub const NOTHING: &[u8] = &[0xf4];
/// mov eax, FREE; jmp eax
pub const JUMP: &[u8] = &[0xb8, 0, 0, 0x20, 0, 0xff, 0xe0];

/// l: mov eax, value; out 1, al; jmp l
pub fn output(value: u8) -> Vec<u8> {
    vec![0xb8, value, 0, 0, 0, 0xe6, 1, 0xeb, 0xf7]
}

/// Runs a test on each engine that Intel guests have on this host. The framework allows one VM in a process, so tests on it queue up.
pub fn on_every_engine(test: impl Fn(Engine)) {
    static ONE_VM: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let host = Host::probe();
    if host.software {
        test(Engine::Software);
    }
    match host.framework_missing_for(Architecture::X86_64) {
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

/// A VM whose interrupt controllers are the engine's, so that HLT waits inside, with a guest that does nothing else. `None` where the
/// engine has none.
pub fn waiting(engine: Engine) -> Option<Vm> {
    let vm = match Vm::builder().engine(engine).accelerated_apic().build() {
        Ok(vm) => vm,
        Err(why) => {
            eprintln!("SKIPPED on {engine:?}: {why}");
            return None;
        }
    };
    vm.map_new(Gpa(RAM), SIZE).unwrap();
    // l: hlt; jmp l
    vm.write(Gpa(CODE), &[0xf4, 0xeb, 0xfd]).unwrap();
    Some(vm)
}

/// Makes a vCPU begin with the code.
pub fn start(vcpu: &mut Vcpu) {
    vcpu.set_flat32(CODE as u32).unwrap();
    vcpu.write(xhv::x86_64::reg::RSP, 0x8000).unwrap();
}

/// Runs to the next stop.
#[track_caller]
pub fn next(vcpu: &mut Vcpu) -> Stop {
    match vcpu.run().unwrap() {
        Exit::Hlt(hlt) => {
            hlt.finish().unwrap();
            Stop::End
        }
        Exit::PortWrite(out) => {
            let value = out.value().into();
            out.finish().unwrap();
            Stop::Output(value)
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
        Exit::UndecodedAccess(access) => Stop::NoCode {
            gpa: access.gpa().0,
        },
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
