//! Asking how many owners an object has.

use pyo3::ffi;
use pyo3::prelude::*;

/// Whether `object` has no owner but the caller. The collector may ask, too.
pub(crate) fn is_sole<T>(object: &Py<T>) -> bool {
    // SAFETY: the object is alive, because `object` owns a reference to it; the count is only read.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) == 1 }
}

/// Whether to let go of `object` deallocates no other: somebody else owns it, too, or it is of a class that refers to none.
#[inline]
pub(crate) fn ends_alone(object: &Py<PyAny>) -> bool {
    if count(object) > 1 {
        return true;
    }
    // SAFETY: the object is alive, because `object` owns a reference to it.
    let class = unsafe { ffi::Py_TYPE(object.as_ptr()) };
    // SAFETY: a class lives as long as its objects.
    unsafe { ffi::PyType_HasFeature(class, ffi::Py_TPFLAGS_HAVE_GC) == 0 }
}

/// How many references to `object` there are.
#[inline]
pub(crate) fn count<T>(object: &Py<T>) -> isize {
    // SAFETY: the object is alive, because `object` owns a reference to it; the count is only read.
    unsafe { ffi::Py_REFCNT(object.as_ptr()) }
}
