//! Makes the `Py_3_12`, `Py_GIL_DISABLED` … flags of the interpreter at hand known to the compiler, and whether it
//! is optimising by a profile known to the extension.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    // Cargo sets it for build scripts, and runs them again when what it watches has changed.
    let flags = std::env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let optimised_by = if flags.contains("profile-use=") {
        "a profile"
    } else {
        "rules"
    };
    println!("cargo::rustc-env=AIOXIDE_OPTIMISED_BY={optimised_by}");
    for variable in ["RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
}
