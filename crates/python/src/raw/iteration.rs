//! A future as its own iterator: `await` asks it for the next value by its type's slot, and no
//! iterator has to be made.
//!
//! The slot is set without the method `__next__`, so that futures do not pass for iterators
//! (`collections.abc.Iterator`), which asyncio's are not. A subclass made in Python does not inherit
//! the slot; its futures get an iterator object.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::future::{AwaitStep, Future};

/// Lets instances of `class`, which is `Future` or derived from it, be their own iterators.
pub(crate) fn install(py: Python<'_>, class: &Bound<'_, PyType>) -> PyResult<()> {
    if !class.is_subclass_of::<Future>()? {
        return Err(pyo3::exceptions::PyTypeError::new_err(
            "a class of futures was expected",
        ));
    }
    let _attached = py;
    // SAFETY: the class is ours and nobody has made a subclass yet that could have inherited the slot.
    unsafe { (*class.as_type_ptr()).tp_iternext = Some(next) };
    Ok(())
}

/// Whether `future` can be asked for the next value by its slot.
#[inline]
pub(crate) fn is_own_iterator(future: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the class of a living object is alive.
    let slot = unsafe { (*future.get_type_ptr()).tp_iternext };
    slot.is_some_and(|slot| ptr::fn_addr_eq(slot, next as ffi::iternextfunc))
}

unsafe extern "C" fn next(future: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls slots with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter hands us an object that is alive during the call.
    let future = unsafe { Borrowed::from_ptr(py, future) };
    // SAFETY: the slot was set in `Future` and classes derived from it only.
    let future = unsafe { future.cast_unchecked::<Future>() };
    match catch_unwind(AssertUnwindSafe(|| future.get().advance(py))) {
        Ok(Ok(AwaitStep::Wait)) => future.to_owned().into_ptr(),
        Ok(Ok(AwaitStep::Return(result))) => {
            stop_with(py, result);
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

/// Ends an iteration with a result. For None, which most have, no exception is needed.
#[inline]
fn stop_with(py: Python<'_>, result: Bound<'_, PyAny>) {
    if result.is_none() {
        return;
    }
    match py.get_type::<PyStopIteration>().call1((result,)) {
        Ok(stop) => PyErr::from_value(stop).restore(py),
        Err(error) => error.restore(py),
    }
}
