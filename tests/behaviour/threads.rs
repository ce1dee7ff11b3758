//! vCPUs and other threads: cancel, pause, work, deadlines.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use xhv::x86_64::{Exit, Vcpu, Vm, reg};
use xhv::{Engine, Gpa};

use crate::support::{exits_with, on_every_engine, real_mode, vm};

/// l: inc dword [2000h]; jmp l
const COUNTER: [u8; 7] = [0x66, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xf9];

fn count(vm: &Vm) -> u32 {
    vm.read_value(Gpa(0x2000)).unwrap()
}

fn until_canceled(vcpu: &mut Vcpu) -> &'static str {
    vcpu.set_real_mode(0, 0x1000).unwrap();
    match vcpu.run().unwrap() {
        Exit::Canceled => "canceled",
        other => panic!("{other:?}"),
    }
}

fn spinning(engine: Engine) -> (Vm, xhv::VcpuThread<Vcpu, &'static str>) {
    let vm = vm(engine, &COUNTER);
    let thread = vm.spawn_vcpu(until_canceled).unwrap();
    while count(&vm) < 100 {
        std::thread::yield_now();
    }
    (vm, thread)
}

#[test]
fn a_running_guest_is_canceled() {
    on_every_engine(|engine| {
        let (_vm, thread) = spinning(engine);
        thread.cancel();
        assert_eq!(thread.join().unwrap(), "canceled");
    });
}

#[test]
fn a_cancel_before_run_is_kept() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let mut vcpu = real_mode(&vm);
        vcpu.handle().cancel();
        exits_with!(vcpu.run().unwrap(), Canceled);
        exits_with!(vcpu.run().unwrap(), Hlt(_hlt) {});
    });
}

#[test]
fn a_stale_handle_hits_nobody() {
    on_every_engine(|engine| {
        let vm = vm(engine, &[0xf4]);
        let first = real_mode(&vm);
        let handle = first.handle();
        drop(first);
        let mut second = real_mode(&vm);
        handle.cancel();
        assert!(!handle.is_alive());
        exits_with!(second.run().unwrap(), Hlt(_hlt) {});
    });
}

#[test]
fn a_paused_guest_stands_still_and_can_be_worked_on() {
    on_every_engine(|engine| {
        let (vm, thread) = spinning(engine);
        thread.pause();
        let stood = count(&vm);
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(count(&vm), stood);
        let state = thread.with(|vcpu| vcpu.save()).unwrap().unwrap();
        assert!(
            state
                .general
                .get("RIP")
                .is_some_and(|rip| (0x1000..0x1007).contains(&rip))
        );
        assert_eq!(count(&vm), stood, "work does not end the pause");
        thread.resume();
        let limit = Instant::now() + Duration::from_secs(10);
        while count(&vm) == stood && Instant::now() < limit {
            std::thread::yield_now();
        }
        assert_ne!(count(&vm), stood);
        let rax = thread.with(|vcpu| vcpu.read(reg::RAX)).unwrap();
        assert_eq!(rax, Ok(0));
        thread.cancel();
        assert_eq!(thread.join().unwrap(), "canceled");
    });
}

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
        assert!(count(&vm) > 0);
        assert!(vcpu.exec_time().unwrap() > Duration::ZERO);
    });
}

/// Kicks that are sent at any moment, to a vCPU that runs, is about to run, or is idle: each is answered, by the vCPU that it was meant
/// for. `XHV_KICKS` sets how many each of the two vCPUs gets: a million is the full test, and takes minutes.
#[test]
fn no_kick_is_lost_or_misdirected() {
    let wanted = std::env::var("XHV_KICKS").ok();
    let kicks = wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or(20_000);
    on_every_engine(|engine| {
        let vm = vm(engine, &COUNTER);
        let seen: [Arc<AtomicU64>; 2] = Default::default();
        let threads = seen.clone().map(|seen| {
            vm.spawn_vcpu(move |vcpu: &mut Vcpu| {
                vcpu.set_real_mode(0, 0x1000).unwrap();
                while seen.load(Ordering::SeqCst) < kicks {
                    match vcpu.run().unwrap() {
                        Exit::Canceled => seen.fetch_add(1, Ordering::SeqCst),
                        other => panic!("{other:?}"),
                    };
                }
            })
            .unwrap()
        });
        std::thread::scope(|scope| {
            for (thread, seen) in threads.iter().zip(&seen) {
                let handle = thread.handle();
                scope.spawn(move || {
                    for kick in 1..=kicks {
                        handle.cancel();
                        let limit = Instant::now() + Duration::from_secs(20);
                        while seen.load(Ordering::SeqCst) < kick {
                            assert!(Instant::now() < limit, "kick {kick} was lost");
                            std::hint::spin_loop();
                        }
                        assert_eq!(
                            seen.load(Ordering::SeqCst),
                            kick,
                            "a kick came twice, or to the wrong vCPU"
                        );
                    }
                });
            }
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}
