//! `run_in_executor`: straight to the default executor's threads, if that is ours, and else by way of Python.

use std::ffi::CStr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use aioxide_engine::jobs::Demand;
use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{EventLoop, Mailbox, Work};
use crate::future::Future;
use crate::raw::fastcall::{Arguments, FastMethod, is_name};
use crate::threads::{Delivery, Hop, JobQueue};

/// The default executor.
pub(super) struct DefaultExecutor {
    executor: Py<PyAny>,
    /// Its jobs, if it is one of ours.
    jobs: Option<Py<JobQueue>>,
}

impl DefaultExecutor {
    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.executor)?;
        visit.call(&self.jobs)
    }
}

impl EventLoop {
    /// Leaves an outcome for the loop. Any thread; returns what has to be woken afterwards.
    pub(crate) fn deliver(&self, py: Python<'_>, delivery: Delivery) -> Option<Arc<Mailbox>> {
        if self.is_closed.load(Ordering::Relaxed) {
            return None;
        }
        self.schedule(py, Work::Deliver(Box::new(delivery)));
        Some(Arc::clone(&self.mailbox))
    }

    /// The default executor and its jobs, if calls can be handed to it natively.
    fn native_executor<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<Option<(Bound<'py, PyAny>, Bound<'py, JobQueue>)>> {
        let py = slf.py();
        let event_loop = slf.get();
        if event_loop.is_debug()
            || event_loop.is_executor_shut_down.load(Ordering::Relaxed)
            || !Self::schedules_natively(slf)?
        {
            return Ok(None);
        }
        Ok(event_loop.default_executor.with(py, |default| {
            let default = default.as_ref()?;
            let jobs = default.jobs.as_ref()?.bind(py).clone();
            Some((default.executor.bind(py).clone(), jobs))
        }))
    }

    /// Hands a call to the default executor. None if that cannot be done natively.
    fn hop<'py>(
        slf: &Bound<'py, Self>,
        function: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some((executor, jobs)) = Self::native_executor(slf)? else {
            return Ok(None);
        };
        let future = Self::new_future(slf)?;
        let hop = Hop::new(slf, &future, function, args.clone());
        let Some(demand) = jobs.get().submit_hop(hop) else {
            return Ok(None);
        };
        if let Demand::Thread(number) = demand {
            Self::start_thread(&executor, &jobs, &future, number)?;
        }
        let future = future.into_any();
        if slf.get().clock.stands_still() {
            return slf
                .call_method1(intern!(slf.py(), "_by_thread"), (future,))
                .map(Some);
        }
        Ok(Some(future))
    }

    /// Has the executor start a thread. If it cannot, and has no other, nobody will ever come to the job.
    #[cold]
    fn start_thread(
        executor: &Bound<'_, PyAny>,
        jobs: &Bound<'_, JobQueue>,
        future: &Bound<'_, Future>,
        number: usize,
    ) -> PyResult<()> {
        let started = executor.call_method1(intern!(executor.py(), "_start_thread"), (number,));
        let Err(error) = started else { return Ok(()) };
        if jobs.get().note_thread_failed() {
            return Ok(());
        }
        Future::cancel_pending(future, None)?;
        Err(error)
    }
}

#[pymethods]
impl EventLoop {
    /// The default executor, or None before there is one.
    #[getter(_default_executor)]
    fn default_executor(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.default_executor.with(py, |default| {
            default
                .as_ref()
                .map(|default| default.executor.clone_ref(py))
        })
    }

    #[setter(_default_executor)]
    fn set_default_executor(&self, executor: Bound<'_, PyAny>) -> PyResult<()> {
        let py = executor.py();
        let default = if executor.is_none() {
            None
        } else {
            let jobs = executor.getattr_opt(intern!(py, "_jobs"))?;
            Some(DefaultExecutor {
                jobs: jobs.and_then(|jobs| jobs.cast_into().ok().map(Bound::unbind)),
                executor: executor.unbind(),
            })
        };
        drop(self.default_executor.replace(py, default));
        Ok(())
    }

    /// Whether the default executor was shut down.
    #[getter(_executor_shutdown_called)]
    fn is_executor_shut_down(&self) -> bool {
        self.is_executor_shut_down.load(Ordering::Relaxed)
    }

    #[setter(_executor_shutdown_called)]
    fn set_executor_shut_down(&self, is_shut_down: bool) {
        self.is_executor_shut_down
            .store(is_shut_down, Ordering::Relaxed);
    }
}

/// `run_in_executor`.
pub(super) struct RunInExecutor;

impl FastMethod<EventLoop> for RunInExecutor {
    const NAME: &'static CStr = c"run_in_executor";
    const DOC: &'static CStr = c"run_in_executor($self, executor, func, *args)
--

Calls `func(*args)` in a thread or process of `executor`, or of the default one if that is None.";

    #[inline]
    fn call<'py>(
        slf: &Bound<'py, EventLoop>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let mut executor = arguments.positional(0);
        let mut function = arguments.positional(1);
        let unknown = arguments.keywords(|name, value| {
            let place = if is_name(name, intern!(py, "executor")) {
                &mut executor
            } else if is_name(name, intern!(py, "func")) {
                &mut function
            } else {
                return Ok(false);
            };
            Ok(place.replace(value).is_none())
        })?;
        if let Some(name) = unknown.and_then(|unknown| unknown.keys().iter().next()) {
            return Err(PyTypeError::new_err(format!(
                "EventLoop.run_in_executor() got an unexpected keyword argument '{name}'"
            )));
        }
        let missing = |name: &str| {
            PyTypeError::new_err(format!(
                "EventLoop.run_in_executor() missing required argument: '{name}'"
            ))
        };
        let executor = executor.ok_or_else(|| missing("executor"))?;
        let function = function.ok_or_else(|| missing("func"))?;
        let args = arguments.rest(2)?;
        slf.get().check_closed()?;
        if executor.is_none()
            && let Some(future) = EventLoop::hop(slf, &function, &args)?
        {
            return Ok(future.unbind());
        }
        let request = (executor, function, args);
        slf.call_method1(intern!(py, "_submit_to_executor"), request)
            .map(Bound::unbind)
    }
}
