//! The x87 environment in memory: FNSTENV, FLDENV, FNSAVE, FRSTOR in their four layouts (Intel SDM vol. 1, 8.1.10).

use super::State;

/// Layout of the environment: operand size and whether addresses are those of real mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// 32-bit operand size.
    pub(crate) wide: bool,
    /// Real or virtual-8086 mode: linear addresses in place of selector and offset.
    pub(crate) real: bool,
}

impl Layout {
    /// Bytes of the environment.
    pub(crate) const fn size(self) -> usize {
        if self.wide { 28 } else { 14 }
    }
}

impl State {
    /// The seven fields of the environment, in order.
    fn fields(&self, real: bool) -> [u32; 7] {
        let words = [self.control, self.status_word(), self.tag_word()].map(u32::from);
        let [control, status, tags] = words;
        if !real {
            let opcode = u32::from(self.opcode & 0x7ff) << 16;
            // FCS and FDS are deprecated: 0.
            return [
                control,
                status,
                tags,
                self.ip as u32,
                opcode,
                self.dp as u32,
                0,
            ];
        }
        let ip = (u32::from(self.cs) << 4).wrapping_add(self.ip as u32);
        let dp = (u32::from(self.ds) << 4).wrapping_add(self.dp as u32);
        let high = (ip >> 16) << 12 | u32::from(self.opcode & 0x7ff);
        [
            control,
            status,
            tags,
            ip & 0xffff,
            high,
            dp & 0xffff,
            (dp >> 16) << 12,
        ]
    }

    /// The environment's image; the first [`Layout::size`] bytes count.
    pub(crate) fn environment(&self, layout: Layout) -> [u8; 28] {
        let mut image = [0; 28];
        for (n, mut field) in self.fields(layout.real).into_iter().enumerate() {
            if !layout.wide {
                image[2 * n..2 * n + 2].copy_from_slice(&(field as u16).to_le_bytes());
                continue;
            }
            // Reserved halves read as ones.
            if n < 3 || n == 6 && !layout.real {
                field |= 0xffff_0000;
            }
            image[4 * n..4 * n + 4].copy_from_slice(&field.to_le_bytes());
        }
        image
    }

    /// Takes an environment.
    pub(crate) fn set_environment(&mut self, image: &[u8; 28], layout: Layout) {
        let field = |n: usize| {
            let at = n * if layout.wide { 4 } else { 2 };
            let low = u32::from(u16::from_le_bytes([image[at], image[at + 1]]));
            if layout.wide {
                low | u32::from(u16::from_le_bytes([image[at + 2], image[at + 3]])) << 16
            } else {
                low
            }
        };
        self.set_control(field(0) as u16);
        self.set_status_word(field(1) as u16);
        self.set_tag_word(field(2) as u16);
        (self.cs, self.ds) = (0, 0);
        if layout.real {
            self.opcode = field(4) as u16 & 0x7ff;
            self.ip = u64::from(field(3) & 0xffff | field(4) >> 12 << 16);
            self.dp = u64::from(field(5) & 0xffff | field(6) >> 12 << 16);
        } else {
            (self.ip, self.dp) = (field(3).into(), field(5).into());
            if layout.wide {
                self.opcode = (field(4) >> 16) as u16 & 0x7ff;
            }
        }
    }

    /// Masks all exceptions: what FNSTENV does after it has stored.
    pub(crate) fn mask_exceptions(&mut self) {
        self.control |= 0x3f;
        self.summarize();
    }

    /// ST(0) to ST(7), ten bytes each.
    pub(crate) fn registers(&self) -> [u8; 80] {
        let mut image = [0; 80];
        for (i, slot) in image.chunks_exact_mut(10).enumerate() {
            slot.copy_from_slice(&self.get(i as u8).to_le_bytes()[..10]);
        }
        image
    }

    /// Takes ST(0) to ST(7); tags stay.
    pub(crate) fn set_registers(&mut self, image: &[u8; 80]) {
        for (i, slot) in image.chunks_exact(10).enumerate() {
            let mut bytes = [0; 16];
            bytes[..10].copy_from_slice(slot);
            let register = self.register(i as u8);
            self.st[register] = u128::from_le_bytes(bytes);
        }
    }

    /// Clears the exceptions: FNCLEX.
    pub(crate) fn clear_exceptions(&mut self) {
        self.status &= !(super::status::SUMMARY | super::status::STACK_FAULT | 0x3f);
    }
}
