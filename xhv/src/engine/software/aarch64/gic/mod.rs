//! The GICv3 that `hv_gic_create` makes: one security state, affinity routing, SPIs, SGIs, PPIs and a frame for MSIs.
//!
//! | file | what |
//! |---|---|
//! | `bank` | 32 interrupts: what they are set to and what they are doing |
//! | `registers` | the distributor's and redistributors' registers, for guest and VMM |
//! | `interface` | the CPU interface: acknowledge, priority drop, deactivation, SGIs, the ICC registers |
//! | `state` | the state as bytes |
//!
//! All of it is behind one lock: interrupts are rare, next to instructions. What a vCPU looks at between blocks is a byte in its
//! [`Peer`]: whether IRQ and FIQ are signalled.

mod bank;
mod interface;
mod registers;
mod state;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::shared::Peer;
use crate::engine::aarch64::{GicConfig, GicParameters};
use crate::error::Code;
use crate::memory::lock;
use bank::Bank;
use interface::Interface;

/// Interrupt numbers below this are private to a vCPU.
const FIRST_SPI: u32 = 32;
/// Interrupt numbers from this on are special.
const END: u32 = 1020;
/// Answer of an acknowledge when there is nothing: no interrupt.
const NOTHING: u32 = 1023;
/// Size of the distributor's registers in bytes.
const DISTRIBUTOR_SIZE: u64 = 0x1_0000;
/// Size of one redistributor's registers in bytes.
const REDISTRIBUTOR_SIZE: u64 = 0x2_0000;
/// Size of all redistributors' registers in bytes.
const REGION_SIZE: u64 = 0x200_0000;
/// Size of the MSI frame in bytes.
const MSI_SIZE: u64 = 0x1_0000;
/// `GICM_SET_SPI_NSR`
const MSI_DOORBELL: u64 = 0x40;

/// PPI of the EL1 virtual timer.
pub(crate) const VIRTUAL_TIMER: u32 = 27;
/// PPI of the EL1 physical timer.
pub(crate) const PHYSICAL_TIMER: u32 = 30;

/// Signalled to a vCPU: IRQ.
pub(crate) const IRQ: u8 = 1;
/// Signalled to a vCPU: FIQ.
pub(crate) const FIQ: u8 = 2;

/// A vCPU as the GIC sees it.
#[derive(Debug)]
struct Core {
    peer: Weak<Peer>,
    /// Aff3 to Aff0, a byte each.
    affinity: u32,
    bank: Bank,
    interface: Interface,
}

/// Everything that changes.
#[derive(Debug)]
pub(crate) struct Inner {
    /// `EnableGrp0` and `EnableGrp1` of `GICD_CTLR`.
    control: u32,
    /// SPIs; the first bank is not used.
    banks: Vec<Bank>,
    /// `GICD_IROUTER` by interrupt number.
    routes: Vec<u64>,
    /// By vCPU number.
    cores: Vec<Option<Core>>,
}

/// The GIC of a VM.
#[derive(Debug)]
pub(crate) struct Gic {
    config: GicConfig,
    inner: Mutex<Inner>,
}

/// Where an address of a device is.
enum Place {
    Distributor(u64),
    Redistributor(usize, u64),
    Msi(u64),
}

/// `hv_gic_get_*`
pub(crate) fn parameters() -> GicParameters {
    GicParameters {
        distributor_size: DISTRIBUTOR_SIZE,
        distributor_base_alignment: 0x1_0000,
        redistributor_region_size: REGION_SIZE,
        redistributor_size: REDISTRIBUTOR_SIZE,
        redistributor_base_alignment: 0x1_0000,
        msi_region_size: MSI_SIZE,
        msi_region_base_alignment: 0x1_0000,
        spi_base: FIRST_SPI,
        spi_count: END - FIRST_SPI,
    }
}

impl Inner {
    fn new() -> Self {
        Self {
            control: 0,
            banks: vec![Bank::default(); 32],
            routes: vec![0; END as usize],
            cores: Vec::new(),
        }
    }

    fn core(&mut self, cpu: usize) -> Option<&mut Core> {
        self.cores.get_mut(cpu)?.as_mut()
    }

    /// The bank with this interrupt, as a vCPU sees it.
    fn bank(&mut self, cpu: usize, intid: u32) -> Option<&mut Bank> {
        if intid < FIRST_SPI {
            return self.core(cpu).map(|core| &mut core.bank);
        }
        (intid < END).then(|| &mut self.banks[(intid / 32) as usize])
    }

    /// Whether an SPI goes to a vCPU: by affinity, or, where any will do, to the first.
    fn routed(&self, intid: u32, cpu: usize, affinity: u32) -> bool {
        let route = self.routes.get(intid as usize).copied().unwrap_or(0);
        if route >> 31 & 1 != 0 {
            return self.cores.iter().position(Option::is_some) == Some(cpu);
        }
        (route >> 8 & 0xff00_0000 | route & 0xff_ffff) as u32 == affinity
    }

    /// The most urgent interrupt for a vCPU: its number, priority, and whether it is of group 1.
    fn most_urgent(&self, cpu: usize) -> Option<(u32, u8, bool)> {
        let core = self.cores.get(cpu)?.as_ref()?;
        let mut best: Option<(u32, u8, bool)> = None;
        let mut consider = |intid: u32, bank: &Bank| {
            let bit = intid & 31;
            let group1 = bank.group1 >> bit & 1 != 0;
            let enabled = self.control >> u32::from(group1) & 1 != 0
                && core.interface.enabled[usize::from(group1)];
            let priority = bank.priorities[bit as usize];
            if enabled && best.is_none_or(|(_, known, _)| priority < known) {
                best = Some((intid, priority, group1));
            }
        };
        for bit in bits(core.bank.ready()) {
            consider(bit, &core.bank);
        }
        for (at, bank) in self.banks.iter().enumerate().skip(1) {
            for bit in bits(bank.ready()) {
                let intid = 32 * at as u32 + bit;
                if intid < END && self.routed(intid, cpu, core.affinity) {
                    consider(intid, bank);
                }
            }
        }
        best
    }

    /// What is signalled to a vCPU.
    fn signalled(&self, cpu: usize) -> u8 {
        let Some(Some(core)) = self.cores.get(cpu) else {
            return 0;
        };
        match self.most_urgent(cpu) {
            Some((_, priority, group1)) if core.interface.admits(priority, group1) => {
                if group1 {
                    IRQ
                } else {
                    FIQ
                }
            }
            _ => 0,
        }
    }

    /// Tells vCPUs what is signalled to them now.
    fn signal(&self) {
        for (cpu, core) in self.cores.iter().enumerate() {
            if let Some(peer) = core.as_ref().and_then(|core| core.peer.upgrade()) {
                peer.signal(self.signalled(cpu));
            }
        }
    }
}

/// Numbers of the bits that are set.
fn bits(mut word: u32) -> impl Iterator<Item = u32> {
    core::iter::from_fn(move || {
        let bit = word.trailing_zeros();
        word &= word.wrapping_sub(1);
        (bit < 32).then_some(bit)
    })
}

/// Aff3 to Aff0 of `MPIDR_EL1`, a byte each.
fn affinity(mpidr: u64) -> u32 {
    (mpidr >> 8 & 0xff00_0000 | mpidr & 0xff_ffff) as u32
}

impl Gic {
    /// `hv_gic_create`: [`Code::BAD_ARGUMENT`] for bases that are misaligned, overlap, or lie outside of the IPA width, and for MSIs that
    /// are no SPIs or have just one of base and range.
    pub(crate) fn new(config: &GicConfig, ipa_bits: u32) -> Result<Self, Code> {
        let mut regions = vec![
            (config.distributor_base, DISTRIBUTOR_SIZE),
            (config.redistributor_base, REGION_SIZE),
        ];
        match (config.msi_region_base, config.msi_interrupts) {
            (Some(base), Some((first, count))) => {
                let end = first.checked_add(count).ok_or(Code::BAD_ARGUMENT)?;
                if first < FIRST_SPI || end > END || count == 0 {
                    return Err(Code::BAD_ARGUMENT);
                }
                regions.push((base, MSI_SIZE));
            }
            (None, None) => {}
            _ => return Err(Code::BAD_ARGUMENT),
        }
        regions.sort_unstable();
        let mut end = 0;
        for (base, size) in regions {
            if base < end || base % 0x1_0000 != 0 {
                return Err(Code::BAD_ARGUMENT);
            }
            end = base.checked_add(size).ok_or(Code::BAD_ARGUMENT)?;
        }
        if end > 1 << ipa_bits {
            return Err(Code::BAD_ARGUMENT);
        }
        Ok(Self {
            config: *config,
            inner: Mutex::new(Inner::new()),
        })
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        lock(&self.inner)
    }

    /// Adds a vCPU.
    pub(crate) fn join(&self, cpu: usize, peer: &Arc<Peer>, mpidr: u64) {
        let mut inner = self.inner();
        if inner.cores.len() <= cpu {
            inner.cores.resize_with(cpu + 1, || None);
        }
        inner.cores[cpu] = Some(Core {
            peer: Arc::downgrade(peer),
            affinity: affinity(mpidr),
            bank: Bank::private(),
            interface: Interface::default(),
        });
    }

    /// Takes a vCPU away.
    pub(crate) fn part(&self, cpu: usize) {
        if let Some(core) = self.inner().cores.get_mut(cpu) {
            *core = None;
        }
    }

    /// A vCPU has got another affinity.
    pub(crate) fn set_affinity(&self, cpu: usize, mpidr: u64) {
        let mut inner = self.inner();
        if let Some(core) = inner.core(cpu) {
            core.affinity = affinity(mpidr);
        }
        inner.signal();
    }

    /// `hv_gic_get_redistributor_base` of a vCPU.
    pub(crate) fn redistributor_base(&self, cpu: usize) -> u64 {
        self.config.redistributor_base + REDISTRIBUTOR_SIZE * cpu as u64
    }

    fn is_msi(&self, intid: u32) -> bool {
        let range = self.config.msi_interrupts;
        range.is_some_and(|(first, count)| (first..first + count).contains(&intid))
    }

    /// `hv_gic_set_spi`: [`Code::BAD_ARGUMENT`] for what is no SPI or kept for MSIs.
    pub(crate) fn set_spi(&self, intid: u32, level: bool) -> Result<(), Code> {
        if !(FIRST_SPI..END).contains(&intid) || self.is_msi(intid) {
            return Err(Code::BAD_ARGUMENT);
        }
        let mut inner = self.inner();
        inner.banks[(intid / 32) as usize].set_line(intid & 31, level);
        inner.signal();
        Ok(())
    }

    /// `hv_gic_send_msi`: [`Code::BAD_ARGUMENT`] for another address than the doorbell, or an interrupt not kept for MSIs.
    pub(crate) fn send_msi(&self, address: u64, intid: u32) -> Result<(), Code> {
        let doorbell = self.config.msi_region_base.map(|base| base + MSI_DOORBELL);
        if doorbell != Some(address) || !self.is_msi(intid) {
            return Err(Code::BAD_ARGUMENT);
        }
        let mut inner = self.inner();
        inner.banks[(intid / 32) as usize].pending |= 1 << (intid & 31);
        inner.signal();
        Ok(())
    }

    /// Level of a private interrupt line of a vCPU.
    pub(crate) fn set_ppi(&self, cpu: usize, intid: u32, level: bool) {
        let mut inner = self.inner();
        if let Some(bank) = inner.bank(cpu, intid & 31) {
            bank.set_line(intid & 31, level);
        }
        inner.signal();
    }

    /// `hv_gic_reset`: everything but the CPU interfaces.
    pub(crate) fn reset(&self) {
        let mut inner = self.inner();
        inner.control = 0;
        inner.banks = vec![Bank::default(); 32];
        inner.routes = vec![0; END as usize];
        for core in inner.cores.iter_mut().flatten() {
            let line = core.bank.line;
            core.bank = Bank::private();
            core.bank.line = line;
        }
        inner.signal();
    }

    fn place(&self, ipa: u64) -> Option<Place> {
        let within = |base: u64, size| ipa.checked_sub(base).filter(|&offset| offset < size);
        if let Some(offset) = within(self.config.distributor_base, DISTRIBUTOR_SIZE) {
            return Some(Place::Distributor(offset));
        }
        if let Some(offset) = within(self.config.redistributor_base, REGION_SIZE) {
            let cpu = (offset / REDISTRIBUTOR_SIZE) as usize;
            return Some(Place::Redistributor(cpu, offset % REDISTRIBUTOR_SIZE));
        }
        within(self.config.msi_region_base?, MSI_SIZE).map(Place::Msi)
    }

    /// A load of the guest from a register; `None` where there is no GIC.
    pub(crate) fn load(&self, ipa: u64, size: u64) -> Option<u64> {
        let place = self.place(ipa)?;
        let inner = self.inner();
        Some(match place {
            Place::Distributor(offset) => inner.read_distributor(offset, size),
            Place::Redistributor(cpu, offset) => inner.read_redistributor(cpu, offset, size),
            Place::Msi(offset) => self.read_msi(offset),
        })
    }

    /// A store of the guest to a register; `None` where there is no GIC.
    pub(crate) fn store(&self, ipa: u64, size: u64, value: u64) -> Option<()> {
        match self.place(ipa)? {
            Place::Distributor(offset) => {
                let mut inner = self.inner();
                inner.write_distributor(offset, size, value);
                inner.signal();
            }
            Place::Redistributor(cpu, offset) => {
                let mut inner = self.inner();
                inner.write_redistributor(cpu, offset, size, value);
                inner.signal();
            }
            Place::Msi(MSI_DOORBELL) => {
                // A number that is not kept for MSIs is ignored, as by the hardware.
                let _ = self.send_msi(ipa, value as u32 & 0x3ff);
            }
            Place::Msi(_) => {}
        }
        Some(())
    }

    /// A register of the MSI frame.
    pub(crate) fn read_msi(&self, offset: u64) -> u64 {
        let (first, count) = self.config.msi_interrupts.unwrap_or((0, 0));
        match offset {
            // GICM_TYPER
            8 => u64::from(first) << 16 | u64::from(count),
            _ => 0,
        }
    }
}
