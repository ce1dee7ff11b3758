//! The TLB's hits and misses, code that is written, changes of the map under a running vCPU.

use super::*;
use crate::engine::software::memory::Mapping;
use crate::memory::Memory;

const RWX: Rights = Rights {
    read: true,
    write: true,
    execute: true,
};

fn view(pages: u64) -> (View, Memory) {
    let memory = Memory::new(pages * PAGE).unwrap();
    let space = Arc::new(AddressSpace::default());
    let mapping = Mapping {
        gpa: 0x1_0000,
        size: pages * PAGE,
        memory: memory.clone(),
        offset: 0,
        permissions: Permissions::ALL,
    };
    space.map(mapping).unwrap();
    let mut view = View::new(space);
    view.enter();
    (view, memory)
}

#[test]
fn hits_stay_in_their_page() {
    let (mut view, memory) = view(4);
    memory.write(0xffc, &0x1122_3344_u32.to_le_bytes()).unwrap();
    assert_eq!(view.load::<u32>(0, 0x5ffc), None);
    view.fill(0, 0x5000, 0x1_0000, RWX, Kind::default());
    assert_eq!(view.load::<u32>(0, 0x5ffc), Some(0x1122_3344));
    assert_eq!(view.load::<u32>(0, 0x5ffd), None, "leaves the page");
    assert_eq!(view.load::<u32>(1, 0x5ffc), None, "another regime");
    assert_eq!(view.store(0, 0x5ffe, 7_u32), None);
    assert_eq!(view.store(0, 0x5ff8, 7_u32), Some(()));
    assert_eq!(
        view.load_physical::<u64>(0x1_0ff8),
        Ok(0x1122_3344_0000_0007)
    );
    assert_eq!(
        view.load::<u64>(0, 0x4fff),
        None,
        "ends in the page, starts before"
    );
    view.flush_page(0, 0x5123);
    assert_eq!(view.load::<u32>(0, 0x5ffc), None);
}

#[test]
fn the_last_page_of_the_address_space() {
    let (mut view, _memory) = view(4);
    view.fill(0, !0xfff, 0x1_0000, RWX, Kind::default());
    view.fill(0, 0, 0x1_1000, RWX, Kind::default());
    assert_eq!(view.load::<u8>(0, !0), Some(0));
    assert_eq!(view.load::<u16>(0, !0), None);
}

#[test]
fn physical_accesses_fault_at_the_end() {
    let (view, _memory) = view(4);
    assert_eq!(
        view.load_physical::<u8>(0),
        Err(Fault {
            gpa: 0,
            permissions: None
        })
    );
    assert_eq!(
        view.load_physical::<u16>(0x1_3fff),
        Err(Fault {
            gpa: 0x1_4000,
            permissions: None
        })
    );
    assert_eq!(view.store_physical(0x1_3ffe, 5_u16), Ok(()));
    assert_eq!(view.update_physical(0x1_3ffe, |old: u16| old + 1), Ok(5));
    assert_eq!(view.load_physical::<u16>(0x1_3ffe), Ok(6));
}

#[test]
fn code_cannot_be_written_unnoticed() {
    let (mut view, memory) = view(4);
    view.fill(0, 0, 0x1_0000, RWX, Kind::default());
    assert!(view.can_store(0, 0, 8));
    assert_eq!(view.mark_code(0x1_0040, 3), Ok(true));
    assert_ne!(
        view.slot().attention() & Attention::MAP,
        0,
        "a shoot-down reaches the vCPU that asked for it too"
    );
    assert!(!view.refresh(), "the map is the same");
    assert!(!view.can_store(0, 0, 8), "the page has code now");
    assert_eq!(view.store_beside_code(0, 0, 0_u8), Some(false));
    view.fill(0, 0, 0x1_0000, RWX, Kind::default());
    assert!(!view.can_store(0, 0, 8));
    assert_eq!(view.load::<u8>(0, 0), Some(0));
    view.store_physical(0x1_0000, 1_u8).unwrap();
    assert_eq!(view.slot().attention(), 0, "another line");
    view.store_physical(0x1_003c, 1_u64).unwrap();
    assert_eq!(view.slot().attention(), Attention::CODE);
    let stale = view.slot().take_stale();
    assert_eq!(
        (stale.len(), stale[0].memory, stale[0].page, stale[0].lines),
        (1, memory.id(), 0, 0b11)
    );
}

#[test]
fn unmap_waits_for_running_vcpus() {
    let (mut view, _memory) = view(4);
    view.fill(0, 0, 0x1_0000, RWX, Kind::default());
    let space = view.space().clone();
    let unmap = std::thread::spawn(move || space.unmap(0x1_0000, 0x1000));
    while view.slot().attention() & Attention::MAP == 0 {
        std::thread::yield_now();
    }
    assert!(!unmap.is_finished());
    assert_eq!(view.load::<u8>(0, 0), Some(0));
    assert!(view.refresh());
    assert_eq!(unmap.join().unwrap(), Ok(()));
    assert_eq!(view.load::<u8>(0, 0), None);
    assert_eq!(
        view.load_physical::<u8>(0x1_0000),
        Err(Fault {
            gpa: 0x1_0000,
            permissions: None
        })
    );
}

#[test]
fn copies_repeat_as_string_instructions_do() {
    let (mut view, memory) = view(4);
    view.fill(0, 0, 0x1_0000, RWX, Kind::default());
    memory.write(0, &[1, 2, 3]).unwrap();
    assert_eq!(view.copy(0, 1, 0, 4, 1), Some(()));
    assert_eq!(view.load::<u64>(0, 0), Some(0x01_0101_0101));
    assert_eq!(view.copy(0, 0xfff, 0, 2, 1), None);
    assert_eq!(view.fill_with(0, 0x10, 2, 0xabcd_u16), Some(()));
    assert_eq!(view.load::<u64>(0, 0x10), Some(0xabcd_abcd));
    assert_eq!(view.fill_with(0, 0xffe, 2, 0xabcd_u16), None);
}

#[test]
fn atomics_of_two_vcpus_meet() {
    let (mut one, _memory) = view(4);
    let space = one.space().clone();
    one.fill(0, 0, 0x1_0000, RWX, Kind::default());
    let other = std::thread::spawn(move || {
        let mut two = View::new(space);
        two.enter();
        two.fill(0, 0x8000, 0x1_0000, RWX, Kind::default());
        assert_eq!(
            two.update(0, 0x8008, |old: u128| old + 1),
            None,
            "not aligned"
        );
        (0..50_000).for_each(|_| assert!(two.update(0, 0x8010, |old: u128| old + 1).is_some()));
    });
    (0..50_000).for_each(|_| assert!(one.update(0, 0x10, |old: u128| old + 1).is_some()));
    other.join().unwrap();
    assert_eq!(one.load::<u128>(0, 0x10), Some(100_000));
}

#[test]
fn data_beside_code_are_stored_and_code_is_noticed() {
    let (mut view, memory) = view(4);
    view.fill(0, 0x2000, 0x1_1000, RWX, Kind::default());
    assert_eq!(
        view.store_beside_code(0, 0x2000, 1_u8),
        None,
        "no code there"
    );
    view.mark_code(0x1_1040, 3).unwrap();
    view.refresh();
    view.fill(0, 0x2000, 0x1_1000, RWX, Kind::default());
    assert_eq!(view.store(0, 0x2000, 1_u8), None);
    assert_eq!(view.modify(0, 0x2000, |old: u8| old), None);
    assert_eq!(view.store_beside_code(0, 0x2008, 0x1122_u16), Some(false));
    assert_eq!(view.slot().attention(), 0);
    assert_eq!(view.store_beside_code(0, 0x203f, 0x3344_u16), Some(true));
    assert_eq!(view.slot().attention(), Attention::CODE);
    assert_eq!(
        view.store_beside_code(0, 0x2fff, 0_u16),
        None,
        "leaves the page"
    );
    let mut bytes = [0; 0x40];
    memory.read(0x1008, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[0x37], bytes[0x38]), (0x22, 0x44, 0x33));
    let read_only = Rights {
        write: false,
        ..RWX
    };
    view.fill(0, 0x2000, 0x1_1000, read_only, Kind::default());
    assert_eq!(view.store_beside_code(0, 0x2008, 0_u8), None);
}

#[test]
fn locked_accesses_at_any_alignment_lose_nothing() {
    use std::sync::Arc;
    const ROUNDS: u32 = 2000;
    let (first, memory) = view(4);
    let space = first.space().clone();
    // Inside 16 bytes, across a cache line, across a page.
    let places = [0x1_0003_u64, 0x1_003d, 0x1_0ffe];
    let threads: Vec<_> = (0..3)
        .map(|_| {
            let space = Arc::clone(&space);
            std::thread::spawn(move || {
                let view = View::new(space);
                for _ in 0..ROUNDS {
                    for gpa in places {
                        let add = |old: u32| old.wrapping_add(0x0101_0101);
                        let room = 0x1000 - gpa % 0x1000;
                        match room < 4 {
                            true => view.update_split(gpa, gpa + room, room, add),
                            false => view.update_unaligned(gpa, add),
                        }
                        .unwrap();
                    }
                }
            })
        })
        .collect();
    threads
        .into_iter()
        .for_each(|thread| thread.join().unwrap());
    for gpa in places {
        let mut bytes = [0; 4];
        memory.read(gpa - 0x1_0000, &mut bytes).unwrap();
        let expected = 0x0101_0101_u32.wrapping_mul(3 * ROUNDS);
        assert_eq!(u32::from_le_bytes(bytes), expected, "{gpa:#x}");
        // The neighbours are as they were.
        let mut around = [0; 2];
        memory.read(gpa - 0x1_0001, &mut around[..1]).unwrap();
        memory.read(gpa - 0x1_0000 + 4, &mut around[1..]).unwrap();
        assert_eq!(around, [0, 0]);
    }
}

const GLOBAL: Kind = Kind {
    global: true,
    large: false,
};
const LARGE: Kind = Kind {
    global: false,
    large: true,
};

#[test]
fn address_spaces_keep_their_translations() {
    let (mut view, memory) = view(4);
    memory.write(0, &[1]).unwrap();
    memory.write(PAGE, &[2]).unwrap();
    view.fill(0, 0, 0x1_0000, RWX, Kind::default());
    assert_eq!(view.switch(7), (1, true));
    assert_eq!(view.load::<u8>(0, 0), None);
    view.fill(0, 0, 0x1_1000, RWX, Kind::default());
    assert_eq!(view.switch(7), (1, false));
    assert_eq!(view.load::<u8>(0, 0), Some(2));
    assert_eq!(view.switch(0), (0, false));
    assert_eq!(view.load::<u8>(0, 0), Some(1));
    view.flush_local(Some(7));
    assert_eq!(view.load::<u8>(0, 0), Some(1));
    assert_eq!(view.switch(7), (1, false));
    assert_eq!(view.load::<u8>(0, 0), None);
    view.flush();
    view.switch(0);
    assert_eq!(view.load::<u8>(0, 0), None, "flushed from afar");
}

#[test]
fn the_address_space_that_was_away_longest_makes_room() {
    let (mut view, _memory) = view(4);
    for tag in 0..SPACES as u16 {
        assert_eq!(view.switch(tag), (usize::from(tag), tag != 0));
        view.fill(0, 0, 0x1_0000, RWX, Kind::default());
    }
    view.switch(0);
    assert_eq!(view.switch(100), (1, true));
    assert_eq!(view.load::<u8>(0, 0), None);
    assert_eq!(view.space_of(1), None);
    for tag in [0, 2, SPACES as u16 - 1] {
        assert_eq!(view.switch(tag), (usize::from(tag), false));
        assert_eq!(view.load::<u8>(0, 0), Some(0));
    }
    assert_eq!(view.parked.len(), SPACES - 1);
}

#[test]
fn global_translations_outlive_a_local_flush() {
    let (mut view, _memory) = view(4);
    view.fill(0, 0x1000, 0x1_0000, RWX, GLOBAL);
    view.fill(1, 0x2000, 0x1_0000, RWX, Kind::default());
    view.switch(1);
    view.fill(0, 0x1000, 0x1_0000, RWX, GLOBAL);
    view.fill(1, 0x2000, 0x1_0000, RWX, Kind::default());
    view.flush_local(None);
    for tag in [1, 0] {
        view.switch(tag);
        assert_eq!(view.load::<u8>(0, 0x1000), Some(0));
        assert_eq!(view.load::<u8>(1, 0x2000), None);
    }
    // An entry that another one replaces leaves nothing of its kind behind.
    view.fill(0, 0x1000, 0x1_0000, RWX, Kind::default());
    view.fill(1, 0x2000, 0x1_0000, RWX, GLOBAL);
    view.flush_local(Some(0));
    assert_eq!(view.load::<u8>(0, 0x1000), None);
    assert_eq!(view.load::<u8>(1, 0x2000), Some(0));
    view.flush_page(1, 0x2000);
    assert_eq!(view.load::<u8>(1, 0x2000), None, "global: everywhere");
    view.fill(0, 0x1000, 0x1_0000, RWX, Kind::default());
    view.flush_page(1, 0x1000);
    assert_eq!(view.load::<u8>(0, 0x1000), Some(0), "another's");
    view.switch(1);
    view.flush();
    assert_eq!(view.load::<u8>(0, 0x1000), None);
}

#[test]
fn a_large_page_goes_as_a_whole() {
    let (mut view, _memory) = view(4);
    const GIB: u64 = 1 << 30;
    view.fill(0, GIB + 0x1000, 0x1_0000, RWX, LARGE);
    view.fill(0, GIB + 0x2000, 0x1_1000, RWX, LARGE);
    view.fill(0, GIB + 0x3000, 0x1_1000, RWX, Kind::default());
    view.fill(0, 3 * GIB + 0x4000, 0x1_1000, RWX, LARGE);
    view.switch(1);
    view.fill(0, GIB + 0x1000, 0x1_0000, RWX, LARGE);
    view.flush_page(0, GIB + 0x1f_f000);
    assert_eq!(view.load::<u8>(0, GIB + 0x1000), Some(0));
    view.switch(0);
    assert_eq!(view.load::<u8>(0, GIB + 0x1000), None);
    assert_eq!(view.load::<u8>(0, GIB + 0x2000), None);
    assert_eq!(view.load::<u8>(0, GIB + 0x3000), Some(0));
    assert_eq!(view.load::<u8>(0, 3 * GIB + 0x4000), Some(0));
}

#[test]
fn code_is_found_where_it_may_be_fetched() {
    let (mut view, memory) = view(4);
    let at = |view: &View, va| {
        let found = view.code_at(0, va);
        found.map(|(memory, offset, kind)| (memory.id(), offset, kind))
    };
    view.fill(0, 0x8000, 0x1_2000, RWX, GLOBAL);
    assert_eq!(at(&view, 0x8123), Some((memory.id(), 0x2123, GLOBAL)));
    assert_eq!(at(&view, 0x8123 + PAGE * ENTRIES as u64), None);
    let data = Rights {
        execute: false,
        ..RWX
    };
    view.fill(0, 0x8000, 0x1_2000, data, GLOBAL);
    assert_eq!(at(&view, 0x8123), None);
    view.fill(0, 0x8000, 0x1_2000, RWX, LARGE);
    assert_eq!(at(&view, 0x8000), Some((memory.id(), 0x2000, LARGE)));
    let space = view.space().clone();
    view.leave();
    let no_code = Permissions::READ | Permissions::WRITE;
    space.protect(0x1_2000, PAGE, no_code).unwrap();
    assert!(view.enter());
    view.fill(0, 0x8000, 0x1_2000, RWX, LARGE);
    assert_eq!(at(&view, 0x8000), None, "the mapping says no");
}

#[test]
fn code_is_noticed_in_all_address_spaces() {
    let (mut view, _memory) = view(4);
    view.fill(0, 0x1000, 0x1_0000, RWX, Kind::default());
    view.fill(0, 0x2000, 0x1_1000, RWX, GLOBAL);
    view.switch(1);
    view.fill(0, 0x3000, 0x1_0000, RWX, GLOBAL);
    assert_eq!(view.mark_code(0x1_0000, 3), Ok(true));
    assert!(!view.refresh());
    assert!(!view.can_store(0, 0x3000, 1));
    view.switch(0);
    assert!(!view.can_store(0, 0x1000, 1));
    assert!(view.can_store(0, 0x2000, 1), "another page");
    assert_eq!(view.load::<u8>(0, 0x1000), Some(0));
}
