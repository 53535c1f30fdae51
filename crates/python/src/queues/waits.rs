//! The methods of `Queue` that wait.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::methods::{is_plain, says_empty, says_full};
use super::queue::{Queue, shut_down_error};
use crate::deque::Deque;
use crate::locks::event;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine, receiver};
use crate::waiting;

pub(crate) const FUNCTIONS: &[&Function] = &[&PUT, &GET, &JOIN];

static PUT: Function = Function {
    qualname: "Queue.put",
    call: put,
};
static GET: Function = Function {
    qualname: "Queue.get",
    call: get,
};
static JOIN: Function = Function {
    qualname: "Queue.join",
    call: join,
};

fn put<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = || [intern!(py, "self"), intern!(py, "item")];
    let Some([slf, item]) = arguments.all(names) else {
        return Ok(None);
    };
    let put = Put {
        queue: slf.cast::<Queue>()?.to_owned().unbind(),
        item: item.to_owned().unbind(),
        waiter: None,
    };
    Coroutine::start(py, &PUT, put)
}

fn get<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let get = Get {
        queue: slf.to_owned().unbind(),
        waiter: None,
    };
    Coroutine::start(py, &GET, get)
}

fn join<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let join = Join {
        queue: slf.to_owned().unbind(),
        wait: None,
    };
    Coroutine::start(py, &JOIN, join)
}

/// Stands in line among `waiters`.
fn wait_in<'py>(queue: &Bound<'py, Queue>, waiters: &Deque) -> PyResult<Bound<'py, PyAny>> {
    let slf = queue.get();
    if slf.is_shut_down.get(queue.py()) {
        return Err(shut_down_error(queue.py()));
    }
    let waiter = slf.bound.create_future(queue.as_any())?;
    waiters.push(&waiter)?;
    Ok(waiter)
}

/// Leaves the line after a wait that has failed. Who was woken meanwhile wakes the next, unless `is_of_no_use`.
fn give_up(
    waiter: &Bound<'_, PyAny>,
    waiters: &Deque,
    is_of_no_use: impl FnOnce() -> PyResult<bool>,
) -> PyResult<()> {
    waiting::cancel(waiter)?;
    waiters.remove(waiter)?;
    if !is_of_no_use()? && !waiting::is_cancelled(waiter)? {
        Queue::wake_next(waiter.py(), waiters)?;
    }
    Ok(())
}

/// `put`.
struct Put {
    queue: Py<Queue>,
    item: Py<PyAny>,
    /// What is awaited, once there is need to wait.
    waiter: Option<Py<PyAny>>,
}

impl Routine for Put {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let queue = self.queue.bind(py);
        let putters = &queue.get().putters;
        if let Some(waiter) = self.waiter.take() {
            let waiter = waiter.into_bound(py);
            if let Err(error) = input.value(py) {
                let passed = give_up(&waiter, putters, || says_full(queue));
                return Err(waiting::after_passing_on(py, error, passed));
            }
        }
        let is_plain = is_plain(queue)?;
        let is_full = if is_plain {
            queue.get().is_full(py)?
        } else {
            says_full(queue)?
        };
        if is_full {
            let waiter = wait_in(queue, putters)?;
            self.waiter = Some(waiter.clone().unbind());
            return Ok(Progress::Await(waiter));
        }
        let item = self.item.bind(py);
        if !is_plain {
            let result = queue.call_method1(intern!(py, "put_nowait"), (item,))?;
            return Ok(Progress::Return(result));
        }
        if queue.get().is_shut_down.get(py) {
            return Err(shut_down_error(py));
        }
        queue.get().put(item)?;
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)?;
        visit.call(&self.item)?;
        visit.call(&self.waiter)
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.item.into_bound(py));
        drop(self.queue.into_bound(py));
    }
}

/// `get`.
struct Get {
    queue: Py<Queue>,
    /// What is awaited, once there is need to wait.
    waiter: Option<Py<PyAny>>,
}

impl Routine for Get {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let queue = self.queue.bind(py);
        let getters = &queue.get().getters;
        if let Some(waiter) = self.waiter.take() {
            let waiter = waiter.into_bound(py);
            if let Err(error) = input.value(py) {
                let passed = give_up(&waiter, getters, || says_empty(queue));
                return Err(waiting::after_passing_on(py, error, passed));
            }
        }
        let is_plain = is_plain(queue)?;
        let is_empty = if is_plain {
            queue.get().items.is_empty(py)?
        } else {
            says_empty(queue)?
        };
        if is_empty {
            let waiter = wait_in(queue, getters)?;
            self.waiter = Some(waiter.clone().unbind());
            return Ok(Progress::Await(waiter));
        }
        Ok(Progress::Return(if is_plain {
            queue.get().take(py)?
        } else {
            queue.call_method0(intern!(py, "get_nowait"))?
        }))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)?;
        visit.call(&self.waiter)
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.queue.into_bound(py));
    }
}

/// `join`.
struct Join {
    queue: Py<Queue>,
    /// The wait for the items, if there are any.
    wait: Option<event::Wait>,
}

impl Routine for Join {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let queue = self.queue.get();
        if self.wait.is_none() && queue.unfinished.get(py) > 0 {
            self.wait = Some(event::Wait::of(&queue.finished(py)?));
        }
        if let Some(wait) = &mut self.wait
            && let waited @ Progress::Await(_) = wait.resume(py, input)?
        {
            return Ok(waited);
        }
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.queue)?;
        self.wait
            .as_ref()
            .map_or(Ok(()), |wait| Routine::traverse(wait, visit))
    }
}
