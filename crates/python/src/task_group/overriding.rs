//! The methods of `TaskGroup` that derived classes are known to override: what happens when a task ends, and when
//! the group is to be aborted.

use pyo3::intern;
use pyo3::prelude::*;

use super::{TaskGroup, is_base_error as is_base_error_natively};
use crate::future::future_add_to_awaited_by;
use crate::joint::AnyFuture;
use crate::raw::fastcall::Arguments;
use crate::raw::own_methods::OwnMethods;
use crate::routine::{Function, boolean, receiver};

pub(super) static ABORT: Function = Function {
    qualname: "TaskGroup._abort",
    call: call_abort,
};
pub(super) static IS_BASE_ERROR: Function = Function {
    qualname: "TaskGroup._is_base_error",
    call: call_is_base_error,
};
pub(super) static ON_TASK_DONE: Function = Function {
    qualname: "TaskGroup._on_task_done",
    call: call_on_task_done,
};

/// The methods that natives do without.
static OWN_METHODS: OwnMethods = OwnMethods::new(&[
    ("_abort", call_abort),
    ("_is_base_error", call_is_base_error),
    ("_on_task_done", call_on_task_done),
]);

/// Whether the methods are ours.
fn is_plain(slf: &Bound<'_, TaskGroup>) -> PyResult<bool> {
    OWN_METHODS.are_those_of::<TaskGroup>(slf.as_any())
}

/// Cancels all tasks, or does what a derived class does instead.
pub(super) fn abort(slf: &Bound<'_, TaskGroup>) -> PyResult<()> {
    if is_plain(slf)? {
        return TaskGroup::abort(slf);
    }
    slf.call_method0(intern!(slf.py(), "_abort")).map(drop)
}

/// Whether an exception ends the program rather than the group, or a derived class says so.
pub(super) fn is_base_error<'py>(
    slf: &Bound<'py, TaskGroup>,
    exception: &Bound<'py, PyAny>,
) -> PyResult<bool> {
    if is_plain(slf)? {
        return Ok(is_base_error_natively(exception));
    }
    slf.call_method1(intern!(slf.py(), "_is_base_error"), (exception,))?
        .is_truthy()
}

/// Whether something else than usual happens when a task ends.
#[inline]
pub(super) fn has_own_end(slf: &Bound<'_, TaskGroup>) -> PyResult<bool> {
    if is_plain(slf)? {
        return Ok(false);
    }
    let method = slf.getattr(intern!(slf.py(), "_on_task_done"))?;
    let native = slf
        .py()
        .get_type::<TaskGroup>()
        .getattr(intern!(slf.py(), "_on_task_done"))?;
    let function = method.getattr_opt(intern!(slf.py(), "__func__"))?;
    Ok(!function.is_some_and(|function| function.is(&native)))
}

/// Has the object's own method called when a task ends.
pub(super) fn attach(slf: &Bound<'_, TaskGroup>, task: &AnyFuture<'_>) -> PyResult<()> {
    let py = slf.py();
    if cfg!(Py_3_14)
        && let Some(parent) = slf.get().parent(py)
    {
        future_add_to_awaited_by(task.as_any(), &parent)?;
    }
    let callback = slf.getattr(intern!(py, "_on_task_done"))?;
    task.as_any()
        .call_method1(intern!(py, "add_done_callback"), (callback,))
        .map(drop)
}

fn call_abort<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<TaskGroup>(py, arguments)? else {
        return Ok(None);
    };
    TaskGroup::abort(&slf)?;
    Ok(Some(py.None()))
}

fn call_is_base_error<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "exc")];
    let Some([Some(_slf), Some(exception)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let is_base_error = is_base_error_natively(&exception);
    Ok(Some(boolean(py, is_base_error).unbind()))
}

fn call_on_task_done<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "task")];
    let Some([Some(slf), Some(task)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let slf = slf.cast::<TaskGroup>()?.to_owned();
    let task = AnyFuture::new(task.to_owned());
    TaskGroup::end_of(&slf, &task)?;
    Ok(Some(py.None()))
}
