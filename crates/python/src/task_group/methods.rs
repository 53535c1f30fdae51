//! The coroutine functions of `TaskGroup`, and `create_task`.

use pyo3::exceptions::{PyBaseExceptionGroup, PyGeneratorExit};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};

use super::cancelling::cancel_group;
use super::{TaskGroup, overriding};
use crate::any_task;
use crate::future::cancelled_error_class;
use crate::joint::{AnyFuture, create_task as create_plain_task};
use crate::raw::fastcall::{Arguments, is_name};
use crate::raw::raising;
use crate::routine::{Coroutine, Function, Input, Progress, Routine, boolean};
use crate::running::{RunningLoop, running_loop};
use crate::task::current_task;

pub(super) static CREATE_TASK: Function = Function {
    qualname: "TaskGroup.create_task",
    call: create_task,
};

fn create_task<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(group) = arguments.positional(0) else {
        return Ok(None);
    };
    let mut coro = arguments.positional(1);
    let others = arguments.keywords(|name, value| {
        let is_coro = coro.is_none() && is_name(name, intern!(py, "coro"));
        if is_coro {
            coro = Some(value);
        }
        Ok(is_coro)
    })?;
    let (Some(coro), 1 | 2) = (coro, arguments.positional_count()) else {
        return Ok(None);
    };
    let group = &*group.cast::<TaskGroup>()?;
    if let Some(refusal) = refusal(group) {
        // Programs for older Pythons close it themselves, or await it.
        if cfg!(Py_3_13) {
            coro.call_method0(intern!(py, "close"))?;
        }
        return Err(TaskGroup::fail(group, refusal));
    }
    let event_loop = group.get().with(py, |state| {
        state
            .event_loop
            .as_ref()
            .map(|event_loop| event_loop.clone_ref(py))
    });
    let Some(event_loop) = event_loop else {
        return Err(TaskGroup::fail(group, "has not been entered"));
    };
    let event_loop = event_loop.into_bound(py);
    let task = match others {
        None => create_plain_task(&RunningLoop::of(event_loop)?, &coro)?,
        Some(others) => {
            event_loop.call_method(intern!(py, "create_task"), (coro,), Some(&others))?
        }
    };
    TaskGroup::adopt(group, &task)?;
    // A task that begins at once may have cancelled the group that it was not in yet.
    let is_late = group
        .get()
        .with(py, |state| state.has_new_rules() && state.is_aborting);
    if is_late {
        let task = AnyFuture::new(task.clone());
        if !task.is_done()? {
            task.cancel(None)?;
        }
    }
    Ok(Some(task.unbind()))
}

/// Why a group takes no task, if it takes none.
fn refusal(group: &Bound<'_, TaskGroup>) -> Option<&'static str> {
    group.get().with(group.py(), |state| {
        if !state.is_entered {
            Some("has not been entered")
        } else if state.is_exiting && state.count(group.py()) == 0 {
            Some("is finished")
        } else if state.is_aborting {
            Some("is shutting down")
        } else {
            None
        }
    })
}

pub(super) static ENTER: Function = Function {
    qualname: "TaskGroup.__aenter__",
    call: enter,
};

fn enter<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(group)]) = arguments.fit(1, [intern!(py, "self")]) else {
        return Ok(None);
    };
    let group = group.cast::<TaskGroup>()?.to_owned().unbind();
    Coroutine::start(py, &ENTER, Enter(group))
}

struct Enter(Py<TaskGroup>);

impl Routine for Enter {
    fn resume<'py>(&mut self, py: Python<'py>, _input: Input<'py>) -> PyResult<Progress<'py>> {
        let group = self.0.bind(py);
        if group.get().with(py, |state| state.is_entered) {
            return Err(TaskGroup::fail(group, "has already been entered"));
        }
        let event_loop = running_loop(py)?;
        let Some(parent) = current_task(&event_loop)? else {
            return Err(TaskGroup::fail(group, "cannot determine the parent task"));
        };
        let (event_loop, parent) = (event_loop.unbind(), parent.unbind());
        let (is_cancelled, previous) = group.get().with(py, |state| {
            state.is_entered = true;
            let event_loop = state.event_loop.replace(event_loop);
            let parent = state.parent.replace(parent);
            (state.is_cancelled_on_entry, (event_loop, parent))
        });
        drop(previous);
        if is_cancelled {
            cancel_group(group)?;
        }
        Ok(Progress::Return(group.clone().into_any()))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }
}

pub(super) static EXIT: Function = Function {
    qualname: "TaskGroup.__aexit__",
    call: exit,
};

fn exit<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "et"),
        intern!(py, "exc"),
        intern!(py, "tb"),
    ];
    let Some([Some(group), Some(class), Some(exception), Some(_traceback)]) =
        arguments.fit(4, names)
    else {
        return Ok(None);
    };
    let exception = if exception.is_none() && !class.is_none() {
        let class = class.cast::<PyType>()?;
        Some(class.call0()?.unbind())
    } else {
        (!exception.is_none()).then(|| exception.to_owned().unbind())
    };
    let exit = Exit {
        group: group.cast::<TaskGroup>()?.to_owned().unbind(),
        exception,
        cancellation: None,
        late_cancellation: None,
        has_given_way: false,
    };
    Coroutine::start(py, &EXIT, exit)
}

/// The end of a group.
struct Exit {
    group: Py<TaskGroup>,
    /// What has ended the body, if that was an exception.
    exception: Option<Py<PyAny>>,
    /// The cancellation that is raised in the end, unless something more important is.
    cancellation: Option<Py<PyAny>>,
    /// The last one that has come while the tasks ended.
    late_cancellation: Option<Py<PyAny>>,
    /// It has waited for the group's own cancellation to come.
    has_given_way: bool,
}

impl Exit {
    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let group = self.group.bind(py);
        let is_aborting = group.get().with(py, |state| {
            state.is_exiting = true;
            state.is_aborting
        });
        if let Some(exception) = &self.exception {
            let exception = exception.bind(py);
            if overriding::is_base_error(group, exception)? {
                let kept = exception.clone().unbind();
                group.get().with(py, |state| {
                    state.base_error.get_or_insert(kept);
                });
            }
            if exception.is_instance(cancelled_error_class(py)?)? {
                self.cancellation = Some(exception.clone().unbind());
            }
            if !is_aborting {
                overriding::abort(group)?;
            }
        }
        self.wait_or_end(py)
    }

    fn wait_or_end<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let group = self.group.bind(py);
        let (has_tasks, event_loop) = group.get().with(py, |state| {
            let event_loop = state.event_loop.as_ref();
            (
                state.count(py) > 0,
                event_loop.map(|event_loop| event_loop.clone_ref(py)),
            )
        });
        let Some(event_loop) = event_loop.filter(|_event_loop| has_tasks) else {
            if self.is_cancellation_due(py)? {
                self.has_given_way = true;
                return Ok(Progress::GiveWay);
            }
            return self.end(py);
        };
        let completed = RunningLoop::of(event_loop.into_bound(py))?.create_future()?;
        let kept = Some(completed.clone().unbind());
        drop(
            group
                .get()
                .with(py, |state| std::mem::replace(&mut state.completed, kept)),
        );
        Ok(Progress::Await(completed))
    }

    /// Goes on after a wait, which may have been cut short by a cancellation of the parent.
    fn go_on<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let group = self.group.bind(py);
        let waited = input.value(py);
        if let Err(error) = &waited
            && !error.is_instance(py, cancelled_error_class(py)?)
        {
            waited?;
            return self.end(py);
        }
        if let Err(error) = waited {
            let error = error.into_value(py).into_any();
            let is_aborting = group.get().with(py, |state| state.is_aborting);
            if !is_aborting {
                self.cancellation = Some(error.clone_ref(py));
                overriding::abort(group)?;
            }
            self.late_cancellation = Some(error);
        }
        drop(group.get().with(py, |state| state.completed.take()));
        self.wait_or_end(py)
    }

    fn end<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let group = self.group.bind(py);
        let (base_error, has_cancelled_parent, has_new_rules) = group.get().with(py, |state| {
            (
                state.base_error.take(),
                state.has_cancelled_parent,
                state.has_new_rules(),
            )
        });
        if let Some(base_error) = base_error {
            return Err(raising::raised(base_error.bind(py)));
        }
        let parent = group.get().parent(py);
        // What the group has done to its parent it takes back; somebody else's request stays.
        if let Some(parent) = &parent
            && has_cancelled_parent
        {
            if any_task::uncancel(parent)? == 0 {
                self.cancellation = None;
            } else if has_new_rules && self.cancellation.is_none() {
                self.cancellation = self.late_cancellation.take();
            }
        }
        let errors = group.get().with(py, |state| state.errors.take());
        let errors = match errors {
            Some(errors) => errors.into_bound(py),
            None => PyList::empty(py),
        };
        if let Some(cancellation) = self.cancellation.take()
            && errors.is_empty()
        {
            return Err(raising::raised(cancellation.bind(py)));
        }
        let mut only_exit = None;
        if let Some(exception) = self.exception.take()
            && !exception.bind(py).is_instance(cancelled_error_class(py)?)?
        {
            let exception = exception.into_bound(py);
            errors.append(&exception)?;
            let is_exit = exception.is_instance_of::<PyGeneratorExit>();
            if cfg!(Py_3_15) && is_exit && errors.len() == 1 {
                only_exit = Some(exception);
            }
        }
        if errors.is_empty() {
            // With a cancellation of its own, which ends here.
            let returned = if has_new_rules {
                boolean(py, true)
            } else {
                py.None().into_bound(py)
            };
            return Ok(Progress::Return(returned));
        }
        if let Some(parent) = parent
            && any_task::cancelling(&parent)? > 0
        {
            // Cancelled from outside, too: the count of requests stays, and the cancellation comes at the next await.
            any_task::uncancel(&parent)?;
            any_task::cancel(&parent)?;
        }
        // An asynchronous generator with a group in it is closed without a word then.
        match only_exit {
            Some(exit) => Err(raising::raised(&exit)),
            None => Err(unhandled(&errors)?),
        }
    }

    /// Whether the group's cancellation of its parent has not come yet. Before 3.13 `uncancel` leaves it in store.
    fn is_cancellation_due(&self, py: Python<'_>) -> PyResult<bool> {
        if cfg!(Py_3_13) || self.has_given_way || self.late_cancellation.is_some() {
            return Ok(false);
        }
        if let Some(exception) = &self.exception
            && exception.bind(py).is_instance(cancelled_error_class(py)?)?
        {
            return Ok(false);
        }
        Ok(self.group.bind(py).get().with(py, |state| {
            state.was_cancelled && state.has_cancelled_parent
        }))
    }

    /// Exceptions are heavy, and often hold what holds them.
    fn let_go(&mut self, py: Python<'_>) {
        let dropped = self.group.get().with(py, |state| {
            state.is_over = true;
            (
                state.parent.take(),
                state.errors.take(),
                state.base_error.take(),
                state.completed.take(),
            )
        });
        drop(dropped);
        self.exception = None;
        self.cancellation = None;
        self.late_cancellation = None;
    }
}

/// `raise BaseExceptionGroup(…) from None`.
fn unhandled(errors: &Bound<'_, PyList>) -> PyResult<PyErr> {
    let py = errors.py();
    let group = py
        .get_type::<PyBaseExceptionGroup>()
        .call1(("unhandled errors in a TaskGroup", errors))?;
    group.setattr(intern!(py, "__suppress_context__"), true)?;
    Ok(raising::raised(&group))
}

impl Routine for Exit {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let progress = if matches!(input, Input::Start) {
            self.begin(py)
        } else {
            self.go_on(py, input)
        };
        if !matches!(progress, Ok(Progress::Await(_) | Progress::GiveWay)) {
            self.let_go(py);
        }
        progress
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.group)?;
        visit.call(&self.exception)?;
        visit.call(&self.cancellation)?;
        visit.call(&self.late_cancellation)
    }
}
