//! `hello_arm`: MMU, FPU, timer interrupt and PSCI of a program at EL1.

use std::process::Command;

use crate::support::{Folder, example, root, run, text};

#[test]
fn prints_computes_and_ticks() {
    let output = run(&mut example("hello_arm"), "");
    assert!(output.status.success(), "{}", text(&output));
    let expected = "hello from EL1 with the MMU on\nthe square root of 2 is 1.4142135623731\nthe timer has ticked\n";
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
}

#[test]
fn bad_images_are_told() {
    let folder = Folder::new();
    let cases = [
        (folder.0.join("nothing.bin"), "nothing.bin"),
        (
            folder.file("long.bin", vec![0; (4 << 20) + 1]),
            "does not fit",
        ),
        // A jump to where no memory is: MOV X0, #0; BR X0
        (
            folder.file("lost.bin", [0_u8, 0, 0x80, 0xd2, 0, 0, 0x1f, 0xd6]),
            "InstructionAbort",
        ),
    ];
    for (path, words) in cases {
        let output = run(example("hello_arm").arg(path), "");
        assert!(!output.status.success());
        assert!(
            text(&output).contains(words) && !text(&output).contains("panicked"),
            "{}",
            text(&output)
        );
    }
}

/// The program that is kept as bytes is what the assembler makes of its source.
#[test]
fn the_program_is_its_source() {
    let (folder, sources) = (Folder::new(), root().join("examples/hello_arm"));
    let (object, binary) = (folder.0.join("hello.o"), folder.0.join("hello.bin"));
    let assembled = Command::new("aarch64-linux-gnu-gcc")
        .arg("-c")
        .arg("-o")
        .arg(&object)
        .arg(sources.join("hello.S"))
        .status();
    match assembled {
        Ok(status) => assert!(status.success(), "hello.S does not assemble"),
        Err(_) if std::env::var_os("XHV_REQUIRE").is_none() => {
            eprintln!(
                "SKIPPED: aarch64-linux-gnu-gcc is not on this machine; hello.bin is not compared with its source"
            );
            return;
        }
        Err(why) => panic!("aarch64-linux-gnu-gcc: {why}"),
    }
    let copied = Command::new("aarch64-linux-gnu-objcopy")
        .args(["-O", "binary", "-j", ".text"])
        .arg(object)
        .arg(&binary)
        .status();
    assert!(copied.expect("objcopy comes with the assembler").success());
    assert_eq!(
        std::fs::read(binary).expect("objcopy wrote it"),
        std::fs::read(sources.join("hello.bin")).expect("it is there")
    );
}
