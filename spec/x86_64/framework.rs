//! x86: the C interface of Hypervisor.framework: types, constants and functions. The numbers of registers, VMCS fields, control bits, exit
//! reasons, MSRs and capabilities are in the tables beside this one, under the names Apple gives them, and come from there.

#![allow(non_camel_case_types)]

pub use super::{
    capabilities::raw::*, controls::raw::*, exits::raw::*, msr::raw::*, reg::raw::*, vmcs::raw::*,
};

xhv_macros::spec! {
    /// The framework on Intel Macs. Functions newer than macOS 10.10 are looked up at run time.
    ///
    /// Threads: `owner` functions must be called on the thread that created the vCPU, `any` ones may be called on any thread of the process,
    /// `binds` makes the calling thread the owner.
    framework Hypervisor on x86_64 since macos 10.10
        cite "hv.h, hv_types.h, hv_error.h, hv_intr.h, hv_vmx.h, hv_arch_x86.h, hv_vm_allocate.h of the macOS 14.4 SDK"
    {
        // Results.
        enum hv_return_t: i32 {
            0          HV_SUCCESS                       "Done";
            0xfae94001 HV_ERROR                         "Failure without details; also a refused VM entry";
            0xfae94002 HV_BUSY                          "The resource is taken; also a second VM in this process";
            0xfae94003 HV_BAD_ARGUMENT                  "An argument is wrong";
            0xfae94005 HV_NO_RESOURCES                  "No memory, vCPU or address space is left";
            0xfae94006 HV_NO_DEVICE                     "There is no such VM or vCPU, or no usable virtualization";
            0xfae94007 HV_DENIED       since macos 11.0 "The entitlement is missing";
            0xfae94008 HV_FAULT        since macos 12.0 "Memory of the client cannot be accessed";
            0xfae9400f HV_UNSUPPORTED                   "The operation or feature does not exist here";
        } "Result of a call: success or an error number";

        // Handles and addresses.
        type hv_vcpuid_t = u32         "A vCPU of the VM: small integers from 0";
        type hv_uvaddr_t = *const void "Address in this process";
        type hv_gpaddr_t = u64         "Guest-physical address";
        type mach_port_t = u32         "A Mach port";

        // Registers and capabilities: their names are in `reg` and `capabilities`.
        type hv_x86_reg_t = u32        "A register";
        type hv_vmx_capability_t = u32 "A VMX capability";

        // Options and flags.
        flags hv_vm_options_t: u64 {
            0x0   HV_VM_DEFAULT                               "None";
            0x1   HV_VM_SPECIFY_MITIGATIONS since macos 10.15 "The client chooses the mitigations by the bits below";
            0x2   HV_VM_MITIGATION_A_ENABLE since macos 10.15 "Mitigation A";
            0x4   HV_VM_MITIGATION_B_ENABLE since macos 10.15 "Mitigation B";
            0x8   HV_VM_MITIGATION_C_ENABLE since macos 10.15 "Mitigation C";
            0x10  HV_VM_MITIGATION_D_ENABLE since macos 10.15 "Mitigation D";
            0x40  HV_VM_MITIGATION_E_ENABLE since macos 11.0  "Mitigation E; no core shared with another thread, it seems";
            0x400 HV_VM_ACCEL_APIC          since macos 12.0  "Local APIC, I/O APIC and 8259 in the kernel, which also handles HLT";
        } "Options of a VM";

        flags hv_vcpu_options_t: u64 {
            0x0 HV_VCPU_DEFAULT                       "None";
            0x1 HV_VCPU_ACCEL_RDPMC  since macos 11.0 "The kernel answers RDPMC of bound counters";
            0x2 HV_VCPU_TSC_RELATIVE since macos 11.0 "The TSC follows hv_vcpu_set_tsc_relative";
        } "Options of a vCPU";

        flags hv_memory_flags_t: u64 {
            0x1   HV_MEMORY_READ                           "Reads";
            0x2   HV_MEMORY_WRITE                          "Writes";
            0x4   HV_MEMORY_EXEC                           "Instruction fetches; of supervisor code when HV_MEMORY_UEXEC is in use";
            0x8   HV_MEMORY_UEXEC         since macos 12.0 "Instruction fetches of user code";
            0x10  HV_MEMORY_MAXPROT       since macos 12.0 "The bits below count";
            0x20  HV_MEMORY_MAXPROT_READ  since macos 12.0 "Upper bound: reads";
            0x40  HV_MEMORY_MAXPROT_WRITE since macos 12.0 "Upper bound: writes";
            0x80  HV_MEMORY_MAXPROT_EXEC  since macos 12.0 "Upper bound: supervisor fetches";
            0x100 HV_MEMORY_MAXPROT_UEXEC since macos 12.0 "Upper bound: user fetches";
        } "Permissions of guest memory";

        enum hv_capability_t: u64 {
            0 HV_CAP_VCPUMAX      "Number of vCPUs";
            1 HV_CAP_ADDRSPACEMAX "Number of address spaces";
        } since macos 10.15 "A limit of the framework";

        enum hv_vm_space_t: u32 {
            0 HV_VM_SPACE_DEFAULT "The space that every VM has";
        } since macos 10.15 "A guest-physical address space";

        flags hv_msr_flags_t: u32 {
            0x0 HV_MSR_NONE  "Nothing";
            0x1 HV_MSR_READ  "Read";
            0x2 HV_MSR_WRITE "Write";
        } since macos 11.0 "What a guest may do with a managed MSR";

        flags hv_ion_flags_t: u32 {
            0x0 HV_ION_NONE      "Port, size and value must match";
            0x2 HV_ION_ANY_VALUE "Any value";
            0x4 HV_ION_ANY_SIZE  "Any size";
            0x8 HV_ION_EXIT_FULL "When the queue is full, exit instead of dropping the message";
        } since macos 11.0 "How a port-I/O notifier matches";

        flags _: u32 {
            0x0 kHV_ION_NONE      "As HV_ION_NONE";
            0x2 kHV_ION_ANY_VALUE "As HV_ION_ANY_VALUE";
            0x4 kHV_ION_ANY_SIZE  "As HV_ION_ANY_SIZE";
            0x8 kHV_ION_EXIT_FULL "As HV_ION_EXIT_FULL";
        } since macos 11.0 "The kernel's names of `hv_ion_flags_t` (hv_io_notifier.h)";

        flags hv_shadow_flags_t: u64 {
            0x0 HV_SHADOW_VMCS_NONE  "Neither";
            0x1 HV_SHADOW_VMCS_READ  "VMREAD";
            0x2 HV_SHADOW_VMCS_WRITE "VMWRITE";
        } since macos 10.15 "What a guest may do with a field of the shadow VMCS";

        flags hv_allocate_flags_t: u64 {
            0x0 HV_ALLOCATE_DEFAULT "None";
        } since macos 12.0 "Options of an allocation";

        enum hv_vmx_msr_info_t: u64 {
            0 HV_VMX_INFO_MSR_IA32_ARCH_CAPABILITIES   "IA32_ARCH_CAPABILITIES of the host";
            1 HV_VMX_INFO_MSR_IA32_PERF_CAPABILITIES   "IA32_PERF_CAPABILITIES of the host";
            2 HV_VMX_VALID_MSR_IA32_PERFEVNTSEL        "Bits of IA32_PERFEVNTSEL that can be used";
            3 HV_VMX_VALID_MSR_IA32_FIXED_CTR_CTRL     "Bits of IA32_FIXED_CTR_CTRL that can be used";
            4 HV_VMX_VALID_MSR_IA32_PERF_GLOBAL_CTRL   "Bits of IA32_PERF_GLOBAL_CTRL that can be used";
            5 HV_VMX_VALID_MSR_IA32_PERF_GLOBAL_STATUS "Bits of IA32_PERF_GLOBAL_STATUS that can be used";
            6 HV_VMX_VALID_MSR_IA32_DEBUGCTL           "Bits of IA32_DEBUGCTL that can be used";
            7 HV_VMX_VALID_MSR_IA32_SPEC_CTRL          "Bits of IA32_SPEC_CTRL that can be used";
            8 HV_VMX_NEED_MSR_IA32_SPEC_CTRL           "Bits of IA32_SPEC_CTRL that must be set";
        } since macos 11.0 "A fact about an MSR of the host";

        enum hv_vm_exitinfo_t: u32 {
            1 HV_VM_EXITINFO_VMX              "A VMX exit: see EXIT_REASON";
            2 HV_VM_EXITINFO_INIT_AP          "See hv_vcpu_exit_init_ap";
            3 HV_VM_EXITINFO_STARTUP_AP       "See hv_vcpu_exit_startup_ap";
            4 HV_VM_EXITINFO_IOAPIC_EOI       "See hv_vcpu_exit_ioapic_eoi";
            5 HV_VM_EXITINFO_INJECT_EXCP      "See hv_vcpu_exit_inject_excp";
            6 HV_VM_EXITINFO_SMI              "An SMI was sent through the APIC";
            7 HV_VM_EXITINFO_APIC_ACCESS_READ "See hv_vcpu_exit_apic_access_read";
        } since macos 12.0 "What kind of exit it was, with the APIC in the kernel";

        flags hv_apic_ctrl_t: u64 {
            0x0 HV_APIC_CTRL_DEFAULT     "None";
            0x1 HV_APIC_CTRL_EOI_ICR_TPR "EOI, ICR and TPR through MSRs in xAPIC mode too";
            0x2 HV_APIC_CTRL_GUEST_IDLE  "An MSR that idles the vCPU";
            0x4 HV_APIC_CTRL_NO_TIMER    "The client keeps the timer";
            0x8 HV_APIC_CTRL_IOAPIC_EOI  "EOIs for an I/O APIC exit";
        } since macos 12.0 "How the APIC in the kernel behaves";

        enum hv_apic_lvt_flavor_t: u32 {
            1 HV_APIC_LVT_FLAVOR_TIMER "Timer";
        } since macos 12.0 "An entry of the local vector table";

        enum hv_apic_intr_trigger_t: u32 {
            0 HV_APIC_EDGE_TRIGGER      "Edge";
            1 HV_APIC_EDGE_TRIGGER_AEOI "Edge, ended by itself";
            2 HV_APIC_LEVEL_TRIGGER     "Level";
        } since macos 12.0 "Trigger of an interrupt";

        enum hv_boot_state: u32 {
            0 HV_BS_INIT    "After INIT";
            1 HV_BS_SIPI    "Waits for or got a start-up IPI";
            2 HV_BS_RUNNING "Running";
        } since macos 12.0 "Boot state of a vCPU";

        // Bits of VMX words, under Apple's names; `vmcs` and `capabilities` have the typed ones.
        flags _: u32 {
            0x0        IRQ_INFO_EXT_IRQ                        "External interrupt";
            0xff       IRQ_INFO_VECTOR_MASK   since macos 12.0 "Vector";
            0x200      IRQ_INFO_NMI                            "NMI";
            0x300      IRQ_INFO_HARD_EXC                       "Hardware exception";
            0x400      IRQ_INFO_SOFT_IRQ                       "INT n";
            0x500      IRQ_INFO_PRIV_SOFT_EXC                  "INT1";
            0x600      IRQ_INFO_SOFT_EXC                       "INT3 or INTO";
            0x700      IRQ_INFO_TYPE_MASK     since macos 11.0 "Type";
            0x800      IRQ_INFO_ERROR_VALID                    "With error code";
            0x80000000 IRQ_INFO_VALID                          "Valid";
        } "Interruption information";

        flags _: u64 {
            0x1 GUEST_INTRBILITY_STI_BLOCKING   "Blocking by STI";
            0x2 GUEST_INTRBILITY_MOVSS_BLOCKING "Blocking by MOV SS";
            0x4 GUEST_INTRBILITY_SMI_BLOCKING   "Blocking by SMI";
            0x8 GUEST_INTRBILITY_NMI_BLOCKING   "Blocking by NMI";
        } since macos 11.0 "Interruptibility state";

        flags _: u64 {
            0x1              VMX_EPT_VPID_SUPPORT_EXONLY                   "IA32_VMX_EPT_VPID_CAP: execute-only pages";
            0x200000         VMX_EPT_VPID_SUPPORT_AD                       "IA32_VMX_EPT_VPID_CAP: accessed and dirty flags";
            0x400000         VMX_EPT_VPID_ADV_VMEXIT_INFO since macos 12.0 "IA32_VMX_EPT_VPID_CAP: advanced exit information";
            0x80000000000000 VMX_BASIC_TRUE_CTLS                           "IA32_VMX_BASIC: the TRUE capability MSRs exist";
        } since macos 11.0 "VMX capability words";

        // Constants.
        const HV_DEADLINE_FOREVER: u64 = 0xffff_ffff_ffff_ffff since macos 11.0 "No deadline; before macOS 11 the value is not special";
        const HV_APIC_STATE_EXT_VER: u32 = 100                 since macos 12.0 "Version of hv_apic_state_ext_t";
        const HV_ATPIC_STATE_EXT_VER: u32 = 100                since macos 12.0 "Version of hv_atpic_state_ext_t";
        const HV_IOAPIC_STATE_EXT_VER: u32 = 100               since macos 12.0 "Version of hv_ioapic_state_ext_t";
        const VMCS_MAX: u32 = 0x6d00                                            "End of the field encodings: 0x6c18 before macOS 11; no bound to rely on";
        const VMCS_INVALID: u32 = 0x6d00                       since macos 11.0 "Not a field";
        const __VMCS_HOST_RSP: u32 = 0x6c14                    since macos 11.0 "Host RSP, under its reserved name";
        const HV_X86_REGISTERS_MAX: u32 = 0x33                                  "Number of registers";

        // State of the interrupt controllers in the kernel.
        struct hv_apic_state size 240 align 8 {
            0   apic_gpa: u64             "Base of the APIC page";
            8   apic_controls: u64        "Bits of hv_apic_ctrl_t";
            16  tsc_deadline: u64         "TSC deadline of the timer";
            24  apic_id: u32              "APIC identifier";
            28  ver: u32                  "Version";
            32  tpr: u32                  "Task priority";
            36  apr: u32                  "Arbitration priority";
            40  ldr: u32                  "Logical destination";
            44  dfr: u32                  "Destination format";
            48  svr: u32                  "Spurious-interrupt vector";
            52  isr: [u32; 8]             "In service";
            84  tmr: [u32; 8]             "Trigger mode";
            116 irr: [u32; 8]             "Requested";
            148 esr: u32                  "Errors";
            152 lvt: [u32; 7]             "Local vector table";
            180 icr: [u32; 2]             "Interrupt command";
            188 icr_timer: u32            "Initial count of the timer";
            192 dcr_timer: u32            "Divisor of the timer";
            196 ccr_timer: u32            "Current count of the timer";
            200 esr_pending: u32          "Errors not yet latched";
            204 boot_state: hv_boot_state "Boot state";
            208 aeoi: [u32; 8]            "Interrupts that end by themselves";
        } since macos 12.0 "State of a local APIC";

        struct hv_apic_state_ext_t size 248 align 8 {
            0 version: u32         "Set it to the version before the call";
            8 state: hv_apic_state "The state";
        } since macos 12.0 "State of a local APIC, with its version";

        struct hv_atpic_state size 16 align 1 {
            0  ready: bool       "Initialized";
            1  icw_num: u8       "Initialization word that comes next";
            2  rd_cmd_reg: u8    "Register that a read returns";
            3  aeoi: bool        "Automatic end of interrupt";
            4  poll: bool        "Poll mode";
            5  rotate: bool      "Rotating priorities";
            6  sfn: bool         "Special fully nested mode";
            7  irq_base: u8      "Vector of input 0";
            8  request: u8       "Requested";
            9  service: u8       "In service";
            10 mask: u8          "Masked";
            11 smm: bool         "Special mask mode";
            12 last_request: u8  "Inputs seen last";
            13 lowprio: u8       "Input of the lowest priority";
            14 intr_raised: bool "The output is high";
            15 elc: u8           "Level-triggered inputs";
        } since macos 12.0 "State of one 8259";

        struct hv_atpic_state_ext_t size 20 align 4 {
            0 version: u32          "Set it to the version before the call";
            4 state: hv_atpic_state "The state";
        } since macos 12.0 "State of one 8259, with its version";

        struct hv_ioapic_state size 272 align 8 {
            0   rtbl: [u64; 32] "Redirection table";
            256 irr: u32        "Inputs that are high";
            260 ioa_id: u32     "I/O APIC identifier";
            264 ioregsel: u32   "Selected register";
        } since macos 12.0 "State of the I/O APIC";

        struct hv_ioapic_state_ext_t size 280 align 8 {
            0 version: u32           "Set it to the version before the call";
            8 state: hv_ioapic_state "The state";
        } since macos 12.0 "State of the I/O APIC, with its version";

        // Messages of port-I/O notifiers; the Mach types are those of mach/message.h.
        struct mach_msg_header_t size 24 align 4 {
            0  msgh_bits: u32                 "Port rights";
            4  msgh_size: u32                 "Size of the message in bytes";
            8  msgh_remote_port: mach_port_t  "Destination";
            12 msgh_local_port: mach_port_t   "Reply port";
            16 msgh_voucher_port: mach_port_t "Voucher";
            20 msgh_id: i32                   "Message identifier";
        } "Header of a Mach message";

        struct mach_msg_trailer_t size 8 align 4 {
            0 msgh_trailer_type: u32 "Format";
            4 msgh_trailer_size: u32 "Size in bytes";
        } "Trailer of a Mach message";

        struct hv_ion_message_t size 56 align 8 {
            0  header: mach_msg_header_t   "Mach header; msgh_id is 0";
            24 addr: u64                   "Port";
            32 size: u64                   "Size of the access in bytes";
            40 value: u64                  "Value written";
            48 trailer: mach_msg_trailer_t "Mach trailer";
        } since macos 11.0 "What a port-I/O notifier sends: 48 bytes, and the trailer on arrival";

        // The VM.
        fn hv_capability(capability: hv_capability_t, value: out u64) -> hv_return_t thread any since macos 10.15 "A limit of the framework: number of vCPUs or of address spaces";
        fn hv_vm_create(flags: hv_vm_options_t) -> hv_return_t thread any "Makes the one VM of this process; HV_BUSY if there is one, HV_DENIED without the entitlement (macOS 11)";
        fn hv_vm_destroy() -> hv_return_t thread any "Ends the VM; destroy its vCPUs and spaces first";
        fn hv_vm_map(uva: hv_uvaddr_t, gpa: hv_gpaddr_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t thread any "Shows pages of this process to the guest; addresses and size are multiples of 4096";
        fn hv_vm_unmap(gpa: hv_gpaddr_t, size: usize) -> hv_return_t thread any "Hides a range of pages from the guest";
        fn hv_vm_protect(gpa: hv_gpaddr_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t thread any "Changes the permissions of mapped pages; 0 denies all access";
        fn hv_vm_allocate(uvap: out *mut void, size: usize, flags: hv_allocate_flags_t) -> hv_return_t thread any since macos 12.0 "Allocates zeroed memory for guests; the size is a multiple of the page size";
        fn hv_vm_deallocate(uva: *mut void, size: usize) -> hv_return_t thread any since macos 12.0 "Frees what hv_vm_allocate gave";
        fn hv_vm_space_create(asid: out hv_vm_space_t) -> hv_return_t thread any since macos 10.15 "Makes another guest-physical address space";
        fn hv_vm_space_destroy(asid: hv_vm_space_t) -> hv_return_t thread any since macos 10.15 "Ends an address space; not space 0, and not while a vCPU uses it";
        fn hv_vm_map_space(asid: hv_vm_space_t, uva: hv_uvaddr_t, gpa: hv_gpaddr_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t thread any since macos 10.15 "hv_vm_map for one address space";
        fn hv_vm_unmap_space(asid: hv_vm_space_t, gpa: hv_gpaddr_t, size: usize) -> hv_return_t thread any since macos 10.15 "hv_vm_unmap for one address space";
        fn hv_vm_protect_space(asid: hv_vm_space_t, gpa: hv_gpaddr_t, size: usize, flags: hv_memory_flags_t) -> hv_return_t thread any since macos 10.15 "hv_vm_protect for one address space";
        fn hv_vm_sync_tsc(tsc: u64) -> hv_return_t thread any "Lets the TSC of every vCPU go on from this value";
        fn hv_tsc_clock() -> u64 thread any since macos 11.0 "A clock at the rate of the TSC, once there is a VM; the value itself, not a status";

        // Port-I/O notifiers.
        fn hv_vm_add_pio_notifier(addr: u16, size: usize, value: u32, mach_port: mach_port_t, flags: hv_ion_flags_t) -> hv_return_t thread any since macos 11.0 "Sends a message instead of an exit when the guest writes to a port; size is 1, 2 or 4 bytes";
        fn hv_vm_remove_pio_notifier(addr: u16, size: usize, value: u32, mach_port: mach_port_t, flags: hv_ion_flags_t) -> hv_return_t thread any since macos 11.0 "Ends a notifier; all arguments are those it was added with";

        // The vCPU.
        fn hv_vcpu_create(vcpu: out hv_vcpuid_t, flags: hv_vcpu_options_t) -> hv_return_t thread binds "Makes a vCPU and binds it to this thread, one to a thread";
        fn hv_vcpu_destroy(vcpu: hv_vcpuid_t) -> hv_return_t thread owner "Ends the vCPU; so does the end of its thread";
        fn hv_vcpu_set_space(vcpu: hv_vcpuid_t, asid: hv_vm_space_t) -> hv_return_t thread owner since macos 10.15 "Chooses the address space that the vCPU runs in";
        fn hv_vcpu_read_register(vcpu: hv_vcpuid_t, reg: hv_x86_reg_t, value: out u64) -> hv_return_t thread owner "Reads a register";
        fn hv_vcpu_write_register(vcpu: hv_vcpuid_t, reg: hv_x86_reg_t, value: u64) -> hv_return_t thread owner "Writes a register";
        fn hv_vcpu_read_fpstate(vcpu: hv_vcpuid_t, buffer: *mut void, size: usize) -> hv_return_t thread owner "Reads x87, SSE and AVX state in the XSAVE layout of the host; size in bytes";
        fn hv_vcpu_write_fpstate(vcpu: hv_vcpuid_t, buffer: *mut void, size: usize) -> hv_return_t thread owner "Writes x87, SSE and AVX state; the buffer is not changed though the header lacks const";
        fn hv_vcpu_enable_native_msr(vcpu: hv_vcpuid_t, msr: u32, enable: bool) -> hv_return_t thread owner "Lets the guest use an MSR without exits; the framework accepts certain MSRs only";
        fn hv_vcpu_enable_managed_msr(vcpu: hv_vcpuid_t, msr: u32, enable: bool) -> hv_return_t thread owner since macos 11.0 "Switches an MSR with the vCPU; the guest gets no access by that";
        fn hv_vcpu_set_msr_access(vcpu: hv_vcpuid_t, msr: u32, flags: hv_msr_flags_t) -> hv_return_t thread owner since macos 11.0 "What the guest may do with a managed MSR";
        fn hv_vcpu_read_msr(vcpu: hv_vcpuid_t, msr: u32, value: out u64) -> hv_return_t thread owner "Reads the value that a native or managed MSR has for the vCPU";
        fn hv_vcpu_write_msr(vcpu: hv_vcpuid_t, msr: u32, value: u64) -> hv_return_t thread owner "Writes the value that a native or managed MSR has for the vCPU; by value, not by pointer";
        fn hv_vcpu_flush(vcpu: hv_vcpuid_t) -> hv_return_t thread owner deprecated macos 11.0 "Does nothing and answers HV_UNSUPPORTED";
        fn hv_vcpu_invalidate_tlb(vcpu: hv_vcpuid_t) -> hv_return_t thread owner "Drops cached translations; after changes of CR0, CR3, CR4, EFER or page tables from outside";
        fn hv_vcpu_run(vcpu: hv_vcpuid_t) -> hv_return_t thread owner "Runs the guest until its next exit, those that the kernel dealt with included";
        fn hv_vcpu_run_until(vcpu: hv_vcpuid_t, deadline: u64) -> hv_return_t thread owner since macos 10.15 "Runs the guest until an exit for the client or until a deadline in mach absolute time";
        fn hv_vcpu_interrupt(vcpus: *mut hv_vcpuid_t, vcpu_count: u32) -> hv_return_t thread any "Makes vCPUs leave the guest";
        fn hv_vcpu_get_exec_time(vcpu: hv_vcpuid_t, time: out u64) -> hv_return_t thread owner "Time in the guest so far, in ns";
        fn hv_vcpu_get_idle_time(vcpu: hv_vcpuid_t, time: out u64) -> hv_return_t thread owner since macos 12.0 "Time halted in the kernel so far, in ns";
        fn hv_vcpu_set_tsc_relative(vcpu: hv_vcpuid_t, offset: i64) -> hv_return_t thread owner since macos 11.0 "Sets the guest's TSC to hv_tsc_clock() + offset; needs HV_VCPU_TSC_RELATIVE";
        fn hv_vcpu_vmx_status(vcpu: hv_vcpuid_t, status: out u32) -> hv_return_t thread owner since macos 12.0 "ZF and CF of the last failed VM entry; HV_ERROR if no entry was tried";

        // VMX.
        fn hv_vmx_vcpu_read_vmcs(vcpu: hv_vcpuid_t, field: u32, value: out u64) -> hv_return_t thread owner "Reads a VMCS field";
        fn hv_vmx_vcpu_write_vmcs(vcpu: hv_vcpuid_t, field: u32, value: u64) -> hv_return_t thread owner "Writes a VMCS field";
        fn hv_vmx_vcpu_get_cap_write_vmcs(vcpu: hv_vcpuid_t, field: u32, allowed_0: out u64, allowed_1: out u64) -> hv_return_t thread owner since macos 11.0 "Which bits of a field must be 1 (allowed_0) and which may be 1 (allowed_1)";
        fn hv_vmx_vcpu_read_shadow_vmcs(vcpu: hv_vcpuid_t, field: u32, value: out u64) -> hv_return_t thread owner since macos 10.15 "Reads a field of the shadow VMCS";
        fn hv_vmx_vcpu_write_shadow_vmcs(vcpu: hv_vcpuid_t, field: u32, value: u64) -> hv_return_t thread owner since macos 10.15 "Writes a field of the shadow VMCS";
        fn hv_vmx_vcpu_set_shadow_access(vcpu: hv_vcpuid_t, field: u32, flags: hv_shadow_flags_t) -> hv_return_t thread owner since macos 10.15 "Whether VMREAD and VMWRITE of the guest reach a field of the shadow VMCS without exit";
        fn hv_vmx_read_capability(field: hv_vmx_capability_t, value: out u64) -> hv_return_t thread any "Reads a VMX capability; no vCPU needed";
        fn hv_vmx_get_msr_info(field: hv_vmx_msr_info_t, value: out u64) -> hv_return_t thread any since macos 11.0 "Reads a fact about an MSR of the host";
        fn hv_vmx_vcpu_set_apic_address(vcpu: hv_vcpuid_t, gpa: hv_gpaddr_t) -> hv_return_t thread owner "Sets the APIC-access page";
        fn hv_vmx_vcpu_set_apic_address_space(vcpu: hv_vcpuid_t, asid: hv_vm_space_t, gpa: hv_gpaddr_t) -> hv_return_t thread owner since macos 12.0 unsure "the 12.0 SDK lacks it: a later 12.x" "Sets the APIC-access page of one address space";

        // Interrupt controllers in the kernel: HV_VM_ACCEL_APIC.
        fn hv_vm_lapic_set_intr(vcpu: hv_vcpuid_t, vector: u8, trig: hv_apic_intr_trigger_t) -> hv_return_t thread any since macos 12.0 "Raises a vector at the local APIC of a vCPU";
        fn hv_vm_lapic_msi(addr: u64, data: u64) -> hv_return_t thread any since macos 12.0 "Delivers a message-signalled interrupt";
        fn hv_vm_ioapic_assert_irq(intin: i32) -> hv_return_t thread any since macos 12.0 "Raises an input of the I/O APIC";
        fn hv_vm_ioapic_deassert_irq(intin: i32) -> hv_return_t thread any since macos 12.0 "Lowers an input of the I/O APIC";
        fn hv_vm_ioapic_pulse_irq(intin: i32) -> hv_return_t thread any since macos 12.0 "Raises and lowers an input of the I/O APIC";
        fn hv_vm_ioapic_read(gpa: hv_gpaddr_t, datap: out u32) -> hv_return_t thread any since macos 12.0 "Does a guest's read of an I/O APIC register";
        fn hv_vm_ioapic_write(gpa: hv_gpaddr_t, data: u32) -> hv_return_t thread any since macos 12.0 "Does a guest's write of an I/O APIC register";
        fn hv_vm_ioapic_get_state(state: inout hv_ioapic_state_ext_t) -> hv_return_t thread any since macos 12.0 "Saves the I/O APIC; set the version first";
        fn hv_vm_ioapic_put_state(state: ref hv_ioapic_state_ext_t) -> hv_return_t thread any since macos 12.0 "Restores the I/O APIC while the VM stands still";
        fn hv_vm_send_ioapic_intr(data: u64) -> hv_return_t thread any since macos 12.0 "Sends an interrupt in the format of a redirection-table entry, for an I/O APIC in the client";
        fn hv_vm_atpic_assert_irq(irq: i32) -> hv_return_t thread any since macos 12.0 "Raises an input of the 8259 pair";
        fn hv_vm_atpic_deassert_irq(irq: i32) -> hv_return_t thread any since macos 12.0 "Lowers an input of the 8259 pair";
        fn hv_vm_atpic_port_read(port: i32, valuep: out u8) -> hv_return_t thread any since macos 12.0 unsure "the header has no availability; first exported by the 12.0 SDK" "Does a guest's IN from an 8259 port";
        fn hv_vm_atpic_port_write(port: i32, value: u8) -> hv_return_t thread any since macos 12.0 unsure "the header has no availability; first exported by the 12.0 SDK" "Does a guest's OUT to an 8259 port";
        fn hv_vm_atpic_get_state(state: inout hv_atpic_state_ext_t, is_primary: bool) -> hv_return_t thread any since macos 12.0 "Saves one 8259; set the version first";
        fn hv_vm_atpic_put_state(state: ref hv_atpic_state_ext_t, is_primary: bool) -> hv_return_t thread any since macos 12.0 "Restores one 8259 while the VM stands still";
        fn hv_vm_set_apic_bus_freq(freq: u64) -> hv_return_t thread any since macos 12.0 "Frequency of the APIC timers, 16 MHz to 2 GHz in Hz; while there is no vCPU";
        fn hv_vcpu_inject_extint(vcpu: hv_vcpuid_t) -> hv_return_t thread owner since macos 12.0 "Queues one interrupt of the 8259 kind";
        fn hv_vcpu_apic_read(vcpu: hv_vcpuid_t, offset: u32, data: out u32) -> hv_return_t thread owner since macos 12.0 "Reads a register of the local APIC, by its byte offset";
        fn hv_vcpu_apic_write(vcpu: hv_vcpuid_t, offset: u32, data: u32, no_side_effect: out bool) -> hv_return_t thread owner since macos 12.0 "Writes a register of the local APIC; unless no_side_effect comes back true, look at hv_vcpu_exit_info";
        fn hv_vcpu_apic_get_state(vcpu: hv_vcpuid_t, state: inout hv_apic_state_ext_t) -> hv_return_t thread owner since macos 12.0 "Saves the local APIC; set the version first";
        fn hv_vcpu_apic_put_state(vcpu: hv_vcpuid_t, state: ref hv_apic_state_ext_t) -> hv_return_t thread owner since macos 12.0 "Restores the local APIC while the VM stands still";
        fn hv_vcpu_exit_info(vcpu: hv_vcpuid_t, code: out hv_vm_exitinfo_t) -> hv_return_t thread owner since macos 12.0 "What the last exit or hv_vcpu_apic_write asks for";
        fn hv_vcpu_exit_init_ap(vcpu: hv_vcpuid_t, is_actv: *mut bool, count: u32) -> hv_return_t thread owner since macos 12.0 "Which vCPUs got an INIT: an array of `count`, by id";
        fn hv_vcpu_exit_startup_ap(vcpu: hv_vcpuid_t, is_actv: *mut bool, count: u32, ap_rip: out u64) -> hv_return_t thread owner since macos 12.0 "Which vCPUs got a start-up IPI: an array of `count`, by id, and where they begin";
        fn hv_vcpu_exit_ioapic_eoi(vcpu: hv_vcpuid_t, vec: out u8) -> hv_return_t thread owner since macos 12.0 "Vector whose EOI concerns an I/O APIC";
        fn hv_vcpu_exit_apic_access_read(vcpu: hv_vcpuid_t, value: out u32) -> hv_return_t thread owner since macos 12.0 "Value that the guest reads from the APIC page; the client completes the instruction";
        fn hv_vcpu_exit_inject_excp(vcpu: hv_vcpuid_t, vec: out u8, valid: out bool, code: out u32, restart: out bool) -> hv_return_t thread owner since macos 12.0 "Exception that the client has to inject";
        fn hv_vcpu_apic_lsc_enter_r32(vcpu: hv_vcpuid_t, is_load: bool, rip: u64, ilen: u32, cs: u16, reg: hv_x86_reg_t, uva: *mut u64, count: u32) -> hv_return_t thread owner since macos 12.0 "Teaches the kernel a MOV between a register and the APIC page; uva holds the pages of its code";
        fn hv_vcpu_apic_lsc_enter_imm32(vcpu: hv_vcpuid_t, rip: u64, ilen: u32, cs: u16, imm32: u32, uva: *mut u64, count: u32) -> hv_return_t thread owner since macos 12.0 "Teaches the kernel a MOV of a constant to the APIC page";
        fn hv_vcpu_apic_lsc_invalidate(vcpu: hv_vcpuid_t) -> hv_return_t thread owner since macos 12.0 "Makes the kernel forget all such MOVs";
        fn hv_vcpu_apic_ctrl(vcpu: hv_vcpuid_t, ctrls: hv_apic_ctrl_t) -> hv_return_t thread owner since macos 12.0 "How the local APIC behaves";
        fn hv_vcpu_apic_trigger_lvt(vcpu: hv_vcpuid_t, flavor: hv_apic_lvt_flavor_t) -> hv_return_t thread owner since macos 12.0 "Fires an entry of the local vector table";
    }
}
