//! `firmware` with a BIOS of our own, and bad input. `tests/guests` starts SeaBIOS.

use crate::support::{Folder, example, run, text};

/// Code at the reset vector: mov dx, 402h; mov al, '!'; out dx, al; mov dx, 0cf9h; mov al, 6; out dx, al; hlt.
const RESET: [u8; 13] = [
    0xba, 0x02, 0x04, 0xb0, 0x21, 0xee, 0xba, 0xf9, 0x0c, 0xb0, 0x06, 0xee, 0xf4,
];

#[test]
fn a_bios_begins_at_its_reset_vector() {
    let folder = Folder::new();
    for size in [4096, 0x2_0000, 0x4_0000] {
        let mut bios = vec![0; size];
        bios[size - 16..size - 3].copy_from_slice(&RESET);
        let bios = folder.file("bios", &bios);
        let output = run(example("firmware").arg(bios), "");
        assert_eq!(text(&output), "!", "{size:#x} bytes");
        assert_eq!(output.status.code(), Some(0));
    }
}

#[test]
fn bad_input() {
    let folder = Folder::new();
    let files = [
        folder.file("empty", ""),
        folder.file("odd", [0; 100]),
        folder.file("large", vec![0; 2 << 20]),
        folder.0.join("missing"),
    ];
    let words = ["--memory 1 x", "--until", "--what", "a b", ""];
    let files = files.map(|file| vec![file.into_os_string()]);
    let words = words.map(|words| words.split_whitespace().map(Into::into).collect());
    for arguments in files.into_iter().chain(words) {
        let output = run(example("firmware").args(&arguments), "");
        let told = text(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(
            told.starts_with("firmware: ") && !told.contains("panicked"),
            "{told}"
        );
    }
}
