//! `dos`: real programs, saved in the middle, restored in a new process, and every kind of bad input.

use std::path::PathBuf;
use std::process::Command;

use crate::support::{Folder, example, root, run, text};

fn dos(folder: &Folder) -> Command {
    let mut command = example("dos");
    command.current_dir(&folder.0);
    command
}

fn program(name: &str) -> PathBuf {
    root()
        .join("examples/dos/programs")
        .join(name)
        .canonicalize()
        .expect("the program is there")
}

fn squares() -> String {
    (1..=10)
        .map(|n| format!("{n} squared is {}\r\n", n * n))
        .collect()
}

#[test]
fn prints() {
    let folder = Folder::new();
    let output = run(dos(&folder).arg(program("hello.com")), "");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), squares());
}

#[test]
fn counts_words_of_a_file() {
    let folder = Folder::new();
    // More than the program's buffer, with words that cross its end.
    folder.file("BOOK.TXT", "two words\r\n".repeat(1000));
    let output = run(dos(&folder).arg(program("words.com")).arg("book.txt"), "");
    assert!(output.status.success(), "{}", text(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2000 words\r\n");
    let output = run(
        dos(&folder).arg(program("words.com")).arg("nothing.txt"),
        "",
    );
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "cannot read that file\r\n"
    );
    let outside = run(
        dos(&folder).arg(program("words.com")).arg("..\\BOOK.TXT"),
        "",
    );
    assert_eq!(
        outside.status.code(),
        Some(1),
        "a file outside of the folder"
    );
}

/// Wherever the program is stopped: what it printed before and what it prints after make the whole, also with an open file.
#[test]
fn goes_on_from_a_saved_state() {
    let folder = Folder::new();
    folder.file("BOOK.TXT", "one two three\n".repeat(200));
    let state = folder.0.join("state.json");
    for (name, argument, whole, points) in [
        ("hello.com", "", squares(), &[1_u32, 7, 30, 49][..]),
        (
            "words.com",
            "BOOK.TXT",
            "600 words\r\n".to_string(),
            &[1, 2, 3, 5, 8],
        ),
    ] {
        for point in points {
            let mut first = dos(&folder);
            first
                .args(["--save-at", &point.to_string(), "--save"])
                .arg(&state)
                .arg(program(name))
                .arg(argument);
            let first = run(&mut first, "");
            assert!(first.status.success(), "{}", text(&first));
            let second = run(dos(&folder).arg("--restore").arg(&state), "");
            assert!(second.status.success(), "{}", text(&second));
            let both = [first.stdout, second.stdout].concat();
            assert_eq!(
                String::from_utf8_lossy(&both),
                whole,
                "{name} stopped at {point}"
            );
        }
    }
}

#[test]
fn bad_programs_are_told() {
    let folder = Folder::new();
    let cases = [
        (folder.0.join("nothing.com"), "nothing.com"),
        (folder.file("empty.com", ""), "empty file"),
        (
            folder.file("long.com", vec![0x90; 0x1_0000]),
            "more than a .COM program can have",
        ),
        (folder.file("exe.com", b"MZ\x90\0"), ".EXE"),
        // UD2
        (
            folder.file("bad.com", [0x0f, 0x0b]),
            "invalid opcode at 1000:0100",
        ),
        // Division by zero: XOR CX, CX; DIV CX
        (
            folder.file("zero.com", [0x31, 0xc9, 0xf7, 0xf1]),
            "divide overflow at 1000:0102",
        ),
    ];
    for (path, words) in cases {
        let output = run(dos(&folder).arg(path), "");
        assert!(!output.status.success());
        assert!(text(&output).contains(words), "{}", text(&output));
        assert!(!text(&output).contains("panicked"), "{}", text(&output));
    }
}

#[test]
fn bad_states_are_told() {
    let folder = Folder::new();
    let state = folder.0.join("state.json");
    let saved = run(
        dos(&folder)
            .args(["--save-at", "5", "--save"])
            .arg(&state)
            .arg(program("hello.com")),
        "",
    );
    assert!(saved.status.success(), "{}", text(&saved));
    let good = std::fs::read_to_string(&state).expect("the state was written");
    let cases = [
        ("{", "line 1"),
        ("", "line 1"),
        ("[]", "line 1"),
        (&good[..good.len() / 2], "line"),
        (&good.replacen("x86_64", "aarch64", 1), "aarch64"),
        (
            &good
                .replacen("\"version\":1", "\"version\":999", 1)
                .replacen("\"version\": 1", "\"version\": 999", 1),
            "999",
        ),
        (&good.replacen("0x", "0y", 1), "0y"),
    ];
    for (json, words) in cases {
        let path = folder.file("bad.json", json);
        let output = run(dos(&folder).arg("--restore").arg(path), "");
        assert!(!output.status.success(), "{words}");
        assert!(text(&output).contains(words), "{words}: {}", text(&output));
        assert!(!text(&output).contains("panicked"), "{}", text(&output));
        assert_eq!(output.stdout, b"", "nothing was run");
    }
    let missing = run(dos(&folder).args(["--restore", "nowhere.json"]), "");
    assert!(text(&missing).contains("nowhere.json"));
}

/// The programs that are kept as bytes are what the assembler makes of their sources.
#[test]
fn programs_are_their_sources() {
    for name in ["hello", "words"] {
        let folder = Folder::new();
        let out = folder.0.join("out.com");
        let assembled = Command::new("nasm")
            .args(["-f", "bin", "-o"])
            .arg(&out)
            .arg(program(&format!("{name}.asm")))
            .status();
        match assembled {
            Ok(status) => assert!(status.success(), "{name}.asm does not assemble"),
            Err(_) if std::env::var_os("XHV_REQUIRE").is_none() => {
                eprintln!(
                    "SKIPPED: nasm is not on this machine; {name}.com is not compared with its source"
                );
                continue;
            }
            Err(why) => panic!("nasm: {why}"),
        }
        let bytes = std::fs::read(out).expect("nasm wrote it");
        assert_eq!(
            bytes,
            std::fs::read(program(&format!("{name}.com"))).expect("the program is there"),
            "{name}.com"
        );
    }
}
