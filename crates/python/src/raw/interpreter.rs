//! Which interpreter of the process this is.

use pyo3::ffi;
use pyo3::prelude::*;

/// Whether this is the process's first interpreter, and not a subinterpreter.
pub(crate) fn is_main(_py: Python<'_>) -> bool {
    // SAFETY: `_py` proves that this thread is attached, and so has an interpreter.
    let this = unsafe { ffi::PyInterpreterState_Get() };
    // SAFETY: as above, so that the runtime has its first interpreter; only addresses are compared.
    this == unsafe { ffi::PyInterpreterState_Main() }
}
