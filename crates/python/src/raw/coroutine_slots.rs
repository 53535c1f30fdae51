//! Native coroutines driven by slots: `await` and tasks call them without a method in between.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use pyo3::exceptions::{PyBaseException, PyStopIteration, PySystemError};
use pyo3::ffi::{self, PySendResult};
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyNone, PyTuple};

use super::attached::attached;
use crate::routine::{Coroutine, Sent};

/// Gives the class its slots. To be called once, before there is any coroutine.
///
/// `tp_iternext` is what `await` calls; it has no `__next__` beside it, as coroutines are no iterators for Python.
pub(crate) fn install(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Coroutine>().as_type_ptr();
    // SAFETY: the class is ours, and has no instance yet.
    unsafe { (*class).tp_iternext = Some(next) };
    // SAFETY: as above.
    let Some(slots) = NonNull::new(unsafe { (*class).tp_as_async }) else {
        return Err(PySystemError::new_err("a coroutine cannot be awaited"));
    };
    // SAFETY: as above.
    unsafe { (*slots.as_ptr()).am_await = Some(itself) };
    // SAFETY: as above.
    unsafe { (*slots.as_ptr()).am_send = Some(send) };
    Ok(())
}

unsafe extern "C" fn itself(coroutine: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter hands us an object that is alive during the call.
    unsafe { ffi::Py_NewRef(coroutine) }
}

/// One step.
///
/// # Safety
/// Both are alive during the call, this thread is attached, and `coroutine` is one of ours.
#[inline]
unsafe fn step<'py>(
    py: Python<'py>,
    coroutine: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> Sent<'py> {
    // SAFETY: the caller says so.
    let coroutine = unsafe { Borrowed::from_ptr(py, coroutine) };
    // SAFETY: as above.
    let coroutine = unsafe { coroutine.cast_unchecked::<Coroutine>() };
    // SAFETY: as above.
    let value = unsafe { Borrowed::from_ptr(py, value) };
    catch_unwind(AssertUnwindSafe(|| coroutine.get().send_value(&value))).unwrap_or_else(|_panic| {
        Sent::raised(PanicException::new_err("a coroutine failed to go on"))
    })
}

/// Goes on with a pause, if this is one: whether it gives way, or is over.
///
/// Nothing is dropped here that PyO3 would keep, so that it is not asked whether the thread is attached.
///
/// # Safety
/// `coroutine` is one of ours and alive during the call.
#[inline]
unsafe fn pause(py: Python<'_>, coroutine: *mut ffi::PyObject) -> Option<bool> {
    // SAFETY: the caller says so.
    let coroutine = unsafe { Borrowed::from_ptr(py, coroutine) };
    // SAFETY: as above.
    let coroutine = unsafe { coroutine.cast_unchecked::<Coroutine>() };
    coroutine.get().go_on_pausing(py)
}

unsafe extern "C" fn next(coroutine: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls slots with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the slot is that of coroutines of ours only.
    match unsafe { pause(py, coroutine) } {
        Some(true) => py.None().into_ptr(),
        Some(false) => ptr::null_mut(),
        // SAFETY: as above.
        None => unsafe { attached(|py| next_attached(py, coroutine)) },
    }
}

/// What `next` does.
#[inline]
fn next_attached(py: Python<'_>, coroutine: *mut ffi::PyObject) -> *mut ffi::PyObject {
    let none = PyNone::get(py);
    // SAFETY: the slot is that of coroutines of ours only, and None is alive.
    match unsafe { step(py, coroutine, none.as_ptr()) } {
        Sent::Nothing => py.None().into_ptr(),
        Sent::Yielded(value) => value.into_ptr(),
        Sent::Returned(value) => {
            stop_with(py, &value);
            ptr::null_mut()
        }
        Sent::Raised(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

unsafe extern "C" fn send(
    coroutine: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> PySendResult {
    // SAFETY: the interpreter calls slots with the thread attached.
    let py = unsafe { Python::assume_attached() };
    let paused = if PyNone::get(py).as_ptr() == value {
        // SAFETY: the slot is that of coroutines of ours only.
        unsafe { pause(py, coroutine) }
    } else {
        None
    };
    let (status, object) = match paused {
        Some(true) => (PySendResult::PYGEN_NEXT, py.None().into_ptr()),
        Some(false) => (PySendResult::PYGEN_RETURN, py.None().into_ptr()),
        // SAFETY: as above.
        None => unsafe { attached(|py| send_attached(py, coroutine, value)) },
    };
    // SAFETY: the caller has a place for the result.
    unsafe { result.write(object) };
    status
}

/// What `send` does.
#[inline]
fn send_attached(
    py: Python<'_>,
    coroutine: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> (PySendResult, *mut ffi::PyObject) {
    // SAFETY: the slot is that of coroutines of ours only; the caller keeps the value alive.
    match unsafe { step(py, coroutine, value) } {
        Sent::Nothing => (PySendResult::PYGEN_NEXT, py.None().into_ptr()),
        Sent::Yielded(value) => (PySendResult::PYGEN_NEXT, value.into_ptr()),
        Sent::Returned(value) => (PySendResult::PYGEN_RETURN, value.into_ptr()),
        Sent::Raised(error) => {
            error.restore(py);
            (PySendResult::PYGEN_ERROR, ptr::null_mut())
        }
    }
}

/// Ends an iteration with a result. For None, which many have, no exception is needed.
#[inline]
pub(super) fn stop_with(py: Python<'_>, result: &Bound<'_, PyAny>) {
    if result.is_none() {
        return;
    }
    #[cfg(Py_3_12)]
    if super::stop_iteration::raise(py, result) {
        return;
    }
    let class = py.get_type::<PyStopIteration>();
    if !result.is_instance_of::<PyTuple>() && !result.is_instance_of::<PyBaseException>() {
        // SAFETY: both are alive. The interpreter makes the exception, if it needs one.
        unsafe { ffi::PyErr_SetObject(class.as_ptr(), result.as_ptr()) };
        return;
    }
    // Left to the interpreter, these would be taken for the arguments, or for the exception.
    match class.call1((result,)) {
        Ok(stop) => PyErr::from_value(stop).restore(py),
        Err(error) => error.restore(py),
    }
}
