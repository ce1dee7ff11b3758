//! A vCPU's functions of the interrupt controllers (macOS 12.0), and exits on the APIC page.

use super::apic::{Information, Local};
use super::cpu::{Cpu, Exit};
use super::mmu::Access;
use super::vcpu::Vcpu;
use crate::error::Code;
use crate::x86_64::ffi::hv_apic_state_ext_t;
use std::sync::Arc;

const APIC_ACCESS: u16 = 44;
/// Types of access in the qualification of an APIC-access exit.
const LINEAR_READ: u64 = 0;
const LINEAR_WRITE: u64 = 1;
const LINEAR_FETCH: u64 = 2;
const DURING_DELIVERY: u64 = 3;
const PHYSICAL_DURING_DELIVERY: u64 = 10;
const PHYSICAL: u64 = 15;

/// The exit of an access to the APIC-access page (SDM vol. 3, 31.4, table 29-6).
pub(super) fn apic_access(cpu: &Cpu, gpa: u64, linear: u64, access: Access) -> Exit {
    let kind = match (access.write, access.fetch) {
        _ if cpu.vmx.flight.delivering.is_some() => DURING_DELIVERY,
        (true, _) => LINEAR_WRITE,
        (_, true) => LINEAR_FETCH,
        _ => LINEAR_READ,
    };
    Exit {
        reason: APIC_ACCESS,
        qualification: gpa & 0xfff | kind << 12,
        linear,
        gpa,
        ..Exit::default()
    }
}

/// The exit where a paging-structure entry would lie in the APIC-access page: a guest-physical access, for which no offset is told.
pub(super) fn apic_table_access(cpu: &Cpu, gpa: u64, linear: u64) -> Exit {
    let kind = match cpu.vmx.flight.delivering {
        Some(_) => PHYSICAL_DURING_DELIVERY,
        None => PHYSICAL,
    };
    Exit {
        reason: APIC_ACCESS,
        qualification: kind << 12,
        linear,
        gpa,
        ..Exit::default()
    }
}

impl Vcpu {
    /// The local APIC; [`Code::UNSUPPORTED`] in a VM without `HV_VM_ACCEL_APIC`.
    fn apic(&self) -> Result<&Arc<Local>, Code> {
        self.cpu().vmx.apic.as_ref().ok_or(Code::UNSUPPORTED)
    }

    fn now(&self) -> u64 {
        let cpu = self.cpu();
        cpu.vmx.clock.now(cpu.retired())
    }

    /// A read of the APIC page is answered by the APIC inside: the client gets the value with the exit.
    pub(super) fn note_apic(&mut self, exit: &Exit) {
        let reads = exit.reason == APIC_ACCESS && exit.qualification >> 12 == LINEAR_READ;
        if !reads {
            return;
        }
        let now = self.now();
        if let Some(apic) = &self.cpu().vmx.apic {
            let value = apic.read((exit.qualification & 0xfff) as u32, now);
            self.information = Information::Read(value);
        }
    }

    /// `hv_vcpu_inject_extint`: [`Code::BUSY`] if one is pending.
    pub(crate) fn inject_extint(&mut self) -> Result<(), Code> {
        match self.apic()?.inject_extint() {
            true => {
                self.cpu_mut().check = true;
                Ok(())
            }
            false => Err(Code::BUSY),
        }
    }

    /// `hv_vcpu_apic_read`.
    pub(crate) fn apic_read(&mut self, offset: u32) -> Result<u32, Code> {
        check_offset(offset)?;
        Ok(self.apic()?.read(offset, self.now()))
    }

    /// `hv_vcpu_apic_write`: answers whether nothing more is to be done; if not, see [`Vcpu::exit_info`].
    pub(crate) fn apic_write(&mut self, offset: u32, data: u32) -> Result<bool, Code> {
        check_offset(offset)?;
        self.information = self.apic()?.write(offset, data, self.now());
        Ok(self.information == Information::Vmx)
    }

    /// `hv_vcpu_apic_get_state`.
    pub(crate) fn apic_get_state(&self, state: &mut hv_apic_state_ext_t) -> Result<(), Code> {
        let gpa = self.cpu().vmx.apic_page.unwrap_or(0);
        self.apic()?.get_state(state, gpa, self.now())
    }

    /// `hv_vcpu_apic_put_state`.
    pub(crate) fn apic_put_state(&mut self, state: &hv_apic_state_ext_t) -> Result<(), Code> {
        let offset = self.cpu().vmx.clock.offset();
        self.apic()?.put_state(state, offset, self.now())?;
        self.set_apic_address(state.state.apic_gpa & !0xfff)
    }

    /// `hv_vcpu_exit_info`: the number of what the last exit, or APIC write, asks for.
    pub(crate) fn exit_info(&self) -> Result<u32, Code> {
        self.apic()?;
        Ok(self.information.number())
    }

    /// `hv_vcpu_exit_init_ap`: marks the vCPUs that INIT is for.
    pub(crate) fn exit_init_ap(&self, is_actv: &mut [bool]) -> Result<(), Code> {
        match &self.information {
            Information::Init(targets) => mark(targets, is_actv),
            _ => Err(Code::ERROR),
        }
    }

    /// `hv_vcpu_exit_startup_ap`: marks the vCPUs that are to start, and answers the address.
    pub(crate) fn exit_startup_ap(&self, is_actv: &mut [bool]) -> Result<u64, Code> {
        match &self.information {
            Information::StartUp(targets, at) => mark(targets, is_actv).map(|()| *at),
            _ => Err(Code::ERROR),
        }
    }

    /// `hv_vcpu_exit_ioapic_eoi`.
    pub(crate) fn exit_ioapic_eoi(&self) -> Result<u8, Code> {
        match self.information {
            Information::IoapicEoi(vector) => Ok(vector),
            _ => Err(Code::ERROR),
        }
    }

    /// `hv_vcpu_exit_apic_access_read`.
    pub(crate) fn exit_apic_access_read(&self) -> Result<u32, Code> {
        match self.information {
            Information::Read(value) => Ok(value),
            _ => Err(Code::ERROR),
        }
    }

    /// `hv_vcpu_exit_inject_excp`: no register of this APIC raises an exception.
    pub(crate) fn exit_inject_excp(&self) -> Result<(u8, bool, u32, bool), Code> {
        self.apic()?;
        Err(Code::ERROR)
    }

    /// `hv_vcpu_apic_lsc_enter_r32`: teaches the kernel's load-store cache a MOV that accessed the APIC page, so that it need not be decoded by the
    /// client again. Checked and accepted, no more: accesses go on to exit as they did. That is known of the framework as little as the
    /// opposite: no source says which of them are then completed without an exit, nor what becomes of an access with side effects, of which
    /// the client has to be told. What is called a cache and can be invalidated leaves a client ready for the exit anyhow.
    pub(crate) fn apic_lsc_enter_r32(
        &mut self,
        _is_load: bool,
        _rip: u64,
        ilen: u32,
        _cs: u16,
        reg: u32,
        uva: &[u64],
    ) -> Result<(), Code> {
        self.apic()?;
        match (2..=17).contains(&reg) {
            true => check_hint(ilen, uva),
            false => Err(Code::BAD_ARGUMENT),
        }
    }

    /// `hv_vcpu_apic_lsc_enter_imm32`: as above.
    pub(crate) fn apic_lsc_enter_imm32(
        &mut self,
        _rip: u64,
        ilen: u32,
        _cs: u16,
        _imm32: u32,
        uva: &[u64],
    ) -> Result<(), Code> {
        self.apic()?;
        check_hint(ilen, uva)
    }

    /// `hv_vcpu_apic_lsc_invalidate`.
    pub(crate) fn apic_lsc_invalidate(&mut self) -> Result<(), Code> {
        self.apic().map(drop)
    }

    /// `hv_vcpu_apic_ctrl`.
    pub(crate) fn apic_ctrl(&mut self, ctrls: u64) -> Result<(), Code> {
        match self.apic()?.control(ctrls) {
            true => Ok(()),
            false => Err(Code::BAD_ARGUMENT),
        }
    }

    /// `hv_vcpu_apic_trigger_lvt`: there is the timer only.
    pub(crate) fn apic_trigger_lvt(&mut self, flavor: u32) -> Result<(), Code> {
        let apic = self.apic()?;
        if flavor != 1 {
            return Err(Code::BAD_ARGUMENT);
        }
        apic.trigger_timer();
        Ok(())
    }
}

fn check_offset(offset: u32) -> Result<(), Code> {
    match offset < 0x1000 && offset.is_multiple_of(16) {
        true => Ok(()),
        false => Err(Code::BAD_ARGUMENT),
    }
}

fn check_hint(ilen: u32, uva: &[u64]) -> Result<(), Code> {
    let pages = uva.iter().all(|page| page.is_multiple_of(4096));
    match (1..=15).contains(&ilen) && uva.len() <= 2 && pages {
        true => Ok(()),
        false => Err(Code::BAD_ARGUMENT),
    }
}

fn mark(targets: &[u32], is_actv: &mut [bool]) -> Result<(), Code> {
    is_actv.fill(false);
    for &target in targets {
        let place = is_actv.get_mut(target as usize).ok_or(Code::BAD_ARGUMENT)?;
        *place = true;
    }
    Ok(())
}
