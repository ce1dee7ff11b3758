//! The local APIC's timer: one-shot, periodic, TSC deadline (Intel SDM vol. 3, 12.5.4). Times are in nanoseconds of the vCPU's clock.

const NANOSECONDS: u128 = 1_000_000_000;

/// What the LVT's timer mode says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mode {
    #[default]
    OneShot,
    Periodic,
    TscDeadline,
}

/// The timer.
#[derive(Clone, Debug)]
pub(crate) struct Timer {
    bus_hz: u64,
    mode: Mode,
    initial: u32,
    /// The divide configuration register.
    divide: u32,
    /// When the count in `from` was so.
    start: u64,
    from: u32,
    /// When it fires next.
    end: Option<u64>,
    /// IA32_TSC_DEADLINE as written.
    deadline: u64,
}

impl Timer {
    pub(crate) fn new(bus_hz: u64) -> Self {
        Self {
            bus_hz: bus_hz.max(1),
            mode: Mode::OneShot,
            initial: 0,
            divide: 0,
            start: 0,
            from: 0,
            end: None,
            deadline: 0,
        }
    }

    pub(crate) fn bus_hz(&self) -> u64 {
        self.bus_hz
    }

    pub(crate) fn initial(&self) -> u32 {
        self.initial
    }

    pub(crate) fn divide(&self) -> u32 {
        self.divide
    }

    /// IA32_TSC_DEADLINE: zero once it has fired.
    pub(crate) fn deadline(&self) -> u64 {
        self.deadline
    }

    fn divisor(&self) -> u32 {
        match self.divide & 3 | self.divide >> 1 & 4 {
            7 => 1,
            n => 2 << n,
        }
    }

    fn duration(&self, counts: u32) -> u64 {
        let ticks = u128::from(counts) * u128::from(self.divisor());
        u64::try_from(ticks * NANOSECONDS / u128::from(self.bus_hz)).unwrap_or(u64::MAX)
    }

    /// The count at `now`.
    pub(crate) fn current(&self, now: u64) -> u32 {
        let Some(end) = self.end.filter(|_| self.mode != Mode::TscDeadline) else {
            return 0;
        };
        let left = u128::from(end.saturating_sub(now)) * u128::from(self.bus_hz);
        let counts = left.div_ceil(NANOSECONDS * u128::from(self.divisor()));
        u32::try_from(counts)
            .unwrap_or(u32::MAX)
            .min(self.from.max(self.initial))
    }

    fn run(&mut self, counts: u32, now: u64) {
        self.start = now;
        self.from = counts;
        self.end = (counts != 0).then(|| now.saturating_add(self.duration(counts).max(1)));
    }

    /// A write of the initial count starts the timer; 0 stops it.
    pub(crate) fn start(&mut self, initial: u32, now: u64) {
        if self.mode == Mode::TscDeadline {
            return;
        }
        self.initial = initial;
        self.run(initial, now);
    }

    /// A write of the divide configuration: the count goes on from where it is.
    pub(crate) fn set_divide(&mut self, divide: u32, now: u64) {
        let left = self.current(now);
        self.divide = divide & 0xb;
        if self.end.is_some() && self.mode != Mode::TscDeadline {
            self.run(left, now);
        }
    }

    /// The timer mode of the LVT entry: 0 one-shot, 1 periodic, 2 TSC deadline.
    pub(crate) fn set_mode(&mut self, mode: u32, now: u64) {
        let mode = match mode {
            1 => Mode::Periodic,
            2 => Mode::TscDeadline,
            _ => Mode::OneShot,
        };
        let deadline = |mode| mode == Mode::TscDeadline;
        if deadline(mode) != deadline(self.mode) {
            // Going to or from TSC deadline disarms the timer.
            self.run(0, now);
            self.initial = 0;
            self.deadline = 0;
        }
        self.mode = mode;
    }

    /// A write of IA32_TSC_DEADLINE. `at`: when the TSC reaches it, on the vCPU's clock.
    pub(crate) fn set_deadline(&mut self, deadline: u64, at: u64) {
        if self.mode == Mode::TscDeadline {
            self.deadline = deadline;
            self.end = (deadline != 0).then_some(at);
        }
    }

    /// When it fires next.
    pub(crate) fn next(&self) -> Option<u64> {
        self.end
    }

    /// Lets it run up to `now`; answers whether it fired.
    pub(crate) fn advance(&mut self, now: u64) -> bool {
        let Some(end) = self.end.filter(|&end| end <= now) else {
            return false;
        };
        match self.mode {
            Mode::Periodic if self.initial != 0 => {
                let period = self.duration(self.initial).max(1);
                // Periods that nobody looked at are one interrupt.
                let missed = (now - end) / period;
                self.start = end.saturating_add(missed * period);
                self.from = self.initial;
                self.end = Some(self.start.saturating_add(period));
            }
            _ => {
                self.end = None;
                self.deadline = 0;
            }
        }
        true
    }

    /// What a snapshot has: initial count, divide configuration, current count, TSC deadline.
    pub(crate) fn restore(&mut self, counts: [u32; 3], deadline: u64, at: u64, now: u64) {
        let [initial, divide, current] = counts;
        self.initial = initial;
        self.divide = divide & 0xb;
        if self.mode == Mode::TscDeadline {
            self.set_deadline(deadline, at);
        } else {
            self.run(current, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_shot_counts_down_and_fires_once() {
        let mut timer = Timer::new(1_000_000_000);
        timer.set_divide(0b1011, 0); // by 1
        timer.start(1000, 0);
        assert_eq!(
            (timer.current(0), timer.current(400), timer.next()),
            (1000, 600, Some(1000))
        );
        assert!(!timer.advance(999));
        assert!(timer.advance(1000));
        assert_eq!((timer.current(1000), timer.next()), (0, None));
        assert!(!timer.advance(5000));
    }

    #[test]
    fn dividers() {
        for (value, divisor) in [
            (0, 2),
            (1, 4),
            (2, 8),
            (3, 16),
            (8, 32),
            (9, 64),
            (10, 128),
            (11, 1),
        ] {
            let mut timer = Timer::new(1_000_000_000);
            timer.set_divide(value, 0);
            timer.start(10, 0);
            assert_eq!(timer.next(), Some(10 * divisor), "{value}");
        }
    }

    #[test]
    fn periodic_fires_on_and_keeps_its_phase() {
        let mut timer = Timer::new(500_000_000);
        timer.set_divide(11, 0);
        timer.set_mode(1, 0);
        timer.start(100, 0);
        assert!(timer.advance(200));
        assert_eq!(timer.next(), Some(400));
        assert!(timer.advance(1050));
        assert_eq!(timer.next(), Some(1200));
        timer.start(0, 1100);
        assert!(!timer.advance(9000));
    }

    #[test]
    fn tsc_deadline() {
        let mut timer = Timer::new(1);
        timer.set_deadline(500, 500);
        assert_eq!(timer.next(), None, "in another mode");
        timer.set_mode(2, 0);
        timer.set_deadline(500, 450);
        assert_eq!((timer.deadline(), timer.next()), (500, Some(450)));
        assert!(timer.advance(450));
        assert_eq!(timer.deadline(), 0);
        timer.set_deadline(900, 900);
        timer.set_mode(0, 600);
        assert_eq!(timer.next(), None);
    }
}
