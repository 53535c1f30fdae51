//! `call_soon`, `call_soon_threadsafe`, `call_later`, `call_at`: from a callback to a place in a queue.

use std::ffi::CStr;

use aioxide_engine::clock::Instant;
use aioxide_engine::turn::TIMER_NEAR;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyInt, PyString, PyType};

use super::executors::RunInExecutor;
use super::tasks::CreateTask;
use super::{EventLoop, Work};
use crate::handle::{Args, Call, Handle, Queued, ThreadSafeHandle, TimerHandle};
use crate::raw::c_task;
use crate::raw::fastcall::{self, Arguments, FastMethod, is_name};
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

    /// Seconds on the loop's clock.
    #[inline]
    pub(crate) fn seconds_now(&self) -> f64 {
        self.clock.now().as_seconds()
    }

    /// A handle in the ready queue.
    #[inline]
    fn schedule_call<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: Args,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Py<Handle>> {
        let py = slf.py();
        let handle = Handle::new(slf, callback, args, context)?.unbind();
        slf.get()
            .schedule(py, Work::Handle(Queued::new(handle.clone_ref(py))));
        Ok(handle)
    }

    /// A handle in the ready queue that other threads may hold.
    fn schedule_threadsafe_call<'py>(
        slf: &Bound<'py, Self>,
        callback: &Bound<'py, PyAny>,
        args: Args,
        context: Option<Bound<'py, PyContext>>,
    ) -> PyResult<Py<Handle>> {
        if !cfg!(Py_3_14) {
            return Self::schedule_call(slf, callback, args, context);
        }
        let py = slf.py();
        let handle = ThreadSafeHandle::new(slf, callback, args, context)?;
        let handle = handle.as_super().clone().unbind();
        slf.get()
            .schedule(py, Work::Handle(Queued::new(handle.clone_ref(py))));
        Ok(handle)
    }

    /// As `call_soon_threadsafe`, for a caller that will wait for what it schedules: it lets go of the interpreter
    /// before it wakes the loop, which would otherwise wake only to wait for that.
    pub(crate) fn give_way_to(slf: &Bound<'_, Self>, callback: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        slf.get().check_closed()?;
        Self::schedule_threadsafe_call(slf, callback, Args::Zero, None)?;
        let waker = &slf.get().mailbox.waker;
        if waker.is_asleep() {
            py.detach(|| waker.wake());
        }
        Ok(())
    }

    /// Puts work among the timers. `delay` is how far from now that is, in seconds, or 0 if that is not known.
    pub(crate) fn set_timer(&self, py: Python<'_>, when: f64, delay: f64, work: Work) {
        self.set_timer_since(py, None, when, delay, work);
    }

    /// As `set_timer`. `now` is the time of which `delay` says how far it is from there, if the loop's clock has shown it.
    #[inline]
    fn set_timer_since(
        &self,
        py: Python<'_>,
        now: Option<Instant>,
        when: f64,
        delay: f64,
        work: Work,
    ) {
        let deadline = match now {
            Some(now) if delay == 0.0 => now,
            _ => Instant::at_or_after_seconds(when),
        };
        let is_near = delay <= TIMER_NEAR.as_secs_f64();
        self.with(py, |state| {
            let queues = &mut state.queues;
            match now {
                Some(now) if deadline <= now => queues.seen = queues.seen.max(now),
                _ => queues.times_next |= is_near,
            }
            queues.timers.schedule(deadline, work);
        });
    }

    /// A handle among the timers, after the checks that `call_later` and `call_at` share. `now` and `delay` are as for
    /// `set_timer_since`.
    #[inline]
    fn schedule_timer<'py>(
        slf: &Bound<'py, Self>,
        now: Option<Instant>,
        when: f64,
        delay: f64,
        request: Request<'_, 'py>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        slf.get().check_closed()?;
        if slf.get().is_debug() {
            slf.get().check_thread(py)?;
            Self::check_callback(py, &request.callback, "call_at")?;
        }
        let args = Args::rest(arguments, request.rest)?;
        let timer = TimerHandle::new(slf, &request.callback, args, request.context, when)?;
        let handle = timer.as_super();
        handle.get().set_timed(true);
        let work = Work::Handle(Queued::new(handle.clone().unbind()));
        slf.get().set_timer_since(py, now, when, delay, work);
        Ok(timer.into_any().unbind())
    }
}

/// What the four scheduling methods are called with.
struct Request<'a, 'py> {
    /// The delay or the time, where the method takes one.
    time: Option<Borrowed<'a, 'py, PyAny>>,
    callback: Borrowed<'a, 'py, PyAny>,
    /// Where the arguments of the callback begin.
    rest: usize,
    context: Option<Bound<'py, PyContext>>,
}

impl<'a, 'py> Request<'a, 'py> {
    /// Reads the arguments of `method`, whose first one is `time` if that is not empty.
    #[inline]
    fn read(
        py: Python<'py>,
        arguments: &Arguments<'a, 'py>,
        method: &str,
        time: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Self> {
        let begin = usize::from(time.is_some());
        match arguments.positional(begin) {
            Some(callback) if !arguments.has_names() => Ok(Self {
                time: time.and_then(|_name| arguments.positional(0)),
                callback,
                rest: begin + 1,
                context: None,
            }),
            _ => Self::read_named(py, arguments, method, time),
        }
    }

    /// As `read`, where arguments are given by name, or missing.
    #[inline(never)]
    fn read_named(
        py: Python<'py>,
        arguments: &Arguments<'a, 'py>,
        method: &str,
        time: Option<&Bound<'py, PyString>>,
    ) -> PyResult<Self> {
        let begin = usize::from(time.is_some());
        let mut first = time.and_then(|_name| arguments.positional(0));
        let mut callback = arguments.positional(begin);
        let mut context = None;
        let unknown = arguments.keywords(|name, value| {
            if is_name(name, intern!(py, "context")) {
                context = if value.is_none() {
                    None
                } else {
                    Some(value.cast::<PyContext>()?.to_owned())
                };
            } else if callback.is_none() && is_name(name, intern!(py, "callback")) {
                callback = Some(value);
            } else if first.is_none() && time.is_some_and(|time| is_name(name, time)) {
                first = Some(value);
            } else {
                return Ok(false);
            }
            Ok(true)
        })?;
        if let Some(name) = unknown.and_then(|unknown| unknown.keys().iter().next()) {
            return Err(PyTypeError::new_err(format!(
                "EventLoop.{method}() got an unexpected keyword argument '{name}'"
            )));
        }
        let missing = |name: &str| {
            PyTypeError::new_err(format!(
                "EventLoop.{method}() missing required argument: '{name}'"
            ))
        };
        if let Some(time) = time
            && first.is_none()
        {
            return Err(missing(&time.to_string()));
        }
        Ok(Self {
            time: first,
            callback: callback.ok_or_else(|| missing("callback"))?,
            rest: begin + 1,
            context,
        })
    }

    /// The delay or the time, in seconds. `text` is what asyncio says if it is None.
    fn seconds(&self, text: &'static str) -> PyResult<f64> {
        match self.time {
            Some(time) if !time.is_none() => {
                // Python would make a `float` of it first, which takes as long as the timer.
                if time.is_exact_instance_of::<PyInt>()
                    && let Ok(seconds) = time.extract::<i32>()
                {
                    return Ok(f64::from(seconds));
                }
                time.extract()
            }
            _ => Err(PyTypeError::new_err(text)),
        }
    }
}

struct CallSoon;

impl FastMethod<EventLoop> for CallSoon {
    const NAME: &'static CStr = c"call_soon";
    const DOC: &'static CStr = c"call_soon($self, callback, *args, context=None)
--

Calls `callback(*args)` in the next turn, in `context` or a copy of the current one.";

    #[inline]
    fn drops_nothing(slf: &Bound<'_, EventLoop>) -> bool {
        !slf.get().is_debug()
    }

    #[inline]
    fn call<'py>(
        slf: &Bound<'py, EventLoop>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let request = Request::read(py, arguments, "call_soon", None)?;
        let callback = &request.callback;
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            event_loop.check_thread(py)?;
            EventLoop::check_callback(py, callback, "call_soon")?;
        } else if request.context.is_some()
            && (c_task::is_step(callback) || callback.is_exact_instance_of::<Resumption>())
        {
            let args = Args::rest(arguments, request.rest)?;
            let step = Call::new(slf, callback, args, request.context)?;
            event_loop.schedule(py, Work::Step(Box::new(step)));
            return Ok(py.None());
        }
        let args = Args::rest(arguments, request.rest)?;
        EventLoop::schedule_call(slf, callback, args, request.context).map(Py::into_any)
    }
}

struct CallSoonThreadsafe;

impl FastMethod<EventLoop> for CallSoonThreadsafe {
    const NAME: &'static CStr = c"call_soon_threadsafe";
    const DOC: &'static CStr = c"call_soon_threadsafe($self, callback, *args, context=None)
--

Like `call_soon`, from any thread: the loop wakes for it.";

    #[inline]
    fn drops_nothing(slf: &Bound<'_, EventLoop>) -> bool {
        !slf.get().is_debug()
    }

    fn call<'py>(
        slf: &Bound<'py, EventLoop>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let request = Request::read(py, arguments, "call_soon_threadsafe", None)?;
        let callback = &request.callback;
        let event_loop = slf.get();
        event_loop.check_closed()?;
        if event_loop.is_debug() {
            EventLoop::check_callback(py, callback, "call_soon_threadsafe")?;
        }
        let args = Args::rest(arguments, request.rest)?;
        let handle = EventLoop::schedule_threadsafe_call(slf, callback, args, request.context)?;
        let waker = &event_loop.mailbox.waker;
        if cfg!(Py_GIL_DISABLED) {
            waker.wake();
        } else {
            // The loop thread lets go of the interpreter only when it has looked at the queue for the last time.
            waker.wake_under_lock();
        }
        Ok(handle.into_any())
    }
}

struct CallLater;

impl FastMethod<EventLoop> for CallLater {
    const NAME: &'static CStr = c"call_later";
    const DOC: &'static CStr = c"call_later($self, delay, callback, *args, context=None)
--

Calls `callback(*args)` after `delay` seconds, never earlier.";

    #[inline]
    fn drops_nothing(slf: &Bound<'_, EventLoop>) -> bool {
        !slf.get().is_debug()
    }

    #[inline]
    fn call<'py>(
        slf: &Bound<'py, EventLoop>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let delay = intern!(slf.py(), "delay");
        let request = Request::read(slf.py(), arguments, "call_later", Some(delay))?;
        let delay = request.seconds("delay must not be None")?;
        let (now, seconds) = EventLoop::timer_time(slf)?;
        EventLoop::schedule_timer(slf, now, seconds + delay, delay, request, arguments)
    }
}

struct CallAt;

impl FastMethod<EventLoop> for CallAt {
    const NAME: &'static CStr = c"call_at";
    const DOC: &'static CStr = c"call_at($self, when, callback, *args, context=None)
--

Calls `callback(*args)` when the loop's clock has reached `when` (seconds), never earlier.";

    #[inline]
    fn drops_nothing(slf: &Bound<'_, EventLoop>) -> bool {
        !slf.get().is_debug()
    }

    fn call<'py>(
        slf: &Bound<'py, EventLoop>,
        arguments: &Arguments<'_, 'py>,
    ) -> PyResult<Py<PyAny>> {
        let when = intern!(slf.py(), "when");
        let request = Request::read(slf.py(), arguments, "call_at", Some(when))?;
        let when = request.seconds("when cannot be None")?;
        EventLoop::schedule_timer(slf, None, when, 0.0, request, arguments)
    }
}

/// Gives the class the methods that PyO3 would call more slowly. To be called once.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    fastcall::install::<EventLoop, CallSoon>(py)?;
    fastcall::install::<EventLoop, CallSoonThreadsafe>(py)?;
    fastcall::install::<EventLoop, CallLater>(py)?;
    fastcall::install::<EventLoop, CallAt>(py)?;
    fastcall::install::<EventLoop, CreateTask>(py)?;
    fastcall::install::<EventLoop, RunInExecutor>(py)
}

/// Makes the native methods of a loop class's base, which run per callback, the class's own.
#[pyfunction]
pub(crate) fn adopt_methods(class_: &Bound<'_, PyType>) -> PyResult<()> {
    let names = [
        CallSoon::NAME,
        CallSoonThreadsafe::NAME,
        CallLater::NAME,
        CallAt::NAME,
        CreateTask::NAME,
        RunInExecutor::NAME,
        c"create_future",
        c"get_debug",
        c"is_closed",
        c"is_running",
    ];
    fastcall::adopt(class_, &class_.py().get_type::<EventLoop>(), &names)
}
