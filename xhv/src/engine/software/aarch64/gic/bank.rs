//! 32 interrupts of a GIC: what they are set to and what they are doing.

/// 32 interrupts, a bit each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bank {
    pub(super) enabled: u32,
    /// Made pending by an edge, a write or an SGI.
    pub(super) pending: u32,
    /// Level of the lines.
    pub(super) line: u32,
    pub(super) active: u32,
    /// Edge-triggered, not level-sensitive.
    pub(super) edge: u32,
    pub(super) group1: u32,
    pub(super) priorities: [u8; 32],
}

impl Default for Bank {
    fn default() -> Self {
        Self {
            enabled: 0,
            pending: 0,
            line: 0,
            active: 0,
            edge: 0,
            group1: !0,
            priorities: [0; 32],
        }
    }
}

impl Bank {
    /// Of a vCPU: SGIs are edge-triggered.
    pub(super) fn private() -> Self {
        Self {
            edge: 0xffff,
            ..Self::default()
        }
    }

    /// Which are pending.
    pub(super) fn pends(&self) -> u32 {
        self.pending | self.line & !self.edge
    }

    /// Which are pending, enabled and not active.
    pub(super) fn ready(&self) -> u32 {
        self.pends() & self.enabled & !self.active
    }

    /// Changes the level of a line; a rising edge makes an edge-triggered interrupt pending.
    pub(super) fn set_line(&mut self, bit: u32, level: bool) {
        let mask = 1 << bit;
        if level {
            self.pending |= mask & self.edge;
            self.line |= mask;
        } else {
            self.line &= !mask;
        }
    }
}
