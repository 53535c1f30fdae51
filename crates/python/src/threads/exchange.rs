//! What asyncio's futures and those of `concurrent.futures` take from each other.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyTuple, PyType};

/// The class `concurrent.futures.Future`.
pub(super) fn thread_future_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "concurrent.futures", "Future")
}

/// The class `concurrent.futures.CancelledError`.
pub(super) fn thread_cancelled_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "concurrent.futures", "CancelledError")
}

/// The exception that asyncio makes of one of `concurrent.futures`, which has classes of its own for the same.
pub(super) fn converted(exception: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    static INVALID_STATE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = exception.py();
    let invalid_state = INVALID_STATE.import(py, "concurrent.futures", "InvalidStateError")?;
    let name = if exception.is_exact_instance(thread_cancelled_class(py)?) {
        intern!(py, "CancelledError")
    } else if exception.is_exact_instance(invalid_state) {
        intern!(py, "InvalidStateError")
    } else {
        return Ok(exception);
    };
    let args = exception.getattr(intern!(py, "args"))?;
    let args = args.cast::<PyTuple>()?;
    let own = py
        .import("asyncio.exceptions")?
        .getattr(name)?
        .call1(args)?;
    let traceback = exception.getattr(intern!(py, "__traceback__"))?;
    own.setattr(intern!(py, "__traceback__"), traceback)?;
    Ok(own)
}

/// Whether `object` is a coroutine, as asyncio sees it.
///
/// # Errors
/// `TypeError` if it is none.
pub(super) fn check_coroutine(object: &Bound<'_, PyAny>) -> PyResult<()> {
    static IS_COROUTINE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    let is_coroutine = IS_COROUTINE.get_or_try_init(py, || {
        let coroutines = py.import("asyncio.coroutines")?;
        Ok::<_, PyErr>(coroutines.getattr("iscoroutine")?.unbind())
    })?;
    if is_coroutine.bind(py).call1((object,))?.is_truthy()? {
        return Ok(());
    }
    Err(PyTypeError::new_err("A coroutine object is required"))
}

/// Whether a future, of any kind, was cancelled.
pub(super) fn is_cancelled(future: &Bound<'_, PyAny>) -> PyResult<bool> {
    let cancelled = intern!(future.py(), "cancelled");
    future.call_method0(cancelled)?.is_truthy()
}
