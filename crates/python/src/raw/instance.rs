//! Objects of classes made in Python, without a call of their `__init__`.
//!
//! Worth the raw call: for a connection that is accepted, `__init__` would do no more than to store what is known here,
//! and takes a frame for it.

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};

/// An empty object of `class`, as `object.__new__(class)`.
pub(crate) fn of<'py>(class: &Bound<'py, PyType>) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    // SAFETY: Python's own class, of which nobody changes the field.
    let Some(make) = (unsafe { ffi::PyBaseObject_Type.tp_new }) else {
        return Err(PySystemError::new_err("object cannot be made"));
    };
    let nothing = PyTuple::empty(py);
    // SAFETY: the class and the tuple are alive, and there may be no keywords.
    let object = unsafe { make(class.as_type_ptr(), nothing.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: a new reference, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, object) }
}
