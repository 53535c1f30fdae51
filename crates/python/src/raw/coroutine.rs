//! Going on with a coroutine through `PyIter_Send`, which needs no `StopIteration` for a result.

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;

/// What a coroutine did.
pub(crate) enum Sent<'py> {
    /// It gave way.
    Nothing,
    /// It yielded something, which it waits for.
    Yielded(Bound<'py, PyAny>),
    /// It ended.
    Returned(Bound<'py, PyAny>),
    /// It failed.
    Raised(PyErr),
}

impl<'py> Sent<'py> {
    #[inline]
    fn yielded(value: Bound<'py, PyAny>) -> Self {
        if value.is_none() {
            Self::Nothing
        } else {
            Self::Yielded(value)
        }
    }
}

/// Sends None into a coroutine, a generator, or anything that has a `send` method.
#[inline]
pub(crate) fn send<'py>(coro: &Bound<'py, PyAny>) -> Sent<'py> {
    let py = coro.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: `py` proves that there is an interpreter, and so its None.
    let none = unsafe { ffi::Py_None() };
    // SAFETY: `coro` is alive, and `result` is a place for the answer.
    let status = unsafe { ffi::PyIter_Send(coro.as_ptr(), none, &raw mut result) };
    if status == ffi::PySendResult::PYGEN_ERROR {
        return Sent::Raised(PyErr::fetch(py));
    }
    // SAFETY: the call did not fail, so that it gave us a reference to an object.
    let result = unsafe { Bound::from_owned_ptr(py, result) };
    if status == ffi::PySendResult::PYGEN_RETURN {
        Sent::Returned(result)
    } else {
        Sent::yielded(result)
    }
}

/// Throws an exception into a coroutine.
pub(crate) fn throw<'py>(coro: &Bound<'py, PyAny>, exception: &Bound<'py, PyAny>) -> Sent<'py> {
    let py = coro.py();
    match coro.call_method1(intern!(py, "throw"), (exception,)) {
        Ok(value) => Sent::yielded(value),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            match error.value(py).getattr(intern!(py, "value")) {
                Ok(value) => Sent::Returned(value),
                Err(error) => Sent::Raised(error),
            }
        }
        Err(error) => Sent::Raised(error),
    }
}

/// Whether `object` is a coroutine made by `async def`.
#[inline]
pub(crate) fn is_coroutine(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive, and its class is compared only.
    unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) != 0 }
}

/// Whether `object` is a generator.
pub(crate) fn is_generator(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive, and its class is compared only.
    unsafe { ffi::PyGen_CheckExact(object.as_ptr()) != 0 }
}
