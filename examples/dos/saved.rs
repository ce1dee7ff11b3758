//! A stopped program as JSON: the vCPU and the memory as xhv writes them, DOS and the open files beside them.

use std::path::Path;

use serde::{Deserialize, Serialize};
use xhv::VmState;
use xhv::x86_64::{Vcpu, VcpuState, Vm};

use crate::files::Open;
use crate::int21::{Dos, State};

/// What DOS adds to the state of the machine.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    dos: State,
    files: Vec<Option<Open>>,
}

/// Writes everything to `path`, and the memory beside it.
///
/// # Errors
/// In words, naming the file.
pub fn save(path: &Path, vm: &Vm, vcpu: &Vcpu, dos: &mut Dos<'_>) -> Result<(), String> {
    let saved = Saved {
        dos: dos.state.clone(),
        files: dos.files.save(),
    };
    let mut state = VmState::new(
        vec![vcpu.save().map_err(|why| why.to_string())?],
        &vm.mappings(),
    );
    state.extra = serde_json::to_value(saved).map_err(|why| why.to_string())?;
    state.write(path).map_err(|why| why.to_string())
}

/// Puts a new machine into the state of `path`.
///
/// # Errors
/// In words, naming the file and the place that is wrong with it. Nothing has run then.
pub fn restore(path: &Path, vm: &Vm, vcpu: &mut Vcpu, dos: &mut Dos<'_>) -> Result<(), String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
    let state = VmState::<VcpuState>::read(path).map_err(|why| told(&why))?;
    let saved: Saved =
        serde_json::from_value(state.extra).map_err(|why| told(&format!("extra: {why}")))?;
    let [cpu] = &state.vcpus[..] else {
        return Err(told(&format!(
            "{} vCPUs: a DOS machine has one",
            state.vcpus.len()
        )));
    };
    for saved in &state.memory {
        vm.map(saved.gpa, &saved.memory, saved.permissions)
            .map_err(|why| told(&why))?;
    }
    vcpu.restore(cpu).map_err(|why| told(&why))?;
    dos.state = saved.dos;
    dos.files.restore(saved.files).map_err(|why| told(&why))
}
