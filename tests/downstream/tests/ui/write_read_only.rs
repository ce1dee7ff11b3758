//! Exit information is read only.
use xhv::x86_64::{Vcpu, vmcs};

pub fn write(vcpu: &mut Vcpu) {
    let _ = vcpu.write(vmcs::EXIT_QUALIFICATION, 0);
}
