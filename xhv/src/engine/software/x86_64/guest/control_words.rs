//! Every control that a client may set, one by one: what a guest does with it and without it.

use super::super::vcpu::Vcpu;
use super::super::vmx::capabilities::LIMITS;
use super::{CODE, Guest};
use crate::time::absolute_ticks;
use crate::x86_64::entry::field::{entry, exit, pin, primary, secondary, vmcs};

const TRIPLE_FAULT: u64 = 2;
const HLT: u64 = 12;
const REFUSED: u64 = 0x8000_0021;
/// The run call fails: the controls contradict each other.
const FAILED: u64 = u64::MAX;
/// Where memory operands lie: RAX.
const DATA: u64 = 0x6000;

/// A control, and how guests that differ in it alone end.
struct Row {
    field: u32,
    bit: u32,
    /// 64-bit code that follows; HLT comes behind it.
    code: &'static [u8],
    prepare: fn(&mut Guest),
    /// Exit reasons with the control and without it.
    on: u64,
    off: u64,
}

fn nothing(_: &mut Guest) {}

const fn row(field: u32, bit: u32, code: &'static [u8], on: u64, off: u64) -> Row {
    Row {
        field,
        bit,
        code,
        prepare: nothing,
        on,
        off,
    }
}

const fn with(mut row: Row, prepare: fn(&mut Guest)) -> Row {
    row.prepare = prepare;
    row
}

/// Controls of the host's side, which neither guest nor client can see: the engine has no host state to load or save.
const UNSEEN: [(u32, u32); 6] = [
    (vmcs::EXIT_CONTROLS, exit::LOAD_PERF_GLOBAL_CTRL),
    (vmcs::EXIT_CONTROLS, exit::SAVE_PAT),
    (vmcs::EXIT_CONTROLS, exit::LOAD_PAT),
    (vmcs::EXIT_CONTROLS, exit::LOAD_EFER),
    // A cancel is no interrupt with a vector.
    (vmcs::EXIT_CONTROLS, exit::ACKNOWLEDGE),
    // This CPU has no counters to enable.
    (vmcs::ENTRY_CONTROLS, entry::LOAD_PERF_GLOBAL_CTRL),
];

/// Controls whose effect is no exit: the test that shows it.
const ELSEWHERE: [(u32, u32, &str); 4] = [
    (
        vmcs::PRIMARY,
        primary::TSC_OFFSETTING,
        "the_tsc_offset_counts_if_it_is_on",
    ),
    (
        vmcs::EXIT_CONTROLS,
        exit::SAVE_EFER,
        "entries::efer_goes_stale_unless_it_is_saved",
    ),
    (vmcs::EXIT_CONTROLS, exit::SAVE_TIMER, "entries::timers"),
    (
        vmcs::ENTRY_CONTROLS,
        entry::LOAD_PAT,
        "a_pat_that_is_loaded_is_checked",
    ),
];

fn rows() -> Vec<Row> {
    let primary = |bit, code, on, off| row(vmcs::PRIMARY, bit, code, on, off);
    let secondary = |bit, code, on, off| row(vmcs::SECONDARY, bit, code, on, off);
    vec![
        with(
            row(vmcs::PIN_BASED, pin::VIRTUAL_NMIS, &[], 8, FAILED),
            |guest| {
                guest.on(vmcs::PRIMARY, primary::NMI_WINDOW);
            },
        ),
        row(vmcs::PIN_BASED, pin::PREEMPTION_TIMER, &[], 52, HLT),
        with(primary(primary::INTERRUPT_WINDOW, &[], 7, HLT), |guest| {
            guest.set(vmcs::RFLAGS, 0x202);
        }),
        // Without exits HLT waits, until the deadline.
        primary(primary::HLT, &[], HLT, 52),
        primary(primary::INVLPG, &[0x0f, 0x01, 0x38], 14, HLT),
        primary(primary::MWAIT, &[0x0f, 0x01, 0xc9], 36, TRIPLE_FAULT),
        // A vCPU with RDPMC of its own: without counters it is #GP.
        primary(primary::RDPMC, &[0x0f, 0x33], 15, TRIPLE_FAULT),
        primary(primary::RDTSC, &[0x0f, 0x31], 16, HLT),
        // mov rcx, cr3; mov cr3, rcx
        primary(
            primary::CR3_LOAD,
            &[0x0f, 0x20, 0xd9, 0x0f, 0x22, 0xd9],
            28,
            HLT,
        ),
        primary(primary::CR3_STORE, &[0x0f, 0x20, 0xd9], 28, HLT),
        // mov cr8, rcx; mov rcx, cr8
        primary(primary::CR8_LOAD, &[0x44, 0x0f, 0x22, 0xc1], 28, HLT),
        primary(primary::CR8_STORE, &[0x44, 0x0f, 0x20, 0xc1], 28, HLT),
        // mov cl, 5; mov cr8, rcx; xor ecx, ecx; mov cr8, rcx: falls below the threshold.
        with(
            primary(
                primary::TPR_SHADOW,
                &[
                    0xb1, 5, 0x44, 0x0f, 0x22, 0xc1, 0x31, 0xc9, 0x44, 0x0f, 0x22, 0xc1,
                ],
                43,
                HLT,
            ),
            |guest| {
                guest.set_reg(49, 0x50);
                guest.set(vmcs::TPR_THRESHOLD, 4);
            },
        ),
        with(primary(primary::NMI_WINDOW, &[], 8, HLT), |guest| {
            guest.on(vmcs::PIN_BASED, pin::VIRTUAL_NMIS);
        }),
        primary(primary::MOV_DR, &[0x0f, 0x23, 0xc1], 29, HLT),
        primary(primary::MONITOR_TRAP_FLAG, &[0x90], 37, HLT),
        // rdmsr of KERNEL_GS_BASE, which is native.
        primary(
            primary::MSR_BITMAPS,
            &[0xb9, 2, 1, 0, 0xc0, 0x0f, 0x32],
            HLT,
            31,
        ),
        primary(primary::MONITOR, &[0x0f, 0x01, 0xc8], 39, TRIPLE_FAULT),
        primary(primary::PAUSE, &[0xf3, 0x90], 40, HLT),
        // mov ebx, fee00030h; mov eax, [rbx], with paging that leads there.
        with(
            secondary(
                secondary::VIRTUALIZE_APIC,
                &[0xbb, 0x30, 0x00, 0xe0, 0x3f, 0x8b, 0x03],
                44,
                48,
            ),
            |guest| {
                // The last 2 MiB of the first GiB are the APIC's.
                guest.put(0x1_2000 + 8 * 511, &0xfee0_0087_u64.to_le_bytes());
                guest.vcpu.set_apic_address(0xfee0_0000).unwrap();
            },
        ),
        secondary(secondary::DESCRIPTOR_TABLE, &[0x0f, 0x01, 0x00], 46, HLT),
        secondary(secondary::RDTSCP, &[0x0f, 0x01, 0xf9], HLT, TRIPLE_FAULT),
        secondary(secondary::WBINVD, &[0x0f, 0x09], 54, HLT),
        // A loop around PAUSE; without the control the deadline ends it.
        with(
            secondary(secondary::PAUSE_LOOP, &[0xf3, 0x90, 0xeb, 0xfc], 40, 52),
            |guest| guest.set(vmcs::PLE_GAP, 0xffff_ffff),
        ),
        secondary(secondary::RDRAND, &[0x0f, 0xc7, 0xf1], 57, HLT),
        // invpcid rcx, [rax]
        secondary(
            secondary::INVPCID,
            &[0x66, 0x0f, 0x38, 0x82, 0x08],
            HLT,
            TRIPLE_FAULT,
        ),
        // mov eax, 681eh (RIP); vmread rcx, rax
        with(
            secondary(
                secondary::VMCS_SHADOWING,
                &[0xb8, 0x1e, 0x68, 0, 0, 0x0f, 0x78, 0xc1],
                HLT,
                23,
            ),
            |guest| guest.vcpu.set_shadow_access(vmcs::RIP, 1).unwrap(),
        ),
        secondary(secondary::RDSEED, &[0x0f, 0xc7, 0xf9], 61, HLT),
        // xsaves [rax]
        with(
            secondary(secondary::XSAVES, &[0x0f, 0xc7, 0x28], HLT, TRIPLE_FAULT),
            |guest| guest.set(vmcs::CR4, 0x4_2620),
        ),
        row(vmcs::ENTRY_CONTROLS, entry::IA32E, &[], HLT, REFUSED),
        // EFER without LMA contradicts a 64-bit guest, if it is loaded.
        with(
            row(vmcs::ENTRY_CONTROLS, entry::LOAD_EFER, &[], REFUSED, HLT),
            |guest| guest.set(vmcs::EFER, 0),
        ),
    ]
}

/// A guest for a row; HLT exits unless that is what the row is about.
fn ends(row: &Row, on: bool) -> u64 {
    let mut guest = Guest::long(&[row.code, &[0xf4]].concat());
    if row.bit == primary::RDPMC && row.field == vmcs::PRIMARY {
        let vm = guest.vm.clone();
        let with = Vcpu::create(&vm, 1).unwrap();
        copy(&guest, with).map(|vcpu| guest.vcpu = vcpu).unwrap();
    }
    guest.on(vmcs::PRIMARY, primary::MSR_BITMAPS);
    guest.set_reg(2, DATA);
    (row.prepare)(&mut guest);
    match on {
        true => guest.on(row.field, row.bit),
        false => guest.off(row.field, row.bit),
    }
    match guest.vcpu.run_until(absolute_ticks() + 40_000_000) {
        Ok(()) => guest.get(vmcs::EXIT_REASON),
        Err(_) => FAILED,
    }
}

/// `to` with the state of the guest's vCPU.
fn copy(guest: &Guest, mut to: Vcpu) -> Option<Vcpu> {
    to.enable_native_msr(0xc000_0102, true).ok()?;
    for row in crate::x86_64::vmcs::ALL {
        if let Ok(value) = guest.vcpu.read_vmcs(row.key) {
            let _ = to.write_vmcs(row.key, value);
        }
    }
    Some(to)
}

#[test]
fn every_control_has_its_effect() {
    let wrong: Vec<String> = rows()
        .iter()
        .flat_map(|row| [(row, true, row.on), (row, false, row.off)])
        .filter_map(|(row, on, expected)| {
            let got = ends(row, on);
            (got != expected).then(|| {
                let (field, bit) = (row.field, row.bit);
                format!("field {field:#x} bit {bit:#x} {on}: reason {got:#x}, not {expected:#x}")
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_control_that_may_be_set_has_a_row() {
    let words = [
        (vmcs::PIN_BASED, LIMITS.pin),
        (vmcs::PRIMARY, LIMITS.primary),
        (vmcs::SECONDARY, LIMITS.secondary),
        (vmcs::EXIT_CONTROLS, LIMITS.exit),
        (vmcs::ENTRY_CONTROLS, LIMITS.entry),
    ];
    let rows = rows();
    for (field, word) in words {
        let free = (word >> 32) as u32 & !(word as u32);
        let tested = rows.iter().map(|row| (row.field, row.bit));
        let elsewhere = ELSEWHERE.iter().map(|&(field, bit, _)| (field, bit));
        let known = tested.chain(UNSEEN).chain(elsewhere);
        let known = known
            .filter(|known| known.0 == field)
            .fold(0, |bits, known| bits | known.1);
        assert_eq!(known, free, "field {field:#x}");
    }
}

#[test]
fn the_tsc_offset_counts_if_it_is_on() {
    // rdtsc; shl rdx, 32; or rax, rdx
    let code = [0x0f, 0x31, 0x48, 0xc1, 0xe2, 0x20, 0x48, 0x09, 0xd0, 0xf4];
    for on in [true, false] {
        let mut guest = Guest::long(&code);
        guest.vm.sync_tsc(1 << 60).unwrap();
        match on {
            true => guest.on(vmcs::PRIMARY, primary::TSC_OFFSETTING),
            false => guest.off(vmcs::PRIMARY, primary::TSC_OFFSETTING),
        }
        assert_eq!(guest.run(), HLT);
        assert_eq!(guest.reg(2) >= 1 << 60, on);
    }
}

#[test]
fn a_pat_that_is_loaded_is_checked() {
    // The PAT field cannot be written (as on the framework), so what is loaded is good.
    let mut guest = Guest::long(&[0xf4]);
    guest.on(vmcs::ENTRY_CONTROLS, entry::LOAD_PAT);
    assert!(guest.vcpu.write_vmcs(vmcs::PAT, 0x0202_0202).is_err());
    assert_eq!(guest.run(), HLT);
    assert_eq!(guest.get(vmcs::RIP), CODE);
}
