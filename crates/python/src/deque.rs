//! A deque of Python objects that is native until Python looks at it.
//!
//! Whoever reads a private attribute such as `_waiters` or `_queue` gets a real `collections.deque`, which
//! is the deque from then on: what is done to it counts.

use std::collections::VecDeque;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyList, PyType};

use crate::raw::guarded::Guarded;

enum Items {
    /// There is no deque yet: asyncio makes some only when they are needed.
    Unused,
    Native(VecDeque<Py<PyAny>>),
    /// What Python has looked at, or put here.
    Shown(Py<PyAny>),
}

/// A deque. Its errors are those of a foreign object in its place.
pub(crate) struct Deque(Guarded<Items>);

impl Default for Deque {
    fn default() -> Self {
        Self(Guarded::new(Items::Native(VecDeque::new())))
    }
}

/// The class that Python gets to see.
fn deque_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "collections", "deque")
}

impl Deque {
    /// A deque that is None to Python until it is used.
    pub(crate) fn unused() -> Self {
        Self(Guarded::new(Items::Unused))
    }

    /// A deque of which Python has the contents.
    pub(crate) fn over(shown: &Bound<'_, PyAny>) -> Self {
        Self(Guarded::new(Items::Shown(shown.clone().unbind())))
    }

    /// Makes the deque if there is none yet.
    #[inline]
    pub(crate) fn begin(&self, py: Python<'_>) {
        self.0.with(py, |items| {
            if matches!(items, Items::Unused) {
                *items = Items::Native(VecDeque::new());
            }
        });
    }

    /// Lends the native deque, if it is one. `access` must not call Python, nor drop an object.
    #[inline]
    pub(crate) fn in_place<R>(
        &self,
        py: Python<'_>,
        access: impl FnOnce(&mut VecDeque<Py<PyAny>>) -> R,
    ) -> Option<R> {
        self.0.with(py, |items| match items {
            Items::Unused => Some(access(&mut VecDeque::new())),
            Items::Native(items) => Some(access(items)),
            Items::Shown(_) => None,
        })
    }

    /// Lends the native deque, or gives what stands in its place. `access` is as for `in_place`.
    fn native<'py, R>(
        &self,
        py: Python<'py>,
        access: impl FnOnce(&mut VecDeque<Py<PyAny>>) -> R,
    ) -> Result<R, Bound<'py, PyAny>> {
        self.0.with(py, |items| match items {
            Items::Unused => Ok(access(&mut VecDeque::new())),
            Items::Native(items) => Ok(access(items)),
            Items::Shown(shown) => Err(shown.bind(py).clone()),
        })
    }

    /// How many items there are.
    #[inline]
    pub(crate) fn len(&self, py: Python<'_>) -> PyResult<usize> {
        match self.in_place(py, |items| items.len()) {
            Some(len) => Ok(len),
            None => self.shown(py).map_or(Ok(0), |shown| shown.len()),
        }
    }

    /// Whether there is nothing in it, as the truth of the object says.
    #[inline]
    pub(crate) fn is_empty(&self, py: Python<'_>) -> PyResult<bool> {
        match self.in_place(py, |items| items.is_empty()) {
            Some(is_empty) => Ok(is_empty),
            None => self.is_shown_empty(py),
        }
    }

    #[cold]
    fn is_shown_empty(&self, py: Python<'_>) -> PyResult<bool> {
        match self.shown(py) {
            Some(shown) => Ok(!shown.is_truthy()?),
            None => Ok(true),
        }
    }

    /// Appends an item.
    #[inline]
    pub(crate) fn push(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = item.py();
        let is_in = self.0.with(py, |items| {
            if matches!(items, Items::Unused) {
                *items = Items::Native(VecDeque::new());
            }
            match items {
                Items::Native(items) => {
                    items.push_back(item.clone().unbind());
                    true
                }
                _ => false,
            }
        });
        if is_in { Ok(()) } else { self.push_shown(item) }
    }

    #[cold]
    fn push_shown(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        match self.shown(item.py()) {
            Some(shown) => shown
                .call_method1(intern!(item.py(), "append"), (item,))
                .map(drop),
            None => Ok(()),
        }
    }

    /// Takes the first item out.
    #[inline]
    pub(crate) fn pop_first<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.in_place(py, VecDeque::pop_front) {
            Some(item) => Ok(item.map(|item| item.into_bound(py))),
            None => self.pop_first_shown(py),
        }
    }

    #[cold]
    fn pop_first_shown<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.shown(py) {
            Some(shown) if shown.is_truthy()? => {
                shown.call_method0(intern!(py, "popleft")).map(Some)
            }
            _ => Ok(None),
        }
    }

    /// The item in a place, counted from 0.
    #[inline]
    pub(crate) fn item<'py>(
        &self,
        py: Python<'py>,
        place: usize,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let item = self.native(py, |items| items.get(place).map(|item| item.clone_ref(py)));
        match item {
            Ok(item) => Ok(item.map(|item| item.into_bound(py))),
            Err(shown) => match shown.get_item(place) {
                Ok(item) => Ok(Some(item)),
                Err(error) if error.is_instance_of::<PyIndexError>(py) => Ok(None),
                Err(error) => Err(error),
            },
        }
    }

    /// Takes this very item out, wherever it is; not being there is no error.
    #[inline]
    pub(crate) fn remove(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = item.py();
        let removed = self.in_place(py, |items| {
            // Whoever leaves is mostly the first.
            if items.front().is_some_and(|first| first.is(item)) {
                return items.pop_front();
            }
            let place = items.iter().position(|known| known.is(item))?;
            items.remove(place)
        });
        match removed {
            Some(removed) => {
                drop(removed.map(|removed| removed.into_bound(py)));
                Ok(())
            }
            None => self.remove_shown(item),
        }
    }

    #[cold]
    fn remove_shown(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = item.py();
        let Some(shown) = self.shown(py) else {
            return Ok(());
        };
        match shown.call_method1(intern!(py, "remove"), (item,)) {
            Err(error) if !error.is_instance_of::<PyValueError>(py) => Err(error),
            _ => Ok(()),
        }
    }

    /// The deque as Python sees it, which it is from here on; None if it was not used yet.
    pub(crate) fn show<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.0.with(py, |items| matches!(items, Items::Unused)) {
            return Ok(None);
        }
        loop {
            let known = match self.native(py, |items| {
                items
                    .iter()
                    .map(|item| item.clone_ref(py))
                    .collect::<Vec<_>>()
            }) {
                Ok(known) => known,
                Err(shown) => return Ok(Some(shown)),
            };
            let deque = deque_class(py)?.call1((PyList::new(py, &known)?,))?;
            // Making objects may run foreign code that changes the deque: then it has to be copied once more.
            let replaced = self.0.with(py, |items| match items {
                Items::Native(items)
                    if items
                        .iter()
                        .map(Py::as_ptr)
                        .eq(known.iter().map(Py::as_ptr)) =>
                {
                    let shown = Items::Shown(deque.clone().unbind());
                    Some(std::mem::take(items)).map(|old| (old, shown))
                }
                _ => None,
            });
            if let Some((old, shown)) = replaced {
                drop(self.0.replace(py, shown));
                drop(old);
                return Ok(Some(deque));
            }
        }
    }

    /// The items as they are now.
    pub(crate) fn list<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let known = self.native(py, |items| {
            let known = items.iter().map(|item| item.clone_ref(py));
            known.collect::<Vec<_>>()
        });
        match known {
            Ok(known) => PyList::new(py, known),
            Err(shown) => Ok(py.get_type::<PyList>().call1((shown,))?.cast_into()?),
        }
    }

    /// What stands in the deque's place, if anything does.
    #[inline]
    pub(crate) fn shown<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.native(py, |_items| ()).err()
    }

    /// Puts an object in the deque's place; None for one that was not used yet.
    pub(crate) fn put(&self, py: Python<'_>, shown: Option<Py<PyAny>>) {
        let items = shown.map_or(Items::Unused, Items::Shown);
        drop(self.0.replace(py, items));
    }

    /// Empties it for good: what Python has looked at stays what it is.
    pub(crate) fn reset(&self, py: Python<'_>) {
        drop(self.0.replace(py, Items::Native(VecDeque::new())));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0
            .visit(|items| match items {
                Items::Unused => Ok(()),
                Items::Native(items) => items.iter().try_for_each(|item| visit.call(item)),
                Items::Shown(shown) => visit.call(shown),
            })
            .unwrap_or(Ok(()))
    }
}
