//! FSIN, FPATAN and the others: on x86 hosts the host's own instruction, elsewhere the host's `f64` functions.

use super::{INDEFINITE, State, status};
use crate::engine::software::float::{Flags, transcendental};

pub(crate) use crate::engine::software::float::Transcendental as Function;

impl State {
    /// Executes a transcendental instruction on ST(0) and, where it takes two operands, ST(1).
    pub(crate) fn transcendental(&mut self, function: Function) {
        let (two, pushes) = (function.two_operands(), function.pushes());
        if function.has_range() {
            self.status &= !status::C2;
        }
        if self.is_empty(0) || two && self.is_empty(1) || pushes && !self.is_empty(7) {
            let overflow = !self.is_empty(0) && !two;
            if self.stack_fault(overflow) {
                self.deliver(two, pushes, INDEFINITE, INDEFINITE);
            }
            return;
        }
        let answer = transcendental(function, self.get(0), self.get(1), self.control);
        if answer.flags.has(Flags::INVALID) && self.control & 1 == 0 {
            self.raise(answer.flags);
            return;
        }
        let done = self.raise(answer.flags);
        if answer.out_of_range {
            self.status |= status::C2;
        } else if done {
            self.deliver(two, pushes, answer.first, answer.second);
        }
    }

    /// `first` is what ends up in ST(0), `second` below it.
    fn deliver(&mut self, two: bool, pushes: bool, first: u128, second: u128) {
        if two {
            self.pop();
        }
        if pushes {
            self.set(0, second);
            self.top = self.top.wrapping_sub(1) & 7;
        }
        self.set(0, first);
    }
}
