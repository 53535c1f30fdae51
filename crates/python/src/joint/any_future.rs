//! Futures of any kind, asked natively where they are ours, and `ensure_future`.

use pyo3::exceptions::{PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use crate::event_loop::EventLoop;
use crate::future::{Fetched, Future, Outcome, exact_future};
use crate::raw::coroutine;
use crate::raw::fastcall::{Arguments, is_name};
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::RunningLoop;
use crate::task::Task;

/// What a future that is done came to. Whoever asks has retrieved the exception.
pub(crate) enum Settled<'py> {
    Result(Bound<'py, PyAny>),
    Exception(Bound<'py, PyAny>),
    Cancelled,
}

/// A future of any kind.
pub(crate) enum AnyFuture<'py> {
    /// Exactly a future or task of ours, whose methods nobody has replaced.
    Ours(Bound<'py, Future>),
    Other(Bound<'py, PyAny>),
}

impl<'py> AnyFuture<'py> {
    /// Recognises a future.
    #[inline]
    pub(crate) fn new(future: Bound<'py, PyAny>) -> Self {
        match exact_future(&future) {
            Some(ours) => Self::Ours(ours.clone()),
            None => Self::Other(future),
        }
    }

    /// The future as Python sees it.
    pub(crate) fn as_any(&self) -> &Bound<'py, PyAny> {
        match self {
            Self::Ours(future) => future.as_any(),
            Self::Other(future) => future,
        }
    }

    /// Whether the future is done.
    pub(crate) fn is_done(&self) -> PyResult<bool> {
        match self {
            Self::Ours(future) => Ok(!future.get().is_pending(future.py())),
            Self::Other(future) => future
                .call_method0(intern!(future.py(), "done"))?
                .is_truthy(),
        }
    }

    /// Whether a future that is done has no result. Does not retrieve the exception of one of ours.
    pub(crate) fn has_failed(&self) -> PyResult<bool> {
        match self {
            Self::Ours(future) => Ok(future.get().with(future.py(), |core| {
                !matches!(core.outcome, Outcome::Result(_))
            })),
            Self::Other(_) => Ok(!matches!(self.settled()?, Settled::Result(_))),
        }
    }

    /// What a future that is done came to.
    pub(crate) fn settled(&self) -> PyResult<Settled<'py>> {
        match self {
            Self::Ours(future) => {
                let py = future.py();
                if future
                    .get()
                    .with(py, |core| matches!(core.outcome, Outcome::Cancelled))
                {
                    return Ok(Settled::Cancelled);
                }
                match future.get().fetch(py)? {
                    Fetched::Result(result) => Ok(Settled::Result(result.into_bound(py))),
                    Fetched::Failure(exception) => Ok(Settled::Exception(exception)),
                    Fetched::Pending => Err(PyRuntimeError::new_err("the future is not done")),
                }
            }
            Self::Other(future) => {
                let py = future.py();
                if future.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
                    return Ok(Settled::Cancelled);
                }
                let exception = future.call_method0(intern!(py, "exception"))?;
                if exception.is_none() {
                    let result = future.call_method0(intern!(py, "result"))?;
                    return Ok(Settled::Result(result));
                }
                Ok(Settled::Exception(exception))
            }
        }
    }

    /// Has nobody reported for the exception of a future that is done, if it has one.
    pub(crate) fn mark_retrieved(&self) -> PyResult<()> {
        match self {
            Self::Ours(future) => {
                future
                    .get()
                    .with(future.py(), |core| core.log_traceback = false);
                Ok(())
            }
            Self::Other(_) => self.settled().map(drop),
        }
    }

    /// The `CancelledError` of a future that was cancelled.
    pub(crate) fn make_cancelled_error(&self) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Ours(future) => future.get().make_cancelled_error(future.py()),
            Self::Other(future) => {
                future.call_method0(intern!(future.py(), "_make_cancelled_error"))
            }
        }
    }

    /// Cancels the future; says whether that was possible.
    pub(crate) fn cancel(&self, message: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
        let future = self.as_any();
        let py = future.py();
        if let Self::Ours(ours) = self
            && ours.as_any().is_exact_instance_of::<Future>()
        {
            return Future::cancel(ours, message.cloned());
        }
        let cancel = future.getattr(intern!(py, "cancel"))?;
        match message {
            None => cancel.call0()?.is_truthy(),
            Some(message) => {
                let kwargs = PyDict::new(py);
                kwargs.set_item(intern!(py, "msg"), message)?;
                cancel.call((), Some(&kwargs))?.is_truthy()
            }
        }
    }

    /// The loop of the future.
    pub(crate) fn event_loop(&self) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Ours(future) => {
                let py = future.py();
                Ok(future.get().owner(py)?.as_any().bind(py).clone())
            }
            Self::Other(future) => {
                let py = future.py();
                match future.getattr_opt(intern!(py, "get_loop"))? {
                    Some(get_loop) => get_loop.call0(),
                    None => future.getattr(intern!(py, "_loop")),
                }
            }
        }
    }
}

/// Whether an object passes for a future, as asyncio's `isfuture` has it.
#[inline]
pub(crate) fn is_future(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    if exact_future(object).is_some() {
        return Ok(true);
    }
    if coroutine::is_coroutine(object) {
        return Ok(false);
    }
    let py = object.py();
    let name = intern!(py, "_asyncio_future_blocking");
    let class = object.getattr(intern!(py, "__class__"))?;
    Ok(class.hasattr(name)? && !object.getattr(name)?.is_none())
}

/// Whether an object passes for a coroutine, as asyncio's `iscoroutine` has it.
pub(crate) fn is_coroutine(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static IS_COROUTINE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    if coroutine::is_coroutine(object) || object.is_exact_instance_of::<Coroutine>() {
        return Ok(true);
    }
    let py = object.py();
    let is_coroutine = IS_COROUTINE.get_or_try_init(py, || {
        let is_coroutine = py.import("asyncio.coroutines")?.getattr("iscoroutine")?;
        Ok::<_, PyErr>(is_coroutine.unbind())
    })?;
    is_coroutine.bind(py).call1((object,))?.is_truthy()
}

/// The current event loop: the one that runs, or the one that is set.
pub(crate) fn current_loop(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import(intern!(py, "asyncio.events"))?
        .call_method0(intern!(py, "get_event_loop"))
}

pub(super) static ENSURE_FUTURE: Function = Function {
    qualname: "ensure_future",
    call: call_ensure_future,
};

fn call_ensure_future<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "coro_or_future"), intern!(py, "loop")];
    let Some([Some(awaitable), event_loop]) = arguments.fit(1, names) else {
        return Ok(None);
    };
    let event_loop = event_loop.filter(|event_loop| !event_loop.is_none());
    let future = ensure_future(&awaitable, event_loop.as_deref())?;
    Ok(Some(future.as_any().clone().unbind()))
}

/// The future itself, or a task of what can be awaited, on `event_loop` or the current one.
///
/// # Errors
/// `ValueError` if the future belongs to another loop, `TypeError` if the object cannot be awaited.
pub(crate) fn ensure_future<'py>(
    awaitable: &Bound<'py, PyAny>,
    event_loop: Option<&Bound<'py, PyAny>>,
) -> PyResult<AnyFuture<'py>> {
    if is_future(awaitable)? {
        let future = AnyFuture::new(awaitable.clone());
        if let Some(event_loop) = event_loop
            && !future.event_loop()?.is(event_loop)
        {
            return Err(PyValueError::new_err(
                "The future belongs to a different loop than the one specified as the loop argument",
            ));
        }
        return Ok(future);
    }
    let py = awaitable.py();
    let is_coroutine = is_coroutine(awaitable)?;
    let coroutine = if is_coroutine {
        awaitable.clone()
    } else {
        wrap(awaitable)?
    };
    let close = |error: PyErr| {
        if is_coroutine && error.is_instance_of::<PyRuntimeError>(py) {
            drop(coroutine.call_method0(intern!(py, "close")));
        }
        error
    };
    let event_loop = match event_loop {
        Some(event_loop) => event_loop.clone(),
        None => current_loop(py).inspect_err(|_no_loop| {
            if !is_coroutine {
                drop(coroutine.call_method0(intern!(py, "close")));
            }
        })?,
    };
    create_task(&RunningLoop::of(event_loop)?, &coroutine)
        .map(AnyFuture::new)
        .map_err(close)
}

pub(super) static CREATE_TASK: Function = Function {
    qualname: "create_task",
    call: call_create_task,
};

fn call_create_task<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let mut coro = arguments.positional(0);
    let others = arguments.keywords(|name, value| {
        let is_coro = coro.is_none() && is_name(name, intern!(py, "coro"));
        if is_coro {
            coro = Some(value);
        }
        Ok(is_coro)
    })?;
    let (Some(coro), 0 | 1) = (coro, arguments.positional_count()) else {
        return Ok(None);
    };
    let event_loop = RunningLoop::get(py)?;
    let task = match others {
        None => create_task(&event_loop, &coro)?,
        Some(others) => {
            let create_task = intern!(py, "create_task");
            event_loop
                .as_any()
                .call_method(create_task, (coro,), Some(&others))?
        }
    };
    Ok(Some(task.unbind()))
}

/// A task of a coroutine, made as the loop makes them.
#[inline]
pub(crate) fn create_task<'py>(
    event_loop: &RunningLoop<'py>,
    coroutine: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    match event_loop {
        RunningLoop::Native(ours) => EventLoop::spawn(ours, coroutine),
        RunningLoop::Foreign(other) => {
            other.call_method1(intern!(other.py(), "create_task"), (coroutine,))
        }
    }
}

/// A coroutine that awaits an awaitable which is none.
fn wrap<'py>(awaitable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    static IS_AWAITABLE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = awaitable.py();
    let is_awaitable = IS_AWAITABLE.get_or_try_init(py, || {
        let is_awaitable = py.import("inspect")?.getattr("isawaitable")?;
        Ok::<_, PyErr>(is_awaitable.unbind())
    })?;
    if !is_awaitable.bind(py).call1((awaitable,))?.is_truthy()? {
        return Err(PyTypeError::new_err(
            "An asyncio.Future, a coroutine or an awaitable is required",
        ));
    }
    Coroutine::make(py, &WRAP, Wrap(awaitable.clone().unbind()))
}

static WRAP: Function = Function {
    qualname: "ensure_future.<locals>._wrap_awaitable",
    call: |_py, _arguments| Ok(None),
};

/// Awaits an awaitable.
struct Wrap(Py<PyAny>);

impl Routine for Wrap {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if matches!(input, Input::Start) {
            return Ok(Progress::Await(self.0.bind(py).clone()));
        }
        input.value(py).map(Progress::Return)
    }

    fn traverse(&self, visit: pyo3::gc::PyVisit<'_>) -> Result<(), pyo3::gc::PyTraverseError> {
        visit.call(&self.0)
    }
}

/// Has a task that was made for a coroutine go without a report if nobody waits for it any more.
pub(super) fn disown(future: &AnyFuture<'_>) -> PyResult<()> {
    let future = future.as_any();
    if let Ok(task) = future.cast_exact::<Task>() {
        Task::disown(task);
        return Ok(());
    }
    future.setattr(intern!(future.py(), "_log_destroy_pending"), false)
}
