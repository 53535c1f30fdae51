//! `read`, `read1`, `readall`, `readinto`, `readinto1`, `peek`.
//!
//! What is small comes out of the window; what is large goes straight into the object that is returned.

use aioxide_engine::files::try_stat;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::checks::{Check, Right};
use super::file::BinaryFile;
use super::operation::{Answer, Need, Next, Step};
use crate::raw::file_memory::{FileMemory, FreshBytes, View};

/// What is asked for where the length of the file is not known.
const UNKNOWN_SIZE: usize = 8 * 1024;

const READ: Check = Check {
    closed: "read of closed file",
    right: Right::Read("read"),
};

/// What a read is to bring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Amount {
    /// Everything up to the end.
    All,
    /// So many bytes, or all up to the end.
    Bytes(usize),
    /// What is there, or can be had by asking once: so many bytes at most.
    AtMost(usize),
}

impl Amount {
    /// What the argument of `read` means.
    ///
    /// # Errors
    /// `ValueError` for a number below -1.
    pub(super) fn of_read(size: Option<i64>, is_buffered: bool) -> PyResult<Self> {
        match size {
            None | Some(-1) => Ok(Self::All),
            Some(size) => match usize::try_from(size) {
                Ok(size) => Ok(Self::Bytes(size)),
                Err(_negative) if !is_buffered => Ok(Self::All),
                Err(_negative) => Err(PyValueError::new_err(
                    "read length must be non-negative or -1",
                )),
            },
        }
    }

    /// What the argument of `read1` means.
    pub(super) fn of_read1(size: Option<i64>) -> Self {
        let size = size.and_then(|size| usize::try_from(size).ok());
        Self::AtMost(size.unwrap_or(UNKNOWN_SIZE))
    }
}

/// `read`, `read1` and `readall`.
pub(crate) struct Read {
    amount: Amount,
    check: Check,
}

impl Read {
    pub(crate) fn new(amount: Amount) -> Self {
        Self {
            amount,
            check: READ,
        }
    }

    pub(super) fn at_most(amount: Amount) -> Self {
        let right = Right::Read("read1");
        Self {
            amount,
            check: Check { right, ..READ },
        }
    }

    /// What the window has of it, if that is enough; else what is needed.
    fn look<'py>(&self, file: &Bound<'py, BinaryFile>, is_at_end: bool) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = file.get();
        let waiting = slf.state.with(py, |state| state.window.waiting().len());
        let (wanted, is_enough) = match self.amount {
            Amount::All if slf.is_seekable => return read_all(file),
            Amount::All => (usize::MAX, false),
            Amount::Bytes(size) => (size, waiting >= size || (waiting > 0 && !slf.is_buffered)),
            Amount::AtMost(size) => (size, size == 0 || waiting > 0),
        };
        if is_enough || is_at_end {
            return slf.take(py, wanted).map(Next::Return);
        }
        if slf.is_seekable && slf.is_direct(py, wanted - waiting) {
            return read_fresh(file, wanted, waiting);
        }
        Ok(Next::Need(slf.need_fill(py, wanted)))
    }
}

impl Step for Read {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Start => {
                file.get().check(py, self.check)?;
                if file.get().has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
                self.look(file, false)
            }
            Answer::Filled(count) => self.look(file, count == 0),
            Answer::Transferred(FileMemory::Fresh(bytes), done) => match self.amount {
                Amount::All if done == bytes.len() => {
                    let grown = bytes.grown(py, done.saturating_mul(2), done)?;
                    Ok(Next::Need(Need::Read(FileMemory::Fresh(grown), done)))
                }
                _ => {
                    file.get().pass(py, done);
                    Ok(Next::Return(bytes.finish(py, done)?.into_any()))
                }
            },
            _ => self.look(file, false),
        }
    }
}

/// Reads everything up to the end of a file that has a length, or says that it has.
fn read_all<'py>(file: &Bound<'py, BinaryFile>) -> PyResult<Next<'py>> {
    let py = file.py();
    let (waiting, ahead) = file.get().state.with(py, |state| {
        let length = try_stat(&state.file).map_or(0, |stat| stat.stx_size);
        let ahead = length.saturating_sub(state.window.edge());
        (state.window.waiting().len(), ahead)
    });
    let ahead = usize::try_from(ahead).unwrap_or(usize::MAX);
    // One byte more, to see that it is the end.
    let room = if ahead == 0 {
        UNKNOWN_SIZE
    } else {
        ahead.saturating_add(1)
    };
    read_fresh(file, waiting.saturating_add(room), waiting)
}

/// Reads past the window into a bytes object of so many bytes, which begins with what waits.
fn read_fresh<'py>(
    file: &Bound<'py, BinaryFile>,
    size: usize,
    waiting: usize,
) -> PyResult<Next<'py>> {
    let py = file.py();
    let mut bytes = FreshBytes::new(py, size)?;
    file.get().state.with(py, |state| {
        copy_to(bytes.room(py, 0), state.window.waiting());
    });
    Ok(Next::Need(Need::Read(FileMemory::Fresh(bytes), waiting)))
}

/// Copies as much as there is room for; how many bytes.
fn copy_to(room: &mut [std::mem::MaybeUninit<u8>], bytes: &[u8]) -> usize {
    let count = room.len().min(bytes.len());
    for (place, byte) in room.iter_mut().zip(bytes) {
        place.write(*byte);
    }
    count
}

impl BinaryFile {
    /// Whether something is held that reads must see first.
    #[inline]
    pub(crate) fn has_held(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| !state.held.is_empty())
    }

    /// Takes up to `count` bytes out of the window.
    pub(super) fn take<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyAny>> {
        let taken = self.state.with(py, |state| {
            let waiting = state.window.waiting();
            let part = waiting.get(..count).unwrap_or(waiting);
            let (count, bytes) = (part.len(), PyBytes::new(py, part));
            state.window.skip(count);
            if !self.is_buffered && self.is_seekable {
                state.window.forget();
            }
            bytes
        });
        Ok(taken.into_any())
    }

    /// Whether so many bytes are better read past the window.
    fn is_direct(&self, py: Python<'_>, missing: usize) -> bool {
        let size = self.state.with(py, |state| state.window.fill_size());
        !self.is_buffered || missing.saturating_mul(2) > size
    }

    /// What to ask for when the window has to have up to `wanted` bytes.
    fn need_fill(&self, py: Python<'_>, wanted: usize) -> Need {
        let size = self.state.with(py, |state| state.window.fill_size());
        Need::Fill(if self.is_buffered {
            size
        } else {
            wanted.min(size)
        })
    }

    /// Moves on by `done` bytes from the position, of which the first have been in the window.
    pub(super) fn pass(&self, py: Python<'_>, done: usize) {
        self.state.with(py, |state| {
            let waiting = state.window.waiting().len();
            if done < waiting {
                state.window.skip(done);
            } else {
                state.window.pass(done - waiting);
            }
        });
    }
}

/// `readinto` and `readinto1`.
pub(crate) struct ReadInto {
    target: Option<Py<PyAny>>,
    check: Check,
    /// Whether what was read ahead, or else what asking once brings, is enough.
    is_any_enough: bool,
    /// The target's memory, and how many bytes of it have been copied from the window.
    view: Option<(View, usize)>,
}

impl ReadInto {
    pub(super) fn new(target: &Bound<'_, PyAny>) -> Self {
        let closed = "readinto of closed file";
        Self {
            target: Some(target.clone().unbind()),
            check: Check { closed, ..READ },
            is_any_enough: false,
            view: None,
        }
    }

    pub(super) fn at_most(target: &Bound<'_, PyAny>) -> Self {
        let whole = Self::new(target);
        let right = Right::Read("read1");
        Self {
            check: Check {
                right,
                ..whole.check
            },
            is_any_enough: true,
            ..whole
        }
    }

    fn look<'py>(&mut self, file: &Bound<'py, BinaryFile>, is_at_end: bool) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = file.get();
        let Some((mut view, _)) = self.view.take() else {
            return returned(py, 0);
        };
        let length = view.len();
        let copied = slf.state.with(py, |state| {
            copy_to(view.room(py, 0), state.window.waiting())
        });
        let is_any_enough = self.is_any_enough || !slf.is_buffered;
        if copied == length || is_at_end || (copied > 0 && is_any_enough) {
            slf.pass(py, copied);
            return returned(py, copied);
        }
        if slf.is_seekable && slf.is_direct(py, length - copied) {
            return Ok(Next::Need(Need::Read(FileMemory::View(view), copied)));
        }
        self.view = Some((view, copied));
        Ok(Next::Need(slf.need_fill(py, length)))
    }
}

fn returned(py: Python<'_>, count: usize) -> PyResult<Next<'_>> {
    Ok(Next::Return(count.into_pyobject(py)?.into_any()))
}

/// The writable memory of the argument of `readinto`.
pub(super) fn writable_view(target: &Bound<'_, PyAny>) -> PyResult<View> {
    if let Ok(Some(view)) = View::writable(target) {
        return Ok(view);
    }
    let class = target.get_type();
    let class = class.name()?;
    Err(PyTypeError::new_err(format!(
        "readinto() argument must be read-write bytes-like object, not {class}"
    )))
}

impl Step for ReadInto {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Start => {
                if let Some(target) = self.target.take() {
                    self.view = Some((writable_view(target.bind(py))?, 0));
                }
                file.get().check(py, self.check)?;
                if file.get().has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
                self.look(file, false)
            }
            Answer::Filled(count) => self.look(file, count == 0),
            Answer::Transferred(_view, done) => {
                file.get().pass(py, done);
                returned(py, done)
            }
            _ => self.look(file, false),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.target)
    }
}

/// `peek`.
pub(crate) struct Peek;

impl Step for Peek {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = file.get();
        match answer {
            Answer::Start => {
                slf.check(
                    py,
                    Check {
                        closed: "peek of closed file",
                        right: Right::Read("peek"),
                    },
                )?;
                if slf.has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
            }
            Answer::Filled(_) => return peeked(file),
            _ => {}
        }
        if slf
            .state
            .with(py, |state| !state.window.waiting().is_empty())
        {
            return peeked(file);
        }
        Ok(Next::Need(slf.need_fill(py, UNKNOWN_SIZE)))
    }
}

fn peeked<'py>(file: &Bound<'py, BinaryFile>) -> PyResult<Next<'py>> {
    let py = file.py();
    let waiting = file
        .get()
        .state
        .with(py, |state| PyBytes::new(py, state.window.waiting()));
    Ok(Next::Return(waiting.into_any()))
}
