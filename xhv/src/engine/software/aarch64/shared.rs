//! What the vCPUs of a VM share: broadcast TLB invalidation, events, and waking one that sleeps in WFI.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering, fence};
use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, OnceLock, Weak};

use super::cpu::Cpu;
use super::gic::Gic;
use crate::engine::software::memory::{AddressSpace, Attention, Slot};
use crate::error::Code;
use crate::memory::lock;

/// A TLB invalidation by the operand of a TLBI instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Invalidation {
    /// VMALLE1, and ASIDE1, since entries do not carry their ASID.
    All,
    /// VAE1, VAAE1, VALE1, VAALE1: an address in bits \[55:12\].
    Address(u64),
}

impl Invalidation {
    /// From `op2` of the instruction and its operand.
    pub(crate) fn decode(op2: u32, value: u64) -> Self {
        match op2 {
            0 | 2 => Self::All,
            _ => Self::Address(((value << 20) as i64 >> 8) as u64),
        }
    }
}

/// What others see of a vCPU.
#[derive(Debug)]
pub(crate) struct Peer {
    slot: Arc<Slot>,
    running: AtomicBool,
    asked: AtomicBool,
    invalidations: Mutex<Vec<Invalidation>>,
    event: AtomicBool,
    /// What the GIC signals: [`gic::IRQ`], [`gic::FIQ`].
    signalled: AtomicU8,
    woken: Mutex<bool>,
    wake: Condvar,
}

impl Peer {
    /// Asks the vCPU to look for something to do, also if it sleeps.
    pub(crate) fn notify(&self, bits: u32) {
        self.slot.ask(bits);
        *lock(&self.woken) = true;
        self.wake.notify_all();
    }

    /// Sleeps until notified, at most for `limit`.
    pub(crate) fn sleep(&self, limit: Duration) {
        let mut woken = lock(&self.woken);
        if !*woken {
            woken = match self.wake.wait_timeout(woken, limit) {
                Ok((woken, _)) => woken,
                Err(poisoned) => poisoned.into_inner().0,
            };
        }
        *woken = false;
    }

    /// What the GIC signals from now on; wakes the vCPU if that is something new.
    pub(crate) fn signal(&self, signalled: u8) {
        let before = self.signalled.swap(signalled, Ordering::SeqCst);
        if signalled & !before != 0 {
            self.notify(Attention::EVENT);
        }
    }

    /// What the GIC signals.
    pub(crate) fn signalled(&self) -> u8 {
        self.signalled.load(Ordering::SeqCst)
    }

    /// Takes an event that another vCPU has sent.
    pub(crate) fn take_event(&self) -> bool {
        self.event.swap(false, Ordering::SeqCst)
    }
}

/// What the vCPUs of a VM share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) space: Arc<AddressSpace>,
    /// Bits of an intermediate physical address.
    pub(crate) ipa_bits: u32,
    /// Alignment of mappings in bytes.
    pub(crate) granule: u64,
    peers: Mutex<Vec<Weak<Peer>>>,
    gic: OnceLock<Arc<Gic>>,
}

impl Shared {
    pub(crate) fn new(ipa_bits: u32, granule: u64) -> Self {
        Self {
            space: Arc::default(),
            ipa_bits,
            granule,
            peers: Mutex::default(),
            gic: OnceLock::new(),
        }
    }

    /// Adds a vCPU.
    pub(crate) fn join(&self, slot: Arc<Slot>) -> Arc<Peer> {
        let peer = Arc::new(Peer {
            slot,
            running: AtomicBool::new(false),
            asked: AtomicBool::new(false),
            invalidations: Mutex::default(),
            event: AtomicBool::new(false),
            signalled: AtomicU8::new(0),
            woken: Mutex::new(false),
            wake: Condvar::new(),
        });
        let mut peers = lock(&self.peers);
        peers.retain(|peer| peer.strong_count() > 0);
        peers.push(Arc::downgrade(&peer));
        peer
    }

    fn others(&self, own: &Arc<Peer>) -> Vec<Arc<Peer>> {
        let peers = lock(&self.peers);
        let others = peers.iter().filter_map(Weak::upgrade);
        others.filter(|peer| !Arc::ptr_eq(peer, own)).collect()
    }

    /// Has all other vCPUs invalidate too.
    pub(crate) fn broadcast(&self, own: &Arc<Peer>, what: Invalidation) {
        for peer in self.others(own) {
            lock(&peer.invalidations).push(what);
            peer.asked.store(true, Ordering::SeqCst);
            peer.slot.ask(Attention::EVENT);
        }
    }

    /// SEV
    pub(crate) fn send_event(&self) {
        for peer in lock(&self.peers).iter().filter_map(Weak::upgrade) {
            peer.event.store(true, Ordering::SeqCst);
        }
    }

    /// Whether there is a GIC: then WFI sleeps, and does not exit.
    pub(crate) fn has_gic(&self) -> bool {
        self.gic.get().is_some()
    }

    /// The GIC, if there is one.
    pub(crate) fn gic(&self) -> Option<Arc<Gic>> {
        self.gic.get().cloned()
    }

    /// Gives the VM a GIC; [`Code::EXISTS`] if it has one.
    pub(crate) fn set_gic(&self, gic: Gic) -> Result<(), Code> {
        self.gic.set(Arc::new(gic)).map_err(|_| Code::EXISTS)
    }
}

impl Cpu {
    /// Does an invalidation here.
    pub(crate) fn invalidate(&mut self, what: Invalidation) {
        match what {
            Invalidation::All => self.translation_changed(),
            Invalidation::Address(va) => {
                self.flush_address(va);
                self.code_changed();
            }
        }
    }

    /// Does what other vCPUs have asked for.
    pub(crate) fn take_invalidations(&mut self) {
        let asked = &self.peer.asked;
        if !asked.load(Ordering::SeqCst) || !asked.swap(false, Ordering::SeqCst) {
            return;
        }
        let asked = core::mem::take(&mut *lock(&self.peer.invalidations));
        for what in asked {
            self.invalidate(what);
        }
    }

    /// Waits until all vCPUs that run have done the invalidations that were broadcast before.
    pub(crate) fn wait_for_invalidations(&mut self) {
        let pending = |peer: &Arc<Peer>| {
            peer.running.load(Ordering::SeqCst) && peer.asked.load(Ordering::SeqCst)
        };
        let waiting: Vec<_> = self.shared.others(&self.peer);
        for peer in waiting.iter().filter(|peer| pending(peer)) {
            while pending(peer) {
                // The other may wait for this one; and this one may be asked to leave the map.
                self.take_invalidations();
                if self.view.slot().attention() & Attention::MAP != 0 && self.view.refresh() {
                    self.code_changed();
                }
                std::thread::yield_now();
            }
        }
    }

    /// Begins to run guest code. Answers whether the map of memory has changed meanwhile.
    pub(crate) fn enter_guest(&mut self) -> bool {
        self.peer.running.store(true, Ordering::Relaxed);
        // Who asks from now on sees that this vCPU runs; what was asked before is seen here.
        fence(Ordering::SeqCst);
        self.take_invalidations();
        let changed = self.view.enter();
        if changed {
            self.code_changed();
        }
        changed
    }

    /// Stops running guest code.
    pub(crate) fn leave_guest(&mut self) {
        self.view.leave();
        self.peer.running.store(false, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operands_name_addresses() {
        assert_eq!(Invalidation::decode(0, 5), Invalidation::All);
        let upper = Invalidation::Address(0xffff_8000_1234_5000);
        assert_eq!(Invalidation::decode(1, 0xab_0ff8_0001_2345), upper);
        assert_eq!(
            Invalidation::decode(7, 0x0000_0000_0001_2345),
            Invalidation::Address(0x1234_5000)
        );
    }
}
