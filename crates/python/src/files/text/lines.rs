//! `readline`, `readlines`, and a file as an iterator over its lines.

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyList;

use super::class::TextFile;
use super::decoding::{More, Search};
use super::methods::ANEXT;
use crate::files::BinaryFile;
use crate::files::binary::{Answer, Need, Next, Operation, Step};
use crate::raw::{ready, text};
use crate::routine::Coroutine;

/// What `__anext__` returns: something that is awaited for the next line, which is there already for most.
pub(super) fn next_line<'py>(file: &Bound<'py, TextFile>) -> PyResult<Bound<'py, PyAny>> {
    let py = file.py();
    let slf = file.get();
    if slf.binary.get().is_free(py) {
        let line = slf.state.with(py, |state| {
            let newline = state.codec.newline;
            state.chunks.next_line(py, newline)
        });
        if let Some(line) = line {
            return ready::with(line?.into_any());
        }
    }
    let operation = Operation::new(slf.binary.bind(py), Line::next(file));
    Coroutine::make(py, &ANEXT, operation)
}

/// `readline` and `__anext__`.
pub(crate) struct Line {
    file: Py<TextFile>,
    limit: usize,
    search: Search,
    /// Whether the end of the file is the end of an iteration.
    is_iteration: bool,
}

impl Line {
    pub(super) fn new(file: &Bound<'_, TextFile>, limit: Option<usize>) -> Self {
        Self {
            file: file.clone().unbind(),
            limit: limit.unwrap_or(usize::MAX),
            search: Search::default(),
            is_iteration: false,
        }
    }

    fn next(file: &Bound<'_, TextFile>) -> Self {
        Self {
            is_iteration: true,
            ..Self::new(file, None)
        }
    }

    /// How long the line is, if that can be told.
    fn length(&mut self, py: Python<'_>) -> Option<usize> {
        let slf = self.file.get();
        slf.state.with(py, |state| {
            let newline = state.codec.newline;
            let found = state.chunks.line_length(py, newline, &mut self.search);
            let length = found.unwrap_or(usize::MAX).min(self.limit);
            let waiting = state.chunks.waiting();
            // Even who wants none has a chunk decoded, as by Python's own: it moves what is below.
            (found.is_some() || (waiting > 0 && length <= waiting)).then_some(length)
        })
    }

    fn finish<'py>(&self, py: Python<'py>, length: usize) -> PyResult<Next<'py>> {
        let line = self.file.get().take(py, length)?;
        if self.is_iteration && text::length(&line) == 0 {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        Ok(Next::Return(line.into_any()))
    }
}

impl Step for Line {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let mut filled = match answer {
            Answer::Start => {
                self.file.get().check_readable(py)?;
                if file.get().has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
                None
            }
            Answer::Filled(count) => Some(count),
            _ => None,
        };
        loop {
            if let Some(length) = self.length(py) {
                return self.finish(py, length);
            }
            match self.file.get().more(file, filled.take())? {
                More::Chunk => self.search.go_on(),
                More::End => {
                    self.file.get().note_reading(py, false);
                    self.search.go_on();
                    let length = self.length(py).unwrap_or(self.limit);
                    return self.finish(py, length);
                }
                More::Need(need) => return Ok(Next::Need(need)),
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

/// `readlines`: it decodes what it needs before it takes any, so that one that is cancelled has taken none.
pub(crate) struct Lines {
    file: Py<TextFile>,
    hint: usize,
}

impl Lines {
    pub(super) fn new(file: &Bound<'_, TextFile>, hint: Option<usize>) -> Self {
        Self {
            file: file.clone().unbind(),
            hint: hint.filter(|hint| *hint > 0).unwrap_or(usize::MAX),
        }
    }

    /// Whether the line is there with which there are more characters than were asked for.
    fn has_enough(&self, py: Python<'_>) -> bool {
        let state = &self.file.get().state;
        self.hint < usize::MAX
            && state.with(py, |state| {
                let newline = state.codec.newline;
                state.chunks.has_line_end(py, newline, self.hint)
            })
    }

    /// Takes lines until there are enough, or no more.
    fn collect<'py>(&self, py: Python<'py>) -> PyResult<Next<'py>> {
        let slf = self.file.get();
        let lines = PyList::empty(py);
        let mut total = 0;
        while total <= self.hint {
            let length = slf.state.with(py, |state| {
                let newline = state.codec.newline;
                let mut search = Search::default();
                let found = state.chunks.line_length(py, newline, &mut search);
                found.unwrap_or_else(|| state.chunks.waiting())
            });
            if length == 0 {
                break;
            }
            lines.append(slf.take(py, length)?)?;
            total += length;
        }
        Ok(Next::Return(lines.into_any()))
    }
}

impl Step for Lines {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let mut filled = match answer {
            Answer::Start => {
                self.file.get().check_readable(py)?;
                if file.get().has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
                None
            }
            Answer::Filled(count) => Some(count),
            _ => None,
        };
        while !self.has_enough(py) {
            match self.file.get().more(file, filled.take())? {
                More::Chunk => {}
                More::End => {
                    self.file.get().note_reading(py, false);
                    break;
                }
                More::Need(need) => return Ok(Next::Need(need)),
            }
        }
        self.collect(py)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}
