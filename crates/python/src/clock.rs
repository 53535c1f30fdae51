//! `VirtualClock`: a clock that stands still until it is moved; and the clock that a loop reads.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant, MonotonicClock};
use aioxide_engine::virtual_clock::{self, OutOfRange, VirtualTime};
use aioxide_engine::waker::Bell;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;

/// The clock of a loop: the kernel's, unless another one is chosen before the loop is used.
#[derive(Default)]
pub(crate) struct LoopClock(OnceLock<Box<dyn Clock>>);

impl LoopClock {
    /// Chooses a virtual clock. `bell` ends the poll of the loop.
    pub(crate) fn choose(&self, clock: &VirtualClock, bell: Arc<dyn Bell>) -> PyResult<()> {
        let time = VirtualTime::new(Arc::clone(&clock.0), bell);
        self.0
            .set(Box::new(time))
            .map_err(|_second| PyRuntimeError::new_err("the event loop has a clock already"))
    }
}

impl Deref for LoopClock {
    type Target = dyn Clock;

    #[inline]
    fn deref(&self) -> &(dyn Clock + 'static) {
        match self.0.get() {
            Some(clock) => &**clock,
            None => &MonotonicClock,
        }
    }
}

/// A clock that stands still until it is moved, for tests of what takes time.
///
/// Any thread may use it, and several loops may share it: it jumps to the next deadline once all loops
/// that are running have nothing to do.
///
/// Args:
///     start: seconds that it shows at first.
///     `autojump_threshold`: how many real seconds nothing has to happen before it jumps; None: it never does.
///
/// Raises:
///     `ValueError`: a number is negative or no number, or `start` is infinite or beyond 292 years.
#[pyclass(module = "aioxide", frozen, weakref)]
pub(crate) struct VirtualClock(Arc<virtual_clock::VirtualClock>);

impl VirtualClock {
    fn check_time(name: &str, seconds: f64) -> PyResult<()> {
        if seconds.is_finite() && seconds >= 0.0 {
            return Ok(());
        }
        Err(PyValueError::new_err(format!(
            "{name} must be a finite number of seconds, not negative"
        )))
    }

    /// None and infinity mean that the clock never jumps.
    fn threshold_of(seconds: Option<f64>) -> PyResult<Option<Duration>> {
        match seconds {
            None => Ok(None),
            Some(seconds) if seconds == f64::INFINITY => Ok(None),
            Some(seconds) => {
                Self::check_time("autojump_threshold", seconds)?;
                // What is too long for a duration is as good as never.
                Ok(Duration::try_from_secs_f64(seconds).ok())
            }
        }
    }
}

#[pymethods]
impl VirtualClock {
    #[new]
    #[pyo3(
        signature = (start=0.0, *, autojump_threshold=Some(0.0)),
        text_signature = "(start=0.0, *, autojump_threshold=0.0)"
    )]
    fn new(start: f64, autojump_threshold: Option<f64>) -> PyResult<Self> {
        Self::check_time("start", start)?;
        let threshold = Self::threshold_of(autojump_threshold)?;
        let start = Instant::at_or_after_seconds(start);
        if start == Instant::NEVER {
            return Err(out_of_range());
        }
        Ok(Self(Arc::new(virtual_clock::VirtualClock::new(
            start, threshold,
        ))))
    }

    /// Seconds on this clock.
    fn time(&self) -> f64 {
        self.0.now().as_seconds()
    }

    /// Moves the clock on by `seconds`, and wakes the loops that sleep: what becomes due runs in their next turn.
    ///
    /// Raises `ValueError` for a number that is negative, infinite or none, or leads beyond 292 years.
    fn advance(&self, seconds: f64) -> PyResult<()> {
        Self::check_time("seconds", seconds)?;
        self.0.advance(seconds).map_err(|OutOfRange| out_of_range())
    }

    /// How many real seconds nothing has to happen before the clock jumps to the next deadline; None: it never does.
    #[getter]
    fn autojump_threshold(&self) -> Option<f64> {
        self.0
            .jump_threshold()
            .map(|threshold| threshold.as_secs_f64())
    }

    #[setter]
    fn set_autojump_threshold(&self, seconds: Option<f64>) -> PyResult<()> {
        self.0.set_jump_threshold(Self::threshold_of(seconds)?);
        Ok(())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let time = self.time().into_pyobject(py)?.repr()?;
        let threshold = self.autojump_threshold().into_pyobject(py)?.repr()?;
        Ok(format!(
            "<aioxide.VirtualClock time={time} autojump_threshold={threshold}>"
        ))
    }
}

fn out_of_range() -> PyErr {
    PyValueError::new_err("a virtual clock cannot go further than 292 years")
}
