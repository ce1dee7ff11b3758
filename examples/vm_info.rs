//! What this host offers, in words: processor, engine, and what Intel guests can have.
//!
//! `cargo run --example vm_info`

use xhv::x86_64::{Vm, capabilities};
use xhv::{Error, Host};

fn main() {
    print!("{}", Host::probe());
    if let Err(error) = intel() {
        println!("\nIntel guests: {error}");
    }
}

/// What a VM for Intel guests says of itself.
fn intel() -> Result<(), Error> {
    let vm = Vm::new()?;
    println!("\nIntel guests, on the {} engine", vm.engine());
    let unknown = |error: Error| error.to_string();
    let most = |id| {
        vm.capability(id)
            .map_or_else(unknown, |value| value.to_string())
    };
    println!("  most vCPUs in a VM:    {}", most(0));
    println!("  most address spaces:   {}", most(1));
    let timer = vm.preemption_timer_hz();
    println!(
        "  deadlines:             {}",
        timer.map_or_else(unknown, |hz| format!("by a timer of {hz} Hz"))
    );
    for (name, row) in [
        ("pin-based controls", capabilities::PINBASED),
        ("primary controls", capabilities::PROCBASED),
        ("secondary controls", capabilities::PROCBASED2),
        ("VM-entry controls", capabilities::ENTRY),
        ("VM-exit controls", capabilities::EXIT),
    ] {
        let told = vm.read_capability(row).map_or_else(unknown, |word| {
            format!(
                "have to be {:#010x}, may be {:#010x}",
                word.allowed0(),
                word.allowed1()
            )
        });
        println!("  {name:<22} {told}");
    }
    let misc = vm.read_capability(capabilities::MISC);
    println!(
        "  miscellaneous:         {}",
        misc.map_or_else(unknown, |misc| format!("{misc:?}"))
    );
    let vcpu = vm.create_vcpu()?;
    println!("  a vCPU:                can be created, id {}", vcpu.id());
    Ok(())
}
