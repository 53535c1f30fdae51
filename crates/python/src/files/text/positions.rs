//! `seek` and `tell`.

use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;

use super::class::TextFile;
use super::codec::Known;
use super::cookie::{Cookie, Trial, set_state, state_of};
use super::decoding::{Chunk, decode};
use crate::errors::os_error;
use crate::files::BinaryFile;
use crate::files::binary::{
    Amount, Answer, Need, Next, Read as ReadBytes, Seek as SeekBytes, Step, unsupported,
};
use crate::raw::text;

impl TextFile {
    /// The position.
    fn cookie(&self, file: &Bound<'_, BinaryFile>) -> PyResult<Cookie> {
        let py = file.py();
        let known = self.state.with(py, |state| {
            let (chunk, used) = state.chunks.current()?;
            let input = chunk.input.bind(py).clone();
            let is_plain = state.codec.known == Known::Utf8 && !chunk.has_returns;
            let text = is_plain.then(|| chunk.text.bind(py).clone());
            Some((
                chunk.start,
                used,
                state.chunks.waiting() == 0,
                input,
                chunk.before.bind(py).clone(),
                text,
            ))
        });
        let (Some((start, used, is_all, input, before, text)), Some(decoder)) =
            (known, self.known_decoder(py))
        else {
            let offset = file.get().position(py);
            return Ok(Cookie {
                offset,
                ..Cookie::default()
            });
        };
        if is_all {
            let (kept, flags) = state_of(&decoder.call_method0(intern!(py, "getstate"))?)?;
            if kept.as_bytes().is_empty() {
                return Ok(Cookie {
                    offset: file.get().position(py),
                    flags,
                    ..Cookie::default()
                });
            }
        }
        let (kept, flags) = state_of(&before)?;
        let offset = start.saturating_sub(kept.as_bytes().len() as u64);
        if used == 0 {
            return Ok(Cookie {
                offset,
                flags,
                ..Cookie::default()
            });
        }
        if let Some(text) = text
            && flags == 0
            && let Ok(read) = text::part(&text, 0, used)?.to_str()
        {
            return Ok(Cookie {
                offset: offset + read.len() as u64,
                ..Cookie::default()
            });
        }
        let input = if kept.as_bytes().is_empty() {
            input
        } else {
            PyBytes::new(py, &[kept.as_bytes(), input.as_bytes()].concat())
        };
        let kept = decoder.call_method0(intern!(py, "getstate"))?;
        let trial = Trial {
            decoder,
            kept,
            input,
            flags,
        };
        trial.cookie(offset, used)
    }
}

/// `tell`.
pub(crate) struct Tell {
    file: Py<TextFile>,
}

impl Tell {
    pub(super) fn new(file: &Bound<'_, TextFile>) -> Self {
        Self {
            file: file.clone().unbind(),
        }
    }
}

impl Step for Tell {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            self.file.get().check_open(py)?;
            check_seekable(file)?;
            return Ok(Next::Need(Need::Flush));
        }
        let cookie = self.file.get().cookie(file)?.to_object(py)?;
        Ok(Next::Return(cookie))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

fn check_seekable(file: &Bound<'_, BinaryFile>) -> PyResult<()> {
    if file.get().is_seekable() {
        Ok(())
    } else {
        Err(unsupported(file.py(), "underlying stream is not seekable"))
    }
}

/// What `seek` is about to do.
enum Course {
    New,
    /// Moves the file of bytes.
    Moves(SeekBytes, Cookie),
    /// Reads the bytes whose first characters are passed over.
    Reads(ReadBytes, Cookie),
}

/// `seek`.
pub(crate) struct Seek {
    file: Py<TextFile>,
    cookie: Py<PyAny>,
    whence: i32,
    course: Course,
    /// What is returned, if that is not the cookie.
    end: bool,
}

impl Seek {
    pub(super) fn new(file: &Bound<'_, TextFile>, cookie: &Bound<'_, PyAny>, whence: i32) -> Self {
        Self {
            file: file.clone().unbind(),
            cookie: cookie.clone().unbind(),
            whence,
            course: Course::New,
            end: false,
        }
    }

    /// Where to go; the check of the arguments comes first.
    fn target(&mut self, file: &Bound<'_, BinaryFile>) -> PyResult<(SeekBytes, Cookie)> {
        let py = file.py();
        let number = self.cookie.bind(py);
        let is_zero = |number: &Bound<'_, PyAny>| number.eq(0);
        match self.whence {
            0 => {
                if number.lt(0)? {
                    let shown = number.repr()?;
                    return Err(PyValueError::new_err(format!(
                        "negative seek position {shown}"
                    )));
                }
                let cookie = Cookie::of(number)?;
                Ok((seek_to(py, cookie.offset)?, cookie))
            }
            1 if !is_zero(number)? => Err(unsupported(py, "can't do nonzero cur-relative seeks")),
            2 if !is_zero(number)? => Err(unsupported(py, "can't do nonzero end-relative seeks")),
            1 => {
                let cookie = self.file.get().cookie(file)?;
                self.cookie = cookie.to_object(py)?.unbind();
                Ok((seek_to(py, cookie.offset)?, cookie))
            }
            2 => {
                self.end = true;
                Ok((SeekBytes::new(0, 2), Cookie::default()))
            }
            other => Err(PyValueError::new_err(format!(
                "invalid whence ({other}, should be 0, 1 or 2)"
            ))),
        }
    }

    /// The file of bytes is there.
    fn arrive<'py>(
        &mut self,
        file: &Bound<'py, BinaryFile>,
        cookie: Cookie,
    ) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = self.file.get();
        slf.forget_chunks(py);
        let is_beginning = if self.end {
            file.get().position(py) == 0
        } else {
            cookie.offset == 0 && cookie.flags == 0
        };
        slf.reset_encoder(py, is_beginning)?;
        if self.end || (is_beginning && cookie.characters == 0) {
            if let Some(decoder) = slf.known_decoder(py) {
                decoder.call_method0(intern!(py, "reset"))?;
            }
            let position = file.get().position(py);
            return Ok(Next::Return(position.into_pyobject(py)?.into_any()));
        }
        // A new decoder may take this for the beginning, where some encodings have a mark.
        let begins_anew = slf.known_decoder(py).is_none() && slf.codec(py).known == Known::Utf8;
        if cookie.flags != 0 || cookie.characters > 0 || !begins_anew {
            set_state(&slf.decoder(py)?, cookie.flags)?;
        }
        if cookie.characters == 0 {
            if cookie.flags != 0 {
                slf.remember(file, cookie);
            }
            return Ok(Next::Return(self.cookie.bind(py).clone()));
        }
        let read = ReadBytes::new(Amount::Bytes(cookie.bytes as usize));
        self.course = Course::Reads(read, cookie);
        self.go_on(file, Answer::Start)
    }

    /// The bytes are there whose first characters are passed over.
    fn pass<'py>(
        &self,
        file: &Bound<'py, BinaryFile>,
        input: &Bound<'py, PyBytes>,
        cookie: Cookie,
    ) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = self.file.get();
        let decoder = slf.decoder(py)?;
        let before = decoder.call_method0(intern!(py, "getstate"))?;
        let text = decode(&decoder, input, cookie.is_last)?;
        let (length, used) = (text::length(&text), cookie.characters as usize);
        if length < used {
            return Err(PyOSError::new_err("can't restore logical file position"));
        }
        let chunk = Chunk {
            text: text.unbind(),
            length,
            input: input.clone().unbind(),
            start: cookie.offset,
            before: before.unbind(),
            has_returns: true,
        };
        slf.state.with(py, |state| {
            state.chunks.push(chunk);
            state.chunks.move_to(used);
            state.has_read = true;
        });
        Ok(Next::Return(self.cookie.bind(py).clone()))
    }

    fn go_on<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        match &mut self.course {
            Course::New => {
                let (seek, cookie) = self.target(file)?;
                self.course = Course::Moves(seek, cookie);
                self.go_on(file, Answer::Start)
            }
            Course::Moves(seek, cookie) => {
                let cookie = *cookie;
                match seek.step(file, answer)? {
                    Next::Return(_) => self.arrive(file, cookie),
                    need @ Next::Need(_) => Ok(need),
                }
            }
            Course::Reads(read, cookie) => {
                let cookie = *cookie;
                match read.step(file, answer)? {
                    Next::Return(input) => self.pass(file, input.cast::<PyBytes>()?, cookie),
                    need @ Next::Need(_) => Ok(need),
                }
            }
        }
    }
}

impl TextFile {
    /// Has `tell` know the state in which the decoder has been put.
    fn remember(&self, file: &Bound<'_, BinaryFile>, cookie: Cookie) {
        let py = file.py();
        let (start, input) = file.get().take_waiting(py, 0);
        let before = (PyBytes::new(py, b""), cookie.flags).into_pyobject(py);
        let Ok(before) = before else { return };
        let chunk = Chunk {
            text: intern!(py, "").clone().unbind(),
            length: 0,
            input: input.unbind(),
            start,
            before: before.into_any().unbind(),
            has_returns: true,
        };
        self.state.with(py, |state| state.chunks.push(chunk));
    }
}

fn seek_to(py: Python<'_>, offset: u64) -> PyResult<SeekBytes> {
    // The kernel has no sign for it, either.
    let offset = i64::try_from(offset).map_err(|_too_large| os_error(py, Errno::INVAL))?;
    Ok(SeekBytes::new(offset, 0))
}

impl TextFile {
    /// Has what is written next begin with a mark, if it is the beginning of the file.
    fn reset_encoder(&self, py: Python<'_>, is_beginning: bool) -> PyResult<()> {
        let encoder = self.state.with(py, |state| {
            state.encodes_beginning = is_beginning;
            state.encoder.as_ref().map(|known| known.bind(py).clone())
        });
        match encoder {
            Some(encoder) if is_beginning => encoder.call_method0(intern!(py, "reset")).map(drop),
            Some(encoder) => encoder
                .call_method1(intern!(py, "setstate"), (0,))
                .map(drop),
            None => Ok(()),
        }
    }
}

impl Step for Seek {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            self.file.get().check_open(py)?;
            if matches!(self.whence, 0..=2) {
                check_seekable(file)?;
            }
            // First, since only then the position is known.
            if file.get().has_held(py) {
                return Ok(Next::Need(Need::Flush));
            }
        }
        self.go_on(file, answer)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)?;
        visit.call(&self.cookie)
    }
}
