//! A future as its own iterator: `await` asks its type's slots for an iterator and for the next value,
//! and no iterator has to be made.
//!
//! The slots are set without the methods `__await__` and `__next__`, which Python sees: `__await__`
//! called by name returns an iterator object with `send` and `throw`, as asyncio's does, and futures do not
//! pass for iterators (`collections.abc.Iterator`). A subclass made in Python does not
//! inherit the slots, and its futures have iterator objects.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::attached::attached;
use super::coroutine_slots::stop_with;
use crate::future::{AwaitStep, Future};

/// Lets instances of `class`, which is `Future` or derived from it, be their own iterators.
pub(crate) fn install(class: &Bound<'_, PyType>) -> PyResult<()> {
    if !class.is_subclass_of::<Future>()? {
        return Err(PyTypeError::new_err("a class of futures was expected"));
    }
    let class = class.as_type_ptr();
    // SAFETY: the class is ours and nobody has made a subclass yet that could have inherited the slot.
    unsafe { (*class).tp_iternext = Some(next) };
    // SAFETY: as above.
    let Some(slots) = NonNull::new(unsafe { (*class).tp_as_async }) else {
        return Err(PySystemError::new_err(
            "a class of futures cannot be awaited",
        ));
    };
    // SAFETY: as above.
    unsafe { (*slots.as_ptr()).am_await = Some(itself) };
    Ok(())
}

unsafe extern "C" fn itself(future: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter hands us an object that is alive during the call.
    unsafe { ffi::Py_NewRef(future) }
}

unsafe extern "C" fn next(future: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls slots with the thread attached.
    unsafe { attached(|py| next_attached(py, future)) }
}

/// What `next` does.
#[inline]
fn next_attached(py: Python<'_>, future: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter hands us an object that is alive during the call.
    let future = unsafe { Borrowed::from_ptr(py, future) };
    // SAFETY: the slot was set in `Future` and classes derived from it only.
    let future = unsafe { future.cast_unchecked::<Future>() };
    match catch_unwind(AssertUnwindSafe(|| future.get().advance(py))) {
        Ok(Ok(AwaitStep::Wait)) => future.to_owned().into_ptr(),
        Ok(Ok(AwaitStep::Return(result))) => {
            stop_with(py, &result);
            ptr::null_mut()
        }
        Ok(Err(error)) => {
            error.restore(py);
            ptr::null_mut()
        }
        Err(_panic) => {
            PanicException::new_err("a future failed to advance").restore(py);
            ptr::null_mut()
        }
    }
}
