//! The device tree: what there is and where, as Linux's bindings have it (Documentation/devicetree/bindings). The library knows the nodes
//! of what the engine brings.

use std::ops::Range;

use xhv::aarch64::{GIC_HANDLE, Vm};
use xhv::{DeviceNode, Error};

use super::{RAM, devices};
use crate::options::Options;

/// Handle of the RTC's clock.
const CLOCK: u32 = GIC_HANDLE + 1;

/// Cells of an interrupt of the GIC: its kind, number and trigger (arm,gic-v3.yaml).
const SPI: u32 = 0;
const EDGE_RISING: u32 = 1;

/// The blob.
///
/// # Errors
/// [`Error::Argument`] if the tree becomes too large.
pub fn device_tree(
    options: &Options,
    initrd: Option<Range<u64>>,
    vm: &Vm,
) -> Result<Vec<u8>, Error> {
    let memory = DeviceNode::new(format!("memory@{RAM:x}"))
        .with("device_type", "memory")
        .with("reg", [RAM, options.memory]);
    DeviceNode::new("")
        .with("#address-cells", 2_u32)
        .with("#size-cells", 2_u32)
        .with("interrupt-parent", GIC_HANDLE)
        .with("compatible", "linux,dummy-virt")
        .with("model", "xhv example")
        .children([chosen(options, initrd), memory])
        .children(vm.device_tree_nodes(options.cpus)?)
        .children(peripherals())
        .to_bytes()
}

fn chosen(options: &Options, initrd: Option<Range<u64>>) -> DeviceNode {
    let node = DeviceNode::new("chosen")
        .with("bootargs", options.command_line.as_str())
        .with("stdout-path", format!("/serial@{:x}", devices::UART));
    match initrd {
        Some(range) => node
            .with("linux,initrd-start", range.start)
            .with("linux,initrd-end", range.end),
        None => node,
    }
}

fn peripherals() -> [DeviceNode; 3] {
    let uart = DeviceNode::new(format!("serial@{:x}", devices::UART))
        .with("compatible", "ns16550a")
        .with("reg", [devices::UART, devices::UART_SIZE])
        .with("interrupts", [SPI, devices::UART_SPI, EDGE_RISING])
        .with("clock-frequency", 1_843_200_u32);
    // The PL031's driver wants to know of its bus clock, which nothing depends on here.
    let clock = DeviceNode::new("apb-pclk")
        .with("compatible", "fixed-clock")
        .with("#clock-cells", 0_u32)
        .with("clock-frequency", 24_000_000_u32)
        .with("phandle", CLOCK);
    let rtc = DeviceNode::new(format!("rtc@{:x}", devices::RTC))
        .with("compatible", ["arm,pl031", "arm,primecell"])
        .with("reg", [devices::RTC, devices::RTC_SIZE])
        .with("clocks", CLOCK)
        .with("clock-names", "apb_pclk");
    [uart, clock, rtc]
}
