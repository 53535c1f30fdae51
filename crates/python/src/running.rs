//! The loop that runs in this thread, for natives that are not given one.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::event_loop::EventLoop;
use crate::raw::attached;

/// A loop as natives use it.
pub(crate) enum RunningLoop<'py> {
    /// One of ours whose timers and futures can be made natively.
    Native(Bound<'py, EventLoop>),
    /// Any other, to be called by its methods.
    Foreign(Bound<'py, PyAny>),
}

impl<'py> RunningLoop<'py> {
    /// The loop that runs in this thread.
    ///
    /// # Errors
    /// `RuntimeError` if there is none.
    #[inline]
    pub(crate) fn get(py: Python<'py>) -> PyResult<Self> {
        Self::of(running_loop(py)?)
    }

    /// Recognises a loop.
    #[inline]
    pub(crate) fn of(event_loop: Bound<'py, PyAny>) -> PyResult<Self> {
        match attached::as_loop(event_loop) {
            Ok(ours) if EventLoop::is_plain(&ours)? => Ok(Self::Native(ours)),
            Ok(ours) => Ok(Self::Foreign(ours.into_any())),
            Err(other) => Ok(Self::Foreign(other)),
        }
    }

    /// The loop as Python sees it.
    pub(crate) fn as_any(&self) -> &Bound<'py, PyAny> {
        match self {
            Self::Native(event_loop) => event_loop.as_any(),
            Self::Foreign(event_loop) => event_loop,
        }
    }

    /// A pending future of the loop, by its `create_future`.
    #[inline]
    pub(crate) fn create_future(&self) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Native(event_loop) => EventLoop::new_future(event_loop).map(Bound::into_any),
            Self::Foreign(event_loop) => {
                event_loop.call_method0(intern!(event_loop.py(), "create_future"))
            }
        }
    }
}

/// The loop that was set for this thread, if any. Unlike asyncio's functions, this makes none.
pub(crate) fn set_loop(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let events = py.import(intern!(py, "asyncio.events"))?;
    // Asked for under its public name, the policy would be made, or warned of.
    let policy = events.getattr(intern!(py, "_event_loop_policy"))?;
    if policy.is_none() {
        return Ok(None);
    }
    match policy.getattr_opt(intern!(py, "_local"))? {
        Some(local) => {
            let event_loop = local.getattr_opt(intern!(py, "_loop"))?;
            Ok(event_loop.filter(|event_loop| !event_loop.is_none()))
        }
        // A policy that does not say has to be asked, and may make one.
        None => policy.call_method0(intern!(py, "get_event_loop")).map(Some),
    }
}

/// The loop that runs in this thread, as asyncio knows it.
///
/// # Errors
/// `RuntimeError` if there is none.
#[inline]
pub(crate) fn running_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let event_loop = running_loop_or_none(py)?;
    if event_loop.is_none() {
        return Err(PyRuntimeError::new_err("no running event loop"));
    }
    Ok(event_loop)
}

/// Whether `event_loop` is the one that runs in this thread.
#[inline]
pub(crate) fn is_running_here(event_loop: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(running_loop_or_none(event_loop.py())?.is(event_loop))
}

/// The loop that runs in this thread, as asyncio knows it, or None.
#[inline]
pub(crate) fn running_loop_or_none(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    static GET: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    #[cfg(Py_3_14)]
    if let Some(Some(event_loop)) = crate::raw::current_task::running_loop(py) {
        return Ok(event_loop);
    }
    let get = GET.get_or_try_init(py, || {
        let get = py.import("asyncio.events")?.getattr("_get_running_loop")?;
        Ok::<_, PyErr>(get.unbind())
    })?;
    get.bind(py).call0()
}
