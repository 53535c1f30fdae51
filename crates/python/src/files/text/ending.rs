//! `async with`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::class::TextFile;
use crate::files::BinaryFile;
use crate::files::binary::{Answer, Next, Step};

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
