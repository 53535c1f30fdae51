//! Reprs that meet themselves.

use pyo3::ffi;
use pyo3::prelude::*;

/// What asyncio's reprs show in place of an object whose repr is being made already.
const RECURSIVE_REPR: &str = "...";

struct Entered<'a, 'py>(&'a Bound<'py, PyAny>);

impl Drop for Entered<'_, '_> {
    fn drop(&mut self) {
        // SAFETY: the object is alive, and its repr was entered by this thread.
        unsafe { ffi::Py_ReprLeave(self.0.as_ptr()) };
    }
}

/// Makes the repr of `object`, unless that is being made already.
pub(crate) fn guarded_repr(
    object: &Bound<'_, PyAny>,
    repr: impl FnOnce() -> PyResult<String>,
) -> PyResult<String> {
    // SAFETY: the object is alive, and `object` proves that this thread is attached.
    match unsafe { ffi::Py_ReprEnter(object.as_ptr()) } {
        0 => {
            let _entered = Entered(object);
            repr()
        }
        1 => Ok(RECURSIVE_REPR.to_owned()),
        _ => Err(PyErr::fetch(object.py())),
    }
}
