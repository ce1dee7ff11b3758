//! What tests that call rustc themselves share.

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

/// rustc, with this test's library as the crate `xhv`.
pub fn rustc() -> Command {
    let test = std::env::current_exe().unwrap();
    let folder = test.parent().unwrap();
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc
        .args(["--edition", "2024", "--crate-type", "lib"])
        .arg("-L")
        .arg(folder);
    rustc
        .arg("--extern")
        .arg(format!("xhv={}", library(folder).display()));
    rustc
}

/// A file of this process beside the test.
pub fn scratch(extension: &str) -> PathBuf {
    let name = format!("rustc-{}.{extension}", std::process::id());
    std::env::current_exe().unwrap().with_file_name(name)
}
