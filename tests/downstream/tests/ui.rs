//! Programs that must not compile: what rustc says, and at which token, is in the `.stderr` beside each.
//! `XHV_BLESS=1` writes these anew.

use std::path::{Path, PathBuf};

mod common;

/// `line:column: error: message` for each error.
fn errors(case: &Path) -> String {
    let output = common::rustc()
        .args(["--emit", "metadata", "--error-format", "short"])
        .arg("-o")
        .arg(common::scratch("rmeta"))
        .arg(case)
        .output()
        .expect("rustc runs");
    assert!(!output.status.success(), "{} compiles", case.display());
    let text = String::from_utf8(output.stderr).unwrap();
    let prefix = format!("{}:", case.display());
    let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines
        .filter(|line| line.contains("error"))
        .map(|line| line.to_string() + "\n")
        .collect()
}

#[test]
fn what_is_wrong_does_not_compile() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/ui");
    let bless = std::env::var_os("XHV_BLESS").is_some();
    let mut cases: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .collect();
    cases.sort();
    assert!(cases.len() >= 6);
    for case in cases {
        let found = errors(&case);
        let file = case.with_extension("stderr");
        if bless {
            std::fs::write(&file, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, expected, "{}", case.display());
    }
}
