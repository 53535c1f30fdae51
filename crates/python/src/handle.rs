//! A handle: a callback with its arguments and its context, scheduled once.
//!
//! `Handle` waits in the ready queue; `TimerHandle` extends it and waits among the timers first.
//! Both answer `isinstance` as asyncio's classes do. A handle that is cancelled lets go of its
//! callback at once and stays where it waits until its turn comes or the timers are swept.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;

use pyo3::basic::CompareOp;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyContext, PyTuple};

use crate::contexts::Captured;
use crate::event_loop::EventLoop;
use crate::future::extract_stack;
use crate::raw::guarded::Guarded;
use crate::raw::{context, refcount};

/// What a handle calls, and all that it keeps alive.
pub(crate) struct Call {
    event_loop: Py<EventLoop>,
    callback: Py<PyAny>,
    args: Py<PyTuple>,
    context: Captured,
}

impl Call {
    /// What will be called.
    pub(crate) fn callback(&self) -> &Py<PyAny> {
        &self.callback
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            event_loop: self.event_loop.clone_ref(py),
            callback: self.callback.clone_ref(py),
            args: self.args.clone_ref(py),
            context: self.context.clone_ref(py),
        }
    }

    /// A call in the context of the caller's choice, or in a capture of the current one.
    #[inline]
    pub(crate) fn new(
        event_loop: &Bound<'_, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Self> {
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            callback: callback.clone().unbind(),
            args: args.clone().unbind(),
            context: match context {
                Some(context) => Captured::Own(context.unbind()),
                None => event_loop.get().contexts.capture(event_loop.py())?,
            },
        })
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.callback)?;
        visit.call(&self.args)?;
        self.context.traverse(visit)
    }

    /// The loop that the call was scheduled on.
    pub(crate) fn event_loop(&self) -> &Py<EventLoop> {
        &self.event_loop
    }

    /// Calls the callback in its context. If it fails, `self` has that very context afterwards.
    pub(crate) fn run(&mut self, py: Python<'_>) -> PyResult<()> {
        let (callback, args) = (self.callback.bind(py), self.args.bind(py));
        let contexts = &self.event_loop.get().contexts;
        contexts.run_in(py, &mut self.context, || call(callback, args))
    }

    /// As `run`, for the loop itself, which makes one call after the other.
    #[inline]
    pub(crate) fn run_next(&mut self, py: Python<'_>) -> PyResult<()> {
        let (callback, args) = (self.callback.bind(py), self.args.bind(py));
        let contexts = &self.event_loop.get().contexts;
        contexts.run_next_in(py, &mut self.context, || call(callback, args))
    }
}

#[inline]
fn call(callback: &Bound<'_, PyAny>, args: &Bound<'_, PyTuple>) -> PyResult<()> {
    if args.is_empty() {
        callback.call0()?;
    } else {
        callback.call1(args)?;
    }
    Ok(())
}

/// What debug mode remembers of a handle.
struct Origin {
    /// Where the handle was made (`traceback.StackSummary`).
    source_traceback: Py<PyAny>,
    /// The repr from before the cancel, which took the callback away.
    repr: Option<Py<PyAny>>,
}

/// Lets other threads wait until a callback that is under way has ended.
///
/// From Python 3.14 on, `cancel` and `cancelled` of a handle made by `call_soon_threadsafe` do so,
/// so that their answer holds. The thread that runs the callback never waits for itself.
#[derive(Default)]
pub(crate) struct RunLock {
    run: Mutex<Run>,
    has_ended: Condvar,
}

/// Whether a callback is under way.
#[derive(Default)]
struct Run {
    /// The thread that runs it.
    runner: Option<ThreadId>,
    /// How many threads wait for its end: the kernel is told of it only if there are any.
    waiting: usize,
}

impl Run {
    fn is_of_another(&self, thread: ThreadId) -> bool {
        self.runner.is_some_and(|runner| runner != thread)
    }
}

impl RunLock {
    fn begin(&self) -> Running<'_> {
        self.run().runner = Some(std::thread::current().id());
        Running(self)
    }

    /// Waits until no other thread runs the callback.
    fn wait(&self, py: Python<'_>) {
        let this_thread = std::thread::current().id();
        if self.run().is_of_another(this_thread) {
            py.detach(|| {
                let mut run = self.run();
                run.waiting += 1;
                let waited = self
                    .has_ended
                    .wait_while(run, |run| run.is_of_another(this_thread));
                waited.unwrap_or_else(PoisonError::into_inner).waiting -= 1;
            });
        }
    }

    fn run(&self) -> MutexGuard<'_, Run> {
        self.run.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A callback that is under way, until it is dropped.
struct Running<'a>(&'a RunLock);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut run = self.0.run();
        run.runner = None;
        if run.waiting > 0 {
            self.0.has_ended.notify_all();
        }
    }
}

/// A callback that was scheduled by `call_soon`, `call_soon_threadsafe`, `add_reader` and the like.
#[pyclass(module = "aioxide._core", frozen, subclass, weakref)]
pub(crate) struct Handle {
    /// Empty once the handle has run for the last time or was cancelled.
    call: Guarded<Option<Call>>,
    is_cancelled: AtomicBool,
    /// Whether the handle waits among the timers, so that a cancel has to be counted there.
    is_timed: AtomicBool,
    /// Debug mode only.
    origin: Guarded<Option<Box<Origin>>>,
    /// Handles of `call_soon_threadsafe` only, from Python 3.14 on.
    run_lock: Option<Box<RunLock>>,
}

impl Handle {
    /// A handle that nobody has scheduled yet.
    pub(crate) fn new(
        event_loop: &Bound<'_, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let origin = if event_loop.get().is_debug() {
            Some(Box::new(Origin {
                source_traceback: extract_stack(py)?,
                repr: None,
            }))
        } else {
            None
        };
        Ok(Self {
            call: Guarded::new(Some(Call::new(event_loop, callback, args, context)?)),
            is_cancelled: AtomicBool::new(false),
            is_timed: AtomicBool::new(false),
            origin: Guarded::new(origin),
            run_lock: None,
        })
    }

    /// A handle for a call that was made without one, so that its failure can be reported.
    pub(crate) fn of_call(call: Call) -> Self {
        Self {
            call: Guarded::new(Some(call)),
            is_cancelled: AtomicBool::new(false),
            is_timed: AtomicBool::new(false),
            origin: Guarded::new(None),
            run_lock: None,
        }
    }

    /// The same handle, with other threads in mind.
    pub(crate) fn with_run_lock(mut self) -> Self {
        self.run_lock = Some(Box::default());
        self
    }

    /// Runs `call`, which calls the callback; other threads can wait for its end.
    #[inline]
    pub(crate) fn while_running<R>(&self, call: impl FnOnce() -> R) -> R {
        let Some(run_lock) = &self.run_lock else {
            return call();
        };
        let _running = run_lock.begin();
        call()
    }

    fn wait_for_run(&self, py: Python<'_>) {
        if let Some(run_lock) = &self.run_lock {
            run_lock.wait(py);
        }
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
        self.call
            .with(py, |call| call.as_ref().map(|call| call.clone_ref(py)))
    }

    /// What to call, for the last time: the handle lets go of it. None if it was cancelled.
    #[inline]
    pub(crate) fn take_call(&self, py: Python<'_>) -> Option<Call> {
        self.call.replace(py, None)
    }

    /// Lends the handle what it called, while that is being reported.
    pub(crate) fn restore_call(&self, py: Python<'_>, call: Call) {
        drop(self.call.replace(py, Some(call)));
    }

    /// The context of the call, which from here on no other call shares.
    pub(crate) fn own_context(&self, py: Python<'_>) -> PyResult<Option<Py<PyContext>>> {
        let Some(call) = self.call(py) else {
            return Ok(None);
        };
        let context = call.context.into_own(py)?;
        let captured = Captured::Own(context.clone_ref(py));
        let previous = self.call.with(py, |call| {
            call.as_mut()
                .map(|call| std::mem::replace(&mut call.context, captured))
        });
        drop(previous);
        Ok(Some(context))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.call
            .visit(|call| call.as_ref().map_or(Ok(()), |call| call.traverse(visit)))
            .unwrap_or(Ok(()))
    }

    fn remember_repr(&self, slf: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        if self.origin.with(py, |origin| origin.is_some()) {
            let repr = slf.repr()?.into_any().unbind();
            let previous = self.origin.with(py, |origin| {
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
            call.event_loop.get().note_timer_cancelled(py);
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
        slf.get().wait_for_run(slf.py());
        slf.get().cancel_as(slf.as_any())
    }

    /// Whether `cancel` was called.
    fn cancelled(&self, py: Python<'_>) -> bool {
        self.wait_for_run(py);
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
        let remembered = slf.get().origin.with(py, |origin| {
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
        self.call(py).map(|call| call.event_loop)
    }

    #[getter(_callback)]
    fn callback(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.call(py).map(|call| call.callback)
    }

    #[getter(_args)]
    fn args(&self, py: Python<'_>) -> Option<Py<PyTuple>> {
        self.call(py).map(|call| call.args)
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
        self.origin.with(py, |origin| {
            origin
                .as_ref()
                .map(|origin| origin.source_traceback.clone_ref(py))
        })
    }

    #[getter(_repr)]
    fn private_repr(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.origin.with(py, |origin| {
            origin
                .as_ref()
                .and_then(|origin| origin.repr.as_ref().map(|repr| repr.clone_ref(py)))
        })
    }
}

/// A handle of `call_soon_threadsafe`, from Python 3.14 on: other threads that ask it wait while it runs.
#[pyclass(module = "aioxide._core", frozen, extends = Handle)]
pub(crate) struct ThreadSafeHandle;

impl ThreadSafeHandle {
    /// A handle that nobody has scheduled yet.
    pub(crate) fn new(handle: Handle, py: Python<'_>) -> PyResult<Bound<'_, Self>> {
        let handle = handle.with_run_lock();
        Bound::new(py, PyClassInitializer::from(handle).add_subclass(Self))
    }
}

#[pymethods]
impl ThreadSafeHandle {
    #[getter(__class__)]
    fn class(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.get_or_try_init(py, || {
            let events = py.import("asyncio.events")?;
            let name = if events.hasattr("_ThreadSafeHandle")? {
                "_ThreadSafeHandle"
            } else {
                "Handle"
            };
            Ok::<_, PyErr>(events.getattr(name)?.unbind())
        })?;
        Ok(class.clone_ref(py))
    }
}

/// A handle that waits for a point in time; made by `call_later` and `call_at`.
#[pyclass(module = "aioxide._core", frozen, extends = Handle)]
pub(crate) struct TimerHandle {
    /// Seconds on the loop's clock, as the caller gave them.
    when: f64,
}

impl TimerHandle {
    /// A timer handle that nobody has scheduled yet.
    pub(crate) fn new<'py>(
        handle: Handle,
        py: Python<'py>,
        when: f64,
    ) -> PyResult<Bound<'py, Self>> {
        Bound::new(
            py,
            PyClassInitializer::from(handle).add_subclass(Self { when }),
        )
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
            && a.args(py).into_pyobject(py)?.eq(b.args(py))?)
    }
}
