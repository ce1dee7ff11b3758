//! Whether a vCPU can be entered: the VM-entry rules of Intel SDM vol. 3, 28.2 and 28.3, each with a name and words.
//!
//! `controls` has the rules about control fields, `guest` and `segments` those about guest state, `field` the numbers. The rules
//! read a VMCS through [`Fields`], so that they explain a refused entry on every engine; the software engine enters by them.

mod controls;
pub(crate) mod field;
mod guest;
mod rule;
mod segments;

pub use rule::Rule;

/// A VMCS that can be read by field encoding.
pub(crate) trait Fields {
    /// The value of a field, zero-extended; zero for what cannot be read.
    fn get(&self, field: u32) -> u64;

    /// The task priority in the virtual-APIC page, where the engine can tell.
    fn virtual_tpr(&self) -> Option<u64> {
        None
    }
}

/// What the CPU allows: VMX capability words (allowed-1 in the high half, required bits in the low half) and widths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    pub(crate) pin: u64,
    pub(crate) primary: u64,
    pub(crate) secondary: u64,
    pub(crate) exit: u64,
    pub(crate) entry: u64,
    pub(crate) basic: u64,
    pub(crate) misc: u64,
    pub(crate) cr0_fixed0: u64,
    pub(crate) cr0_fixed1: u64,
    pub(crate) cr4_fixed0: u64,
    pub(crate) cr4_fixed1: u64,
    /// Bits of IA32_DEBUGCTL that exist.
    pub(crate) debugctl: u64,
    /// Bits of a physical address.
    pub(crate) physical_width: u8,
    /// Bits of a linear address.
    pub(crate) linear_width: u8,
}

/// Whether a broken rule makes the entry instruction fail, or the entry itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The run call fails: `HV_ERROR`, VM-instruction error 7.
    Control,
    /// The run call succeeds with exit reason 0x80000021.
    Guest,
}

/// A VM-entry rule that the state of a vCPU breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The rule.
    pub rule: Rule,
    /// What its breach leads to.
    pub stage: Stage,
    /// The exit qualification that the CPU gives for it.
    pub qualification: u64,
    /// Encoding of the VMCS field that breaks it.
    pub field: u32,
    /// The value of that field.
    pub value: u64,
}

impl core::fmt::Display for Violation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let Self {
            rule, field, value, ..
        } = self;
        write!(f, "{rule} (VMCS field {field:#06x} is {value:#x})")
    }
}

/// Every rule that is broken, in the order in which a CPU looks at them.
pub(crate) fn check(fields: &impl Fields, limits: &Limits) -> Vec<Violation> {
    let mut check = Check::new(fields, limits);
    check.controls();
    check.stage = Stage::Guest;
    check.guest();
    check.found
}

/// The rules that depend on nothing but RIP, RFLAGS, activity, interruptibility and the event to inject.
#[cfg_attr(not(feature = "software"), allow(dead_code))]
pub(crate) fn check_volatile(fields: &impl Fields, limits: &Limits) -> Vec<Violation> {
    let mut check = Check::new(fields, limits);
    check.event();
    check.stage = Stage::Guest;
    check.flow();
    check.found
}

struct Check<'a, F> {
    fields: &'a F,
    limits: &'a Limits,
    stage: Stage,
    found: Vec<Violation>,
}

impl<'a, F: Fields> Check<'a, F> {
    fn new(fields: &'a F, limits: &'a Limits) -> Self {
        Self {
            fields,
            limits,
            stage: Stage::Control,
            found: Vec::new(),
        }
    }

    // Inlined with what they call, a field that is known is one load: some of the rules are checked at every entry.
    #[inline(always)]
    fn get(&self, field: u32) -> u64 {
        self.fields.get(field)
    }

    #[inline(always)]
    fn get32(&self, field: u32) -> u32 {
        self.fields.get(field) as u32
    }

    /// Notes that `field` breaks `rule`, unless `kept`.
    #[inline(always)]
    fn need(&mut self, kept: bool, rule: Rule, field: u32) {
        self.need_or(kept, rule, field, 0);
    }

    #[inline(always)]
    fn need_or(&mut self, kept: bool, rule: Rule, field: u32, qualification: u64) {
        if !kept {
            self.broken(rule, field, qualification);
        }
    }

    #[cold]
    #[inline(never)]
    fn broken(&mut self, rule: Rule, field: u32, qualification: u64) {
        let value = self.get(field);
        self.found.push(Violation {
            rule,
            stage: self.stage,
            qualification,
            field,
            value,
        });
    }

    fn canonical(&self, address: u64) -> bool {
        let unused = 64 - u32::from(self.limits.linear_width);
        ((address << unused) as i64 >> unused) as u64 == address
    }

    fn physical(&self, address: u64) -> bool {
        address >> self.limits.physical_width == 0
    }
}

#[cfg(test)]
mod tests;
