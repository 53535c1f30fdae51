//! What `readuntil` looks for: one separator or, from Python 3.13 on, the first to end of several.

use std::ops::Range;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyByteArray, PyBytes, PyTuple};

use super::reader::StreamReader;

/// The separators of one search.
pub(super) enum Separators {
    /// As the program said, not looked at yet.
    Given(Py<PyAny>),
    One(Py<PyBytes>),
    /// The shortest first.
    Several(Vec<Py<PyBytes>>),
}

impl Separators {
    /// The separator of lines.
    #[inline]
    pub(super) fn newline(py: Python<'_>) -> Self {
        static NEWLINE: PyOnceLock<Py<PyBytes>> = PyOnceLock::new();
        let newline = NEWLINE.get_or_init(py, || PyBytes::new(py, b"\n").unbind());
        Self::One(newline.clone_ref(py))
    }

    /// Looks at what the program said.
    #[inline]
    pub(super) fn read(&mut self, py: Python<'_>) -> PyResult<()> {
        let Self::Given(given) = self else {
            return Ok(());
        };
        let given = given.bind(py);
        *self = match given.cast::<PyTuple>() {
            Ok(several) if cfg!(Py_3_13) => {
                let mut separators: Vec<_> = several
                    .iter()
                    .map(|separator| bytes_of(&separator))
                    .collect::<PyResult<_>>()?;
                separators.sort_by_key(|separator| separator.as_bytes(py).len());
                Self::Several(separators)
            }
            _ => Self::One(bytes_of(given)?),
        };
        match self.as_slice().first() {
            None => Err(PyValueError::new_err(
                "Separator should contain at least one element",
            )),
            Some(shortest) if shortest.as_bytes(py).is_empty() => Err(PyValueError::new_err(
                "Separator should be at least one-byte string",
            )),
            Some(_) => Ok(()),
        }
    }

    fn as_slice(&self) -> &[Py<PyBytes>] {
        match self {
            Self::Given(_) => &[],
            Self::One(separator) => std::slice::from_ref(separator),
            Self::Several(separators) => separators,
        }
    }

    /// The lengths of the shortest and of the longest.
    #[inline]
    pub(super) fn lengths(&self, py: Python<'_>) -> (usize, usize) {
        let length = |separator: Option<&Py<PyBytes>>| {
            separator.map_or(0, |separator| separator.as_bytes(py).len())
        };
        let separators = self.as_slice();
        (length(separators.first()), length(separators.last()))
    }

    /// Where the first to end is, of those that begin at `begin` or behind it.
    #[inline]
    pub(super) fn find(
        &self,
        reader: &Bound<'_, StreamReader>,
        begin: usize,
    ) -> Option<Range<usize>> {
        let py = reader.py();
        let mut first: Option<Range<usize>> = None;
        for separator in self.as_slice() {
            let separator = separator.as_bytes(py);
            if let Some(start) = reader.get().find(py, separator, begin) {
                let end = start + separator.len();
                if first.as_ref().is_none_or(|first| end < first.end) {
                    first = Some(start..end);
                }
            }
        }
        first
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Given(given) => visit.call(given),
            Self::One(_) | Self::Several(_) => Ok(()),
        }
    }
}

/// A separator as bytes. What is none is refused in the words of `len` or of `bytearray.find`.
fn bytes_of(separator: &Bound<'_, PyAny>) -> PyResult<Py<PyBytes>> {
    if let Ok(separator) = separator.cast_exact::<PyBytes>() {
        return Ok(separator.clone().unbind());
    }
    let py = separator.py();
    let length = separator.len()?;
    if length == 0 {
        return Ok(PyBytes::new(py, &[]).unbind());
    }
    PyByteArray::new(py, &[]).call_method1(intern!(py, "find"), (separator,))?;
    let bytes = py.get_type::<PyBytes>().call1((separator,))?;
    Ok(bytes.cast_into::<PyBytes>()?.unbind())
}
