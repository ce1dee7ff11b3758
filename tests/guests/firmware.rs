//! SeaBIOS on the example `firmware`: from its banner to a boot sector, and to its end without one; Memtest86+ as what it boots.

use crate::guests;
use crate::support::{Folder, example, run, text};

/// A boot sector: reads the second sector by INT 13h, waits by HLT until INT 1Ah tells that the timer's interrupt has come, prints the sector
/// on the debug port, and pulls the keyboard controller's reset line.
const BOOT: [u8; 56] = [
    0x31, 0xc0, // xor ax, ax
    0x8e, 0xd8, 0x8e, 0xc0, // mov ds, ax; mov es, ax
    0xb8, 0x01, 0x02, // mov ax, 0201h
    0xb9, 0x02, 0x00, // mov cx, 2
    0x31, 0xd2, // xor dx, dx
    0xbb, 0x00, 0x7e, // mov bx, 7e00h
    0xcd, 0x13, // int 13h
    0x72, 0x1e, // jc end
    0xb4, 0x00, 0xcd, 0x1a, // mov ah, 0; int 1ah
    0x89, 0xd3, // mov bx, dx
    0xf4, // wait: hlt
    0xb4, 0x00, 0xcd, 0x1a, // mov ah, 0; int 1ah
    0x39, 0xda, // cmp dx, bx
    0x74, 0xf7, // je wait
    0xbe, 0x00, 0x7e, // mov si, 7e00h
    0xba, 0x02, 0x04, // mov dx, 402h
    0xfc, // cld
    0xac, // print: lodsb
    0x84, 0xc0, // test al, al
    0x74, 0x03, // jz end
    0xee, // out dx, al
    0xeb, 0xf8, // jmp print
    0xb0, 0xfe, 0xe6, 0x64, // end: mov al, 0feh; out 64h, al
    0xf4, // hlt
];
/// 160 KiB: the smallest that a BIOS knows.
const FLOPPY: usize = 160 << 10;

#[track_caller]
fn prints_in_order(printed: &str, lines: &[&str]) {
    let mut rest = printed;
    for line in lines {
        let Some(at) = rest.find(line) else {
            panic!("no {line:?} in its place:\n{printed}");
        };
        rest = &rest[at + line.len()..];
    }
}

#[test]
fn seabios_without_anything_to_boot() {
    let Some(guests) = guests() else { return };
    let output = run(example("firmware").arg(guests.join("bios.bin")), "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    let expected = [
        "SeaBIOS (version",
        "Found QEMU fw_cfg",
        "RamSize: 0x02000000",
        "Found 1 cpu(s)",
        "PS2 keyboard initialized",
        "Booting from Floppy...",
        "Boot failed",
        "Booting from Hard Disk...",
        "Boot failed",
        "No bootable device.",
        "Rebooting.",
    ];
    prints_in_order(&printed, &expected);
}

#[test]
fn seabios_boots_a_floppy() {
    let Some(guests) = guests() else { return };
    let folder = Folder::new();
    let mut image = vec![0; FLOPPY];
    image[..BOOT.len()].copy_from_slice(&BOOT);
    image[510..512].copy_from_slice(&[0x55, 0xaa]);
    image[512..532].copy_from_slice(b"the second sector.\n\0");
    let floppy = folder.file("floppy.img", image);
    let mut firmware = example("firmware");
    firmware.args(["--memory", "64", "--floppy"]).arg(floppy);
    let output = run(firmware.arg(guests.join("bios.bin")), "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    let expected = [
        "SeaBIOS (version",
        "RamSize: 0x04000000",
        "Booting from 0000:7c00",
        "the second sector.",
    ];
    prints_in_order(&printed, &expected);
}

/// 16-bit set-up code, then 64-bit mode with its own page tables, relocation, and patterns all over memory.
#[test]
fn memtest_finds_no_errors() {
    let Some(guests) = guests() else { return };
    let folder = Folder::new();
    let mut image = std::fs::read(guests.join("memtest86+.bin")).expect("the guest is there");
    image.resize(1440 << 10, 0);
    let floppy = folder.file("memtest.img", image);
    let mut firmware = example("firmware");
    firmware
        .args(["--memory", "17", "--until", "Test #4", "--floppy"])
        .arg(floppy);
    let output = run(firmware.arg(guests.join("bios.bin")), "");
    let printed = text(&output);
    assert!(output.status.success(), "{printed}");
    let expected = ["Memtest86+ v", "Testing", "Errors: 0\n"];
    prints_in_order(&printed, &expected);
}
