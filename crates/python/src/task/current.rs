//! Which task is being stepped: said to asyncio, whose `current_task()` everybody asks.
//!
//! Up to Python 3.13 that is an entry in a dictionary of asyncio's, loop to task, which is written
//! directly; from 3.14 on it is a word of the thread state, written by a function of asyncio's.
//! A loop of ours that steps one task after the other overwrites the entry of the last one, and
//! takes it back only before it does anything else.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyContext;

use super::Task;
use super::step::Next;
use crate::event_loop::EventLoop;
#[cfg(Py_3_14)]
use crate::raw::current_task;

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

/// Makes `task`, or none, the current one of `event_loop`, whichever was. "None" is an entry, too: to overwrite
/// it costs less than to remove it, and asyncio takes it for no entry when it is asked.
#[cfg(not(Py_3_14))]
#[inline]
fn overwrite(event_loop: &Bound<'_, PyAny>, task: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    use pyo3::types::PyDictMethods;
    current_tasks(event_loop.py())?.set_item(event_loop, task)
}

/// Makes `task` the current one of `event_loop`, which runs in this thread. Fails if another one is.
#[cfg(not(Py_3_14))]
#[inline]
fn enter_running(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, Task>) -> PyResult<()> {
    enter_on(event_loop, task)
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

/// Makes `task`, or none, the current one of `event_loop`, which runs in this thread, whichever was.
#[cfg(Py_3_14)]
#[inline]
fn overwrite(event_loop: &Bound<'_, PyAny>, task: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    if current_task::set(event_loop.py(), task) {
        return Ok(());
    }
    swap(event_loop, task).map(drop)
}

/// Makes `task` the current one of `event_loop`, which runs in this thread. Fails if another one is.
#[cfg(Py_3_14)]
#[inline]
fn enter_running(event_loop: &Bound<'_, PyAny>, task: &Bound<'_, Task>) -> PyResult<()> {
    let py = task.py();
    if current_task::is_none(py) == Some(true) && current_task::set(py, Some(task.as_any())) {
        return Ok(());
    }
    enter_on(event_loop, task)?;
    // The first step of all: where the current task is kept is found out with it.
    swap(event_loop, None)?;
    current_task::find(event_loop, task.as_any(), |task| {
        swap(event_loop, task).map(drop)
    })?;
    enter_on(event_loop, task)
}

/// The current task of `event_loop`, which runs in this thread.
#[cfg(not(Py_3_14))]
#[inline]
pub(crate) fn current_task<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Previous<'py>> {
    use pyo3::types::PyDictMethods;
    let task = current_tasks(event_loop.py())?.get_item(event_loop)?;
    Ok(task.filter(|task| !task.is_none()))
}

/// The current task of `event_loop`, which runs in this thread.
#[cfg(Py_3_14)]
#[inline]
pub(crate) fn current_task<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Previous<'py>> {
    static CURRENT_TASK: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = event_loop.py();
    if let Some(task) = current_task::current(py) {
        return Ok(task);
    }
    let current_task = CURRENT_TASK.get_or_try_init(py, || {
        let current_task = py.import("_asyncio")?.getattr("current_task")?;
        Ok::<_, PyErr>(current_task.unbind())
    })?;
    let task = current_task.bind(py).call1((event_loop,))?;
    Ok((!task.is_none()).then_some(task))
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

/// What the loop has told asyncio of the current task.
#[derive(Clone, Copy, Default)]
pub(crate) enum Said {
    /// Nothing: there is no entry, or it is somebody else's.
    #[default]
    Nothing,
    /// That none is, by an entry of the loop's own.
    None,
    /// That the task at this address is.
    Task(usize),
}

impl EventLoop {
    /// Steps a task in its turn.
    #[inline]
    pub(crate) fn run_task(
        slf: &Bound<'_, Self>,
        task: &Bound<'_, Task>,
    ) -> Result<Next, Box<PyErr>> {
        let py = slf.py();
        let this = task.as_ptr() as usize;
        match slf.get().current_task.get(py) {
            Said::Task(last) if last == this => {}
            said => Self::change_task(slf, said, task)?,
        }
        let next = Task::run(task, slf.get());
        if !matches!(next, Ok(Next::Again | Next::Waits)) && !task.as_super().get().is_pending(py) {
            // What its end sets off, such as a report that nobody has asked for its exception, is no part of it.
            overwrite(slf.as_any(), None)?;
            slf.get().current_task.replace(py, Said::None);
        }
        next
    }

    /// Makes `task` the current one, where asyncio has been told something else.
    #[inline]
    fn change_task(slf: &Bound<'_, Self>, said: Said, task: &Bound<'_, Task>) -> PyResult<()> {
        if matches!(said, Said::Nothing) {
            enter_running(slf.as_any(), task)?;
        } else {
            overwrite(slf.as_any(), Some(task.as_any()))?;
        }
        let this = Said::Task(task.as_ptr() as usize);
        slf.get().current_task.replace(slf.py(), this);
        Ok(())
    }

    /// Whether a step of `task` is under way in a context that the loop shares among tasks, and that context.
    pub(super) fn shared_context_of(
        &self,
        py: Python<'_>,
        task: &Bound<'_, Task>,
    ) -> Option<Py<PyContext>> {
        match self.current_task.get(py) {
            Said::Task(current) if current == task.as_ptr() as usize => self.contexts.working(py),
            _ => None,
        }
    }

    /// No task is current from here on.
    #[inline]
    pub(crate) fn leave_task(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().current_task.replace(slf.py(), Said::Nothing) {
            Said::Nothing => Ok(()),
            Said::None | Said::Task(_) if cfg!(Py_3_14) => overwrite(slf.as_any(), None),
            Said::None | Said::Task(_) => swap(slf.as_any(), None).map(drop),
        }
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
