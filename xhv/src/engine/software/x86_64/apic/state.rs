//! Snapshots of the interrupt controllers in the framework's structs (`hv_apic_state_ext_t` and its like).

use super::Chip;
use super::local::{Boot, Local};
use super::pic::Pic;
use super::registers::Vectors;
use crate::error::Code;
use crate::memory::lock;
use crate::x86_64::ffi::{
    hv_apic_state, hv_apic_state_ext_t, hv_atpic_state, hv_atpic_state_ext_t, hv_ioapic_state,
    hv_ioapic_state_ext_t,
};

/// The only version of the structs.
const VERSION: u32 = 100;

fn check_version(version: u32) -> Result<(), Code> {
    match version {
        VERSION => Ok(()),
        _ => Err(Code::BAD_ARGUMENT),
    }
}

impl Local {
    /// `hv_vcpu_apic_get_state`. `gpa` is the APIC page, `now` the vCPU's clock.
    pub(crate) fn get_state(
        &self,
        state: &mut hv_apic_state_ext_t,
        gpa: u64,
        now: u64,
    ) -> Result<(), Code> {
        check_version(state.version)?;
        state.state = self.snapshot(gpa, now);
        Ok(())
    }

    fn snapshot(&self, gpa: u64, now: u64) -> hv_apic_state {
        let held = self.state();
        let r = &held.registers;
        hv_apic_state {
            apic_gpa: gpa,
            apic_controls: held.controls,
            tsc_deadline: r.timer.deadline(),
            apic_id: r.id,
            ver: 0x0105_0014 | 1 << 16,
            tpr: r.tpr.into(),
            apr: 0,
            ldr: r.ldr,
            dfr: r.dfr,
            svr: r.svr,
            isr: r.isr.0,
            tmr: r.tmr.0,
            irr: r.irr.0,
            esr: r.esr,
            lvt: r.lvt,
            icr: r.icr,
            icr_timer: r.timer.initial(),
            dcr_timer: r.timer.divide(),
            ccr_timer: r.timer.current(now),
            esr_pending: r.esr_pending,
            boot_state: held.boot as u32,
            aeoi: r.auto_eoi.0,
        }
    }

    /// `hv_vcpu_apic_put_state`. `offset` is what the TSC is ahead of the clock.
    pub(crate) fn put_state(
        &self,
        state: &hv_apic_state_ext_t,
        offset: u64,
        now: u64,
    ) -> Result<(), Code> {
        check_version(state.version)?;
        let s = &state.state;
        let boot = match s.boot_state {
            0 => Boot::Init,
            1 => Boot::StartUp,
            2 => Boot::Running,
            _ => return Err(Code::BAD_ARGUMENT),
        };
        let mut held = self.state();
        held.boot = boot;
        held.controls = s.apic_controls;
        let r = &mut held.registers;
        r.id = s.apic_id;
        r.tpr = s.tpr as u8;
        r.ldr = s.ldr;
        r.dfr = s.dfr;
        r.svr = s.svr & 0x1fff;
        r.isr = Vectors(s.isr);
        r.tmr = Vectors(s.tmr);
        r.irr = Vectors(s.irr);
        r.auto_eoi = Vectors(s.aeoi);
        r.esr = s.esr;
        r.esr_pending = s.esr_pending;
        r.lvt = s.lvt;
        r.icr = s.icr;
        r.timer
            .set_mode(s.lvt[super::registers::lvt::TIMER] >> 17 & 3, now);
        let at = s.tsc_deadline.wrapping_sub(offset);
        let counts = [s.icr_timer, s.dcr_timer, s.ccr_timer];
        r.timer.restore(counts, s.tsc_deadline, at, now);
        drop(held);
        self.wake();
        Ok(())
    }
}

fn save(pic: &Pic, raised: bool) -> hv_atpic_state {
    hv_atpic_state {
        ready: pic.ready,
        icw_num: pic.icw,
        rd_cmd_reg: pic.read_isr.into(),
        aeoi: pic.auto_eoi,
        poll: pic.poll,
        rotate: pic.rotate,
        sfn: pic.fully_nested,
        irq_base: pic.base,
        request: pic.request,
        service: pic.service,
        mask: pic.mask,
        smm: pic.special_mask,
        last_request: pic.lines,
        lowprio: pic.lowest,
        intr_raised: raised,
        elc: pic.elcr,
    }
}

fn restore(state: &hv_atpic_state) -> Pic {
    Pic {
        ready: state.ready,
        icw: state.icw_num,
        wants_icw4: true,
        read_isr: state.rd_cmd_reg != 0,
        auto_eoi: state.aeoi,
        poll: state.poll,
        rotate: state.rotate,
        fully_nested: state.sfn,
        base: state.irq_base & 0xf8,
        request: state.request,
        service: state.service,
        mask: state.mask,
        special_mask: state.smm,
        lines: state.last_request,
        lowest: state.lowprio & 7,
        elcr: state.elc,
    }
}

impl Chip {
    /// `hv_vm_ioapic_get_state`.
    pub(crate) fn ioapic_get_state(&self, state: &mut hv_ioapic_state_ext_t) -> Result<(), Code> {
        check_version(state.version)?;
        state.state = self.ioapic_snapshot();
        Ok(())
    }

    fn ioapic_snapshot(&self) -> hv_ioapic_state {
        let ioapic = lock(&self.ioapic);
        hv_ioapic_state {
            rtbl: ioapic.table,
            irr: ioapic.lines,
            ioa_id: ioapic.id,
            ioregsel: ioapic.select,
        }
    }

    /// `hv_vm_ioapic_put_state`.
    pub(crate) fn ioapic_put_state(&self, state: &hv_ioapic_state_ext_t) -> Result<(), Code> {
        check_version(state.version)?;
        let mut ioapic = lock(&self.ioapic);
        ioapic.table = state.state.rtbl;
        ioapic.lines = state.state.irr;
        ioapic.id = state.state.ioa_id & 0x0f00_0000;
        ioapic.select = state.state.ioregsel & 0xff;
        Ok(())
    }

    /// `hv_vm_atpic_get_state`.
    pub(crate) fn pic_get_state(
        &self,
        state: &mut hv_atpic_state_ext_t,
        primary: bool,
    ) -> Result<(), Code> {
        check_version(state.version)?;
        let pair = lock(&self.pic);
        let raised = pair.has_interrupt();
        state.state = match primary {
            true => save(&pair.primary, raised),
            false => save(&pair.secondary, false),
        };
        Ok(())
    }

    /// `hv_vm_atpic_put_state`.
    pub(crate) fn pic_put_state(
        &self,
        state: &hv_atpic_state_ext_t,
        primary: bool,
    ) -> Result<(), Code> {
        check_version(state.version)?;
        self.with_pic(|pair| {
            let pic = restore(&state.state);
            if primary {
                pair.primary = pic;
            } else {
                pair.secondary = pic;
            }
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::registers::{Trigger, offset};
    use super::*;
    use crate::engine::software::memory::AddressSpace;

    #[test]
    fn a_local_apic_comes_back() {
        let chip = Chip::new();
        let space = AddressSpace::default();
        let first = Local::new(&chip, 0, space.join());
        let writes = [
            (offset::SVR, 0x1ff),
            (offset::LVT_TIMER, 0x2_0044),
            (offset::TPR, 0x20),
            (offset::TIMER_INITIAL, 5000),
        ];
        for (at, value) in writes {
            first.write(at, value, 0);
        }
        first.interrupt(0x61, Trigger::Level);
        let mut state = hv_apic_state_ext_t {
            version: VERSION,
            state: first.snapshot(0xfee0_0000, 100),
        };
        first.get_state(&mut state, 0xfee0_0000, 100).unwrap();
        let saved = &state.state;
        assert_eq!(
            (saved.apic_gpa, saved.tpr, saved.icr_timer),
            (0xfee0_0000, 0x20, 5000)
        );
        let second = Local::new(&chip, 1, space.join());
        second.put_state(&state, 0, 7000).unwrap();
        let again = second.snapshot(0xfee0_0000, 7000);
        assert_eq!(format!("{again:?}"), format!("{:?}", state.state));
        assert_eq!(second.acknowledge(), Some(0x61));
        state.version = 1;
        assert_eq!(second.put_state(&state, 0, 0), Err(Code::BAD_ARGUMENT));
        assert_eq!(second.get_state(&mut state, 0, 0), Err(Code::BAD_ARGUMENT));
    }

    #[test]
    fn the_ioapic_comes_back() {
        let (chip, copy) = (Chip::new(), Chip::new());
        chip.ioapic_write(0, 0x30);
        chip.ioapic_write(0x10, 0x8077);
        chip.set_line(9, &[true]).unwrap();
        let mut state = hv_ioapic_state_ext_t {
            version: VERSION,
            state: copy.ioapic_snapshot(),
        };
        chip.ioapic_get_state(&mut state).unwrap();
        copy.ioapic_put_state(&state).unwrap();
        assert_eq!(copy.ioapic_read(0), 0x30);
        assert_eq!(copy.ioapic_read(0x10), chip.ioapic_read(0x10));
    }

    #[test]
    fn the_8259s_come_back() {
        let (chip, copy) = (Chip::new(), Chip::new());
        for value in [0x11, 0x40, 4, 1] {
            let port = if value == 0x11 { 0xa0 } else { 0xa1 };
            chip.pic_write(port, value).unwrap();
        }
        let mut state = hv_atpic_state_ext_t {
            version: VERSION,
            state: save(&Pic::default(), false),
        };
        chip.pic_get_state(&mut state, false).unwrap();
        copy.pic_put_state(&state, false).unwrap();
        let pair = lock(&copy.pic);
        assert_eq!((pair.secondary.base, pair.secondary.ready), (0x40, true));
        assert!(!pair.primary.ready);
    }
}
