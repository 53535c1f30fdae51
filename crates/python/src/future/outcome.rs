//! What a future comes to: a result, an exception, or its cancellation.

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::Future;
use crate::raw::raising;

/// What is said of a future whose `__init__` has not been called.
pub(super) const UNINITIALISED: &str = "Future object is not initialized.";

/// What is said of a `StopIteration` that is to be stored.
const STOP_ITERATION: &str =
    "StopIteration interacts badly with generators and cannot be raised into a Future";

/// An exception and the traceback that it came with: whoever asks for it gets it with that traceback, not
/// with all that other askers have added.
pub(crate) struct Failure {
    pub(super) exception: Py<PyAny>,
    traceback: Py<PyAny>,
}

/// The state of a future.
#[derive(Default)]
pub(crate) enum Outcome {
    #[default]
    Pending,
    Result(Py<PyAny>),
    Exception(Box<Failure>),
    Cancelled,
}

impl Outcome {
    /// The outcome of a failure.
    pub(crate) fn exception(exception: Bound<'_, PyAny>) -> PyResult<Self> {
        let traceback = exception.getattr(intern!(exception.py(), "__traceback__"))?;
        Ok(Self::Exception(Box::new(Failure {
            exception: exception.unbind(),
            traceback: traceback.unbind(),
        })))
    }

    /// The name that asyncio gives to the state.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Result(_) | Self::Exception(_) => "FINISHED",
            Self::Cancelled => "CANCELLED",
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Pending | Self::Cancelled => Ok(()),
            Self::Result(result) => visit.call(result),
            Self::Exception(failure) => {
                visit.call(&failure.exception)?;
                visit.call(&failure.traceback)
            }
        }
    }
}

/// What somebody who asks for the outcome gets.
pub(crate) enum Fetched<'py> {
    Pending,
    Result(Py<PyAny>),
    /// The exception, ready to be raised, or the `CancelledError`.
    Failure(Bound<'py, PyAny>),
}

/// asyncio's `InvalidStateError`.
pub(crate) fn invalid_state(py: Python<'_>, text: &str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "asyncio.exceptions", "InvalidStateError") {
        Ok(class) => PyErr::from_type(class.clone(), text.to_owned()),
        Err(error) => error,
    }
}

/// asyncio's `CancelledError`, the class.
pub(crate) fn cancelled_error_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio.exceptions", "CancelledError")
}

/// The exception that `set_exception` stores for what it is given: an instance, and never a `StopIteration`.
pub(super) fn storable(exception: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let exception = if exception.is_instance_of::<PyType>() {
        exception.call0()?
    } else {
        exception
    };
    if !exception.is_instance_of::<pyo3::exceptions::PyBaseException>() {
        return Err(PyTypeError::new_err("invalid exception object"));
    }
    if cfg!(Py_3_13) {
        return without_stop_iteration(exception);
    }
    if exception.is_exact_instance_of::<PyStopIteration>() {
        return Err(PyTypeError::new_err(STOP_ITERATION));
    }
    Ok(exception)
}

/// The exception, or the `RuntimeError` that is stored in place of a `StopIteration`, which would end whoever
/// awaits the future.
pub(crate) fn without_stop_iteration(exception: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let py = exception.py();
    if !exception.is_instance_of::<PyStopIteration>() {
        return Ok(exception);
    }
    let substitute = PyRuntimeError::new_err(STOP_ITERATION)
        .into_value(py)
        .into_bound(py);
    substitute.setattr(intern!(py, "__cause__"), &exception)?;
    substitute.setattr(intern!(py, "__context__"), &exception)?;
    Ok(substitute.into_any())
}

/// A copy of the outcome, taken while the future is lent.
enum Look {
    Uninitialised,
    Pending,
    Result(Py<PyAny>),
    Exception(Py<PyAny>, Py<PyAny>),
    Cancelled,
}

impl Future {
    #[inline]
    fn look(&self, py: Python<'_>) -> Look {
        self.with(py, |core| match &core.outcome {
            Outcome::Pending if core.owner.is_none() => Look::Uninitialised,
            Outcome::Pending => Look::Pending,
            Outcome::Result(result) => {
                core.log_traceback = false;
                Look::Result(result.clone_ref(py))
            }
            Outcome::Exception(failure) => {
                core.log_traceback = false;
                Look::Exception(
                    failure.exception.clone_ref(py),
                    failure.traceback.clone_ref(py),
                )
            }
            Outcome::Cancelled => Look::Cancelled,
        })
    }

    /// The outcome, which counts as retrieved from here on.
    #[inline]
    pub(crate) fn fetch<'py>(&self, py: Python<'py>) -> PyResult<Fetched<'py>> {
        Ok(match self.look(py) {
            Look::Uninitialised => return Err(invalid_state(py, UNINITIALISED)),
            Look::Pending => Fetched::Pending,
            Look::Result(result) => Fetched::Result(result),
            Look::Exception(exception, traceback) => {
                let exception = exception.into_bound(py);
                exception.setattr(intern!(py, "__traceback__"), traceback)?;
                Fetched::Failure(exception)
            }
            Look::Cancelled => Fetched::Failure(self.make_cancelled_error(py)?),
        })
    }

    /// What is thrown into a task that has waited for this; None if that is nothing.
    #[inline]
    pub(crate) fn failure<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.with(py, |core| matches!(core.outcome, Outcome::Result(_))) {
            return Ok(None);
        }
        match self.fetch(py)? {
            Fetched::Failure(exception) => Ok(Some(exception)),
            Fetched::Result(_) | Fetched::Pending => Ok(None),
        }
    }

    /// The exception, which counts as retrieved from here on; None if there is a result.
    pub(super) fn fetch_exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self.look(py) {
            Look::Uninitialised => Err(invalid_state(py, UNINITIALISED)),
            Look::Pending => Err(invalid_state(py, "Exception is not set.")),
            Look::Result(_) => Ok(None),
            Look::Exception(exception, _) => Ok(Some(exception)),
            Look::Cancelled => Err(raising::raised(&self.make_cancelled_error(py)?)),
        }
    }

    /// The `CancelledError` to raise: the one that ended a task, once, and else a new one with the message.
    pub(crate) fn make_cancelled_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let (saved, message) = self.with(py, |core| match &mut core.extras {
            None => (None, None),
            Some(extras) => (
                extras.cancelled_error.take(),
                extras
                    .cancel_message
                    .as_ref()
                    .map(|message| message.clone_ref(py)),
            ),
        });
        if let Some(saved) = saved {
            return Ok(saved.into_bound(py));
        }
        let class = cancelled_error_class(py)?;
        match message {
            Some(message) => class.call1((message,)),
            None => class.call0(),
        }
    }
}
