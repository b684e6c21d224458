//! Exports `sleep` from the program, so that XRT's emulation finds ours (`src/sleep.rs`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "linux") {
        println!("cargo:rustc-link-arg-bin=tercet=-Wl,--export-dynamic-symbol=sleep");
    }
}
