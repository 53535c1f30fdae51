//! `TaskGroup`: tasks that end together.

use pyo3::exceptions::{PyKeyboardInterrupt, PyRuntimeError, PySystemExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PySet, PyTuple};

mod cancelling;
mod methods;
mod overriding;
mod private;

use crate::any_task;
use crate::future::future_discard_from_awaited_by;
use crate::joint::{AnyFuture, Joint, Settled};
use crate::numbers::ByAddress;
use crate::raw::guarded::Guarded;
use crate::routine::Function;

/// The functions of this module.
pub(crate) static FUNCTIONS: &[&Function] = &[
    &methods::CREATE_TASK,
    &methods::ENTER,
    &methods::EXIT,
    &cancelling::CANCEL,
    &overriding::ABORT,
    &overriding::IS_BASE_ERROR,
    &overriding::ON_TASK_DONE,
];

#[derive(Default)]
struct State {
    is_entered: bool,
    is_exiting: bool,
    is_aborting: bool,
    /// `cancel` came before the group was entered.
    is_cancelled_on_entry: bool,
    /// The group is aborting because of `cancel`.
    was_cancelled: bool,
    event_loop: Option<Py<PyAny>>,
    parent: Option<Py<PyAny>>,
    /// The group has cancelled its parent, and has to take that back.
    has_cancelled_parent: bool,
    /// Those that have not ended, with their numbers in the order in which they came.
    tasks: ByAddress<(u64, Py<PyAny>)>,
    /// Those instead, once Python has looked at them, in a set that it may change.
    tasks_shown: Option<Py<PySet>>,
    /// How many have come.
    adopted: u64,
    /// How many that are done have not had their turn.
    due: usize,
    /// None until there is one, or Python looks at them.
    errors: Option<Py<PyList>>,
    /// The first `SystemExit` or `KeyboardInterrupt`.
    base_error: Option<Py<PyAny>>,
    /// What the end of the group waits for.
    completed: Option<Py<PyAny>>,
    /// The group has ended, and let go of what it held.
    is_over: bool,
}

impl State {
    /// Whether the group keeps to the rules of Python 3.15: everywhere if it uses what is new there.
    fn has_new_rules(&self) -> bool {
        cfg!(Py_3_15) || self.was_cancelled
    }

    /// How many tasks have not ended.
    fn count(&self, py: Python<'_>) -> usize {
        match &self.tasks_shown {
            Some(shown) => shown.bind(py).len(),
            None => self.tasks.len(),
        }
    }

    fn tasks_in_order(&self, py: Python<'_>) -> Vec<Py<PyAny>> {
        let mut tasks: Vec<_> = self.tasks.values().collect();
        tasks.sort_by_key(|(number, _task)| *number);
        let clone = |(_number, task): &(u64, Py<PyAny>)| task.clone_ref(py);
        tasks.into_iter().map(clone).collect()
    }
}

/// An asynchronous context manager for tasks that end together, as `asyncio.TaskGroup`.
#[pyclass(
    module = "aioxide",
    frozen,
    subclass,
    weakref,
    dict,
    name = "TaskGroup"
)]
pub(crate) struct TaskGroup {
    state: Guarded<State>,
}

/// Whether an exception ends the program rather than the group.
fn is_base_error(exception: &Bound<'_, PyAny>) -> bool {
    exception.is_instance_of::<PySystemExit>() || exception.is_instance_of::<PyKeyboardInterrupt>()
}

impl TaskGroup {
    fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, access)
    }

    fn parent<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.with(py, |state| {
            state.parent.as_ref().map(|parent| parent.clone_ref(py))
        })
        .map(|parent| parent.into_bound(py))
    }

    /// Takes note of a task that is done. Only the last one, and those that have failed, lead to anything.
    pub(crate) fn note(&self, task: &AnyFuture<'_>) -> PyResult<bool> {
        let py = task.as_any().py();
        let has_failed = task.has_failed()?;
        let address = task.as_any().as_ptr().addr();
        let (is_due, forgotten) = self.with(py, |state| {
            let is_due = has_failed || state.due > 0 || state.tasks.len() <= 1;
            state.due += usize::from(is_due);
            let forgotten = if is_due {
                None
            } else {
                state.tasks.remove(&address)
            };
            (is_due, forgotten)
        });
        drop(forgotten);
        Ok(is_due)
    }

    /// Does at once what the end of a task leads to.
    fn end_of(slf: &Bound<'_, Self>, task: &AnyFuture<'_>) -> PyResult<()> {
        let py = slf.py();
        if cfg!(Py_3_14)
            && let Some(parent) = slf.get().parent(py)
        {
            future_discard_from_awaited_by(task.as_any(), &parent)?;
        }
        if slf.get().note(task)? {
            Self::act(slf, task)?;
        }
        Ok(())
    }

    /// Does what the end of a task leads to.
    pub(crate) fn act(slf: &Bound<'_, Self>, task: &AnyFuture<'_>) -> PyResult<()> {
        let py = slf.py();
        let group = slf.get();
        let address = task.as_any().as_ptr().addr();
        let (forgotten, shown) = group.with(py, |state| {
            state.due = state.due.saturating_sub(1);
            let shown = state.tasks_shown.as_ref();
            (
                state.tasks.remove(&address),
                shown.map(|shown| shown.clone_ref(py)),
            )
        });
        if let Some(shown) = shown {
            shown.bind(py).discard(task.as_any())?;
        }
        let completed = group.with(py, |state| {
            let completed = state.completed.as_ref().filter(|_| state.count(py) == 0);
            completed.map(|completed| completed.clone_ref(py))
        });
        drop(forgotten);
        if let Some(completed) = completed {
            let completed = AnyFuture::new(completed.into_bound(py));
            if !completed.is_done()? {
                completed
                    .as_any()
                    .call_method1(intern!(py, "set_result"), (true,))?;
            }
        }
        match task.settled()? {
            Settled::Exception(exception) => Self::task_failed(slf, task, exception),
            Settled::Result(_) | Settled::Cancelled => Ok(()),
        }
    }

    fn task_failed<'py>(
        slf: &Bound<'py, Self>,
        task: &AnyFuture<'py>,
        exception: Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let group = slf.get();
        let is_base = overriding::is_base_error(slf, &exception)?;
        group.errors(py).append(&exception)?;
        let kept = exception.clone().unbind();
        let is_wanted = group.with(py, |state| {
            if is_base {
                state.base_error.get_or_insert(kept);
            }
            !state.is_aborting && !state.has_cancelled_parent
        });
        let Some(parent) = group.parent(py) else {
            return Ok(());
        };
        if AnyFuture::new(parent.clone()).is_done()? {
            return Self::report_orphan(slf, task, &parent, &exception);
        }
        if !is_wanted {
            return Ok(());
        }
        overriding::abort(slf)?;
        group.with(py, |state| state.has_cancelled_parent = true);
        any_task::cancel(&parent)
    }

    #[cold]
    fn report_orphan<'py>(
        slf: &Bound<'py, Self>,
        task: &AnyFuture<'py>,
        parent: &Bound<'py, PyAny>,
        exception: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get().with(py, |state| {
            state
                .event_loop
                .as_ref()
                .map(|event_loop| event_loop.clone_ref(py))
        });
        let Some(event_loop) = event_loop else {
            return Ok(());
        };
        let task = task.as_any();
        let report = PyDict::new(py);
        let message = format!(
            "Task {} has errored out but its parent task {} is already completed",
            task.repr()?,
            parent.str()?
        );
        report.set_item("message", message)?;
        report.set_item("exception", exception)?;
        report.set_item("task", task)?;
        event_loop
            .call_method1(py, intern!(py, "call_exception_handler"), (report,))
            .map(drop)
    }

    /// Cancels all tasks.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().with(py, |state| state.is_aborting = true);
        for task in slf.get().tasks(py) {
            let task = AnyFuture::new(task);
            if !task.is_done()? {
                task.cancel(None)?;
            }
        }
        Ok(())
    }

    pub(crate) fn awaiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.parent(py).map(Bound::unbind)
    }

    /// Takes a task into the group.
    fn adopt(slf: &Bound<'_, Self>, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        match slf.get().tasks_shown(py) {
            Some(shown) => shown.add(task)?,
            None => {
                let kept = task.clone().unbind();
                let address = task.as_ptr().addr();
                let previous = slf.get().with(py, |state| {
                    state.adopted += 1;
                    state.tasks.insert(address, (state.adopted, kept))
                });
                drop(previous);
            }
        }
        let task = AnyFuture::new(task.clone());
        if overriding::has_own_end(slf)? {
            return overriding::attach(slf, &task);
        }
        Joint::Group(slf.clone().unbind()).attach(&task)
    }

    fn fail(slf: &Bound<'_, Self>, text: &str) -> PyErr {
        match slf.repr() {
            Ok(repr) => PyRuntimeError::new_err(format!("TaskGroup {repr} {text}")),
            Err(error) => error,
        }
    }
}

#[pymethods]
impl TaskGroup {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            state: Guarded::new(State::default()),
        }
    }

    /// Begins anew as a group that nobody has entered.
    fn __init__(&self, py: Python<'_>) {
        drop(self.with(py, std::mem::take));
    }

    fn __repr__(&self, py: Python<'_>) -> String {
        self.with(py, |state| {
            let mut text = "<TaskGroup".to_owned();
            let errors = state
                .errors
                .as_ref()
                .map_or(0, |errors| errors.bind(py).len());
            for (name, count) in [("tasks", state.count(py)), ("errors", errors)] {
                if count > 0 {
                    text.push_str(&format!(" {name}={count}"));
                }
            }
            if state.is_aborting {
                text.push_str(" cancelling");
            } else if state.is_entered {
                text.push_str(" entered");
            }
            text.push('>');
            text
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                visit.call(&state.event_loop)?;
                visit.call(&state.parent)?;
                visit.call(&state.base_error)?;
                visit.call(&state.completed)?;
                visit.call(&state.errors)?;
                visit.call(&state.tasks_shown)?;
                state
                    .tasks
                    .values()
                    .try_for_each(|(_number, task)| visit.call(task))
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.with(py, std::mem::take));
    }
}
