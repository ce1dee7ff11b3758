//! What the guards make of an instruction at a device is what the CPU does with it in memory: every row of loads and stores with random
//! fields, once on memory and once on a device that keeps the same bytes.

use super::super::instructions::A64;
use super::super::{Exit, Vcpu, Vm, simd, sysreg};
use crate::typed::SimdRegister;
use crate::{Engine, Memory};

const RAM: u64 = 0x4000_0000;
/// Where the instruction's data is in memory, and how much of it there is.
const DATA: u64 = RAM + 0x4000;
const SIZE: usize = 0x4000;
/// Where there is no memory.
const DEVICE: u64 = 0x0900_0000;
/// Offset of the base register.
const MIDDLE: u64 = 0x1000;
/// HVC #1 is the end, HVC #2 an exception.
const END: u32 = 0xd400_0022;
const EXCEPTION: u32 = 0xd400_0042;

struct Random(u64);

impl Random {
    /// `xorshift64*`
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }
}

/// Registers and memory around an instruction.
#[derive(Clone, Debug, PartialEq)]
struct State {
    x: [u64; 31],
    sp: u64,
    v: [u128; 32],
    bytes: Vec<u8>,
}

struct Machine {
    vcpu: Vcpu,
    memory: Memory,
}

impl Machine {
    fn new() -> Self {
        let vm = Vm::builder().engine(Engine::Software).build().unwrap();
        let memory = vm.map_new(RAM, 0x8000).unwrap();
        memory.write(0xa00, &EXCEPTION.to_le_bytes()).unwrap();
        let vcpu = vm.create_vcpu().unwrap();
        Self { vcpu, memory }
    }

    /// Runs one instruction with its data at `data`; `None` if it was an exception.
    fn run(&mut self, word: u32, before: &State, data: u64, rn: u32) -> Option<State> {
        let (vcpu, memory) = (&mut self.vcpu, &self.memory);
        let code = [word.to_le_bytes(), END.to_le_bytes()].concat();
        memory.write(0, &code).unwrap();
        memory.write(DATA - RAM, &before.bytes).unwrap();
        let base = data + MIDDLE;
        vcpu.set_el1(RAM, base).unwrap();
        vcpu.write(sysreg::VBAR_EL1.cast::<u64>(), RAM + 0x800)
            .unwrap();
        for (number, &value) in (0..).zip(&before.x) {
            vcpu.set_x(number, value).unwrap();
        }
        if rn != 31 {
            vcpu.set_x(rn as u8, base).unwrap();
        }
        for (number, &value) in (0..).zip(&before.v) {
            vcpu.write(quad(number), value).unwrap();
        }
        let mut bytes = before.bytes.clone();
        for _ in 0..200 {
            match vcpu.run().unwrap() {
                Exit::MmioRead(read) => {
                    let at = (read.gpa().0 - DEVICE) as usize;
                    let mut value = [0; 8];
                    let size = usize::from(read.size());
                    value[..size].copy_from_slice(&bytes[at..at + size]);
                    // What is beyond the size does not count.
                    value[size..].fill(0xa5);
                    read.finish(u64::from_le_bytes(value)).unwrap();
                }
                Exit::MmioWrite(write) => {
                    let at = (write.gpa().0 - DEVICE) as usize;
                    let size = usize::from(write.size());
                    bytes[at..at + size].copy_from_slice(&write.value().to_le_bytes()[..size]);
                    write.finish().unwrap();
                }
                Exit::Hvc(call) if call.immediate() == 1 => break,
                Exit::Hvc(_) => return None,
                other => panic!("{word:08x}: {other:?}"),
            }
        }
        if data == DATA {
            memory.read(DATA - RAM, &mut bytes).unwrap();
        }
        Some(State {
            x: core::array::from_fn(|number| vcpu.x(number as u8).unwrap()),
            sp: vcpu.sp().unwrap(),
            v: core::array::from_fn(|number| vcpu.read(quad(number as u32)).unwrap()),
            bytes,
        })
    }
}

fn quad(number: u32) -> SimdRegister {
    SimdRegister::new(number, simd::Q0.info())
}

/// Rows that are compared; the others have tests of their own.
fn is_compared(name: &str) -> bool {
    name.starts_with("SIMD_")
        || name.starts_with("EXCLUSIVE")
        || name.starts_with("LDST_")
        || name.starts_with("ORDERED")
        || matches!(name, "CAS" | "CASP" | "ATOMIC")
}

/// A word of the row whose data stays where it can be compared; `None` where the base would be data as well, or it is a store-exclusive, which
/// succeeds at a device only.
fn word(row: (&str, u32, u32), random: &mut Random) -> Option<u32> {
    let (name, value, mask) = row;
    let mut word = value | random.next() as u32 & !mask;
    match name {
        "LDST_imm12" => word &= !(0xf80 << 10),
        "LDST_imm9" | "ORDERED_unscaled" if random.next() & 1 != 0 => word &= !(7 << 12),
        "EXCLUSIVE" | "EXCLUSIVE_pair" => word |= 1 << 22 | 31 << 16 & !mask,
        "SIMD_single" | "SIMD_single_post" if random.next() & 1 != 0 => word &= !(1 << 12),
        _ => {}
    }
    let field = |at: u32| word >> at & 31;
    let (rn, data) = (field(5), [field(0), field(10), field(16)]);
    if name.starts_with("SIMD_") {
        return (data[2] != rn).then_some(word);
    }
    // The second of a pair of registers counts as well.
    let overlaps = data.iter().any(|&at| at == rn || at + 1 == rn);
    let pair = name == "LDST_pair" || name == "EXCLUSIVE_pair";
    (!overlaps && !(pair && data[0] == data[1])).then_some(word)
}

#[test]
fn a_device_is_accessed_as_memory_is() {
    let mut machine = Machine::new();
    let mut random = Random(0x00de_71ce);
    let (mut compared, mut forms) = (0, 0);
    for row in A64::ALL.iter().filter(|row| is_compared(row.name)) {
        let mut of_row = 0;
        for _ in 0..150 {
            let Some(word) = word((row.name, row.value, row.mask), &mut random) else {
                continue;
            };
            let rn = word >> 5 & 31;
            let mut before = State {
                x: core::array::from_fn(|_| random.next()),
                sp: 0,
                v: core::array::from_fn(|_| {
                    u128::from(random.next()) << 64 | u128::from(random.next())
                }),
                bytes: (0..SIZE / 8)
                    .flat_map(|_| random.next().to_le_bytes())
                    .collect(),
            };
            let rm = (word >> 16 & 31) as usize;
            match row.name {
                "LDST_reg" if rm != 31 => before.x[rm] = random.next() & 0x78,
                "CAS" | "CASP" if random.next() & 1 != 0 => succeed(&mut before, rm),
                _ => {}
            }
            let Some(expected) = machine.run(word, &before, DATA, rn) else {
                continue;
            };
            let mut got = machine
                .run(word, &before, DEVICE, rn)
                .unwrap_or_else(|| panic!("{} {word:08x}: an exception", row.name));
            // The base register is where it was relative to the data.
            let moved = DATA - DEVICE;
            if rn == 31 {
                got.sp += moved;
            } else {
                let base = &mut got.x[rn as usize];
                *base = base.wrapping_add(moved);
                got.sp = expected.sp;
            }
            assert!(
                got == expected,
                "{} {word:08x}: {}",
                row.name,
                difference(&got, &expected)
            );
            of_row += 1;
        }
        assert!(of_row > 10, "{}: only {of_row} could be compared", row.name);
        (compared, forms) = (compared + of_row, forms + 1);
    }
    assert!(compared > 600 && forms == 15, "{compared} of {forms} rows");
}

/// Makes a compare and swap find what it compares with.
fn succeed(state: &mut State, rs: usize) {
    for number in 0..2 {
        let at = MIDDLE as usize + 8 * number;
        let value = u64::from_le_bytes(core::array::from_fn(|byte| state.bytes[at + byte]));
        if let Some(register) = state.x.get_mut(rs + number) {
            *register = value;
        }
    }
}

fn difference(got: &State, expected: &State) -> String {
    let x = (0..31).filter(|&n| got.x[n] != expected.x[n]);
    let v = (0..32).filter(|&n| got.v[n] != expected.v[n]);
    let bytes = (0..SIZE).filter(|&n| got.bytes[n] != expected.bytes[n]);
    let first = |at: usize| format!("byte {at:#x}");
    x.map(|n| format!("x{n}: {:#x}, in memory {:#x}", got.x[n], expected.x[n]))
        .chain(v.map(|n| format!("v{n}: {:#x}, in memory {:#x}", got.v[n], expected.v[n])))
        .chain(bytes.map(first).take(4))
        .collect::<Vec<_>>()
        .join(", ")
}
