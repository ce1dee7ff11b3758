//! The package `xhv` carries the tables, though they lie outside its folder.

use std::path::Path;
use std::process::Command;

fn names(folder: &Path) -> Vec<String> {
    let entries =
        std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn the_package_carries_the_tables() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let output = Command::new(env!("CARGO"))
        .args([
            "package",
            "-p",
            "xhv",
            "--list",
            "--allow-dirty",
            "--offline",
        ])
        .current_dir(&root)
        .output()
        .expect("cargo runs");
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let listed = String::from_utf8(output.stdout).unwrap();
    for architecture in ["x86_64", "aarch64"] {
        let tables = names(&root.join("spec").join(architecture));
        assert!(tables.len() >= 7, "only {tables:?}");
        for table in tables {
            let path = format!("spec/{architecture}/{table}");
            assert!(
                listed.lines().any(|line| line == path),
                "{path} is not in the package"
            );
        }
    }
}
