//! `Event`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::description::{Described, repr, with_waiters};
use super::private::private_names;
use crate::deque::Deque;
use crate::loop_bound::LoopBound;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::routine::{Coroutine, Function, Input, Progress, Routine, boolean, receiver};
use crate::waiting;

pub(crate) const FUNCTIONS: &[&Function] = &[&REPR, &IS_SET, &SET, &CLEAR, &WAIT];

static REPR: Function = Function {
    qualname: "Event.__repr__",
    call: repr::<Event>,
};
static IS_SET: Function = Function {
    qualname: "Event.is_set",
    call: is_set,
};
static SET: Function = Function {
    qualname: "Event.set",
    call: set,
};
static CLEAR: Function = Function {
    qualname: "Event.clear",
    call: clear,
};
static WAIT: Function = Function {
    qualname: "Event.wait",
    call: wait,
};

/// A flag for which tasks can wait.
#[pyclass(
    module = "aioxide.natives.locks",
    frozen,
    subclass,
    weakref,
    dict,
    name = "Event"
)]
pub(crate) struct Event {
    is_set: Guarded<bool>,
    waiters: Deque,
    bound: LoopBound,
}

impl Event {
    /// An event that has happened, or not yet.
    pub(crate) fn new_native(is_set: bool) -> Self {
        Self {
            is_set: Guarded::new(is_set),
            waiters: Deque::default(),
            bound: LoopBound::default(),
        }
    }

    /// Sets the flag, and wakes those that wait for it.
    #[inline]
    pub(crate) fn set_now(&self, py: Python<'_>) -> PyResult<()> {
        if self.is_set.replace(py, true) {
            return Ok(());
        }
        waiting::wake_all(&self.waiters, &boolean(py, true))
    }

    /// Takes the flag back.
    #[inline]
    pub(crate) fn clear_now(&self, py: Python<'_>) {
        self.is_set.replace(py, false);
    }
}

fn is_set<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Event>(py, arguments)? else {
        return Ok(None);
    };
    Ok(Some(boolean(py, slf.get().is_set.get(py)).unbind()))
}

fn set<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Event>(py, arguments)? else {
        return Ok(None);
    };
    slf.get().set_now(py)?;
    Ok(Some(py.None()))
}

fn clear<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Event>(py, arguments)? else {
        return Ok(None);
    };
    slf.get().clear_now(py);
    Ok(Some(py.None()))
}

fn wait<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Event>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &WAIT, Wait::of(&slf))
}

/// The wait for an event.
pub(crate) struct Wait {
    event: Py<Event>,
    /// What is awaited, once there is need to wait.
    waiter: Option<Py<PyAny>>,
}

impl Wait {
    pub(crate) fn of(event: &Bound<'_, Event>) -> Self {
        Self {
            event: event.clone().unbind(),
            waiter: None,
        }
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let event = self.event.bind(py);
        let slf = event.get();
        if slf.is_set.get(py) {
            return Ok(Progress::Return(boolean(py, true)));
        }
        let waiter = slf.bound.create_future(event.as_any())?;
        slf.waiters.push(&waiter)?;
        self.waiter = Some(waiter.clone().unbind());
        Ok(Progress::Await(waiter))
    }
}

impl Routine for Wait {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let Some(waiter) = self.waiter.take() else {
            return self.begin(py);
        };
        self.event.get().waiters.remove(&waiter.into_bound(py))?;
        input.value(py)?;
        Ok(Progress::Return(boolean(py, true)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event)?;
        visit.call(&self.waiter)
    }
}

impl Described for Event {
    fn state(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let is_set = slf.get().is_set.get(py);
        let state = if is_set { "set" } else { "unset" };
        let waiters = slf.get().waiters.len(py)?;
        Ok(with_waiters(state, waiters))
    }
}

private_names!(Event);

#[pymethods]
impl Event {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::new_native(false)
    }

    /// Makes an event that has not happened.
    #[pyo3(signature = ())]
    fn __init__(&self, py: Python<'_>) {
        self.clear_now(py);
        self.waiters.reset(py);
    }

    #[getter(_value)]
    fn private_value(&self, py: Python<'_>) -> bool {
        self.is_set.get(py)
    }

    #[setter(_value)]
    fn set_private_value(&self, py: Python<'_>, is_set: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_set = is_set.is_truthy()?;
        self.is_set.replace(py, is_set);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.waiters.traverse(visit)?;
        self.bound.traverse(visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.waiters.reset(py);
        self.bound.set(py, None);
    }
}
