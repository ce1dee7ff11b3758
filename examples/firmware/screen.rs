//! The text screen in the memory of a colour display: what a program has written there, without any display.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use xhv::x86_64::Vm;
use xhv::{Error, Gpa, VcpuHandle};

const TEXT: Gpa = Gpa(0xb_8000);
const COLUMNS: usize = 80;
const LINES: usize = 25;

/// What stands on the screen, a line each, without what is blank behind it. Characters outside of ASCII are dots.
///
/// # Errors
/// If there is no memory where the screen is.
pub fn text(vm: &Vm) -> Result<String, Error> {
    let mut cells = [0; 2 * COLUMNS * LINES];
    vm.read(TEXT, &mut cells)?;
    let lines = cells.chunks(2 * COLUMNS).map(|line| {
        let line: String = line.chunks(2).map(|cell| printable(cell[0])).collect();
        line.trim_end().to_owned() + "\n"
    });
    Ok(lines.collect())
}

fn printable(character: u8) -> char {
    match character {
        0 => ' ',
        0x20..=0x7e => character.into(),
        _ => '.',
    }
}

/// A text that is waited for.
#[derive(Clone)]
pub struct Wanted(Arc<AtomicBool>);

impl Wanted {
    /// Looks for `text` from a thread of its own, and cancels the vCPU when it is there.
    pub fn watch(vm: Vm, vcpu: VcpuHandle, wanted: String) -> Self {
        /// How often it looks.
        const PAUSE: Duration = Duration::from_millis(50);
        let found = Self(Arc::default());
        let answer = found.clone();
        thread::spawn(move || {
            while vcpu.is_alive() {
                if text(&vm).is_ok_and(|screen| screen.contains(&wanted)) {
                    found.0.store(true, Ordering::Relaxed);
                    vcpu.cancel();
                    return;
                }
                thread::sleep(PAUSE);
            }
        });
        answer
    }

    /// Whether it was found.
    pub fn found(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
