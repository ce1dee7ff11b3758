//! What the two architectures have to say: how a CPU starts, what its registers are for gdb, and what its exits mean.

use std::io::Write;
use std::time::Duration;

use gdbstub::arch::Arch;
use gdbstub_arch::aarch64::AArch64;
use gdbstub_arch::aarch64::reg::AArch64CoreRegs;
use gdbstub_arch::x86::X86_64_SSE;
use gdbstub_arch::x86::reg::X86_64CoreRegs;
use xhv::aarch64::{self, Psci};
use xhv::debug::Target;
use xhv::x86_64::{self, FpState, SegmentName};
use xhv::{Error, Gpa, VcpuThread};

use super::program::Image;

/// Memory of the machine.
pub const RAM_SIZE: u64 = 16 << 20;
/// Stack of each CPU, from the end of memory down.
const STACK: u64 = 64 << 10;
/// Where the console is: a port, or an address.
const CONSOLE_PORT: u16 = 0xe9;
const CONSOLE: Gpa = Gpa(0x0900_0000);

/// What an exit comes to.
#[derive(Debug)]
pub enum Served {
    /// The CPU goes on.
    GoOn,
    /// The VMM was asked to stop it.
    Canceled,
    /// This CPU is off.
    Off,
    /// The program has ended.
    Ended(u8),
    /// The guest cannot go on, for this reason.
    Broken(String),
}

/// A CPU's registers as gdb has them.
pub type Registers<G> = <<G as Guest>::Arch as Arch>::Registers;

/// A processor that gdb can debug here.
pub trait Guest: Target + Sized + 'static {
    type Arch: Arch<Usize = u64, BreakpointKind = usize, Registers: Send + Clone>;
    type Vm: Clone + Send + 'static;

    /// Where flat images go.
    const FLAT: u64;
    const ELF_MACHINE: u16;

    /// A machine with the program in memory.
    fn machine(image: &Image) -> Result<Self::Vm, Error>;
    /// A CPU of it on a thread of its own.
    fn spawn<R: Send + 'static>(
        vm: &Self::Vm,
        body: impl FnOnce(&mut Self) -> R + Send + 'static,
    ) -> Result<VcpuThread<Self, R>, Error>;
    /// Puts CPU `number` at the program's entry, with a stack and its number as the first argument.
    fn set_up(&mut self, number: u64, entry: u64) -> Result<(), Error>;
    /// A CPU of it on a thread of its own, at the program's entry. Comes back when it is set up.
    fn start<R: Send + 'static>(
        vm: &Self::Vm,
        number: usize,
        entry: u64,
        body: impl FnOnce(&mut Self) -> R + Send + 'static,
    ) -> Result<VcpuThread<Self, R>, Error> {
        let (setup, told) = std::sync::mpsc::channel();
        let thread = Self::spawn(vm, move |vcpu| {
            let _ = setup.send(vcpu.set_up(number as u64, entry));
            body(vcpu)
        })?;
        told.recv().unwrap_or(Ok(())).map(|()| thread)
    }
    fn registers(&self) -> Result<Registers<Self>, Error>;
    fn set_registers(&mut self, values: &Registers<Self>) -> Result<(), Error>;
    /// What is due before each entry.
    fn before_entry(&mut self) -> Result<(), Error> {
        Ok(())
    }
    fn serve(exit: Self::Exit<'_>) -> Result<Served, Error>;
}

fn print(byte: u8) {
    let mut out = std::io::stdout();
    // A console that is closed prints nothing.
    let _ = out.write_all(&[byte]).and_then(|()| out.flush());
}

/// General registers in gdb's order, and in the encoding's for R8 and up.
const GENERAL: [xhv::typed::Register<u64>; 16] = {
    use x86_64::reg::*;
    [
        RAX, RBX, RCX, RDX, RSI, RDI, RBP, RSP, R8, R9, R10, R11, R12, R13, R14, R15,
    ]
};
const SEGMENTS: [SegmentName; 6] = {
    use SegmentName::*;
    [Cs, Ss, Ds, Es, Fs, Gs]
};

impl Guest for x86_64::Vcpu {
    type Arch = X86_64_SSE;
    type Vm = x86_64::Vm;

    const FLAT: u64 = 0x10_0000;
    const ELF_MACHINE: u16 = object::elf::EM_X86_64;

    fn machine(image: &Image) -> Result<x86_64::Vm, Error> {
        let vm = x86_64::Vm::new()?;
        vm.map_new(Gpa(0), RAM_SIZE)?;
        vm.write_identity_map(Gpa(0x1000), 1 << 30)?;
        for (at, bytes) in &image.parts {
            vm.write(Gpa(*at), bytes)?;
        }
        Ok(vm)
    }

    fn spawn<R: Send + 'static>(
        vm: &x86_64::Vm,
        body: impl FnOnce(&mut Self) -> R + Send + 'static,
    ) -> Result<VcpuThread<Self, R>, Error> {
        vm.spawn_vcpu(body)
    }

    fn set_up(&mut self, number: u64, entry: u64) -> Result<(), Error> {
        self.set_long_mode64(entry, Gpa(0x1000))?;
        // As a call leaves the stack: 8 bytes below a multiple of 16.
        self.write(x86_64::reg::RSP, RAM_SIZE - number * STACK - 8)?;
        self.write(x86_64::reg::RDI, number)
    }

    fn registers(&self) -> Result<X86_64CoreRegs, Error> {
        use x86_64::reg;
        let mut values = X86_64CoreRegs::default();
        for (value, row) in values.regs.iter_mut().zip(GENERAL) {
            *value = self.read(row)?;
        }
        values.rip = self.read(reg::RIP)?;
        values.eflags = self.read(reg::RFLAGS)?.bits() as u32;
        let places = &mut values.segments;
        let places = [
            &mut places.cs,
            &mut places.ss,
            &mut places.ds,
            &mut places.es,
            &mut places.fs,
            &mut places.gs,
        ];
        for (place, name) in places.into_iter().zip(SEGMENTS) {
            *place = self.segment(name)?.selector.into();
        }
        let fp = self.fpstate()?;
        for (place, value) in values.st.iter_mut().zip(fp.st) {
            place.copy_from_slice(&value.to_le_bytes()[..10]);
        }
        values.fpu.fctrl = fp.fcw.into();
        values.fpu.fstat = fp.fsw.into();
        values.fpu.ftag = fp.tag_word().into();
        values.fpu.fioff = fp.fip as u32;
        values.fpu.fiseg = (fp.fip >> 32) as u32;
        values.fpu.fooff = fp.fdp as u32;
        values.fpu.foseg = (fp.fdp >> 32) as u32;
        values.fpu.fop = fp.fop.into();
        values.xmm = fp.xmm;
        values.mxcsr = fp.mxcsr;
        Ok(values)
    }

    fn set_registers(&mut self, values: &X86_64CoreRegs) -> Result<(), Error> {
        use x86_64::reg;
        for (value, row) in values.regs.iter().zip(GENERAL) {
            self.write(row, *value)?;
        }
        self.write(reg::RIP, values.rip)?;
        // Bit 1 reads as 1, and the processor refuses a guest without.
        self.write(
            reg::RFLAGS,
            reg::Rflags::from_bits(values.eflags.into()) | reg::Rflags::from_bits(2),
        )?;
        // Selectors stay: their descriptors are not gdb's to write.
        let mut fp: FpState = self.fpstate()?;
        for (value, place) in fp.st.iter_mut().zip(&values.st) {
            let mut bytes = [0; 16];
            bytes[..10].copy_from_slice(place);
            *value = u128::from_le_bytes(bytes);
        }
        fp.fcw = values.fpu.fctrl as u16;
        fp.fsw = values.fpu.fstat as u16;
        fp.set_tag_word(values.fpu.ftag as u16);
        fp.fip = u64::from(values.fpu.fioff) | u64::from(values.fpu.fiseg) << 32;
        fp.fdp = u64::from(values.fpu.fooff) | u64::from(values.fpu.foseg) << 32;
        fp.fop = values.fpu.fop as u16;
        fp.xmm = values.xmm;
        fp.mxcsr = values.mxcsr & fp.mxcsr_mask;
        self.set_fpstate(&fp)
    }

    fn serve(exit: x86_64::Exit<'_>) -> Result<Served, Error> {
        use x86_64::Exit;
        match exit {
            Exit::PortWrite(out) if out.port() == CONSOLE_PORT => {
                print(out.value() as u8);
                out.finish()?;
            }
            Exit::PortWrite(out) => out.finish()?,
            Exit::PortRead(read) => read.finish(u32::MAX)?,
            Exit::MmioRead(read) => read.finish(u64::MAX)?,
            Exit::MmioWrite(write) => write.finish()?,
            Exit::Cpuid(cpuid) => cpuid.finish_default()?,
            Exit::MsrRead(read) => drop(read.finish_default()?),
            Exit::MsrWrite(write) => drop(write.finish_default()?),
            Exit::ControlRegister(access) => access.finish()?,
            Exit::Xsetbv(access) => access.finish()?,
            Exit::Hlt(mut halt) => {
                let vcpu = halt.vcpu();
                let code = vcpu.read(x86_64::reg::RAX)? as u8;
                return Ok(if vcpu.id() == 0 {
                    Served::Ended(code)
                } else {
                    Served::Off
                });
            }
            Exit::Canceled => return Ok(Served::Canceled),
            other => return Ok(Served::Broken(format!("{other:?}"))),
        }
        Ok(Served::GoOn)
    }
}

impl Guest for aarch64::Vcpu {
    type Arch = AArch64;
    type Vm = aarch64::Vm;

    const FLAT: u64 = 0x4000_0000;
    const ELF_MACHINE: u16 = object::elf::EM_AARCH64;

    fn machine(image: &Image) -> Result<aarch64::Vm, Error> {
        let vm = aarch64::Vm::new()?;
        vm.map_new(Self::FLAT, RAM_SIZE)?;
        for (at, bytes) in &image.parts {
            vm.write(*at, bytes)?;
        }
        Ok(vm)
    }

    fn spawn<R: Send + 'static>(
        vm: &aarch64::Vm,
        body: impl FnOnce(&mut Self) -> R + Send + 'static,
    ) -> Result<VcpuThread<Self, R>, Error> {
        vm.spawn_vcpu(body)
    }

    fn set_up(&mut self, number: u64, entry: u64) -> Result<(), Error> {
        self.set_el1(entry, Self::FLAT + RAM_SIZE - number * STACK)?;
        self.set_identity(number)?;
        self.set_x(0, number)
    }

    fn registers(&self) -> Result<AArch64CoreRegs, Error> {
        use aarch64::reg;
        let mut values = AArch64CoreRegs::default();
        for (value, number) in values.x.iter_mut().zip(0..) {
            *value = self.x(number)?;
        }
        values.sp = self.sp()?;
        values.pc = self.read(reg::PC)?;
        values.cpsr = self.read(reg::CPSR)?.bits() as u32;
        for (value, number) in values.v.iter_mut().zip(0..) {
            *value = self.q(number)?;
        }
        values.fpcr = self.read(reg::FPCR)?.bits() as u32;
        values.fpsr = self.read(reg::FPSR)?.bits() as u32;
        Ok(values)
    }

    fn set_registers(&mut self, values: &AArch64CoreRegs) -> Result<(), Error> {
        use aarch64::reg;
        self.write(reg::CPSR, reg::Spsr::from_bits(values.cpsr.into()))?;
        for (value, number) in values.x.iter().zip(0..) {
            self.set_x(number, *value)?;
        }
        self.set_sp(values.sp)?;
        self.write(reg::PC, values.pc)?;
        for (value, number) in values.v.iter().zip(0..) {
            self.set_q(number, *value)?;
        }
        self.write(reg::FPCR, reg::Fpcr::from_bits(values.fpcr.into()))?;
        self.write(reg::FPSR, reg::Fpsr::from_bits(values.fpsr.into()))
    }

    fn before_entry(&mut self) -> Result<(), Error> {
        let timer = self.vtimer_line()?;
        self.set_interrupt_line(aarch64::Interrupt::Irq, timer);
        Ok(())
    }

    fn serve(exit: aarch64::Exit<'_>) -> Result<Served, Error> {
        use aarch64::Exit;
        match exit {
            // The interrupt line has it before the next entry.
            Exit::VtimerActivated => {}
            Exit::MmioWrite(write) => {
                if write.gpa() == CONSOLE {
                    print(write.value() as u8);
                }
                write.finish()?;
            }
            Exit::MmioRead(read) => read.finish(0)?,
            Exit::SystemRegisterRead(read) => drop(read.finish_default()?),
            Exit::SystemRegisterWrite(write) => drop(write.finish_default()?),
            Exit::Wfx(wait) => wait.wait(Duration::from_millis(10))?,
            Exit::Hvc(call) => match call.psci()? {
                Psci::Answer(value) => call.finish(value)?,
                // The code that the program puts beside it.
                Psci::SystemOff => return Ok(Served::Ended(call.argument(1)? as u8)),
                Psci::CpuOff => return Ok(Served::Off),
                _ => call.finish(aarch64::psci::result::NOT_SUPPORTED)?,
            },
            Exit::Smc(call) => call.undefined()?,
            Exit::Canceled => return Ok(Served::Canceled),
            other => return Ok(Served::Broken(format!("{other:?}"))),
        }
        Ok(Served::GoOn)
    }
}
