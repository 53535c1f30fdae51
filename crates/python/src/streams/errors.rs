//! asyncio's own exceptions of reading.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::raw::raising;

/// `asyncio.IncompleteReadError`.
pub(super) fn incomplete_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio.exceptions", "IncompleteReadError")
}

/// `asyncio.LimitOverrunError`.
pub(super) fn overrun_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio.exceptions", "LimitOverrunError")
}

/// The stream has ended before what was wanted had come; `expected` is a number of bytes, or None.
pub(super) fn incomplete(
    partial: &Bound<'_, PyBytes>,
    expected: &Bound<'_, PyAny>,
) -> PyResult<PyErr> {
    let error = incomplete_class(partial.py())?.call1((partial, expected))?;
    Ok(raising::raised(&error))
}

/// A line is longer than the limit; `consumed` says how many bytes no separator begins in.
pub(super) fn overrun(py: Python<'_>, text: &str, consumed: usize) -> PyResult<PyErr> {
    let error = overrun_class(py)?.call1((text, consumed))?;
    Ok(raising::raised(&error))
}
