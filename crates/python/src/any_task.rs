//! Tasks of any kind: what timeouts and task groups ask of the task that they are used in.

use pyo3::intern;
use pyo3::prelude::*;

use crate::task::Task;

/// How many requests to cancel the task are open.
pub(crate) fn cancelling(task: &Bound<'_, PyAny>) -> PyResult<u32> {
    let py = task.py();
    match task.cast_exact::<Task>() {
        Ok(ours) => Ok(ours.get().cancelling(py)),
        Err(_other) => task.call_method0(intern!(py, "cancelling"))?.extract(),
    }
}

/// Takes back one request to cancel the task. Returns how many are left.
pub(crate) fn uncancel(task: &Bound<'_, PyAny>) -> PyResult<u32> {
    let py = task.py();
    match task.cast_exact::<Task>() {
        Ok(ours) => Ok(ours.get().uncancel(py)),
        Err(_other) => task.call_method0(intern!(py, "uncancel"))?.extract(),
    }
}

/// Asks the task to end.
pub(crate) fn cancel(task: &Bound<'_, PyAny>) -> PyResult<()> {
    match task.cast_exact::<Task>() {
        Ok(ours) => Task::cancel(ours, None).map(drop),
        Err(_other) => task.call_method0(intern!(task.py(), "cancel")).map(drop),
    }
}
