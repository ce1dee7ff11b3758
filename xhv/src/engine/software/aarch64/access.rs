//! Loads and stores of guest code: through the TLB where it knows the page, else through `mmu` with all its faults.
//!
//! An operation that accesses memory has its translation regime in `op.x[0]`, the alignment that Device memory asks of it in
//! `op.x[2]`, and in `op.imm` what the syndrome of an abort says about it ([`iss`]).

use super::cpu::{Cpu, Exception, Exit, Trap};
use super::exception::class;
use super::mmu::{Access, Fault, Translation, status};
use crate::engine::software::dispatch::{Op, Path, Stop};
use crate::engine::software::memory::{Fault as Stage2Fault, Kind, Scalar};
use crate::memory::{PAGE, Permissions};

/// Bits of the ISS of a data abort (Arm DDI 0487, D17.2.37).
pub(crate) mod iss {
    /// The fields that describe the instruction are valid.
    pub(crate) const ISV: u64 = 1 << 24;
    /// Shift of the access size.
    pub(crate) const SAS: u32 = 22;
    /// The load sign-extends.
    pub(crate) const SSE: u64 = 1 << 21;
    /// Shift of the register number.
    pub(crate) const SRT: u32 = 16;
    /// The register is 64 bits wide.
    pub(crate) const SF: u64 = 1 << 15;
    /// The access acquires or releases.
    pub(crate) const AR: u64 = 1 << 14;
    /// A cache maintenance or address translation instruction.
    pub(crate) const CM: u64 = 1 << 8;
    /// The fault was on a translation table walk.
    pub(crate) const S1PTW: u64 = 1 << 7;
    /// A write.
    pub(crate) const WNR: u64 = 1 << 6;
}

#[inline(always)]
fn crosses(va: u64, size: u64) -> bool {
    (va & (PAGE - 1)) + size > PAGE
}

impl Cpu {
    /// Loads from `va`.
    #[inline(always)]
    pub(crate) fn load<P: Path, T: Scalar>(&mut self, op: &Op<Self>, va: u64) -> Result<T, Stop> {
        match self.view.load::<T>(usize::from(op.x[0]), va) {
            Some(value) => Ok(value),
            None if P::SLOW => self.load_slow(op, va),
            None => Err(Stop::Miss),
        }
    }

    /// Stores to `va`.
    #[inline(always)]
    pub(crate) fn store<P: Path, T: Scalar>(
        &mut self,
        op: &Op<Self>,
        va: u64,
        value: T,
    ) -> Result<(), Stop> {
        match self.view.store::<T>(usize::from(op.x[0]), va, value) {
            Some(()) => Ok(()),
            None if P::SLOW => self.store_slow(op, va, value),
            None => Err(Stop::Miss),
        }
    }

    /// Loads, changes and stores in one atomic step, and answers what was there.
    #[inline(always)]
    pub(crate) fn update<P: Path, T: Scalar>(
        &mut self,
        op: &Op<Self>,
        va: u64,
        mut change: impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        match self.view.update::<T>(usize::from(op.x[0]), va, &mut change) {
            Some(was) => Ok(was),
            None if P::SLOW => self.update_slow(op, va, change),
            None => Err(Stop::Miss),
        }
    }

    /// Faults if `va` is not aligned to `size`: for accesses that always have to be.
    #[inline(always)]
    pub(crate) fn aligned<P: Path>(
        &mut self,
        op: &Op<Self>,
        va: u64,
        size: u64,
    ) -> Result<(), Stop> {
        if va & (size - 1) == 0 {
            return Ok(());
        }
        if !P::SLOW {
            return Err(Stop::Miss);
        }
        Err(self.alignment_fault(op, va))
    }

    #[cold]
    #[inline(never)]
    fn load_slow<T: Scalar>(&mut self, op: &Op<Self>, va: u64) -> Result<T, Stop> {
        if !crosses(va, T::SIZE) {
            let found = self.resolve(op, va, Access::Read, T::SIZE)?;
            let loaded = self.view.load_physical(found.ipa);
            return loaded.or_else(|fault| self.device_load(op, va, fault));
        }
        let [low, high] = self.resolve_both(op, va, Access::Read, T::SIZE)?;
        let mut value = 0;
        for at in 0..T::SIZE {
            let address = va.wrapping_add(at);
            let ipa = split_address(va, at, low, high);
            let byte = self.view.load_physical::<u8>(ipa);
            let byte = byte.map_err(|fault| self.stage2_data(op, address, Access::Read, fault))?;
            value |= u128::from(byte) << (8 * at);
        }
        Ok(T::from_u128(value))
    }

    #[cold]
    #[inline(never)]
    fn store_slow<T: Scalar>(&mut self, op: &Op<Self>, va: u64, value: T) -> Result<(), Stop> {
        let regime = usize::from(op.x[0]);
        if self.view.store_beside_code(regime, va, value).is_some() {
            return Ok(());
        }
        if !crosses(va, T::SIZE) {
            let found = self.resolve(op, va, Access::Write, T::SIZE)?;
            let stored = self.view.store_physical(found.ipa, value);
            return stored.or_else(|fault| self.device_store(op, va, value, fault));
        }
        let [low, high] = self.resolve_both(op, va, Access::Write, T::SIZE)?;
        let next_page = (va | (PAGE - 1)).wrapping_add(1);
        for (address, ipa) in [(va, low), (next_page, high)] {
            let needed = Permissions::READ | Permissions::WRITE;
            if let Err(fault) = self.view.locate(ipa, needed).map(|_| ()) {
                return Err(self.stage2_data(op, address, Access::Write, fault));
            }
        }
        for at in 0..T::SIZE {
            let byte = (value.to_u128() >> (8 * at)) as u8;
            let ipa = split_address(va, at, low, high);
            let stored = self.view.store_physical(ipa, byte);
            stored.map_err(|fault| self.stage2_data(op, va, Access::Write, fault))?;
        }
        Ok(())
    }

    #[cold]
    #[inline(never)]
    fn update_slow<T: Scalar>(
        &mut self,
        op: &Op<Self>,
        va: u64,
        change: impl FnMut(T) -> T,
    ) -> Result<T, Stop> {
        if !va.is_multiple_of(T::SIZE) {
            return Err(self.alignment_fault(op, va));
        }
        self.resolve(op, va, Access::Read, T::SIZE)?;
        let found = self.resolve(op, va, Access::Write, T::SIZE)?;
        if let Err(fault) = self.view.locate(found.ipa, Permissions::READ).map(|_| ()) {
            return Err(self.stage2_data(op, va, Access::Read, fault));
        }
        let was = self.view.update_physical(found.ipa, change);
        was.map_err(|fault| self.stage2_data(op, va, Access::Write, fault))
    }

    /// Translates one page of a data access, checks what depends on the memory type, and tells the TLB.
    fn resolve(
        &mut self,
        op: &Op<Self>,
        va: u64,
        access: Access,
        size: u64,
    ) -> Result<Translation, Stop> {
        let regime = op.x[0];
        let found = self
            .translate(va, access, regime, true)
            .map_err(|fault| self.data_fault(op, va, access, fault))?;
        if self.sys_translation_on() && found.device {
            if va & u64::from(op.x[2]).saturating_sub(1) != 0 {
                return Err(self.alignment_fault(op, va));
            }
        } else if !self.debug.watching {
            self.view.fill(
                usize::from(regime),
                va,
                found.ipa,
                found.rights,
                Kind::default(),
            );
        }
        if self.debug.watching {
            self.watch(op, va, size, access == Access::Write)?;
        }
        Ok(found)
    }

    /// Translates both pages of an access; answers the addresses of its first byte and of the second page.
    fn resolve_both(
        &mut self,
        op: &Op<Self>,
        va: u64,
        access: Access,
        size: u64,
    ) -> Result<[u64; 2], Stop> {
        let first = PAGE - va % PAGE;
        let low = self.resolve(op, va, access, first)?;
        let next_page = (va | (PAGE - 1)).wrapping_add(1);
        let high = self.resolve(op, next_page, access, size - first)?;
        Ok([low.ipa, high.ipa])
    }

    /// A fault of stage 1, or of stage 2 on the walk.
    pub(crate) fn data_fault(
        &mut self,
        op: &Op<Self>,
        va: u64,
        access: Access,
        fault: Fault,
    ) -> Stop {
        let write = if access == Access::Write { iss::WNR } else { 0 };
        let maintenance = op.imm & iss::CM;
        if let Some(ipa) = fault.walk {
            let syndrome = class::DATA_ABORT_LOWER
                | iss::S1PTW
                | maintenance
                | write
                | u64::from(fault.status);
            return self.stop(op, exit(syndrome, va, ipa));
        }
        let syndrome = class::DATA_ABORT_LOWER | maintenance | write | u64::from(fault.status);
        let trap = Trap::Exception(Exception {
            syndrome,
            far: Some(va),
        });
        self.stop(op, trap)
    }

    /// A misaligned access.
    #[cold]
    pub(crate) fn alignment_fault(&mut self, op: &Op<Self>, va: u64) -> Stop {
        let access = if op.imm & iss::WNR != 0 {
            Access::Write
        } else {
            Access::Read
        };
        let fault = Fault {
            status: status::ALIGNMENT,
            walk: None,
        };
        self.data_fault(op, va, access, fault)
    }

    /// A data access to memory that the VMM has not mapped, or not for this.
    pub(crate) fn stage2_data(
        &mut self,
        op: &Op<Self>,
        va: u64,
        access: Access,
        fault: Stage2Fault,
    ) -> Stop {
        let mut described = op.imm & 0x1ff_ffff & !iss::WNR;
        if access == Access::Write {
            described |= iss::WNR;
        }
        // An instruction that also writes, like an atomic, is described as a read if the read is what faults.
        let syndrome = class::DATA_ABORT_LOWER | described | u64::from(stage2_status(&fault));
        self.stop(op, exit(syndrome, va, fault.gpa))
    }

    /// A load from memory that is not there: from the GIC, or for the VMM.
    fn device_load<T: Scalar>(
        &mut self,
        op: &Op<Self>,
        va: u64,
        fault: Stage2Fault,
    ) -> Result<T, Stop> {
        let gic = self.shared.gic();
        match gic.and_then(|gic| gic.load(fault.gpa, T::SIZE)) {
            Some(value) => Ok(T::from_u128(value.into())),
            None => Err(self.stage2_data(op, va, Access::Read, fault)),
        }
    }

    /// A store to memory that is not there: to the GIC, or for the VMM.
    fn device_store<T: Scalar>(
        &mut self,
        op: &Op<Self>,
        va: u64,
        value: T,
        fault: Stage2Fault,
    ) -> Result<(), Stop> {
        let gic = self.shared.gic();
        match gic.and_then(|gic| gic.store(fault.gpa, T::SIZE, value.to_u128() as u64)) {
            Some(()) => Ok(()),
            None => Err(self.stage2_data(op, va, Access::Write, fault)),
        }
    }

    /// Whether stage 1 translation is on.
    pub(crate) fn sys_translation_on(&self) -> bool {
        self.sys[super::sysreg::Reg::SCTLR_EL1] & 1 != 0
    }
}

/// Address of byte `at` of an access at `va` whose first byte is at `low` and whose second page is at `high`.
fn split_address(va: u64, at: u64, low: u64, high: u64) -> u64 {
    let first = PAGE - va % PAGE;
    if at < first {
        low + at
    } else {
        high + at - first
    }
}

/// The fault status of a stage 2 fault.
///
/// The framework's tables decide about the level; unmapped memory is reported as if only the last one lacked it.
pub(crate) fn stage2_status(fault: &Stage2Fault) -> u8 {
    3 | match fault.permissions {
        Some(_) => status::PERMISSION,
        None => status::TRANSLATION,
    }
}

/// An exit by exception.
pub(crate) fn exit(syndrome: u64, virtual_address: u64, physical_address: u64) -> Trap {
    Trap::Exit(Exit {
        reason: Exit::EXCEPTION,
        syndrome,
        virtual_address,
        physical_address,
    })
}
