//! A `time` of somebody else's, in a derived class or on the loop: timers are set by it and become due by it.
//!
//! The loop asks for it once a turn, and once more after a sleep. How long it sleeps is the difference to the next
//! deadline, taken for seconds, as on asyncio's loop; where that time jumps, a loop that is awake finds out.

use std::sync::atomic::Ordering;
use std::time::Duration;

use aioxide_engine::clock::{Instant, Rest};
use pyo3::intern;
use pyo3::prelude::*;

use super::EventLoop;

/// No sleep is longer: time that is not the kernel's may have come to another idea meanwhile (asyncio's value).
const SLEEP_MAX: Duration = Duration::from_secs(24 * 3600);

impl EventLoop {
    /// Whether somebody has replaced `time`.
    #[inline]
    pub(super) fn is_time_replaced(&self) -> bool {
        self.is_time_replaced.load(Ordering::Relaxed)
    }

    /// Seconds by which timers go.
    #[inline]
    pub(super) fn timer_seconds(slf: &Bound<'_, Self>) -> PyResult<f64> {
        if slf.get().is_time_replaced() {
            slf.call_method0(intern!(slf.py(), "time"))?.extract()
        } else {
            Ok(slf.get().seconds_now())
        }
    }

    /// The time on the loop's clock, unless timers go by another, and the seconds by which they go.
    #[inline]
    pub(super) fn timer_time(slf: &Bound<'_, Self>) -> PyResult<(Option<Instant>, f64)> {
        if slf.get().is_time_replaced() {
            return Ok((None, Self::timer_seconds(slf)?));
        }
        let now = slf.get().clock.now();
        Ok((Some(now), now.as_seconds()))
    }

    /// How long the loop may sleep if nothing is to happen before `deadline`, by the time that was replaced.
    pub(super) fn rest_by_replaced_time(
        slf: &Bound<'_, Self>,
        deadline: Option<Instant>,
    ) -> PyResult<Rest> {
        let Some(deadline) = deadline else {
            return Ok(Rest::Sleep(None));
        };
        let now = Instant::at_or_after_seconds(Self::timer_seconds(slf)?);
        Ok(Rest::Sleep(Some(deadline.since(now).min(SLEEP_MAX))))
    }
}

#[pymethods]
impl EventLoop {
    /// Has timers go by `time`, which somebody has replaced.
    #[pyo3(name = "_go_by_replaced_time")]
    fn go_by_replaced_time(&self) {
        self.is_time_replaced.store(true, Ordering::Relaxed);
    }
}
