//! Programs that must not compile, each beside one that does: lessons about lifetimes and threads. Doctests of the library.

/// Guest memory is owned: a slice that somebody may free cannot be mapped.
///
/// ```
/// let vm = xhv::x86_64::Vm::new().unwrap();
/// let memory = xhv::Memory::new(0x1_0000).unwrap();
/// vm.map(xhv::Gpa(0), &memory, xhv::Permissions::ALL).unwrap();
/// ```
///
/// ```compile_fail,E0308
/// let vm = xhv::x86_64::Vm::new().unwrap();
/// let memory = vec![0_u8; 0x1_0000];
/// vm.map(xhv::Gpa(0), &memory[..], xhv::Permissions::ALL).unwrap();
/// ```
pub struct SafeMapOfASliceWithNoLifetime;

/// A vCPU ends by being dropped, after which there is no handle to it that could be used.
///
/// ```compile_fail,E0382
/// let vm = xhv::x86_64::Vm::new().unwrap();
/// let mut vcpu = vm.create_vcpu().unwrap();
/// drop(vcpu);
/// vcpu.set_real_mode(0, 0).unwrap();
/// ```
pub struct DestroyThatLeavesAUsableHandle;

/// An exit borrows its vCPU: it cannot be read when that is gone, or runs again.
///
/// ```compile_fail,E0505
/// let vm = xhv::x86_64::Vm::new().unwrap();
/// let mut vcpu = vm.create_vcpu().unwrap();
/// let exit = vcpu.run().unwrap();
/// drop(vcpu);
/// println!("{exit:?}");
/// ```
///
/// ```compile_fail,E0499
/// let vm = xhv::aarch64::Vm::new().unwrap();
/// let mut vcpu = vm.create_vcpu().unwrap();
/// let exit = vcpu.run().unwrap();
/// let next = vcpu.run().unwrap();
/// println!("{exit:?}");
/// ```
pub struct ExitReadAfterDestroy;

/// A vCPU stays on its thread.
///
/// ```compile_fail,E0277
/// let vm = xhv::x86_64::Vm::new().unwrap();
/// let vcpu = vm.create_vcpu().unwrap();
/// std::thread::spawn(move || drop(vcpu));
/// ```
///
/// ```compile_fail,E0277
/// let vm = xhv::aarch64::Vm::new().unwrap();
/// let vcpu = vm.create_vcpu().unwrap();
/// std::thread::spawn(move || drop(vcpu));
/// ```
pub struct VcpuThatIsSend;

/// There is no handle that means no vCPU, and so perhaps another one.
///
/// ```compile_fail,E0277
/// fn default<T: Default>() -> T {
///     T::default()
/// }
/// default::<xhv::VcpuHandle>();
/// ```
pub struct HandleWithDefaultId;
