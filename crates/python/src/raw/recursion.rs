//! Calls that meet themselves: reprs, and coroutines that await each other without end.

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

struct Depth;

impl Drop for Depth {
    fn drop(&mut self) {
        // SAFETY: one level was entered by this thread, and is left once.
        unsafe { ffi::Py_LeaveRecursiveCall() };
    }
}

/// Makes a call that may lead back to itself.
///
/// # Errors
/// `RecursionError` if it has done so too often.
#[inline]
pub(crate) fn guarded<R>(py: Python<'_>, call: impl FnOnce() -> R) -> Result<R, Box<PyErr>> {
    // SAFETY: `py` proves that this thread is attached; the text is static.
    if unsafe { ffi::Py_EnterRecursiveCall(c" in a native coroutine".as_ptr()) } != 0 {
        return Err(Box::new(PyErr::fetch(py)));
    }
    let _depth = Depth;
    Ok(call())
}
