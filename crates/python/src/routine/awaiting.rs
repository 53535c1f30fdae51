//! What a native coroutine awaits: a future of ours, asked directly, or anything else that can be awaited.

use pyo3::exceptions::PyGeneratorExit;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::Sent;
use crate::future::{AwaitStep, Future, exact_future};
use crate::raw::{coroutine, recursion};

/// What is awaited.
#[derive(Default)]
pub(super) enum Awaited {
    /// Nothing: the routine has given way.
    #[default]
    Nothing,
    /// A future or task of ours.
    Future(Py<Future>),
    /// The iterator of anything else.
    Iterator(Py<PyAny>),
}

impl Awaited {
    /// Begins an `await`, and says what came of its first step.
    pub(super) fn begin<'py>(awaitable: &Bound<'py, PyAny>) -> PyResult<(Self, Sent<'py>)> {
        if let Some(future) = exact_future(awaitable) {
            let awaited = Self::Future(future.clone().unbind());
            return Ok((awaited, step(future)));
        }
        let iterator = coroutine::iterator_of(awaitable)?;
        let sent = nested(iterator.py(), || coroutine::send(&iterator));
        Ok((Self::Iterator(iterator.unbind()), sent))
    }

    /// Goes on with what was sent into the coroutine.
    #[inline]
    pub(super) fn send<'py>(&self, value: &Bound<'py, PyAny>) -> Sent<'py> {
        let py = value.py();
        match self {
            Self::Nothing => Sent::Returned(py.None().into_bound(py)),
            Self::Future(future) => step(future.bind(py)),
            Self::Iterator(iterator) => {
                nested(py, || coroutine::send_value(iterator.bind(py), value))
            }
        }
    }

    /// Lets go of what was awaited.
    #[inline]
    pub(super) fn release(self, py: Python<'_>) {
        match self {
            Self::Nothing => {}
            Self::Future(future) => drop(future.into_bound(py)),
            Self::Iterator(iterator) => drop(iterator.into_bound(py)),
        }
    }

    /// Throws an exception in.
    pub(super) fn throw<'py>(&self, exception: &Bound<'py, PyAny>) -> Sent<'py> {
        let py = exception.py();
        let raised = || Sent::raised(PyErr::from_value(exception.clone()));
        let Self::Iterator(iterator) = self else {
            return raised();
        };
        let iterator = iterator.bind(py);
        if exception.is_instance_of::<PyGeneratorExit>() {
            return match self.close(py) {
                Ok(()) => raised(),
                Err(error) => Sent::raised(error),
            };
        }
        match iterator.hasattr(intern!(py, "throw")) {
            Ok(true) => coroutine::throw(iterator, exception),
            Ok(false) => raised(),
            Err(error) => Sent::raised(error),
        }
    }

    /// Closes what is awaited, if it can be closed.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let Self::Iterator(iterator) = self else {
            return Ok(());
        };
        match iterator.bind(py).getattr_opt(intern!(py, "close"))? {
            Some(close) => close.call0().map(drop),
            None => Ok(()),
        }
    }

    /// What is awaited, as Python shows it.
    pub(super) fn shown(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self {
            Self::Nothing => None,
            Self::Future(future) => Some(future.clone_ref(py).into_any()),
            Self::Iterator(iterator) => Some(iterator.clone_ref(py)),
        }
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Nothing => Ok(()),
            Self::Future(future) => visit.call(future),
            Self::Iterator(iterator) => visit.call(iterator),
        }
    }
}

/// Goes on with what may be a coroutine of ours, too, which may lead back to here.
#[inline]
fn nested<'py>(py: Python<'py>, send: impl FnOnce() -> Sent<'py>) -> Sent<'py> {
    recursion::guarded(py, send).unwrap_or_else(Sent::Raised)
}

/// One step of awaiting a future of ours.
#[inline]
fn step<'py>(future: &Bound<'py, Future>) -> Sent<'py> {
    match future.get().advance(future.py()) {
        Ok(AwaitStep::Wait) => Sent::Yielded(future.clone().into_any()),
        Ok(AwaitStep::Return(result)) => Sent::Returned(result),
        Err(error) => Sent::raised(error),
    }
}
