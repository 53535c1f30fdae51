//! `write`, `writelines`, `flush`, `truncate`, `fsync`.
//!
//! What does not fit any more to what is held sends that on its way; what is larger than could ever be held goes from the
//! user's memory. A method that has failed to write what is held has taken nothing more: it is still held.

use aioxide_engine::files::{Durability, Operation as Submission};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyIterator};
use rustix::io::Errno;

use super::checks::{CLOSED, CLOSED_STOP, Check, Right, unsupported};
use super::file::BinaryFile;
use super::operation::{Answer, Need, Next, Step};
use super::state::State;
use crate::errors::os_error;
use crate::raw::file_memory::{FileMemory, View};

const WRITE: Check = Check {
    closed: "write to closed file",
    right: Right::Write("write"),
};

/// What becomes of bytes that are to be written.
pub(crate) enum Placed {
    /// They are held: so many.
    Held(usize),
    /// What is held has to go first.
    NeedsFlush,
    /// They are not to be held: so many.
    Direct(View, usize),
}

impl BinaryFile {
    /// Holds the bytes of an object, if they fit.
    ///
    /// # Errors
    /// `TypeError` if it has none.
    pub(crate) fn place(&self, data: &Bound<'_, PyAny>) -> PyResult<Placed> {
        let py = data.py();
        if let Ok(bytes) = data.cast_exact::<PyBytes>()
            && self.is_buffered
        {
            let bytes = bytes.as_bytes();
            if self.hold(py, bytes) {
                return Ok(Placed::Held(bytes.len()));
            }
        }
        let view = View::readable(data)?;
        if self.is_buffered && self.hold(py, view.bytes(py)) {
            return Ok(Placed::Held(view.len()));
        }
        if self.has_held(py) {
            return Ok(Placed::NeedsFlush);
        }
        self.state.with(py, |state| state.window.forget());
        let length = view.len();
        Ok(Placed::Direct(view, length))
    }

    /// Holds bytes, if they fit. What was read ahead is forgotten: they may be in the midst of it.
    #[inline]
    pub(crate) fn hold(&self, py: Python<'_>, bytes: &[u8]) -> bool {
        self.state.with(py, |state| {
            let fits = !state.held.is_full_with(bytes.len());
            if fits && !bytes.is_empty() {
                if state.held.is_empty() {
                    state.window.forget();
                }
                state.held.hold(bytes);
            }
            fits
        })
    }
}

fn count(py: Python<'_>, count: usize) -> PyResult<Next<'_>> {
    Ok(Next::Return(count.into_pyobject(py)?.into_any()))
}

fn nothing(py: Python<'_>) -> Next<'_> {
    Next::Return(py.None().into_bound(py))
}

/// `write`.
pub(crate) struct Write {
    data: Py<PyAny>,
    /// How many bytes are on their way.
    under_way: Option<usize>,
}

impl Write {
    pub(super) fn new(data: &Bound<'_, PyAny>) -> Self {
        Self {
            data: data.clone().unbind(),
            under_way: None,
        }
    }
}

impl Step for Write {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            file.get().check(py, WRITE)?;
        }
        if let Some(written) = self.under_way {
            return count(py, written);
        }
        match file.get().place(self.data.bind(py))? {
            Placed::Held(held) => count(py, held),
            Placed::NeedsFlush => Ok(Next::Need(Need::Flush)),
            Placed::Direct(view, length) => {
                self.under_way = Some(length);
                Ok(Next::Need(Need::Write(FileMemory::View(view))))
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.data)
    }
}

/// `writelines`.
pub(crate) struct WriteLines {
    lines: Py<PyAny>,
    iterator: Option<Py<PyIterator>>,
    /// The line that waits for what is held to go.
    line: Option<Py<PyAny>>,
}

impl WriteLines {
    pub(super) fn new(lines: &Bound<'_, PyAny>) -> Self {
        Self {
            lines: lines.clone().unbind(),
            iterator: None,
            line: None,
        }
    }

    fn next_line<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(line) = self.line.take() {
            return Ok(Some(line.into_bound(py)));
        }
        match &self.iterator {
            Some(iterator) => iterator.bind(py).clone().next().transpose(),
            None => Ok(None),
        }
    }
}

impl Step for WriteLines {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            if file.get().is_closed(py) {
                return Err(pyo3::exceptions::PyValueError::new_err(CLOSED_STOP));
            }
            self.iterator = Some(self.lines.bind(py).try_iter()?.unbind());
        }
        while let Some(line) = self.next_line(py)? {
            file.get().check(py, WRITE)?;
            match file.get().place(&line)? {
                Placed::Held(_) => {}
                Placed::NeedsFlush => {
                    self.line = Some(line.unbind());
                    return Ok(Next::Need(Need::Flush));
                }
                Placed::Direct(view, _) => {
                    return Ok(Next::Need(Need::Write(FileMemory::View(view))));
                }
            }
        }
        Ok(nothing(py))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lines)?;
        visit.call(&self.iterator)?;
        visit.call(&self.line)
    }
}

/// `flush`.
pub(crate) struct Flush;

impl Step for Flush {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            let closed = if file.get().access.writable {
                "flush of closed file"
            } else {
                CLOSED_STOP
            };
            let right = Right::None;
            file.get().check(py, Check { closed, right })?;
            return Ok(Next::Need(Need::Flush));
        }
        file.get().state.with(py, |state| state.show_cursor());
        Ok(nothing(py))
    }
}

/// `truncate`.
pub(crate) struct Truncate {
    size: Option<i64>,
}

impl Truncate {
    pub(crate) fn new(size: Option<i64>) -> Self {
        Self { size }
    }

    /// The new length.
    fn length(&self, file: &Bound<'_, BinaryFile>) -> PyResult<u64> {
        let py = file.py();
        match self.size {
            Some(size) => u64::try_from(size).map_err(|_negative| os_error(py, Errno::INVAL)),
            None if file.get().is_seekable => {
                Ok(file.get().state.with(py, |state| state.position()))
            }
            None => Err(os_error(py, Errno::SPIPE)),
        }
    }
}

impl Step for Truncate {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Start => {
                let check = Check {
                    closed: "truncate of closed file",
                    right: Right::None,
                };
                file.get().check(py, check)?;
                let right = Right::Write("truncate");
                file.get().check(py, Check { right, ..check })?;
                Ok(Next::Need(Need::Flush))
            }
            Answer::Done => {
                let length = self.length(file)?;
                let target = file.get().state.with(py, |state| {
                    state.window.forget();
                    state.file.clone()
                });
                Ok(Next::Need(Need::Submit(Submission::Truncate {
                    file: target,
                    length,
                })))
            }
            Answer::Ended(completion) => {
                completion.result.map_err(|errno| os_error(py, errno))?;
                file.get().state.with(py, |state| state.window.forget());
                let length = self.length(file)?;
                Ok(Next::Return(length.into_pyobject(py)?.into_any()))
            }
            _ => Ok(nothing(py)),
        }
    }
}

/// `fsync`.
pub(crate) struct Sync {
    durability: Durability,
}

impl Sync {
    pub(crate) fn new(durability: Durability) -> Self {
        Self { durability }
    }
}

impl Step for Sync {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Start => {
                let check = Check {
                    closed: CLOSED,
                    right: Right::None,
                };
                file.get().check(py, check)?;
                let is_unreported = |state: &mut State| state.unreported.is_some();
                let need = if file.get().state.with(py, is_unreported) {
                    Need::Flush
                } else {
                    Need::Save(self.durability)
                };
                Ok(Next::Need(need))
            }
            Answer::Done => {
                let unreported = file.get().state.with(py, |state| state.unreported.take());
                match unreported {
                    Some(errno) => Err(os_error(py, errno)),
                    None => Ok(nothing(py)),
                }
            }
            _ => Err(unsupported(py, "fsync")),
        }
    }
}
