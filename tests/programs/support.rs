//! Builds an example in the profile of the test and runs it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

/// The workspace.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The program of an example, freshly built.
pub fn example(name: &str) -> Command {
    let profile = build("xhv-examples", &["--example", name]);
    Command::new(profile.join("examples").join(name))
}

/// A program of a package, freshly built.
pub fn binary(package: &str, name: &str) -> Command {
    Command::new(build(package, &["--bin", name]).join(name))
}

/// Builds in the profile of the test and answers the folder of that profile.
fn build(package: &str, what: &[&str]) -> PathBuf {
    let test = std::env::current_exe().expect("the test has a path");
    let profile = test
        .parent()
        .and_then(Path::parent)
        .expect("the test lies in the target folder");
    // Once for each: cargo would look through the workspace every time.
    static BUILT: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    if !built.insert(format!("{package} {what:?}")) {
        return profile.to_owned();
    }
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build
        .current_dir(root())
        .args(["build", "-q", "-p", package])
        .args(what);
    if profile.ends_with("release") {
        build.arg("--release");
    }
    let status = build.status().expect("cargo runs");
    assert!(status.success(), "{what:?} of {package} does not build");
    profile.to_owned()
}

/// Runs a command with some input to its end.
pub fn run(command: &mut Command, input: &str) -> Output {
    use std::io::Write;
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the example starts");
    // A program that has ended does not read: that is no failure of the test.
    let _ = child
        .stdin
        .take()
        .expect("it has an input")
        .write_all(input.as_bytes());
    child.wait_with_output().expect("the example ends")
}

/// Runs a build tool; `false`, said aloud, if this machine does not have it.
pub fn tool(command: &mut Command) -> bool {
    match command.output() {
        Ok(output) => {
            assert!(output.status.success(), "{command:?}: {}", text(&output));
            true
        }
        Err(_) if std::env::var_os("XHV_REQUIRE").is_none() => {
            eprintln!(
                "SKIPPED: {:?} is not on this machine",
                command.get_program()
            );
            false
        }
        Err(why) => panic!("{:?}: {why}", command.get_program()),
    }
}

/// What a command printed, as text.
pub fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// A new folder that goes away with its owner.
pub struct Folder(pub PathBuf);

impl Folder {
    /// Makes one.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path =
            std::env::temp_dir().join(format!("xhv-examples-{}-{number}", std::process::id()));
        std::fs::create_dir_all(&path).expect("a folder for the test");
        Self(path)
    }

    /// Writes a file in it.
    pub fn file(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).expect("a file for the test");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
