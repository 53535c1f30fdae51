//! The line in which operations on one file stand: first come, first served. Who leaves hands over to the next.

use std::collections::VecDeque;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::joint::AnyFuture;
use crate::raw::guarded::Guarded;
use crate::running::RunningLoop;
use crate::waiting;

#[derive(Default)]
struct State {
    /// Whether somebody is being served.
    is_taken: bool,
    /// The futures of those who wait.
    waiters: VecDeque<Py<PyAny>>,
}

/// Who is served, and who waits for that.
pub(super) struct Line(Guarded<State>);

impl Line {
    pub(super) fn new() -> Self {
        Self(Guarded::new(State::default()))
    }

    /// Begins to be served, unless somebody is.
    #[inline]
    pub(super) fn try_enter(&self, py: Python<'_>) -> bool {
        self.0
            .with(py, |state| !std::mem::replace(&mut state.is_taken, true))
    }

    /// Whether somebody is being served.
    #[inline]
    pub(super) fn is_taken(&self, py: Python<'_>) -> bool {
        self.0.with(py, |state| state.is_taken)
    }

    /// Stands in line: the future is done when it is one's turn.
    pub(super) fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let future = RunningLoop::get(py)?.create_future()?;
        let waiter = future.clone().unbind();
        self.0.with(py, |state| state.waiters.push_back(waiter));
        Ok(future)
    }

    /// Gives up waiting; if it was one's turn already, it is the next one's.
    pub(super) fn give_up(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiter.py();
        let left = self.0.with(py, |state| {
            let place = state.waiters.iter().position(|other| other.is(waiter))?;
            state.waiters.remove(place)
        });
        match left {
            Some(left) => {
                drop(left);
                Ok(())
            }
            // It was passed over, since it was cancelled when its turn came: somebody else is served.
            None if waiting::is_cancelled(waiter)? => Ok(()),
            None => self.leave(py),
        }
    }

    /// Has been served: the next one is.
    #[inline]
    pub(super) fn leave(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(waiter) = self.next(py) {
            let waiter = AnyFuture::new(waiter.into_bound(py));
            if !waiter.is_done()? {
                return waiting::wake(&waiter, py.None().into_bound(py));
            }
        }
        Ok(())
    }

    #[inline]
    fn next(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.0.with(py, |state| {
            let next = state.waiters.pop_front();
            state.is_taken = next.is_some();
            next
        })
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0
            .visit(|state| {
                state
                    .waiters
                    .iter()
                    .try_for_each(|waiter| visit.call(waiter))
            })
            .unwrap_or(Ok(()))
    }

    pub(super) fn clear(&self, py: Python<'_>) {
        drop(self.0.with(py, |state| std::mem::take(&mut state.waiters)));
    }
}
