//! What an object has in its own dictionary, without making one.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

// Part of CPython's C-API, which pyo3-ffi does not declare.
unsafe extern "C" {
    fn _PyObject_GetDictPtr(object: *mut ffi::PyObject) -> *mut *mut ffi::PyObject;
}

/// Whether somebody has set this very attribute on the object, so that it hides what the class has.
///
/// Worth the raw call: natives ask before each step that a program could have replaced, most objects
/// have no dictionary at all, and `__dict__` would make one.
#[inline]
pub(crate) fn has_own(object: &Bound<'_, PyAny>, name: &Bound<'_, PyString>) -> bool {
    // SAFETY: the object is alive.
    let place = unsafe { _PyObject_GetDictPtr(object.as_ptr()) };
    if place.is_null() {
        return false;
    }
    // SAFETY: the place is in the object, or belongs to it.
    let dict = unsafe { *place };
    // SAFETY: null, or a dictionary that the object keeps alive.
    let dict = unsafe { Borrowed::from_ptr_or_opt(object.py(), dict) };
    dict.is_some_and(|dict| {
        dict.cast::<PyDict>()
            .is_ok_and(|dict| dict.contains(name).unwrap_or(true))
    })
}
