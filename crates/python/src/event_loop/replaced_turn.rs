//! One turn by itself, and a `_run_once` of somebody else's, in a derived class or on the loop: it is called in the
//! place of each turn, and as a rule calls ours for it.

use std::sync::atomic::Ordering;

use aioxide_engine::turn;
use pyo3::intern;
use pyo3::prelude::*;

use super::EventLoop;
use super::host::{Run, Running};

impl EventLoop {
    /// Whether somebody has replaced `_run_once`.
    pub(super) fn is_turn_replaced(&self) -> bool {
        self.is_turn_replaced.load(Ordering::Relaxed)
    }

    fn is_stopping(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.queues.is_stopping)
    }

    /// Calls `_run_once`, in a run under way, until the loop is stopped.
    pub(super) fn run_replaced_turns(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().is_in_turn.store(false, Ordering::Relaxed);
        loop {
            slf.call_method0(intern!(py, "_run_once"))?;
            if slf.get().is_stopping(py) {
                return Ok(());
            }
        }
    }

    fn run_turn(slf: &Bound<'_, Self>) -> PyResult<()> {
        let event_loop = slf.get();
        event_loop.is_in_turn.store(true, Ordering::Relaxed);
        let result = Self::finish_turns(slf, turn::run_once(&Running::new(slf)));
        event_loop.is_in_turn.store(false, Ordering::Relaxed);
        // Whoever goes on between two turns has a context of their own.
        Self::leave_stage(slf);
        result
    }
}

#[pymethods]
impl EventLoop {
    /// Runs one turn: of the run under way, between two of its turns, or as a run of its own.
    #[pyo3(name = "_run_once")]
    fn run_once(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get();
        let thread = std::thread::current().id();
        let is_between_turns = !event_loop.is_in_turn.load(Ordering::Relaxed)
            && event_loop.with(py, |state| state.thread == Some(thread));
        if is_between_turns {
            return Self::run_turn(slf);
        }
        event_loop.begin_run(py)?;
        let run = Run(slf);
        let result = Self::run_turn(slf);
        // As asyncio's, a turn by itself does not forget that the loop is to stop.
        let is_stopping = event_loop.is_stopping(py);
        drop(run);
        event_loop.with(py, |state| state.queues.is_stopping = is_stopping);
        result
    }

    /// Has `_run_once`, which somebody has replaced, called for each turn.
    #[pyo3(name = "_go_by_replaced_turns")]
    fn go_by_replaced_turns(&self) {
        self.is_turn_replaced.store(true, Ordering::Relaxed);
    }
}
