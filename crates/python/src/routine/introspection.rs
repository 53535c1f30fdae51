//! What a coroutine tells of itself: the attributes of a `types.CoroutineType`.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::coroutine::{Coroutine, Phase};
use crate::raw::frame;

/// Where the source of native coroutines is said to be.
const FILE_NAME: &str = "<aioxide>";

#[pymethods]
impl Coroutine {
    /// The class that coroutines show to `isinstance`.
    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyType>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        CLASS.import(py, "types", "CoroutineType")
    }

    #[getter]
    fn __name__(&self, py: Python<'_>) -> &'static str {
        self.function(py).name()
    }

    #[getter]
    fn __qualname__(&self, py: Python<'_>) -> &'static str {
        self.function(py).qualname
    }

    /// What the coroutine awaits, or None.
    #[getter]
    fn cr_await(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| state.awaited.shown(py))
    }

    /// Whether the coroutine is being executed.
    #[getter]
    fn cr_running(&self, py: Python<'_>) -> bool {
        self.phase(py) == Phase::Running
    }

    /// Whether the coroutine has begun and waits.
    #[getter]
    fn cr_suspended(&self, py: Python<'_>) -> bool {
        self.phase(py) == Phase::Suspended
    }

    /// The state as `inspect.getcoroutinestate` tells it.
    #[cfg(Py_3_15)]
    #[getter]
    fn cr_state(&self, py: Python<'_>) -> &'static str {
        match self.phase(py) {
            Phase::New | Phase::NewPause => "CORO_CREATED",
            Phase::Running => "CORO_RUNNING",
            Phase::Suspended | Phase::SuspendedPause => "CORO_SUSPENDED",
            Phase::Ended | Phase::EndedPause => "CORO_CLOSED",
        }
    }

    /// Where the coroutine was made: not known.
    #[getter]
    fn cr_origin(&self) -> Option<Py<PyAny>> {
        None
    }

    /// A frame that names the coroutine to those who print stacks; None once it has ended.
    #[getter]
    fn cr_frame<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.phase(py) == Phase::Ended {
            return Ok(None);
        }
        frame::named(py, FILE_NAME, self.function(py).name()).map(Some)
    }

    /// A code object that names the coroutine.
    #[getter]
    fn cr_code<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        frame::code(py, FILE_NAME, self.function(py).name())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> String {
        format!(
            "<coroutine object {} at {:p}>",
            slf.get().function(slf.py()).qualname,
            slf.as_ptr()
        )
    }
}
