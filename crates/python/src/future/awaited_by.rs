//! The edges of the call graph (Python 3.14 and newer): who awaits a future.
//!
//! A task that awaits a future of ours is found among the future's waiters, so that the edge costs
//! nothing. What waits by a callback instead (`gather`, `wait`, a task group …) says so itself.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyFrozenSet;

use super::Future;

/// Who awaits a future by other means than a waiter. Mostly that is nobody, or one.
#[derive(Default)]
pub(crate) enum Awaiters {
    #[default]
    None,
    One(Py<PyAny>),
    #[expect(
        clippy::box_collection,
        reason = "few futures have several of them, and a future should be small"
    )]
    Many(Box<Vec<Py<PyAny>>>),
}

impl Awaiters {
    fn as_slice(&self) -> &[Py<PyAny>] {
        match self {
            Self::None => &[],
            Self::One(awaiter) => std::slice::from_ref(awaiter),
            Self::Many(awaiters) => awaiters,
        }
    }

    /// Adds one, or gives it back if it is there already.
    fn add(&mut self, awaiter: Py<PyAny>) -> Option<Py<PyAny>> {
        if self.as_slice().iter().any(|other| other.is(&awaiter)) {
            return Some(awaiter);
        }
        *self = match std::mem::take(self) {
            Self::None => Self::One(awaiter),
            Self::One(first) => Self::Many(Box::new(vec![first, awaiter])),
            Self::Many(mut awaiters) => {
                awaiters.push(awaiter);
                Self::Many(awaiters)
            }
        };
        None
    }

    /// Takes one out.
    fn remove(&mut self, awaiter: &Bound<'_, PyAny>) -> Option<Py<PyAny>> {
        match std::mem::take(self) {
            Self::One(only) if only.is(awaiter) => Some(only),
            Self::Many(mut awaiters) => {
                let place = awaiters.iter().position(|other| other.is(awaiter));
                let removed = place.map(|place| awaiters.swap_remove(place));
                *self = Self::Many(awaiters);
                removed
            }
            others => {
                *self = others;
                None
            }
        }
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.as_slice()
            .iter()
            .try_for_each(|awaiter| visit.call(awaiter))
    }
}

impl Future {
    pub(super) fn collect_awaiters<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyFrozenSet>>> {
        let (waiters, mut awaiters) = self.with(py, |core| {
            let named = core.awaiters.as_slice().iter();
            let named: Vec<_> = named.map(|awaiter| awaiter.clone_ref(py)).collect();
            (core.waiters.show(py), named)
        });
        for waiter in waiters {
            awaiters.extend(waiter.into_task(py)?);
        }
        if awaiters.is_empty() {
            return Ok(None);
        }
        PyFrozenSet::new(py, awaiters).map(Some)
    }
}

/// asyncio's own function for an edge, which keeps those of asyncio's own futures.
fn stdlib_edge<'py>(
    py: Python<'py>,
    cache: &'static PyOnceLock<Py<PyAny>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyAny>> {
    let edge = cache.get_or_try_init(py, || {
        let edge = py.import("_asyncio")?.getattr(name)?;
        Ok::<_, PyErr>(edge.unbind())
    })?;
    Ok(edge.bind(py))
}

/// Notes that `waiter` awaits `fut` by other means than `await`. For asyncio's own futures, as asyncio's own function.
#[pyfunction]
#[pyo3(signature = (fut, waiter, /))]
pub(crate) fn future_add_to_awaited_by(
    fut: &Bound<'_, PyAny>,
    waiter: &Bound<'_, PyAny>,
) -> PyResult<()> {
    static EDGE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = fut.py();
    let Ok(future) = fut.cast::<Future>() else {
        let edge = stdlib_edge(py, &EDGE, "future_add_to_awaited_by")?;
        return edge.call1((fut, waiter)).map(drop);
    };
    let waiter = waiter.clone().unbind();
    let refused = future.get().with(py, |core| core.awaiters.add(waiter));
    drop(refused);
    Ok(())
}

/// Takes back what `future_add_to_awaited_by` noted.
#[pyfunction]
#[pyo3(signature = (fut, waiter, /))]
pub(crate) fn future_discard_from_awaited_by(
    fut: &Bound<'_, PyAny>,
    waiter: &Bound<'_, PyAny>,
) -> PyResult<()> {
    static EDGE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = fut.py();
    let Ok(future) = fut.cast::<Future>() else {
        let edge = stdlib_edge(py, &EDGE, "future_discard_from_awaited_by")?;
        return edge.call1((fut, waiter)).map(drop);
    };
    let removed = future.get().with(py, |core| core.awaiters.remove(waiter));
    drop(removed);
    Ok(())
}
