//! The current map of a guest-physical address space, and how a change of it reaches vCPUs that are running.
//!
//! Every vCPU has a [`Slot`] that others may set bits in, and that it looks at every few microseconds, between blocks. A change of the map publishes the
//! new one and then waits until no running vCPU uses the old: after `unmap` has returned no guest touches the memory.

use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use super::bus::Bus;
use super::map::{Map, Mapping};
use crate::error::Code;
use crate::memory::{CodeWatcher, Permissions, lock};

/// Bits that ask a vCPU to look up from its work.
#[derive(Debug)]
pub(crate) struct Attention;

impl Attention {
    /// The map has changed, or write access has to be looked up anew.
    pub(crate) const MAP: u32 = 1;
    /// Decoded code was written.
    pub(crate) const CODE: u32 = 2;
    /// Leave the guest.
    pub(crate) const CANCEL: u32 = 4;
    /// An interrupt line, a timer or another device wants the CPU.
    pub(crate) const EVENT: u32 = 8;
    /// Another vCPU wants the memory for itself: see [`Bus`].
    pub(crate) const BUS: u32 = 16;
}

/// Decoded lines that were written: see [`CodeWatcher`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StaleCode {
    pub(crate) memory: usize,
    pub(crate) page: u64,
    pub(crate) lines: u64,
}

/// What others see of a vCPU.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    attention: AtomicU32,
    in_guest: AtomicBool,
    epoch: AtomicU64,
    stale: Mutex<Vec<StaleCode>>,
    /// The vCPU's thread while it waits for attention.
    sleeper: Mutex<Option<std::thread::Thread>>,
    asleep: AtomicBool,
}

impl Slot {
    /// The bits that are set; looked at between blocks, when a vCPU's budget of instructions is used up.
    #[inline(always)]
    pub(crate) fn attention(&self) -> u32 {
        self.attention.load(Ordering::Relaxed)
    }

    /// Asks for attention, from any thread.
    pub(crate) fn ask(&self, bits: u32) {
        self.attention.fetch_or(bits, Ordering::SeqCst);
        if self.asleep.load(Ordering::SeqCst)
            && let Some(thread) = &*lock(&self.sleeper)
        {
            thread.unpark();
        }
    }

    /// Sleeps until somebody asks for attention, or for `timeout` nanoseconds. Called by the vCPU's own thread; may wake early.
    pub(crate) fn wait(&self, timeout: Option<u64>) {
        *lock(&self.sleeper) = Some(std::thread::current());
        self.asleep.store(true, Ordering::SeqCst);
        // Who asked before `asleep` was set is seen here; who asks later unparks.
        if self.attention.load(Ordering::SeqCst) == 0 {
            match timeout {
                Some(timeout) => {
                    std::thread::park_timeout(core::time::Duration::from_nanos(timeout))
                }
                None => std::thread::park(),
            }
        }
        self.asleep.store(false, Ordering::SeqCst);
    }

    /// Takes back `bits` and answers which of them were set.
    pub(crate) fn take(&self, bits: u32) -> u32 {
        self.attention.fetch_and(!bits, Ordering::SeqCst) & bits
    }

    /// The code that has gone stale since the last call.
    pub(crate) fn take_stale(&self) -> Vec<StaleCode> {
        core::mem::take(&mut lock(&self.stale))
    }
}

impl CodeWatcher for Slot {
    fn code_changed(&self, memory: usize, page: u64, lines: u64) {
        lock(&self.stale).push(StaleCode {
            memory,
            page,
            lines,
        });
        self.ask(Attention::CODE);
    }
}

/// A guest-physical address space: what vCPUs share.
#[derive(Debug, Default)]
pub(crate) struct AddressSpace {
    map: Mutex<Arc<Map>>,
    epoch: AtomicU64,
    slots: Mutex<Vec<Weak<Slot>>>,
    bus: Arc<Bus>,
}

impl AddressSpace {
    /// An empty space whose vCPUs share `bus` with those of others.
    pub(crate) fn on(bus: Arc<Bus>) -> Self {
        Self {
            bus,
            ..Self::default()
        }
    }

    /// Maps a range. [`Code::ERROR`] where it overlaps another, [`Code::BAD_ARGUMENT`] where it is misaligned or empty.
    pub(crate) fn map(&self, mapping: Mapping) -> Result<(), Code> {
        self.change(|map| map.with(mapping))
    }

    /// Takes a mapped range away. When this returns no vCPU uses it any more.
    pub(crate) fn unmap(&self, gpa: u64, size: u64) -> Result<(), Code> {
        self.change(|map| map.without(gpa, size))
    }

    /// Changes what the guest may do with a mapped range. When this returns every vCPU obeys.
    pub(crate) fn protect(
        &self,
        gpa: u64,
        size: u64,
        permissions: Permissions,
    ) -> Result<(), Code> {
        self.change(|map| map.protected(gpa, size, permissions))
    }

    /// Everything that is mapped now, sorted by address.
    pub(crate) fn mappings(&self) -> Vec<Mapping> {
        self.current().ranges().to_vec()
    }

    pub(super) fn current(&self) -> Arc<Map> {
        lock(&self.map).clone()
    }

    pub(super) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    /// A slot for a new vCPU.
    pub(crate) fn join(&self) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        let mut slots = lock(&self.slots);
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(&slot));
        self.bus.join(&slot);
        slot
    }

    pub(super) fn bus(&self) -> &Arc<Bus> {
        &self.bus
    }

    fn change(&self, change: impl FnOnce(&Map) -> Result<Map, Code>) -> Result<(), Code> {
        {
            let mut map = lock(&self.map);
            *map = Arc::new(change(&map)?);
        }
        self.shoot_down();
        Ok(())
    }

    /// Makes every vCPU look up its memory anew, and waits until those in the guest have.
    ///
    /// Must not be called by a vCPU that counts as in the guest: see [`AddressSpace::shoot_down_others`].
    fn shoot_down(&self) {
        let epoch = self.epoch.fetch_add(1, Ordering::SeqCst) + 1;
        let slots: Vec<_> = lock(&self.slots).iter().filter_map(Weak::upgrade).collect();
        for slot in &slots {
            slot.ask(Attention::MAP);
        }
        for slot in slots {
            while slot.in_guest.load(Ordering::SeqCst) && slot.epoch.load(Ordering::SeqCst) < epoch
            {
                std::thread::yield_now();
            }
        }
    }

    /// The same, called by a vCPU between two blocks. The caller has to refresh its own view afterwards.
    pub(super) fn shoot_down_others(&self, own: &Slot) {
        // While it waits it counts as outside, so that two vCPUs may wait for each other.
        let inside = own.in_guest.swap(false, Ordering::SeqCst);
        self.shoot_down();
        if inside {
            own.enter();
            self.bus.pass(own);
        }
    }
}

impl Slot {
    pub(super) fn enter(&self) {
        self.in_guest.store(true, Ordering::SeqCst);
    }

    pub(super) fn leave(&self) {
        self.in_guest.store(false, Ordering::SeqCst);
    }

    pub(super) fn is_inside(&self) -> bool {
        self.in_guest.load(Ordering::SeqCst)
    }

    pub(super) fn seen(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::SeqCst);
    }
}
