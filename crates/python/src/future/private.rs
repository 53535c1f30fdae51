//! The private names of asyncio's futures that libraries, tests and asyncio itself read.

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyFrozenSet, PyList};

use super::{Future, Outcome, waiters};

#[pymethods]
impl Future {
    #[getter(_asyncio_future_blocking)]
    fn blocking(&self, py: Python<'_>) -> bool {
        self.with(py, |core| core.is_blocking)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, py: Python<'_>, blocking: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_blocking = blocking.is_truthy()?;
        self.with(py, |core| core.is_blocking = is_blocking);
        Ok(())
    }

    #[getter(_loop)]
    fn private_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |core| {
            core.owner
                .as_ref()
                .map(|owner| owner.as_any().clone_ref(py))
        })
    }

    #[getter(_state)]
    fn state(&self, py: Python<'_>) -> PyResult<&'static str> {
        self.check_initialised(py)?;
        Ok(self.with(py, |core| core.outcome.name()))
    }

    #[getter(_result)]
    fn private_result(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.check_initialised(py)?;
        Ok(self.with(py, |core| match &core.outcome {
            Outcome::Result(result) => Some(result.clone_ref(py)),
            _ => None,
        }))
    }

    #[getter(_exception)]
    fn private_exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.check_initialised(py)?;
        Ok(self.with(py, |core| match &core.outcome {
            Outcome::Exception(failure) => Some(failure.exception.clone_ref(py)),
            _ => None,
        }))
    }

    #[getter(_callbacks)]
    fn callbacks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        self.check_initialised(py)?;
        let shown = self.with(py, |core| core.waiters.show(py));
        waiters::list(py, shown)
    }

    #[getter(_log_traceback)]
    fn log_traceback(&self, py: Python<'_>) -> PyResult<bool> {
        self.check_initialised(py)?;
        Ok(self.with(py, |core| core.log_traceback))
    }

    #[setter(_log_traceback)]
    fn set_log_traceback(&self, py: Python<'_>, log: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        // Without a value it is a deletion.
        let Some(log) = log else {
            return Err(PyAttributeError::new_err("cannot delete attribute"));
        };
        if log.is_truthy()? {
            return Err(PyValueError::new_err(
                "_log_traceback can only be set to False",
            ));
        }
        self.with(py, |core| core.log_traceback = false);
        Ok(())
    }

    #[getter(_cancel_message)]
    fn cancel_message(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |core| {
            core.extras.as_ref().and_then(|extras| {
                extras
                    .cancel_message
                    .as_ref()
                    .map(|message| message.clone_ref(py))
            })
        })
    }

    #[setter(_cancel_message)]
    fn set_cancel_message(&self, py: Python<'_>, message: Option<Py<PyAny>>) {
        let previous = self.with(py, |core| {
            std::mem::replace(&mut core.extras().cancel_message, message)
        });
        drop(previous);
    }

    #[getter(_source_traceback)]
    fn source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |core| {
            core.extras.as_ref().and_then(|extras| {
                extras
                    .source_traceback
                    .as_ref()
                    .map(|traceback| traceback.clone_ref(py))
            })
        })
    }

    #[pyo3(name = "_make_cancelled_error")]
    fn make_cancelled_error_for_python<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.make_cancelled_error(py)
    }

    /// Who awaits this future: a set of futures and tasks, or None. Read by `asyncio.capture_call_graph`.
    #[getter(_asyncio_awaited_by)]
    fn awaited_by<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyFrozenSet>>> {
        self.collect_awaiters(py)
    }

    /// Reports an exception that nobody has asked for.
    fn __del__(slf: &Bound<'_, Self>) -> PyResult<()> {
        super::finalizing::report_unretrieved(slf)
    }
}
