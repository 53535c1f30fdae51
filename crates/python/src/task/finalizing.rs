//! The end of a task's life.

use std::sync::OnceLock;

use pyo3::ffi::destructor;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Task, registration};
use crate::future::{self, Core, Outcome};
use crate::raw::iteration;
use crate::raw::lifecycle::{self, Lifecycle, Pool};

impl Lifecycle for Task {
    fn original_dealloc() -> &'static OnceLock<destructor> {
        static ORIGINAL: OnceLock<destructor> = OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let (is_pending, log_traceback) = slf.as_super().get().with(py, |core| {
            (matches!(core.outcome, Outcome::Pending), core.log_traceback)
        });
        log_traceback || is_pending && slf.get().with(py, |inner| inner.log_destroy_pending)
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        // Whoever gets the report may keep the task. It is lost all the same, and not listed any more.
        registration::unregister(slf);
        report_pending(slf)?;
        future::report_unretrieved(slf.as_super())
    }

    fn retire(slf: &Bound<'_, Self>) {
        registration::unregister(slf);
    }

    fn pool() -> Option<&'static Pool<Self>> {
        static POOL: Pool<Task> = Pool::new();
        Some(&POOL)
    }

    #[inline]
    fn ends_flat(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let future = slf.as_super().get();
        if !future.with(py, |core| core.is_flat()) {
            return false;
        }
        let held = slf
            .get()
            .with(py, |inner| inner.is_flat(py).then(|| inner.take_flat()));
        let is_flat = held.is_some();
        if let Some(held) = held {
            held.release(py);
            future.with(py, Core::take_flat).release(py);
        }
        is_flat
    }

    fn empty(slf: &Bound<'_, Self>) {
        let py = slf.py();
        let inner = slf
            .get()
            .with(py, |inner| std::mem::replace(inner, Self::blank()));
        let core = slf.as_super().get().with(py, std::mem::take);
        core.release(py);
        drop(inner);
    }
}

/// Gives the class what PyO3 has no word for. To be called once, before anybody can subclass it.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<Task>(py)?;
    iteration::install(&py.get_type::<Task>())
}

/// Reports a task that goes before it is done.
fn report_pending(slf: &Bound<'_, Task>) -> PyResult<()> {
    let py = slf.py();
    let logs = slf.get().with(py, |inner| inner.log_destroy_pending);
    if !logs || !slf.as_super().get().is_pending(py) {
        return Ok(());
    }
    let owner = slf.as_super().get().owner(py)?;
    let report = PyDict::new(py);
    report.set_item("task", slf)?;
    report.set_item("message", "Task was destroyed but it is pending!")?;
    future::add_source_traceback(slf.as_super(), &report)?;
    owner
        .as_any()
        .bind(py)
        .call_method1(intern!(py, "call_exception_handler"), (report,))?;
    Ok(())
}

#[pymethods]
impl Task {
    /// Reports a task that goes before it is done, or with an exception that nobody has asked for.
    fn __del__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::finalize(slf)
    }
}
