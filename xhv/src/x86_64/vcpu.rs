//! A virtual CPU: its registers, and the calls of the framework that belong to it. `run` runs it, `inject`, `control`, `presets` and
//! `apic` add what a VMM does with it.

use core::fmt;
use core::marker::PhantomData;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::emulate::Pending;
#[cfg(feature = "decode")]
use super::emulate::{Decoded, Plain};
use super::fpstate::{FpState, XSAVE_SIZE};
use super::run::Statistics;
use super::space::Space;
use super::vm::Vm;
use crate::engine::x86_64 as engine;
use crate::error::{Code, Error};
use crate::exit_statistics::Recorder;
use crate::guest_memory::{Gpa, GuestMemory};
use crate::handle::{Control, VcpuHandle};
use crate::thread::Jobs;
use crate::trace::event;
use crate::typed::{Readable, Writable};

bitflags::bitflags! {
    /// What a vCPU is made with (`hv_vcpu_options_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct VcpuOptions: u64 {
        /// The kernel answers RDPMC of bound counters (macOS 11.0).
        const ACCEL_RDPMC = 0x1;
        /// The time-stamp counter follows [`Vcpu::set_tsc_relative`] (macOS 11.0).
        const TSC_RELATIVE = 0x2;
    }

    /// What the guest may do with a managed MSR (`hv_msr_flags_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct MsrAccess: u32 {
        /// RDMSR.
        const READ = 0x1;
        /// WRMSR.
        const WRITE = 0x2;
    }

    /// What a nested guest's VMREAD and VMWRITE do with a field of the shadow VMCS (`hv_shadow_flags_t`).
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
    pub struct ShadowAccess: u64 {
        /// VMREAD is answered without an exit.
        const READ = 0x1;
        /// VMWRITE is done without an exit.
        const WRITE = 0x2;
    }
}

/// Extended state on its way to or from an engine, aligned as XSAVE and XRSTOR want it (SDM vol. 1, 13.4): the framework does not say
/// whether it copies.
#[repr(C, align(64))]
struct XsaveArea([u8; XSAVE_SIZE]);

/// How an MSR was enabled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Enabled {
    Native,
    Managed(MsrAccess),
}

/// A virtual CPU. The framework binds it to the thread that makes it, so it is neither `Send` nor `Sync`; other threads use its
/// [`VcpuHandle`].
pub struct Vcpu {
    // Dropped first: the VM and its memory outlive it.
    pub(super) engine: engine::Vcpu,
    pub(super) vm: Vm,
    /// Guest memory of the address space that it runs in.
    pub(super) memory: Arc<GuestMemory>,
    pub(super) control: Arc<Control>,
    pub(super) jobs: Arc<Jobs<Vcpu>>,
    /// An instruction whose emulation needs more answers.
    pub(super) pending: Option<Pending>,
    #[cfg(feature = "decode")]
    pub(super) decoded: Decoded,
    /// A load or store that waits for its only answer.
    #[cfg(feature = "decode")]
    pub(super) plain: Option<Plain>,
    pub(super) msrs: BTreeMap<u32, Enabled>,
    /// MSRs that the default policy keeps for the guest.
    pub(super) emulated_msrs: BTreeMap<u32, u64>,
    pub(super) statistics: Statistics,
    /// Counts exits by reason, if somebody wants it.
    pub(super) recorder: Option<Box<Recorder>>,
    /// Where the APIC page is.
    pub(super) apic_page: Gpa,
    options: VcpuOptions,
    thread: PhantomData<*const ()>,
}

impl Drop for Vcpu {
    fn drop(&mut self) {
        event!(DEBUG, vcpu = self.id(), "vCPU destroyed");
        // From here on no kick can reach whoever gets the id next.
        self.control.retire();
        self.jobs.clear();
    }
}

impl fmt::Debug for Vcpu {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vcpu")
            .field("id", &self.id())
            .field("engine", &self.vm.engine())
            .finish_non_exhaustive()
    }
}

impl Vcpu {
    pub(super) fn create(vm: &Vm, options: VcpuOptions) -> Result<Self, Error> {
        let engine = engine::Vcpu::create(vm.raw(), options.bits())
            .map_err(|code| vm.failed("hv_vcpu_create", code))?;
        let interrupter = engine.interrupter();
        let control = Control::new(interrupter.is_sticky(), move || {
            // A refusal means that the vCPU is going away: then there is nothing to interrupt.
            let _ = interrupter.interrupt();
        });
        event!(DEBUG, vcpu = engine.id(), "vCPU created");
        Ok(Self {
            engine,
            vm: vm.clone(),
            memory: vm.memory().clone(),
            control,
            jobs: Arc::default(),
            pending: None,
            #[cfg(feature = "decode")]
            decoded: Decoded::default(),
            #[cfg(feature = "decode")]
            plain: None,
            msrs: BTreeMap::new(),
            emulated_msrs: BTreeMap::new(),
            statistics: Statistics::default(),
            recorder: None,
            apic_page: Gpa(0xfee0_0000),
            options,
            thread: PhantomData,
        })
    }

    /// The engine's number of the vCPU.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.engine.id()
    }

    /// The VM that it belongs to.
    #[must_use]
    pub fn vm(&self) -> &Vm {
        &self.vm
    }

    /// What it was made with.
    #[must_use]
    pub fn options(&self) -> VcpuOptions {
        self.options
    }

    /// What other threads use: cancel, pause, resume.
    #[must_use]
    pub fn handle(&self) -> VcpuHandle {
        VcpuHandle(self.control.clone())
    }

    pub(super) fn jobs(&self) -> Arc<Jobs<Self>> {
        self.jobs.clone()
    }

    pub(super) fn failed(&self, call: &'static str, code: Code) -> Error {
        self.vm.failed(call, code)
    }

    fn answer<T>(&self, call: &'static str, answer: Result<T, Code>) -> Result<T, Error> {
        answer.map_err(|code| self.failed(call, code))
    }

    /// Reads a row: a register, a VMCS field, an MSR or a capability.
    ///
    /// ```
    /// # fn main() -> Result<(), xhv::Error> {
    /// use xhv::x86_64::{Vm, reg, vmcs};
    /// let vcpu = Vm::new()?.create_vcpu()?;
    /// let flags = vcpu.read(reg::RFLAGS)?;
    /// let link = vcpu.read(vmcs::GUEST_CR0)?;
    /// # let _ = (flags, link);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses: the host does not have it, or an MSR is not enabled.
    #[inline]
    pub fn read<R: Readable<Self>>(&self, row: R) -> Result<R::Value, Error> {
        match row.read_from(self) {
            Ok(value) => Ok(value),
            Err(code) => Err(self.row_failed("read", row.row_info(), code)),
        }
    }

    /// Writes a row. Rows that cannot be written do not compile.
    ///
    /// # Errors
    /// [`Error::Row`] if the engine refuses the field or the value.
    #[inline]
    pub fn write<R: Writable<Self>>(&mut self, row: R, value: R::Value) -> Result<(), Error> {
        match row.write_to(self, value) {
            Ok(()) => Ok(()),
            Err(code) => Err(self.row_failed("write", row.row_info(), code)),
        }
    }

    /// Reads a row, changes it, writes it back.
    ///
    /// # Errors
    /// As [`Vcpu::read`] and [`Vcpu::write`].
    pub fn modify<R, T>(&mut self, row: R, change: impl FnOnce(T) -> T) -> Result<(), Error>
    where
        R: Readable<Self, Value = T> + Writable<Self, Value = T> + Copy,
        T: crate::typed::Bits,
    {
        let value = self.read(row)?;
        self.write(row, change(value))
    }

    #[cold]
    fn row_failed(
        &self,
        verb: &'static str,
        info: &'static crate::typed::RowInfo,
        code: Code,
    ) -> Error {
        event!(DEBUG, verb, row = info.name, %code, "refused row");
        use crate::typed::Kind;
        let cause = match info.kind {
            Kind::Msr if !self.msrs.contains_key(&info.key) => {
                "the MSR is not enabled: see `enable_native_msr` and `enable_managed_msr`"
            }
            Kind::Vmcs if code == Code::BAD_ARGUMENT && verb == "write" => {
                "the framework does not let a client write this field, or not this value: see `writable_bits`"
            }
            _ => return Error::row(verb, info.name, code),
        };
        Error::Row {
            verb,
            row: info.name,
            code,
            cause: cause.to_owned(),
        }
    }

    /// Which bits of a VMCS field a client may set (`hv_vmx_vcpu_get_cap_write_vmcs`, macOS 11.0): those that have to be 1, and
    /// those that may be.
    ///
    /// # Errors
    /// [`Error::Call`] for a field that cannot be written, [`Error::Unavailable`] before macOS 11.0.
    pub fn writable_bits<T, A>(
        &self,
        field: crate::typed::VmcsField<T, A>,
    ) -> Result<(u64, u64), Error> {
        let answer = self.engine.get_cap_write_vmcs(field.key());
        self.answer("hv_vmx_vcpu_get_cap_write_vmcs", answer)
    }

    /// Lets the guest use an MSR without exits, and [`Vcpu::read`] and [`Vcpu::write`] reach its value. Possible for the rows that
    /// the table marks `native`.
    ///
    /// # Errors
    /// [`Error::Call`] if the MSR is not one of them.
    pub fn enable_native_msr(&mut self, index: u32, enable: bool) -> Result<(), Error> {
        let answer = self.engine.enable_native_msr(index, enable);
        self.answer("hv_vcpu_enable_native_msr", answer)?;
        if enable {
            self.msrs.insert(index, Enabled::Native);
        } else {
            self.msrs.remove(&index);
        }
        Ok(())
    }

    /// Lets the engine switch an MSR with the vCPU; the guest's accesses still exit until [`Vcpu::set_msr_access`] (macOS 11.0).
    /// Possible for the rows that the table marks `managed`.
    ///
    /// # Errors
    /// [`Error::Call`] if the MSR is not one of them, [`Error::Unavailable`] before macOS 11.0.
    pub fn enable_managed_msr(&mut self, index: u32, enable: bool) -> Result<(), Error> {
        let answer = self.engine.enable_managed_msr(index, enable);
        self.answer("hv_vcpu_enable_managed_msr", answer)?;
        if enable {
            self.msrs
                .insert(index, Enabled::Managed(MsrAccess::empty()));
        } else {
            self.msrs.remove(&index);
        }
        Ok(())
    }

    /// What the guest may do with a managed MSR without an exit (macOS 11.0).
    ///
    /// # Errors
    /// [`Error::Call`] if the MSR is not enabled or not given so far, [`Error::Unavailable`] before macOS 11.0.
    pub fn set_msr_access(&mut self, index: u32, access: MsrAccess) -> Result<(), Error> {
        let answer = self.engine.set_msr_access(index, access.bits());
        self.answer("hv_vcpu_set_msr_access", answer)?;
        if let Some(Enabled::Managed(known)) = self.msrs.get_mut(&index) {
            *known = access;
        }
        Ok(())
    }

    /// x87, SSE and AVX state.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn fpstate(&self) -> Result<FpState, Error> {
        let mut area = XsaveArea([0; XSAVE_SIZE]);
        let answer = self.engine.read_fpstate(&mut area.0);
        self.answer("hv_vcpu_read_fpstate", answer)?;
        Ok(FpState::from_xsave(&area.0))
    }

    /// Where a component of the extended state lies in the standard format, in bytes; 0 if the host does not have it.
    pub(super) fn component_place(&self, component: u32) -> usize {
        engine::cpuid(self.vm.engine(), 0xd, component).ebx as usize
    }

    /// Sets x87, SSE and AVX state.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses, for example a component that it does not have.
    pub fn set_fpstate(&mut self, state: &FpState) -> Result<(), Error> {
        let mut area = XsaveArea([0; XSAVE_SIZE]);
        area.0.copy_from_slice(&state.to_xsave());
        let answer = self.engine.write_fpstate(&area.0);
        self.answer("hv_vcpu_write_fpstate", answer)
    }

    /// The raw XSAVE area in the standard format.
    ///
    /// # Errors
    /// [`Error::Call`] if the buffer is too short.
    pub fn read_fpstate(&self, buffer: &mut [u8]) -> Result<(), Error> {
        self.answer("hv_vcpu_read_fpstate", self.engine.read_fpstate(buffer))
    }

    /// Loads a raw XSAVE area in the standard format.
    ///
    /// # Errors
    /// [`Error::Call`] if the buffer is too short or its header is not consistent.
    pub fn write_fpstate(&mut self, buffer: &[u8]) -> Result<(), Error> {
        let answer = self.engine.write_fpstate(buffer);
        self.answer("hv_vcpu_write_fpstate", answer)
    }

    /// `hv_vcpu_flush`: had an effect before macOS 11.0 only.
    ///
    /// # Errors
    /// Always, since then: [`Code::UNSUPPORTED`].
    pub fn flush(&mut self) -> Result<(), Error> {
        let answer = self.engine.flush();
        self.answer("hv_vcpu_flush", answer)
    }

    /// Forgets cached translations: needed after writing CR0, CR3, CR4, EFER or guest page tables from outside.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn invalidate_tlb(&mut self) -> Result<(), Error> {
        let answer = self.engine.invalidate_tlb();
        self.answer("hv_vcpu_invalidate_tlb", answer)
    }

    /// Time in the guest so far.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn exec_time(&self) -> Result<Duration, Error> {
        let answer = self.engine.get_exec_time().map(Duration::from_nanos);
        self.answer("hv_vcpu_get_exec_time", answer)
    }

    /// Time halted inside the engine so far; only with [`super::VmOptions::ACCEL_APIC`] (macOS 12.0).
    ///
    /// # Errors
    /// [`Error::Unavailable`] before macOS 12.0.
    pub fn idle_time(&self) -> Result<Duration, Error> {
        let answer = self.engine.get_idle_time().map(Duration::from_nanos);
        self.answer("hv_vcpu_get_idle_time", answer)
    }

    /// Makes the guest's TSC [`Vm::tsc_clock`] plus `offset`; for a vCPU with [`VcpuOptions::TSC_RELATIVE`] (macOS 11.0).
    ///
    /// # Errors
    /// [`Error::Call`] without that option, [`Error::Unavailable`] before macOS 11.0.
    pub fn set_tsc_relative(&mut self, offset: i64) -> Result<(), Error> {
        let answer = self.engine.set_tsc_relative(offset);
        self.answer("hv_vcpu_set_tsc_relative", answer)
    }

    /// ZF and CF of the last VM-entry instruction (`hv_vcpu_vmx_status`, macOS 12.0).
    ///
    /// # Errors
    /// [`Error::Call`] before the first run.
    pub fn vmx_status(&self) -> Result<u32, Error> {
        self.answer("hv_vcpu_vmx_status", self.engine.vmx_status())
    }

    /// Moves the vCPU to another guest-physical address space (macOS 10.15).
    ///
    /// # Errors
    /// [`Error::Call`] if the space is gone.
    pub fn set_space(&mut self, space: &Space) -> Result<(), Error> {
        let answer = self.engine.set_space(space.id());
        self.answer("hv_vcpu_set_space", answer)?;
        self.memory = space.memory().clone();
        self.pending = None;
        Ok(())
    }

    /// Moves the vCPU back to the space that every VM has.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn set_default_space(&mut self) -> Result<(), Error> {
        let answer = self.engine.set_space(0);
        self.answer("hv_vcpu_set_space", answer)?;
        self.memory = self.vm.memory().clone();
        self.pending = None;
        Ok(())
    }

    /// Reads a field of the shadow VMCS, for a guest that is a hypervisor itself (macOS 10.15).
    ///
    /// # Errors
    /// [`Error::Call`] if there is none.
    pub fn read_shadow<T: crate::typed::Bits, A>(
        &self,
        field: crate::typed::VmcsField<T, A>,
    ) -> Result<T, Error> {
        let answer = self.engine.read_shadow_vmcs(field.key());
        let value = self.answer("hv_vmx_vcpu_read_shadow_vmcs", answer)?;
        Ok(T::from_u128(u128::from(value)))
    }

    /// Writes a field of the shadow VMCS (macOS 10.15).
    ///
    /// # Errors
    /// [`Error::Call`] if there is none.
    pub fn write_shadow<T: crate::typed::Bits, A>(
        &mut self,
        field: crate::typed::VmcsField<T, A>,
        value: T,
    ) -> Result<(), Error> {
        let answer = self
            .engine
            .write_shadow_vmcs(field.key(), value.into_u128() as u64);
        self.answer("hv_vmx_vcpu_write_shadow_vmcs", answer)
    }

    /// What VMREAD and VMWRITE of the guest do with a field (macOS 10.15).
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn set_shadow_access<T, A>(
        &mut self,
        field: crate::typed::VmcsField<T, A>,
        access: ShadowAccess,
    ) -> Result<(), Error> {
        let answer = self.engine.set_shadow_access(field.key(), access.bits());
        self.answer("hv_vmx_vcpu_set_shadow_access", answer)
    }
}
