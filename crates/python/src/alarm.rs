//! Alarms: what natives set in place of a `TimerHandle` that nobody would see.
//!
//! An alarm waits among the timers of a loop of ours, goes off in the turn in which the handle would have run, and
//! can be cancelled at the same price. On other loops, and on ours when somebody has replaced
//! `call_later` or `time`, natives call `call_later` like everybody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::event_loop::{EventLoop, Work};
use crate::future::{Future, Outcome};
use crate::joint::AsCompleted;
use crate::raw::guarded::Guarded;
use crate::timeouts::Timeout;

/// What an alarm does.
pub(crate) enum Purpose {
    /// Gives a future this result, if it has none.
    Settle(Py<Future>, Py<PyAny>),
    /// Ends an `as_completed`.
    Expire(Py<AsCompleted>),
    /// Cancels the task of a timeout.
    TimeOut(Py<Timeout>),
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
            Self::Expire(iterator) => AsCompleted::expire(iterator.bind(py)),
            Self::TimeOut(timeout) => Timeout::expire(timeout.bind(py)),
        }
    }

    /// Lets go of what would have been told.
    #[inline]
    fn release(self, py: Python<'_>) {
        match self {
            Self::Settle(future, result) => {
                drop(future.into_bound(py));
                drop(result.into_bound(py));
            }
            Self::Expire(iterator) => drop(iterator.into_bound(py)),
            Self::TimeOut(timeout) => drop(timeout.into_bound(py)),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Settle(future, result) => {
                visit.call(future)?;
                visit.call(result)
            }
            Self::Expire(iterator) => visit.call(iterator),
            Self::TimeOut(timeout) => visit.call(timeout),
        }
    }
}

/// An alarm that is set. Shared by the loop, which answers for it to the collector, and whoever may cancel it.
pub(crate) struct Alarm {
    /// None once it has gone off or was cancelled.
    purpose: Guarded<Option<Purpose>>,
    is_cancelled: AtomicBool,
    /// Whether it waits among the timers, so that a cancel has to be counted there.
    is_timed: bool,
}

impl Alarm {
    /// Sets an alarm that goes off at `when`, in seconds on the loop's clock. `delay` is how far from now that is, or 0
    /// if that is not known.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub(crate) fn set(
        event_loop: &Bound<'_, EventLoop>,
        when: f64,
        delay: f64,
        purpose: Purpose,
    ) -> PyResult<Arc<Self>> {
        let slf = event_loop.get();
        slf.check_closed()?;
        let alarm = Self::new(purpose, true);
        let work = Work::Alarm(Arc::clone(&alarm));
        slf.set_timer(event_loop.py(), when, delay, work);
        Ok(alarm)
    }

    /// Sets an alarm that goes off in the next turn.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub(crate) fn soon(event_loop: &Bound<'_, EventLoop>, purpose: Purpose) -> PyResult<Arc<Self>> {
        event_loop.get().check_closed()?;
        let alarm = Self::new(purpose, false);
        let work = Work::Alarm(Arc::clone(&alarm));
        event_loop.get().schedule(event_loop.py(), work);
        Ok(alarm)
    }

    fn new(purpose: Purpose, is_timed: bool) -> Arc<Self> {
        Arc::new(Self {
            purpose: Guarded::new(Some(purpose)),
            is_cancelled: AtomicBool::new(false),
            is_timed,
        })
    }

    /// Cancels the alarm, unless it has gone off or is about to in this very turn.
    pub(crate) fn cancel(&self, event_loop: &EventLoop, py: Python<'_>) {
        let Some(purpose) = self.purpose.replace(py, None) else {
            return;
        };
        if !self.is_cancelled.swap(true, Ordering::Relaxed) && self.is_timed {
            event_loop.note_timer_cancelled(py);
        }
        purpose.release(py);
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
        if let Some(purpose) = self.purpose.replace(py, None) {
            purpose.release(py);
        }
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

/// A timer that a native has set, on whatever loop.
#[derive(Default)]
pub(crate) enum Timer {
    #[default]
    None,
    /// An alarm of this loop.
    Alarm(Py<EventLoop>, Arc<Alarm>),
    /// A handle of `call_later` or `call_at`.
    Handle(Py<PyAny>),
}

impl Timer {
    /// Cancels the timer, if it is set.
    pub(crate) fn cancel(self, py: Python<'_>) -> PyResult<()> {
        match self {
            Self::None => Ok(()),
            Self::Alarm(event_loop, alarm) => {
                let event_loop = event_loop.into_bound(py);
                alarm.cancel(event_loop.get(), py);
                Ok(())
            }
            Self::Handle(handle) => handle.call_method0(py, intern!(py, "cancel")).map(drop),
        }
    }

    /// Shows the collector what the timer's owner holds. The loop answers for an alarm.
    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::None => Ok(()),
            Self::Alarm(event_loop, _alarm) => visit.call(event_loop),
            Self::Handle(handle) => visit.call(handle),
        }
    }
}
