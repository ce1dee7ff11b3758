//! A typed read or write compiles to the instructions of the raw call: counted in the assembly of `cost/pairs.rs`.

use std::path::Path;

mod common;

/// The instructions of a function; none if the compiler made it another name of an equal one.
fn instructions(assembly: &str, function: &str) -> Option<usize> {
    let labels = [format!("{function}:"), format!("_{function}:")];
    let mut lines = assembly
        .lines()
        .skip_while(|line| !labels.iter().any(|label| line == label));
    lines.next()?;
    let body = lines.take_while(|line| !line.contains(".cfi_endproc"));
    let is_instruction = |line: &&str| line.starts_with('\t') && !line.starts_with("\t.");
    Some(body.filter(is_instruction).count())
}

#[test]
fn a_typed_access_costs_no_instruction() {
    let file = common::scratch("s");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cost/pairs.rs");
    let output = common::rustc()
        .args(["-C", "opt-level=3", "--emit", "asm", "-o"])
        .arg(&file)
        .arg(source)
        .output()
        .expect("rustc runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let assembly = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(file).unwrap();
    for access in ["rip", "cr0", "wvmcs", "efer"] {
        let raw = instructions(&assembly, &format!("raw_{access}"));
        let typed = instructions(&assembly, &format!("typed_{access}"));
        println!("{access}: raw {raw:?}, typed {typed:?}");
        assert!(
            raw.is_some() || typed.is_some(),
            "{access} is in the assembly"
        );
        if let (Some(raw), Some(typed)) = (raw, typed) {
            assert!(
                typed <= raw && raw > 3,
                "{access}: raw {raw}, typed {typed}"
            );
        }
    }
}
