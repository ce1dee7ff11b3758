//! Declarations of the C interface: the tables say the signatures that the generated functions have.

use xhv::aarch64::{exits as arm_exits, ffi as arm, sysreg};
use xhv::x86_64::{exits as intel_exits, ffi as intel};
use xhv::{Permissions, typed::ffi::FunctionInfo};

/// The types of a function's parameters, as the table spells them.
fn parameters(functions: &[FunctionInfo], name: &str) -> Vec<String> {
    let found = functions.iter().find(|function| function.name == name);
    let function = found.unwrap_or_else(|| panic!("no function {name}"));
    let tight = |spelling: &str| {
        spelling
            .replace("* ", "*")
            .replace(" ;", ";")
            .replace("[ ", "[")
    };
    function
        .parameters
        .iter()
        .map(|(_, spelling)| tight(spelling))
        .collect()
}

/// | FFI | MSR value declared as a pointer (Apple takes it by value) | a host stack address lands in the guest's MSR |
#[test]
fn msr_value_declared_as_a_pointer() {
    let signature = parameters(intel::FUNCTIONS, "hv_vcpu_write_msr");
    assert_eq!(signature, ["hv_vcpuid_t", "u32", "u64"]);
    let vm = crate::vm!(x86_64);
    let mut vcpu = vm.create_vcpu().unwrap();
    vcpu.enable_usual_msrs().unwrap();
    vcpu.write(xhv::x86_64::msr::KERNEL_GS_BASE, 0x1234_5678)
        .unwrap();
    assert_eq!(
        vcpu.read(xhv::x86_64::msr::KERNEL_GS_BASE).unwrap(),
        0x1234_5678
    );
}

/// | FFI | vCPU config passed as pointer to a handle | works by luck |
#[test]
fn vcpu_config_passed_as_pointer_to_a_handle() {
    let signature = parameters(arm::FUNCTIONS, "hv_vcpu_create");
    assert_eq!(signature.last().unwrap(), "hv_vcpu_config_t");
    // The handle is a pointer by itself.
    assert_eq!(size_of::<arm::hv_vcpu_config_t>(), size_of::<*mut ()>());
}

/// | FFI | GIC redistributor base out-parameter by value; CCSIDR getter given room for one value instead of eight | memory corruption |
#[test]
fn out_parameters_by_value_or_too_small() {
    let base = parameters(arm::FUNCTIONS, "hv_gic_get_redistributor_base");
    assert!(base.last().unwrap().starts_with("out "), "{base:?}");
    let caches = parameters(
        arm::FUNCTIONS,
        "hv_vcpu_config_get_ccsidr_el1_sys_reg_values",
    );
    assert_eq!(caches.last().unwrap(), "out [u64; 8]");
}

/// | FFI | SIMD value as `u128` (goes to X2:X3; the C ABI wants V0) | wrong register content on stable Rust |
#[test]
fn simd_value_as_u128() {
    let signature = parameters(arm::FUNCTIONS, "hv_vcpu_set_simd_fp_reg");
    assert_eq!(signature.last().unwrap(), "hv_simd_fp_uchar16_t");
    assert_eq!(align_of::<arm::hv_simd_fp_uchar16_t>(), 16);
    let value = 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210_u128;
    assert_eq!(u128::from(arm::hv_simd_fp_uchar16_t::from(value)), value);
}

/// | FFI | enum discriminants cast instead of converted: `ReadWrite` becomes execute-only | guest faults |
#[test]
fn enum_discriminants_cast_instead_of_converted() {
    assert_eq!(Permissions::READ.bits(), intel::HV_MEMORY_READ);
    assert_eq!(Permissions::WRITE.bits(), intel::HV_MEMORY_WRITE);
    assert_eq!(Permissions::EXECUTE.bits(), intel::HV_MEMORY_EXEC);
    assert_eq!((Permissions::READ | Permissions::WRITE).bits(), 3);
}

/// | FFI | IRQ and FIQ swapped; interrupt *setter* that calls the getter | interrupts never arrive |
#[test]
fn irq_and_fiq_swapped() {
    use xhv::aarch64::reg::{CPSR, PC, Spsr, SpsrM};
    use xhv::aarch64::{Exit, Interrupt};
    // Vectors for IRQ and FIQ from the level itself: hvc #1, hvc #2. The program: b .
    for (line, vector) in [(Interrupt::Irq, 1), (Interrupt::Fiq, 2)] {
        let vm = crate::vm!(aarch64);
        vm.map_new(0, 0x4000).unwrap();
        vm.write_value(0x1280, 0xd400_0022_u32).unwrap();
        vm.write_value(0x1300, 0xd400_0042_u32).unwrap();
        vm.write_value(0, 0x1400_0000_u32).unwrap();
        let mut vcpu = vm.create_vcpu().unwrap();
        vcpu.set_el1(0, 0x4000).unwrap();
        vcpu.write(
            xhv::aarch64::sysreg::VBAR_EL1,
            xhv::aarch64::sysreg::Vbar::from_bits(0x1000),
        )
        .unwrap();
        vcpu.write(CPSR, Spsr::empty().with_m(SpsrM::EL1H)).unwrap();
        vcpu.set_pending_interrupt(line, true).unwrap();
        assert!(vcpu.pending_interrupt(line).unwrap());
        match vcpu.run().unwrap() {
            Exit::Hvc(call) => assert_eq!(call.immediate(), vector),
            other => panic!("{other:?}"),
        }
        assert_eq!(vcpu.read(PC).unwrap(), 0x1204 + 0x80 * u64::from(vector));
    }
}

/// | FFI | Rust enum for a number that the OS writes | undefined behaviour on a new value |
#[test]
fn rust_enum_for_a_number_that_the_os_writes() {
    // Newtypes: every number is a value, and an unknown one is shown.
    let unknown = arm_exits::ExitReason(0x7777);
    assert_ne!(unknown, arm_exits::ExitReason::CANCELED);
    assert!(format!("{unknown:?}").contains("0x7777"), "{unknown:?}");
    let unknown = intel_exits::ExitReason(0x7777);
    assert!(format!("{unknown:?}").contains("0x7777"), "{unknown:?}");
    assert!(xhv::Code(0x7777).to_string().contains("7777"));
}

/// | FFI | MDCR_EL2 = 0xe019 from the 15.0 SDK (right: 0xe089) | wrong register |
#[test]
fn mdcr_el2_from_the_15_0_sdk() {
    // op0 3, op1 4, CRn 1, CRm 1, op2 1
    assert_eq!(sysreg::MDCR_EL2.key(), 0xe089);
}
