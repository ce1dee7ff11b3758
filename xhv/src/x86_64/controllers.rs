//! Snapshots of the interrupt controllers inside the engine: named hexadecimal values, as the rest of a snapshot. `apic` reads and writes them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::apic::{ApicState, AtpicState, IoapicState};
use super::state::Hex;
use super::vcpu::Vcpu;
use super::vm::{Vm, VmOptions};
use crate::error::Error;

/// Registers of a controller by name; those that are lists have several values.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Controller(pub BTreeMap<String, Vec<Hex>>);

/// The controllers that all vCPUs share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Controllers {
    /// I/O APIC.
    pub ioapic: Controller,
    /// First 8259.
    pub primary_pic: Controller,
    /// Second 8259.
    pub secondary_pic: Controller,
}

impl Controller {
    fn put(&mut self, name: &str, values: impl IntoIterator<Item = u64>) {
        self.0
            .insert(name.to_owned(), values.into_iter().map(Hex).collect());
    }

    /// The values of a register, which has exactly `N` of at most `most`.
    fn get<const N: usize>(&self, name: &str, most: u64) -> Result<[u64; N], Error> {
        let damaged = |why: String| Error::Snapshot {
            place: name.to_owned(),
            why,
        };
        let values = self
            .0
            .get(name)
            .ok_or_else(|| damaged("missing".to_owned()))?;
        let list: Vec<u64> = values.iter().map(|value| value.0).collect();
        if let Some(wide) = list.iter().find(|value| **value > most) {
            return Err(damaged(format!("{wide:#x} is wider than the register")));
        }
        let count = list.len();
        <[u64; N]>::try_from(list)
            .map_err(|_| damaged(format!("{count} values where there are {N}")))
    }
}

/// How a member of a C struct becomes values and is made of them.
trait Member: Sized {
    fn values(&self) -> Vec<u64>;
    fn read(from: &Controller, name: &str) -> Result<Self, Error>;
}

macro_rules! numbers {
    ($($type:ident)*) => {$(
        impl Member for $type {
            fn values(&self) -> Vec<u64> {
                vec![u64::from(*self)]
            }
            fn read(from: &Controller, name: &str) -> Result<Self, Error> {
                let [value] = from.get::<1>(name, u64::from($type::MAX))?;
                Ok(value as $type)
            }
        }
        impl<const N: usize> Member for [$type; N] {
            fn values(&self) -> Vec<u64> {
                self.iter().map(|value| u64::from(*value)).collect()
            }
            fn read(from: &Controller, name: &str) -> Result<Self, Error> {
                let values = from.get::<N>(name, u64::from($type::MAX))?;
                Ok(values.map(|value| value as $type))
            }
        }
    )*};
}
numbers!(u8 u32 u64);

impl Member for bool {
    fn values(&self) -> Vec<u64> {
        vec![u64::from(*self)]
    }
    fn read(from: &Controller, name: &str) -> Result<Self, Error> {
        let [value] = from.get::<1>(name, 1)?;
        Ok(value != 0)
    }
}

macro_rules! controllers {
    ($($state:ident $fill:ident: $($name:ident)*;)*) => {$(
        impl From<&$state> for Controller {
            fn from(from: &$state) -> Self {
                let mut controller = Self::default();
                $(controller.put(stringify!($name), from.state.$name.values());)*
                controller
            }
        }
        impl Controller {
            fn $fill(&self, to: &mut $state) -> Result<(), Error> {
                $(to.state.$name = Member::read(self, stringify!($name))?;)*
                Ok(())
            }
        }
    )*};
}

controllers! {
    ApicState fill_apic: apic_gpa apic_controls tsc_deadline apic_id ver tpr apr ldr dfr svr isr tmr irr esr lvt icr icr_timer
        dcr_timer ccr_timer esr_pending boot_state aeoi;
    IoapicState fill_ioapic: rtbl irr ioa_id ioregsel;
    AtpicState fill_atpic: ready icw_num rd_cmd_reg aeoi poll rotate sfn irq_base request service mask smm last_request lowprio
        intr_raised elc;
}

impl Vm {
    /// The controllers that all vCPUs share; `None` without [`VmOptions::ACCEL_APIC`]. No vCPU may run.
    ///
    /// # Errors
    /// [`Error::Call`] if the engine refuses.
    pub fn save_controllers(&self) -> Result<Option<Controllers>, Error> {
        if !self.options().contains(VmOptions::ACCEL_APIC) {
            return Ok(None);
        }
        Ok(Some(Controllers {
            ioapic: Controller::from(&self.ioapic_state()?),
            primary_pic: Controller::from(&self.atpic_state(true)?),
            secondary_pic: Controller::from(&self.atpic_state(false)?),
        }))
    }

    /// Makes the controllers what they were. No vCPU may run.
    ///
    /// # Errors
    /// [`Error::Snapshot`] with the register that is damaged: [`Error::Call`] if the engine refuses. They are as they were then.
    pub fn restore_controllers(&self, controllers: &Controllers) -> Result<(), Error> {
        let had = (
            self.ioapic_state()?,
            self.atpic_state(true)?,
            self.atpic_state(false)?,
        );
        let (mut ioapic, mut primary, mut secondary) = had;
        controllers.ioapic.fill_ioapic(&mut ioapic)?;
        controllers.primary_pic.fill_atpic(&mut primary)?;
        controllers.secondary_pic.fill_atpic(&mut secondary)?;
        let outcome = self.set_controllers(&ioapic, &primary, &secondary);
        if outcome.is_err() {
            self.set_controllers(&had.0, &had.1, &had.2)?;
        }
        outcome
    }

    fn set_controllers(
        &self,
        ioapic: &IoapicState,
        primary: &AtpicState,
        secondary: &AtpicState,
    ) -> Result<(), Error> {
        self.set_ioapic_state(ioapic)?;
        self.set_atpic_state(primary, true)?;
        self.set_atpic_state(secondary, false)
    }
}

impl Vcpu {
    /// The engine's local APIC, if the VM has one.
    pub(super) fn save_apic(&self) -> Result<Option<Controller>, Error> {
        Ok(self.own_apic_state()?.as_ref().map(Controller::from))
    }

    pub(super) fn own_apic_state(&self) -> Result<Option<ApicState>, Error> {
        if !self.vm.options().contains(VmOptions::ACCEL_APIC) {
            return Ok(None);
        }
        self.apic_state().map(Some)
    }

    pub(super) fn restore_apic(&mut self, controller: &Controller) -> Result<(), Error> {
        let mut state = self.apic_state()?;
        controller.fill_apic(&mut state)?;
        self.set_apic_state(&state)
    }
}
