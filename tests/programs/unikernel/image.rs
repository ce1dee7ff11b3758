//! Images for the test of `unikernel`: ELF files that speak uhyve's protocol, assembled here for both machines. A program is a list of
//! hypercalls, each with its parameters in the image; what it finds out it prints.

/// The machine that an image is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Machine {
    X86_64,
    Aarch64,
}

impl Machine {
    /// `e_machine`, and the type of relative relocations.
    pub fn numbers(self) -> (u16, u32) {
        match self {
            Self::X86_64 => (62, 8),
            Self::Aarch64 => (183, 1027),
        }
    }

    /// Where the guest's memory begins, for a version of the interface.
    pub fn base(self, version: u32) -> u64 {
        match (version, self) {
            (1, Self::X86_64) => 0,
            (1, Self::Aarch64) => 0x1000_0000,
            _ => 0x1_0000_0000,
        }
    }
}

/// A member of a structure.
#[derive(Debug, Clone, Copy)]
pub enum Field {
    I32(i32),
    U64(u64),
    /// The address of something in the image, by a relocation.
    Pointer(Place),
}

/// Something in the image's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place(usize);

impl Place {
    pub fn behind(self, bytes: usize) -> Self {
        Self(self.0 + bytes)
    }
}

/// What a hypercall is given.
#[derive(Debug, Clone, Copy)]
enum Argument {
    At(Place),
    Value(u32),
}

/// A program that is being written.
pub struct Program {
    machine: Machine,
    version: u32,
    data: Vec<u8>,
    pointers: Vec<(usize, Place)>,
    calls: Vec<(u64, Argument)>,
    /// Two words: the registers that a vCPU starts with.
    pub start: Place,
    /// Whether vCPU 0 waits for another one.
    pub waits: bool,
}

/// Parts of the file: notes, dynamic section, relocations, code. The headers stand before.
const NOTES: usize = 0x200;
const DYNAMIC: usize = 0x300;
const RELOCATIONS: usize = 0x400;
const CODE: usize = 0x1000;

impl Program {
    pub fn new(machine: Machine, version: u32) -> Self {
        Self {
            machine,
            version,
            data: vec![0; 24],
            pointers: vec![],
            calls: vec![],
            start: Place(0),
            waits: false,
        }
    }

    /// Bytes in the image.
    pub fn bytes(&mut self, bytes: &[u8]) -> Place {
        let place = self.data.len().next_multiple_of(8);
        self.data.resize(place, 0);
        self.data.extend(bytes);
        Place(place)
    }

    /// A text with its end.
    pub fn text(&mut self, text: &str) -> Place {
        self.bytes(&[text.as_bytes(), &[0]].concat())
    }

    /// Members one behind another, without gaps.
    pub fn structure(&mut self, fields: &[Field]) -> Place {
        let place = self.bytes(&[]);
        for field in fields {
            match *field {
                Field::I32(value) => self.data.extend(value.to_le_bytes()),
                Field::U64(value) => self.data.extend(value.to_le_bytes()),
                Field::Pointer(to) => {
                    self.pointers.push((self.data.len(), to));
                    self.data.extend([0; 8]);
                }
            }
        }
        place
    }

    /// A hypercall with parameters.
    pub fn call(&mut self, number: u64, parameters: Place) {
        self.calls.push((number, Argument::At(parameters)));
    }

    /// A hypercall with a value.
    pub fn call_value(&mut self, number: u64, value: u32) {
        self.calls.push((number, Argument::Value(value)));
    }

    fn emit(&self, data: usize) -> Vec<u8> {
        let mut code = Code {
            bytes: vec![],
            data,
            version: self.version,
        };
        match self.machine {
            Machine::X86_64 => self.emit_x86_64(&mut code),
            Machine::Aarch64 => self.emit_aarch64(&mut code),
        }
        code.bytes
    }

    fn emit_x86_64(&self, code: &mut Code) {
        if self.waits {
            // test esi, esi; jz boot; mov byte [flag], 1; halt: cli; hlt; jmp halt; boot: pause; cmp byte [flag], 0; jz boot
            code.x86(&[0x85, 0xf6, 0x74, 11]);
            code.x86_relative(&[0xc6, 0x05], self.start.behind(16), &[1]);
            code.x86(&[0xfa, 0xf4, 0xeb, 0xfc, 0xf3, 0x90]);
            code.x86_relative(&[0x80, 0x3d], self.start.behind(16), &[0]);
            code.x86(&[0x74, 0xf5]);
        }
        // mov [start], rdi; mov [start + 8], rsi
        code.x86_relative(&[0x48, 0x89, 0x3d], self.start, &[]);
        code.x86_relative(&[0x48, 0x89, 0x35], self.start.behind(8), &[]);
        for &(number, argument) in &self.calls {
            // lea rax (version 1) or rdi, or mov
            match (argument, self.version) {
                (Argument::At(place), 1) => code.x86_relative(&[0x48, 0x8d, 0x05], place, &[]),
                (Argument::At(place), _) => code.x86_relative(&[0x48, 0x8d, 0x3d], place, &[]),
                (Argument::Value(value), 1) => {
                    code.x86(&[&[0xb8][..], &value.to_le_bytes()].concat());
                }
                (Argument::Value(value), _) => {
                    code.x86(&[&[0xbf][..], &value.to_le_bytes()].concat());
                }
            }
            if code.version != 1 {
                code.x86(&[0xb8, 0x34, 0x12, 0, 0]); // mov eax, 1234h, as the kernel does
            }
            // mov dx, number; out dx, eax
            let [low, high, ..] = number.to_le_bytes();
            code.x86(&[0x66, 0xba, low, high, 0xef]);
        }
        code.x86(&[0x0f, 0x0b]); // ud2
    }

    fn emit_aarch64(&self, code: &mut Code) {
        if self.waits {
            // adr x10, flag; cbz w1, boot; mov w8, #1; str w8, [x10]; wfi; b .-4; boot: ldr w8, [x10]; cbz w8, boot
            code.adr(10, self.start.behind(16));
            code.words(&[
                0x3400_00a1,
                0x5280_0028,
                0xb900_0148,
                0xd503_207f,
                0x17ff_ffff,
            ]);
            code.words(&[0xb940_0148, 0x34ff_ffe8]);
        }
        // adr x10, start; str x0, [x10]; str x1, [x10, #8]
        code.adr(10, self.start);
        code.words(&[0xf900_0140, 0xf900_0541]);
        for &(number, argument) in &self.calls {
            match argument {
                Argument::At(place) => code.adr(8, place),
                // movz, movk w8
                Argument::Value(value) => {
                    code.words(&[0x5280_0008 | (value & 0xffff) << 5]);
                    code.words(&[0x72a0_0008 | (value >> 16) << 5]);
                }
            }
            // movz x9, number; str x8, [x9]
            code.words(&[0xd280_0009 | (number as u32) << 5, 0xf900_0128]);
        }
        code.words(&[0]); // udf
    }

    /// The file. Unless it is relocatable it wants to be at `fixed`.
    pub fn image(&self, fixed: Option<u64>) -> Vec<u8> {
        let base = fixed.unwrap_or(0);
        let data = (CODE + self.emit(0).len()).next_multiple_of(16);
        let mut file = vec![0; RELOCATIONS];
        let (machine, relative) = self.machine.numbers();
        for &(at, to) in &self.pointers {
            let target = base + (data + to.0) as u64;
            let place = base + (data + at) as u64;
            for word in [place, relative.into(), target] {
                file.extend(word.to_le_bytes());
            }
        }
        let relocations = file.len() - RELOCATIONS;
        assert!(file.len() <= CODE, "too many pointers");
        file.resize(CODE, 0);
        file.extend(self.emit(data));
        file.resize(data, 0);
        file.extend(&self.data);
        if fixed.is_some() {
            for &(at, to) in &self.pointers {
                let target = base + (data + to.0) as u64;
                file[data + at..data + at + 8].copy_from_slice(&target.to_le_bytes());
            }
        }
        let notes = self.notes();
        file[NOTES..NOTES + notes.len()].copy_from_slice(&notes);
        let dynamic = [
            7,
            (base as usize + RELOCATIONS) as u64,
            8,
            relocations as u64,
            9,
            24,
            0,
            0,
        ]
        .map(u64::to_le_bytes)
        .concat();
        file[DYNAMIC..DYNAMIC + dynamic.len()].copy_from_slice(&dynamic);
        let kind = if fixed.is_some() { 2 } else { 3 };
        let whole = file.len();
        let mut headers = elf_header(machine, kind, base + CODE as u64);
        headers.extend(program_header(1, base, 0, whole, 0x1000));
        headers.extend(program_header(4, base, NOTES, notes.len(), 4));
        if fixed.is_none() {
            headers.extend(program_header(2, base, DYNAMIC, dynamic.len(), 8));
            headers[56] = 3;
        }
        file[..headers.len()].copy_from_slice(&headers);
        file
    }

    fn notes(&self) -> Vec<u8> {
        let note = |name: &[u8; 8], name_size: u32, kind: u32, description: [u8; 4], size: u32| {
            [
                &[name_size, size, kind].map(u32::to_le_bytes).concat()[..],
                name,
                &description,
            ]
            .concat()
        };
        let mut notes = note(b"HERMIT\0\0", 7, 0x5a00, [4, 0, 0, 0], 1);
        if self.version != 1 {
            notes.extend(note(b"UHYVEIF\0", 8, 0x5b00, self.version.to_be_bytes(), 4));
        }
        notes
    }
}

fn elf_header(machine: u16, kind: u16, entry: u64) -> Vec<u8> {
    let mut header = b"\x7fELF\x02\x01\x01\xff".to_vec();
    header.resize(16, 0);
    header.extend(kind.to_le_bytes());
    header.extend(machine.to_le_bytes());
    header.extend(1_u32.to_le_bytes());
    header.extend([entry, 64, 0].map(u64::to_le_bytes).concat());
    header.extend(0_u32.to_le_bytes());
    header.extend([64_u16, 56, 2, 64, 0, 0].map(u16::to_le_bytes).concat());
    header
}

fn program_header(kind: u32, base: u64, offset: usize, size: usize, align: u64) -> Vec<u8> {
    let address = base + offset as u64;
    let mut header = [kind, 7].map(u32::to_le_bytes).concat();
    let numbers = [
        offset as u64,
        address,
        address,
        size as u64,
        size as u64,
        align,
    ];
    header.extend(numbers.map(u64::to_le_bytes).concat());
    header
}

/// Code that grows.
struct Code {
    bytes: Vec<u8>,
    data: usize,
    version: u32,
}

impl Code {
    fn x86(&mut self, bytes: &[u8]) {
        self.bytes.extend(bytes);
    }

    /// An instruction with a RIP-relative operand, and perhaps an immediate behind it.
    fn x86_relative(&mut self, opcode: &[u8], to: Place, immediate: &[u8]) {
        self.bytes.extend(opcode);
        let next = CODE + self.bytes.len() + 4 + immediate.len();
        let distance = (self.data + to.0) as i32 - next as i32;
        self.bytes.extend(distance.to_le_bytes());
        self.bytes.extend(immediate);
    }

    fn words(&mut self, words: &[u32]) {
        self.bytes
            .extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    fn adr(&mut self, register: u32, to: Place) {
        let distance = (self.data + to.0) as i32 - (CODE + self.bytes.len()) as i32;
        let distance = distance.cast_unsigned() & 0x1f_ffff;
        self.words(&[0x1000_0000 | (distance & 3) << 29 | (distance >> 2) << 5 | register]);
    }
}
