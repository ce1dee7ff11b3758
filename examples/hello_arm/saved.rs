//! A stopped machine as JSON with the memory beside it: the vCPU as xhv writes it, and the GIC.

use std::path::Path;

use serde::{Deserialize, Serialize};
use xhv::VmState;
use xhv::aarch64::{Clock, GicState, RestoreOptions, Vcpu, VcpuState, Vm};

use crate::machine;

/// What the machine has besides its vCPU and memory.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Devices {
    gic: Option<GicState>,
}

/// Writes everything to `path`, and the memory beside it.
///
/// # Errors
/// In words, naming the file.
pub fn save(path: &Path, vcpu: &Vcpu) -> Result<(), String> {
    let told = |why: xhv::Error| why.to_string();
    let vm = vcpu.vm();
    let gic = vm.gic().map(|gic| gic.save()).transpose().map_err(told)?;
    let mut state = VmState::new(vec![vcpu.save().map_err(told)?], &vm.mappings());
    state.extra = serde_json::to_value(Devices { gic }).map_err(|why| why.to_string())?;
    state.write(path).map_err(told)
}

/// A new machine in the state of `path`, whose clock goes on where it was.
///
/// # Errors
/// In words, naming the file and the place that is wrong with it. Nothing has run then.
pub fn restore(path: &Path) -> Result<Vcpu, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let state = VmState::<VcpuState>::read(path).map_err(|why| told(&why))?;
    let devices: Devices =
        serde_json::from_value(state.extra).map_err(|why| told(&format!("extra: {why}")))?;
    let [cpu] = &state.vcpus[..] else {
        return Err(told(&format!(
            "{} vCPUs: this machine has one",
            state.vcpus.len()
        )));
    };
    let vm = machine::vm(devices.gic.is_some()).map_err(|why| told(&why))?;
    for saved in &state.memory {
        vm.map(saved.gpa, &saved.memory, saved.permissions)
            .map_err(|why| told(&why))?;
    }
    let vcpu = vm.create_vcpu().map_err(|why| told(&why))?;
    bring_back(&vm, vcpu, cpu, devices.gic.as_ref()).map_err(|why| told(&why))
}

fn bring_back(
    vm: &Vm,
    mut vcpu: Vcpu,
    state: &VcpuState,
    gic: Option<&GicState>,
) -> Result<Vcpu, xhv::Error> {
    // The order of the framework: the GIC once there are vCPUs, the vCPU's interface after it.
    if let (Some(gic), Some(state)) = (vm.gic(), gic) {
        gic.restore(state)?;
    }
    let options = RestoreOptions {
        clock: Clock::anchor(state),
        ..RestoreOptions::default()
    };
    vcpu.restore_with(state, &options)?;
    Ok(vcpu)
}
