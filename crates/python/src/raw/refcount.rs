//! Asking how many owners an object has.

use pyo3::ffi;
use pyo3::prelude::*;

/// Whether `object` has no owner but the caller. The collector may ask, too.
pub(crate) fn is_sole<T>(object: &Py<T>) -> bool {
    // SAFETY: the object is alive, because `object` owns a reference to it; the count is only read.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// How many references to `object` there are.
#[inline]
pub(crate) fn count<T>(object: &Py<T>) -> isize {
    // SAFETY: the object is alive, because `object` owns a reference to it; the count is only read.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}
