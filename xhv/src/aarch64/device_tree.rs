//! The nodes of a device tree that tell of what the engine brings: CPUs, PSCI, timer and GIC. The VMM adds memory, its devices and
//! `chosen`.
//!
//! Sources: Linux, Documentation/devicetree/bindings: arm/cpus.yaml, arm/psci.yaml, timer/arm,arch_timer.yaml,
//! interrupt-controller/arm,gic-v3.yaml.

use super::gic::{BuiltIn, Gic};
use super::identity::affinity;
use super::sysreg::Mpidr;
use super::vm::Vm;
use crate::device_tree::DeviceNode;
use crate::error::Error;

/// The handle by which other nodes name the GIC: their `interrupt-parent`.
pub const GIC_HANDLE: u32 = 1;
/// Cells of a private interrupt of the GIC: its kind, its number from 16 on, its trigger.
const PRIVATE: u32 = 1;
const FIRST_PRIVATE: u32 = 16;
const LEVEL_HIGH: u32 = 4;
/// The timers of EL3 and EL2, where Arm's base system architecture has them (BSA 1.0, table 5). Guests have neither level, but the
/// binding counts places.
const EL3_TIMER: u32 = 29;
const EL2_TIMER: u32 = 26;

impl Vm {
    /// Nodes for the children of the root, whose `#address-cells` and `#size-cells` have to be 2: `cpus` of [`affinity`], started by
    /// PSCI, `psci` by HVC, and of a VM with a GIC `timer` and the GIC, with the handle [`GIC_HANDLE`].
    ///
    /// # Errors
    /// [`Error::Call`] if the engine does not tell the timers' interrupts.
    pub fn device_tree_nodes(&self, cpus: u32) -> Result<Vec<DeviceNode>, Error> {
        let mut nodes = vec![cpu_nodes(cpus), psci()];
        if let Some(gic) = self.gic() {
            nodes.extend([timer(&gic)?, interrupt_controller(&gic)]);
        }
        Ok(nodes)
    }
}

fn interrupt_controller(gic: &Gic) -> DeviceNode {
    let parameters = gic.parameters();
    let (distributor, redistributors) = (gic.distributor().0, gic.redistributors().0);
    DeviceNode::new(format!("intc@{distributor:x}"))
        .with("compatible", "arm,gic-v3")
        .with("interrupt-controller", ())
        .with("#interrupt-cells", 3_u32)
        .with("#address-cells", 2_u32)
        .with("#size-cells", 2_u32)
        .with("phandle", GIC_HANDLE)
        .with(
            "reg",
            [
                distributor,
                parameters.distributor_size,
                redistributors,
                parameters.redistributor_region_size,
            ],
        )
}

fn cpu_nodes(cpus: u32) -> DeviceNode {
    let each = (0..cpus).map(|number| {
        let affinity = affinity(number.into());
        let reg = affinity_number(affinity);
        DeviceNode::new(format!("cpu@{reg:x}"))
            .with("device_type", "cpu")
            .with("compatible", "arm,armv8")
            .with("enable-method", "psci")
            .with("reg", reg)
    });
    DeviceNode::new("cpus")
        .with("#address-cells", 1_u32)
        .with("#size-cells", 0_u32)
        .children(each)
}

/// Affinity levels 0 to 2, as the binding wants them in one cell.
fn affinity_number(affinity: Mpidr) -> u32 {
    u32::from_be_bytes([0, affinity.aff2(), affinity.aff1(), affinity.aff0()])
}

fn psci() -> DeviceNode {
    DeviceNode::new("psci")
        .with("compatible", ["arm,psci-1.0", "arm,psci-0.2"])
        .with("method", "hvc")
}

fn timer(gic: &Gic) -> Result<DeviceNode, Error> {
    let physical = gic.intid(BuiltIn::El1PhysicalTimer)?;
    let virtual_timer = gic.intid(BuiltIn::El1VirtualTimer)?;
    let interrupts: Vec<u32> = [EL3_TIMER, physical, virtual_timer, EL2_TIMER]
        .into_iter()
        .flat_map(|number| [PRIVATE, number.saturating_sub(FIRST_PRIVATE), LEVEL_HIGH])
        .collect();
    Ok(DeviceNode::new("timer")
        .with("compatible", "arm,armv8-timer")
        .with("interrupt-parent", GIC_HANDLE)
        .with("interrupts", &interrupts[..])
        .with("always-on", ()))
}
