//! Makes the `Py_3_12`, `Py_GIL_DISABLED` … flags of the interpreter at hand known to the compiler.

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
}
