//! The end of a file: `close`, `async with`, and what happens to one that nobody has closed.

use std::sync::OnceLock;

use aioxide_engine::files::{File, Operation as Submission, try_close};
use aioxide_engine::sockets::Attempt;
use pyo3::exceptions::{PyResourceWarning, PyValueError};
use pyo3::ffi::destructor;
use pyo3::intern;
use pyo3::prelude::*;
use rustix::io::Errno;

use super::checks::CLOSED_STOP;
use super::file::BinaryFile;
use super::operation::{Answer, Need, Next, Step};
use super::state::Phase;
use crate::errors::os_error;
use crate::raw::lifecycle::{self, Lifecycle};

/// `close` and `__aexit__`.
#[derive(Default)]
pub(crate) struct Close {
    /// Why what was held could not be written. The file is closed all the same.
    failure: Option<PyErr>,
    /// Whether the descriptor is being given back.
    is_closing: bool,
}

impl Close {
    /// Gives the descriptor back: at once, where nothing can be waited for.
    fn close<'py>(&mut self, file: &Bound<'py, BinaryFile>) -> PyResult<Next<'py>> {
        let py = file.py();
        let slf = file.get();
        let (raw, left) = slf.state.with(py, |state| {
            state.phase = Phase::Closing;
            state.held.forget();
            state.window.forget();
            (state.file.clone(), state.left_fill.take())
        });
        if let Some(work) = left {
            work.pending.cancel(py);
        }
        if !slf.access.writable {
            match try_close(&raw) {
                Ok(Attempt::Done(())) => return self.finish(file),
                Ok(Attempt::WouldBlock) => {}
                Err(errno) => {
                    self.failure = self.failure.take().or(Some(os_error(py, errno)));
                    return self.finish(file);
                }
            }
        }
        self.is_closing = true;
        Ok(Next::Need(Need::Submit(Submission::Close(raw))))
    }

    fn finish<'py>(&mut self, file: &Bound<'py, BinaryFile>) -> PyResult<Next<'py>> {
        let py = file.py();
        let unreported = file.get().state.with(py, |state| {
            state.phase = Phase::Closed;
            state.unreported.take()
        });
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        match unreported {
            Some(errno) => Err(os_error(py, errno)),
            None => Ok(Next::Return(py.None().into_bound(py))),
        }
    }
}

impl Step for Close {
    const HANDLES_FAILURES: bool = true;
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Start => match file.get().state.with(py, |state| state.phase) {
                Phase::Open => Ok(Next::Need(Need::Flush)),
                // A close that was given up has ended before this one began.
                Phase::Closing => self.finish(file),
                Phase::Closed => Ok(Next::Return(py.None().into_bound(py))),
            },
            Answer::Failed(error) if !self.is_closing => {
                self.failure = Some(error);
                self.close(file)
            }
            Answer::Ended(completion) => {
                if let Err(errno) = completion.result
                    && self.failure.is_none()
                {
                    self.failure = Some(os_error(py, errno));
                }
                self.finish(file)
            }
            Answer::Failed(error) => Err(error),
            _ => self.close(file),
        }
    }
}

/// `__aenter__`.
pub(crate) struct Enter;

impl Step for Enter {
    const IS_POSITIONAL: bool = true;

    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, _answer: Answer) -> PyResult<Next<'py>> {
        if file.get().is_closed(file.py()) {
            return Err(PyValueError::new_err(CLOSED_STOP));
        }
        Ok(Next::Return(file.clone().into_any()))
    }
}

impl Lifecycle for BinaryFile {
    fn original_dealloc() -> &'static OnceLock<destructor> {
        static ORIGINAL: OnceLock<destructor> = OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool {
        slf.get().is_unclosed(slf.py())
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().end_forgotten(slf.as_any())
    }

    fn retire(_slf: &Bound<'_, Self>) {}
}

impl BinaryFile {
    /// Whether somebody has forgotten to close it.
    pub(crate) fn is_unclosed(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.phase == Phase::Open)
    }

    /// Warns as Python's own files do, unless somebody else closes the descriptor, and writes what is held, which may wait
    /// for the disk as those do. `shown` is the file that was forgotten: this one, or the one of text on it.
    pub(crate) fn end_forgotten(&self, shown: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = shown.py();
        if !self.is_unclosed(py) {
            return Ok(());
        }
        let warned = if self.is_lent { Ok(()) } else { warn(shown) };
        let (file, held, offset) = self.state.with(py, |state| {
            state.phase = Phase::Closed;
            let is_placed = self.is_seekable && !self.access.appends;
            let offset = is_placed.then(|| state.window.position());
            (state.file.clone(), state.held.take(), offset)
        });
        let written = py.detach(|| {
            let written = write_all(&file, &held, offset);
            let closed = try_close(&file);
            written.and(closed.map(drop))
        });
        warned?;
        written.map_err(|errno| os_error(py, errno))
    }
}

/// Says that a file was not closed.
fn warn(file: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = file.py();
    let text = format!("unclosed file {}", file.repr()?);
    let category = py.get_type::<PyResourceWarning>();
    // An interpreter that is going down imports nothing any more.
    match py.import(intern!(py, "warnings")) {
        Ok(warnings) => {
            let arguments = (text, category, 1, file);
            warnings
                .call_method1(intern!(py, "warn"), arguments)
                .map(drop)
        }
        Err(_) => Ok(()),
    }
}

/// Writes all, waiting for it.
fn write_all(file: &File, mut bytes: &[u8], mut offset: Option<u64>) -> Result<(), Errno> {
    while !bytes.is_empty() {
        let written = file.with(|fd| match offset {
            Some(offset) => rustix::io::pwrite(fd, bytes, offset),
            None => rustix::io::write(fd, bytes),
        });
        let count = match written {
            Err(Errno::INTR) => continue,
            Err(Errno::SPIPE) if offset.is_some() => {
                offset = None;
                continue;
            }
            written => written?,
        };
        if count == 0 {
            return Err(Errno::IO);
        }
        bytes = bytes.get(count..).unwrap_or_default();
        offset = offset.map(|offset| offset + count as u64);
    }
    Ok(())
}

/// Gives the class what PyO3 has no word for. To be called once.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<BinaryFile>(py)
}
