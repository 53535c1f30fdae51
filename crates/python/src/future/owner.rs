//! The loop that a future belongs to: ours, which is called directly, or any other.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use crate::event_loop::EventLoop;

/// A future's event loop.
pub(crate) enum Owner {
    /// A loop of ours that schedules natively.
    Native(Py<EventLoop>),
    /// Any other loop, and one of ours whose class brings a `call_soon` of its own.
    Foreign(Py<PyAny>),
}

impl Owner {
    /// Recognises the loop.
    pub(crate) fn new(event_loop: &Bound<'_, PyAny>) -> PyResult<Self> {
        match event_loop.cast::<EventLoop>() {
            Ok(ours) => Self::of_ours(ours),
            Err(_foreign) => Ok(Self::Foreign(event_loop.clone().unbind())),
        }
    }

    /// Recognises a loop of ours.
    #[inline]
    pub(crate) fn of_ours(event_loop: &Bound<'_, EventLoop>) -> PyResult<Self> {
        Ok(if EventLoop::schedules_natively(event_loop)? {
            Self::Native(event_loop.clone().unbind())
        } else {
            Self::Foreign(event_loop.clone().into_any().unbind())
        })
    }

    /// The loop that asyncio would take if none is given.
    ///
    /// # Errors
    /// `RuntimeError` if there is no current event loop.
    pub(crate) fn current(py: Python<'_>) -> PyResult<Self> {
        let event_loop = py
            .import(intern!(py, "asyncio.events"))?
            .call_method0(intern!(py, "get_event_loop"))?;
        Self::new(&event_loop)
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Native(event_loop) => Self::Native(event_loop.clone_ref(py)),
            Self::Foreign(event_loop) => Self::Foreign(event_loop.clone_ref(py)),
        }
    }

    /// Lets go of the loop.
    #[inline]
    pub(crate) fn release(self, py: Python<'_>) {
        match self {
            Self::Native(event_loop) => drop(event_loop.into_bound(py)),
            Self::Foreign(event_loop) => drop(event_loop.into_bound(py)),
        }
    }

    /// The loop as Python sees it.
    #[inline]
    pub(crate) fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Native(event_loop) => event_loop.as_any(),
            Self::Foreign(event_loop) => event_loop,
        }
    }

    /// Whether the loop's debug mode is on.
    pub(crate) fn is_debug(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Native(event_loop) => Ok(event_loop.get().is_debug()),
            Self::Foreign(event_loop) => event_loop
                .bind(py)
                .call_method0(intern!(py, "get_debug"))?
                .is_truthy(),
        }
    }

    /// Calls the loop's `call_soon`, as any asyncio future does.
    pub(crate) fn call_soon(
        &self,
        py: Python<'_>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let kwargs = PyDict::new(py);
        kwargs.set_item(intern!(py, "context"), context)?;
        let call_soon = self.as_any().bind(py).getattr(intern!(py, "call_soon"))?;
        let mut positional = vec![callback.clone()];
        positional.extend(args.iter());
        call_soon.call(PyTuple::new(py, positional)?, Some(&kwargs))?;
        Ok(())
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.as_any())
    }
}
