//! Where a reader keeps what has arrived: in a buffer of its own, or in a bytearray that a program has asked for.
//!
//! Programs read `reader._buffer`, and change it. While one of them holds that bytearray, it is the buffer; once nobody
//! does, what is in it goes back to where reading is cheap.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PySlice};

use super::buffer::Buffer;
use crate::raw::refcount;

/// What has arrived and was not read.
pub(super) enum Contents {
    Own(Buffer),
    /// Known to a program.
    Shared(Py<PyByteArray>),
}

impl Default for Contents {
    fn default() -> Self {
        Self::Own(Buffer::default())
    }
}

impl Contents {
    /// How many bytes wait.
    #[inline]
    pub(super) fn len(&mut self, py: Python<'_>) -> usize {
        self.take_back(py);
        match self {
            Self::Own(buffer) => buffer.len(),
            Self::Shared(shared) => shared.bind(py).len(),
        }
    }

    /// Makes the bytes the reader's own again if nobody else can see them any more.
    #[inline]
    pub(super) fn take_back(&mut self, py: Python<'_>) {
        if let Self::Shared(shared) = self
            && refcount::is_sole(shared)
            && shared.bind(py).is_exact_instance_of::<PyByteArray>()
        {
            // An exact bytearray that nobody else holds runs nobody's code as it goes.
            *self = Self::Own(copied(shared.bind(py)));
        }
    }

    /// Where `wanted` first begins, from the place `begin` on.
    pub(super) fn find(&self, py: Python<'_>, wanted: &[u8], begin: usize) -> Option<usize> {
        match self {
            Self::Own(buffer) => buffer.find(py, wanted, begin),
            Self::Shared(shared) => copied(shared.bind(py)).find(py, wanted, begin),
        }
    }

    /// Takes out the first `count` bytes of a bytearray, or all if there are not so many.
    pub(super) fn take_shared<'py>(
        shared: &Bound<'py, PyByteArray>,
        count: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let py = shared.py();
        let bytes = shared.to_vec();
        let count = count.min(bytes.len());
        let taken = PyBytes::new(py, bytes.get(..count).unwrap_or_default());
        let part = PySlice::new(py, 0, isize::try_from(count)?, 1);
        shared.as_any().del_item(part)?;
        Ok(taken)
    }

    /// The bytearray that a program sees.
    pub(super) fn shown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        match self {
            Self::Shared(shared) => Ok(shared.bind(py).clone()),
            Self::Own(buffer) => {
                let array = PyByteArray::new(py, &[]);
                array.call_method1(intern!(py, "extend"), (buffer.copy(py)?,))?;
                Ok(array)
            }
        }
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Own(_) => Ok(()),
            Self::Shared(shared) => visit.call(shared),
        }
    }
}

fn copied(shared: &Bound<'_, PyByteArray>) -> Buffer {
    let mut buffer = Buffer::default();
    buffer.push(PyBytes::new(shared.py(), &shared.to_vec()));
    buffer
}
