//! What is refused, in the words of Python's own files.

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::file::BinaryFile;

/// What a file has to be open for, and what the method is called by a buffered file that is not.
#[derive(Clone, Copy)]
pub(crate) enum Right {
    None,
    Read(&'static str),
    Write(&'static str),
}

/// What there is to check before a method does anything.
#[derive(Clone, Copy)]
pub(crate) struct Check {
    /// What a buffered file that is closed says.
    pub(crate) closed: &'static str,
    pub(crate) right: Right,
}

/// What an unbuffered file says, and a buffered one in a few places.
pub(crate) const CLOSED: &str = "I/O operation on closed file";

/// What Python's base class of files says.
pub(crate) const CLOSED_STOP: &str = "I/O operation on closed file.";

/// `io.UnsupportedOperation`.
pub(crate) fn unsupported(py: Python<'_>, text: &'static str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "io", "UnsupportedOperation") {
        Ok(class) => PyErr::from_type(class.clone(), (text,)),
        Err(error) => error,
    }
}

impl BinaryFile {
    /// Whether the method may go on.
    ///
    /// # Errors
    /// `ValueError` if the file is closed, `io.UnsupportedOperation` if it was not opened for this.
    pub(crate) fn check(&self, py: Python<'_>, check: Check) -> PyResult<()> {
        let refused = match check.right {
            Right::Read(method) if !self.access.readable => {
                Some((method, "File not open for reading"))
            }
            Right::Write(method) if !self.access.writable => {
                Some((method, "File not open for writing"))
            }
            _ => None,
        };
        let is_closed = self.is_closed(py);
        match refused {
            Some((method, _)) if self.is_buffered => Err(unsupported(py, method)),
            Some((_, text)) if !is_closed => Err(unsupported(py, text)),
            _ if !is_closed => Ok(()),
            _ if self.is_buffered => Err(PyValueError::new_err(check.closed)),
            _ => Err(PyValueError::new_err(CLOSED)),
        }
    }
}

/// A number of bytes or characters, or None for as many as there are.
///
/// # Errors
/// `TypeError` for what is neither an integer nor None; `OverflowError` for a number that is too large.
pub(crate) fn size_of(argument: Option<&Bound<'_, PyAny>>) -> PyResult<Option<i64>> {
    let Some(size) = argument.filter(|size| !size.is_none()) else {
        return Ok(None);
    };
    size.extract::<i64>()
        .map_err(|error| {
            if error.is_instance_of::<PyOverflowError>(size.py()) {
                return PyOverflowError::new_err("cannot fit 'int' into an index-sized integer");
            }
            if !error.is_instance_of::<PyTypeError>(size.py()) {
                return error;
            }
            let class = size.get_type().name();
            let class = class.map_or_else(|_unnamed| "?".to_owned(), |name| name.to_string());
            PyTypeError::new_err(format!("argument should be integer or None, not '{class}'"))
        })
        .map(Some)
}

/// A size of which all that is negative means as much as there is.
pub(crate) fn limit_of(argument: Option<&Bound<'_, PyAny>>) -> PyResult<Option<usize>> {
    Ok(size_of(argument)?.and_then(|size| usize::try_from(size).ok()))
}
