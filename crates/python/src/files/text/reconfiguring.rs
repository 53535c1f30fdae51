//! `reconfigure`.

use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::class::TextFile;
use super::codec::{Codec, Newline};
use crate::files::BinaryFile;
use crate::files::binary::{Answer, Need, Next, Step, unsupported};

/// What is to be different.
#[derive(Default)]
pub(crate) struct Changes {
    pub(super) encoding: Option<Py<PyString>>,
    pub(super) errors: Option<Py<PyString>>,
    pub(super) newline: Option<Newline>,
    pub(super) is_line_buffered: Option<bool>,
    pub(super) is_write_through: Option<bool>,
}

/// `reconfigure`.
pub(crate) struct Reconfigure {
    file: Py<TextFile>,
    changes: Changes,
}

impl Reconfigure {
    pub(super) fn new(file: &Bound<'_, TextFile>, changes: Changes) -> Self {
        Self {
            file: file.clone().unbind(),
            changes,
        }
    }

    /// The codec, if it changes.
    fn codec(&self, py: Python<'_>) -> PyResult<Option<Arc<Codec>>> {
        let changes = &self.changes;
        if changes.encoding.is_none() && changes.errors.is_none() && changes.newline.is_none() {
            return Ok(None);
        }
        let now = self.file.get().codec(py);
        let encoding = changes.encoding.as_ref().unwrap_or(&now.encoding).bind(py);
        // The errors of another encoding are its own.
        let errors = match (&changes.errors, &changes.encoding) {
            (Some(errors), _) => Some(errors.bind(py)),
            (None, Some(_)) => None,
            (None, None) => Some(now.errors.bind(py)),
        };
        let newline = changes.newline.unwrap_or(now.newline);
        Codec::get(py, Some(encoding), errors, newline).map(Some)
    }

    fn check(&self, file: &Bound<'_, BinaryFile>) -> PyResult<()> {
        let py = file.py();
        let slf = self.file.get();
        slf.check_open(py)?;
        let has_read = slf.state.with(py, |state| state.has_read);
        let changes = &self.changes;
        let is_other =
            changes.encoding.is_some() || changes.errors.is_some() || changes.newline.is_some();
        if has_read && is_other {
            return Err(unsupported(
                py,
                "It is not possible to set the encoding or newline of stream after the first read",
            ));
        }
        Ok(())
    }

    fn apply(&self, file: &Bound<'_, BinaryFile>) -> PyResult<()> {
        let py = file.py();
        let codec = self.codec(py)?;
        let is_beginning = file.get().position(py) == 0;
        let dropped = self.file.get().state.with(py, |state| {
            let changes = &self.changes;
            state.is_line_buffered = changes.is_line_buffered.unwrap_or(state.is_line_buffered);
            state.is_write_through = changes.is_write_through.unwrap_or(state.is_write_through);
            let codec = codec?;
            state.encodes_beginning = is_beginning;
            let previous = std::mem::replace(&mut state.codec, codec);
            let coders = (state.decoder.take(), state.encoder.take());
            Some((previous, coders, state.chunks.clear()))
        });
        drop(dropped);
        Ok(())
    }
}

impl Step for Reconfigure {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        if matches!(answer, Answer::Start) {
            self.check(file)?;
            return Ok(Next::Need(Need::Flush));
        }
        self.apply(file)?;
        Ok(Next::Return(file.py().None().into_bound(file.py())))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)?;
        visit.call(&self.changes.encoding)?;
        visit.call(&self.changes.errors)
    }
}
