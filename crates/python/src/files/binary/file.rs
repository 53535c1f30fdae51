//! The class `BinaryFile`: what it is made of, and what it tells at once.

use aioxide_engine::files::File;
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use rustix::io::Errno;

use super::access::Access;
use super::checks::{CLOSED, CLOSED_STOP, Check, Right};
use super::line::Line;
use super::lines;
use super::state::{Buffering, Phase, State};
use crate::errors::os_error;
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::Lifecycle;

/// An open file of bytes.
///
/// `raw` is the number of an open descriptor, which belongs to the file from here on unless `closefd` is false; `mode` is as
/// for the built-in `open`. `buffering` is 0 for none, or how many bytes to hold back and to read ahead.
/// `name` is what the file is called, by default the number.
#[pyclass(
    module = "aioxide.files",
    name = "BinaryFile",
    frozen,
    subclass,
    weakref
)]
pub(crate) struct BinaryFile {
    pub(super) state: Guarded<State>,
    pub(super) line: Line,
    pub(super) access: Access,
    pub(super) is_buffered: bool,
    /// Whether the file has offsets.
    pub(super) is_seekable: bool,
    /// Whether somebody else closes the descriptor.
    pub(super) is_lent: bool,
    name: Py<PyAny>,
}

impl BinaryFile {
    /// An open file under its name.
    pub(crate) fn over(
        file: File,
        access: Access,
        buffering: Buffering,
        name: &Bound<'_, PyAny>,
    ) -> Self {
        let is_lent = file.is_lent();
        let (state, is_seekable) = State::new(file, access, buffering);
        Self {
            state: Guarded::new(state),
            line: Line::new(),
            access,
            is_buffered: buffering != Buffering::None,
            is_seekable,
            is_lent,
            name: name.clone().unbind(),
        }
    }

    #[inline]
    pub(crate) fn is_closed(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.phase != Phase::Open)
    }

    pub(crate) fn name<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.name.bind(py)
    }

    fn checked(&self, py: Python<'_>, closed: &'static str) -> PyResult<()> {
        let check = Check {
            closed,
            right: Right::None,
        };
        self.check(py, check)
    }

    /// What the class of Python's buffered files says even of a closed one, if it is false.
    fn fact(&self, py: Python<'_>, fact: bool) -> PyResult<bool> {
        if fact || !self.is_buffered {
            self.checked(py, CLOSED)?;
        }
        Ok(fact)
    }

    /// The number of the descriptor, whose cursor is where the position is.
    ///
    /// # Errors
    /// `ValueError` if the file is closed.
    pub(crate) fn number(&self, py: Python<'_>) -> PyResult<i32> {
        self.checked(py, CLOSED)?;
        let number = self.state.with(py, |state| {
            state.show_cursor();
            state.file.number()
        });
        number.ok_or_else(|| os_error(py, Errno::BADF))
    }
}

/// What the number that `open` takes means.
///
/// # Errors
/// `ValueError` for one that means nothing.
pub(crate) fn buffering_of(number: i64) -> PyResult<Buffering> {
    match number {
        0 => Ok(Buffering::None),
        // Lines are for text; the built-in `open` warns, and does as usual.
        -1 | 1 => Ok(Buffering::Usual),
        size => usize::try_from(size)
            .map(Buffering::Bytes)
            .map_err(|_negative| PyValueError::new_err("invalid buffering size")),
    }
}

#[pymethods]
impl BinaryFile {
    #[new]
    #[pyo3(signature = (raw, mode="rb", buffering=-1, *, name=None, closefd=true))]
    fn new(
        py: Python<'_>,
        raw: i32,
        mode: &str,
        buffering: i64,
        name: Option<&Bound<'_, PyAny>>,
        closefd: bool,
    ) -> PyResult<Self> {
        let access = Access::of_mode(mode)?;
        let buffering = buffering_of(buffering)?;
        let file = if closefd {
            File::adopted(raw)
        } else {
            File::lent(raw)
        };
        let file = file.map_err(|errno| os_error(py, errno))?;
        let number = raw.into_pyobject(py)?.into_any();
        Ok(Self::over(file, access, buffering, name.unwrap_or(&number)))
    }

    /// What the file was opened by: a path, or the number of a descriptor.
    #[getter(name)]
    fn name_shown<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.name.bind(py).clone()
    }

    /// What the file was opened for, as `io.FileIO` says it: `"rb"`, `"wb"`, `"rb+"`, `"ab"` …
    #[getter]
    fn mode(&self) -> &'static str {
        self.access.shown()
    }

    /// Whether the file has been closed, or is being closed.
    #[getter]
    fn closed(&self, py: Python<'_>) -> bool {
        self.is_closed(py)
    }

    /// Whether closing the file closes the descriptor.
    #[getter]
    fn closefd(&self) -> bool {
        !self.is_lent
    }

    /// Return the number of the descriptor, whose cursor stands where the position is, as far as what was
    /// written has been flushed. Raises `ValueError` if the file is closed.
    fn fileno(&self, py: Python<'_>) -> PyResult<i32> {
        self.number(py)
    }

    /// Return whether the file can be read. Raises `ValueError` if it is closed.
    fn readable(&self, py: Python<'_>) -> PyResult<bool> {
        self.fact(py, self.access.readable)
    }

    /// Return whether the file can be written. Raises `ValueError` if it is closed.
    fn writable(&self, py: Python<'_>) -> PyResult<bool> {
        self.fact(py, self.access.writable)
    }

    /// Return whether the file has positions. Raises `ValueError` if it is closed.
    fn seekable(&self, py: Python<'_>) -> PyResult<bool> {
        self.checked(py, CLOSED).map(|()| self.is_seekable)
    }

    /// Return whether the file is a terminal. Raises `ValueError` if it is closed.
    fn isatty(&self, py: Python<'_>) -> PyResult<bool> {
        self.checked(py, CLOSED)?;
        let file = self.state.with(py, |state| state.file.clone());
        let is_terminal = file.with(|fd| Ok(rustix::termios::isatty(fd)));
        is_terminal.map_err(|errno| os_error(py, errno))
    }

    fn __aiter__(slf: Bound<'_, Self>) -> PyResult<Bound<'_, Self>> {
        let py = slf.py();
        let closed = if slf.get().is_buffered {
            CLOSED_STOP
        } else {
            CLOSED
        };
        slf.get().checked(py, closed)?;
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
        let name = slf.get().name.bind(py).repr()?;
        let mode = slf.get().access.shown();
        Ok(format!("<{module}.{qualname} name={name} mode='{mode}'>"))
    }

    /// The finalizer under its name, by which what derives from the class has it, too.
    fn __del__(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::finalize(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.name)?;
        self.line.traverse(visit)?;
        self.state
            .visit(|state| {
                let mut left = [&state.left, &state.left_fill].into_iter().flatten();
                left.try_for_each(|work| work.pending.traverse(visit))
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        self.line.clear(py);
        drop(
            self.state
                .with(py, |state| (state.left.take(), state.left_fill.take())),
        );
    }
}
