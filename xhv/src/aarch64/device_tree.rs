//! The nodes of a device tree that tell of what the engine brings: CPUs, PSCI, timer and GIC. The VMM adds memory, its devices and
//! `chosen`.
//!
//! Sources: Linux, Documentation/devicetree/bindings: arm/cpus.yaml, arm/psci.yaml, timer/arm,arch_timer.yaml,
//! interrupt-controller/arm,gic-v3.yaml.

use super::identity::affinity;
use super::sysreg::Mpidr;
use super::vm::Vm;
use crate::device_tree::DeviceNode;

/// The handle by which other nodes name the GIC: their `interrupt-parent`.
pub const GIC_HANDLE: u32 = 1;
/// Interrupts of the timers: secure, non-secure, virtual, EL2. Private (1), number, level-triggered (4).
const TIMERS: [u32; 12] = [1, 13, 4, 1, 14, 4, 1, 11, 4, 1, 10, 4];

impl Vm {
    /// Nodes for the children of the root, whose `#address-cells` and `#size-cells` have to be 2: `cpus` of [`affinity`], started by
    /// PSCI, `psci` by HVC, `timer`, and the GIC if the VM has one, with the handle [`GIC_HANDLE`].
    #[must_use]
    pub fn device_tree_nodes(&self, cpus: u32) -> Vec<DeviceNode> {
        let mut nodes = vec![cpu_nodes(cpus), psci(), timer()];
        if let Some(gic) = self.gic() {
            let parameters = gic.parameters();
            let (distributor, redistributors) = (gic.distributor().0, gic.redistributors().0);
            let node = DeviceNode::new(format!("intc@{distributor:x}"))
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
                );
            nodes.push(node);
        }
        nodes
    }
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

fn timer() -> DeviceNode {
    DeviceNode::new("timer")
        .with("compatible", "arm,armv8-timer")
        .with("interrupt-parent", GIC_HANDLE)
        .with("interrupts", TIMERS)
        .with("always-on", ())
}
