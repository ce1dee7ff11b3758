//! Which device has which I/O port. Most are a byte wide; wider accesses go to neighbours.

use std::io::{Write, stdout};
use std::sync::{Arc, Mutex};

use xhv::Error;
use xhv::x86_64::Vm;

use crate::cmos::Cmos;
use crate::fw_cfg::FwCfg;
use crate::keyboard::Keyboard;
use crate::machine::lock;
use crate::pci::Pci;
use crate::pit::Pit;

/// The port that QEMU and Bochs print bytes from.
const DEBUG: u16 = 0x402;
/// What says that it is there.
const DEBUG_THERE: u8 = 0xe9;
/// Reset control register of Intel's chip sets: bit 2 resets.
const RESET: u16 = 0xcf9;

/// All devices.
pub struct Ports {
    pit: Arc<Mutex<Pit>>,
    cmos: Cmos,
    keyboard: Keyboard,
    pci: Pci,
    fw_cfg: FwCfg,
    reset: bool,
}

impl Ports {
    /// Those of a machine with so much memory.
    pub fn new(memory: u64, pit: Arc<Mutex<Pit>>, fw_cfg: FwCfg) -> Self {
        Self {
            pit,
            cmos: Cmos::new(memory),
            keyboard: Keyboard::default(),
            pci: Pci::default(),
            fw_cfg,
            reset: false,
        }
    }

    /// Whether the guest has reset the machine.
    pub fn reset(&self) -> bool {
        self.reset || self.keyboard.reset()
    }

    /// What a read of `size` bytes answers; all ones where there is nothing.
    ///
    /// # Errors
    /// If the engine refuses an access to its interrupt controllers.
    pub fn read(&mut self, vm: &Vm, port: u16, size: u8) -> Result<u32, Error> {
        (0..size).try_fold(0, |value, at| {
            let byte = self.read_byte(vm, port.wrapping_add(at.into()))?;
            Ok(value | u32::from(byte) << (8 * at))
        })
    }

    /// A write of `size` bytes.
    ///
    /// # Errors
    /// As [`Ports::read`].
    pub fn write(&mut self, vm: &Vm, port: u16, size: u8, value: u32) -> Result<(), Error> {
        match (port, size) {
            (0x510, 2) => self.fw_cfg.select(value as u16),
            (0xcf8, 4) => self.pci.select(value),
            _ => {
                for at in 0..size {
                    let byte = (value >> (8 * at)) as u8;
                    self.write_byte(vm, port.wrapping_add(at.into()), byte)?;
                }
            }
        }
        Ok(())
    }

    fn read_byte(&mut self, vm: &Vm, port: u16) -> Result<u8, Error> {
        Ok(match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => vm.read_atpic_port(port.into())?,
            0x40..=0x42 | 0x61 => lock(&self.pit).read(port),
            0x60 | 0x64 => self.keyboard.read(port),
            0x71 => self.cmos.read(),
            DEBUG => DEBUG_THERE,
            0x511 => self.fw_cfg.read(),
            0xcf8..=0xcfb => self.pci.selected((port - 0xcf8) as u8),
            0xcfc..=0xcff => self.pci.read((port - 0xcfc) as u8),
            _ => 0xff,
        })
    }

    fn write_byte(&mut self, vm: &Vm, port: u16, value: u8) -> Result<(), Error> {
        match port {
            0x20 | 0x21 | 0xa0 | 0xa1 | 0x4d0 | 0x4d1 => {
                return vm.write_atpic_port(port.into(), value);
            }
            0x40..=0x43 | 0x61 => lock(&self.pit).write(port, value),
            0x60 | 0x64 => self.keyboard.write(port, value),
            0x70 => self.cmos.select(value),
            0x71 => self.cmos.write(value),
            // A reader that is gone is no reason to stop a guest.
            DEBUG => drop(stdout().write_all(&[value])),
            RESET => self.reset |= value & 4 != 0,
            0xcfc..=0xcff => self.pci.write((port - 0xcfc) as u8, value),
            _ => {}
        }
        Ok(())
    }
}
