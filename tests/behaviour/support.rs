//! Engines to test on, and the guest that most tests start from.

use xhv::x86_64::{Vcpu, Vm};
use xhv::{Architecture, Engine, Gpa, Host};

/// Runs a test on each engine that Intel guests have on this host. The framework allows one VM in a process, so tests on it queue up.
pub fn on_every_engine(test: impl Fn(Engine)) {
    static ONE_VM: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let host = Host::probe();
    if host.software {
        test(Engine::Software);
    }
    match host.framework_missing_for(Architecture::X86_64) {
        Some(why) => eprintln!("skipped on the framework engine: {why}"),
        None => {
            let _one = ONE_VM
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner);
            match Vm::builder().engine(Engine::Framework).build() {
                Ok(vm) => {
                    drop(vm);
                    test(Engine::Framework);
                }
                Err(error) => eprintln!("skipped on the framework engine: {error}"),
            }
        }
    }
}

/// Where the guests' code lies.
pub const CODE: u64 = 0x1000;

/// A VM with 1 MiB of memory at 0 and `code` at 0:1000h.
pub fn vm(engine: Engine, code: &[u8]) -> Vm {
    let vm = Vm::builder().engine(engine).build().unwrap();
    vm.map_new(Gpa(0), 0x10_0000).unwrap();
    vm.write(Gpa(CODE), code).unwrap();
    vm
}

/// A vCPU in real mode at 0:1000h, with a stack at 0:8000h.
pub fn real_mode(vm: &Vm) -> Vcpu {
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_real_mode(0, CODE as u16).unwrap();
    vcpu.write(xhv::x86_64::reg::RSP, 0x8000).unwrap();
    vcpu
}

/// A vCPU in flat 32-bit protected mode at 1000h.
pub fn flat32(vm: &Vm) -> Vcpu {
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_flat32(CODE as u32).unwrap();
    vcpu.write(xhv::x86_64::reg::RSP, 0x8000).unwrap();
    vcpu
}

/// A vCPU in 64-bit mode at 1000h, with identity-mapped tables at 20000h.
pub fn long_mode(vm: &Vm) -> Vcpu {
    vm.write_identity_map(Gpa(0x2_0000), 1 << 30).unwrap();
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_long_mode64(CODE, Gpa(0x2_0000)).unwrap();
    vcpu.write(xhv::x86_64::reg::RSP, 0x8000).unwrap();
    vcpu
}

/// Takes an exit apart, or says what came instead.
#[macro_export]
macro_rules! exits_with {
    ($exit:expr, $variant:ident($guard:ident) $then:block) => {
        match $exit {
            ::xhv::x86_64::Exit::$variant($guard) => $then,
            other => panic!("expected {}, got {other:?}", stringify!($variant)),
        }
    };
    ($exit:expr, $variant:ident) => {
        match $exit {
            ::xhv::x86_64::Exit::$variant => {}
            other => panic!("expected {}, got {other:?}", stringify!($variant)),
        }
    };
}
pub use exits_with;
