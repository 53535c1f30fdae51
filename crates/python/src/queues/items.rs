//! The items of a queue, in the order in which they are to come out.

use pyo3::exceptions::PyIndexError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;

use crate::deque::Deque;

/// Which item comes out next.
#[derive(Clone, Copy)]
pub(super) enum Order {
    /// The one that has been there longest.
    Fifo,
    /// The one that came last. The items are in a list.
    Lifo,
    /// The smallest. The items are in a list, which `heapq` keeps: it knows what to do when a comparison fails,
    /// or changes the list.
    Priority,
}

impl Order {
    /// Makes `items` empty.
    pub(super) fn prepare(self, py: Python<'_>, items: &Deque) {
        match self {
            Self::Fifo => items.reset(py),
            Self::Lifo | Self::Priority => {
                items.put(py, Some(PyList::empty(py).into_any().unbind()));
            }
        }
    }

    /// Puts an item in.
    #[inline]
    pub(super) fn put(self, items: &Deque, item: &Bound<'_, PyAny>) -> PyResult<()> {
        match self {
            Self::Fifo => items.push(item),
            Self::Lifo => match list(item.py(), items)?.cast::<PyList>() {
                Ok(list) => list.append(item),
                Err(_foreign) => items.push(item),
            },
            Self::Priority => {
                static PUSH: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                let py = item.py();
                PUSH.import(py, "heapq", "heappush")?
                    .call1((list(py, items)?, item))
                    .map(drop)
            }
        }
    }

    /// Takes the next item out.
    ///
    /// # Errors
    /// `IndexError` if there is none.
    #[inline]
    pub(super) fn take<'py>(self, py: Python<'py>, items: &Deque) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Fifo => items
                .pop_first(py)?
                .ok_or_else(|| PyIndexError::new_err("pop from an empty deque")),
            Self::Lifo => list(py, items)?.call_method0(intern!(py, "pop")),
            Self::Priority => {
                static POP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
                POP.import(py, "heapq", "heappop")?
                    .call1((list(py, items)?,))
            }
        }
    }
}

/// The object that the items are in.
fn list<'py>(py: Python<'py>, items: &Deque) -> PyResult<Bound<'py, PyAny>> {
    match items.shown(py) {
        Some(list) => Ok(list),
        // A derived class has begun without `_init`.
        None => Ok(items.show(py)?.unwrap_or_else(|| py.None().into_bound(py))),
    }
}
