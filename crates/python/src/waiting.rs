//! Futures that somebody waits for, of any kind: what locks and queues do with those that they have made.

use pyo3::intern;
use pyo3::prelude::*;

use crate::deque::Deque;
use crate::future::{Future, Outcome, cancelled_error_class, exact_future};

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
pub(crate) fn wake(waiter: &Bound<'_, PyAny>, result: &Bound<'_, PyAny>) -> PyResult<()> {
    match exact_future(waiter) {
        Some(future) => Future::settle(future, Outcome::Result(result.clone().unbind())),
        None => waiter
            .call_method1(intern!(waiter.py(), "set_result"), (result,))
            .map(drop),
    }
}

/// Cancels a waiter, unless it is done.
pub(crate) fn cancel(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    waiter
        .call_method0(intern!(waiter.py(), "cancel"))
        .map(drop)
}

/// Whether any of the waiters has not been cancelled.
#[inline]
pub(crate) fn is_any_in_line(py: Python<'_>, waiters: &Deque) -> PyResult<bool> {
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
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let mut place = 0;
    while let Some(waiter) = waiters.item(py, place)? {
        if !is_done(&waiter)? {
            return Ok(Some(waiter));
        }
        place += 1;
    }
    Ok(None)
}

/// Wakes those waiters that are not done.
pub(crate) fn wake_all(waiters: &Deque, result: &Bound<'_, PyAny>) -> PyResult<()> {
    let mut place = 0;
    while let Some(waiter) = waiters.item(result.py(), place)? {
        if !is_done(&waiter)? {
            wake(&waiter, result)?;
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
