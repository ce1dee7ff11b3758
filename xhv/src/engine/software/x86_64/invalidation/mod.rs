//! Tests of `tlb` and `contexts`: what the CPU may still know of a page, and what it has to forget (Intel SDM vol. 3, 5.10).
//!
//! A guest in 64-bit mode has several page-table roots, in which a window of pages leads to frames that tell their number: as data, as code that
//! returns it, and by being written.

mod random;
mod rules;

use iced_x86::code_asm::{CodeAssembler, byte_ptr, cl, cr0, cr3, cr4, rax, rbx, xmmword_ptr};

use super::cpu::{Cr, Exit, Seg};
use super::tests::Machine;
use crate::engine::software::memory::Mapping;
use crate::memory::{Memory, Permissions};
use crate::x86_64::entry::field::{primary, secondary};

const PAGE: u64 = 0x1000;
/// Code of the guest's own, a page that is mapped to itself.
const CODE: u64 = 0x1000;
const STACK: u64 = 0x8000;
const DESCRIPTOR: u64 = 0x9000;
/// Page tables: four pages for each root.
const TABLES: u64 = 0x1_0000;
const ROOTS: usize = 3;
/// The frames that the small pages of the window may lead to.
const FRAMES: u64 = 0x2_0000;
const FRAME_COUNT: u8 = 8;
/// The frames of its large page lie at multiples of this.
const LARGE: u64 = 2 << 20;
const LARGE_COUNT: u8 = 3;
/// What frames of large pages tell: in the first page, and in the second.
const LARGE_ID: [u8; 2] = [0x40, 0x80];
/// The window, and the number of its small pages; one large page follows.
const WINDOW: u64 = 1 << 30;
const SMALL: usize = 4;
const UNITS: usize = SMALL + 1;

const P: u64 = 1;
const RW: u64 = 2;
const US: u64 = 4;
const PS: u64 = 1 << 7;
const G: u64 = 1 << 8;
const KEEP: u64 = 1 << 63;

/// What the guest can do; each ends with UD2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    WriteCr0,
    WriteCr3,
    WriteCr4,
    ReadCr3,
    Invlpg,
    Invpcid,
    Read,
    Write,
    Call,
}

const OPS: [Op; 9] = [
    Op::WriteCr0,
    Op::WriteCr3,
    Op::WriteCr4,
    Op::ReadCr3,
    Op::Invlpg,
    Op::Invpcid,
    Op::Read,
    Op::Write,
    Op::Call,
];

/// How it ended: an exception's vector and error code.
type Fault = (u64, u32);
const GP: Fault = (13, 0);
const UD: Fault = (6, !0);

fn code(op: Op) -> Vec<u8> {
    let mut a = CodeAssembler::new(64).unwrap();
    match op {
        Op::WriteCr0 => a.mov(cr0, rax),
        Op::WriteCr3 => a.mov(cr3, rax),
        Op::WriteCr4 => a.mov(cr4, rax),
        Op::ReadCr3 => a.mov(rax, cr3),
        Op::Invlpg => a.invlpg(byte_ptr(rbx)),
        Op::Invpcid => a.invpcid(rax, xmmword_ptr(rbx)),
        Op::Read => a.mov(iced_x86::code_asm::al, byte_ptr(rbx + 8)),
        Op::Write => a.mov(byte_ptr(rbx + 16), cl),
        Op::Call => a.call(rbx),
    }
    .unwrap();
    a.ud2().unwrap();
    a.assemble(0).unwrap()
}

/// The table of a root at a level: 4 down to 1.
fn table(root: usize, level: u64) -> u64 {
    TABLES + root as u64 * 4 * PAGE + (4 - level) * PAGE
}

/// The linear address of a page of the window; `second`: of the large one's second page.
fn linear(unit: usize, second: bool) -> u64 {
    match unit < SMALL {
        true => WINDOW + unit as u64 * PAGE,
        false => WINDOW + LARGE + u64::from(second) * PAGE,
    }
}

/// The entry that leads a page of the window to a frame.
fn leaf(unit: usize, frame: u8, flags: u64) -> u64 {
    flags
        | match unit < SMALL {
            true => FRAMES + u64::from(frame) * PAGE,
            false => (u64::from(frame) + 1) * LARGE | PS,
        }
}

struct Guest {
    machine: Machine,
    large: Memory,
}

impl Guest {
    /// In root 0, everything present that is not the window; that with these `flags` besides.
    fn new(flags: u64) -> Self {
        let machine = Machine::long(64, &[]);
        for (n, op) in OPS.into_iter().enumerate() {
            machine
                .memory
                .write(CODE + 64 * n as u64, &code(op))
                .unwrap();
        }
        let large = Memory::new(u64::from(LARGE_COUNT) * 2 * PAGE).unwrap();
        let space = machine.cpu.view.space().clone();
        for n in 0..u64::from(LARGE_COUNT) {
            space
                .map(Mapping {
                    gpa: (n + 1) * LARGE,
                    size: 2 * PAGE,
                    memory: large.clone(),
                    offset: n * 2 * PAGE,
                    permissions: Permissions::ALL,
                })
                .unwrap();
        }
        let mut guest = Self { machine, large };
        guest.fill_frames();
        for root in 0..ROOTS {
            let [top, upper, middle] = [4, 3, 2].map(|level| table(root, level));
            guest.put(top, upper | P | RW | US);
            guest.put(upper, P | RW | US | PS | flags);
            guest.put(upper + 8, middle | P | RW | US);
            guest.put(middle, table(root, 1) | P | RW | US);
        }
        let cpu = &mut guest.machine.cpu;
        cpu.cr3 = table(0, 4);
        cpu.vmx.primary |= primary::SECONDARY;
        cpu.vmx.secondary_written |= secondary::INVPCID;
        cpu.flush_tlb();
        guest
    }

    fn fill_frames(&self) {
        // mov al, id; ret; and the number again for loads
        let frame = |id| [0xb0, id, 0xc3, 0, 0, 0, 0, 0, id];
        for n in 0..FRAME_COUNT {
            let at = FRAMES + u64::from(n) * PAGE;
            self.machine.memory.write(at, &frame(n)).unwrap();
        }
        for n in 0..LARGE_COUNT {
            for (second, id) in (0..).zip(LARGE_ID) {
                let at = (u64::from(n) * 2 + second) * PAGE;
                self.large.write(at, &frame(id + n)).unwrap();
            }
        }
    }

    fn put(&self, at: u64, value: u64) {
        self.machine.memory.write(at, &value.to_le_bytes()).unwrap();
    }

    /// Sets a page of the window in a root, without telling the CPU; 0 takes it away.
    fn map(&self, root: usize, unit: usize, entry: u64) {
        let at = match unit < SMALL {
            true => table(root, 1) + 8 * unit as u64,
            false => table(root, 2) + 8,
        };
        self.put(at, entry);
    }

    /// Runs an operation at privilege level 0 or 3.
    fn run(&mut self, op: Op, user: bool) -> Result<(), Fault> {
        let cpu = &mut self.machine.cpu;
        let dpl = if user { 0x60 } else { 0 };
        cpu.seg[Seg::Cs as usize].rights = 0xa09b | dpl;
        cpu.seg[Seg::Ss as usize].rights = 0xc093 | dpl;
        cpu.update_mode();
        cpu.gpr[4] = STACK;
        let number = OPS.iter().position(|&known| known == op).unwrap();
        cpu.rip = CODE + 64 * number as u64;
        let end = cpu.rip + code(op).len() as u64 - 2;
        let Exit {
            reason: 0,
            qualification,
            error,
            ..
        } = self.machine.run()
        else {
            panic!("{op:?} exits");
        };
        match (qualification, self.machine.cpu.rip == end) {
            (6, true) => Ok(()),
            (vector, _) => Err((vector, error)),
        }
    }

    fn write_cr3(&mut self, value: u64) -> Result<(), Fault> {
        self.machine.cpu.gpr[0] = value;
        self.run(Op::WriteCr3, false)
    }

    /// Sets and clears bits of CR4.
    fn change_cr4(&mut self, set: u64, clear: u64) -> Result<(), Fault> {
        self.machine.cpu.gpr[0] = self.machine.cpu.cr4 & !clear | set;
        self.run(Op::WriteCr4, false)
    }

    fn invlpg(&mut self, at: u64) {
        self.machine.cpu.gpr[3] = at;
        assert_eq!(self.run(Op::Invlpg, false), Ok(()));
    }

    fn invpcid(&mut self, kind: u64, low: u64, high: u64) -> Result<(), Fault> {
        self.put(DESCRIPTOR, low);
        self.put(DESCRIPTOR + 8, high);
        self.machine.cpu.gpr[0] = kind;
        self.machine.cpu.gpr[3] = DESCRIPTOR;
        self.run(Op::Invpcid, false)
    }

    /// Which frame an access to a page meets.
    fn access(&mut self, op: Op, at: u64, user: bool) -> Result<u8, Fault> {
        const MARK: u8 = 0xa5;
        self.machine.cpu.gpr[0] = 0xff;
        self.machine.cpu.gpr[1] = MARK.into();
        self.machine.cpu.gpr[3] = at;
        self.run(op, user)?;
        match op {
            Op::Write => Ok(self.take_mark(MARK)),
            _ => Ok(self.machine.cpu.gpr[0] as u8),
        }
    }

    /// The number of the frame that was written, and as it was before.
    fn take_mark(&self, mark: u8) -> u8 {
        let frames = (0..u64::from(FRAME_COUNT)).map(|n| (&self.machine.memory, FRAMES + n * PAGE));
        let large = (0..2 * u64::from(LARGE_COUNT)).map(|n| (&self.large, n * PAGE));
        for (memory, at) in frames.chain(large) {
            let mut bytes = [0; 17];
            memory.read(at, &mut bytes).unwrap();
            if bytes[16] == mark {
                memory.write(at + 16, &[0]).unwrap();
                return bytes[8];
            }
        }
        panic!("no frame was written");
    }

    fn read(&mut self, unit: usize) -> Result<u8, Fault> {
        self.access(Op::Read, linear(unit, false), false)
    }

    fn call(&mut self, unit: usize) -> Result<u8, Fault> {
        self.access(Op::Call, linear(unit, false), false)
    }

    /// What data and code of a page are met as, if it is the same.
    fn meets(&mut self, unit: usize) -> Result<u8, Fault> {
        let (data, code) = (self.read(unit), self.call(unit));
        assert_eq!(data, code);
        data
    }
}

/// Bits of CR4 that the tests change.
const PGE: u64 = Cr::CR4_PGE;
const PCIDE: u64 = Cr::CR4_PCIDE;
