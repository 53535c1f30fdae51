//! Raising an exception object as Python's `raise` does.

use pyo3::exceptions::PyBaseException;
use pyo3::ffi;
use pyo3::prelude::*;

/// The error that `raise exception` raises, whatever that is.
pub(crate) fn raise(exception: &Bound<'_, PyAny>) -> PyErr {
    if exception.is_instance_of::<PyBaseException>() {
        raised(exception)
    } else {
        PyErr::from_value(exception.clone())
    }
}

/// The error that raises `exception`, which remembers the exception that is being handled (`__context__`).
pub(crate) fn raised(exception: &Bound<'_, PyAny>) -> PyErr {
    // SAFETY: both objects are alive; whether the class is one of exceptions is checked by the call.
    unsafe { ffi::PyErr_SetObject(exception.get_type_ptr().cast(), exception.as_ptr()) };
    PyErr::fetch(exception.py())
}
