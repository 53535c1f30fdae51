//! Which loop an object belongs to that learns it when it is first waited for: a lock, or a queue.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::event_loop::EventLoop;
use crate::raw::guarded::Guarded;
use crate::running::{RunningLoop, running_loop_or_none};

/// A loop that is known.
struct Known {
    event_loop: Py<PyAny>,
    /// The same loop, if it is one of ours: asking its class takes longer than all the rest.
    ours: Option<Py<EventLoop>>,
}

impl Known {
    fn new(event_loop: &Bound<'_, PyAny>) -> Self {
        Self {
            event_loop: event_loop.clone().unbind(),
            ours: event_loop
                .cast::<EventLoop>()
                .ok()
                .map(|ours| ours.clone().unbind()),
        }
    }
}

/// The loop, once it is known.
pub(crate) struct LoopBound(Guarded<Option<Known>>);

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
    pub(crate) fn running<'py>(&self, owner: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = owner.py();
        let running = running_loop_or_none(py)?;
        let is_ours = self.0.with(py, |bound| {
            bound.as_ref().map(|known| known.event_loop.is(&running))
        });
        match is_ours {
            Some(true) => Ok(running),
            None => {
                if !running.is_none() {
                    self.set(py, Some(&running));
                }
                Ok(running)
            }
            Some(false) => {
                let owner = owner.repr()?;
                Err(PyRuntimeError::new_err(format!(
                    "{owner} is bound to a different event loop"
                )))
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
        let running = self.running(owner)?;
        let py = running.py();
        let ours = self.0.with(py, |bound| {
            let ours = bound.as_ref()?.ours.as_ref()?;
            Some(ours.bind(py).clone())
        });
        match ours {
            Some(ours) if EventLoop::is_plain(&ours)? => RunningLoop::Native(ours).create_future(),
            _ => RunningLoop::Foreign(running).create_future(),
        }
    }

    /// The loop as the private attribute `_loop` shows it.
    pub(crate) fn get(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0.with(py, |bound| {
            bound.as_ref().map(|known| known.event_loop.clone_ref(py))
        })
    }

    /// What setting `_loop` does.
    pub(crate) fn set(&self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) {
        drop(self.0.replace(py, event_loop.map(Known::new)));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0
            .visit(|bound| {
                bound.as_ref().map_or(Ok(()), |known| {
                    visit.call(&known.event_loop)?;
                    visit.call(&known.ours)
                })
            })
            .unwrap_or(Ok(()))
    }
}
