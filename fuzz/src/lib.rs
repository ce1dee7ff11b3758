//! What the targets share: taking an input apart, and guests of both architectures that run for a bounded time.

use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use xhv::time::deadline;
use xhv::{Gpa, VcpuHandle, aarch64, x86_64};

/// Bytes of guest memory, at address 0 (Intel) or [`A64_BASE`].
pub const MEMORY: u64 = 0x4_0000;
/// Where the memory of AArch64 guests begins.
pub const A64_BASE: u64 = 0x4000_0000;
/// The longest run between two exits.
const SLICE: Duration = Duration::from_micros(300);
/// Exits after which an input has had its chance.
const EXITS: u32 = 12;

/// An input, taken from the front. What is not there reads as zero.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(pub &'a [u8]);

impl<'a> Input<'a> {
    /// A little-endian number of `size` bytes.
    pub fn number(&mut self, size: usize) -> u64 {
        let taken = &self.0[..size.min(self.0.len())];
        self.0 = &self.0[taken.len()..];
        taken
            .iter()
            .rev()
            .fold(0, |value, &byte| value << 8 | u64::from(byte))
    }

    /// At most `len` bytes.
    pub fn bytes(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Whether all has been taken.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// `data` as text if its first byte is even, else a genuine text with single bytes replaced as `data` says: JSON that is nearly right.
pub fn text(genuine: &str, data: &[u8]) -> Option<String> {
    let (first, rest) = data.split_first()?;
    if first & 1 == 0 {
        return String::from_utf8(rest.to_vec()).ok();
    }
    let mut bytes = genuine.as_bytes().to_vec();
    let mut input = Input(rest);
    while !input.is_empty() {
        let at = input.number(2) as usize % bytes.len();
        bytes[at] = input.number(1) as u8;
    }
    String::from_utf8(bytes).ok()
}

/// The target of an architecture's snapshots, `$half` of `xhv`: JSON is refused with a reason, or restored and run. `$start` puts a vCPU of
/// `$machine` into the state of the genuine text.
#[macro_export]
macro_rules! snapshot_target {
    ($half:ident, $machine:ident, $run:ident, $start:expr) => {
        use xhv::$half::{Vcpu, VcpuState};

        static GENUINE: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| {
            let start: fn(&mut Vcpu) -> Result<(), xhv::Error> = $start;
            let (_vm, mut vcpu) = $crate::$machine(&[]);
            start(&mut vcpu).expect("a good state");
            vcpu.save().expect("it can be saved").to_json()
        });

        libfuzzer_sys::fuzz_target!(|data: &[u8]| {
            let Some(text) = $crate::text(&GENUINE, data) else {
                return;
            };
            let Ok(state) = VcpuState::from_json(&text) else {
                return;
            };
            assert!(
                VcpuState::from_json(&state.to_json()).is_ok(),
                "what is read can be written"
            );
            let (_vm, mut vcpu) = $crate::$machine(data);
            if vcpu.restore(&state).is_ok() {
                $crate::$run(&mut vcpu);
                let _ = vcpu.save();
            }
        });
    };
}

/// A VM with memory filled with `bytes` from address 0 on, and its vCPU.
pub fn intel(bytes: &[u8]) -> (x86_64::Vm, x86_64::Vcpu) {
    let vm = x86_64::Vm::new().expect("the software engine makes VMs");
    let memory = vm.map_new(Gpa(0), MEMORY).expect("there is memory");
    let len = bytes.len().min(MEMORY as usize);
    memory.write(0, &bytes[..len]).expect("it fits");
    let vcpu = vm.create_vcpu().expect("it makes vCPUs");
    (vm, vcpu)
}

/// Runs an Intel guest with the default answers to its exits.
pub fn run_intel(vcpu: &mut x86_64::Vcpu) {
    for _ in 0..EXITS {
        let goes_on = match vcpu.run_until(deadline(SLICE)) {
            Ok(x86_64::Exit::Deadline | x86_64::Exit::Canceled) | Err(_) => return,
            Ok(exit) => exit.finish_default().is_ok(),
        };
        if !goes_on {
            return;
        }
    }
}

/// A VM with memory filled with `bytes` from [`A64_BASE`] on, and its vCPU.
pub fn arm(bytes: &[u8]) -> (aarch64::Vm, aarch64::Vcpu) {
    let vm = aarch64::Vm::new().expect("the software engine makes VMs");
    let memory = vm.map_new(Gpa(A64_BASE), MEMORY).expect("there is memory");
    let len = bytes.len().min(MEMORY as usize);
    memory.write(0, &bytes[..len]).expect("it fits");
    let vcpu = vm.create_vcpu().expect("it makes vCPUs");
    (vm, vcpu)
}

/// Runs an AArch64 guest with the default answers to its exits.
pub fn run_arm(vcpu: &mut aarch64::Vcpu) {
    watch(Some(vcpu.handle()));
    for _ in 0..EXITS {
        let goes_on = match vcpu.run() {
            // A wait would only cost time.
            Ok(aarch64::Exit::Canceled | aarch64::Exit::Wfx(_)) | Err(_) => break,
            Ok(exit) => exit.finish_default().is_ok(),
        };
        if !goes_on {
            break;
        }
    }
    watch(None);
}

/// The framework has no deadline on Apple silicon: a thread cancels what runs for too long.
fn watch(handle: Option<VcpuHandle>) {
    static WATCHED: Mutex<Option<(VcpuHandle, Instant)>> = Mutex::new(None);
    static WATCHER: OnceLock<()> = OnceLock::new();
    WATCHER.get_or_init(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_millis(1));
                let watched = WATCHED.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((handle, since)) = &*watched
                    && since.elapsed() > EXITS * SLICE
                {
                    handle.cancel();
                }
            }
        });
    });
    *WATCHED.lock().unwrap_or_else(PoisonError::into_inner) =
        handle.map(|handle| (handle, Instant::now()));
}
