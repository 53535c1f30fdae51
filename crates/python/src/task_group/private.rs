//! The private attributes of asyncio's `TaskGroup`, which derived classes read and set.

use pyo3::prelude::*;
use pyo3::types::{PyList, PySet};

use super::{State, TaskGroup};

impl TaskGroup {
    /// The set of tasks that Python has looked at, if it has.
    pub(super) fn tasks_shown<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PySet>> {
        self.with(py, |state| {
            let shown = state.tasks_shown.as_ref();
            shown.map(|shown| shown.bind(py).clone())
        })
    }

    /// The tasks that have not ended, in the order in which they came unless Python has looked at them.
    pub(super) fn tasks<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        match self.tasks_shown(py) {
            Some(shown) => shown.iter().collect(),
            None => self
                .with(py, |state| state.tasks_in_order(py))
                .into_iter()
                .map(|task| task.into_bound(py))
                .collect(),
        }
    }

    /// The list of errors, which Python may look at and change.
    pub(super) fn errors<'py>(&self, py: Python<'py>) -> Bound<'py, PyList> {
        let known = self.with(py, |state| {
            let known = state.errors.as_ref();
            known.map(|known| known.bind(py).clone())
        });
        known.unwrap_or_else(|| {
            let made = PyList::empty(py);
            let kept = made.clone().unbind();
            drop(self.with(py, |state| state.errors.replace(kept)));
            made
        })
    }

    /// Puts something into a field, and drops what was there.
    fn put<T>(
        &self,
        py: Python<'_>,
        field: impl FnOnce(&mut State) -> &mut Option<T>,
        value: Option<T>,
    ) {
        drop(self.with(py, |state| std::mem::replace(field(state), value)));
    }
}

#[pymethods]
impl TaskGroup {
    #[getter(_tasks)]
    fn private_tasks<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PySet>> {
        if let Some(shown) = self.tasks_shown(py) {
            return Ok(shown);
        }
        let shown = PySet::new(py, self.tasks(py))?;
        self.set_private_tasks(py, shown.clone().unbind());
        Ok(shown)
    }

    #[setter(_tasks)]
    fn set_private_tasks(&self, py: Python<'_>, tasks: Py<PySet>) {
        let dropped = self.with(py, |state| {
            (
                state.tasks_shown.replace(tasks),
                std::mem::take(&mut state.tasks),
            )
        });
        drop(dropped);
    }

    #[getter(_errors)]
    fn private_errors<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyList>> {
        let is_over = self.with(py, |state| state.is_over);
        (!is_over).then(|| self.errors(py))
    }

    #[setter(_errors)]
    fn set_private_errors(&self, py: Python<'_>, errors: Option<Py<PyList>>) {
        self.put(py, |state| &mut state.errors, errors);
    }

    #[getter(_base_error)]
    fn private_base_error(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| Some(state.base_error.as_ref()?.clone_ref(py)))
    }

    #[setter(_base_error)]
    fn set_private_base_error(&self, py: Python<'_>, error: Option<Py<PyAny>>) {
        self.put(py, |state| &mut state.base_error, error);
    }

    #[getter(_parent_task)]
    fn private_parent(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.awaiter(py)
    }

    #[setter(_parent_task)]
    fn set_private_parent(&self, py: Python<'_>, parent: Option<Py<PyAny>>) {
        self.put(py, |state| &mut state.parent, parent);
    }

    #[getter(_loop)]
    fn private_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| Some(state.event_loop.as_ref()?.clone_ref(py)))
    }

    #[setter(_loop)]
    fn set_private_loop(&self, py: Python<'_>, event_loop: Option<Py<PyAny>>) {
        self.put(py, |state| &mut state.event_loop, event_loop);
    }

    #[getter(_on_completed_fut)]
    fn private_completed(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| Some(state.completed.as_ref()?.clone_ref(py)))
    }

    #[setter(_on_completed_fut)]
    fn set_private_completed(&self, py: Python<'_>, completed: Option<Py<PyAny>>) {
        self.put(py, |state| &mut state.completed, completed);
    }

    #[getter(_entered)]
    fn private_entered(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_entered)
    }

    #[setter(_entered)]
    fn set_private_entered(&self, py: Python<'_>, is_entered: bool) {
        self.with(py, |state| state.is_entered = is_entered);
    }

    #[getter(_exiting)]
    fn private_exiting(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_exiting)
    }

    #[setter(_exiting)]
    fn set_private_exiting(&self, py: Python<'_>, is_exiting: bool) {
        self.with(py, |state| state.is_exiting = is_exiting);
    }

    #[getter(_aborting)]
    fn private_aborting(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_aborting)
    }

    #[setter(_aborting)]
    fn set_private_aborting(&self, py: Python<'_>, is_aborting: bool) {
        self.with(py, |state| state.is_aborting = is_aborting);
    }

    #[getter(_cancel_on_enter)]
    fn private_cancel_on_enter(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_cancelled_on_entry)
    }

    #[setter(_cancel_on_enter)]
    fn set_private_cancel_on_enter(&self, py: Python<'_>, is_cancelled: bool) {
        self.with(py, |state| state.is_cancelled_on_entry = is_cancelled);
    }

    #[getter(_parent_cancel_requested)]
    fn private_parent_cancel_requested(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.has_cancelled_parent)
    }

    #[setter(_parent_cancel_requested)]
    fn set_private_parent_cancel_requested(&self, py: Python<'_>, is_requested: bool) {
        self.with(py, |state| state.has_cancelled_parent = is_requested);
    }
}
