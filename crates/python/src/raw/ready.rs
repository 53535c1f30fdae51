//! An awaitable whose result is there already: what an iteration over buffered lines awaits for each line.
//!
//! Worth the raw calls, as nothing else happens for such a line: from Python 3.12 on `await` takes a result as
//! a `StopIteration`, and to make one takes as long as to make the line. Both objects here, the awaitable and the
//! exception, are used again as long as nobody has kept them.

use std::ptr::{self, NonNull};

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PySystemError};
use pyo3::ffi::{self, PySendResult};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::attached::attached;
use super::coroutine_slots::stop_with;
use super::guarded::Guarded;
use super::refcount;

/// What is awaited. Its result is text or bytes: nothing that the collector would have to know of.
#[pyclass(module = "aioxide._core", name = "Ready", frozen)]
pub(crate) struct Ready {
    result: Guarded<Option<Py<PyAny>>>,
}

/// The objects that are used again.
struct Spares {
    ready: Py<Ready>,
    /// A `StopIteration` without arguments. Its value is set for each use.
    #[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
    stop: Py<PyAny>,
}

static SPARES: PyOnceLock<Spares> = PyOnceLock::new();

/// Something that is awaited for `result`, which is text or bytes.
#[inline]
pub(crate) fn with(result: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = result.py();
    if let Some(spares) = SPARES.get(py)
        && !cfg!(Py_GIL_DISABLED)
        && refcount::is_sole(&spares.ready)
    {
        let unused = spares.ready.get().result.replace(py, Some(result.unbind()));
        drop(unused);
        return Ok(spares.ready.bind(py).clone().into_any());
    }
    let result = Guarded::new(Some(result.unbind()));
    Ok(Bound::new(py, Ready { result })?.into_any())
}

impl Ready {
    fn take(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let result = self.result.replace(py, None);
        result.ok_or_else(|| PyRuntimeError::new_err("cannot reuse already awaited coroutine"))
    }
}

#[pymethods]
impl Ready {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        Err(PyStopIteration::new_err((self.take(py)?,)))
    }
}

/// Gives the class its slots. To be called once, before there is any object of it.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Ready>().as_type_ptr();
    // SAFETY: the class is ours, and has no instance yet.
    unsafe { (*class).tp_iternext = Some(next) };
    // SAFETY: as above.
    let Some(slots) = NonNull::new(unsafe { (*class).tp_as_async }) else {
        return Err(PySystemError::new_err("what is ready cannot be awaited"));
    };
    // SAFETY: as above.
    unsafe { (*slots.as_ptr()).am_await = Some(itself) };
    // SAFETY: as above.
    unsafe { (*slots.as_ptr()).am_send = Some(send) };
    let result = Guarded::new(None);
    let spares = Spares {
        ready: Py::new(py, Ready { result })?,
        #[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
        stop: py.get_type::<PyStopIteration>().call0()?.unbind(),
    };
    // Only the first interpreter comes here, once.
    drop(SPARES.set(py, spares));
    Ok(())
}

unsafe extern "C" fn itself(ready: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the interpreter hands us an object that is alive during the call.
    unsafe { ffi::Py_NewRef(ready) }
}

/// The result, or null with an error set.
///
/// # Safety
/// `ready` is one of ours, and alive during the call.
#[inline]
unsafe fn result<'py>(py: Python<'py>, ready: *mut ffi::PyObject) -> Option<Bound<'py, PyAny>> {
    // SAFETY: the caller says so.
    let ready = unsafe { Borrowed::from_ptr(py, ready) };
    // SAFETY: as above.
    let ready = unsafe { ready.cast_unchecked::<Ready>() };
    match ready.get().take(py) {
        Ok(result) => Some(result.into_bound(py)),
        Err(error) => {
            error.restore(py);
            None
        }
    }
}

unsafe extern "C" fn next(ready: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // Not by way of `attached`, which costs more than the rest: nothing is dropped here that PyO3 would keep.
    // SAFETY: the interpreter calls slots with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the slot is that of our class only.
    if let Some(result) = unsafe { result(py, ready) }
        && !stop_again(py, &result)
    {
        stop_with(py, &result);
    }
    ptr::null_mut()
}

unsafe extern "C" fn send(
    ready: *mut ffi::PyObject,
    _value: *mut ffi::PyObject,
    place: *mut *mut ffi::PyObject,
) -> PySendResult {
    let send = |py: Python<'_>| {
        // SAFETY: the slot is that of our class only.
        match unsafe { result(py, ready) } {
            Some(result) => (PySendResult::PYGEN_RETURN, result.into_ptr()),
            None => (PySendResult::PYGEN_ERROR, ptr::null_mut()),
        }
    };
    // SAFETY: the interpreter calls slots with the thread attached.
    let (status, object) = unsafe { attached(send) };
    // SAFETY: the caller has a place for the result.
    unsafe { place.write(object) };
    status
}

/// Raises the `StopIteration` that was raised before, if nobody has kept it. It keeps its value until the next time,
/// so that this is for short ones only.
#[cfg(all(Py_3_12, not(Py_GIL_DISABLED)))]
#[inline]
fn stop_again(py: Python<'_>, result: &Bound<'_, PyAny>) -> bool {
    const SHORT: isize = 4096;
    let Some(spares) = SPARES.get(py) else {
        return false;
    };
    // SAFETY: the result is alive, and of a class that has a length, as all text and bytes have.
    let length = unsafe { ffi::PyObject_Size(result.as_ptr()) };
    if !(0..=SHORT).contains(&length) || !refcount::is_sole(&spares.stop) {
        return false;
    }
    let stop = spares.stop.as_ptr().cast::<ffi::PyStopIterationObject>();
    // SAFETY: it is a StopIteration, which nobody else has.
    let place = unsafe { &raw mut (*stop).value };
    // SAFETY: the object owns what is there; the new value is owned from here on.
    let previous = unsafe { place.replace(result.clone().into_ptr()) };
    // SAFETY: null, or what the exception owned before.
    unsafe { ffi::Py_XDECREF(previous) };
    let raised = spares.stop.clone_ref(py).into_ptr();
    // SAFETY: an exception that is alive; the call takes the reference.
    unsafe { ffi::PyErr_SetRaisedException(raised) };
    true
}

#[cfg(not(all(Py_3_12, not(Py_GIL_DISABLED))))]
#[inline]
fn stop_again(_py: Python<'_>, _result: &Bound<'_, PyAny>) -> bool {
    false
}
