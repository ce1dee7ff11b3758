//! Chooses how the software engine dispatches: see `src/engine/software/dispatch/mod.rs`.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // At opt-level 0 rustc emits no sibling calls, and handlers that call the next would use up the stack.
    if std::env::var("OPT_LEVEL").as_deref() == Ok("0") {
        println!("cargo::rustc-cfg=xhv_loop_dispatch");
    }
}
