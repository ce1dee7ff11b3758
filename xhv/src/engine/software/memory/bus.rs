//! The bus lock of a virtual machine: one vCPU does an instruction while all others stand between two blocks.
//!
//! x86 wants a locked access to be one step for everybody, also where it crosses a cache line or a page and no instruction of the host can do
//! that. Who comes upon such an access asks for the lock *between* blocks, where nobody waits for it, and does the instruction again with the
//! lock held. A vCPU that waits, for the lock or for its end, counts as outside the guest: so two that want the lock do not wait for each other,
//! nor does a change of the map wait for them. When they go on they take the new map first.
//!
//! Only vCPUs stop. What the VMM or another VM does to the same memory meanwhile is not held back.

use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};

use super::space::{Attention, Slot};
use crate::memory::lock;

/// How long a vCPU that leaves the guest by itself may go unnoticed: it tells nobody.
const GLANCE: Duration = Duration::from_micros(200);

/// What the vCPUs of a virtual machine share, whatever address space each is in.
#[derive(Debug, Default)]
pub(crate) struct Bus {
    slots: Mutex<Vec<Weak<Slot>>>,
    /// Somebody has the lock. Changed under `queue` only.
    held: AtomicBool,
    queue: Mutex<Queue>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    /// Who wants the lock draws a number, and has it when the number is served.
    drawn: u64,
    served: u64,
    /// vCPUs that have stopped for the lock and not gone on yet.
    stopped: u32,
}

/// The lock; let go when it is dropped.
#[derive(Debug)]
#[must_use]
pub(crate) struct BusLock(Arc<Bus>);

impl Drop for BusLock {
    fn drop(&mut self) {
        let mut queue = lock(&self.0.queue);
        self.0.held.store(false, Ordering::SeqCst);
        queue.served += 1;
        self.0.changed.notify_all();
    }
}

impl Bus {
    /// A vCPU to be stopped from now on.
    pub(super) fn join(&self, slot: &Arc<Slot>) {
        let mut slots = lock(&self.slots);
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(slot));
    }

    /// Locks, for the vCPU of `own`, which is between two blocks and outside the guest afterwards. No other runs a block until the lock is
    /// dropped: those that enter find [`Attention::BUS`] set before their first.
    pub(super) fn lock(self: &Arc<Self>, own: &Slot) -> BusLock {
        own.leave();
        let mut queue = lock(&self.queue);
        let number = queue.drawn;
        queue.drawn += 1;
        // Whoever stopped for the lock before runs a block first, so that nobody stops for ever.
        while queue.served != number || queue.stopped != 0 {
            queue = self.wait(queue);
        }
        self.held.store(true, Ordering::SeqCst);
        let slots: Vec<_> = lock(&self.slots).iter().filter_map(Weak::upgrade).collect();
        let others = || slots.iter().filter(|slot| !core::ptr::eq(&***slot, own));
        others().for_each(|slot| slot.ask(Attention::BUS));
        while others().any(|slot| slot.is_inside()) {
            let waited = self.changed.wait_timeout(queue, GLANCE);
            queue = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        BusLock(self.clone())
    }

    /// Stops the vCPU of `own`, which is in the guest and between two blocks, while another has the lock. The map may have changed then.
    pub(super) fn pass(&self, own: &Slot) {
        if !self.held.load(Ordering::SeqCst) {
            return;
        }
        let mut queue = lock(&self.queue);
        queue.stopped += 1;
        own.leave();
        self.changed.notify_all();
        while self.held.load(Ordering::SeqCst) {
            queue = self.wait(queue);
        }
        // Nobody has the lock again before `stopped` is 0, so who wants it next sees this vCPU inside.
        own.enter();
        queue.stopped -= 1;
        self.changed.notify_all();
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue>) -> MutexGuard<'q, Queue> {
        let waited = self.changed.wait(queue);
        waited.unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::sync::atomic::AtomicU32;

    /// Runs "blocks" on `slot`: none may run while somebody else has the lock.
    fn run(bus: &Bus, slot: &Slot, exclusive: &AtomicBool, rounds: u32) {
        slot.enter();
        for _ in 0..rounds {
            if slot.take(Attention::BUS) != 0 {
                bus.pass(slot);
            }
            assert!(
                !exclusive.load(Ordering::SeqCst),
                "in the guest beside the lock"
            );
        }
        slot.leave();
    }

    #[test]
    fn one_has_the_lock_and_nobody_else_runs() {
        const LOCKS: u32 = 100;
        let (bus, exclusive) = (Arc::new(Bus::default()), AtomicBool::new(false));
        let slots: Vec<Arc<Slot>> = (0..4).map(|_| Arc::default()).collect();
        slots.iter().for_each(|slot| bus.join(slot));
        let locks = AtomicU32::new(0);
        std::thread::scope(|scope| {
            for slot in &slots[..2] {
                scope.spawn(|| {
                    for _ in 0..LOCKS {
                        run(&bus, slot, &exclusive, 3);
                        slot.enter();
                        let lock = bus.lock(slot);
                        assert!(!exclusive.swap(true, Ordering::SeqCst));
                        std::thread::yield_now();
                        locks.fetch_add(1, Ordering::SeqCst);
                        exclusive.store(false, Ordering::SeqCst);
                        drop(lock);
                    }
                });
            }
            for slot in &slots[2..] {
                scope.spawn(|| {
                    while locks.load(Ordering::SeqCst) < 2 * LOCKS {
                        run(&bus, slot, &exclusive, 100);
                    }
                });
            }
        });
        let queue = lock(&bus.queue);
        assert_eq!((queue.drawn, queue.served, queue.stopped), (200, 200, 0));
    }
}
