//! Notifiers of port writes (`hv_vm_add_pio_notifier`): an OUT that matches one does not exit.
//!
//! The framework posts a message to a Mach port. Hosts without Mach have a queue of the same length behind the port's number
//! instead; [`Notifiers::receive`] takes messages out.

use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use crate::error::Code;
use crate::memory::lock;

/// Messages in a port's queue before it is full (Mach's default).
const QUEUE_LIMIT: usize = 5;

/// Matches any value (`HV_ION_ANY_VALUE`).
const ANY_VALUE: u32 = 2;
/// Matches any size (`HV_ION_ANY_SIZE`).
const ANY_SIZE: u32 = 4;
/// Exits if the queue is full (`HV_ION_EXIT_FULL`).
const EXIT_FULL: u32 = 8;

/// A notifier: the arguments of `hv_vm_add_pio_notifier`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Notifier {
    pub(crate) addr: u16,
    pub(crate) size: usize,
    pub(crate) value: u32,
    pub(crate) port: u32,
    pub(crate) flags: u32,
}

/// What a notifier was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) addr: u16,
    pub(crate) size: u8,
    pub(crate) value: u32,
}

#[derive(Debug, Default)]
struct Table {
    notifiers: Vec<Notifier>,
    queues: Vec<(u32, VecDeque<Message>)>,
}

/// The notifiers of a VM.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notifiers {
    any: Arc<AtomicBool>,
    table: Arc<Mutex<Table>>,
}

impl Table {
    fn queue(&mut self, port: u32) -> &mut VecDeque<Message> {
        let at = match self.queues.iter().position(|(known, _)| *known == port) {
            Some(at) => at,
            None => {
                self.queues.push((port, VecDeque::new()));
                self.queues.len() - 1
            }
        };
        &mut self.queues[at].1
    }
}

impl Notifiers {
    /// Adds one. [`Code::BAD_ARGUMENT`] for a size that no OUT has, unknown flags, or a duplicate.
    pub(crate) fn add(&self, notifier: Notifier) -> Result<(), Code> {
        let known = notifier.flags & !(ANY_VALUE | ANY_SIZE | EXIT_FULL) == 0;
        let sized = matches!(notifier.size, 1 | 2 | 4) || notifier.flags & ANY_SIZE != 0;
        let mut table = lock(&self.table);
        if !known || !sized || table.notifiers.contains(&notifier) {
            return Err(Code::BAD_ARGUMENT);
        }
        table.notifiers.push(notifier);
        self.any.store(true, Ordering::Release);
        Ok(())
    }

    /// Removes the one with exactly these arguments; [`Code::BAD_ARGUMENT`] if there is none.
    pub(crate) fn remove(&self, notifier: Notifier) -> Result<(), Code> {
        let mut table = lock(&self.table);
        let known = table.notifiers.iter().position(|known| *known == notifier);
        let at = known.ok_or(Code::BAD_ARGUMENT)?;
        table.notifiers.remove(at);
        self.any
            .store(!table.notifiers.is_empty(), Ordering::Release);
        Ok(())
    }

    /// The oldest message of a port.
    #[allow(dead_code)] // tests, and hosts without Mach ports
    pub(crate) fn receive(&self, port: u32) -> Option<Message> {
        lock(&self.table).queue(port).pop_front()
    }

    /// Tells everybody who waits for this OUT. Answers whether the OUT is done with; if not, it exits.
    #[inline]
    pub(crate) fn notify(&self, addr: u16, size: u8, value: u32) -> bool {
        self.any.load(Ordering::Acquire) && self.tell(Message { addr, size, value })
    }

    #[cold]
    fn tell(&self, message: Message) -> bool {
        let mut table = lock(&self.table);
        let matches = |n: &&Notifier| {
            n.addr == message.addr
                && (n.flags & ANY_SIZE != 0 || n.size == usize::from(message.size))
                && (n.flags & ANY_VALUE != 0 || n.value == message.value)
        };
        let told: Vec<_> = table.notifiers.iter().filter(matches).copied().collect();
        let mut exits = told.is_empty();
        for notifier in told {
            let queue = table.queue(notifier.port);
            if queue.len() < QUEUE_LIMIT {
                queue.push_back(message);
            } else if notifier.flags & EXIT_FULL != 0 {
                exits = true;
            }
        }
        !exits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOORBELL: Notifier = Notifier {
        addr: 0x510,
        size: 2,
        value: 7,
        port: 1,
        flags: 0,
    };

    #[test]
    fn a_match_is_queued_and_does_not_exit() {
        let notifiers = Notifiers::default();
        assert!(!notifiers.notify(0x510, 2, 7));
        notifiers.add(DOORBELL).unwrap();
        assert_eq!(notifiers.add(DOORBELL), Err(Code::BAD_ARGUMENT));
        assert!(notifiers.notify(0x510, 2, 7));
        assert!(!notifiers.notify(0x510, 1, 7), "another size");
        assert!(!notifiers.notify(0x510, 2, 8), "another value");
        let message = notifiers.receive(1).unwrap();
        assert_eq!((message.addr, message.size, message.value), (0x510, 2, 7));
        assert_eq!(notifiers.receive(1), None);
        notifiers.remove(DOORBELL).unwrap();
        assert_eq!(notifiers.remove(DOORBELL), Err(Code::BAD_ARGUMENT));
        assert!(!notifiers.notify(0x510, 2, 7));
    }

    #[test]
    fn a_full_queue_drops_or_exits() {
        let notifiers = Notifiers::default();
        let any = Notifier {
            flags: ANY_VALUE | ANY_SIZE,
            ..DOORBELL
        };
        notifiers.add(any).unwrap();
        assert!((0..10).all(|n| notifiers.notify(0x510, 4, n)));
        let strict = Notifier {
            flags: any.flags | EXIT_FULL,
            ..any
        };
        notifiers.add(strict).unwrap();
        assert!(!notifiers.notify(0x510, 4, 1));
        assert_eq!(
            core::iter::from_fn(|| notifiers.receive(1)).count(),
            QUEUE_LIMIT
        );
    }
}
