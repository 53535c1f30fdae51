//! `wait_for`, as it is from Python 3.12 on: the awaitable runs in the task that waits, under a timeout.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::Timeout;
use super::timeout::timeout_error;
use crate::future::cancelled_error_class;
use crate::joint::{AnyFuture, Settled, WaitGroup, ensure_future};
use crate::raw::fastcall::Arguments;
use crate::raw::raising;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::RunningLoop;
use crate::sleeping::is_zero_or_less;

pub(super) static WAIT_FOR: Function = Function {
    qualname: "wait_for",
    call: wait_for,
};

fn wait_for<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "fut"), intern!(py, "timeout")];
    let Some([Some(awaitable), Some(timeout)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let routine = WaitFor {
        awaitable: awaitable.to_owned().unbind(),
        timeout: (!timeout.is_none()).then(|| timeout.to_owned().unbind()),
        stage: Stage::New,
    };
    Coroutine::start(py, &WAIT_FOR, routine)
}

enum Stage {
    New,
    /// Awaits the awaitable.
    Under(Py<Timeout>),
    /// There was no time: the future was cancelled, and its end is waited for.
    Cancelled(Py<PyAny>, Py<WaitGroup>),
}

struct WaitFor {
    awaitable: Py<PyAny>,
    timeout: Option<Py<PyAny>>,
    stage: Stage,
}

impl WaitFor {
    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let timeout = self.timeout.as_ref().map(|timeout| timeout.bind(py));
        if let Some(timeout) = timeout
            && is_zero_or_less(timeout)?
        {
            return self.cancel_at_once(py);
        }
        let timeout = Timeout::after(py, timeout)?;
        Timeout::enter(&timeout)?;
        self.stage = Stage::Under(timeout.unbind());
        Ok(Progress::Await(self.awaitable.bind(py).clone()))
    }

    /// What is not done has no time to become so: a coroutine does not even begin.
    fn cancel_at_once<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let future = ensure_future(self.awaitable.bind(py), None)?;
        if future.is_done()? {
            return result_of(&future).map(Progress::Return);
        }
        let event_loop = RunningLoop::get(py)?;
        let (group, waiter) = WaitGroup::of_one(&event_loop, &future)?;
        self.stage = Stage::Cancelled(future.as_any().clone().unbind(), group);
        if let Err(error) = future.cancel(None) {
            self.leave(py)?;
            return Err(error);
        }
        Ok(Progress::Await(waiter))
    }

    /// Waits for the future that was cancelled no more.
    fn leave(&mut self, py: Python<'_>) -> PyResult<()> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::Cancelled(future, group) => {
                WaitGroup::leave_one(group, &AnyFuture::new(future.into_bound(py)))
            }
            _ => Ok(()),
        }
    }

    fn end<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if let Stage::Under(timeout) = &self.stage {
            let ended = input.value(py);
            let exception = ended
                .as_ref()
                .err()
                .map(|error| error.value(py).clone().into_any());
            timeout.get().exit(exception.as_ref(), py)?;
            return ended.map(Progress::Return);
        }
        let Stage::Cancelled(future, _) = &self.stage else {
            return input.value(py).map(Progress::Return);
        };
        let future = AnyFuture::new(future.bind(py).clone());
        self.leave(py)?;
        input.value(py)?;
        match result_of(&future) {
            Err(error) if error.is_instance(py, cancelled_error_class(py)?) => {
                Err(timeout_error(error.value(py).as_any())?)
            }
            result => result.map(Progress::Return),
        }
    }
}

/// The result of a future that is done, or what it raises.
fn result_of<'py>(future: &AnyFuture<'py>) -> PyResult<Bound<'py, PyAny>> {
    match future {
        AnyFuture::Other(other) => other.call_method0(intern!(other.py(), "result")),
        AnyFuture::Ours(_) => match future.settled()? {
            Settled::Result(result) => Ok(result),
            Settled::Exception(exception) => Err(raising::raised(&exception)),
            Settled::Cancelled => Err(raising::raised(&future.make_cancelled_error()?)),
        },
    }
}

impl Routine for WaitFor {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match input {
            Input::Start => self.begin(py),
            input => self.end(py, input),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.awaitable)?;
        visit.call(&self.timeout)?;
        match &self.stage {
            Stage::New => Ok(()),
            Stage::Under(timeout) => visit.call(timeout),
            Stage::Cancelled(future, group) => {
                visit.call(future)?;
                visit.call(group)
            }
        }
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.awaitable.into_bound(py));
        if let Some(timeout) = self.timeout {
            drop(timeout.into_bound(py));
        }
        if let Stage::Under(timeout) = self.stage {
            drop(timeout.into_bound(py));
        }
    }
}
