//! Deadlines. What both architectures share, cancel, pause and work, is in `behaviour_both`.

use std::time::{Duration, Instant};

use xhv::Gpa;
use xhv::x86_64::Exit;

use crate::support::{on_every_engine, real_mode, vm};

/// l: inc dword [2000h]; jmp l
const COUNTER: [u8; 7] = [0x66, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xf9];

#[test]
fn a_deadline_ends_a_run() {
    on_every_engine(|engine| {
        let vm = vm(engine, &COUNTER);
        let mut vcpu = real_mode(&vm);
        let start = Instant::now();
        let deadline = xhv::time::deadline(Duration::from_millis(20));
        match vcpu.run_until(deadline) {
            Ok(Exit::Deadline) => assert!(start.elapsed() >= Duration::from_millis(20)),
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error.code(), Some(xhv::Code::UNSUPPORTED), "{error}");
                return eprintln!("skipped: {error}");
            }
        }
        assert!(start.elapsed() < Duration::from_secs(5));
        assert!(vm.read_value::<u32>(Gpa(0x2000)).unwrap() > 0);
        assert!(vcpu.exec_time().unwrap() > Duration::ZERO);
    });
}
