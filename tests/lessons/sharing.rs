//! Lifetimes, threads, cancel, build and tests. What must not compile is in `refused`.

use std::marker::PhantomData;
use std::path::Path;
use std::time::Duration;

use xhv::typed::Version;
use xhv::x86_64::Exit;
use xhv::{Gpa, Memory, Permissions, VcpuHandle, aarch64, x86_64};

/// Whether a type has a trait: an inherent constant goes before one of a trait.
macro_rules! has {
    ($type:ty: $($bound:tt)+) => {{
        #[allow(dead_code)]
        trait Without {
            const HAS: bool = false;
        }
        impl<T> Without for Probe<T> {}
        #[allow(dead_code)]
        struct Probe<T>(PhantomData<T>);
        #[allow(dead_code)]
        impl<T: $($bound)+> Probe<T> {
            const HAS: bool = true;
        }
        Probe::<$type>::HAS
    }};
}

/// | lifetime | safe `map(&[u8])` with no lifetime; `destroy(&self)` that leaves a usable handle; exit struct read after destroy | use after free from safe code |
#[test]
fn use_after_free_from_safe_code() {
    // The mapping owns its memory, and the vCPU its VM.
    let vm = crate::vm!(x86_64);
    let memory = Memory::new(0x1_0000).unwrap();
    memory.write(0x1000, &[0xf4]).unwrap();
    vm.map(Gpa(0), &memory, Permissions::ALL).unwrap();
    drop(memory);
    let mut vcpu = vm.create_vcpu().unwrap();
    drop(vm);
    vcpu.set_real_mode(0, 0x1000).unwrap();
    assert!(matches!(vcpu.run().unwrap(), Exit::Hlt(_)));
    // A handle that has outlived its vCPU is harmless.
    let handle = vcpu.handle();
    drop(vcpu);
    assert!(!handle.is_alive());
    handle.cancel();
}

/// | threads | vCPU that is `Send`; handle with default id 0 that kicks another vCPU | calls act on the wrong vCPU |
#[test]
fn calls_act_on_the_wrong_vcpu() {
    assert!(has!(u8: Send) && !has!(*mut u8: Send), "the test can tell");
    assert!(!has!(x86_64::Vcpu: Send) && !has!(aarch64::Vcpu: Send));
    assert!(
        has!(VcpuHandle: Send + Sync)
            && has!(x86_64::Vm: Send + Sync)
            && has!(aarch64::Vm: Send + Sync)
    );
    assert!(!has!(VcpuHandle: Default));
    // Of two vCPUs the one whose handle is used is canceled.
    let vm = crate::vm!(x86_64);
    vm.map_new(Gpa(0), 0x1_0000).unwrap();
    vm.write(Gpa(0x1000), &[0xeb, 0xfe]).unwrap();
    let spawn = || {
        vm.spawn_vcpu(|vcpu| {
            vcpu.set_real_mode(0, 0x1000).unwrap();
            assert!(matches!(vcpu.run().unwrap(), Exit::Canceled));
        })
    };
    let (first, second) = (spawn().unwrap(), spawn().unwrap());
    second.cancel();
    second.join().unwrap();
    assert!(!first.is_finished());
    first.cancel();
    first.join().unwrap();
}

/// | cancel | kick by signal (cannot end `hv_vcpu_run`); kick lost when sent before run; stale handle after destroy | hangs |
#[test]
fn kick_lost_when_sent_before_run() {
    // A program that never ends: what is not canceled hangs.
    let vm = crate::vm!(aarch64);
    vm.map_new(0, 0x4000).unwrap();
    vm.write_value(0, 0x1400_0000_u32).unwrap();
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.set_el1(0, 0).unwrap();
    vcpu.handle().cancel();
    assert!(matches!(vcpu.run().unwrap(), aarch64::Exit::Canceled));
    let handle = vcpu.handle();
    let kick = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(5));
        handle.cancel();
    });
    assert!(matches!(vcpu.run().unwrap(), aarch64::Exit::Canceled));
    kick.join().unwrap();
}

/// | build | framework linked on every host; newer symbols linked hard; docs that build only on a Mac; crate empty on Linux | cannot build, load or read |
#[test]
fn framework_linked_on_every_host() {
    // Both halves are here, whatever the host is, with their functions; newer ones are looked up.
    let first = [Version(10, 10, 0), Version(11, 0, 0)];
    for (functions, first) in [x86_64::ffi::FUNCTIONS, aarch64::ffi::FUNCTIONS]
        .into_iter()
        .zip(first)
    {
        assert!(functions.len() > 40);
        for function in functions {
            assert_eq!(
                function.looked_up,
                function.since > first,
                "{}",
                function.name
            );
        }
    }
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../xhv");
    let sources = std::fs::read_to_string(manifest.join("build.rs")).unwrap();
    assert!(!sources.contains("rustc-link"));
    if !cfg!(target_os = "macos") {
        assert!(
            x86_64::ffi::FUNCTIONS
                .iter()
                .all(|function| !(function.present)())
        );
    }
}

/// | tests | tests in the repository no longer compile, because nothing runs them | bugs above |
#[test]
fn tests_that_nothing_runs() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
    let run = read(".ci/run");
    let steps = run
        .lines()
        .find(|line| line.contains("steps=(lint"))
        .unwrap();
    assert!(steps.contains(" readme "), "{steps}");
    assert!(read("README.md").contains("$ cargo test --workspace"));
    // Every file of tests belongs to a target.
    let manifest = read("tests/Cargo.toml");
    for entry in std::fs::read_dir(root.join("tests")).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.path().join("main.rs").exists() {
            assert!(manifest.contains(&format!("\"{name}/main.rs\"")), "{name}");
        }
    }
}
