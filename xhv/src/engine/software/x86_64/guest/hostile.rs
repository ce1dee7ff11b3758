//! Random VMCS states with fixed seeds: no panic, and every run ends.

use super::Guest;
use crate::time::absolute_ticks;
use crate::x86_64::entry::field::vmcs;

/// xorshift64*.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A value that is often small, aligned or a single bit.
    fn value(&mut self) -> u64 {
        let value = self.next();
        match self.next() % 6 {
            0 => 0,
            1 => 1 << (value % 64),
            2 => value & 0xffff,
            3 => value & 0x3_f000,
            4 => value & 0xffff_ffff,
            _ => value,
        }
    }
}

/// Fields whose random values would only be refused: most of the time they stay good.
fn is_guarded(field: u32) -> bool {
    matches!(
        field,
        vmcs::PIN_BASED
            | vmcs::PRIMARY
            | vmcs::SECONDARY
            | vmcs::EXIT_CONTROLS
            | vmcs::ENTRY_CONTROLS
            | vmcs::CR0
            | vmcs::CR4
            | vmcs::CR0_MASK
            | vmcs::RFLAGS
            | vmcs::ES_RIGHTS
            ..=vmcs::TR_RIGHTS
                | vmcs::GDTR_LIMIT
                | vmcs::IDTR_LIMIT
                | vmcs::ENTRY_INTERRUPTION
                | vmcs::INTERRUPTIBILITY
    )
}

fn shake(guest: &mut Guest, random: &mut Random) -> u64 {
    for row in crate::x86_64::vmcs::ALL {
        let Ok((must, may)) = guest.vcpu.get_cap_write_vmcs(row.key) else {
            continue;
        };
        let odds = if is_guarded(row.key) { 400 } else { 60 };
        if random.next().is_multiple_of(odds) {
            let value = random.value() & may | must;
            let _ = guest.vcpu.write_vmcs(row.key, value);
        }
    }
    for id in 0..51 {
        if random.next().is_multiple_of(24) && id != 36 && id != 40 && id != 1 {
            let _ = guest.vcpu.write_register(id, random.value());
        }
    }
    for row in crate::x86_64::msr::ALL {
        if random.next().is_multiple_of(12) {
            let _ = guest
                .vcpu
                .enable_native_msr(row.key, random.next() & 1 != 0);
            let _ = guest.vcpu.write_msr(row.key, random.value());
        }
    }
    for _ in 0..64 {
        let at = random.next() % (guest.memory.size() - 8);
        guest.put(at, &random.next().to_le_bytes());
    }
    let deadline = absolute_ticks() + 200_000;
    match guest.vcpu.run_until(deadline) {
        Ok(()) => guest.get(vmcs::EXIT_REASON),
        Err(_) => u64::MAX,
    }
}

fn hammer(make: fn(&[u8]) -> Guest, seed: u64) {
    let mut random = Random(seed);
    let mut entered = 0;
    for _ in 0..120 {
        let mut guest = make(&[]);
        for _ in 0..4 {
            let reason = shake(&mut guest, &mut random);
            entered += u32::from(reason & 0x8000_0000 == 0);
        }
    }
    assert!(entered > 20, "only {entered} entries");
}

#[test]
fn random_states_from_real_mode() {
    hammer(Guest::real, 0x1234_5678_9abc_def1);
}

#[test]
fn random_states_from_protected_mode() {
    hammer(Guest::flat, 0xfeed_beef_0000_0001);
}

#[test]
fn random_states_from_64_bit_mode() {
    hammer(Guest::long, 0x0bad_cafe_dead_0001);
}

#[test]
fn random_states_with_interrupt_controllers() {
    let mut random = Random(77);
    for _ in 0..60 {
        let mut guest = Guest::with(1 << 10, &[]);
        for _ in 0..20 {
            let (a, b) = (random.next() as u32 & 0xff0, random.value() as u32);
            let _ = guest.vcpu.apic_write(a, b);
            let _ = guest.vcpu.apic_read(random.value() as u32);
            let _ = guest.vm.ioapic_write(random.value(), random.value() as u32);
            let _ = guest
                .vm
                .atpic_port_write(random.value() as i32 & 0xff, random.next() as u8);
            let _ = guest.vm.atpic_assert_irq(random.value() as i32);
            let _ = guest.vm.ioapic_pulse_irq(random.value() as i32);
            let _ = guest
                .vm
                .lapic_msi(0xfee0_0000 | random.next() & 0xf_ffff, random.value());
            let _ = guest.vm.send_ioapic_intr(random.next());
        }
        shake(&mut guest, &mut random);
    }
}
