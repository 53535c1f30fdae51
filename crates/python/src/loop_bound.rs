//! Which loop an object belongs to that learns it when it is first waited for: a lock, or a queue.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::raw::guarded::Guarded;
use crate::running::{RunningLoop, running_loop_or_none};

/// The loop, once it is known.
pub(crate) struct LoopBound(Guarded<Option<Py<PyAny>>>);

impl Default for LoopBound {
    fn default() -> Self {
        Self(Guarded::new(None))
    }
}

impl LoopBound {
    /// The running loop, to which `owner` belongs from here on. None outside of a loop, as asyncio has it.
    ///
    /// # Errors
    /// `RuntimeError` if `owner` belongs to another.
    #[inline]
    pub(crate) fn running<'py>(&self, owner: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = owner.py();
        let running = running_loop_or_none(py)?;
        let is_bound_here = self
            .0
            .with(py, |bound| bound.as_ref().map(|bound| bound.is(&running)));
        match is_bound_here {
            Some(true) => Ok(running),
            Some(false) => Err(bound_elsewhere(owner)),
            None => {
                if !running.is_none() {
                    self.set(py, Some(&running));
                }
                Ok(running)
            }
        }
    }

    /// A future of the running loop, for which a waiter of `owner` waits.
    ///
    /// # Errors
    /// `RuntimeError` if `owner` belongs to another loop.
    #[inline]
    pub(crate) fn create_future<'py>(
        &self,
        owner: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        RunningLoop::of(self.running(owner)?)?.create_future()
    }

    /// The loop as the private attribute `_loop` shows it.
    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0
            .with(py, |bound| bound.as_ref().map(|bound| bound.clone_ref(py)))
    }

    /// What setting `_loop` does.
    pub(crate) fn set(&self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) {
        let bound = event_loop.map(|event_loop| event_loop.clone().unbind());
        drop(self.0.replace(py, bound));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.visit(|bound| visit.call(bound)).unwrap_or(Ok(()))
    }
}

#[cold]
fn bound_elsewhere(owner: &Bound<'_, PyAny>) -> PyErr {
    match owner.repr() {
        Ok(owner) => PyRuntimeError::new_err(format!("{owner} is bound to a different event loop")),
        Err(error) => error,
    }
}
