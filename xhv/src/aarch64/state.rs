//! Everything that a vCPU is, as JSON: saved, restored, compared. The tables say what belongs to it and in which order it is written.

use serde::{Deserialize, Serialize, Serializer};

use super::reg::FPSR;
use super::sme::SmeState;
use super::sme_registers::Svcr;
use super::sysreg::CNTP_CVAL_EL0;
use super::vcpu::{Interrupt, Vcpu};
use super::{gic_registers, reg, simd, sysreg};
use crate::engine::aarch64 as engine;
use crate::error::{Code, Error};
use crate::typed::state::{
    Mode, RestoreError, RestoreReport, RowAccess, SaveReport, Table, Undo, restore, save,
};
use crate::typed::{Kind, RawRead, RawWrite, RowInfo, hex, space};

xhv_macros::spec! {
    /// All state of an AArch64 vCPU: general, vector and system registers with the pointer authentication keys, timers with a clock anchor,
    /// interrupt lines, the GIC's CPU interface, SME, and which debug events are exits.
    state VcpuState on aarch64 cite "hv_vcpu.h, hv_gic.h: what can be read" {
        general reg;
        simd simd;
        system sysreg;
        gic gic_registers;
        extra timer: TimerState;
        extra lines: LineState;
        extra debug: DebugState;
        extra sme: SmeState;
    }
}

/// The virtual timer beyond its registers, and the clock anchor: what the host's counter showed when the vCPU was saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TimerState {
    /// The host's counter at the save, in ticks of 24 MHz.
    #[serde(serialize_with = "write_hex", deserialize_with = "hex::deserialize")]
    pub counter: u64,
    /// What the guest's virtual counter lagged behind it.
    #[serde(serialize_with = "write_hex", deserialize_with = "hex::deserialize")]
    pub offset: u64,
    /// Whether the virtual timer is masked.
    pub masked: bool,
}

/// Serde hands out references; numbers go by value.
#[allow(clippy::trivially_copy_pass_by_ref)]
fn write_hex<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    hex::serialize(*value, serializer)
}

/// Interrupt lines and what is pending for the next run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineState {
    /// Level of the IRQ line.
    pub irq: bool,
    /// Level of the FIQ line.
    pub fiq: bool,
    /// An IRQ for the next run only.
    pub pending_irq: bool,
    /// An FIQ for the next run only.
    pub pending_fiq: bool,
    /// A virtual SError.
    #[serde(default)]
    pub serror: bool,
}

/// Which debug events are exits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DebugState {
    /// Debug exceptions.
    pub exceptions: bool,
    /// Accesses to debug registers.
    pub registers: bool,
}

/// What a restored guest's clock shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Clock {
    /// It goes on where it was: the time between save and restore has not passed for the guest.
    #[default]
    GoOn,
    /// This offset. Give every vCPU of a VM the same: [`Clock::anchor`].
    Offset(u64),
}

impl Clock {
    /// The offset with which a guest's clock goes on now where this vCPU was saved: for all vCPUs of the VM.
    #[must_use]
    pub fn anchor(state: &VcpuState) -> Self {
        state.timer.map_or(Self::GoOn, |timer| {
            Self::Offset(timer.offset.wrapping_add(passed(&timer)))
        })
    }
}

/// Ticks since a save.
fn passed(timer: &TimerState) -> u64 {
    engine::counter().wrapping_sub(timer.counter)
}

impl VcpuState {
    /// As JSON text: registers by name, values as hexadecimal strings.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The state holds strings, numbers and maps with string keys: nothing that JSON does not have.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }

    /// From JSON text.
    ///
    /// # Errors
    /// [`Error::Snapshot`] that says where the text is damaged, or that it is of another architecture or version.
    pub fn from_json(text: &str) -> Result<Self, Error> {
        serde_json::from_str(text).map_err(|error| Error::Snapshot {
            place: format!("line {}, column {}", error.line(), error.column()),
            why: error.to_string(),
        })
    }
}

impl RowAccess for Vcpu {
    fn read_row(&self, row: &'static RowInfo) -> Result<u128, Code> {
        let value = match row.kind {
            Kind::Simd => return RawRead::<space::Simd>::raw_read(self, row.key),
            Kind::Register => RawRead::<space::General>::raw_read(self, row.key),
            Kind::SystemRegister => RawRead::<space::System>::raw_read(self, row.key),
            Kind::GicIcc => RawRead::<space::GicIcc>::raw_read(self, row.key),
            Kind::GicIch => RawRead::<space::GicIch>::raw_read(self, row.key),
            Kind::GicIcv => RawRead::<space::GicIcv>::raw_read(self, row.key),
            _ => Err(Code::UNSUPPORTED),
        }?;
        Ok(u128::from(value))
    }

    fn write_row(&mut self, row: &'static RowInfo, value: u128) -> Result<(), Code> {
        let word = value as u64;
        match row.kind {
            Kind::Simd => RawWrite::<space::Simd>::raw_write(self, row.key, value),
            Kind::Register => RawWrite::<space::General>::raw_write(self, row.key, word),
            Kind::SystemRegister => RawWrite::<space::System>::raw_write(self, row.key, word),
            Kind::GicIcc => RawWrite::<space::GicIcc>::raw_write(self, row.key, word),
            Kind::GicIch => RawWrite::<space::GicIch>::raw_write(self, row.key, word),
            Kind::GicIcv => RawWrite::<space::GicIcv>::raw_write(self, row.key, word),
            _ => Err(Code::UNSUPPORTED),
        }
    }
}

/// How a state is brought back.
#[derive(Debug, Clone, Copy, Default)]
pub struct RestoreOptions<'a> {
    /// What to do about names that the file and this host do not share.
    pub mode: Mode,
    /// What the guest's clock shows.
    pub clock: Clock,
    /// Tables of one's own that the state was saved with.
    pub more: &'a [Table],
}

impl Vcpu {
    /// All state of the vCPU. A device access that is half answered counts as not begun. The GIC's own state is [`super::Gic::save`]'s.
    ///
    /// # Errors
    /// [`Error::Snapshot`] if the engine does not tell a row that every host has.
    pub fn save(&self) -> Result<VcpuState, Error> {
        self.save_with(&[]).map(|(state, _)| state)
    }

    /// As [`Vcpu::save`], with rows of tables of one's own, and a report of what this host or VM does not have.
    ///
    /// # Errors
    /// As [`Vcpu::save`].
    pub fn save_with(&self, more: &[Table]) -> Result<(VcpuState, SaveReport), Error> {
        let (mut state, mut report) =
            save::<VcpuState>(self, more).map_err(|error| Error::Snapshot {
                place: error.0.place.to_string(),
                why: error.to_string(),
            })?;
        // What belongs to an EL2, a GIC or SME that this VM was not given is no state of it.
        report.absent.retain(|refusal| {
            let row = sysreg::ALL.iter().find(|row| row.name == refusal.place.row);
            refusal.place.group != "gic" && row.is_some_and(|row| row.requires.is_empty())
        });
        state.timer = Some(TimerState {
            counter: engine::counter(),
            offset: self.vtimer_offset()?,
            masked: self.vtimer_mask()?,
        });
        state.lines = Some(self.line_state());
        state.debug = Some(DebugState {
            exceptions: self.trap_debug_exceptions()?,
            registers: self.trap_debug_registers()?,
        });
        state.sme = self.save_sme()?;
        Ok((state, report))
    }

    fn line_state(&self) -> LineState {
        let [pending_irq, pending_fiq] = self.pending_lines();
        LineState {
            irq: self.interrupt_line(Interrupt::Irq),
            fiq: self.interrupt_line(Interrupt::Fiq),
            pending_irq,
            pending_fiq,
            // Before macOS 27 nobody can make one pending.
            serror: self.serror().unwrap_or(false),
        }
    }

    /// Makes the vCPU what the state says; its clock goes on where it was. Names that this host does not know and rows that the state lacks
    /// are refused.
    ///
    /// # Errors
    /// [`Error::Snapshot`] with the row; the vCPU is as it was then.
    pub fn restore(&mut self, state: &VcpuState) -> Result<RestoreReport, Error> {
        self.restore_with(state, &RestoreOptions::default())
    }

    /// As [`Vcpu::restore`], strict or lenient, with a clock and rows of tables of one's own. Lenient: unknown, missing and refused rows
    /// are listed in the report.
    ///
    /// # Errors
    /// As [`Vcpu::restore`].
    pub fn restore_with(
        &mut self,
        state: &VcpuState,
        options: &RestoreOptions<'_>,
    ) -> Result<RestoreReport, Error> {
        let before = Before::of(self)?;
        self.switch_sme(state.sme.as_ref())?;
        let outcome = restore(state, self, options.mode, options.more);
        let (report, undo) = match outcome {
            Ok(done) => done,
            Err(error) => {
                before.bring_back(self);
                return Err(refused(&error));
            }
        };
        if let Err(error) = self.restore_parts(state, options.clock) {
            undo_all(self, undo, before);
            return Err(Error::Snapshot {
                place: "timer, lines, debug or sme".to_owned(),
                why: error.to_string(),
            });
        }
        self.transfer = None;
        Ok(report)
    }

    /// SM and ZA come first: a change of SM zeroes registers.
    fn switch_sme(&mut self, state: Option<&SmeState>) -> Result<(), Error> {
        let Some(state) = state.filter(|state| state.svcr != Svcr::empty()) else {
            return Ok(());
        };
        self.set_sme_state(state.svcr)
            .map_err(|error| Error::Snapshot {
                place: "sme".to_owned(),
                why: error.to_string(),
            })
    }

    fn restore_parts(&mut self, state: &VcpuState, clock: Clock) -> Result<(), Error> {
        if let Some(sme) = &state.sme {
            self.restore_sme(sme)?;
            // The switch may have set its flags.
            if let Some(fpsr) = state.general.get(FPSR.name()) {
                self.write(FPSR, reg::Fpsr::from_bits(fpsr as u64))?;
            }
        }
        if let Some(timer) = &state.timer {
            self.restore_timer(timer, state, clock)?;
        }
        if let Some(lines) = &state.lines {
            self.set_interrupt_line(Interrupt::Irq, lines.irq);
            self.set_interrupt_line(Interrupt::Fiq, lines.fiq);
            self.set_pending_lines([lines.pending_irq, lines.pending_fiq]);
            if lines.serror {
                self.set_serror(true)?;
            }
        }
        if let Some(debug) = &state.debug {
            self.set_trap_debug_exceptions(debug.exceptions)?;
            self.set_trap_debug_registers(debug.registers)?;
        }
        Ok(())
    }

    fn restore_timer(
        &mut self,
        timer: &TimerState,
        state: &VcpuState,
        clock: Clock,
    ) -> Result<(), Error> {
        let offset = match clock {
            Clock::GoOn => timer.offset.wrapping_add(passed(timer)),
            Clock::Offset(offset) => offset,
        };
        self.set_vtimer_offset(offset)?;
        self.set_vtimer_mask(timer.masked)?;
        // The physical counter cannot be shifted: its timer fires as late after the restore as it would have after the save.
        if let Some(due) = state.system.get(CNTP_CVAL_EL0.name()) {
            let shift = offset.wrapping_sub(timer.offset);
            self.write(CNTP_CVAL_EL0, (due as u64).wrapping_add(shift))?;
        }
        Ok(())
    }
}

fn refused(error: &RestoreError) -> Error {
    let place = match error {
        RestoreError::TooWide { place, .. } => place.to_string(),
        RestoreError::Refused { refusal, .. } => refusal.place.to_string(),
        _ => String::new(),
    };
    Error::Snapshot {
        place,
        why: error.to_string(),
    }
}

/// What is not in rows, as it was before a restore.
struct Before {
    timer: TimerState,
    lines: LineState,
    debug: DebugState,
    sme: Option<SmeState>,
}

impl Before {
    fn of(vcpu: &Vcpu) -> Result<Self, Error> {
        Ok(Self {
            timer: TimerState {
                counter: 0,
                offset: vcpu.vtimer_offset()?,
                masked: vcpu.vtimer_mask()?,
            },
            lines: vcpu.line_state(),
            debug: DebugState {
                exceptions: vcpu.trap_debug_exceptions()?,
                registers: vcpu.trap_debug_registers()?,
            },
            sme: vcpu.save_sme()?,
        })
    }

    /// Best effort: what was accepted a moment ago is accepted again.
    fn bring_back(self, vcpu: &mut Vcpu) {
        if let Some(sme) = &self.sme {
            let _ = vcpu.set_sme_state(sme.svcr);
            let _ = vcpu.restore_sme(sme);
        }
        let _ = vcpu.set_vtimer_offset(self.timer.offset);
        let _ = vcpu.set_vtimer_mask(self.timer.masked);
        vcpu.set_interrupt_line(Interrupt::Irq, self.lines.irq);
        vcpu.set_interrupt_line(Interrupt::Fiq, self.lines.fiq);
        vcpu.set_pending_lines([self.lines.pending_irq, self.lines.pending_fiq]);
        let _ = vcpu.set_trap_debug_exceptions(self.debug.exceptions);
        let _ = vcpu.set_trap_debug_registers(self.debug.registers);
    }
}

fn undo_all(vcpu: &mut Vcpu, undo: Undo, before: Before) {
    before.bring_back(vcpu);
    undo.roll_back(vcpu);
}
