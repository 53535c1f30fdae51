//! One step of a task: the coroutine goes on, and what it yields or how it ends decides what is next.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::{Resume, Resumption, Task, cancelling, registration};
use crate::contexts::{Captured, Contexts};
use crate::event_loop::EventLoop;
use crate::future::{
    Future, Outcome, Owner, Waiter, cancelled_error_class, exact_future, invalid_state,
};
use crate::raw::coroutine::{self, Sent};
use crate::routine::Coroutine;

/// Fails with asyncio's `TypeError` if `coro` is no coroutine.
#[inline]
pub(super) fn check_coroutine(coro: &Bound<'_, PyAny>) -> PyResult<()> {
    if coroutine::is_coroutine(coro) || coro.is_exact_instance_of::<Coroutine>() {
        return Ok(());
    }
    let is_coroutine = coro
        .py()
        .import("asyncio.coroutines")?
        .call_method1("iscoroutine", (coro,))?;
    if is_coroutine.is_truthy()? {
        return Ok(());
    }
    Err(PyTypeError::new_err(format!(
        "a coroutine was expected, got {}",
        coro.repr()?
    )))
}

/// What a future of ours said when a task wanted to wait for it.
enum Answer {
    Waits,
    IsDone,
    IsOfAnotherLoop,
    WasYielded,
}

/// What is to become of a task after a step.
pub(crate) enum Next {
    /// It is to go on in the next turn.
    Again,
    /// It waits for something.
    Waits,
    /// It is done.
    Ended,
}

impl Task {
    /// Steps a task whose turn in the ready queue of `event_loop` has come.
    #[inline]
    pub(crate) fn run(slf: &Bound<'_, Self>, event_loop: &EventLoop) -> Result<Next, Box<PyErr>> {
        let py = slf.py();
        let (resume, must_cancel) = slf.get().with(py, |inner| {
            (std::mem::take(&mut inner.resume), inner.must_cancel)
        });
        let mut exception = Self::thrown_by(py, resume)?;
        if exception.is_some() || must_cancel || !slf.as_super().get().is_pending(py) {
            exception = Self::begin_step(slf, exception)?;
        }
        let contexts = &event_loop.contexts;
        let start = slf.get().with(py, |inner| {
            let coro = inner.coro.as_ref()?.clone_ref(py);
            let goes_on = match &inner.context {
                Some(Captured::Shared(pristine)) => contexts.go_on(py, pristine),
                _ => false,
            };
            Some((coro, goes_on))
        });
        let Some((coro, goes_on)) = start else {
            return Err(uninitialised());
        };
        let is_shared = goes_on || Self::enter_context(slf, contexts)?;
        let next = Self::go_on(slf, coro.into_bound(py), exception);
        if is_shared && let Some(context) = contexts.end(py)? {
            let own = Some(Captured::Own(context));
            drop(
                slf.get()
                    .with(py, |inner| std::mem::replace(&mut inner.context, own)),
            );
        }
        next
    }

    /// Enters the context of the task. Returns whether others may share it, so that `end` has to be called for it.
    fn enter_context(slf: &Bound<'_, Self>, contexts: &Contexts) -> PyResult<bool> {
        let py = slf.py();
        let shared = slf.get().with(py, |inner| match &inner.context {
            Some(Captured::Shared(pristine)) => Some(pristine.bind(py).clone()),
            _ => None,
        });
        match shared {
            Some(pristine) => contexts.begin(&pristine).map(|()| true),
            None => contexts
                .begin_own(&Self::own_context(slf)?.into_bound(py))
                .map(|()| false),
        }
    }

    /// Takes out how the task goes on: the exception to be thrown, if any.
    pub(super) fn take_resume<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let resume = slf
            .get()
            .with(py, |inner| std::mem::take(&mut inner.resume));
        Self::thrown_by(py, resume)
    }

    /// The exception that is to be thrown into a task that goes on in this way, if any.
    #[inline]
    fn thrown_by(py: Python<'_>, resume: Resume) -> PyResult<Option<Bound<'_, PyAny>>> {
        match resume {
            Resume::Send => Ok(None),
            Resume::Foreign(future) => {
                drop(future.into_bound(py));
                Ok(None)
            }
            Resume::Throw(exception) => Ok(Some(exception.into_bound(py))),
            Resume::Native(future) => future.into_bound(py).get().failure(py),
        }
    }

    /// Begins a step: the task waits for nothing any more, and a cancellation that is due is thrown in.
    pub(super) fn begin_step<'py>(
        slf: &Bound<'py, Self>,
        exception: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        if !slf.as_super().get().is_pending(py) {
            let exception = exception.unwrap_or_else(|| py.None().into_bound(py));
            let text = format!(
                "{}(): already done: {} {}",
                if cfg!(Py_3_14) { "__step" } else { "_step" },
                slf.repr()?,
                exception.repr()?
            );
            return Err(invalid_state(py, &text));
        }
        let (must_cancel, waited) = slf.get().with(py, |inner| {
            let waited = std::mem::take(&mut inner.resume);
            (std::mem::take(&mut inner.must_cancel), waited)
        });
        if !matches!(waited, Resume::Send) {
            drop(waited);
        }
        if !must_cancel {
            return Ok(exception);
        }
        if let Some(exception) = exception
            && exception.is_instance(cancelled_error_class(py)?)?
        {
            return Ok(Some(exception));
        }
        slf.as_super().get().make_cancelled_error(py).map(Some)
    }

    /// Steps a task that is not in a ready queue. `event_loop` is the loop of the task if it is one of ours that schedules
    /// natively.
    pub(super) fn advance(
        slf: &Bound<'_, Self>,
        event_loop: Option<&EventLoop>,
        exception: Option<Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let coro = slf.get().with(py, |inner| {
            inner.coro.as_ref().map(|coro| coro.clone_ref(py))
        });
        let Some(coro) = coro else {
            return Err(*uninitialised());
        };
        match Self::go_on(slf, coro.into_bound(py), exception) {
            Ok(Next::Again) => Self::schedule_step(slf, event_loop),
            Ok(Next::Waits | Next::Ended) => Ok(()),
            Err(error) => Err(*error),
        }
    }

    /// Lets the coroutine of the task go on, and does what it asks for, unless that is to go on.
    #[inline]
    fn go_on<'py>(
        slf: &Bound<'py, Self>,
        coro: Bound<'py, PyAny>,
        exception: Option<Bound<'py, PyAny>>,
    ) -> Result<Next, Box<PyErr>> {
        let sent = match exception {
            None => coroutine::send(&coro),
            Some(exception) => coroutine::throw(&coro, &exception),
        };
        match sent {
            Sent::Nothing => Ok(Next::Again),
            Sent::Yielded(awaited) => {
                Self::wait_for(slf, &awaited)?;
                Ok(Next::Waits)
            }
            Sent::Returned(result) => {
                Self::finish(slf, result)?;
                Ok(Next::Ended)
            }
            Sent::Raised(error) => {
                Self::fail(slf, *error)?;
                Ok(Next::Ended)
            }
        }
    }

    /// Has the task go on in the next turn. `event_loop` is as for `advance`.
    #[inline]
    pub(crate) fn schedule_step(
        slf: &Bound<'_, Self>,
        event_loop: Option<&EventLoop>,
    ) -> PyResult<()> {
        let py = slf.py();
        if let Some(event_loop) = event_loop
            && !event_loop.is_debug()
        {
            return event_loop.schedule_task(py, slf.clone().unbind());
        }
        let context = Self::own_context(slf)?;
        let step = Bound::new(py, Resumption::step(slf.clone().unbind()))?;
        let owner = slf.as_super().get().owner(py)?;
        owner.call_soon(py, step.as_any(), &PyTuple::empty(py), context.bind(py))
    }

    /// As `schedule_step`, by whoever does not know the loop.
    fn schedule_step_somewhere(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.as_super().get().owner(slf.py())? {
            Owner::Native(event_loop) => Self::schedule_step(slf, Some(event_loop.get())),
            Owner::Foreign(_) => Self::schedule_step(slf, None),
        }
    }

    /// Has an exception thrown into the coroutine in the next turn.
    fn schedule_throw(slf: &Bound<'_, Self>, text: String) -> PyResult<()> {
        let py = slf.py();
        // Made, and not raised: what the maker of an eager task is handling is no context of it.
        let exception = py.get_type::<PyRuntimeError>().call1((text,))?;
        let resume = Resume::Throw(exception.unbind());
        drop(
            slf.get()
                .with(py, |inner| std::mem::replace(&mut inner.resume, resume)),
        );
        Self::schedule_step_somewhere(slf)
    }

    fn finish(slf: &Bound<'_, Self>, result: Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        registration::unregister(slf);
        let must_cancel = slf.get().with(py, |inner| {
            inner.has_returned = true;
            std::mem::take(&mut inner.must_cancel)
        });
        if must_cancel {
            // Cancelled right before its end.
            let message = cancelling::message(slf);
            return Future::cancel_pending(slf.as_super(), message).map(drop);
        }
        Future::settle(slf.as_super(), Outcome::Result(result.unbind()))
    }

    fn fail(slf: &Bound<'_, Self>, error: PyErr) -> PyResult<()> {
        let py = slf.py();
        registration::unregister(slf);
        let exception = error.into_value(py).into_bound(py).into_any();
        if exception.is_instance(cancelled_error_class(py)?)? {
            let saved = Some(exception.unbind());
            let previous = slf.as_super().get().with(py, |core| {
                std::mem::replace(&mut core.extras().cancelled_error, saved)
            });
            drop(previous);
            return Future::cancel_pending(slf.as_super(), None).map(drop);
        }
        Future::settle_exception(slf.as_super(), exception.clone())?;
        if exception.is_instance_of::<PyKeyboardInterrupt>()
            || exception.is_instance_of::<PySystemExit>()
        {
            return Err(PyErr::from_value(exception));
        }
        Ok(())
    }

    /// Waits for what the coroutine has yielded, or tells it why that is not possible.
    fn wait_for(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        if awaited.is(slf) {
            let text = format!("Task cannot await on itself: {}", slf.repr()?);
            return Self::schedule_throw(slf, text);
        }
        if let Some(future) = exact_future(awaited) {
            return Self::wait_for_native(slf, future);
        }
        let py = slf.py();
        let blocking = match awaited.getattr_opt(intern!(py, "_asyncio_future_blocking"))? {
            Some(blocking) if !blocking.is_none() => blocking.is_truthy()?,
            _ => return Self::refuse(slf, awaited),
        };
        let event_loop = loop_of(awaited)?;
        if !event_loop.is(slf.as_super().get().owner(py)?.as_any()) {
            return Self::refuse_other_loop(slf, awaited);
        }
        if !blocking {
            return Self::refuse_yield(slf, awaited);
        }
        awaited.setattr(intern!(py, "_asyncio_future_blocking"), false)?;
        let wakeup = Bound::new(py, Resumption::wakeup(slf.clone().unbind()))?;
        let kwargs = PyDict::new(py);
        kwargs.set_item(intern!(py, "context"), Self::own_context(slf)?)?;
        awaited.call_method(intern!(py, "add_done_callback"), (wakeup,), Some(&kwargs))?;
        Self::waits(slf, Resume::Foreign(awaited.clone().unbind()))
    }

    #[inline]
    fn wait_for_native(slf: &Bound<'_, Self>, future: &Bound<'_, Future>) -> PyResult<()> {
        let py = slf.py();
        let own = slf.as_super().get().with(py, |core| {
            core.owner.as_ref().map(|owner| owner.as_any().as_ptr())
        });
        let task = slf.clone().unbind();
        let mut waiter = Some(Waiter::Task(task));
        let answer = future.get().with(py, |core| {
            let other = core.owner.as_ref().map(|owner| owner.as_any().as_ptr());
            if other != own {
                return Answer::IsOfAnotherLoop;
            }
            if !std::mem::take(&mut core.is_blocking) {
                return Answer::WasYielded;
            }
            if !matches!(core.outcome, Outcome::Pending) {
                return Answer::IsDone;
            }
            if let Some(waiter) = waiter.take() {
                core.waiters.push(waiter);
            }
            Answer::Waits
        });
        drop(waiter);
        match answer {
            Answer::Waits => Self::waits(slf, Resume::Native(future.clone().unbind())),
            Answer::IsDone => {
                Self::waits(slf, Resume::Native(future.clone().unbind()))?;
                Self::schedule_step_somewhere(slf)
            }
            Answer::IsOfAnotherLoop => Self::refuse_other_loop(slf, future.as_any()),
            Answer::WasYielded => Self::refuse_yield(slf, future.as_any()),
        }
    }

    /// Notes what the task waits for, and passes on a cancellation that came in the meantime.
    #[inline]
    fn waits(slf: &Bound<'_, Self>, resume: Resume) -> PyResult<()> {
        let py = slf.py();
        let (previous, must_cancel) = slf.get().with(py, |inner| {
            let previous = std::mem::replace(&mut inner.resume, resume);
            (previous, inner.must_cancel)
        });
        if !matches!(previous, Resume::Send) {
            drop(previous);
        }
        if must_cancel && cancelling::cancel_awaited(slf, cancelling::message(slf).as_ref())? {
            slf.get().with(py, |inner| inner.must_cancel = false);
        }
        Ok(())
    }

    fn refuse_other_loop(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        let text = format!(
            "Task {} got Future {} attached to a different loop",
            slf.repr()?,
            awaited.repr()?
        );
        Self::schedule_throw(slf, text)
    }

    fn refuse_yield(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        let text = format!(
            "yield was used instead of yield from in task {} with {}",
            slf.repr()?,
            awaited.repr()?
        );
        Self::schedule_throw(slf, text)
    }

    /// Tells the coroutine that what it yielded can't be waited for.
    fn refuse(slf: &Bound<'_, Self>, awaited: &Bound<'_, PyAny>) -> PyResult<()> {
        let text = if coroutine::is_generator(awaited) {
            format!(
                "yield was used instead of yield from for generator in task {} with {}",
                slf.repr()?,
                awaited.repr()?
            )
        } else {
            format!("Task got bad yield: {}", awaited.repr()?)
        };
        Self::schedule_throw(slf, text)
    }
}

#[cold]
fn uninitialised() -> Box<PyErr> {
    Box::new(PyRuntimeError::new_err("uninitialized Task object"))
}

/// The loop of any future.
fn loop_of<'py>(future: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = future.py();
    match future.getattr_opt(intern!(py, "get_loop"))? {
        Some(get_loop) => get_loop.call0(),
        None => future.getattr(intern!(py, "_loop")),
    }
}
