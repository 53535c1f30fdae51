//! The private attributes of a `StreamReader`, which programs and CPython's tests read and set.

use pyo3::exceptions::PyAttributeError;
use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use super::contents::Contents;
use super::limit::Limit;
use super::reader::{State, StreamReader};

impl StreamReader {
    /// Reads a field that may be empty.
    fn field(
        &self,
        py: Python<'_>,
        field: impl FnOnce(&State) -> &Option<Py<PyAny>>,
    ) -> Option<Py<PyAny>> {
        self.with(py, |state| {
            field(state).as_ref().map(|value| value.clone_ref(py))
        })
    }

    /// Sets a field; None empties it.
    fn set_field(
        &self,
        value: &Bound<'_, PyAny>,
        field: impl FnOnce(&mut State) -> &mut Option<Py<PyAny>>,
    ) {
        let new = (!value.is_none()).then(|| value.clone().unbind());
        let previous = self.with(value.py(), |state| std::mem::replace(field(state), new));
        drop(previous);
    }
}

#[pymethods]
impl StreamReader {
    #[getter(_buffer)]
    fn buffer<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let shown = self.with(py, |state| state.contents.shown(py))?;
        let shared = Contents::Shared(shown.clone().unbind());
        drop(self.with(py, |state| std::mem::replace(&mut state.contents, shared)));
        Ok(shown)
    }

    #[setter(_buffer)]
    fn set_buffer(&self, value: &Bound<'_, PyByteArray>) {
        let shared = Contents::Shared(value.clone().unbind());
        let previous = self.with(value.py(), |state| {
            std::mem::replace(&mut state.contents, shared)
        });
        drop(previous);
    }

    #[getter(_eof)]
    fn eof(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_at_eof)
    }

    #[setter(_eof)]
    fn set_eof(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_at_eof = value.is_truthy()?;
        self.with(value.py(), |state| state.is_at_eof = is_at_eof);
        Ok(())
    }

    #[getter(_exception)]
    fn stored_exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.field(py, |state| &state.exception)
    }

    #[setter(_exception)]
    fn set_stored_exception(&self, value: &Bound<'_, PyAny>) {
        self.set_field(value, |state| &mut state.exception);
    }

    #[getter(_limit)]
    fn given_limit(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.with(py, |state| {
            let limit = state.limit.as_ref();
            limit.map(|limit| limit.given.clone_ref(py))
        })
        .ok_or_else(|| missing("_limit"))
    }

    #[setter(_limit)]
    fn set_given_limit(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let limit = Some(Limit::new(value)?);
        let previous = self.with(value.py(), |state| {
            std::mem::replace(&mut state.limit, limit)
        });
        drop(previous);
        Ok(())
    }

    #[getter(_loop)]
    fn event_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.field(py, |state| &state.event_loop)
            .ok_or_else(|| missing("_loop"))
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        self.set_field(value, |state| &mut state.event_loop);
    }

    #[getter(_paused)]
    fn paused(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_paused)
    }

    #[setter(_paused)]
    fn set_paused(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_paused = value.is_truthy()?;
        self.with(value.py(), |state| state.is_paused = is_paused);
        Ok(())
    }

    #[getter(_source_traceback)]
    fn source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.field(py, |state| &state.source_traceback)
    }

    #[setter(_source_traceback)]
    fn set_source_traceback(&self, value: &Bound<'_, PyAny>) {
        self.set_field(value, |state| &mut state.source_traceback);
    }

    #[getter(_transport)]
    fn transport(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.field(py, |state| &state.transport)
    }

    #[setter(_transport)]
    fn set_own_transport(&self, value: &Bound<'_, PyAny>) {
        self.set_field(value, |state| &mut state.transport);
    }

    #[getter(_waiter)]
    fn waiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.field(py, |state| &state.waiter)
    }

    #[setter(_waiter)]
    fn set_waiter(&self, value: &Bound<'_, PyAny>) {
        self.set_field(value, |state| &mut state.waiter);
    }
}

/// What is asked for before `__init__` has set it.
pub(super) fn missing(name: &str) -> PyErr {
    PyAttributeError::new_err(format!("object has no attribute '{name}'"))
}
