//! `Future`: the result of something that is not done yet.
//!
//! What differs from asyncio's own is behind the scenes: a task of ours that awaits a future waits
//! in it without a callback object, and a future awaited is its own iterator, so that `await`
//! allocates nothing.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::contexts::Captured;
use crate::event_loop::{EventLoop, Work};
use crate::joint::GatheringFuture;
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::Lifecycle;
use crate::raw::{context, raising, refcount};
use crate::task::Task;

mod awaited_by;
mod finalizing;
mod iterator;
mod outcome;
mod owner;
mod private;
mod sleeper;
mod waiters;

pub(crate) use awaited_by::{Awaiters, future_add_to_awaited_by, future_discard_from_awaited_by};
pub(crate) use finalizing::{add_source_traceback, prepare, report_unretrieved, repr};
pub(crate) use iterator::{AwaitStep, FutureIter, thrown};
pub(crate) use outcome::{
    Fetched, Outcome, cancelled_error_class, invalid_state, without_stop_iteration,
};
pub(crate) use owner::Owner;
pub(crate) use waiters::{Callback, Waiter, Waiters};

/// What few futures need, kept apart so that the others are smaller.
#[derive(Default)]
pub(crate) struct Extras {
    /// Where the future was made (`traceback.StackSummary`); debug mode only.
    pub(crate) source_traceback: Option<Py<PyAny>>,
    /// The message given to `cancel`.
    pub(crate) cancel_message: Option<Py<PyAny>>,
    /// The `CancelledError` that ended a task, to be raised once more.
    pub(crate) cancelled_error: Option<Py<PyAny>>,
}

/// A future's state.
#[derive(Default)]
pub(crate) struct Core {
    /// None before `__init__`.
    pub(crate) owner: Option<Owner>,
    pub(crate) outcome: Outcome,
    pub(crate) waiters: Waiters,
    pub(crate) awaiters: Awaiters,
    pub(crate) extras: Option<Box<Extras>>,
    /// Set by `await`, taken back by the task that is handed the future: it tells an `await` from a `yield`.
    pub(crate) is_blocking: bool,
    /// Whether the exception has to be reported because nobody has asked for it.
    pub(crate) log_traceback: bool,
    /// Whether nobody sleeps any more until the time for which the future waits among the timers.
    is_given_up: bool,
}

impl Core {
    /// Takes an outcome if there is none yet, and gives out who waited for it; else gives it back.
    fn settle(&mut self, outcome: Outcome) -> Result<Waiters, Outcome> {
        if !matches!(self.outcome, Outcome::Pending) {
            return Err(outcome);
        }
        self.log_traceback = matches!(outcome, Outcome::Exception(_));
        self.outcome = outcome;
        Ok(std::mem::take(&mut self.waiters))
    }

    /// Whether there is no outcome yet.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        matches!(self.outcome, Outcome::Pending)
    }

    /// Whether a future that goes can be emptied by `take_flat`: nothing is to be said of its end, and to let go of what it has
    /// deallocates no others.
    #[inline]
    pub(crate) fn is_flat(&self) -> bool {
        let is_flat = match &self.outcome {
            Outcome::Pending | Outcome::Cancelled => true,
            Outcome::Result(result) => refcount::ends_alone(result),
            Outcome::Exception(_) => false,
        };
        is_flat
            && !self.log_traceback
            && matches!(self.waiters, Waiters::None)
            && matches!(self.awaiters, Awaiters::None)
            && self.extras.is_none()
    }

    /// Empties a flat future, and hands out what it had.
    #[inline]
    pub(crate) fn take_flat(&mut self) -> Essence {
        self.is_blocking = false;
        self.is_given_up = false;
        Essence(self.owner.take(), std::mem::take(&mut self.outcome))
    }

    /// Lets go of everything. What most futures have does not have to ask whether the thread is attached.
    #[inline]
    pub(crate) fn release(mut self, py: Python<'_>) {
        self.take_flat().release(py);
    }

    /// The part that few futures have, made if need be.
    pub(crate) fn extras(&mut self) -> &mut Extras {
        self.extras.get_or_insert_default()
    }
}

/// What all futures have: an owner and an outcome.
pub(crate) struct Essence(Option<Owner>, Outcome);

impl Essence {
    /// Lets go of it. What most futures have does not have to ask whether the thread is attached.
    #[inline]
    pub(crate) fn release(self, py: Python<'_>) {
        if let Some(owner) = self.0 {
            owner.release(py);
        }
        if let Outcome::Result(result) = self.1 {
            drop(result.into_bound(py));
        }
    }
}

/// A result that is not there yet, as `asyncio.Future`. Not thread-safe.
#[pyclass(
    module = "aioxide",
    frozen,
    subclass,
    weakref,
    dict,
    generic,
    name = "Future"
)]
pub(crate) struct Future {
    core: Guarded<Core>,
}

impl Default for Future {
    fn default() -> Self {
        Self {
            core: Guarded::new(Core::default()),
        }
    }
}

/// The class that futures show to `isinstance`.
fn asyncio_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio", "Future")
}

/// Where the caller is, for debug mode (`traceback.StackSummary`).
pub(crate) fn extract_stack(py: Python<'_>) -> PyResult<Py<PyAny>> {
    let frame = py.import("sys")?.call_method0("_getframe")?;
    Ok(py
        .import("asyncio.format_helpers")?
        .call_method1("extract_stack", (frame,))?
        .unbind())
}

impl Future {
    /// A pending future.
    pub(crate) fn pending(py: Python<'_>, owner: Owner) -> PyResult<Self> {
        let source_traceback = if owner.is_debug(py)? {
            Some(extract_stack(py)?)
        } else {
            None
        };
        let mut core = Core {
            owner: Some(owner),
            ..Core::default()
        };
        if source_traceback.is_some() {
            core.extras().source_traceback = source_traceback;
        }
        Ok(Self {
            core: Guarded::new(core),
        })
    }

    /// Starts anew on `owner`'s loop: what `__init__` does.
    pub(crate) fn initialise(&self, py: Python<'_>, owner: Owner) -> PyResult<()> {
        let fresh = Self::pending(py, owner)?;
        let fresh = fresh.with(py, std::mem::take);
        drop(self.with(py, |core| std::mem::replace(core, fresh)));
        Ok(())
    }

    /// Refuses a second `__init__`, as Python does since 3.15; before, it began the future anew.
    pub(crate) fn check_is_fresh(slf: &Bound<'_, Self>) -> PyResult<()> {
        if cfg!(not(Py_3_15)) || slf.get().with(slf.py(), |core| core.owner.is_none()) {
            return Ok(());
        }
        let name = slf.get_type().name()?;
        let text = format!("{name} object is already initialized");
        Err(PyRuntimeError::new_err(text))
    }

    /// Lends the state. `access` must not call Python, nor drop what Python can see.
    #[inline]
    pub(crate) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut Core) -> R) -> R {
        self.core.with(py, access)
    }

    /// Whether there is no outcome yet.
    #[inline]
    pub(crate) fn is_pending(&self, py: Python<'_>) -> bool {
        self.with(py, |core| matches!(core.outcome, Outcome::Pending))
    }

    /// The loop of the future.
    ///
    /// # Errors
    /// `RuntimeError` before `__init__`.
    pub(crate) fn owner(&self, py: Python<'_>) -> PyResult<Owner> {
        self.with(py, |core| {
            core.owner.as_ref().map(|owner| owner.clone_ref(py))
        })
        .ok_or_else(|| PyRuntimeError::new_err(outcome::UNINITIALISED))
    }

    /// Gives a pending future its outcome, and hands its waiters to the loop.
    ///
    /// # Errors
    /// `InvalidStateError` if it is done: of several threads that ask at once, one is right.
    #[inline]
    pub(crate) fn settle(slf: &Bound<'_, Self>, outcome: Outcome) -> PyResult<()> {
        let py = slf.py();
        let settled = slf.get().with(py, |core| {
            let waiters = core.settle(outcome)?;
            Ok::<_, Outcome>(match (waiters, &core.owner) {
                // A task that waits alone, as most do, needs nothing but a place in the queue.
                (Waiters::One(Waiter::Task(task)), Some(Owner::Native(event_loop)))
                    if event_loop.get().takes_tasks() =>
                {
                    event_loop.get().schedule(py, Work::Task(task));
                    Waiters::None
                }
                (waiters, _) => waiters,
            })
        });
        match settled {
            Ok(Waiters::None) => Ok(()),
            Ok(waiters) => Self::release(slf, waiters).inspect_err(|_refused| {
                // As asyncio has it, there is nothing to be reported of an exception that the loop refused.
                slf.get().with(py, |core| core.log_traceback = false);
            }),
            Err(refused) => {
                drop(refused);
                Err(invalid_state(py, "invalid state"))
            }
        }
    }

    /// Hands those that waited for a future to its loop.
    #[inline]
    fn release(slf: &Bound<'_, Self>, waiters: Waiters) -> PyResult<()> {
        if matches!(waiters, Waiters::None) {
            return Ok(());
        }
        let owner = slf.get().owner(slf.py())?;
        let scheduled = waiters.schedule(slf, &owner);
        owner.release(slf.py());
        scheduled
    }

    /// Gives a pending future an exception for an outcome, to be reported if nobody asks for it.
    pub(crate) fn settle_exception(
        slf: &Bound<'_, Self>,
        exception: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        Self::settle(slf, Outcome::exception(exception)?)
    }

    /// Cancels a pending future. Says whether it was pending.
    pub(crate) fn cancel_pending(
        slf: &Bound<'_, Self>,
        message: Option<Bound<'_, PyAny>>,
    ) -> PyResult<bool> {
        let py = slf.py();
        let message = message
            .filter(|message| !message.is_none())
            .map(Bound::unbind);
        let has_message = message.is_some();
        let (waiters, previous) = slf.get().with(py, |core| {
            core.log_traceback = false;
            let Ok(waiters) = core.settle(Outcome::Cancelled) else {
                return (None, message);
            };
            let previous = if has_message || core.extras.is_some() {
                std::mem::replace(&mut core.extras().cancel_message, message)
            } else {
                None
            };
            (Some(waiters), previous)
        });
        drop(previous);
        let is_cancelled = waiters.is_some();
        if let Some(waiters) = waiters {
            Self::release(slf, waiters)?;
        }
        Ok(is_cancelled)
    }

    fn check_pending(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_pending(py) {
            return Ok(());
        }
        Err(invalid_state(py, "invalid state"))
    }

    pub(crate) fn check_initialised(&self, py: Python<'_>) -> PyResult<()> {
        self.owner(py).map(drop)
    }

    /// Adds a callback, which is called by the loop when the future is done.
    fn add_callback(
        slf: &Bound<'_, Self>,
        callable: &Bound<'_, PyAny>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let future = slf.get();
        let owner = future
            .owner(py)
            .map_err(|_uninitialised| PyRuntimeError::new_err("uninitialized Future object"))?;
        let context = match (context, &owner) {
            (Some(context), _) => Captured::Own(context::presumed(context).clone().unbind()),
            (None, Owner::Native(event_loop)) => event_loop.get().contexts.capture(py)?,
            (None, Owner::Foreign(_)) => Captured::Own(context::copy_current(py)?),
        };
        let waiter = Waiter::Callback(Box::new(Callback {
            callable: callable.clone().unbind(),
            context,
            future: None,
        }));
        let refused = future.with(py, |core| {
            if matches!(core.outcome, Outcome::Pending) {
                core.waiters.push(waiter);
                None
            } else {
                Some(waiter)
            }
        });
        refused.map_or(Ok(()), |waiter| waiter.schedule(slf, &owner))
    }
}

#[pymethods]
impl Future {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(*, loop=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// Makes a pending future of `loop`, or of the current event loop.
    #[pyo3(signature = (*, r#loop=None))]
    fn __init__(slf: &Bound<'_, Self>, r#loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        Self::check_is_fresh(slf)?;
        let py = slf.py();
        let owner = match r#loop {
            Some(event_loop) => Owner::new(event_loop)?,
            None => Owner::current(py)?,
        };
        slf.get().initialise(py, owner)
    }

    /// The result; raises the exception if there is one, `CancelledError` if the future was cancelled,
    /// and `InvalidStateError` if it is not done.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self.fetch(py)? {
            Fetched::Result(result) => Ok(result),
            Fetched::Failure(error) => Err(raising::raised(&error)),
            Fetched::Pending => Err(invalid_state(py, "Result is not set.")),
        }
    }

    /// The exception, or None if there is a result; raises `CancelledError` if the future was cancelled, and
    /// `InvalidStateError` if it is not done.
    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.fetch_exception(py)
    }

    /// Whether the future was cancelled.
    fn cancelled(&self, py: Python<'_>) -> bool {
        self.with(py, |core| matches!(core.outcome, Outcome::Cancelled))
    }

    /// Whether there is a result or an exception, or the future was cancelled.
    fn done(&self, py: Python<'_>) -> bool {
        !self.is_pending(py)
    }

    /// Cancels the future and schedules its callbacks. Returns False if it was done.
    #[pyo3(signature = (msg=None))]
    pub(crate) fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        slf.get().check_initialised(slf.py())?;
        Self::cancel_pending(slf, msg)
    }

    /// Sets the result and schedules the callbacks; raises `InvalidStateError` if the future is done.
    #[pyo3(signature = (result, /))]
    pub(crate) fn set_result(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        let py = slf.py();
        slf.get().check_initialised(py)?;
        Self::settle(slf, Outcome::Result(result))
    }

    /// Sets the exception, an object or a class, and schedules the callbacks; raises `InvalidStateError`
    /// if the future is done, and `TypeError` if `exception` is no exception.
    #[pyo3(signature = (exception, /))]
    fn set_exception(slf: &Bound<'_, Self>, exception: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        slf.get().check_initialised(py)?;
        slf.get().check_pending(py)?;
        let exception = outcome::storable(exception)?;
        Self::settle_exception(slf, exception)
    }

    /// Has `fn(future)` called by the loop when the future is done, in `context` or a copy of the current one.
    #[pyo3(name = "add_done_callback", signature = (r#fn, /, *, context=None))]
    fn add_done_callback(
        slf: &Bound<'_, Self>,
        r#fn: &Bound<'_, PyAny>,
        context: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        Self::add_callback(slf, r#fn, context)
    }

    /// Removes a callback wherever it was added. Returns how often that was.
    #[pyo3(signature = (r#fn, /))]
    fn remove_done_callback(&self, py: Python<'_>, r#fn: &Bound<'_, PyAny>) -> PyResult<usize> {
        self.check_initialised(py)?;
        let mut unwanted = Vec::new();
        for shown in self.with(py, |core| core.waiters.show(py)) {
            // The comparison may be foreign code that changes the list, so that places say nothing afterwards.
            if shown.is_equal(r#fn)? {
                unwanted.push(shown);
            }
        }
        let is_unwanted = |waiter: &Waiter| unwanted.iter().any(|shown| shown.is_of(waiter));
        let removed = self.with(py, |core| core.waiters.take_out(is_unwanted));
        Ok(removed.len())
    }

    /// The event loop of the future.
    fn get_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(self.owner(py)?.as_any().clone_ref(py))
    }

    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Py<FutureIter>> {
        FutureIter::over(slf)
    }

    fn __iter__(slf: &Bound<'_, Self>) -> PyResult<Py<FutureIter>> {
        FutureIter::over(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        repr(
            slf,
            "asyncio.base_futures",
            intern!(slf.py(), "_future_repr_info"),
        )
    }

    #[getter(__class__)]
    fn class<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyType>> {
        asyncio_class(py).cloned()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.core
            .visit(|core| core.traverse(visit))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.with(py, std::mem::take));
    }
}

impl Core {
    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Some(owner) = &self.owner {
            owner.traverse(visit)?;
        }
        self.outcome.traverse(visit)?;
        self.waiters.traverse(visit)?;
        self.awaiters.traverse(visit)?;
        let Some(extras) = &self.extras else {
            return Ok(());
        };
        visit.call(&extras.source_traceback)?;
        visit.call(&extras.cancel_message)?;
        visit.call(&extras.cancelled_error)
    }
}

/// An object as a future of ours, if it is exactly one, or exactly a task of ours.
#[inline]
pub(crate) fn exact_future<'a, 'py>(
    object: &'a Bound<'py, PyAny>,
) -> Option<&'a Bound<'py, Future>> {
    if let Ok(future) = object.cast_exact::<Future>() {
        return Some(future);
    }
    if let Ok(task) = object.cast_exact::<Task>() {
        return Some(task.as_super());
    }
    exact_gathering(object)
}

#[inline(never)]
fn exact_gathering<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<&'a Bound<'py, Future>> {
    object
        .cast_exact::<GatheringFuture>()
        .ok()
        .map(Bound::as_super)
}

impl EventLoop {
    /// A pending future of this loop.
    #[inline]
    pub(crate) fn new_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Future>> {
        let py = slf.py();
        let owner = Owner::of_ours(slf)?;
        if !slf.get().is_debug()
            && let Some(reused) = Future::pool().and_then(|pool| pool.reuse(py))
        {
            reused.get().with(py, |core| core.owner = Some(owner));
            return Ok(reused.into_bound(py));
        }
        Bound::new(py, Future::pending(py, owner)?)
    }
}
