//! The ACPI tables that tell Linux what is there: processors, interrupt controllers, the serial port, and how to switch off.
//!
//! A hardware-reduced platform (ACPI 6.5, 4.1): no PIT, 8259 or power-management timer is expected.

use acpi_tables::Aml;
use acpi_tables::aml::{
    self, Device, EISAName, IO, Interrupt, Name, Package, Path, ResourceTemplate,
};
use acpi_tables::fadt::{FADTBuilder, Flags};
use acpi_tables::gas::{AccessSize, AddressSpace, GAS};
use acpi_tables::madt::{
    EnabledStatus, IoApic, LocalInterruptController, MADT, ProcessorLocalApic,
};
use acpi_tables::rsdp::Rsdp;
use acpi_tables::sdt::Sdt;
use acpi_tables::xsdt::XSDT;

use super::ports;

/// Where the tables lie: the area that a BIOS would have them in.
pub const START: u64 = 0xe_0000;
/// Physical address of the local APICs.
pub const LOCAL_APIC: u64 = 0xfee0_0000;
/// Physical address of the I/O APIC.
pub const IO_APIC: u64 = 0xfec0_0000;

const OEM: [u8; 6] = *b"XHV   ";
const TABLE: [u8; 8] = *b"XHVLINUX";

/// The sleep type of state S5 in `_S5`.
pub const SLEEP_TYPE_OFF: u8 = 5;

fn bytes(table: &dyn Aml) -> Vec<u8> {
    let mut out = Vec::new();
    table.to_aml_bytes(&mut out);
    out
}

/// The differentiated system description table: COM1 and the sleep state "off".
fn dsdt() -> Vec<u8> {
    let off: Vec<&dyn Aml> = vec![&SLEEP_TYPE_OFF, &SLEEP_TYPE_OFF];
    let sleep = Name::new(Path::new("_S5_"), &Package::new(off));
    let ports = IO::new(ports::COM1, ports::COM1, 0, 8);
    let interrupt = Interrupt::new(true, true, false, false, ports::COM1_PIN as u32);
    let resources = ResourceTemplate::new(vec![&interrupt, &ports]);
    let id = Name::new(Path::new("_HID"), &EISAName::new("PNP0501"));
    let unit = Name::new(Path::new("_UID"), &aml::ZERO);
    let current = Name::new(Path::new("_CRS"), &resources);
    let com1 = Device::new(Path::new("COM1"), vec![&id, &unit, &current]);
    let scope = aml::Scope::new(Path::new("_SB_"), vec![&com1]);
    let mut table = Sdt::new(*b"DSDT", 36, 6, OEM, TABLE, 1);
    table.append_slice(&bytes(&sleep));
    table.append_slice(&bytes(&scope));
    table.as_slice().to_vec()
}

fn port(address: u16) -> GAS {
    GAS::new(
        AddressSpace::SystemIo,
        8,
        0,
        AccessSize::ByteAccess,
        address.into(),
    )
}

fn fadt(dsdt: u64) -> Vec<u8> {
    let mut fadt = FADTBuilder::new(OEM, TABLE, 1)
        .dsdt_64(dsdt)
        .flag(Flags::HwReducedAcpi)
        .flag(Flags::ResetRegSup)
        .flag(Flags::Headless)
        .flag(Flags::Wbinvd);
    // No VGA, no CMOS clock (ACPI 6.5, table 5.11).
    fadt.iapc_boot_arch = (1 << 2 | 1 << 5).into();
    fadt.reset_reg = port(ports::RESET);
    fadt.reset_value = ports::RESET_VALUE;
    fadt.sleep_control_reg = port(ports::SLEEP_CONTROL);
    fadt.sleep_status_reg = port(ports::SLEEP_STATUS);
    bytes(&fadt.finalize())
}

fn madt(cpus: u32) -> Vec<u8> {
    let mut madt = MADT::new(
        OEM,
        TABLE,
        1,
        LocalInterruptController::Address(LOCAL_APIC as u32),
    );
    for cpu in 0..cpus as u8 {
        madt.add_structure(ProcessorLocalApic::new(cpu, cpu, EnabledStatus::Enabled));
    }
    madt.add_structure(IoApic::new(0, IO_APIC as u32, 0));
    bytes(&madt)
}

/// All tables as the bytes to put at [`START`]; the root pointer comes first.
pub fn tables(cpus: u32) -> Vec<u8> {
    let mut all = vec![0; 64];
    let mut place = |table: Vec<u8>| {
        let address = START + all.len() as u64;
        all.extend(table);
        all.resize(all.len().next_multiple_of(16), 0);
        address
    };
    let dsdt = place(dsdt());
    let fadt = place(fadt(dsdt));
    let madt = place(madt(cpus));
    let mut xsdt = XSDT::new(OEM, TABLE, 1);
    xsdt.add_entry(fadt);
    xsdt.add_entry(madt);
    let xsdt = place(bytes(&xsdt));
    let root = bytes(&Rsdp::new(OEM, xsdt));
    all[..root.len()].copy_from_slice(&root);
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every table sums up to zero, and the pointers lead to them.
    #[test]
    fn checksums() {
        let all = tables(2);
        let sum = |bytes: &[u8]| bytes.iter().fold(0_u8, |sum, &byte| sum.wrapping_add(byte));
        assert_eq!(&all[..8], b"RSD PTR ");
        assert_eq!(sum(&all[..36]), 0);
        let table = |address: u64| {
            let at = (address - START) as usize;
            let len = u32::from_le_bytes(all[at + 4..at + 8].try_into().unwrap()) as usize;
            assert_eq!(sum(&all[at..at + len]), 0);
            &all[at..at + len]
        };
        let xsdt = table(u64::from_le_bytes(all[24..32].try_into().unwrap()));
        assert_eq!(&xsdt[..4], b"XSDT");
        let entry = |n: usize| u64::from_le_bytes(xsdt[36 + 8 * n..44 + 8 * n].try_into().unwrap());
        let (fadt, madt) = (table(entry(0)), table(entry(1)));
        assert_eq!((&fadt[..4], &madt[..4]), (&b"FACP"[..], &b"APIC"[..]));
        assert_eq!(
            &table(u64::from_le_bytes(fadt[140..148].try_into().unwrap()))[..4],
            b"DSDT"
        );
    }
}
