//! Values that are known from elsewhere (reset values, values that guests run with) read as what they are known to be.

use xhv::typed::Bits;
use xhv::x86_64::capabilities::VmxBasic;
use xhv::x86_64::exits::{
    CrQualification, CrQualificationAccess, EptQualification, GeneralRegister, IoQualification,
    IoQualificationSize,
};
use xhv::x86_64::msr::{ApicBase, Efer, MemoryType, MtrrDefType, Pat, PatType};
use xhv::x86_64::reg::{BreakpointCondition, BreakpointLength, Cr0, Cr4, Dr6, Dr7, Rflags};
use xhv::x86_64::vmcs::{AccessRights, EventType, SegmentType, VmEntryInterruptionInformation};

/// Reserved bits that have to be 1 (true) or 0 (false), as a mask.
fn fixed<T: Bits>(one: bool) -> u128 {
    use xhv::typed::{FieldKind, Reserved};
    let is_it = |kind: &FieldKind| match kind {
        FieldKind::Reserved(Reserved::One) => one,
        FieldKind::Reserved(Reserved::Zero) => !one,
        _ => false,
    };
    T::FIELDS
        .iter()
        .filter(|field| is_it(&field.kind))
        .fold(0, |mask, field| {
            mask | ((1 << (field.msb - field.lsb + 1)) - 1) << field.lsb
        })
}

/// The value respects the reserved bits of its type.
fn well_formed<T: Bits>(value: T) -> bool {
    let bits = value.into_u128();
    bits & fixed::<T>(true) == fixed::<T>(true) && bits & fixed::<T>(false) == 0
}

#[test]
fn reset_values() {
    // Intel SDM vol. 3, Processor State After Reset.
    assert!(well_formed(Rflags::from_bits(0x2)));
    assert_eq!(Cr0::from_bits(0x6000_0010), Cr0::CD | Cr0::NW | Cr0::ET);
    assert!(well_formed(Dr6::from_bits(0xffff_0ff0)));
    assert_eq!(
        fixed::<Dr6>(true) | u128::from((Dr6::RTM | Dr6::BLD).bits()),
        0xffff_0ff0
    );
    assert_eq!(fixed::<Dr7>(true), 0x400);
    assert!(well_formed(Dr7::from_bits(0x400)));
    let pat = Pat::from_bits(0x0007_0406_0007_0406);
    let low = [pat.pa0(), pat.pa1(), pat.pa2(), pat.pa3()];
    assert_eq!(
        low,
        [
            PatType::WRITE_BACK,
            PatType::WRITE_THROUGH,
            PatType::UNCACHED,
            PatType::UNCACHEABLE
        ]
    );
    assert_eq!(low, [pat.pa4(), pat.pa5(), pat.pa6(), pat.pa7()]);
    let apic = ApicBase::from_bits(0xfee0_0900);
    assert_eq!(apic.base(), 0xfee00);
    assert!(apic.contains(ApicBase::BSP | ApicBase::ENABLE) && !apic.contains(ApicBase::EXTD));
}

#[test]
fn a_running_linux_guest() {
    let cr0 = Cr0::PG | Cr0::AM | Cr0::WP | Cr0::NE | Cr0::ET | Cr0::MP | Cr0::PE;
    assert_eq!(cr0.bits(), 0x8005_0033);
    let cr4 = Cr4::PAE
        | Cr4::PSE
        | Cr4::MCE
        | Cr4::PGE
        | Cr4::OSFXSR
        | Cr4::OSXMMEXCPT
        | Cr4::OSXSAVE
        | Cr4::SMEP
        | Cr4::SMAP;
    assert_eq!(cr4.bits(), 0x34_06f0);
    assert_eq!(
        (Efer::SCE | Efer::LME | Efer::LMA | Efer::NXE).bits(),
        0xd01
    );
    assert!(well_formed(Rflags::from_bits(0x246)));
    assert_eq!(Rflags::from_bits(0x3246).iopl(), 3);
    let default_type = MtrrDefType::from_bits(0xc06);
    assert!(default_type.contains(MtrrDefType::E | MtrrDefType::FE));
    assert_eq!(default_type.type_(), MemoryType::WRITE_BACK);
}

#[test]
fn access_rights_in_use() {
    // reference/hvf-x86_64.json, values_seen_in_use.
    let code = AccessRights::from_bits(0xa09b);
    assert_eq!(code.type_(), SegmentType::CODE_READABLE_ACCESSED);
    assert!(code.contains(AccessRights::S | AccessRights::P | AccessRights::L | AccessRights::G));
    assert!(!code.contains(AccessRights::DB));
    let flat = AccessRights::from_bits(0xc093);
    assert_eq!(flat.type_(), SegmentType::DATA_READ_WRITE_ACCESSED);
    assert!(flat.contains(AccessRights::DB) && flat.dpl() == 0);
    assert_eq!(AccessRights::from_bits(0xf3).dpl(), 3);
    assert_eq!(AccessRights::UNUSABLE.bits(), 0x10000);
    assert!(!AccessRights::from_bits(0x8b).contains(AccessRights::S));
}

#[test]
fn exit_words() {
    // OUT DX, AL to port 0x3f8, as hvdos and XNU's tests see it.
    let out = IoQualification::from_bits(0x3f8_0000);
    assert_eq!((out.port(), out.size()), (0x3f8, IoQualificationSize::BYTE));
    assert!(!out.intersects(IoQualification::IN | IoQualification::STRING | IoQualification::REP));
    let read = IoQualification::from_bits(0x0cfc_000b);
    assert_eq!(
        (read.port(), read.size()),
        (0xcfc, IoQualificationSize::DWORD)
    );
    assert!(read.contains(IoQualification::IN));
    // MOV CR3, RBX.
    let cr = CrQualification::from_bits(0x303);
    assert_eq!(
        (cr.number(), cr.access(), cr.register()),
        (3, CrQualificationAccess::MOV_TO_CR, GeneralRegister::RBX)
    );
    // A data write of a page that is not mapped.
    let ept = EptQualification::from_bits(0x182);
    assert_eq!(
        ept,
        EptQualification::WRITE | EptQualification::LINEAR_VALID | EptQualification::TRANSLATED
    );
    // Injection of a general-protection fault with error code.
    let event = VmEntryInterruptionInformation::from_bits(0x8000_0b0d);
    assert_eq!(
        (event.vector(), event.type_()),
        (13, EventType::HARDWARE_EXCEPTION)
    );
    assert!(event.contains(
        VmEntryInterruptionInformation::VALID | VmEntryInterruptionInformation::DELIVER_ERROR_CODE
    ));
    // IA32_VMX_BASIC of a Haswell processor.
    let basic = VmxBasic::from_bits(0x00da_0400_0000_0012);
    assert_eq!(
        (basic.revision(), basic.region_size(), basic.memory_type()),
        (0x12, 1024, 6)
    );
    assert!(basic.contains(
        VmxBasic::TRUE_CONTROLS | VmxBasic::INS_OUTS_INFORMATION | VmxBasic::DUAL_MONITOR
    ));
}

#[test]
fn a_watchpoint() {
    let mut dr7 = Dr7::from_bits(0x400);
    dr7.insert(Dr7::L1);
    dr7 = dr7
        .with_rw1(BreakpointCondition::READ_WRITE)
        .with_len1(BreakpointLength::FOUR);
    assert_eq!(dr7.bits(), 0x00f0_0404);
    assert_eq!(
        (dr7.rw1(), dr7.len1()),
        (BreakpointCondition::READ_WRITE, BreakpointLength::FOUR)
    );
    assert_eq!(dr7.rw0(), BreakpointCondition::EXECUTE);
}
