//! `await` on a future: what the task that awaits is handed, and what the coroutine gets in the end.

use pyo3::exceptions::{PyRuntimeError, PyStopIteration, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{Fetched, Future, Outcome};
use crate::raw::guarded::Guarded;
use crate::raw::raising;

/// One step of `await`.
pub(crate) enum AwaitStep<'py> {
    /// The task is handed the future, and waits for it.
    Wait,
    /// The `await` ends with this result.
    Return(Bound<'py, PyAny>),
}

impl Future {
    /// Goes one step on in an `await`.
    pub(crate) fn advance<'py>(&self, py: Python<'py>) -> PyResult<AwaitStep<'py>> {
        let waits = self.with(py, |core| {
            let is_pending = matches!(core.outcome, Outcome::Pending);
            is_pending.then(|| std::mem::replace(&mut core.is_blocking, true))
        });
        match waits {
            Some(false) => return Ok(AwaitStep::Wait),
            Some(true) => {
                return Err(PyRuntimeError::new_err("await wasn't used with future"));
            }
            None => {}
        }
        match self.fetch(py)? {
            Fetched::Result(result) => Ok(AwaitStep::Return(result.into_bound(py))),
            Fetched::Failure(error) => Err(raising::raised(&error)),
            Fetched::Pending => Err(PyRuntimeError::new_err("await wasn't used with future")),
        }
    }
}

/// The iterator of `iter(future)`, of `yield from future`, and of `await` on a future of a derived class.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct FutureIter {
    /// None once the iteration has ended.
    future: Guarded<Option<Py<Future>>>,
}

impl FutureIter {
    pub(super) fn over(future: &Bound<'_, Future>) -> PyResult<Py<Self>> {
        let py = future.py();
        future.get().owner(py)?;
        let iterator = Self {
            future: Guarded::new(Some(future.clone().unbind())),
        };
        Py::new(py, iterator)
    }

    fn take(&self, py: Python<'_>) -> Option<Py<Future>> {
        self.future.replace(py, None)
    }

    fn advance<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let future = self.future.with(py, |future| {
            future.as_ref().map(|future| future.clone_ref(py))
        });
        let Some(future) = future else {
            return Ok(None);
        };
        match future.get().advance(py) {
            Ok(AwaitStep::Wait) => Ok(Some(future.into_bound(py).into_any())),
            Ok(AwaitStep::Return(result)) => {
                drop(self.take(py));
                if result.is_none() {
                    return Ok(None);
                }
                // A tuple would be taken for the arguments of the exception.
                let arguments = PyTuple::new(py, [result])?;
                Err(PyErr::new::<PyStopIteration, _>(arguments.unbind()))
            }
            Err(error) => {
                drop(self.take(py));
                Err(error)
            }
        }
    }
}

#[pymethods]
impl FutureIter {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.advance(py)
    }

    /// Goes on; what is sent is ignored. Raises `StopIteration` with the result once the future is done.
    fn send<'py>(
        &self,
        py: Python<'py>,
        _value: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        match self.advance(py)? {
            Some(future) => Ok(future),
            None => Err(PyStopIteration::new_err((py.None(),))),
        }
    }

    /// Raises an exception, given as an object, or as a class with a value and a traceback.
    #[pyo3(signature = (typ, val=None, tb=None, /))]
    fn throw(
        &self,
        py: Python<'_>,
        typ: &Bound<'_, PyAny>,
        val: Option<&Bound<'_, PyAny>>,
        tb: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        let exception = thrown(py, typ, val, tb)?;
        drop(self.take(py));
        Err(PyErr::from_value(exception))
    }

    /// Ends the iteration.
    fn close(&self, py: Python<'_>) {
        drop(self.take(py));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.future
            .visit(|future| visit.call(future))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.take(py));
    }
}

/// The exception that the three arguments of a generator's `throw` stand for.
pub(crate) fn thrown<'py>(
    py: Python<'py>,
    typ: &Bound<'py, PyAny>,
    val: Option<&Bound<'py, PyAny>>,
    tb: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    if (val.is_some() || tb.is_some()) && cfg!(Py_3_12) {
        let category = py.get_type::<pyo3::exceptions::PyDeprecationWarning>();
        let text = c"the (type, exc, tb) signature of throw() is deprecated, use the single-arg signature instead.";
        PyErr::warn(py, &category, text, 1)?;
    }
    if let Some(tb) = tb
        && !tb.is_instance_of::<pyo3::types::PyTraceback>()
    {
        return Err(PyTypeError::new_err(
            "throw() third argument must be a traceback",
        ));
    }
    let exception = if let Ok(class) = typ.cast::<pyo3::types::PyType>()
        && class.is_subclass_of::<pyo3::exceptions::PyBaseException>()?
    {
        match val {
            None => class.call0()?,
            Some(val) if val.is_instance(class)? => val.clone(),
            Some(val) => match val.cast::<PyTuple>() {
                Ok(arguments) => class.call1(arguments)?,
                Err(_single) => class.call1((val,))?,
            },
        }
    } else if typ.is_instance_of::<pyo3::exceptions::PyBaseException>() {
        if val.is_some() {
            return Err(PyTypeError::new_err(
                "instance exception may not have a separate value",
            ));
        }
        typ.clone()
    } else {
        return Err(PyTypeError::new_err(format!(
            "exceptions must be classes deriving BaseException or instances of such a class, not {}",
            typ.get_type().name()?
        )));
    };
    if let Some(tb) = tb {
        exception.setattr("__traceback__", tb)?;
    }
    Ok(exception)
}
