//! How instructions reach guest memory: segment checks, then linear addresses through the TLB, or the slow way through `mmu`.

use super::Done;
use super::cpu::{Cpu, RSP, Seg};
use super::mmu::{Access, Ept};
use super::mode::{MASKS, Regime, Size};
use crate::engine::software::dispatch::{Op, Path, Stop};
use crate::engine::software::memory::{Scalar, has_wide_atomics};
use crate::memory::PAGE;

/// Operations on this CPU.
pub(crate) type Operation = Op<Cpu>;

/// How a step finds its memory operand.
pub(crate) trait Address: 'static {
    /// Loads the memory operand.
    fn load<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop>;
    /// Stores to the memory operand.
    fn store<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Operation, value: T) -> Result<(), Stop>;
    /// Changes the memory operand; answers what was there. See [`Cpu::update`].
    fn update<P: Path, T: Scalar>(
        cpu: &mut Cpu,
        op: &Operation,
        locked: bool,
        change: impl FnMut(T) -> T,
    ) -> Result<T, Stop>;
}

/// A 64-bit address in 64-bit mode without segment base: see `Assembler::is_long`.
pub(crate) type Long = Linear<true>;

/// The same without an index.
pub(crate) type LongBase = Linear<false>;

/// What [`Long`] and [`LongBase`] have in common.
#[derive(Debug)]
pub(crate) struct Linear<const INDEX: bool>;

impl<const INDEX: bool> Linear<INDEX> {
    /// Offset of the memory operand.
    #[inline(always)]
    pub(crate) fn address(cpu: &Cpu, op: &Operation) -> u64 {
        if INDEX {
            return cpu.ea_long(op);
        }
        cpu.gpr[usize::from(op.r[2])].wrapping_add(i64::from(op.disp) as u64)
    }
}

/// Any address: segment, address size, limits.
#[derive(Debug)]
pub(crate) struct Segmented;

impl<const INDEX: bool> Address for Linear<INDEX> {
    #[inline(always)]
    fn load<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        let va = Self::address(cpu, op);
        match cpu.view.load(cpu.mode.regime, va) {
            Some(value) => Ok(value),
            None if P::SLOW => cpu.load_slow(op.x[0], va),
            None => Err(Stop::Miss),
        }
    }

    #[inline(always)]
    fn store<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Operation, value: T) -> Result<(), Stop> {
        let va = Self::address(cpu, op);
        if P::SLOW {
            // Mostly it is here because the page holds code as well; what the TLB knows needs no other check.
            return match cpu.store_beside_code(va, value) {
                Some(()) => Ok(()),
                None => cpu.store_slow(op.x[0], va, value),
            };
        }
        let stored = cpu.view.store(cpu.mode.regime, va, value);
        stored.ok_or(Stop::Miss)
    }

    #[inline(always)]
    fn update<P: Path, T: Scalar>(
        cpu: &mut Cpu,
        op: &Operation,
        locked: bool,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        let va = Self::address(cpu, op);
        if !P::SLOW {
            return cpu.update_fast(va, locked, &mut change).ok_or(Stop::Miss);
        }
        if !locked && let Some(old) = cpu.update_beside_code(va, &mut change) {
            return Ok(old);
        }
        cpu.update_slow(op.x[0], va, locked, &mut change)
    }
}

impl Address for Segmented {
    #[inline(always)]
    fn load<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Operation) -> Result<T, Stop> {
        let offset = cpu.ea(op);
        cpu.load_from::<P, T>(op.x[0], offset)
    }

    #[inline(always)]
    fn store<P: Path, T: Scalar>(cpu: &mut Cpu, op: &Operation, value: T) -> Result<(), Stop> {
        let offset = cpu.ea(op);
        cpu.store_to::<P, T>(op.x[0], offset, value)
    }

    #[inline(always)]
    fn update<P: Path, T: Scalar>(
        cpu: &mut Cpu,
        op: &Operation,
        locked: bool,
        change: impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        let offset = cpu.ea(op);
        cpu.update_at::<P, T>(op.x[0], offset, locked, change)
    }
}

/// The way that instructions take.
impl Cpu {
    /// Offset of the memory operand, truncated to the address size.
    #[inline(always)]
    pub(crate) fn ea(&self, op: &Operation) -> u64 {
        self.ea_long(op) & MASKS[usize::from(op.x[1] & 3)]
    }

    #[inline(always)]
    pub(crate) fn ea_long(&self, op: &Operation) -> u64 {
        let base = self.gpr[usize::from(op.r[2])];
        let index = self.gpr[usize::from(op.r[3])];
        base.wrapping_add(index << (op.r[4] & 3))
            .wrapping_add(i64::from(op.disp) as u64)
    }

    /// Segment register of the memory operand.
    #[inline(always)]
    pub(crate) fn seg_of(&self, op: &Operation) -> Seg {
        Seg::from_number(op.x[0])
    }

    /// Offset of the instruction behind `op`, not truncated, while a block runs.
    #[inline(always)]
    pub(crate) fn next_rip(&self, op: &Operation) -> u64 {
        self.rip
            .wrapping_add(u64::from(op.at))
            .wrapping_add(u64::from(op.len))
    }

    /// Loads from an offset in a segment.
    #[inline(always)]
    pub(crate) fn load<P: Path, T: Scalar>(&mut self, seg: Seg, offset: u64) -> Result<T, Stop> {
        self.load_from::<P, T>(seg as u8, offset)
    }

    /// Stores to an offset in a segment.
    #[inline(always)]
    pub(crate) fn store<P: Path, T: Scalar>(
        &mut self,
        seg: Seg,
        offset: u64,
        value: T,
    ) -> Result<(), Stop> {
        self.store_to::<P, T>(seg as u8, offset, value)
    }

    /// Loads, changes and stores; answers what was there. One atomic step if `locked`: where the host has none for it the instruction is
    /// done again with the bus locked ([`Cpu::wants_bus`]). `change` may be called more than once.
    #[inline(always)]
    pub(crate) fn update<P: Path, T: Scalar>(
        &mut self,
        seg: Seg,
        offset: u64,
        locked: bool,
        change: impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        self.update_at::<P, T>(seg as u8, offset, locked, change)
    }

    #[inline(always)]
    fn load_from<P: Path, T: Scalar>(&mut self, seg: u8, offset: u64) -> Result<T, Stop> {
        let span = &self.spans[usize::from(seg & 7)];
        let linear = span.base.wrapping_add(offset) & self.mode.linear_mask;
        if offset.saturating_add(T::SIZE) <= span.read
            && let Some(value) = self.view.load(self.mode.regime, linear)
        {
            return Ok(value);
        }
        if P::SLOW {
            self.load_slow(seg, offset)
        } else {
            Err(Stop::Miss)
        }
    }

    #[inline(always)]
    fn store_to<P: Path, T: Scalar>(&mut self, seg: u8, offset: u64, value: T) -> Result<(), Stop> {
        let span = &self.spans[usize::from(seg & 7)];
        let linear = span.base.wrapping_add(offset) & self.mode.linear_mask;
        if offset.saturating_add(T::SIZE) <= span.write
            && self.view.store(self.mode.regime, linear, value).is_some()
        {
            return Ok(());
        }
        if P::SLOW {
            self.store_slow(seg, offset, value)
        } else {
            Err(Stop::Miss)
        }
    }

    #[inline(always)]
    fn update_at<P: Path, T: Scalar>(
        &mut self,
        seg: u8,
        offset: u64,
        locked: bool,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        let span = &self.spans[usize::from(seg & 7)];
        let linear = span.base.wrapping_add(offset) & self.mode.linear_mask;
        if offset.saturating_add(T::SIZE) <= span.write.min(span.read)
            && let Some(old) = self.update_fast(linear, locked, &mut change)
        {
            return Ok(old);
        }
        if P::SLOW {
            self.update_slow(seg, offset, locked, &mut change)
        } else {
            Err(Stop::Miss)
        }
    }

    #[inline(always)]
    fn update_fast<T: Scalar>(
        &self,
        linear: u64,
        locked: bool,
        change: &mut impl FnMut(T) -> T,
    ) -> Option<T> {
        if locked {
            return self.view.update(self.mode.regime, linear, change);
        }
        self.view.modify(self.mode.regime, linear, change)
    }

    /// Pushes a value of `size` bytes' width `T`.
    #[inline(always)]
    pub(crate) fn push<P: Path, T: Scalar>(&mut self, value: T) -> Result<(), Stop> {
        let mask = self.mode.stack.mask();
        let rsp = self.gpr[RSP];
        let new = rsp.wrapping_sub(T::SIZE) & mask;
        self.store_to::<P, T>(Seg::Ss as u8, new, value)?;
        self.gpr[RSP] = (rsp & !mask) | new;
        Ok(())
    }

    /// Pops a value of width `T`.
    #[inline(always)]
    pub(crate) fn pop<P: Path, T: Scalar>(&mut self) -> Result<T, Stop> {
        let mask = self.mode.stack.mask();
        let rsp = self.gpr[RSP];
        let value = self.load_from::<P, T>(Seg::Ss as u8, rsp & mask)?;
        self.gpr[RSP] = (rsp & !mask) | (rsp.wrapping_add(T::SIZE) & mask);
        Ok(value)
    }
}

/// The slow way.
impl Cpu {
    /// The linear address of an access, or the fault that segmentation has for it.
    pub(crate) fn linear(
        &mut self,
        seg: u8,
        offset: u64,
        size: u64,
        write: bool,
    ) -> Result<u64, Stop> {
        let number = usize::from(seg & 7).min(5);
        let span = self.spans[number];
        let linear = span.base.wrapping_add(offset) & self.mode.linear_mask;
        let inside = if self.mode.code == Size::Bits64 {
            self.is_canonical(linear) && self.is_canonical(linear.wrapping_add(size - 1))
        } else {
            self.is_inside(number, offset, size, write)
        };
        if inside {
            return Ok(linear);
        }
        Err(match number == Seg::Ss as usize {
            true => self.ss(0),
            false => self.gp(0),
        })
    }

    fn is_inside(&self, number: usize, offset: u64, size: u64, write: bool) -> bool {
        let segment = &self.seg[number];
        if self.mode.protected {
            let granted = if write {
                segment.writable()
            } else {
                segment.readable()
            };
            if !granted {
                return false;
            }
            if segment.expands_down() {
                let top = if segment.has(super::cpu::Segment::BIG) {
                    0xffff_ffff
                } else {
                    0xffff
                };
                return offset > u64::from(segment.limit) && offset + (size - 1) <= top;
            }
        }
        offset + (size - 1) <= u64::from(segment.limit)
    }

    /// Whether all bits above the linear-address width equal the topmost bit inside it.
    pub(crate) fn is_canonical(&self, linear: u64) -> bool {
        let unused = if self.mode.paging == super::mode::Paging::Level5 {
            7
        } else {
            16
        };
        ((linear << unused) as i64 >> unused) as u64 == linear
    }

    /// What an explicit access by the current instruction is.
    fn access(&self, write: bool) -> Access {
        Access {
            write,
            fetch: false,
            user: self.mode.cpl == 3,
            implicit: false,
        }
    }

    fn check_alignment(&mut self, linear: u64, size: u64) -> Result<(), Stop> {
        // 16-byte operands have their own rules, which their instructions check.
        if self.mode.regime == Regime::ALIGNED && size <= 8 && !linear.is_multiple_of(size) {
            return Err(self.ac());
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn load_slow<T: Scalar>(&mut self, seg: u8, offset: u64) -> Result<T, Stop> {
        let linear = self.linear(seg, offset, T::SIZE, false)?;
        self.check_alignment(linear, T::SIZE)?;
        let value = self.load_linear(linear, self.access(false))?;
        self.watch(linear, T::SIZE, false);
        Ok(value)
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Scalar>(&mut self, seg: u8, offset: u64, value: T) -> Result<(), Stop> {
        let linear = self.linear(seg, offset, T::SIZE, true)?;
        self.check_alignment(linear, T::SIZE)?;
        match self.store_beside_code(linear, value) {
            Some(()) => {}
            None => self.store_linear(linear, self.access(true), value)?,
        }
        self.watch(linear, T::SIZE, true);
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn update_slow<T: Scalar>(
        &mut self,
        seg: u8,
        offset: u64,
        locked: bool,
        change: &mut impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        self.linear(seg, offset, T::SIZE, false)?;
        let linear = self.linear(seg, offset, T::SIZE, true)?;
        self.check_alignment(linear, T::SIZE)?;
        let access = self.access(true);
        // 16 bytes are aligned here: CMPXCHG16B has looked.
        let old = if locked {
            self.update_locked(linear, access, change)?
        } else {
            match self.update_beside_code(linear, change) {
                Some(old) => old,
                None => {
                    let old = self.load_linear(linear, access)?;
                    self.store_linear(linear, access, change(old))?;
                    old
                }
            }
        };
        self.watch(linear, T::SIZE, true);
        Ok(old)
    }

    /// Changes data that share a page with code, if the TLB knows it; answers what was there.
    fn update_beside_code<T: Scalar>(
        &mut self,
        linear: u64,
        change: &mut impl FnMut(T) -> T,
    ) -> Option<T> {
        let old = self.view.load(self.mode.regime, linear)?;
        self.store_beside_code(linear, change(old))?;
        Some(old)
    }

    /// Stores to data that share a page with code, if the TLB knows it.
    fn store_beside_code<T: Scalar>(&mut self, linear: u64, value: T) -> Option<()> {
        let regime = self.mode.regime;
        if self.view.store_beside_code(regime, linear, value)? {
            self.note_code_hit();
        }
        Some(())
    }

    fn update_locked<T: Scalar>(
        &mut self,
        linear: u64,
        access: Access,
        change: &mut impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        let first = self.translate(linear, access)?;
        let room = PAGE - linear % PAGE;
        if !self.has_bus && is_split(linear, T::SIZE) {
            self.wants_bus = true;
            return Err(Stop::Trap);
        }
        let (behind, updated) = if linear.is_multiple_of(T::SIZE) {
            (linear, self.view.update_physical(first, change))
        } else if T::SIZE <= room {
            (linear, self.view.update_unaligned(first, change))
        } else {
            let behind = linear.wrapping_add(room) & self.mode.linear_mask;
            let second = self.translate(behind, access)?;
            (behind, self.view.update_split(first, second, room, change))
        };
        let old = updated.map_err(|fault| {
            let at = if fault.gpa ^ first < PAGE {
                linear
            } else {
                behind
            };
            self.ept_violation(fault, Ept::data(at, access))
        })?;
        self.note_code_hit();
        Ok(old)
    }

    /// Loads by linear address.
    pub(crate) fn load_linear<T: Scalar>(
        &mut self,
        linear: u64,
        access: Access,
    ) -> Result<T, Stop> {
        let first = self.translate(linear, access)?;
        let room = PAGE - linear % PAGE;
        if T::SIZE <= room {
            let loaded = self.view.load_physical(first);
            return loaded.map_err(|fault| self.ept_violation(fault, Ept::data(linear, access)));
        }
        let behind = linear.wrapping_add(room) & self.mode.linear_mask;
        let second = self.translate(behind, access)?;
        let mut value = 0;
        for n in 0..T::SIZE {
            let (gpa, at) = split(first, second, linear, behind, room, n);
            let loaded = self.view.load_physical::<u8>(gpa);
            let byte = loaded.map_err(|fault| self.ept_violation(fault, Ept::data(at, access)))?;
            value |= u128::from(byte) << (8 * n);
        }
        Ok(T::from_u128(value))
    }

    /// Stores by linear address.
    pub(crate) fn store_linear<T: Scalar>(
        &mut self,
        linear: u64,
        access: Access,
        value: T,
    ) -> Result<(), Stop> {
        let first = self.translate(linear, access)?;
        let room = PAGE - linear % PAGE;
        if T::SIZE <= room {
            let stored = self.view.store_physical(first, value);
            stored.map_err(|fault| self.ept_violation(fault, Ept::data(linear, access)))?;
            self.note_code_hit();
            return Ok(());
        }
        let behind = linear.wrapping_add(room) & self.mode.linear_mask;
        let second = self.translate(behind, access)?;
        // Nothing may be written if the second page faults.
        if let Err(fault) = self.view.can_store_physical(second) {
            return Err(self.ept_violation(fault, Ept::data(behind, access)));
        }
        for n in 0..T::SIZE {
            let (gpa, at) = split(first, second, linear, behind, room, n);
            let stored = self
                .view
                .store_physical(gpa, (value.to_u128() >> (8 * n)) as u8);
            stored.map_err(|fault| self.ept_violation(fault, Ept::data(at, access)))?;
        }
        self.note_code_hit();
        Ok(())
    }

    /// Loads for the CPU itself (descriptor tables, TSS): always with supervisor rights.
    pub(crate) fn load_system<T: Scalar>(&mut self, linear: u64) -> Result<T, Stop> {
        self.load_linear(
            linear & self.mode.linear_mask_system(),
            Access::system(false),
        )
    }

    /// Stores for the CPU itself.
    pub(crate) fn store_system<T: Scalar>(&mut self, linear: u64, value: T) -> Result<(), Stop> {
        self.store_linear(
            linear & self.mode.linear_mask_system(),
            Access::system(true),
            value,
        )
    }

    /// Remembers that the store before wrote decoded code: the block has to end behind this instruction.
    fn note_code_hit(&mut self) {
        use crate::engine::software::memory::Attention;
        if self.view.slot().attention() & Attention::CODE != 0 {
            self.code_hit = true;
        }
    }
}

/// Whether a locked access is more than one step of the host.
fn is_split(linear: u64, size: u64) -> bool {
    let within = linear % 16 + size <= 16 && has_wide_atomics();
    !linear.is_multiple_of(size) && !within
}

fn split(first: u64, second: u64, linear: u64, behind: u64, room: u64, n: u64) -> (u64, u64) {
    if n < room {
        (first + n, linear + n)
    } else {
        (second + (n - room), behind + (n - room))
    }
}

/// What every step that stored answers: goes on, or ends the block when the store changed decoded code.
#[inline(always)]
pub(crate) fn stored<P: Path>(cpu: &mut Cpu, op: &Operation) -> Done {
    use crate::engine::software::dispatch::Flow;
    if P::SLOW && cpu.code_hit {
        return cpu.end_early(op);
    }
    Ok(Flow::Next)
}

impl Cpu {
    /// Ends the block behind `op` although decoding did not foresee it.
    #[cold]
    #[inline(never)]
    pub(crate) fn end_early(&mut self, op: &Operation) -> Done {
        self.code_hit = false;
        self.rip = self.next_rip(op) & self.mode.linear_mask;
        self.retire(op.x[2]);
        Ok(crate::engine::software::dispatch::Flow::End)
    }
}
