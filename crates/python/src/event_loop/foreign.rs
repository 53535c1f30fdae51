//! Handles that asyncio made, and not this loop, in the ready queue.

use pyo3::intern;
use pyo3::prelude::*;

use super::{EventLoop, Work};

fn is_cancelled(handle: &Bound<'_, PyAny>) -> PyResult<bool> {
    handle
        .call_method0(intern!(handle.py(), "cancelled"))?
        .is_truthy()
}

/// Runs such a handle, which itself reports what its callback raises.
pub(super) fn run(handle: &Bound<'_, PyAny>) -> PyResult<()> {
    if is_cancelled(handle)? {
        return Ok(());
    }
    handle.call_method0(intern!(handle.py(), "_run")).map(drop)
}

#[pymethods]
impl EventLoop {
    /// Schedules such a handle, unless it is cancelled.
    #[pyo3(name = "_add_callback")]
    fn add_callback(&self, handle: &Bound<'_, PyAny>) -> PyResult<()> {
        if !is_cancelled(handle)? {
            self.schedule(handle.py(), Work::Foreign(handle.clone().unbind()));
        }
        Ok(())
    }
}
