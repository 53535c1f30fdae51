//! Futures that somebody waits for, of any kind: what locks and queues do with those that they have made.

use std::collections::VecDeque;

use pyo3::intern;
use pyo3::prelude::*;

use crate::deque::Deque;
use crate::future::{Future, Outcome, cancelled_error_class, exact_future};
use crate::joint::AnyFuture;

/// Whether a waiter has been woken or cancelled.
#[inline]
pub(crate) fn is_done(waiter: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = waiter.py();
    match exact_future(waiter) {
        Some(future) => Ok(!future.get().is_pending(py)),
        None => waiter.call_method0(intern!(py, "done"))?.is_truthy(),
    }
}

/// Whether a waiter has been cancelled.
#[inline]
pub(crate) fn is_cancelled(waiter: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = waiter.py();
    match exact_future(waiter) {
        Some(future) => Ok(future
            .get()
            .with(py, |core| matches!(core.outcome, Outcome::Cancelled))),
        None => waiter.call_method0(intern!(py, "cancelled"))?.is_truthy(),
    }
}

/// Wakes a waiter that is not done: `result` is what its future returns.
#[inline]
pub(crate) fn wake(waiter: &AnyFuture<'_>, result: Bound<'_, PyAny>) -> PyResult<()> {
    match waiter {
        AnyFuture::Ours(future) => Future::settle(future, Outcome::Result(result.unbind())),
        AnyFuture::Other(other) => other
            .call_method1(intern!(other.py(), "set_result"), (result,))
            .map(drop),
    }
}

/// Cancels a waiter, unless it is done.
pub(crate) fn cancel(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    waiter
        .call_method0(intern!(waiter.py(), "cancel"))
        .map(drop)
}

/// What the first waiter that has an answer says of itself, if all up to it are futures of ours in a native deque: those
/// are asked in their places. None if any is not.
#[inline]
fn ask_in_place<R>(
    py: Python<'_>,
    waiters: &Deque,
    answer: impl Fn(&Bound<'_, Future>, &Outcome) -> Option<R>,
) -> Option<Option<R>> {
    let ask = |waiters: &mut VecDeque<Py<PyAny>>| {
        for waiter in waiters.iter() {
            let future = exact_future(waiter.bind(py))?;
            let answered = future.get().with(py, |core| answer(future, &core.outcome));
            if answered.is_some() {
                return Some(answered);
            }
        }
        Some(None)
    };
    waiters.in_place(py, ask).flatten()
}

/// Whether any of the waiters has not been cancelled.
#[inline]
pub(crate) fn is_any_in_line(py: Python<'_>, waiters: &Deque) -> PyResult<bool> {
    let is_in_line = |_waiter: &Bound<'_, _>, outcome: &Outcome| {
        (!matches!(outcome, Outcome::Cancelled)).then_some(())
    };
    if let Some(known) = ask_in_place(py, waiters, is_in_line) {
        return Ok(known.is_some());
    }
    let mut place = 0;
    while let Some(waiter) = waiters.item(py, place)? {
        if !is_cancelled(&waiter)? {
            return Ok(true);
        }
        place += 1;
    }
    Ok(false)
}

/// The first waiter that is not done.
#[inline]
pub(crate) fn first_pending<'py>(
    py: Python<'py>,
    waiters: &Deque,
) -> PyResult<Option<AnyFuture<'py>>> {
    let pending = |waiter: &Bound<'_, Future>, outcome: &Outcome| {
        matches!(outcome, Outcome::Pending).then(|| waiter.clone().unbind())
    };
    if let Some(known) = ask_in_place(py, waiters, pending) {
        return Ok(known.map(|waiter| AnyFuture::Ours(waiter.into_bound(py))));
    }
    let mut place = 0;
    while let Some(waiter) = waiters.item(py, place)? {
        if !is_done(&waiter)? {
            return Ok(Some(AnyFuture::new(waiter)));
        }
        place += 1;
    }
    Ok(None)
}

/// The first waiter, unless it is done.
#[inline]
pub(crate) fn first_if_pending<'py>(
    py: Python<'py>,
    waiters: &Deque,
) -> PyResult<Option<AnyFuture<'py>>> {
    let pending = |waiter: &Bound<'_, Future>, outcome: &Outcome| {
        let is_pending = matches!(outcome, Outcome::Pending);
        Some(is_pending.then(|| waiter.clone().unbind()))
    };
    if let Some(known) = ask_in_place(py, waiters, pending) {
        let waiter = known.flatten();
        return Ok(waiter.map(|waiter| AnyFuture::Ours(waiter.into_bound(py))));
    }
    let Some(waiter) = waiters.item(py, 0)? else {
        return Ok(None);
    };
    let waiter = AnyFuture::new(waiter);
    Ok((!waiter.is_done()?).then_some(waiter))
}

/// Takes waiters out up to the first that is not done, which it returns.
#[inline]
pub(crate) fn pop_pending<'py>(
    py: Python<'py>,
    waiters: &Deque,
) -> PyResult<Option<AnyFuture<'py>>> {
    while let Some(waiter) = waiters.pop_first(py)? {
        let waiter = AnyFuture::new(waiter);
        if !waiter.is_done()? {
            return Ok(Some(waiter));
        }
    }
    Ok(None)
}

/// Wakes those waiters that are not done.
pub(crate) fn wake_all(waiters: &Deque, result: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut place = 0;
    while let Some(waiter) = waiters.item(result.py(), place)? {
        if !is_done(&waiter)? {
            wake(&AnyFuture::new(waiter), result.clone())?;
        }
        place += 1;
    }
    Ok(())
}

/// Whether an error is a cancellation.
#[inline]
pub(crate) fn is_cancellation(py: Python<'_>, error: &PyErr) -> PyResult<bool> {
    Ok(error.is_instance(py, cancelled_error_class(py)?))
}

/// What to raise after an interrupted waiter has passed on what it was given. Passing on fails when the
/// loop is closed: who is cancelled is told, as by asyncio; a coroutine that is closed ends without a word.
pub(crate) fn after_passing_on(py: Python<'_>, error: PyErr, passed: PyResult<()>) -> PyErr {
    match passed {
        Err(refused) if is_cancellation(py, &error).unwrap_or(false) => refused,
        _ => error,
    }
}
