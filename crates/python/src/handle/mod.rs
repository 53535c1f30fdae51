//! A handle: a callback with its arguments and its context, scheduled once.
//!
//! `Handle` waits in the ready queue; `TimerHandle` extends it and waits among the timers first.
//! Both answer `isinstance` as asyncio's classes do. A handle that is cancelled lets go of its
//! callback at once and stays where it waits until its turn comes or the timers are swept.

use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyContext, PyTuple};

use crate::event_loop::EventLoop;
use crate::future::extract_stack;
use crate::raw::guarded::Guarded;
use crate::raw::untracked::{self, Derived, Untracked};
use crate::raw::{context, refcount};

mod call;
mod thread_safe;
mod timer;

pub(crate) use call::{Args, Call};
pub(crate) use thread_safe::ThreadSafeHandle;
pub(crate) use timer::TimerHandle;

/// What debug mode remembers of a handle.
struct Origin {
    /// Where the handle was made (`traceback.StackSummary`).
    source_traceback: Py<PyAny>,
    /// The repr from before the cancel, which took the callback away.
    repr: Option<Py<PyAny>>,
}

/// What a handle has to be asked for under its guard.
struct Contents {
    /// Empty once the handle has run for the last time or was cancelled.
    call: Option<Call>,
    /// Debug mode only.
    origin: Option<Box<Origin>>,
}

/// A callback that was scheduled by `call_soon`, `call_soon_threadsafe`, `add_reader` and the like.
#[pyclass(module = "aioxide._core", frozen, subclass, weakref)]
pub(crate) struct Handle {
    contents: Guarded<Contents>,
    is_cancelled: AtomicBool,
    /// Whether the handle waits among the timers, so that a cancel has to be counted there.
    is_timed: AtomicBool,
    /// Whether it is of a derived class.
    is_derived: bool,
}

impl Untracked for Handle {
    #[inline]
    fn is_empty(&self) -> bool {
        let is_empty = |contents: &Contents| contents.call.is_none() && contents.origin.is_none();
        self.contents.visit(is_empty) == Some(true)
    }
}

/// Has the collector forget the classes of handles. To be called once, before there are any.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    untracked::install::<Handle>(py)?;
    untracked::install_derived::<ThreadSafeHandle>(py)?;
    untracked::install_derived::<TimerHandle>(py)
}

impl Origin {
    /// Where the caller is, in debug mode.
    #[inline]
    fn of(event_loop: &Bound<'_, EventLoop>) -> PyResult<Option<Box<Self>>> {
        if event_loop.get().is_debug() {
            Self::here(event_loop.py()).map(Some)
        } else {
            Ok(None)
        }
    }

    #[cold]
    fn here(py: Python<'_>) -> PyResult<Box<Self>> {
        let source_traceback = extract_stack(py)?;
        Ok(Box::new(Self {
            source_traceback,
            repr: None,
        }))
    }
}

impl Handle {
    /// A handle that nobody has scheduled yet.
    #[inline]
    pub(crate) fn new<'py>(
        event_loop: &Bound<'py, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Bound<'py, Self>> {
        let origin = Origin::of(event_loop)?;
        let context = Call::capture(event_loop, context)?;
        untracked::new(event_loop.py(), || {
            Self::with(
                Call::within(event_loop, callback, args, context),
                origin,
                false,
            )
        })
    }

    /// As `new`, for a handle of a derived class.
    #[inline]
    fn derived<'py, D: Derived<Base = Self>>(
        event_loop: &Bound<'py, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Option<Bound<'_, PyContext>>,
        added: D,
    ) -> PyResult<Bound<'py, D>> {
        let origin = Origin::of(event_loop)?;
        let context = Call::capture(event_loop, context)?;
        let contents = || {
            let call = Call::within(event_loop, callback, args, context);
            Self::with(call, origin, true)
        };
        untracked::derive(event_loop.py(), contents, added)
    }

    #[inline]
    fn with(call: Call, origin: Option<Box<Origin>>, is_derived: bool) -> Self {
        Self {
            contents: Guarded::new(Contents {
                call: Some(call),
                origin,
            }),
            is_cancelled: AtomicBool::new(false),
            is_timed: AtomicBool::new(false),
            is_derived,
        }
    }

    /// A handle for a call that was made without one, so that its failure can be reported.
    pub(crate) fn of_call(py: Python<'_>, call: Call) -> PyResult<Bound<'_, Self>> {
        untracked::new(py, || Self::with(call, None, false))
    }

    /// Runs `call`, which calls the callback; other threads can wait for its end.
    #[inline]
    pub(crate) fn while_running<R>(slf: &Bound<'_, Self>, call: impl FnOnce() -> R) -> R {
        if slf.get().is_derived
            && let Ok(thread_safe) = slf.cast_exact::<ThreadSafeHandle>()
        {
            let _under_way = thread_safe.get().begin(slf.py());
            return call();
        }
        call()
    }

    /// Whether the handle was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Notes whether the handle waits among the timers.
    pub(crate) fn set_timed(&self, is_timed: bool) {
        self.is_timed.store(is_timed, Ordering::Relaxed);
    }

    /// What to call, for a handle that may be called again. None once it is cancelled.
    pub(crate) fn call(&self, py: Python<'_>) -> Option<Call> {
        self.with_call(py, |call| call.as_ref().map(|call| call.clone_ref(py)))
    }

    /// What to call, for the last time: the handle lets go of it. None if it was cancelled.
    #[inline]
    pub(crate) fn take_call(&self, py: Python<'_>) -> Option<Call> {
        self.with_call(py, Option::take)
    }

    #[inline]
    fn with_call<R>(&self, py: Python<'_>, access: impl FnOnce(&mut Option<Call>) -> R) -> R {
        self.contents
            .with(py, |contents| access(&mut contents.call))
    }

    fn with_origin<R>(
        &self,
        py: Python<'_>,
        access: impl FnOnce(&mut Option<Box<Origin>>) -> R,
    ) -> R {
        self.contents
            .with(py, |contents| access(&mut contents.origin))
    }

    /// Lends the handle what it called, while that is being reported.
    pub(crate) fn restore_call(&self, py: Python<'_>, call: Call) {
        drop(self.with_call(py, |place| place.replace(call)));
    }

    /// The context of the call, which from here on no other call shares.
    pub(crate) fn own_context(&self, py: Python<'_>) -> PyResult<Option<Py<PyContext>>> {
        let Some(call) = self.call(py) else {
            return Ok(None);
        };
        let context = call.into_context(py)?;
        let own = context.clone_ref(py);
        let previous = self.with_call(py, |call| call.as_mut().map(|call| call.keep_context(own)));
        drop(previous);
        Ok(Some(context))
    }

    /// The arguments of the call, in a tuple that is the same from here on.
    fn own_args(&self, py: Python<'_>) -> PyResult<Option<Py<PyTuple>>> {
        let Some(call) = self.call(py) else {
            return Ok(None);
        };
        let args = call.args(py)?.unbind();
        let own = args.clone_ref(py);
        let previous = self.with_call(py, |call| call.as_mut().map(|call| call.keep_args(own)));
        drop(previous);
        Ok(Some(args))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let traverse = |contents: &Contents| match &contents.call {
            Some(call) => call.traverse(visit),
            None => Ok(()),
        };
        self.contents.visit(traverse).unwrap_or(Ok(()))
    }

    fn remember_repr(&self, slf: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        if self.with_origin(py, |origin| origin.is_some()) {
            let repr = slf.repr()?.into_any().unbind();
            let previous = self.with_origin(py, |origin| {
                origin.as_mut().and_then(|origin| origin.repr.replace(repr))
            });
            drop(previous);
        }
        Ok(())
    }

    fn cancel_as(&self, slf: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.is_cancelled.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let py = slf.py();
        self.remember_repr(slf)?;
        let call = self.take_call(py);
        if self.is_timed.swap(false, Ordering::Relaxed)
            && let Some(call) = &call
        {
            call.event_loop().get().note_timer_cancelled(py);
        }
        drop(call);
        Ok(())
    }
}

/// A handle in a queue of its loop, for which the loop answers to the garbage collector.
///
/// Handles themselves are not tracked: most are known to nobody but the queue and live for a few
/// microseconds, and 200,000 of them would make the collector run a hundred times. Instead the loop
/// shows a queued handle's contents as its own while it is the only owner, and a handle that has
/// run, was cancelled, or belonged to a loop that is closed lets go of everything it held, so that
/// no cycle can pass through one that somebody keeps.
pub(crate) struct Queued(Py<Handle>);

impl Queued {
    /// Queues a handle.
    pub(crate) fn new(handle: Py<Handle>) -> Self {
        Self(handle)
    }

    /// The handle.
    pub(crate) fn handle(&self) -> &Py<Handle> {
        &self.0
    }

    /// The handle, for good.
    pub(crate) fn into_handle(self) -> Py<Handle> {
        self.0
    }

    /// The same handle once more.
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self(self.0.clone_ref(py))
    }

    /// Lets go of a handle that will not run any more.
    pub(crate) fn release(self, py: Python<'_>) {
        drop(self.0.get().take_call(py));
    }

    /// Shows the collector what the queue keeps alive.
    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if refcount::is_sole(&self.0) {
            self.0.get().traverse(visit)
        } else {
            Ok(())
        }
    }
}

fn asyncio_class<'py>(
    py: Python<'py>,
    class: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyAny>> {
    let class = class.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("asyncio")?.getattr(name)?.unbind())
    })?;
    Ok(class.bind(py))
}

#[pymethods]
impl Handle {
    /// Takes the callback back. Does nothing if it has run or was cancelled.
    pub(crate) fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().cancel_as(slf.as_any())
    }

    /// Whether `cancel` was called.
    fn cancelled(&self) -> bool {
        self.is_cancelled()
    }

    /// The context that the callback runs in; a copy of the current one once the callback has run.
    fn get_context(&self, py: Python<'_>) -> PyResult<Py<PyContext>> {
        match self.own_context(py)? {
            Some(context) => Ok(context),
            None => context::copy_current(py),
        }
    }

    /// Calls the callback, and reports what it raises to the loop's exception handler.
    #[pyo3(name = "_run")]
    fn run(slf: &Bound<'_, Self>) -> PyResult<()> {
        EventLoop::run_handle(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let remembered = slf.get().with_origin(py, |origin| {
            origin
                .as_ref()
                .and_then(|origin| origin.repr.as_ref().map(|repr| repr.clone_ref(py)))
        });
        if let Some(repr) = remembered {
            return Ok(repr);
        }
        Ok(py
            .import("aioxide.handles")?
            .call_method1("format_handle", (slf,))?
            .unbind())
    }

    #[getter(__class__)]
    fn class(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        asyncio_class(py, &CLASS, "Handle").map(|class| class.clone().unbind())
    }

    #[getter(_loop)]
    fn event_loop(&self, py: Python<'_>) -> Option<Py<EventLoop>> {
        self.call(py).map(|call| call.event_loop().clone_ref(py))
    }

    #[getter(_callback)]
    fn callback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.call(py).map(|call| call.callback().clone_ref(py))
    }

    #[getter(_args)]
    fn args(&self, py: Python<'_>) -> PyResult<Option<Py<PyTuple>>> {
        self.own_args(py)
    }

    #[getter(_context)]
    fn private_context(&self, py: Python<'_>) -> PyResult<Option<Py<PyContext>>> {
        self.own_context(py)
    }

    #[getter(_cancelled)]
    fn private_cancelled(&self) -> bool {
        self.is_cancelled()
    }

    #[getter(_source_traceback)]
    fn source_traceback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with_origin(py, |origin| {
            origin
                .as_ref()
                .map(|origin| origin.source_traceback.clone_ref(py))
        })
    }

    #[getter(_repr)]
    fn private_repr(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with_origin(py, |origin| {
            origin
                .as_ref()
                .and_then(|origin| origin.repr.as_ref().map(|repr| repr.clone_ref(py)))
        })
    }
}
