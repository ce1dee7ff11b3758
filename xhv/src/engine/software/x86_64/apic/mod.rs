//! The interrupt controllers of the framework (macOS 12.0): local APICs, an I/O APIC, a pair of 8259s, and the messages between them.
//!
//! | file | what |
//! |---|---|
//! | `registers`, `timer` | a local APIC, without locks |
//! | `local` | the same, shared between its vCPU and everybody who interrupts it |
//! | `ioapic`, `pic` | the I/O APIC; the 8259 pair |
//! | `ipi` | interprocessor interrupts |
//! | `state` | snapshots in the framework's structs |

mod ioapic;
mod ipi;
mod local;
mod pic;
pub(crate) mod registers;
mod state;
mod timer;

use core::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::error::Code;
use crate::memory::lock;
use ioapic::{Ioapic, Message};
pub(crate) use local::{Information, Local};
use pic::Pair;
use registers::Trigger;

/// Frequency of the APIC timers in Hz until the client sets another.
pub(crate) const BUS_HZ: u64 = 1_000_000_000;
/// Frequencies that `hv_vm_set_apic_bus_freq` takes.
const BUS_RANGE: core::ops::RangeInclusive<u64> = 16_000_000..=2_000_000_000;

/// Delivery modes of interrupt messages (SDM vol. 3, 12.6.1).
pub(crate) mod mode {
    pub(crate) const FIXED: u32 = 0;
    pub(crate) const LOWEST_PRIORITY: u32 = 1;
    pub(crate) const SMI: u32 = 2;
    pub(crate) const NMI: u32 = 4;
    pub(crate) const INIT: u32 = 5;
    pub(crate) const START_UP: u32 = 6;
    pub(crate) const EXTINT: u32 = 7;
}

/// The interrupt controllers of a VM.
#[derive(Debug)]
pub(crate) struct Chip {
    locals: Mutex<Vec<Weak<Local>>>,
    ioapic: Mutex<Ioapic>,
    pic: Mutex<Pair>,
    bus_hz: AtomicU64,
}

impl Chip {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            locals: Mutex::default(),
            ioapic: Mutex::default(),
            pic: Mutex::default(),
            bus_hz: AtomicU64::new(BUS_HZ),
        })
    }

    /// `hv_vm_set_apic_bus_freq`, for local APICs to come.
    pub(crate) fn set_bus_hz(&self, hz: u64) -> Result<(), Code> {
        if !BUS_RANGE.contains(&hz) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.bus_hz.store(hz, Ordering::Relaxed);
        Ok(())
    }

    fn locals(&self) -> Vec<Arc<Local>> {
        lock(&self.locals)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    /// The local APIC of a vCPU.
    fn local(&self, vcpu: u32) -> Option<Arc<Local>> {
        self.locals().into_iter().find(|local| local.vcpu() == vcpu)
    }

    /// `hv_vm_lapic_set_intr`.
    pub(crate) fn set_intr(&self, vcpu: u32, vector: u8, trigger: u32) -> Result<(), Code> {
        let trigger = match trigger {
            0 => Trigger::Edge,
            1 => Trigger::EdgeAutoEoi,
            2 => Trigger::Level,
            _ => return Err(Code::BAD_ARGUMENT),
        };
        let local = self.local(vcpu).ok_or(Code::NO_DEVICE)?;
        if vector < 16 {
            return Err(Code::BAD_ARGUMENT);
        }
        local.interrupt(vector, trigger);
        Ok(())
    }

    /// `hv_vm_lapic_msi`: message address and data as PCI devices send them (SDM vol. 3, 12.11).
    pub(crate) fn msi(&self, addr: u64, data: u64) -> Result<(), Code> {
        if addr >> 20 != 0xfee {
            return Err(Code::BAD_ARGUMENT);
        }
        let (redirect, logical) = (addr >> 3 & 1 != 0, addr >> 2 & 1 != 0);
        let mut mode = (data >> 8 & 7) as u32;
        if redirect && mode == mode::FIXED {
            mode = mode::LOWEST_PRIORITY;
        }
        self.deliver(Message {
            to: (addr >> 12) as u8,
            logical,
            mode,
            vector: data as u8,
            level: data >> 15 & 1 != 0,
        });
        Ok(())
    }

    /// `hv_vm_send_ioapic_intr`: a redirection-table entry of somebody else's I/O APIC.
    pub(crate) fn send_entry(&self, entry: u64) {
        self.deliver(Message::of(entry));
    }

    /// Carries an interrupt message to the local APICs that it is for.
    fn deliver(&self, message: Message) {
        let locals = self.locals();
        let mut targets: Vec<_> = locals
            .iter()
            .filter(|local| local.is_destination(message.to, message.logical))
            .collect();
        if message.mode == mode::LOWEST_PRIORITY {
            let lowest = targets.iter().min_by_key(|local| local.priority()).copied();
            targets = lowest.into_iter().collect();
        }
        let trigger = if message.level {
            Trigger::Level
        } else {
            Trigger::Edge
        };
        for local in targets {
            match message.mode {
                mode::FIXED | mode::LOWEST_PRIORITY => local.interrupt(message.vector, trigger),
                mode::NMI => local.nmi(),
                mode::EXTINT => local.extint(),
                // SMI: there is no SMM. INIT and start-up come from ICR only.
                _ => {}
            }
        }
    }

    /// Changes the I/O APIC and sends what that gives rise to.
    fn with_ioapic<T>(&self, change: impl FnOnce(&mut Ioapic) -> (T, Vec<Message>)) -> T {
        let (answer, messages) = change(&mut lock(&self.ioapic));
        for message in messages {
            self.deliver(message);
        }
        answer
    }

    /// `hv_vm_ioapic_assert_irq` and its like.
    pub(crate) fn set_line(&self, line: i32, levels: &[bool]) -> Result<(), Code> {
        let line = usize::try_from(line).map_err(|_| Code::BAD_ARGUMENT)?;
        if line >= ioapic::LINES {
            return Err(Code::BAD_ARGUMENT);
        }
        for &level in levels {
            self.with_ioapic(|ioapic| ((), ioapic.set_line(line, level).into_iter().collect()));
        }
        Ok(())
    }

    /// `hv_vm_ioapic_read`.
    pub(crate) fn ioapic_read(&self, gpa: u64) -> u32 {
        lock(&self.ioapic).read(gpa & 0xff)
    }

    /// `hv_vm_ioapic_write`.
    pub(crate) fn ioapic_write(&self, gpa: u64, value: u32) {
        self.with_ioapic(|ioapic| ((), ioapic.write(gpa & 0xff, value).into_iter().collect()));
    }

    /// A local APIC has ended a level-triggered interrupt.
    fn end_of_interrupt(&self, vector: u8) {
        self.with_ioapic(|ioapic| ((), ioapic.end_of_interrupt(vector)));
    }

    /// Changes the 8259s, and tells the vCPUs that listen to them when their line goes up.
    fn with_pic<T>(&self, change: impl FnOnce(&mut Pair) -> T) -> T {
        let (answer, raised) = {
            let mut pic = lock(&self.pic);
            let answer = change(&mut pic);
            (answer, pic.has_interrupt())
        };
        if raised {
            self.locals().iter().for_each(|local| local.wake());
        }
        answer
    }

    /// `hv_vm_atpic_assert_irq` and `hv_vm_atpic_deassert_irq`.
    pub(crate) fn set_pic_line(&self, line: i32, level: bool) -> Result<(), Code> {
        let line = u8::try_from(line).map_err(|_| Code::BAD_ARGUMENT)?;
        if line > 15 {
            return Err(Code::BAD_ARGUMENT);
        }
        self.with_pic(|pic| pic.set_line(line, level));
        Ok(())
    }

    /// `hv_vm_atpic_port_read`.
    pub(crate) fn pic_read(&self, port: i32) -> Result<u8, Code> {
        let port = u16::try_from(port).map_err(|_| Code::BAD_ARGUMENT)?;
        self.with_pic(|pic| pic.read(port))
            .ok_or(Code::BAD_ARGUMENT)
    }

    /// `hv_vm_atpic_port_write`.
    pub(crate) fn pic_write(&self, port: i32, value: u8) -> Result<(), Code> {
        let port = u16::try_from(port).map_err(|_| Code::BAD_ARGUMENT)?;
        self.with_pic(|pic| pic.write(port, value))
            .ok_or(Code::BAD_ARGUMENT)
    }

    /// The vector of the 8259s' interrupt, acknowledged; `None` if their line is down.
    fn acknowledge_pic(&self) -> Option<u8> {
        let mut pic = lock(&self.pic);
        pic.has_interrupt().then(|| pic.acknowledge())
    }

    fn pic_line(&self) -> bool {
        lock(&self.pic).has_interrupt()
    }
}
