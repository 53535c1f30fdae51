//! `TaskGroup.cancel`, which Python has since 3.15 and we have everywhere.

use pyo3::prelude::*;

use super::{TaskGroup, overriding};
use crate::any_task;
use crate::raw::fastcall::Arguments;
use crate::routine::{Function, receiver};

pub(super) static CANCEL: Function = Function {
    qualname: "TaskGroup.cancel",
    call: cancel,
};

fn cancel<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<TaskGroup>(py, arguments)? else {
        return Ok(None);
    };
    cancel_group(&slf)?;
    Ok(Some(py.None()))
}

/// Cancels the tasks and the body, or as soon as the group is entered; nothing if it is over, or aborting already.
pub(super) fn cancel_group(slf: &Bound<'_, TaskGroup>) -> PyResult<()> {
    let py = slf.py();
    let is_wanted = slf.get().with(py, |state| {
        state.is_cancelled_on_entry |= !state.is_entered;
        let is_over = state.is_exiting && state.count(py) == 0;
        let is_wanted = state.is_entered && !is_over && !state.is_aborting;
        state.was_cancelled |= is_wanted;
        is_wanted
    });
    if !is_wanted {
        return Ok(());
    }
    overriding::abort(slf)?;
    let Some(parent) = slf.get().parent(py) else {
        return Ok(());
    };
    let was_cancelled = slf.get().with(py, |state| {
        std::mem::replace(&mut state.has_cancelled_parent, true)
    });
    if was_cancelled {
        return Ok(());
    }
    any_task::cancel(&parent)
}
