//! What a file was opened for.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// What a file was opened for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Access {
    pub(crate) readable: bool,
    pub(crate) writable: bool,
    /// Every write goes to the end, wherever that is by then.
    pub(crate) appends: bool,
    /// The file has been made by opening it.
    creates: bool,
    /// The file has been emptied by opening it.
    truncates: bool,
}

impl Access {
    /// What the mode of the built-in `open` says; `b` and `t` are passed over.
    ///
    /// # Errors
    /// `ValueError` if it says nothing.
    pub(crate) fn of_mode(mode: &str) -> PyResult<Self> {
        let has = |letter| mode.contains(letter);
        let updates = has('+');
        let access = Self {
            readable: has('r') || updates,
            writable: !has('r') || updates,
            appends: has('a'),
            creates: has('x'),
            truncates: has('w'),
        };
        if mode.contains(['r', 'w', 'a', 'x']) {
            Ok(access)
        } else {
            Err(PyValueError::new_err(
                "Must have exactly one of create/read/write/append mode and at most one plus",
            ))
        }
    }

    /// The mode as a binary file shows it.
    pub(crate) fn shown(self) -> &'static str {
        match (self.creates, self.appends, self.readable, self.writable) {
            (true, _, true, _) => "xb+",
            (true, _, false, _) => "xb",
            (_, true, true, _) => "ab+",
            (_, true, false, _) => "ab",
            // Before 3.15 it did not tell that the file was emptied.
            (_, _, true, true) if cfg!(Py_3_15) && self.truncates => "wb+",
            (_, _, true, true) => "rb+",
            (_, _, true, false) => "rb",
            _ => "wb",
        }
    }
}
