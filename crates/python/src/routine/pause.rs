//! Coroutines that give way for one turn and do nothing else: what `sleep(0)` returns.
//!
//! There is no less that a coroutine can do, and nothing that programs do more often. So such a coroutine is told by
//! its phase alone, holds nothing, is unknown to the collector, and goes from the pool through its two
//! steps back to the pool by short cuts. Whoever throws into it, or asks it how it is, meets a coroutine with a
//! routine like any other.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::awaiting::Awaited;
use super::coroutine::{Coroutine, Phase, State};
use super::{Function, Input, Progress, Routine};
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::{self, Lifecycle};

/// What a pause does as a routine.
struct Pause;

impl Routine for Pause {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match input {
            Input::Start => Ok(Progress::GiveWay),
            Input::Value(_) => Ok(Progress::Return(py.None().into_bound(py))),
            Input::Failure(error) => Err(error),
        }
    }

    fn traverse(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

impl State {
    /// Makes of a pause a coroutine like any other, and says how far it is.
    #[inline]
    pub(super) fn with_routine(&mut self) -> Phase {
        if self.phase >= Phase::NewPause {
            self.unfold();
        }
        self.phase
    }

    #[cold]
    fn unfold(&mut self) {
        let (phase, routine): (_, Option<Box<dyn Routine>>) = match self.phase {
            Phase::NewPause => (Phase::New, Some(Box::new(Pause))),
            Phase::SuspendedPause => (Phase::Suspended, Some(Box::new(Pause))),
            _ => (Phase::Ended, None),
        };
        self.phase = phase;
        self.routine = routine;
    }
}

impl Coroutine {
    /// A coroutine of `function` that gives way for one turn.
    pub(crate) fn pause(
        py: Python<'_>,
        function: &'static Function,
    ) -> PyResult<Option<Py<PyAny>>> {
        if let Some(reused) = Self::pause_at_once(py, function) {
            return Ok(Some(reused));
        }
        let state = State {
            function,
            phase: Phase::NewPause,
            routine: None,
            awaited: Awaited::Nothing,
        };
        let state = Guarded::new(state);
        let coroutine = Bound::new(py, Self { state })?;
        lifecycle::hide(&coroutine);
        Ok(Some(coroutine.into_any().unbind()))
    }

    /// As `pause`, if that takes no memory. Does not panic.
    #[inline]
    pub(crate) fn pause_at_once(py: Python<'_>, function: &'static Function) -> Option<Py<PyAny>> {
        let reused = Self::pool()?.reuse_hidden(py)?;
        reused.get().state.try_with(py, |state| {
            state.function = function;
            state.phase = Phase::NewPause;
        })?;
        Some(reused.into_any())
    }

    /// Goes on with a pause, if this is one: whether it gives way, or is over. Does not panic, and drops nothing.
    #[inline]
    pub(crate) fn go_on_pausing(&self, py: Python<'_>) -> Option<bool> {
        let go_on = |state: &mut State| {
            let (phase, gives_way) = match state.phase {
                Phase::NewPause => (Phase::SuspendedPause, true),
                Phase::SuspendedPause => (Phase::EndedPause, false),
                _ => return None,
            };
            state.phase = phase;
            Some(gives_way)
        };
        self.state.try_with(py, go_on)?
    }

    /// Whether this is a pause that is over. Does not panic.
    #[inline]
    pub(super) fn has_paused(&self, py: Python<'_>) -> bool {
        let has_paused = |state: &mut State| state.phase == Phase::EndedPause;
        self.state.try_with(py, has_paused) == Some(true)
    }
}
