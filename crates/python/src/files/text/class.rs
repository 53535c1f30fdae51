//! The class `TextFile`: what it is made of, and what it tells at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::codec::{Codec, Newline};
use super::decoding::Chunks;
use super::lines;
use crate::files::BinaryFile;
use crate::files::binary::{CLOSED_STOP, unsupported};
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::Lifecycle;

/// What a file of text says once the file of bytes was given away.
const DETACHED: &str = "underlying buffer has been detached";

/// What a file of text remembers between two calls.
pub(super) struct State {
    pub(super) codec: Arc<Codec>,
    pub(super) chunks: Chunks,
    /// Made when it is first needed.
    pub(super) decoder: Option<Py<PyAny>>,
    pub(super) encoder: Option<Py<PyAny>>,
    /// Whether what is encoded next is the beginning of the file, where some encodings put a mark.
    pub(super) encodes_beginning: bool,
    /// Whether a line has been read that ended with `\n`, without a decoder who would know it.
    pub(super) has_seen_newline: bool,
    /// Whether something was read that is in the way of another encoding: since the last seek, write, or end of the
    /// file that was met looking for a line.
    pub(super) has_read: bool,
    pub(super) is_line_buffered: bool,
    pub(super) is_write_through: bool,
}

/// An open file of text.
///
/// `buffer` is the file of bytes under it; the others are as for `io.TextIOWrapper`. `mode` is what is shown as such.
#[pyclass(module = "aioxide.files", name = "TextFile", frozen, subclass, weakref)]
pub(crate) struct TextFile {
    pub(super) binary: Py<BinaryFile>,
    pub(super) state: Guarded<State>,
    /// Whether the file of bytes was given away, and this one is of no use any more.
    is_detached: AtomicBool,
    mode: Option<Py<PyAny>>,
}

impl TextFile {
    pub(super) fn codec(&self, py: Python<'_>) -> Arc<Codec> {
        self.state.with(py, |state| Arc::clone(&state.codec))
    }

    pub(super) fn known_decoder<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.state.with(py, |state| {
            let decoder = state.decoder.as_ref()?;
            Some(decoder.bind(py).clone())
        })
    }

    /// The file of bytes.
    ///
    /// # Errors
    /// `ValueError` if it was given away.
    pub(super) fn attached<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, BinaryFile>> {
        if self.is_detached.load(Ordering::Relaxed) {
            return Err(PyValueError::new_err(DETACHED));
        }
        Ok(self.binary.bind(py))
    }

    /// Forgets all of it, now that somebody else is to have the file of bytes.
    pub(super) fn detach(&self, py: Python<'_>) {
        self.is_detached.store(true, Ordering::Relaxed);
        self.forget_chunks(py);
    }

    /// Whether a method may go on.
    ///
    /// # Errors
    /// `ValueError` if the file is closed, or was detached.
    pub(super) fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.attached(py)?.get().is_closed(py) {
            return Err(PyValueError::new_err(CLOSED_STOP));
        }
        Ok(())
    }

    /// Whether it may read.
    ///
    /// # Errors
    /// `ValueError` if the file is closed or was detached, `io.UnsupportedOperation` if it was not opened for this.
    pub(super) fn check_readable(&self, py: Python<'_>) -> PyResult<()> {
        self.check_open(py)?;
        if self.binary.get().access().readable {
            Ok(())
        } else {
            Err(unsupported(py, "not readable"))
        }
    }

    /// Whether it may write.
    ///
    /// # Errors
    /// As of `check_readable`.
    pub(super) fn check_writable(&self, py: Python<'_>) -> PyResult<()> {
        self.check_open(py)?;
        if self.binary.get().access().writable {
            Ok(())
        } else {
            Err(unsupported(py, "not writable"))
        }
    }

    fn delegated<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.attached(py)?.call_method0(name)
    }
}

#[pymethods]
impl TextFile {
    #[new]
    #[pyo3(signature = (
        buffer, encoding=None, errors=None, newline=None, line_buffering=false, write_through=false, *, mode=None
    ))]
    #[expect(
        clippy::too_many_arguments,
        reason = "they are those of `io.TextIOWrapper`"
    )]
    fn new(
        py: Python<'_>,
        buffer: &Bound<'_, BinaryFile>,
        encoding: Option<&Bound<'_, PyString>>,
        errors: Option<&Bound<'_, PyString>>,
        newline: Option<&Bound<'_, PyAny>>,
        line_buffering: bool,
        write_through: bool,
        mode: Option<Py<PyAny>>,
    ) -> PyResult<Self> {
        let newline = Newline::of(newline)?;
        let codec = Codec::get(py, encoding, errors, newline)?;
        let state = State {
            codec,
            chunks: Chunks::default(),
            decoder: None,
            encoder: None,
            encodes_beginning: buffer.get().position(py) == 0,
            has_seen_newline: false,
            has_read: false,
            is_line_buffered: line_buffering,
            is_write_through: write_through,
        };
        Ok(Self {
            binary: buffer.clone().unbind(),
            state: Guarded::new(state),
            is_detached: AtomicBool::new(false),
            mode,
        })
    }

    /// The file of bytes under it; None once it was detached.
    #[getter]
    fn buffer<'py>(&self, py: Python<'py>) -> Option<&Bound<'py, BinaryFile>> {
        self.attached(py).ok()
    }

    /// What the file was opened by: a path, or the number of a descriptor.
    #[getter]
    fn name<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(self.attached(py)?.get().name(py).clone())
    }

    /// What the file was opened for.
    #[getter]
    fn mode<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.mode {
            Some(mode) => Ok(mode.bind(py).clone()),
            None => self.binary.bind(py).getattr(intern!(py, "mode")),
        }
    }

    /// Whether the file has been closed, or is being closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> PyResult<bool> {
        Ok(self.attached(py)?.get().is_closed(py))
    }

    /// The name of the encoding.
    #[getter]
    fn encoding(&self, py: Python<'_>) -> Py<PyString> {
        self.codec(py).encoding.clone_ref(py)
    }

    /// What becomes of what cannot be decoded or encoded.
    #[getter]
    fn errors(&self, py: Python<'_>) -> Py<PyString> {
        self.codec(py).errors.clone_ref(py)
    }

    /// Which ends of lines have been read: None, a text, or a tuple of them.
    #[getter]
    fn newlines<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.attached(py)?;
        let newlines = match self.known_decoder(py) {
            Some(decoder) => decoder.getattr_opt(intern!(py, "newlines"))?,
            None => None,
        };
        if newlines
            .as_ref()
            .is_some_and(|newlines| !newlines.is_none())
        {
            return Ok(newlines);
        }
        let has_seen = self.state.with(py, |state| state.has_seen_newline);
        Ok(has_seen.then(|| intern!(py, "\n").clone().into_any()))
    }

    /// Whether every end of a line that is written is flushed.
    #[getter]
    fn line_buffering(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_line_buffered)
    }

    /// Whether text is handed to the file of bytes at once, which it is in any case.
    #[getter]
    fn write_through(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_write_through)
    }

    /// Return the number of the descriptor. Raises `ValueError` if the file is closed.
    fn fileno<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.delegated(py, "fileno")
    }

    /// Return whether the file can be read. Raises `ValueError` if it is closed.
    fn readable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.delegated(py, "readable")
    }

    /// Return whether the file can be written. Raises `ValueError` if it is closed.
    fn writable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.delegated(py, "writable")
    }

    /// Return whether the file has positions. Raises `ValueError` if it is closed.
    fn seekable<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.delegated(py, "seekable")
    }

    /// Return whether the file is a terminal. Raises `ValueError` if it is closed.
    fn isatty<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.delegated(py, "isatty")
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        slf.get().check_open(slf.py())?;
        Ok(slf)
    }

    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        lines::next_line(slf)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let class = slf.get_type();
        let qualname = class.qualname()?;
        let module = class.getattr(intern!(py, "__module__"))?;
        let name = match slf.get().attached(py) {
            Ok(binary) => format!(" name={}", binary.get().name(py).repr()?),
            Err(_detached) => String::new(),
        };
        let mode = slf.get().mode(py)?.repr()?;
        let encoding = slf.get().codec(py).encoding.bind(py).repr()?;
        Ok(format!(
            "<{module}.{qualname}{name} mode={mode} encoding={encoding}>"
        ))
    }

    /// The finalizer under its name, by which what derives from the class has it, too.
    fn __del__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::finalize(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.binary)?;
        visit.call(&self.mode)?;
        self.state
            .visit(|state| {
                visit.call(&state.decoder)?;
                visit.call(&state.encoder)?;
                state.chunks.traverse(visit)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let dropped = self.state.with(py, |state| {
            let coders = (state.decoder.take(), state.encoder.take());
            (coders, state.chunks.clear())
        });
        drop(dropped);
    }
}
