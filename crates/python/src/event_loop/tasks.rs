//! `create_future` and `create_task`, and how futures and tasks of ours get into the ready queue.

use std::ffi::CStr;
use std::sync::atomic::Ordering;

use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyContext, PyDict};

use super::{EventLoop, Work};
use crate::contexts::Captured;
use crate::future::{Callback, Future};
use crate::raw::fastcall::{Arguments, FastMethod, is_name, is_same_method};
use crate::task::{Parts, Task};

/// The methods that natives would call on a loop, and do without if they are ours.
const REPLACEABLE: [&str; 7] = [
    "call_at",
    "call_later",
    "call_soon",
    "call_soon_threadsafe",
    "create_future",
    "create_task",
    "time",
];

impl EventLoop {
    /// Whether futures and tasks of this loop may use its queue directly: not if somebody has replaced
    /// `call_soon`, in a derived class or on the loop, who then has to see everything that is scheduled.
    #[inline]
    pub(crate) fn schedules_natively(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        if let Some(known) = slf.get().schedules_natively.get(py) {
            return Ok(known);
        }
        let name = intern!(py, "call_soon");
        let (own, native) = (
            slf.get_type().getattr(name)?,
            py.get_type::<Self>().getattr(name)?,
        );
        let is_native = is_same_method(&own, &native);
        slf.get().schedules_natively.replace(py, Some(is_native));
        Ok(is_native)
    }

    /// Whether natives may do without the methods of this loop: not if somebody has replaced one that they would
    /// call, nor in debug mode, where every callback is timed.
    #[inline]
    pub(crate) fn is_plain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        if slf.get().is_debug() {
            return Ok(false);
        }
        if let Some(known) = slf.get().is_plain.get(py) {
            return Ok(known);
        }
        let (class, native_class) = (slf.get_type(), py.get_type::<Self>());
        let mut is_native = true;
        for name in REPLACEABLE {
            let (own, native) = (class.getattr(name)?, native_class.getattr(name)?);
            is_native &= is_same_method(&own, &native);
        }
        slf.get().is_plain.replace(py, Some(is_native));
        Ok(is_native)
    }

    /// A task of a coroutine, by the task factory if there is one: `create_task` with nothing but the coroutine.
    #[inline]
    pub(crate) fn spawn<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().check_closed()?;
        let mut is_eager = false;
        if let Some(factory) = slf.get().task_factory(py) {
            if !is_eager_factory(py, &factory)? {
                return slf.call_method1(intern!(py, "create_task"), (coro,));
            }
            is_eager = true;
        }
        let parts = Parts {
            coro,
            name: None,
            context: None,
            is_eager,
        };
        Task::spawn(slf, &parts).map(Bound::into_any)
    }

    /// Whether a task may be put into the queue as it is: not if the loop is closed, nor in debug mode.
    #[inline]
    pub(crate) fn takes_tasks(&self) -> bool {
        !self.is_debug() && !self.is_closed.load(Ordering::Relaxed)
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
        mut callback: Box<Callback>,
        future: &Bound<'_, Future>,
    ) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            let Callback {
                callable, context, ..
            } = *callback;
            let context = context.into_own(py)?;
            let kwargs = PyDict::new(py);
            kwargs.set_item(intern!(py, "context"), context)?;
            slf.call_method(intern!(py, "call_soon"), (callable, future), Some(&kwargs))?;
            return Ok(());
        }
        callback.future = Some(future.clone().unbind());
        event_loop.schedule(py, Work::Done(callback));
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

    /// Has futures and tasks that are made from here on scheduled by `call_soon`, which somebody has replaced.
    #[pyo3(name = "_schedule_by_call_soon")]
    fn schedule_by_call_soon(&self, py: Python<'_>) {
        self.schedules_natively.replace(py, Some(false));
    }

    /// Has natives call the methods of the loop, one of which somebody has replaced.
    #[pyo3(name = "_serve_by_methods")]
    fn serve_by_methods(&self, py: Python<'_>) {
        self.is_plain.replace(py, Some(false));
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

/// `create_task`.
pub(super) struct CreateTask;

impl FastMethod<EventLoop> for CreateTask {
    const NAME: &'static CStr = c"create_task";
    const DOC: &'static CStr = c"create_task($self, coro, *, name=None, context=None, **kwargs)
--

Makes a task of a coroutine, by the task factory if there is one.";

    #[inline]
    fn call<'py>(
        slf: &Bound<'py, EventLoop>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let event_loop = slf.get();
        event_loop.check_closed()?;
        let mut request = TaskRequest::read(py, arguments)?;
        let mut is_eager = false;
        if let Some(factory) = event_loop.task_factory(py) {
            if !is_eager_factory(py, &factory)? {
                return request.hand_to(slf, factory);
            }
            is_eager = true;
        }
        if let Some(others) = request.others.take() {
            is_eager = eager_start(&others)?.unwrap_or(is_eager);
        }
        let parts = Parts {
            coro: &request.coro,
            name: request.name.as_deref(),
            context: request.context.as_deref(),
            is_eager,
        };
        Ok(Task::spawn(slf, &parts)?.into_any().unbind())
    }
}

/// What `create_task` is called with.
struct TaskRequest<'a, 'py> {
    coro: Borrowed<'a, 'py, PyAny>,
    name: Option<Borrowed<'a, 'py, PyAny>>,
    context: Option<Borrowed<'a, 'py, PyAny>>,
    /// The other keyword arguments.
    others: Option<Bound<'py, PyDict>>,
}

impl<'a, 'py> TaskRequest<'a, 'py> {
    #[inline]
    fn read(py: Python<'py>, arguments: &Arguments<'a, 'py>) -> PyResult<Self> {
        if arguments.positional_count() > 1 {
            return Err(PyTypeError::new_err(format!(
                "EventLoop.create_task() takes 2 positional arguments but {} were given",
                arguments.positional_count() + 1
            )));
        }
        let mut coro = arguments.positional(0);
        let (mut name, mut context) = (None, None);
        let others = arguments.keywords(|keyword, value| {
            if is_name(keyword, intern!(py, "name")) {
                name = Some(value);
            } else if is_name(keyword, intern!(py, "context")) {
                context = Some(value);
            } else if coro.is_none() && is_name(keyword, intern!(py, "coro")) {
                coro = Some(value);
            } else {
                return Ok(false);
            }
            Ok(true)
        })?;
        let coro = coro.ok_or_else(|| {
            PyTypeError::new_err(
                "EventLoop.create_task() missing 1 required positional argument: 'coro'",
            )
        })?;
        Ok(Self {
            coro,
            name: name.filter(|name| !name.is_none()),
            context: context.filter(|context| !context.is_none()),
            others,
        })
    }

    /// Has the task made by a factory, as asyncio of the running Python calls it.
    fn hand_to(self, slf: &Bound<'py, EventLoop>, factory: Py<PyAny>) -> PyResult<Py<PyAny>> {
        let others = self.others.unwrap_or_else(|| PyDict::new(slf.py()));
        let arguments = (factory, self.coro, self.name, self.context, others);
        slf.call_method1(intern!(slf.py(), "_create_task_with_factory"), arguments)
            .map(Bound::unbind)
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
