//! A pointer to every C function of Hypervisor.framework that xhv binds, on both architectures: what is linked shows up among the
//! program's imports, which `.ci/macos-cross` compares with the names in `spec/`.
//!
//! Prints the functions, the macOS version that brought each, and whether this process has it. With `names x86_64`,
//! `names aarch64`, `linked x86_64` or `linked aarch64` it prints names only: all, or those that need no look-up at run time.

use xhv::typed::ffi::FunctionInfo;

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [] => print_all(),
        ["names", "x86_64"] => names(xhv::x86_64::ffi::FUNCTIONS, |_| true),
        ["names", "aarch64"] => names(xhv::aarch64::ffi::FUNCTIONS, |_| true),
        ["linked", "x86_64"] => names(xhv::x86_64::ffi::FUNCTIONS, |function| !function.looked_up),
        ["linked", "aarch64"] => {
            names(xhv::aarch64::ffi::FUNCTIONS, |function| !function.looked_up)
        }
        _ => {
            eprintln!("usage: every_binding [names|linked x86_64|aarch64]");
            return std::process::ExitCode::FAILURE;
        }
    }
    std::process::ExitCode::SUCCESS
}

fn names(functions: &[FunctionInfo], which: impl Fn(&FunctionInfo) -> bool) {
    for function in functions.iter().filter(|function| which(function)) {
        println!("{}", function.name);
    }
}

fn print_all() {
    for (architecture, functions) in [
        ("x86_64", xhv::x86_64::ffi::FUNCTIONS),
        ("aarch64", xhv::aarch64::ffi::FUNCTIONS),
    ] {
        println!("{architecture}: {} functions", functions.len());
        for function in functions {
            let how = if function.looked_up {
                "looked up"
            } else {
                "linked"
            };
            let here = if (function.present)() {
                "here"
            } else {
                "absent"
            };
            println!(
                "  {:<44} macOS {:<8} {how:<10} {here:<7} {:p}",
                function.name,
                function.since.to_string(),
                (function.binding)()
            );
        }
    }
}
