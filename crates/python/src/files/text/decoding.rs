//! What was read ahead and decoded, in chunks: the first ones may have been read in part.
//!
//! A chunk keeps the bytes that it was made of and the decoder's state before them, from which a position can be told. The
//! last chunk stays when all of it has been read, until there is another.

use std::collections::VecDeque;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use super::class::TextFile;
use super::codec::Newline;
use super::text_line::{ends_with_return, line_end};
use crate::files::BinaryFile;
use crate::files::binary::Need;
use crate::raw::text;

/// What the built-in `open` decodes at once. A file that is also written does no more here, since a write goes where
/// the bytes that were decoded end; and after an error, to have all text before it.
const PIECE: usize = 8192;

/// Text with what it was made of.
pub(super) struct Chunk {
    pub(super) text: Py<PyString>,
    pub(super) length: usize,
    pub(super) input: Py<PyBytes>,
    /// Where the input begins in the file.
    pub(super) start: u64,
    /// The decoder's state before the input.
    pub(super) before: Py<PyAny>,
    /// Whether characters may be fewer than what the encoding alone makes of the bytes.
    pub(super) has_returns: bool,
}

/// Chunks, and how much of them has been read.
#[derive(Default)]
pub(super) struct Chunks {
    chunks: VecDeque<Chunk>,
    /// How many characters of the first one have been read.
    used: usize,
}

/// How far a search for the end of a line has come.
#[derive(Default)]
pub(super) struct Search {
    /// So many chunks have no end in them.
    chunks: usize,
    /// So many characters do they have to be read.
    characters: usize,
    is_after_return: bool,
}

impl Search {
    /// Another chunk has come: the one before is gone, if nothing in it was to be read.
    pub(super) fn go_on(&mut self) {
        if self.characters == 0 {
            *self = Self::default();
        }
    }
}

/// Where to go on reading.
pub(super) enum More {
    /// There is another chunk.
    Chunk,
    /// There will be none.
    End,
    /// There is none without this.
    Need(Need),
}

impl Chunks {
    pub(super) fn push(&mut self, chunk: Chunk) {
        self.chunks.push_back(chunk);
    }

    /// The chunk that is being read, and how far.
    pub(super) fn current(&self) -> Option<(&Chunk, usize)> {
        self.chunks.front().map(|chunk| (chunk, self.used))
    }

    /// Moves to the `used`-th character of the first chunk.
    pub(super) fn move_to(&mut self, used: usize) {
        self.used = used;
    }

    /// How many characters wait to be read.
    pub(super) fn waiting(&self) -> usize {
        let total: usize = self.chunks.iter().map(|chunk| chunk.length).sum();
        total.saturating_sub(self.used)
    }

    /// The next line, if it ends in the first chunk: what most do.
    #[inline]
    pub(super) fn next_line<'py>(
        &mut self,
        py: Python<'py>,
        newline: Newline,
    ) -> Option<PyResult<Bound<'py, PyString>>> {
        let chunk = self.chunks.front()?;
        let text = chunk.text.bind(py);
        let end = line_end(text, self.used, chunk.length, newline, false)?;
        let line = text::part(text, self.used, end);
        if line.is_ok() {
            self.used = end;
        }
        Some(line)
    }

    /// How long the next line is, if its end is in one of the chunks.
    pub(super) fn line_length(
        &self,
        py: Python<'_>,
        newline: Newline,
        search: &mut Search,
    ) -> Option<usize> {
        while let Some(chunk) = self.chunks.get(search.chunks) {
            let begin = if search.chunks == 0 { self.used } else { 0 };
            let text = chunk.text.bind(py);
            let after = search.is_after_return;
            if let Some(end) = line_end(text, begin, chunk.length, newline, after) {
                return Some(search.characters + end - begin);
            }
            search.chunks += 1;
            search.characters += chunk.length - begin;
            if chunk.length > begin {
                search.is_after_return =
                    newline == Newline::Only("\r\n") && ends_with_return(text, chunk.length);
            }
        }
        None
    }

    /// Whether a line ends behind the first `count` characters.
    pub(super) fn has_line_end(&self, py: Python<'_>, newline: Newline, count: usize) -> bool {
        let mut passed = 0;
        for (place, chunk) in self.chunks.iter().enumerate() {
            let begin = if place == 0 { self.used } else { 0 };
            let from = begin.saturating_add(count.saturating_sub(passed));
            if line_end(chunk.text.bind(py), from, chunk.length, newline, false).is_some() {
                return true;
            }
            passed += chunk.length - begin;
        }
        false
    }

    /// Takes out up to `count` characters, in parts, and the chunks that nobody needs any more.
    fn take<'py>(&mut self, py: Python<'py>, count: usize) -> PyResult<Taken<'py>> {
        let mut taken = Taken::default();
        let mut left = count;
        while let Some(chunk) = self.chunks.front() {
            let end = chunk.length.min(self.used.saturating_add(left));
            if end > self.used {
                let part = text::part(chunk.text.bind(py), self.used, end)?;
                taken.parts.push(part);
                left -= end - self.used;
                self.used = end;
            }
            if self.used < chunk.length || self.chunks.len() == 1 {
                break;
            }
            self.used = 0;
            taken.spent.extend(self.chunks.pop_front());
        }
        Ok(taken)
    }

    /// Gives out everything, for the caller to drop.
    pub(super) fn clear(&mut self) -> VecDeque<Chunk> {
        self.used = 0;
        std::mem::take(&mut self.chunks)
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.chunks
            .iter()
            .try_for_each(|chunk| visit.call(&chunk.before))
    }
}

/// What was taken out of chunks.
#[derive(Default)]
struct Taken<'py> {
    parts: Vec<Bound<'py, PyString>>,
    spent: Vec<Chunk>,
}

/// Parts of text, one after the other.
pub(super) fn joined<'py>(
    py: Python<'py>,
    mut parts: Vec<Bound<'py, PyString>>,
) -> PyResult<Bound<'py, PyString>> {
    let empty = intern!(py, "");
    match parts.len() {
        0 => Ok(empty.clone()),
        1 => Ok(parts.swap_remove(0)),
        _ => {
            let parts = PyList::new(py, parts)?;
            let text = empty.call_method1(intern!(py, "join"), (parts,))?;
            Ok(text.cast_into::<PyString>()?)
        }
    }
}

impl TextFile {
    /// Takes out up to `count` characters of what is decoded.
    pub(super) fn take<'py>(
        &self,
        py: Python<'py>,
        count: usize,
    ) -> PyResult<Bound<'py, PyString>> {
        let taken = self.state.with(py, |state| state.chunks.take(py, count))?;
        drop(taken.spent);
        joined(py, taken.parts)
    }

    /// Decodes more of the file: what was read ahead of it, or, if `filled` says that there is no more, the end.
    pub(super) fn more(
        &self,
        file: &Bound<'_, BinaryFile>,
        filled: Option<usize>,
    ) -> PyResult<More> {
        let py = file.py();
        let waits = file.get().has_waiting(py);
        if !waits && filled != Some(0) {
            return Ok(More::Need(file.get().fill_some(py)));
        }
        let decoder = self.decoder(py)?;
        if waits {
            self.decode_waiting(file, &decoder)?;
            self.note_reading(py, true);
            return Ok(More::Chunk);
        }
        let before = decoder.call_method0(intern!(py, "getstate"))?;
        let (start, input) = file.get().take_waiting(py, 0);
        let text = decode(&decoder, &input, true)?;
        self.note_reading(py, true);
        if text::length(&text) > 0 {
            self.push(start, input, before, text);
        }
        Ok(More::End)
    }

    /// Takes note of whether something was read that is in the way of another encoding.
    pub(super) fn note_reading(&self, py: Python<'_>, has_read: bool) {
        self.state.with(py, |state| state.has_read = has_read);
    }

    /// The decoder, made if there is none yet.
    pub(super) fn decoder<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(decoder) = self.known_decoder(py) {
            return Ok(decoder);
        }
        let decoder = self.codec(py).decoder(py)?;
        let made = Some(decoder.clone().unbind());
        let previous = self
            .state
            .with(py, |state| std::mem::replace(&mut state.decoder, made));
        drop(previous);
        Ok(decoder)
    }

    fn decode_waiting(
        &self,
        file: &Bound<'_, BinaryFile>,
        decoder: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = file.py();
        let mut size = if file.get().access().writable {
            PIECE
        } else {
            usize::MAX
        };
        let before = decoder.call_method0(intern!(py, "getstate"))?;
        loop {
            let (start, input) = file.get().take_waiting(py, size);
            match decode(decoder, &input, false) {
                Ok(text) => {
                    self.push(start, input, before, text);
                    return Ok(());
                }
                Err(error)
                    if input.as_bytes().len() > PIECE
                        && error.is_instance_of::<PyValueError>(py) =>
                {
                    // Who reads piece by piece gets what is right before he gets the error.
                    decoder.call_method1(intern!(py, "setstate"), (&before,))?;
                    file.get().step_back(py, start);
                    size = PIECE;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn push(
        &self,
        start: u64,
        input: Bound<'_, PyBytes>,
        before: Bound<'_, PyAny>,
        text: Bound<'_, PyString>,
    ) {
        let py = text.py();
        let is_universal = self.codec(py).newline.is_universal();
        let has_returns = is_universal && input.as_bytes().contains(&b'\r');
        let chunk = Chunk {
            length: text::length(&text),
            text: text.unbind(),
            input: input.unbind(),
            start,
            before: before.unbind(),
            has_returns,
        };
        let spent = self.state.with(py, |state| {
            let is_spent = state.chunks.waiting() == 0;
            let spent = is_spent.then(|| state.chunks.clear());
            state.chunks.push(chunk);
            spent
        });
        drop(spent);
    }
}

/// Decodes bytes.
///
/// # Errors
/// What the decoder raises; `TypeError` if it returns anything but text.
pub(super) fn decode<'py>(
    decoder: &Bound<'py, PyAny>,
    input: &Bound<'py, PyBytes>,
    is_last: bool,
) -> PyResult<Bound<'py, PyString>> {
    let py = decoder.py();
    let text = decoder.call_method1(intern!(py, "decode"), (input, is_last))?;
    let class = text.get_type();
    match text.cast_into::<PyString>() {
        Ok(text) if text.is_exact_instance_of::<PyString>() => Ok(text),
        // A plain copy: others may run code of their own when they are dropped.
        Ok(text) => text::part(&text, 0, text::length(&text)),
        Err(_other) => Err(PyTypeError::new_err(format!(
            "decoder should return a string result, not '{}'",
            class.name()?
        ))),
    }
}
