//! Software breakpoints in guest memory: where they are, what was there before, and how they are hidden from the VMM. One list for each
//! guest-physical address space, shared by all debuggers on it.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use crate::error::Error;
use crate::guest_memory::GuestMemory;
use crate::handle::VcpuHandle;
use crate::memory::lock;

/// The software breakpoints of an address space.
#[derive(Debug, Default)]
pub(crate) struct Traps {
    points: Mutex<BTreeMap<u64, Point>>,
    vcpus: Mutex<Vec<VcpuHandle>>,
    /// Held by the vCPU that steps over a breakpoint.
    stepping: Mutex<()>,
}

/// An instruction that a trap stands for.
#[derive(Debug)]
struct Point {
    original: Vec<u8>,
    /// How many debuggers want it.
    users: usize,
}

/// Pauses the other vCPUs until it is dropped.
pub(crate) struct Alone<'t> {
    others: Vec<VcpuHandle>,
    _stepping: MutexGuard<'t, ()>,
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.others.iter().for_each(VcpuHandle::resume);
    }
}

/// What lies at a place now.
fn present(memory: &GuestMemory, gpa: u64, size: usize) -> Result<Vec<u8>, Error> {
    let mut bytes = vec![0; size];
    memory.read(gpa, &mut bytes)?;
    Ok(bytes)
}

impl Traps {
    /// A debugger begins to watch over a vCPU.
    pub(crate) fn attach(&self, vcpu: VcpuHandle) {
        // Whoever steps over a breakpoint now has not paused this one.
        let _nobody = lock(&self.stepping);
        lock(&self.vcpus).push(vcpu);
    }

    /// It ends.
    pub(crate) fn detach(&self, vcpu: &VcpuHandle) {
        lock(&self.vcpus).retain(|known| !known.is_same(vcpu));
    }

    /// Stops all other debugged vCPUs.
    pub(crate) fn alone(&self, vcpu: &VcpuHandle) -> Alone<'_> {
        let stepping = lock(&self.stepping);
        let all = lock(&self.vcpus).clone();
        let others: Vec<VcpuHandle> = all
            .into_iter()
            .filter(|known| !known.is_same(vcpu))
            .collect();
        others.iter().for_each(VcpuHandle::pause);
        Alone {
            others,
            _stepping: stepping,
        }
    }

    /// Whether there is a breakpoint.
    pub(crate) fn contains(&self, gpa: u64) -> bool {
        lock(&self.points).contains_key(&gpa)
    }

    /// Puts a trap into memory, or takes part in one that is there.
    pub(crate) fn plant(&self, memory: &GuestMemory, gpa: u64, trap: &[u8]) -> Result<(), Error> {
        let mut points = lock(&self.points);
        if let Some(point) = points.get_mut(&gpa) {
            point.users += 1;
            return Ok(());
        }
        let original = present(memory, gpa, trap.len())?;
        memory.write(gpa, trap)?;
        points.insert(gpa, Point { original, users: 1 });
        Ok(())
    }

    /// Takes one user's trap back; the last one brings the instruction back, unless somebody has overwritten the trap.
    pub(crate) fn remove(&self, memory: &GuestMemory, gpa: u64, trap: &[u8]) -> Result<(), Error> {
        let mut points = lock(&self.points);
        let Some(point) = points.get_mut(&gpa) else {
            return Ok(());
        };
        point.users -= 1;
        if point.users > 0 {
            return Ok(());
        }
        let Some(point) = points.remove(&gpa) else {
            return Ok(());
        };
        // Memory that is unmapped by now has nothing to bring back.
        match present(memory, gpa, trap.len()) {
            Ok(found) if found == trap => memory.write(gpa, &point.original),
            _ => Ok(()),
        }
    }

    /// Brings the instruction back for a while. The caller is [`Traps::alone`].
    pub(crate) fn lift(&self, memory: &GuestMemory, gpa: u64, trap: &[u8]) -> Result<(), Error> {
        let points = lock(&self.points);
        match points.get(&gpa) {
            Some(point) if present(memory, gpa, trap.len())? == trap => {
                memory.write(gpa, &point.original)
            }
            _ => Ok(()),
        }
    }

    /// Ends [`Traps::lift`]. What the guest has written there meanwhile is its new instruction.
    pub(crate) fn lower(&self, memory: &GuestMemory, gpa: u64, trap: &[u8]) -> Result<(), Error> {
        let mut points = lock(&self.points);
        let Some(point) = points.get_mut(&gpa) else {
            return Ok(());
        };
        point.original = present(memory, gpa, trap.len())?;
        memory.write(gpa, trap)
    }

    /// Reads guest memory with the instructions in place of their traps.
    pub(crate) fn read(
        &self,
        memory: &GuestMemory,
        gpa: u64,
        out: &mut [u8],
        trap: &[u8],
    ) -> Result<(), Error> {
        let points = lock(&self.points);
        memory.read(gpa, out)?;
        for (&at, point) in overlapping(&points, gpa, out.len(), trap) {
            if present(memory, at, trap.len())? != trap {
                continue;
            }
            for (place, &byte) in (at..).zip(&point.original) {
                if let Some(shown) = out.get_mut(place.wrapping_sub(gpa) as usize) {
                    *shown = byte;
                }
            }
        }
        Ok(())
    }

    /// Writes guest memory below the traps, which stay.
    pub(crate) fn write(
        &self,
        memory: &GuestMemory,
        gpa: u64,
        bytes: &[u8],
        trap: &[u8],
    ) -> Result<(), Error> {
        let mut points = lock(&self.points);
        // Before anything is changed, it is known that all of it can be.
        let mut stored = present(memory, gpa, bytes.len())?;
        stored.copy_from_slice(bytes);
        let from = gpa.saturating_sub(trap.len() as u64 - 1);
        for (&at, point) in points.range_mut(from..gpa.saturating_add(bytes.len() as u64)) {
            let untouched = present(memory, at, trap.len())? == trap;
            for ((place, original), &byte) in (at..).zip(&mut point.original).zip(trap) {
                if let Some(new) = stored.get_mut(place.wrapping_sub(gpa) as usize) {
                    *original = *new;
                    *new = if untouched { byte } else { *new };
                }
            }
        }
        memory.write(gpa, &stored)
    }
}

fn overlapping<'p>(
    points: &'p BTreeMap<u64, Point>,
    gpa: u64,
    len: usize,
    trap: &[u8],
) -> impl Iterator<Item = (&'p u64, &'p Point)> {
    let from = gpa.saturating_sub(trap.len() as u64 - 1);
    points.range(from..gpa.saturating_add(len as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest_memory::{Gpa, Mapping};
    use crate::memory::{Memory, Permissions};

    const TRAP: &[u8] = &[0, 0, 0x20, 0xd4];

    fn memory() -> GuestMemory {
        let memory = GuestMemory::default();
        let size = crate::host_page_size();
        memory.add(Mapping {
            gpa: Gpa(0),
            size,
            memory: Memory::new(size).unwrap(),
            offset: 0,
            permissions: Permissions::ALL,
        });
        memory
            .write(0, &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12])
            .unwrap();
        memory
    }

    fn raw(memory: &GuestMemory) -> [u8; 12] {
        let mut bytes = [0; 12];
        memory.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn reads_and_writes_do_not_see_traps() {
        let (memory, traps) = (memory(), Traps::default());
        traps.plant(&memory, 4, TRAP).unwrap();
        assert_eq!(raw(&memory)[4..8], *TRAP);
        let mut seen = [0; 4];
        traps.read(&memory, 2, &mut seen, TRAP).unwrap();
        assert_eq!(seen, [3, 4, 5, 6]);
        traps.read(&memory, 6, &mut seen, TRAP).unwrap();
        assert_eq!(seen, [7, 8, 9, 10]);
        traps.write(&memory, 6, &[70, 80, 90], TRAP).unwrap();
        assert_eq!(raw(&memory), [1, 2, 3, 4, 0, 0, 0x20, 0xd4, 90, 10, 11, 12]);
        traps.remove(&memory, 4, TRAP).unwrap();
        assert_eq!(raw(&memory), [1, 2, 3, 4, 5, 6, 70, 80, 90, 10, 11, 12]);
    }

    #[test]
    fn the_last_user_brings_the_instruction_back() {
        let (memory, traps) = (memory(), Traps::default());
        traps.plant(&memory, 0, TRAP).unwrap();
        traps.plant(&memory, 0, TRAP).unwrap();
        traps.remove(&memory, 0, TRAP).unwrap();
        assert_eq!(raw(&memory)[..4], *TRAP);
        traps.remove(&memory, 0, TRAP).unwrap();
        assert_eq!(raw(&memory)[..4], [1, 2, 3, 4]);
        assert!(!traps.contains(0));
    }

    #[test]
    fn what_the_guest_wrote_stays() {
        let (memory, traps) = (memory(), Traps::default());
        traps.plant(&memory, 0, TRAP).unwrap();
        memory.write(0, &[9; 4]).unwrap();
        let mut seen = [0; 4];
        traps.read(&memory, 0, &mut seen, TRAP).unwrap();
        assert_eq!(seen, [9; 4]);
        traps.remove(&memory, 0, TRAP).unwrap();
        assert_eq!(raw(&memory)[..4], [9; 4]);
        // While its trap is lifted the guest changes the instruction.
        traps.plant(&memory, 8, TRAP).unwrap();
        traps.lift(&memory, 8, TRAP).unwrap();
        memory.write(8, &[7; 4]).unwrap();
        traps.lower(&memory, 8, TRAP).unwrap();
        assert_eq!(raw(&memory)[8..], *TRAP);
        traps.remove(&memory, 8, TRAP).unwrap();
        assert_eq!(raw(&memory)[8..], [7; 4]);
    }

    #[test]
    fn nothing_is_planted_where_no_memory_is() {
        let (memory, traps) = (memory(), Traps::default());
        assert!(traps.plant(&memory, 1 << 40, TRAP).is_err());
        assert!(!traps.contains(1 << 40));
    }
}
