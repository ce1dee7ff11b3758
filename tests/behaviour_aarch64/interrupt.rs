//! Timer, interrupt lines, waiting, and cancels from other threads.

use std::time::{Duration, Instant};

use xhv::aarch64::{Exit, Interrupt};

use crate::guest::{RAM, load, on_every_engine, reset, start, vm};

const TIMER: [u32; 12] = [
    0x1000_4000, // adr x0, vectors
    0xd518_c000, // msr vbar_el1, x0
    0xd53b_e041, // mrs x1, cntvct_el0
    0xd28b_b802, // mov x2, #24000
    0x8b02_0021, // add x1, x1, x2
    0xd51b_e341, // msr cntv_cval_el0, x1
    0xd280_0023, // mov x3, #1
    0xd51b_e323, // msr cntv_ctl_el0, x3
    0xd503_42ff, // msr daifclr, #2
    0xd503_207f, // again: wfi
    0xb4ff_fff4, // cbz x20, again
    0xd400_0062, // hvc #3
];
const TIMER_HANDLER: [u32; 5] = [
    0xd280_0034, // mov x20, #1
    0xd280_0055, // mov x21, #2
    0xd51b_e335, // msr cntv_ctl_el0, x21
    0xd400_00c2, // hvc #6: end of interrupt, as there is no controller to write to
    0xd69f_03e0, // eret
];

#[test]
fn the_timer_interrupts_a_guest_that_waits() {
    on_every_engine(|engine| {
        let (mut vcpu, memory) = start(engine, &TIMER);
        load(&memory, 0xa80, &TIMER_HANDLER);
        let begin = Instant::now();
        let mut fired = 0;
        loop {
            match vcpu.run().unwrap() {
                Exit::Wfx(wait) => {
                    let left = wait.timeout().unwrap();
                    assert!(left.is_none_or(|left| left <= Duration::from_millis(1)));
                    wait.wait(Duration::from_secs(10)).unwrap();
                }
                Exit::VtimerActivated => {
                    fired += 1;
                    assert!(vcpu.vtimer_mask().unwrap());
                }
                Exit::Hvc(call) if call.immediate() == 6 => {}
                Exit::Hvc(call) => break assert_eq!(call.immediate(), 3),
                other => panic!("{other:?}"),
            }
            let level = vcpu.vtimer_line().unwrap();
            vcpu.set_interrupt_line(Interrupt::Irq, level);
        }
        assert_eq!(fired, 1);
        // The guest has quieted it: it is unmasked for the next time.
        assert!(!vcpu.vtimer_line().unwrap());
        assert!(!vcpu.vtimer_mask().unwrap());
        assert!(begin.elapsed() < Duration::from_secs(5));
        assert!(begin.elapsed() >= Duration::from_millis(1));
    });
}

#[test]
fn a_pending_interrupt_counts_for_one_run() {
    on_every_engine(|engine| {
        let (mut vcpu, _memory) = start(engine, &[0xd400_0002, 0xd400_0002]); // hvc #0; hvc #0
        vcpu.set_pending_interrupt(Interrupt::Fiq, true).unwrap();
        assert!(vcpu.pending_interrupt(Interrupt::Fiq).unwrap());
        assert!(!vcpu.pending_interrupt(Interrupt::Irq).unwrap());
        assert!(matches!(vcpu.run().unwrap(), Exit::Hvc(_)));
        assert!(!vcpu.pending_interrupt(Interrupt::Fiq).unwrap());
    });
}

#[test]
fn interrupts_go_to_their_own_vectors() {
    // IRQ and FIQ are not to be mixed up.
    for (line, vector) in [(Interrupt::Irq, 0x280), (Interrupt::Fiq, 0x300)] {
        on_every_engine(|engine| {
            let (mut vcpu, memory) = start(
                engine,
                &[
                    0x1000_4000, // adr x0, vectors
                    0xd518_c000, // msr vbar_el1, x0
                    0xd503_43ff, // msr daifclr, #3
                    0x1400_0000, // b .
                ],
            );
            load(&memory, 0x800 + vector, &[0xd400_00a2]); // hvc #5
            vcpu.set_interrupt_line(line, true);
            match vcpu.run().unwrap() {
                Exit::Hvc(call) => assert_eq!(call.immediate(), 5),
                other => panic!("{other:?}"),
            }
            let pc = vcpu.read(xhv::aarch64::reg::PC).unwrap();
            assert_eq!(pc, RAM + 0x800 + vector + 4);
        });
    }
}

#[test]
fn a_cancel_wakes_a_guest_that_waits_for_ever() {
    on_every_engine(|engine| {
        let (vm, _memory) = vm(engine, &[0xd503_207f, 0x17ff_ffff]); // wfi; b -4
        let thread = vm
            .spawn_vcpu(|vcpu| {
                reset(vcpu);
                loop {
                    match vcpu.run().unwrap() {
                        Exit::Wfx(wait) => wait.wait(Duration::from_secs(60)).unwrap(),
                        Exit::Canceled => return,
                        other => panic!("{other:?}"),
                    }
                }
            })
            .unwrap();
        std::thread::sleep(Duration::from_millis(20));
        let begin = Instant::now();
        thread.cancel();
        thread.join().unwrap();
        assert!(begin.elapsed() < Duration::from_secs(10));
    });
}
