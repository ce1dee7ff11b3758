//! The device tree: what there is and where, as Linux's bindings have it (Documentation/devicetree/bindings).

use std::ops::Range;

use vm_fdt::FdtWriter;
use xhv::aarch64::sysreg::Mpidr;
use xhv::aarch64::{BuiltIn, Gic, affinity};

use super::{RAM, devices};
use crate::options::Options;

/// Phandles.
const GIC: u32 = 1;
const CLOCK: u32 = 2;

/// Cells of an interrupt of the GIC: its kind, number and trigger (arm,gic-v3.yaml).
const SPI: u32 = 0;
const PPI: u32 = 1;
const EDGE_RISING: u32 = 1;
const LEVEL_HIGH: u32 = 4;
/// Numbers of PPIs are counted from here.
const FIRST_PPI: u32 = 16;

/// The bits of MPIDR_EL1 that are the affinity, as `reg` of a CPU and PSCI have it.
pub fn affinity_bits(mpidr: Mpidr) -> u64 {
    mpidr.bits() & 0xff_00ff_ffff
}

/// The blob.
///
/// # Errors
/// In words.
pub fn device_tree(
    options: &Options,
    initrd: Option<Range<u64>>,
    gic: &Gic,
) -> Result<Vec<u8>, String> {
    write(options, initrd, gic).map_err(|why| format!("device tree: {why}"))
}

fn write(
    options: &Options,
    initrd: Option<Range<u64>>,
    gic: &Gic,
) -> Result<Vec<u8>, Box<dyn std::error::Error>> {
    let mut tree = FdtWriter::new()?;
    let root = tree.begin_node("")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 2)?;
    tree.property_u32("interrupt-parent", GIC)?;
    tree.property_string("compatible", "linux,dummy-virt")?;
    tree.property_string("model", "xhv example")?;

    let chosen = tree.begin_node("chosen")?;
    tree.property_string("bootargs", &options.command_line)?;
    tree.property_string("stdout-path", &format!("/serial@{:x}", devices::UART))?;
    if let Some(range) = initrd {
        tree.property_u64("linux,initrd-start", range.start)?;
        tree.property_u64("linux,initrd-end", range.end)?;
    }
    tree.end_node(chosen)?;

    let memory = tree.begin_node(&format!("memory@{RAM:x}"))?;
    tree.property_string("device_type", "memory")?;
    tree.property_array_u64("reg", &[RAM, options.memory])?;
    tree.end_node(memory)?;

    cpus(&mut tree, options.cpus)?;
    interrupts(&mut tree, gic)?;
    peripherals(&mut tree)?;
    tree.end_node(root)?;
    Ok(tree.finish()?)
}

fn cpus(tree: &mut FdtWriter, count: u32) -> Result<(), vm_fdt::Error> {
    let psci = tree.begin_node("psci")?;
    tree.property_string_list(
        "compatible",
        vec!["arm,psci-1.0".into(), "arm,psci-0.2".into()],
    )?;
    tree.property_string("method", "hvc")?;
    tree.end_node(psci)?;

    let cpus = tree.begin_node("cpus")?;
    tree.property_u32("#address-cells", 2)?;
    tree.property_u32("#size-cells", 0)?;
    for number in 0..count {
        let id = affinity_bits(affinity(number.into()));
        let cpu = tree.begin_node(&format!("cpu@{id:x}"))?;
        tree.property_string("device_type", "cpu")?;
        tree.property_string("compatible", "arm,armv8")?;
        tree.property_string("enable-method", "psci")?;
        tree.property_u64("reg", id)?;
        tree.end_node(cpu)?;
    }
    tree.end_node(cpus)
}

fn interrupts(tree: &mut FdtWriter, gic: &Gic) -> Result<(), Box<dyn std::error::Error>> {
    let parameters = gic.parameters();
    let node = tree.begin_node(&format!("interrupt-controller@{:x}", gic.distributor().0))?;
    tree.property_string("compatible", "arm,gic-v3")?;
    tree.property_null("interrupt-controller")?;
    tree.property_u32("#interrupt-cells", 3)?;
    tree.property_array_u64(
        "reg",
        &[
            gic.distributor().0,
            parameters.distributor_size,
            gic.redistributors().0,
            parameters.redistributor_region_size,
        ],
    )?;
    tree.property_phandle(GIC)?;
    tree.end_node(node)?;

    // In the binding's order: secure and non-secure physical, virtual, hypervisor. The guest has no EL3 and no EL2, but the places count.
    let [physical, virtual_timer] =
        [BuiltIn::El1PhysicalTimer, BuiltIn::El1VirtualTimer].map(|source| gic.intid(source));
    let (physical, virtual_timer) = (physical? - FIRST_PPI, virtual_timer? - FIRST_PPI);
    let (secure, hypervisor) = (physical - 1, 26 - FIRST_PPI);
    let timer = tree.begin_node("timer")?;
    tree.property_string("compatible", "arm,armv8-timer")?;
    tree.property_null("always-on")?;
    let cells: Vec<u32> = [secure, physical, virtual_timer, hypervisor]
        .into_iter()
        .flat_map(|number| [PPI, number, LEVEL_HIGH])
        .collect();
    tree.property_array_u32("interrupts", &cells)?;
    tree.end_node(timer)?;
    Ok(())
}

fn peripherals(tree: &mut FdtWriter) -> Result<(), vm_fdt::Error> {
    let uart = tree.begin_node(&format!("serial@{:x}", devices::UART))?;
    tree.property_string("compatible", "ns16550a")?;
    tree.property_array_u64("reg", &[devices::UART, devices::UART_SIZE])?;
    tree.property_array_u32("interrupts", &[SPI, devices::UART_SPI, EDGE_RISING])?;
    tree.property_u32("clock-frequency", 1_843_200)?;
    tree.end_node(uart)?;

    // The PL031's driver wants to know of its bus clock, which nothing depends on here.
    let clock = tree.begin_node("apb-pclk")?;
    tree.property_string("compatible", "fixed-clock")?;
    tree.property_u32("#clock-cells", 0)?;
    tree.property_u32("clock-frequency", 24_000_000)?;
    tree.property_phandle(CLOCK)?;
    tree.end_node(clock)?;

    let rtc = tree.begin_node(&format!("rtc@{:x}", devices::RTC))?;
    tree.property_string_list(
        "compatible",
        vec!["arm,pl031".into(), "arm,primecell".into()],
    )?;
    tree.property_array_u64("reg", &[devices::RTC, devices::RTC_SIZE])?;
    tree.property_u32("clocks", CLOCK)?;
    tree.property_string("clock-names", "apb_pclk")?;
    tree.end_node(rtc)
}
