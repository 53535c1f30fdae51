//! Eager start: the first step of a task is made at once, inside of whatever makes the task.

use pyo3::intern;
use pyo3::prelude::*;

use super::{Task, current, registration};
use crate::future::Owner;
use crate::raw::context;

/// Whether the loop of the task runs, in this thread.
pub(super) fn can_start(slf: &Bound<'_, Task>) -> PyResult<bool> {
    let py = slf.py();
    match slf.as_super().get().owner(py)? {
        Owner::Native(event_loop) => Ok(event_loop.get().runs_here(py)),
        Owner::Foreign(event_loop) => event_loop
            .bind(py)
            .call_method0(intern!(py, "is_running"))?
            .is_truthy(),
    }
}

/// Makes the first step of a task.
pub(super) fn start(slf: &Bound<'_, Task>) -> PyResult<()> {
    let py = slf.py();
    let owner = slf.as_super().get().owner(py)?;
    let previous = current::replace(slf)?;
    registration::register(slf)?;
    let native = match &owner {
        Owner::Native(event_loop) => Some(event_loop.get()),
        Owner::Foreign(_) => None,
    };
    let context = Task::own_context(slf)?;
    let result = context::run_in(py, &context, || Task::advance(slf, native, None));
    let restored = current::restore(slf, &previous);
    if !slf.as_super().get().is_pending(py) {
        // It has ended at once, and its coroutine is of no use to anybody.
        drop(slf.get().with(py, |inner| inner.coro.take()));
    }
    result.and(restored)
}
