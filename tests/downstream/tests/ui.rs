//! Programs that must not compile: what rustc says, and at which token, is in the `.stderr` beside each.
//! `XHV_BLESS=1` writes these anew.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The library that this test itself was linked with, or a newer build of it.
fn library(folder: &Path) -> PathBuf {
    let entries = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let is_library = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.starts_with("libxhv-") && name.ends_with(".rlib")
    };
    let modified = |path: &PathBuf| path.metadata().and_then(|data| data.modified()).ok();
    entries
        .filter(is_library)
        .max_by_key(modified)
        .expect("libxhv-*.rlib beside this test")
}

/// `line:column: error: message` for each error.
fn errors(case: &Path) -> String {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc)
        .args([
            "--edition",
            "2024",
            "--crate-type",
            "lib",
            "--emit",
            "metadata",
            "--error-format",
            "short",
        ])
        .arg("-L")
        .arg(folder)
        .arg("--extern")
        .arg(format!("xhv={}", library(folder).display()))
        .arg("-o")
        .arg(folder.join(format!("ui-{}.rmeta", std::process::id())))
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
