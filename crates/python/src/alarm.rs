//! Alarms: what natives set in place of a `TimerHandle` that nobody would see.
//!
//! An alarm waits among the timers of a loop of ours, goes off in the turn in which the handle would have run, and
//! can be cancelled at the same price. On other loops, and on ours when somebody has replaced
//! `call_later` or `time`, natives call `call_later` like everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use aioxide_engine::clock::Instant;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::event_loop::{EventLoop, Work};
use crate::future::{Future, Outcome};
use crate::raw::guarded::Guarded;

/// What an alarm does.
pub(crate) enum Purpose {
    /// Gives a future this result, if it has none.
    Settle(Py<Future>, Py<PyAny>),
}

impl Purpose {
    fn fulfil(self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::Settle(future, result) => {
                if future.get().is_pending(py) {
                    Future::settle(future.bind(py), Outcome::Result(result))?;
                }
                Ok(())
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Settle(future, result) => {
                visit.call(future)?;
                visit.call(result)
            }
        }
    }
}

/// An alarm that is set. Shared by the loop, which answers for it to the collector, and whoever may cancel it.
pub(crate) struct Alarm {
    /// None once it has gone off or was cancelled.
    purpose: Guarded<Option<Purpose>>,
    is_cancelled: AtomicBool,
}

impl Alarm {
    /// Sets an alarm that goes off at `when`, in seconds on the loop's clock.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub(crate) fn set(
        event_loop: &Bound<'_, EventLoop>,
        when: f64,
        purpose: Purpose,
    ) -> PyResult<Arc<Self>> {
        let slf = event_loop.get();
        slf.check_closed()?;
        let alarm = Arc::new(Self {
            purpose: Guarded::new(Some(purpose)),
            is_cancelled: AtomicBool::new(false),
        });
        let work = Work::Alarm(Arc::clone(&alarm));
        let deadline = Instant::at_or_after_seconds(when);
        slf.with(event_loop.py(), |state| {
            state.queues.timers.schedule(deadline, work);
        });
        Ok(alarm)
    }

    /// Cancels the alarm, unless it has gone off or is about to in this very turn.
    pub(crate) fn cancel(&self, event_loop: &EventLoop, py: Python<'_>) {
        let purpose = self.purpose.replace(py, None);
        if purpose.is_some() && !self.is_cancelled.swap(true, Ordering::Relaxed) {
            event_loop.note_timer_cancelled(py);
        }
    }

    /// Whether the alarm was cancelled.
    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Goes off.
    pub(crate) fn ring(&self, py: Python<'_>) -> PyResult<()> {
        self.purpose
            .replace(py, None)
            .map_or(Ok(()), |purpose| purpose.fulfil(py))
    }

    /// Lets go of what the alarm would have done.
    pub(crate) fn release(&self, py: Python<'_>) {
        drop(self.purpose.replace(py, None));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.purpose
            .visit(|purpose| {
                purpose
                    .as_ref()
                    .map_or(Ok(()), |purpose| purpose.traverse(visit))
            })
            .unwrap_or(Ok(()))
    }
}
