//! How `asyncio.all_tasks()` knows of our tasks.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::Task;
use crate::raw::registry;

/// Enters a task that is not done.
#[inline]
pub(super) fn register(slf: &Bound<'_, Task>) -> PyResult<()> {
    static IS_ANNOUNCED: PyOnceLock<()> = PyOnceLock::new();
    let py = slf.py();
    IS_ANNOUNCED.get_or_try_init(py, || {
        py.import("aioxide.registration")?
            .call_method0("show_native_tasks")?;
        Ok::<_, PyErr>(())
    })?;
    if slf.as_super().get().is_pending(py) {
        let place = registry::add(slf.as_any())?;
        slf.get().with(py, |inner| inner.place = place);
    }
    Ok(())
}

/// Takes a task out that is done, or goes.
#[inline]
pub(super) fn unregister(slf: &Bound<'_, Task>) {
    let py = slf.py();
    if let Some(place) = slf.get().with(py, |inner| inner.place.take()) {
        registry::remove(py, place);
    }
}

/// All pending tasks of ours, of all loops.
#[pyfunction]
pub(crate) fn registered_tasks(py: Python<'_>) -> Vec<Py<PyAny>> {
    registry::tasks(py)
}
