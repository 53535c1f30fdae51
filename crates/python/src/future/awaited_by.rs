//! The edges of the call graph (Python 3.14 and newer): who awaits a future.
//!
//! A task that awaits a future of ours is found among the future's waiters, so that the edge costs
//! nothing. What waits by a callback instead (`gather`, `wait`, a task group …) says so itself.

use pyo3::prelude::*;
use pyo3::types::PyFrozenSet;

use super::Future;

impl Future {
    pub(super) fn collect_awaiters<'py>(
        &self,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyFrozenSet>>> {
        let (waiters, mut awaiters) = self.with(py, |core| {
            let named = core.extras.as_ref().map_or_else(Vec::new, |extras| {
                extras
                    .awaited_by
                    .iter()
                    .map(|waiter| waiter.clone_ref(py))
                    .collect()
            });
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

/// Notes that `waiter` awaits `future` by other means than `await`.
#[pyfunction]
#[pyo3(signature = (future, waiter, /))]
pub(crate) fn future_add_to_awaited_by(future: &Bound<'_, Future>, waiter: &Bound<'_, PyAny>) {
    let waiter = waiter.clone().unbind();
    let refused = future.get().with(future.py(), |core| {
        let awaited_by = &mut core.extras().awaited_by;
        if awaited_by.iter().any(|other| other.is(&waiter)) {
            return Some(waiter);
        }
        awaited_by.push(waiter);
        None
    });
    drop(refused);
}

/// Takes back what `future_add_to_awaited_by` noted.
#[pyfunction]
#[pyo3(signature = (future, waiter, /))]
pub(crate) fn future_discard_from_awaited_by(
    future: &Bound<'_, Future>,
    waiter: &Bound<'_, PyAny>,
) {
    let removed = future.get().with(future.py(), |core| {
        let awaited_by = &mut core.extras.as_mut()?.awaited_by;
        let place = awaited_by.iter().position(|other| other.is(waiter))?;
        Some(awaited_by.swap_remove(place))
    });
    drop(removed);
}
