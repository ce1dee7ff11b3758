//! VMSAv8-64 stage 1 translation for EL1 and EL0 (Arm DDI 0487, D8): what `access` and `blocks` ask on a TLB miss.

use super::cpu::{Cpu, regime};
use super::sysreg::Reg;
use crate::engine::software::memory::Rights;

/// What an access is, for translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
    Execute,
}

/// What the registers say about one half of the address space.
#[derive(Clone, Copy, Debug, Default)]
struct Half {
    ttbr: u64,
    /// Bits of a virtual address that are translated.
    input: u32,
    /// Bits of a page offset: 12, 14 or 16.
    grain: u32,
    disabled: bool,
    top_byte_ignored: bool,
    /// Hierarchical permissions are disabled.
    flat: bool,
}

/// What translation needs, kept ready.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Context {
    ipa_bits: u32,
    on: bool,
    halves: [Half; 2],
    /// Bits of an output address: the lesser of `TCR_EL1.IPS` and what the VM has.
    output: u32,
    write_implies_never_execute: bool,
    hardware_access: bool,
    hardware_dirty: bool,
    mair: u64,
    /// A page of the upper half that is not global is in the TLB.
    upper_by_asid: bool,
    /// Size of the largest leaf of each half that is in the TLB, in bits of an address.
    largest: [u32; 2],
}

impl Context {
    pub(crate) fn new(ipa_bits: u32) -> Self {
        Self {
            ipa_bits,
            ..Self::default()
        }
    }

    /// Whether tag bits of `va` are not part of the address.
    fn ignores_top_byte(&self, va: u64) -> bool {
        self.halves[(va >> 55 & 1) as usize].top_byte_ignored
    }

    /// `va` without its tag, where the top byte is ignored.
    pub(crate) fn untagged(&self, va: u64) -> u64 {
        if self.ignores_top_byte(va) {
            ((va << 8) as i64 >> 8) as u64
        } else {
            va
        }
    }
}

/// A successful translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Translation {
    /// Intermediate physical address.
    pub(crate) ipa: u64,
    /// What the page may be used for as it is now; write is off while a store has to set the dirty state first.
    pub(crate) rights: Rights,
    /// Device memory: accesses have to be aligned.
    pub(crate) device: bool,
    /// The byte of `MAIR_EL1`.
    pub(crate) attributes: u8,
    /// Bits \[9:8\] of the descriptor.
    pub(crate) shareability: u8,
    /// Tagged with an ASID.
    not_global: bool,
}

/// A failed translation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Fault status code, as in the DFSC field.
    pub(crate) status: u8,
    /// For a stage 2 fault on the walk: the address of the descriptor.
    pub(crate) walk: Option<u64>,
}

/// Fault status codes without their level.
pub(crate) mod status {
    pub(crate) const ADDRESS_SIZE: u8 = 0b00_0000;
    pub(crate) const TRANSLATION: u8 = 0b00_0100;
    pub(crate) const ACCESS_FLAG: u8 = 0b00_1000;
    pub(crate) const PERMISSION: u8 = 0b00_1100;
    pub(crate) const ALIGNMENT: u8 = 0b10_0001;
}

fn fault(kind: u8, level: u32) -> Fault {
    Fault {
        status: kind | level as u8,
        walk: None,
    }
}

/// Attributes collected on the way through tables.
#[derive(Clone, Copy, Default)]
struct Hierarchy {
    no_el0: bool,
    read_only: bool,
    uxn: bool,
    pxn: bool,
}

/// A leaf descriptor with where it came from.
struct Leaf {
    descriptor: u64,
    at: u64,
    level: u32,
    hierarchy: Hierarchy,
}

impl Cpu {
    /// Derives [`Cpu::context`] from the registers that decide about translation, and drops what was translated before.
    pub(crate) fn update_context(&mut self) {
        let (tcr, sctlr) = (self.sys[Reg::TCR_EL1], self.sys[Reg::SCTLR_EL1]);
        let output = match tcr >> 32 & 7 {
            0 => 32,
            1 => 36,
            2 => 40,
            3 => 42,
            4 => 44,
            _ => 48,
        };
        let half = |ttbr, size: u64, grain, epd: u32, tbi: u32, hpd: u32| Half {
            ttbr,
            input: 64 - (size & 63).clamp(16, 39) as u32,
            grain,
            disabled: tcr >> epd & 1 != 0,
            top_byte_ignored: tcr >> tbi & 1 != 0,
            flat: tcr >> hpd & 1 != 0,
        };
        let grain0 = [12, 16, 14, 12][(tcr >> 14 & 3) as usize];
        let grain1 = [12, 14, 12, 16][(tcr >> 30 & 3) as usize];
        let ipa_bits = self.context.ipa_bits;
        self.context = Context {
            ipa_bits,
            on: sctlr & 1 != 0,
            halves: [
                half(self.sys[Reg::TTBR0_EL1], tcr, grain0, 7, 37, 41),
                half(self.sys[Reg::TTBR1_EL1], tcr >> 16, grain1, 23, 38, 42),
            ],
            output: ipa_bits.min(output),
            write_implies_never_execute: sctlr & (1 << 19) != 0,
            hardware_access: tcr >> 39 & 1 != 0,
            hardware_dirty: tcr >> 39 & 3 == 3,
            mair: self.sys[Reg::MAIR_EL1],
            upper_by_asid: false,
            largest: [0; 2],
        };
        self.translation_changed();
        self.update_mode();
    }

    /// A TTBR was written: only what depends on it, or on the ASID in it, is dropped.
    pub(crate) fn table_base_changed(&mut self, upper: bool, value: u64) {
        let by_asid = self.context.upper_by_asid;
        self.context.halves[usize::from(upper)].ttbr = value;
        if upper || by_asid {
            self.translation_changed();
            self.context.upper_by_asid = false;
            return;
        }
        self.view.flush_pages(|va| va >> 55 & 1 == 0);
        self.generation[0] = self.generation[0].wrapping_add(1);
        self.update_keys();
    }

    /// Forgets what is known about the leaf that holds `va`; its size is not known any more.
    pub(crate) fn flush_address(&mut self, va: u64) {
        let bits = self.context.largest[(va >> 55 & 1) as usize];
        if bits <= 12 {
            self.view.flush_page(0, va);
            return;
        }
        // Tags of TLB entries may carry an address tag.
        let gone = |tag: u64| (tag ^ va) << 8 >> 8 >> bits == 0;
        self.view.flush_pages(gone);
    }

    /// Translates `va` for a data access or fetch in `regime`.
    ///
    /// `update` lets it set the access flag and dirty state in the tables where the hardware manages them.
    pub(crate) fn translate(
        &mut self,
        va: u64,
        access: Access,
        regime: u8,
        update: bool,
    ) -> Result<Translation, Fault> {
        let context = &self.context;
        if !context.on {
            return untranslated(context, va);
        }
        let leaf = self.walk(va)?;
        let level = leaf.level;
        let found = self.permitted(va, &leaf, access, regime, update)?;
        let half = &self.context.halves[(va >> 55 & 1) as usize];
        let shift = half.grain + (3 - level) * (half.grain - 3);
        let offset = (1_u64 << shift) - 1;
        let ipa = leaf.descriptor & 0xffff_ffff_f000 & !offset | va & offset;
        let upper = (va >> 55 & 1) as usize;
        self.context.upper_by_asid |= found.not_global && upper != 0;
        let largest = &mut self.context.largest[upper];
        *largest = shift.max(*largest);
        Ok(Translation { ipa, ..found })
    }

    /// Walks the tables to the leaf for `va`.
    fn walk(&self, va: u64) -> Result<Leaf, Fault> {
        let context = &self.context;
        let half = &context.halves[(va >> 55 & 1) as usize];
        let sign = 0_u64.wrapping_sub(va >> 55 & 1);
        let top = if half.top_byte_ignored { 55 } else { 63 };
        let above = (va ^ sign) << (63 - top) >> (63 - top) >> half.input;
        if above != 0 || half.disabled {
            return Err(fault(status::TRANSLATION, 0));
        }
        let (grain, stride) = (half.grain, half.grain - 3);
        let mut level = 4 - (half.input - grain).div_ceil(stride);
        let mut shift = grain + (3 - level) * stride;
        let size_mask = (1_u64 << (half.input - shift + 3)) - 1;
        let mut table = half.ttbr & 0xffff_ffff_fffe & !size_mask;
        if table >> context.output != 0 {
            return Err(fault(status::ADDRESS_SIZE, 0));
        }
        let mut index = (va & (!0 >> (64 - half.input))) >> shift;
        let mut hierarchy = Hierarchy::default();
        loop {
            let at = table + index * 8;
            let descriptor = self.view.load_physical::<u64>(at).map_err(|_| Fault {
                status: status::TRANSLATION | 3,
                walk: Some(at),
            })?;
            let is_leaf = level == 3 || descriptor & 2 == 0;
            let block_allowed = level == 2 || (level == 1 && grain == 12);
            if descriptor & 1 == 0
                || (level == 3 && descriptor & 2 == 0)
                || (level < 3 && is_leaf && !block_allowed)
            {
                return Err(fault(status::TRANSLATION, level));
            }
            let output = descriptor & 0xffff_ffff_f000 & !((1 << grain) - 1);
            if output >> context.output != 0 {
                return Err(fault(status::ADDRESS_SIZE, level));
            }
            if is_leaf {
                return Ok(Leaf {
                    descriptor,
                    at,
                    level,
                    hierarchy,
                });
            }
            if !half.flat {
                hierarchy.no_el0 |= descriptor >> 61 & 1 != 0;
                hierarchy.read_only |= descriptor >> 62 & 1 != 0;
                hierarchy.uxn |= descriptor >> 60 & 1 != 0;
                hierarchy.pxn |= descriptor >> 59 & 1 != 0;
            }
            table = output;
            level += 1;
            shift -= stride;
            index = va >> shift & ((1 << stride) - 1);
        }
    }

    /// Checks access flag and permissions of a leaf, and updates it where the hardware does.
    fn permitted(
        &self,
        va: u64,
        leaf: &Leaf,
        access: Access,
        regime: u8,
        update: bool,
    ) -> Result<Translation, Fault> {
        let context = &self.context;
        let (descriptor, level, above) = (leaf.descriptor, leaf.level, leaf.hierarchy);
        if descriptor >> 10 & 1 == 0 && !context.hardware_access {
            return Err(fault(status::ACCESS_FLAG, level));
        }
        let managed = context.hardware_dirty && descriptor >> 51 & 1 != 0;
        let clean = descriptor >> 7 & 1 != 0;
        let writable = (!clean || managed) && !above.read_only;
        let el0 = descriptor >> 6 & 1 != 0 && !above.no_el0;
        let never = if regime == regime::EL0 {
            descriptor >> 54 & 1 != 0 || above.uxn
        } else {
            descriptor >> 53 & 1 != 0 || above.pxn || (el0 && writable)
        };
        let data = match regime {
            regime::EL0 => el0,
            regime::EL1_PAN => !el0,
            _ => true,
        };
        let can_write = writable && (regime != regime::EL0 || el0);
        let wxn = context.write_implies_never_execute && can_write;
        let execute = !never && !wxn;
        let allowed = match access {
            Access::Read => data,
            Access::Write => data && writable,
            Access::Execute => execute,
        };
        if !allowed {
            return Err(fault(status::PERMISSION, level));
        }
        let dirties = access == Access::Write && clean && managed;
        let wanted = 1 << 10 | if dirties { 0 } else { descriptor & 1 << 7 };
        if update && descriptor & (1 << 10 | 1 << 7) != wanted {
            self.update_descriptor(leaf, wanted)?;
        }
        let attributes = (context.mair >> ((descriptor >> 2 & 7) * 8)) as u8;
        Ok(Translation {
            ipa: va,
            rights: Rights {
                read: data,
                write: data && writable && (!clean || dirties),
                execute: false,
            },
            device: attributes & 0xf0 == 0,
            attributes,
            shareability: (descriptor >> 8 & 3) as u8,
            not_global: descriptor >> 11 & 1 != 0,
        })
    }

    /// Sets the access flag and the dirty state (`AP[2]`), unless the descriptor has changed meanwhile: then the next walk will.
    fn update_descriptor(&self, leaf: &Leaf, wanted: u64) -> Result<(), Fault> {
        let new = leaf.descriptor & !(1 << 7) | wanted;
        let change = |now: u64| if now == leaf.descriptor { new } else { now };
        self.view
            .update_physical(leaf.at, change)
            .map(|_| ())
            .map_err(|_| Fault {
                status: status::PERMISSION | 3,
                walk: Some(leaf.at),
            })
    }
}

/// With stage 1 off: the address is what it is, data is Device-nGnRnE.
fn untranslated(context: &Context, va: u64) -> Result<Translation, Fault> {
    let va = context.untagged(va);
    if va >> context.ipa_bits != 0 {
        return Err(fault(status::ADDRESS_SIZE, 0));
    }
    Ok(Translation {
        ipa: va,
        rights: Rights {
            read: true,
            write: true,
            execute: false,
        },
        device: true,
        attributes: 0,
        shareability: 2,
        not_global: false,
    })
}
