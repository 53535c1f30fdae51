//! Which task is being stepped: said to asyncio, whose `current_task()` everybody asks.
//!
//! Up to Python 3.13 that is an entry in a dictionary of asyncio's, loop to task, which is written
//! directly; from 3.14 on it is a word of the thread state, written by a function of asyncio's.
//! A loop of ours that steps one task after the other overwrites the entry of the last one, and
//! takes it back only before it does anything else.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::Task;
use crate::event_loop::EventLoop;

/// The task that was current before.
type Previous<'py> = Option<Bound<'py, PyAny>>;

#[cfg(not(Py_3_14))]
fn current_tasks(py: Python<'_>) -> PyResult<&Bound<'_, pyo3::types::PyDict>> {
    static CURRENT_TASKS: PyOnceLock<Py<pyo3::types::PyDict>> = PyOnceLock::new();
    CURRENT_TASKS
        .get_or_try_init(py, || {
            let tasks = py.import("_asyncio")?.getattr("_current_tasks")?;
            Ok(tasks.cast_into::<pyo3::types::PyDict>()?.unbind())
        })
        .map(|tasks| tasks.bind(py))
}

/// Makes `task`, or none, the current one of `event_loop`.
#[cfg(not(Py_3_14))]
fn swap<'py>(
    event_loop: &Bound<'py, PyAny>,
    task: Option<&Bound<'py, PyAny>>,
) -> PyResult<Previous<'py>> {
    use pyo3::types::PyDictMethods;
    let tasks = current_tasks(event_loop.py())?;
    let previous = tasks.get_item(event_loop)?;
    match task {
        Some(task) => tasks.set_item(event_loop, task)?,
        None if previous.is_some() => tasks.del_item(event_loop)?,
        None => {}
    }
    Ok(previous.filter(|previous| !previous.is_none()))
}

/// Makes `task` the current one of `event_loop`, whichever was.
#[cfg(not(Py_3_14))]
#[inline]
fn overwrite(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    use pyo3::types::PyDictMethods;
    current_tasks(event_loop.py())?.set_item(event_loop, task)
}

/// Makes `task`, or none, the current one of `event_loop`.
#[cfg(Py_3_14)]
fn swap<'py>(
    event_loop: &Bound<'py, PyAny>,
    task: Option<&Bound<'py, PyAny>>,
) -> PyResult<Previous<'py>> {
    static SWAP: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = event_loop.py();
    let swap = SWAP.get_or_try_init(py, || {
        let swap = py.import("_asyncio")?.getattr("_swap_current_task")?;
        Ok::<_, PyErr>(swap.unbind())
    })?;
    let previous = swap.bind(py).call1((event_loop, task))?;
    Ok((!previous.is_none()).then_some(previous))
}

/// Makes `task` the current one of `event_loop`, whichever was.
#[cfg(Py_3_14)]
#[inline]
fn overwrite(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, PyAny>) -> PyResult<()> {
    swap(event_loop, Some(task)).map(drop)
}

fn loop_of<'py>(task: &Bound<'py, Task>) -> PyResult<Bound<'py, PyAny>> {
    let py = task.py();
    let owner = task.as_super().get().owner(py)?;
    Ok(owner.as_any().clone_ref(py).into_bound(py))
}

/// Makes a task the current one. Fails if another one is.
pub(super) fn enter(task: &Bound<'_, Task>) -> PyResult<()> {
    let event_loop = loop_of(task)?;
    enter_on(&event_loop, task)
}

fn enter_on(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, Task>) -> PyResult<()> {
    match swap(event_loop, Some(task.as_any()))? {
        None => Ok(()),
        Some(other) => {
            swap(event_loop, Some(&other))?;
            Err(PyRuntimeError::new_err(format!(
                "Cannot enter into task {} while another task {} is being executed.",
                task.repr()?,
                other.repr()?
            )))
        }
    }
}

/// Ends what `enter` began. Fails if another task is the current one by now.
pub(super) fn leave(task: &Bound<'_, Task>) -> PyResult<()> {
    let event_loop = loop_of(task)?;
    match swap(&event_loop, None)? {
        Some(current) if current.is(task) => Ok(()),
        other => {
            swap(&event_loop, other.as_ref())?;
            let other = match other {
                Some(other) => other.repr()?.to_string(),
                None => "None".to_owned(),
            };
            Err(PyRuntimeError::new_err(format!(
                "Leaving task {} does not match the current task {other}.",
                task.repr()?
            )))
        }
    }
}

/// Makes a task the current one for a while, whichever was; `restore` ends that.
pub(super) fn replace<'py>(task: &Bound<'py, Task>) -> PyResult<Previous<'py>> {
    swap(&loop_of(task)?, Some(task.as_any()))
}

/// Makes the task current again that `replace` has found.
pub(super) fn restore<'py>(task: &Bound<'py, Task>, previous: &Previous<'py>) -> PyResult<()> {
    swap(&loop_of(task)?, previous.as_ref()).map(drop)
}

impl EventLoop {
    /// Steps a task in its turn.
    #[inline]
    pub(crate) fn run_task(slf: &Bound<'_, Self>, task: &Bound<'_, Task>) -> PyResult<()> {
        let py = slf.py();
        let this = task.as_ptr() as usize;
        match slf.get().current_task.get(py) {
            Some(last) if last == this => {}
            Some(_) => overwrite(slf.as_any(), task.as_any())?,
            None => enter_on(slf.as_any(), task)?,
        }
        slf.get().current_task.replace(py, Some(this));
        let result = Task::run(task, slf.get());
        if !task.as_super().get().is_pending(py) {
            // What its end sets off, such as a report that nobody has asked for its exception, is no part of it.
            Self::leave_task(slf)?;
        }
        result
    }

    /// No task is current from here on.
    #[inline]
    pub(crate) fn leave_task(slf: &Bound<'_, Self>) -> PyResult<()> {
        if slf.get().current_task.replace(slf.py(), None).is_some() {
            swap(slf.as_any(), None)?;
        }
        Ok(())
    }

    /// Neither a task nor its context is current from here on.
    #[inline]
    pub(crate) fn leave_stage(slf: &Bound<'_, Self>) {
        let left = Self::leave_task(slf).and(slf.get().contexts.leave(slf.py()));
        if let Err(error) = left {
            error.write_unraisable(slf.py(), Some(slf.as_any()));
        }
    }
}
