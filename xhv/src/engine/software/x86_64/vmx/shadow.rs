//! The shadow VMCS (`hv_vmx_vcpu_set_shadow_access` and its like): fields that a guest hypervisor reads and writes without an exit.

use std::collections::BTreeMap;

use crate::error::Code;

/// VMREAD does not exit (`HV_SHADOW_VMCS_READ`).
pub(crate) const READ: u64 = 1;
/// VMWRITE does not exit (`HV_SHADOW_VMCS_WRITE`).
pub(crate) const WRITE: u64 = 2;

/// Access rights and value of a field.
#[derive(Clone, Copy, Debug, Default)]
struct Field {
    access: u64,
    value: u64,
}

/// A vCPU's shadow VMCS.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shadow {
    fields: BTreeMap<u32, Field>,
}

/// Whether an encoding is one (SDM vol. 3, table 26-20); EPTP has one although the framework hides it elsewhere.
fn is_encoding(field: u32) -> bool {
    field >> 15 == 0 && field >> 12 & 1 == 0 && field & 0x1ff <= 0x7e
}

impl Shadow {
    /// Sets whether a guest's VMREAD and VMWRITE of a field exit.
    pub(crate) fn set_access(&mut self, field: u32, access: u64) -> Result<(), Code> {
        if !is_encoding(field) || access & !(READ | WRITE) != 0 {
            return Err(Code::BAD_ARGUMENT);
        }
        self.fields.entry(field).or_default().access = access;
        Ok(())
    }

    /// A field's value for the VMM.
    pub(crate) fn read(&self, field: u32) -> Result<u64, Code> {
        match self.fields.get(&field) {
            Some(known) => Ok(known.value),
            None if is_encoding(field) => Ok(0),
            None => Err(Code::BAD_ARGUMENT),
        }
    }

    /// Writes a field for the VMM.
    pub(crate) fn write(&mut self, field: u32, value: u64) -> Result<(), Code> {
        if !is_encoding(field) {
            return Err(Code::BAD_ARGUMENT);
        }
        self.fields.entry(field).or_default().value = value & width_mask(field);
        Ok(())
    }

    /// The guest's VMREAD; `None` if it exits.
    pub(crate) fn guest_read(&self, encoding: u64) -> Option<u64> {
        let known = self.fields.get(&u32::try_from(encoding).ok()?)?;
        (known.access & READ != 0).then_some(known.value)
    }

    /// Whether the guest's VMWRITE does not exit.
    pub(crate) fn guest_may_write(&self, encoding: u64) -> bool {
        let field = u32::try_from(encoding).ok();
        let known = field.and_then(|field| self.fields.get(&field));
        known.is_some_and(|known| known.access & WRITE != 0)
    }

    /// The guest's VMWRITE; `None`, and nothing done, if it exits.
    pub(crate) fn guest_write(&mut self, encoding: u64, value: u64) -> Option<()> {
        let field = u32::try_from(encoding).ok()?;
        let known = self.fields.get_mut(&field)?;
        if known.access & WRITE == 0 {
            return None;
        }
        known.value = value & width_mask(field);
        Some(())
    }
}

/// All ones in the width that an encoding tells (bits 14:13).
pub(crate) fn width_mask(field: u32) -> u64 {
    match field >> 13 & 3 {
        0 => 0xffff,
        2 => 0xffff_ffff,
        _ if field & 1 != 0 => 0xffff_ffff,
        _ => !0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn access_is_given_field_by_field() {
        let mut shadow = Shadow::default();
        assert_eq!(shadow.guest_read(0x681e), None);
        shadow.write(0x681e, 0x1234).unwrap();
        shadow.set_access(0x681e, READ).unwrap();
        assert_eq!(shadow.guest_read(0x681e), Some(0x1234));
        assert_eq!(shadow.guest_write(0x681e, 5), None);
        shadow.set_access(0x681e, READ | WRITE).unwrap();
        assert_eq!(shadow.guest_write(0x681e, 5), Some(()));
        assert_eq!(shadow.read(0x681e), Ok(5));
        shadow.set_access(0x201a, READ).unwrap(); // EPTP, as the XNU test does
        assert_eq!(shadow.set_access(0xffff, READ), Err(Code::BAD_ARGUMENT));
        assert_eq!(shadow.set_access(0x681e, 4), Err(Code::BAD_ARGUMENT));
        assert_eq!(shadow.guest_read(1 << 40), None);
    }
}
