//! Tests of whole vCPUs through the seam's functions: exits, entries, delivery, interrupt controllers, hostile states.

mod audit;
mod control_words;
mod controllers;
mod debug;
mod delivery;
mod entries;
mod exits;
mod hostile;
mod v8086;

use super::vcpu::Vcpu;
use super::vm::Vm;
use crate::memory::{Memory, Permissions};
use crate::x86_64::entry::field::{entry, primary, vmcs};

/// Where code, tables and stacks of the guests lie.
pub(super) const CODE: u64 = 0x1000;
pub(super) const GDT: u64 = 0x2000;
pub(super) const IDT: u64 = 0x3000;
pub(super) const TSS: u64 = 0x4000;
pub(super) const HANDLER: u64 = 0x5000;
pub(super) const STACK: u64 = 0x8000;
pub(super) const INNER_STACK: u64 = 0xa000;
const PAGES: u64 = 64;
const PML4: u64 = 0x10_000;

/// A VM with one vCPU and 256 KiB at address 0.
pub(super) struct Guest {
    pub(super) vcpu: Vcpu,
    pub(super) memory: Memory,
    pub(super) vm: Vm,
}

impl Guest {
    /// Real mode, all segments at 0, `code` at [`CODE`], HLT exiting.
    pub(super) fn real(code: &[u8]) -> Self {
        Self::with(0, code)
    }

    /// The same with VM options.
    pub(super) fn with(options: u64, code: &[u8]) -> Self {
        let vm = Vm::create(options).unwrap();
        let memory = Memory::new(PAGES * 4096).unwrap();
        vm.map(0, &memory, 0, 0, memory.size(), Permissions::ALL)
            .unwrap();
        memory.write(CODE, code).unwrap();
        let vcpu = Vcpu::create(&vm, 0).unwrap();
        let mut guest = Self { vcpu, memory, vm };
        for n in 0..6 {
            guest.set(vmcs::ES + 2 * n, 0);
            guest.set(vmcs::ES_BASE + 2 * n, 0);
        }
        guest.set(vmcs::RIP, CODE);
        guest.set(vmcs::RSP, STACK);
        guest.set(vmcs::RFLAGS, 2);
        guest.set(vmcs::CR0, 0x30);
        guest.set(vmcs::CR4, 0x2000);
        guest.on(vmcs::PRIMARY, primary::HLT);
        guest
    }

    /// 32-bit protected mode, flat, privilege level 0: GDT with code 8, data 0x10, user code 0x1b, user data 0x23, TSS 0x28.
    pub(super) fn flat(code: &[u8]) -> Self {
        let mut guest = Self::real(code);
        guest.tables(0x00cf_9b00_0000_ffff, 0x00cf_fb00_0000_ffff);
        guest.set(vmcs::CR0, 0x31);
        guest.segment(1, 8, 0xc09b);
        for n in [0, 2, 3, 4, 5] {
            guest.segment(n, 0x10, 0xc093);
        }
        guest.finish_tables(0x67);
        guest
    }

    /// 64-bit mode with the first GiB mapped to itself, as user pages; the same GDT.
    pub(super) fn long(code: &[u8]) -> Self {
        let mut guest = Self::flat(code);
        guest.tables(0x00af_9b00_0000_ffff, 0x00af_fb00_0000_ffff);
        guest.put(PML4, &(PML4 + 0x1000 + 7).to_le_bytes());
        guest.put(PML4 + 0x1000, &(PML4 + 0x2000 + 7).to_le_bytes());
        for n in 0..512_u64 {
            guest.put(PML4 + 0x2000 + 8 * n, &(n << 21 | 0x87).to_le_bytes());
        }
        guest.set(vmcs::CR3, PML4);
        guest.set(vmcs::CR4, 0x2620);
        guest.set(vmcs::CR0, 0x8000_0031);
        guest.set(vmcs::EFER, 0xd01);
        guest.on(vmcs::ENTRY_CONTROLS, entry::IA32E | entry::LOAD_EFER);
        guest.vcpu.enable_native_msr(0xc000_0102, true).unwrap();
        guest.segment(1, 8, 0xa09b);
        guest.put(TSS + 4, &INNER_STACK.to_le_bytes());
        guest.finish_tables(0x67);
        guest
    }

    fn tables(&mut self, code: u64, user_code: u64) {
        let tss = 0x8900 << 32 | (TSS & 0xffff) << 16 | 0x67;
        let data = 0x00cf_9300_0000_ffff;
        let user_data = 0x00cf_f300_0000_ffff;
        for (n, descriptor) in [0, code, data, user_code, user_data, tss, 0]
            .iter()
            .enumerate()
        {
            self.put(GDT + 8 * n as u64, &u64::to_le_bytes(*descriptor));
        }
        self.put(TSS + 4, &(INNER_STACK as u32).to_le_bytes());
        self.put(TSS + 8, &0x10_u32.to_le_bytes());
        self.put(TSS + 102, &0x68_u16.to_le_bytes());
    }

    fn finish_tables(&mut self, tss_limit: u64) {
        self.set(vmcs::GDTR_BASE, GDT);
        self.set(vmcs::GDTR_LIMIT, 0x37);
        self.set(vmcs::IDTR_BASE, IDT);
        self.set(vmcs::IDTR_LIMIT, 0xfff);
        self.set(vmcs::TR, 0x28);
        self.set(vmcs::TR_BASE, TSS);
        self.set(vmcs::TR_LIMIT, tss_limit);
        self.set(vmcs::TR_RIGHTS, 0x8b);
    }

    fn segment(&mut self, n: u32, selector: u64, rights: u64) {
        self.set(vmcs::ES + 2 * n, selector);
        self.set(vmcs::ES_LIMIT + 2 * n, 0xffff_ffff);
        self.set(vmcs::ES_RIGHTS + 2 * n, rights);
    }

    /// To privilege level 3 with the user segments of the GDT.
    pub(super) fn user(mut self, code_rights: u64) -> Self {
        self.segment(1, 0x1b, code_rights | 0x60);
        for n in [0, 2, 3, 4, 5] {
            self.segment(n, 0x23, 0xc0f3);
        }
        self
    }

    /// A gate of 8 bytes in the IDT.
    pub(super) fn gate(&mut self, vector: u64, selector: u64, offset: u64, kind: u64) {
        let gate = offset & 0xffff | selector << 16 | kind << 40 | (offset >> 16 & 0xffff) << 48;
        self.put(IDT + 8 * vector, &gate.to_le_bytes());
    }

    /// A gate of 16 bytes.
    pub(super) fn long_gate(&mut self, vector: u64, offset: u64, kind: u64, ist: u64) {
        let gate =
            offset & 0xffff | 8 << 16 | ist << 32 | kind << 40 | (offset >> 16 & 0xffff) << 48;
        self.put(IDT + 16 * vector, &gate.to_le_bytes());
        self.put(IDT + 16 * vector + 8, &(offset >> 32).to_le_bytes());
    }

    pub(super) fn put(&mut self, at: u64, bytes: &[u8]) {
        self.memory.write(at, bytes).unwrap();
    }

    pub(super) fn u32(&self, at: u64) -> u32 {
        let mut bytes = [0; 4];
        self.memory.read(at, &mut bytes).unwrap();
        u32::from_le_bytes(bytes)
    }

    pub(super) fn u64(&self, at: u64) -> u64 {
        u64::from(self.u32(at)) | u64::from(self.u32(at + 4)) << 32
    }

    pub(super) fn set(&mut self, field: u32, value: u64) {
        self.vcpu.write_vmcs(field, value).unwrap();
    }

    pub(super) fn on(&mut self, field: u32, bits: u32) {
        let value = self.get(field) | u64::from(bits);
        self.set(field, value);
    }

    pub(super) fn off(&mut self, field: u32, bits: u32) {
        let value = self.get(field) & !u64::from(bits);
        self.set(field, value);
    }

    pub(super) fn get(&self, field: u32) -> u64 {
        self.vcpu.read_vmcs(field).unwrap()
    }

    /// A general register by the framework's number: 2 RAX, 3 RCX, 4 RDX, 5 RBX, 6 RSI, 7 RDI.
    pub(super) fn reg(&self, id: u32) -> u64 {
        self.vcpu.read_register(id).unwrap()
    }

    pub(super) fn set_reg(&mut self, id: u32, value: u64) {
        self.vcpu.write_register(id, value).unwrap();
    }

    /// Runs up to an exit; its reason.
    pub(super) fn run(&mut self) -> u64 {
        self.vcpu.run().unwrap();
        self.get(vmcs::EXIT_REASON)
    }
}
