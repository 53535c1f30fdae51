//! The end of a file of text: `detach`, `close`, `async with`, and what happens to one that nobody has closed.

use std::sync::OnceLock;

use pyo3::ffi::destructor;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::class::TextFile;
use crate::files::BinaryFile;
use crate::files::binary::{Answer, Close as CloseBytes, Need, Next, Step};
use crate::raw::lifecycle::{self, Lifecycle};
use crate::raw::refcount;

/// `__aenter__`.
pub(crate) struct Enter {
    file: Py<TextFile>,
}

impl Enter {
    pub(super) fn new(file: &Bound<'_, TextFile>) -> Self {
        Self {
            file: file.clone().unbind(),
        }
    }
}

impl Step for Enter {
    const IS_POSITIONAL: bool = true;

    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, _answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        self.file.get().check_open(py)?;
        Ok(Next::Return(self.file.bind(py).clone().into_any()))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

/// `detach`.
pub(crate) struct Detach {
    file: Py<TextFile>,
}

impl Detach {
    pub(super) fn new(file: &Bound<'_, TextFile>) -> Self {
        Self {
            file: file.clone().unbind(),
        }
    }
}

impl Step for Detach {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            self.file.get().check_open(py)?;
            return Ok(Next::Need(Need::Flush));
        }
        self.file.get().detach(py);
        Ok(Next::Return(file.clone().into_any()))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

/// `close` and `__aexit__`.
pub(crate) struct Close {
    file: Py<TextFile>,
    bytes: CloseBytes,
}

impl Close {
    pub(super) fn new(file: &Bound<'_, TextFile>) -> Self {
        Self {
            file: file.clone().unbind(),
            bytes: CloseBytes::default(),
        }
    }
}

impl Step for Close {
    const HANDLES_FAILURES: bool = true;
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        if matches!(answer, Answer::Start) {
            // Somebody else's to close.
            self.file.get().attached(file.py())?;
        }
        self.bytes.step(file, answer)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)
    }
}

impl Lifecycle for TextFile {
    fn original_dealloc() -> &'static OnceLock<destructor> {
        static ORIGINAL: OnceLock<destructor> = OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool {
        slf.get().is_forgotten(slf.py())
    }

    /// Ends the file of bytes, if nobody else has it, so that the warning is of the file that was opened.
    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().is_forgotten(slf.py()) {
            return slf.get().binary.get().end_forgotten(slf.as_any());
        }
        Ok(())
    }

    fn retire(_slf: &Bound<'_, Self>) {}
}

impl TextFile {
    /// Whether nobody has closed it, nor has the file of bytes to close that.
    fn is_forgotten(&self, py: Python<'_>) -> bool {
        refcount::is_sole(&self.binary) && self.binary.get().is_unclosed(py)
    }
}

/// Gives the class what PyO3 has no word for. To be called once.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<TextFile>(py)
}
