//! `call_soon`, `call_soon_threadsafe`, `call_later`, `call_at`: from a callback to a place in a queue.

use aioxide_engine::clock::Instant;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyTuple};

use super::{EventLoop, Work};
use crate::handle::{Call, Handle, Queued, ThreadSafeHandle, TimerHandle};
use crate::raw::c_task;
use crate::task::Resumption;

impl EventLoop {
    /// What debug mode checks of a callback.
    fn check_callback(py: Python<'_>, callback: &Bound<'_, PyAny>, method: &str) -> PyResult<()> {
        let coroutines = py.import("asyncio.coroutines")?;
        let inspect = py.import("inspect")?;
        if coroutines
            .call_method1("iscoroutine", (callback,))?
            .is_truthy()?
            || inspect
                .call_method1("iscoroutinefunction", (callback,))?
                .is_truthy()?
        {
            return Err(PyTypeError::new_err(format!(
                "coroutines cannot be used with {method}()"
            )));
        }
        if !callback.is_callable() {
            let repr = callback.repr()?;
            return Err(PyTypeError::new_err(format!(
                "a callable object was expected by {method}(), got {repr}"
            )));
        }
        Ok(())
    }

    /// A handle in the ready queue.
    #[inline]
    fn schedule_call<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Py<Handle>> {
        let py = slf.py();
        let handle = Py::new(py, Handle::new(slf, callback, args, context)?)?;
        slf.get()
            .schedule(py, Work::Handle(Queued::new(handle.clone_ref(py))));
        Ok(handle)
    }

    /// A handle in the ready queue that other threads may hold.
    fn schedule_threadsafe_call<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Py<Handle>> {
        if !cfg!(Py_3_14) {
            return Self::schedule_call(slf, callback, args, context);
        }
        let py = slf.py();
        let handle = ThreadSafeHandle::new(Handle::new(slf, callback, args, context)?, py)?;
        let handle = handle.as_super().clone().unbind();
        slf.get()
            .schedule(py, Work::Handle(Queued::new(handle.clone_ref(py))));
        Ok(handle)
    }

    /// A handle among the timers, after the checks that `call_later` and `call_at` share.
    fn schedule_timer<'py>(
        slf: &Bound<'py, Self>,
        when: f64,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        let py = slf.py();
        slf.get().check_closed()?;
        if slf.get().is_debug() {
            slf.get().check_thread(py)?;
            Self::check_callback(py, callback, "call_at")?;
        }
        let timer = TimerHandle::new(Handle::new(slf, callback, args, context)?, py, when)?;
        let handle = timer.as_super();
        handle.get().set_timed(true);
        let work = Work::Handle(Queued::new(handle.clone().unbind()));
        let deadline = Instant::at_or_after_seconds(when);
        slf.get()
            .with(py, |state| state.queues.timers.schedule(deadline, work));
        Ok(timer)
    }
}

#[pymethods]
impl EventLoop {
    /// Calls `callback(*args)` in the next turn, in `context` or a copy of the current one.
    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Option<Py<Handle>>> {
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            event_loop.check_thread(slf.py())?;
            Self::check_callback(slf.py(), callback, "call_soon")?;
        } else if context.is_some()
            && (c_task::is_step(callback) || callback.is_exact_instance_of::<Resumption>())
        {
            let step = Call::new(slf, callback, args, context)?;
            event_loop.schedule(slf.py(), Work::Step(step));
            return Ok(None);
        }
        Self::schedule_call(slf, callback, args, context).map(Some)
    }

    /// Like `call_soon`, from any thread: the loop wakes for it.
    #[pyo3(signature = (callback, *args, context=None))]
    fn call_soon_threadsafe<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Py<Handle>> {
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            Self::check_callback(slf.py(), callback, "call_soon_threadsafe")?;
        }
        let handle = Self::schedule_threadsafe_call(slf, callback, args, context)?;
        event_loop.mailbox.waker.wake();
        Ok(handle)
    }

    /// Calls `callback(*args)` after `delay` seconds, never earlier.
    #[pyo3(signature = (delay, callback, *args, context=None))]
    fn call_later<'py>(
        slf: &Bound<'py, Self>,
        delay: Option<f64>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        let delay = delay.ok_or_else(|| PyTypeError::new_err("delay must not be None"))?;
        let when = slf.get().clock.now().as_seconds() + delay;
        Self::schedule_timer(slf, when, callback, args, context)
    }

    /// Calls `callback(*args)` when the loop's clock has reached `when` (seconds), never earlier.
    #[pyo3(signature = (when, callback, *args, context=None))]
    fn call_at<'py>(
        slf: &Bound<'py, Self>,
        when: Option<f64>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Bound<'py, TimerHandle>> {
        let when = when.ok_or_else(|| PyTypeError::new_err("when cannot be None"))?;
        Self::schedule_timer(slf, when, callback, args, context)
    }
}
