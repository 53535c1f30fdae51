//! Going on with a coroutine through `PyIter_Send`, which needs no `StopIteration` for a result.

use pyo3::exceptions::{PyStopIteration, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyNone;

/// What a coroutine did. Small, as it is handed through every layer of an await.
pub(crate) enum Sent<'py> {
    /// It gave way.
    Nothing,
    /// It yielded something, which it waits for.
    Yielded(Bound<'py, PyAny>),
    /// It ended.
    Returned(Bound<'py, PyAny>),
    /// It failed.
    Raised(Box<PyErr>),
}

impl<'py> Sent<'py> {
    /// It failed.
    #[cold]
    pub(crate) fn raised(error: PyErr) -> Self {
        Self::Raised(Box::new(error))
    }

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
    send_value(coro, &PyNone::get(coro.py()))
}

/// Sends a value into a coroutine, a generator, or anything that has a `send` method.
#[inline]
pub(crate) fn send_value<'py>(coro: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> Sent<'py> {
    let py = coro.py();
    let mut result = std::ptr::null_mut();
    // SAFETY: both are alive, and `result` is a place for the answer.
    let status = unsafe { ffi::PyIter_Send(coro.as_ptr(), value.as_ptr(), &raw mut result) };
    if status == ffi::PySendResult::PYGEN_ERROR {
        return Sent::raised(PyErr::fetch(py));
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
                Err(error) => Sent::raised(error),
            }
        }
        Err(error) => Sent::raised(error),
    }
}

/// What `await` iterates over to await `object`.
///
/// # Errors
/// `TypeError`, as the interpreter's, if it cannot be awaited.
pub(crate) fn iterator_of<'py>(object: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = object.py();
    if is_coroutine(object) || is_awaitable_generator(object)? {
        return Ok(object.clone());
    }
    let class = object.get_type();
    // SAFETY: the class is alive.
    let slots = unsafe { (*class.as_type_ptr()).tp_as_async };
    let am_await = if slots.is_null() {
        None
    } else {
        // SAFETY: the slots of a class live as long as the class.
        unsafe { (*slots).am_await }
    };
    let Some(am_await) = am_await else {
        return Err(PyTypeError::new_err(format!(
            "object {} can't be used in 'await' expression",
            class.name()?
        )));
    };
    // SAFETY: the slot is that of the object's class.
    let iterator = unsafe { am_await(object.as_ptr()) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let iterator = unsafe { Bound::from_owned_ptr_or_err(py, iterator) }?;
    if is_coroutine(&iterator) {
        return Err(PyTypeError::new_err("__await__() returned a coroutine"));
    }
    // SAFETY: the object is alive.
    if unsafe { ffi::PyIter_Check(iterator.as_ptr()) } == 0 {
        return Err(PyTypeError::new_err(format!(
            "__await__() returned non-iterator of type '{}'",
            iterator.get_type().name()?
        )));
    }
    Ok(iterator)
}

/// Whether `object` is a generator that was made awaitable by `types.coroutine`.
fn is_awaitable_generator(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    /// `inspect.CO_ITERABLE_COROUTINE`.
    const ITERABLE_COROUTINE: u32 = 0x100;
    if !is_generator(object) {
        return Ok(false);
    }
    let py = object.py();
    let code = object.getattr(intern!(py, "gi_code"))?;
    let flags: u32 = code.getattr(intern!(py, "co_flags"))?.extract()?;
    Ok(flags & ITERABLE_COROUTINE != 0)
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
