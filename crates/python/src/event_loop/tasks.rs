//! `create_future` and `create_task`, and how futures and tasks of ours get into the ready queue.

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyContext, PyDict};

use super::{EventLoop, Work};
use crate::contexts::Captured;
use crate::future::{Callback, Future};
use crate::task::{Parts, Task};

impl EventLoop {
    /// Whether futures and tasks of this loop may use its queue directly: not if the loop's class has a
    /// `call_soon` of its own, which then has to see everything that is scheduled.
    #[inline]
    pub(crate) fn schedules_natively(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if let Some(known) = slf.get().schedules_natively.get() {
            return Ok(*known);
        }
        let py = slf.py();
        let name = intern!(py, "call_soon");
        let (own, native) = (
            slf.get_type().getattr(name)?,
            py.get_type::<Self>().getattr(name)?,
        );
        Ok(*slf.get().schedules_natively.get_or_init(|| own.is(&native)))
    }

    /// Has a task stepped in the next turn.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    #[inline]
    pub(crate) fn schedule_task(&self, py: Python<'_>, task: Py<Task>) -> PyResult<()> {
        self.check_closed()?;
        self.schedule(py, Work::Task(task));
        Ok(())
    }

    /// Has a callback of a future that is done called in the next turn.
    pub(crate) fn schedule_callback(
        slf: &Bound<'_, Self>,
        callback: Box<Callback>,
        future: &Bound<'_, Future>,
    ) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            let Callback { callable, context } = *callback;
            let context = context.into_own(py)?;
            let kwargs = PyDict::new(py);
            kwargs.set_item(intern!(py, "context"), context)?;
            slf.call_method(intern!(py, "call_soon"), (callable, future), Some(&kwargs))?;
            return Ok(());
        }
        event_loop.schedule(py, Work::Done(callback, future.clone().unbind()));
        Ok(())
    }

    /// Calls a callback of a future that is done. If that fails, the callback has the context that it ran in.
    pub(super) fn call_done(
        &self,
        callback: &mut Callback,
        future: &Bound<'_, Future>,
    ) -> PyResult<()> {
        let py = future.py();
        let callable = callback.callable.bind(py);
        self.contexts
            .run_next_in(py, &mut callback.context, || callable.call1((future,)))?;
        Ok(())
    }

    /// The context of a callback that is to be reported.
    pub(super) fn reported_context(
        py: Python<'_>,
        captured: Captured,
    ) -> PyResult<Bound<'_, PyContext>> {
        captured.into_own(py).map(|context| context.into_bound(py))
    }
}

/// asyncio's own eager factory, by which tasks of ours are meant on a loop of ours.
fn is_eager_factory(py: Python<'_>, factory: &Py<PyAny>) -> PyResult<bool> {
    static EAGER: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    let eager = EAGER.get_or_try_init(py, || {
        let tasks = py.import("asyncio.tasks")?;
        let eager = tasks.getattr_opt("eager_task_factory")?;
        Ok::<_, PyErr>(eager.map(Bound::unbind))
    })?;
    Ok(eager.as_ref().is_some_and(|eager| eager.is(factory)))
}

#[pymethods]
impl EventLoop {
    /// A pending future of this loop.
    fn create_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Future>> {
        Self::new_future(slf)
    }

    /// Makes a task of a coroutine, by the task factory if there is one.
    #[pyo3(signature = (coro, *, name=None, context=None, **kwargs))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().check_closed()?;
        let mut is_eager = false;
        if let Some(factory) = slf.get().task_factory(py) {
            if !is_eager_factory(py, &factory)? {
                let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py));
                let arguments = (factory, coro, name, context, kwargs);
                return slf.call_method1(intern!(py, "_create_task_with_factory"), arguments);
            }
            is_eager = true;
        }
        if let Some(kwargs) = kwargs {
            is_eager = eager_start(&kwargs)?.unwrap_or(is_eager);
        }
        let parts = Parts {
            coro,
            name,
            context,
            is_eager,
        };
        Ok(Task::spawn(slf, &parts)?.into_any())
    }

    /// What makes this loop's tasks, or None for the default.
    #[getter(_task_factory)]
    fn task_factory(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.task_factory.with(py, |factory| {
            factory.as_ref().map(|factory| factory.clone_ref(py))
        })
    }

    #[setter(_task_factory)]
    fn set_task_factory(&self, py: Python<'_>, factory: Option<Py<PyAny>>) {
        drop(self.task_factory.replace(py, factory));
    }
}

/// The value of `eager_start` among the keywords of `create_task`, where there can be no other.
fn eager_start(kwargs: &Bound<'_, PyDict>) -> PyResult<Option<bool>> {
    let mut is_eager = None;
    for (name, value) in kwargs {
        if name.to_string() != "eager_start" {
            return Err(PyTypeError::new_err(format!(
                "Task() got an unexpected keyword argument '{name}'"
            )));
        }
        // None is what callers pass on who were not given it.
        is_eager = if value.is_none() {
            None
        } else {
            Some(value.is_truthy()?)
        };
    }
    Ok(is_eager)
}
