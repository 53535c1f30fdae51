//! Raising an exception object as Python's `raise` does.

use pyo3::ffi;
use pyo3::prelude::*;

/// The error that raises `exception`, which remembers the exception that is being handled (`__context__`).
pub(crate) fn raised(exception: &Bound<'_, PyAny>) -> PyErr {
    // SAFETY: both objects are alive; whether the class is one of exceptions is checked by the call.
    unsafe { ffi::PyErr_SetObject(exception.get_type_ptr().cast(), exception.as_ptr()) };
    PyErr::fetch(exception.py())
}
