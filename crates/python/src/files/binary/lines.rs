//! `readline`, `readlines`, and a file as an iterator over its lines.

use aioxide_engine::files::line_length;
use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use super::checks::{CLOSED_STOP, Check, Right};
use super::file::BinaryFile;
use super::methods::ANEXT;
use super::operation::{Answer, Need, Next, Operation, Step};
use super::state::{Phase, State};
use crate::raw::ready;
use crate::routine::Coroutine;

const READLINE: Check = Check {
    closed: "readline of closed file",
    right: Right::Read("read"),
};

/// What `__anext__` returns: something that is awaited for the next line, which is there already for most.
pub(super) fn next_line<'py>(file: &Bound<'py, BinaryFile>) -> PyResult<Bound<'py, PyAny>> {
    let py = file.py();
    let slf = file.get();
    if slf.is_buffered && !slf.line.is_taken(py) {
        let line = slf.state.with(py, |state| {
            let length = line_length(state.window.waiting(), 0)?;
            is_free(state).then(|| take(py, state, length))
        });
        if let Some(line) = line {
            return ready::with(line.into_any());
        }
    }
    Coroutine::make(py, &ANEXT, Operation::new(file, Line::next()))
}

/// Whether a line may be taken without an operation.
fn is_free(state: &State) -> bool {
    state.phase == Phase::Open && state.left.is_none()
}

/// Takes out the first `length` bytes of what waits.
fn take<'py>(py: Python<'py>, state: &mut State, length: usize) -> Bound<'py, PyBytes> {
    let waiting = state.window.waiting();
    let line = PyBytes::new(py, waiting.get(..length).unwrap_or(waiting));
    state.window.skip(length);
    line
}

/// `readline` and `__anext__`.
pub(crate) struct Line {
    limit: usize,
    /// No line feed is among so many bytes of what waits.
    searched: usize,
    /// Whether the end of the file is the end of an iteration.
    is_iteration: bool,
}

impl Line {
    pub(super) fn new(limit: Option<usize>) -> Self {
        Self {
            limit: limit.unwrap_or(usize::MAX),
            searched: 0,
            is_iteration: false,
        }
    }

    fn next() -> Self {
        Self {
            is_iteration: true,
            ..Self::new(None)
        }
    }

    /// How long the line is, if that can be told.
    fn length(&mut self, state: &State, is_at_end: bool) -> Option<usize> {
        let waiting = state.window.waiting();
        let found = line_length(waiting, self.searched).unwrap_or(usize::MAX);
        self.searched = waiting.len();
        let length = found.min(self.limit);
        (length <= waiting.len() || is_at_end).then_some(length)
    }
}

impl Step for Line {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = file.get();
        if matches!(answer, Answer::Start) {
            slf.check(py, READLINE)?;
            if slf.has_held(py) {
                return Ok(Next::Need(Need::Flush));
            }
        }
        let is_at_end = matches!(answer, Answer::Filled(0));
        let length = slf.state.with(py, |state| self.length(state, is_at_end));
        let Some(length) = length else {
            let size = slf.state.with(py, |state| state.window.fill_size());
            return Ok(Next::Need(Need::Fill(size)));
        };
        let line = slf.take(py, length)?;
        if self.is_iteration
            && line
                .cast::<PyBytes>()
                .is_ok_and(|line| line.as_bytes().is_empty())
        {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        Ok(Next::Return(line))
    }
}

/// `readlines`: it looks how far the lines go before it takes any, so that one that is cancelled has taken none.
pub(crate) struct Lines {
    hint: usize,
    /// So many bytes of what waits are whole lines.
    whole: usize,
    /// In so many bytes all line feeds have been seen.
    searched: usize,
}

impl Lines {
    pub(super) fn new(hint: Option<usize>) -> Self {
        Self {
            hint: hint.filter(|hint| *hint > 0).unwrap_or(usize::MAX),
            whole: 0,
            searched: 0,
        }
    }

    /// Looks for lines until there are more bytes than were asked for.
    fn has_enough(&mut self, waiting: &[u8]) -> bool {
        while self.whole <= self.hint {
            let Some(length) = line_length(waiting, self.searched) else {
                self.searched = waiting.len();
                return false;
            };
            (self.whole, self.searched) = (length, length);
        }
        true
    }
}

impl Step for Lines {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = file.get();
        if matches!(answer, Answer::Start) {
            let closed = CLOSED_STOP;
            slf.check(py, Check { closed, ..READLINE })?;
            if slf.has_held(py) {
                return Ok(Next::Need(Need::Flush));
            }
        }
        let is_enough = slf
            .state
            .with(py, |state| self.has_enough(state.window.waiting()));
        if !is_enough && !matches!(answer, Answer::Filled(0)) {
            let size = slf.state.with(py, |state| state.window.fill_size());
            return Ok(Next::Need(Need::Fill(size)));
        }
        let lines = PyList::empty(py);
        let mut left = if is_enough { self.whole } else { usize::MAX };
        while left > 0 {
            let length = slf.state.with(py, |state| {
                let waiting = state.window.waiting();
                line_length(waiting, 0).unwrap_or(waiting.len())
            });
            if length == 0 {
                break;
            }
            let line = slf.state.with(py, |state| take(py, state, length));
            lines.append(line)?;
            left = left.saturating_sub(length);
        }
        if !slf.is_buffered && slf.is_seekable {
            slf.state.with(py, |state| state.window.forget());
        }
        Ok(Next::Return(lines.into_any()))
    }
}
