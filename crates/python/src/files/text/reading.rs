//! `read`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use super::class::TextFile;
use super::decoding::{More, decode, joined};
use crate::files::BinaryFile;
use crate::files::binary::{Amount, Answer, Need, Next, Read as ReadBytes, Step};
use crate::raw::text;

/// `read` of so many characters.
pub(crate) struct Read {
    file: Py<TextFile>,
    count: usize,
}

impl Read {
    pub(super) fn new(file: &Bound<'_, TextFile>, count: usize) -> Self {
        Self {
            file: file.clone().unbind(),
            count,
        }
    }
}

impl Step for Read {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = self.file.get();
        let mut filled = match answer {
            Answer::Start => {
                slf.check_readable(py)?;
                if file.get().has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
                None
            }
            Answer::Filled(count) => Some(count),
            _ => None,
        };
        while slf.state.with(py, |state| state.chunks.waiting()) < self.count {
            match slf.more(file, filled.take())? {
                More::Chunk => {}
                More::End => break,
                More::Need(need) => return Ok(Next::Need(need)),
            }
        }
        let text = slf.take(py, self.count)?;
        Ok(Next::Return(text.into_any()))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

/// `read` of everything up to the end of the file.
pub(crate) struct ReadAll {
    file: Py<TextFile>,
    bytes: ReadBytes,
}

impl ReadAll {
    pub(super) fn new(file: &Bound<'_, TextFile>) -> Self {
        Self {
            file: file.clone().unbind(),
            bytes: ReadBytes::new(Amount::All),
        }
    }

    /// Decodes what has been read, behind what had been decoded before.
    fn finish<'py>(&self, bytes: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyString>> {
        let py = bytes.py();
        let slf = self.file.get();
        if slf.known_decoder(py).is_none()
            && let Some(text) = slf.codec(py).decode_whole(bytes)
        {
            let has_newline = text::find(&text, '\n', 0, text::length(&text)).is_some();
            slf.state.with(py, |state| {
                state.has_seen_newline |= has_newline && state.codec.newline.is_universal();
            });
            return Ok(text);
        }
        let decoder = slf.decoder(py)?;
        let rest = decode(&decoder, bytes, true)?;
        let begin = slf.take(py, usize::MAX)?;
        slf.forget_chunks(py);
        joined(py, vec![begin, rest])
    }
}

impl Step for ReadAll {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        if matches!(answer, Answer::Start) {
            self.file.get().check_readable(file.py())?;
        }
        match self.bytes.step(file, answer)? {
            Next::Return(bytes) => {
                let text = self.finish(bytes.cast::<PyBytes>()?)?;
                Ok(Next::Return(text.into_any()))
            }
            need @ Next::Need(_) => Ok(need),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

impl TextFile {
    /// Forgets what was decoded.
    pub(super) fn forget_chunks(&self, py: Python<'_>) {
        let spent = self.state.with(py, |state| {
            state.has_read = false;
            state.chunks.clear()
        });
        drop(spent);
    }
}
