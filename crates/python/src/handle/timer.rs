//! `TimerHandle`: a handle that waits among the timers first.

use std::sync::atomic::Ordering;

use pyo3::basic::CompareOp;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyContext;

use super::{Args, Handle, asyncio_class};
use crate::event_loop::EventLoop;
use crate::raw::untracked::Derived;

/// A handle that waits for a point in time; made by `call_later` and `call_at`.
#[pyclass(module = "aioxide._core", frozen, extends = Handle)]
pub(crate) struct TimerHandle {
    /// Seconds on the loop's clock, as the caller gave them.
    when: f64,
}

impl Derived for TimerHandle {
    type Base = Handle;
}

impl TimerHandle {
    /// A timer handle that nobody has scheduled yet.
    #[inline]
    pub(crate) fn new<'py>(
        event_loop: &Bound<'py, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Option<Bound<'_, PyContext>>,
        when: f64,
    ) -> PyResult<Bound<'py, Self>> {
        Handle::derived(event_loop, callback, args, context, Self { when })
    }
}

#[pymethods]
impl TimerHandle {
    /// The time that the callback is scheduled for, in seconds on the loop's clock.
    fn when(&self) -> f64 {
        self.when
    }

    #[getter(_when)]
    fn private_when(&self) -> f64 {
        self.when
    }

    #[getter(_scheduled)]
    fn scheduled(slf: &Bound<'_, Self>) -> bool {
        slf.as_super().get().is_timed.load(Ordering::Relaxed)
    }

    #[getter(__class__)]
    fn class(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        asyncio_class(py, &CLASS, "TimerHandle").map(|class| class.clone().unbind())
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.when.into_pyobject(py)?.hash()
    }

    fn __richcmp__(
        slf: &Bound<'_, Self>,
        other: &Bound<'_, PyAny>,
        op: CompareOp,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Ok(other) = other.cast::<Self>() else {
            return Ok(py.NotImplemented());
        };
        let (a, b) = (slf.get().when, other.get().when);
        let answer = match op {
            CompareOp::Lt => a < b,
            CompareOp::Gt => a > b,
            CompareOp::Le => a < b || Self::is_same_call(slf, other)?,
            CompareOp::Ge => a > b || Self::is_same_call(slf, other)?,
            CompareOp::Eq => Self::is_same_call(slf, other)?,
            CompareOp::Ne => !Self::is_same_call(slf, other)?,
        };
        Ok(answer.into_pyobject(py)?.to_owned().into_any().unbind())
    }
}

impl TimerHandle {
    /// Equality as asyncio has it: the same call at the same time, cancelled or not alike.
    fn is_same_call(slf: &Bound<'_, Self>, other: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        let (a, b) = (slf.as_super().get(), other.as_super().get());
        Ok(slf.get().when == other.get().when
            && a.is_cancelled() == b.is_cancelled()
            && a.callback(py).into_pyobject(py)?.eq(b.callback(py))?
            && a.args(py)?.into_pyobject(py)?.eq(b.args(py)?)?)
    }
}
