//! vCPUs and other threads: cancel, pause, work, handles of vCPUs that are gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use xhv::{Engine, Gpa};

use super::guest::*;
use crate::Stop;

const PATIENCE: Duration = Duration::from_secs(20);

fn count(vm: &Vm) -> u32 {
    vm.read_value(Gpa(COUNTER)).unwrap()
}

/// Waits until the guest has counted beyond `than`.
#[track_caller]
fn counts_on(vm: &Vm, than: u32) {
    let limit = Instant::now() + PATIENCE;
    while count(vm) <= than {
        assert!(Instant::now() < limit, "the guest stands still");
        std::thread::yield_now();
    }
}

/// A guest that counts until somebody cancels it.
fn counting(engine: Engine) -> (Vm, xhv::VcpuThread<Vcpu, Stop>) {
    let vm = vm(engine, COUNT);
    let thread = vm
        .spawn_vcpu(|vcpu| {
            start(vcpu);
            next(vcpu)
        })
        .unwrap();
    counts_on(&vm, 100);
    (vm, thread)
}

#[test]
fn a_running_guest_is_canceled() {
    on_every_engine(|engine| {
        let (_vm, thread) = counting(engine);
        let handle = thread.handle();
        thread.cancel();
        assert_eq!(thread.join().unwrap(), Stop::Canceled);
        assert!(!handle.is_alive());
        handle.cancel();
    });
}

#[test]
fn a_cancel_before_run_is_kept_and_counts_once() {
    on_every_engine(|engine| {
        let vm = vm(engine, NOTHING);
        let mut vcpu = vcpu(&vm);
        vcpu.handle().cancel();
        vcpu.handle().cancel();
        assert_eq!(next(&mut vcpu), Stop::Canceled);
        assert_eq!(next(&mut vcpu), Stop::End);
    });
}

#[test]
fn a_stale_handle_hits_nobody() {
    on_every_engine(|engine| {
        let vm = vm(engine, NOTHING);
        let first = vcpu(&vm);
        let (handle, id) = (first.handle(), first.id());
        drop(first);
        let mut second = vcpu(&vm);
        assert_eq!(second.id(), id, "numbers are used again");
        handle.cancel();
        assert!(!handle.is_alive());
        assert_eq!(next(&mut second), Stop::End);
    });
}

#[test]
fn a_paused_guest_stands_still_and_can_be_worked_on() {
    on_every_engine(|engine| {
        let (vm, thread) = counting(engine);
        thread.pause();
        let stood = count(&vm);
        std::thread::sleep(Duration::from_millis(10));
        assert_eq!(count(&vm), stood);
        let state = thread.with(|vcpu| vcpu.save()).unwrap().unwrap();
        let place = state.general.get(PLACE.name()).unwrap() as u64;
        assert!((CODE..CODE + COUNT.len() as u64).contains(&place));
        assert_eq!(count(&vm), stood, "work does not end the pause");
        thread.resume();
        counts_on(&vm, stood);
        // Work on a guest that runs.
        let place = thread.with(|vcpu| vcpu.read(PLACE)).unwrap().unwrap();
        assert!((CODE..CODE + COUNT.len() as u64).contains(&place));
        thread.cancel();
        assert_eq!(thread.join().unwrap(), Stop::Canceled);
    });
}

/// How many kicks each of two vCPUs gets: a million, by `XHV_KICKS`, is the full test, and takes minutes.
fn kicks() -> u64 {
    let wanted = std::env::var("XHV_KICKS").ok();
    wanted
        .and_then(|number| number.parse().ok())
        .unwrap_or(20_000)
}

/// Kicks two vCPUs at any moment, one kick after the other: each is answered, by the vCPU that it was meant for.
fn kick(vm: &Vm, kicks: u64) {
    let seen: [Arc<AtomicU64>; 2] = Default::default();
    let threads = seen.clone().map(|seen| {
        vm.spawn_vcpu(move |vcpu: &mut Vcpu| {
            start(vcpu);
            while seen.load(Ordering::SeqCst) < kicks {
                assert_eq!(next(vcpu), Stop::Canceled);
                seen.fetch_add(1, Ordering::SeqCst);
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
                    let limit = Instant::now() + PATIENCE;
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
}

/// vCPUs that run or are about to.
#[test]
fn no_kick_is_lost_or_misdirected() {
    on_every_engine(|engine| kick(&vm(engine, COUNT), kicks()));
}

/// vCPUs that wait inside of the engine for an interrupt that never comes.
#[test]
fn no_kick_of_an_idle_vcpu_is_lost_or_misdirected() {
    on_every_engine(|engine| {
        if let Some(vm) = waiting(engine) {
            kick(&vm, kicks() / 10);
        }
    });
}
