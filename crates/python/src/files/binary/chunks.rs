//! `chunks`: a file as an iterator over pieces of one size.

use pyo3::exceptions::PyStopAsyncIteration;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::file::BinaryFile;
use super::methods::CHUNKS_ANEXT;
use super::operation::{Answer, Next, Operation, Step};
use super::reading::{Amount, Read};
use crate::routine::Coroutine;

/// What `BinaryFile.chunks` returns.
#[pyclass(module = "aioxide.files", frozen)]
pub(crate) struct Chunks {
    file: Py<BinaryFile>,
    size: usize,
}

impl Chunks {
    pub(super) fn new(file: &Bound<'_, BinaryFile>, size: usize) -> Self {
        Self {
            file: file.clone().unbind(),
            size,
        }
    }
}

#[pymethods]
impl Chunks {
    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let chunk = Chunk(Read::new(Amount::Bytes(self.size)));
        let operation = Operation::new(self.file.bind(py), chunk);
        Coroutine::make(py, &CHUNKS_ANEXT, operation)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

/// The next piece: a read, after whose end there is no other.
struct Chunk(Read);

impl Step for Chunk {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let next = self.0.step(file, answer)?;
        if let Next::Return(value) = &next
            && value
                .cast::<PyBytes>()
                .is_ok_and(|bytes| bytes.as_bytes().is_empty())
        {
            return Err(PyStopAsyncIteration::new_err(()));
        }
        Ok(next)
    }
}
