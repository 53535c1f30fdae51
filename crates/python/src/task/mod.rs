//! `Task`: a coroutine driven by an event loop.
//!
//! A task of ours that is to go on stands in the ready queue itself: there is no handle, no wrapper
//! and no call. What a step does is in `step`, how the loop or a future of any other kind gets a task
//! to go on is in `resumption`.

use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyContext, PyDict, PyString, PyTuple, PyType};

use crate::contexts::Captured;
use crate::event_loop::EventLoop;
use crate::future::{self, Future, Owner};
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::Lifecycle;
use crate::raw::{context, coroutine, refcount, registry};
use crate::routine::Coroutine;

mod cancelling;
mod current;
mod eager;
mod finalizing;
mod private;
mod registration;
mod resumption;
mod step;

pub(crate) use current::{Said, current_task};
pub(crate) use finalizing::prepare;
pub(crate) use registration::registered_tasks;
pub(crate) use resumption::Resumption;
pub(crate) use step::Next;

/// How a task goes on.
#[derive(Default)]
pub(crate) enum Resume {
    /// It just goes on: it has not begun, has given way, or is being stepped right now.
    #[default]
    Send,
    /// An exception will be thrown into it.
    Throw(Py<PyAny>),
    /// It waits for a future of ours, or for a task of ours: exactly those classes.
    Native(Py<Future>),
    /// It waits for any other future.
    Foreign(Py<PyAny>),
}

/// A task's name; most are never asked for it.
enum Name {
    /// Before `__init__`.
    None,
    Number(u64),
    Text(Py<PyString>),
}

impl Default for Name {
    fn default() -> Self {
        static COUNT: AtomicU64 = AtomicU64::new(1);
        Self::Number(COUNT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Name {
    /// The name that a caller gave, if any.
    fn new(given: Option<&Bound<'_, PyAny>>) -> PyResult<Self> {
        match given {
            None => Ok(Self::default()),
            Some(name) => match name.cast_exact::<PyString>() {
                Ok(name) => Ok(Self::Text(name.clone().unbind())),
                Err(_other) => Ok(Self::Text(name.str()?.unbind())),
            },
        }
    }
}

/// A task's state beyond that of a future.
pub(crate) struct Inner {
    coro: Option<Py<PyAny>>,
    resume: Resume,
    context: Option<Captured>,
    name: Name,
    cancel_requests: u32,
    /// A cancellation has to be thrown in at the next step.
    must_cancel: bool,
    /// Whether to report the task if it goes before it is done.
    log_destroy_pending: bool,
    place: Option<registry::Place>,
    /// The coroutine has returned.
    has_returned: bool,
}

/// A coroutine driven by an event loop, as `asyncio.Task`. Not thread-safe.
#[pyclass(module = "aioxide", frozen, subclass, generic, extends = Future, name = "Task")]
pub(crate) struct Task {
    inner: Guarded<Inner>,
}

/// The class that tasks show to `isinstance`.
fn asyncio_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio", "Task")
}

/// What a task is made of.
pub(crate) struct Parts<'a, 'py> {
    pub(crate) coro: &'a Bound<'py, PyAny>,
    pub(crate) name: Option<&'a Bound<'py, PyAny>>,
    pub(crate) context: Option<&'a Bound<'py, PyAny>>,
    pub(crate) is_eager: bool,
}

impl Task {
    fn new_inner(inner: Inner) -> Self {
        Self {
            inner: Guarded::new(inner),
        }
    }

    fn blank() -> Inner {
        Inner {
            coro: None,
            resume: Resume::Send,
            context: None,
            name: Name::None,
            cancel_requests: 0,
            must_cancel: false,
            log_destroy_pending: false,
            place: None,
            has_returned: false,
        }
    }

    /// Lends the state. `access` must not call Python, nor drop what Python can see.
    #[inline]
    fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut Inner) -> R) -> R {
        self.inner.with(py, access)
    }

    /// A task on a loop of ours, scheduled or, if it is eager and can be, begun.
    #[inline]
    pub(crate) fn spawn<'py>(
        event_loop: &Bound<'py, EventLoop>,
        parts: &Parts<'_, 'py>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let owner = Owner::of_ours(event_loop)?;
        let native = matches!(owner, Owner::Native(_)).then(|| event_loop.get());
        step::check_coroutine(parts.coro)?;
        let inner = Self::inner_of(py, parts, &owner)?;
        if !event_loop.get().is_debug()
            && let Some(reused) = Self::pool().and_then(|pool| pool.reuse(py))
        {
            let task = reused.into_bound(py);
            task.as_super()
                .get()
                .with(py, |core| core.owner = Some(owner));
            drop(task.get().with(py, |place| std::mem::replace(place, inner)));
            Self::start(&task, native, parts.is_eager)?;
            return Ok(task);
        }
        let future = Future::pending(py, owner)?;
        let init = PyClassInitializer::from(future).add_subclass(Self::new_inner(inner));
        let task = Bound::new(py, init)?;
        Self::start(&task, native, parts.is_eager)?;
        Ok(task)
    }

    fn inner_of(py: Python<'_>, parts: &Parts<'_, '_>, owner: &Owner) -> PyResult<Inner> {
        if cfg!(Py_3_15)
            && let Some(context) = parts.context
            && !context.is_instance_of::<PyContext>()
        {
            let class = context.get_type().name()?;
            let text = format!("a contextvars.Context was expected, got {class}");
            return Err(PyTypeError::new_err(text));
        }
        let context = match (parts.context, owner) {
            (Some(context), _) => Captured::Own(context::presumed(context).clone().unbind()),
            (None, Owner::Native(event_loop)) => event_loop.get().contexts.capture(py)?,
            (None, Owner::Foreign(_)) => Captured::Own(context::copy_current(py)?),
        };
        Ok(Inner {
            coro: Some(parts.coro.clone().unbind()),
            context: Some(context),
            name: Name::new(parts.name)?,
            log_destroy_pending: true,
            ..Self::blank()
        })
    }

    /// Registers a task that is complete, and begins it or has it begun by the loop.
    #[inline]
    fn start(
        slf: &Bound<'_, Self>,
        event_loop: Option<&EventLoop>,
        is_eager: bool,
    ) -> PyResult<()> {
        if is_eager && eager::can_start(slf)? {
            return eager::start(slf);
        }
        Self::schedule_step(slf, event_loop)?;
        registration::register(slf)
    }

    /// Has the task go without a report even if it is not done.
    pub(crate) fn disown(slf: &Bound<'_, Self>) {
        slf.get()
            .with(slf.py(), |inner| inner.log_destroy_pending = false);
    }

    /// The context of the task, which from here on no other shares.
    pub(crate) fn own_context(slf: &Bound<'_, Self>) -> PyResult<Py<PyContext>> {
        let py = slf.py();
        let captured = slf.get().with(py, |inner| {
            let captured = inner.context.as_ref();
            captured.map(|captured| captured.clone_ref(py))
        });
        let context = match captured {
            None => return context::copy_current(py),
            Some(Captured::Own(context)) => return Ok(context),
            Some(shared) => match slf.as_super().get().owner(py)? {
                // The very context that the step under way runs in, if there is one, which the loop then shares no more.
                Owner::Native(event_loop) => match event_loop.get().shared_context_of(py, slf) {
                    Some(working) => working,
                    None => shared.into_own(py)?,
                },
                Owner::Foreign(_) => shared.into_own(py)?,
            },
        };
        let own = Some(Captured::Own(context.clone_ref(py)));
        drop(
            slf.get()
                .with(py, |inner| std::mem::replace(&mut inner.context, own)),
        );
        Ok(context)
    }

    fn name(&self, py: Python<'_>) -> Option<Py<PyString>> {
        let name = self.with(py, |inner| match &inner.name {
            Name::None => Err(None),
            Name::Text(text) => Ok(text.clone_ref(py)),
            Name::Number(number) => Err(Some(*number)),
        });
        match name {
            Ok(text) => Some(text),
            Err(number) => {
                number.map(|number| PyString::new(py, &format!("Task-{number}")).unbind())
            }
        }
    }
}

#[pymethods]
impl Task {
    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(coro, *, loop=None, name=None, context=None, eager_start=None)"
    )]
    fn new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Future::default()).add_subclass(Self::new_inner(Self::blank()))
    }

    /// Makes a task of a coroutine on `loop`, or on the current event loop, in `context` or a copy of the current one.
    #[pyo3(signature = (coro, *, r#loop=None, name=None, context=None, eager_start=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        coro: &Bound<'_, PyAny>,
        r#loop: Option<&Bound<'_, PyAny>>,
        name: Option<&Bound<'_, PyAny>>,
        context: Option<&Bound<'_, PyAny>>,
        eager_start: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        Future::check_is_fresh(slf.as_super())?;
        let owner = match r#loop {
            Some(event_loop) => Owner::new(event_loop)?,
            None => Owner::current(py)?,
        };
        slf.as_super().get().initialise(py, owner.clone_ref(py))?;
        drop(slf.get().with(py, |inner| {
            (
                std::mem::take(&mut inner.resume),
                inner.coro.take(),
                inner.context.take(),
            )
        }));
        registration::unregister(slf);
        slf.get()
            .with(py, |inner| inner.log_destroy_pending = false);
        step::check_coroutine(coro)?;
        let parts = Parts {
            coro,
            name,
            context,
            is_eager: eager_start.is_some_and(|eager| eager.is_truthy().unwrap_or(false)),
        };
        let inner = Self::inner_of(py, &parts, &owner)?;
        drop(slf.get().with(py, |place| std::mem::replace(place, inner)));
        match &owner {
            Owner::Native(event_loop) => Self::start(slf, Some(event_loop.get()), parts.is_eager),
            Owner::Foreign(_) => Self::start(slf, None, parts.is_eager),
        }
    }

    /// The coroutine; None for a task that was started eagerly and has ended at once.
    fn get_coro(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |inner| {
            inner.coro.as_ref().map(|coro| coro.clone_ref(py))
        })
    }

    /// The context that the coroutine runs in.
    fn get_context(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyContext>>> {
        let has_context = slf.get().with(slf.py(), |inner| inner.context.is_some());
        has_context.then(|| Self::own_context(slf)).transpose()
    }

    /// The name.
    fn get_name(&self, py: Python<'_>) -> Option<Py<PyString>> {
        self.name(py)
    }

    /// Sets the name; what is no string is made one.
    #[pyo3(signature = (value, /))]
    fn set_name(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let name = Name::new(Some(value))?;
        drop(self.with(py, |inner| std::mem::replace(&mut inner.name, name)));
        Ok(())
    }

    /// Always fails: a task's result comes from its coroutine.
    #[pyo3(signature = (result, /))]
    fn set_result(&self, result: &Bound<'_, PyAny>) -> PyResult<()> {
        let _refused = result;
        Err(unsupported("set_result"))
    }

    /// Always fails: a task's exception comes from its coroutine.
    #[pyo3(signature = (exception, /))]
    fn set_exception(&self, exception: &Bound<'_, PyAny>) -> PyResult<()> {
        let _refused = exception;
        Err(unsupported("set_exception"))
    }

    /// The frames of the suspended coroutine, or of the traceback it ended with, oldest first; at most `limit`.
    #[pyo3(signature = (*, limit=None))]
    fn get_stack<'py>(
        slf: &Bound<'py, Self>,
        limit: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("asyncio.base_tasks")?
            .call_method1("_task_get_stack", (slf, limit))
    }

    /// Prints what `get_stack` returns as a traceback, to `file` or to standard error.
    #[pyo3(signature = (*, limit=None, file=None))]
    fn print_stack<'py>(
        slf: &Bound<'py, Self>,
        limit: Option<&Bound<'py, PyAny>>,
        file: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        slf.py()
            .import("asyncio.base_tasks")?
            .call_method1("_task_print_stack", (slf, limit, file))
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let info = intern!(slf.py(), "_task_repr_info");
        future::repr(slf.as_super(), "asyncio.base_tasks", info)
    }

    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyType>> {
        asyncio_class(py).cloned()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.inner
            .visit(|inner| inner.traverse(visit))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let dropped = self.with(py, |inner| {
            (
                inner.coro.take(),
                std::mem::take(&mut inner.resume),
                inner.context.take(),
            )
        });
        drop(dropped);
    }
}

fn unsupported(operation: &str) -> PyErr {
    pyo3::exceptions::PyRuntimeError::new_err(format!(
        "Task does not support {operation} operation"
    ))
}

/// What all tasks have, beyond what futures have.
struct Held {
    coro: Option<Py<PyAny>>,
    context: Option<Captured>,
    name: Name,
}

impl Held {
    /// Lets go of it, without asking whether the thread is attached.
    #[inline]
    fn release(self, py: Python<'_>) {
        if let Some(coro) = self.coro {
            drop(coro.into_bound(py));
        }
        if let Some(Captured::Own(context) | Captured::Shared(context)) = self.context {
            drop(context.into_bound(py));
        }
        if let Name::Text(name) = self.name {
            drop(name.into_bound(py));
        }
    }
}

impl Inner {
    /// Whether a task that goes can be emptied by `take_flat`: nobody finds it, and to let go of what it has deallocates
    /// nothing more than a coroutine that has ended.
    fn is_flat(&self, py: Python<'_>) -> bool {
        let has_flat_context = match &self.context {
            Some(Captured::Own(context) | Captured::Shared(context)) => {
                refcount::count(context) > 1
            }
            None => true,
        };
        let has_flat_coroutine = self.coro.as_ref().is_none_or(|coro| {
            let coro = coro.bind(py);
            coroutine::is_coroutine(coro) || coro.is_exact_instance_of::<Coroutine>()
        });
        self.has_returned
            && self.place.is_none()
            && matches!(self.resume, Resume::Send)
            && has_flat_context
            && has_flat_coroutine
    }

    /// Takes out what a flat task has. There is nothing more to be said of its end.
    fn take_flat(&mut self) -> Held {
        self.log_destroy_pending = false;
        Held {
            coro: self.coro.take(),
            context: self.context.take(),
            name: std::mem::replace(&mut self.name, Name::None),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.coro)?;
        match &self.resume {
            Resume::Send => {}
            Resume::Throw(exception) => visit.call(exception)?,
            Resume::Native(future) => visit.call(future)?,
            Resume::Foreign(future) => visit.call(future)?,
        }
        if let Some(context) = &self.context {
            context.traverse(visit)?;
        }
        if let Name::Text(text) = &self.name {
            visit.call(text)?;
        }
        Ok(())
    }
}
