//! A future that waits among the timers itself, and is done when its time has come: what `sleep` awaits.
//!
//! It is a timer handle, the callback of one and the future in one object, because programs let many
//! thousands sleep at once.

use pyo3::prelude::*;

use super::{Future, Outcome};
use crate::event_loop::{EventLoop, Work};

impl Future {
    /// Puts a pending future of `event_loop` among its timers. `when` and `delay` are as for `EventLoop::set_timer`.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub(crate) fn begin_sleep(
        slf: &Bound<'_, Self>,
        event_loop: &EventLoop,
        when: f64,
        delay: f64,
    ) -> PyResult<()> {
        event_loop.check_closed()?;
        slf.get().with(slf.py(), |core| core.is_given_up = false);
        event_loop.set_timer(slf.py(), when, delay, Work::Wake(slf.clone().unbind()));
        Ok(())
    }

    /// Ends the sleep with None, unless it was given up or cancelled.
    pub(crate) fn end_sleep(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let is_awaited = slf
            .get()
            .with(py, |core| core.is_pending() && !core.is_given_up);
        if is_awaited {
            Self::settle(slf, Outcome::Result(py.None()))?;
        }
        Ok(())
    }

    /// Has the timer run for nothing. Says whether it would have run for something.
    pub(crate) fn give_up_sleep(&self, py: Python<'_>) -> bool {
        self.with(py, |core| {
            !matches!(core.outcome, Outcome::Result(_))
                && !std::mem::replace(&mut core.is_given_up, true)
        })
    }

    /// Whether the timer waits only to be swept. For the loop, which asks in the midst of its timers.
    pub(crate) fn is_sleep_given_up(&self) -> bool {
        self.core.visit(|core| core.is_given_up).unwrap_or(false)
    }
}
