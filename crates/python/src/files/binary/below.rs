//! What a file of text asks of the file of bytes below it.

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::access::Access;
use super::file::BinaryFile;
use super::operation::Need;
use super::state::Phase;

impl BinaryFile {
    /// What it was opened for.
    pub(crate) fn access(&self) -> Access {
        self.access
    }

    /// Whether it has positions.
    pub(crate) fn is_seekable(&self) -> bool {
        self.is_seekable
    }

    /// The position.
    pub(crate) fn position(&self, py: Python<'_>) -> u64 {
        self.state.with(py, |state| state.position())
    }

    /// Whether something may be taken without an operation: nobody is at it, and nothing has to end first.
    #[inline]
    pub(crate) fn is_free(&self, py: Python<'_>) -> bool {
        !self.line.is_taken(py)
            && self.state.with(py, |state| {
                state.phase == Phase::Open && state.left.is_none() && state.held.is_empty()
            })
    }

    /// Whether something was read ahead.
    pub(crate) fn has_waiting(&self, py: Python<'_>) -> bool {
        self.state
            .with(py, |state| !state.window.waiting().is_empty())
    }

    /// Takes out up to `count` bytes of what was read ahead, with the place of the first.
    pub(crate) fn take_waiting<'py>(
        &self,
        py: Python<'py>,
        count: usize,
    ) -> (u64, Bound<'py, PyBytes>) {
        self.state.with(py, |state| {
            let start = state.window.position();
            let waiting = state.window.waiting();
            let part = waiting.get(..count).unwrap_or(waiting);
            let (count, bytes) = (part.len(), PyBytes::new(py, part));
            state.window.skip(count);
            (start, bytes)
        })
    }

    /// Moves back to a place that has just been taken from.
    pub(crate) fn step_back(&self, py: Python<'_>, start: u64) {
        self.state.with(py, |state| state.window.seek(start));
    }

    /// What to ask for to have more read ahead.
    pub(crate) fn fill_some(&self, py: Python<'_>) -> Need {
        Need::Fill(self.state.with(py, |state| state.window.fill_size()))
    }

    /// Holds bytes for writing, if it has room for them.
    pub(crate) fn holds(&self, py: Python<'_>, bytes: &[u8]) -> bool {
        self.is_buffered && self.hold(py, bytes)
    }
}
