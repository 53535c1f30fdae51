//! The private names of asyncio's tasks that libraries, tests and asyncio itself read.

use pyo3::prelude::*;

use super::{Resume, Task};

#[pymethods]
impl Task {
    #[getter(_coro)]
    fn private_coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |inner| {
            inner.coro.as_ref().map(|coro| coro.clone_ref(py))
        })
    }

    #[getter(_fut_waiter)]
    fn awaited(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |inner| match &inner.resume {
            Resume::Send | Resume::Throw(_) => None,
            Resume::Native(future) => Some(future.clone_ref(py).into_any()),
            Resume::Foreign(future) => Some(future.clone_ref(py)),
        })
    }

    #[getter(_must_cancel)]
    fn must_cancel(&self, py: Python<'_>) -> bool {
        self.with(py, |inner| inner.must_cancel)
    }

    #[getter(_log_destroy_pending)]
    fn log_destroy_pending(&self, py: Python<'_>) -> bool {
        self.with(py, |inner| inner.log_destroy_pending)
    }

    #[setter(_log_destroy_pending)]
    fn set_log_destroy_pending(&self, py: Python<'_>, log: &Bound<'_, PyAny>) -> PyResult<()> {
        let log = log.is_truthy()?;
        self.with(py, |inner| inner.log_destroy_pending = log);
        Ok(())
    }
}
