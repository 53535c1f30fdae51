//! The methods of `Queue` that do not wait.

use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;

use super::items::Order;
use super::ordered::{LIFO_METHODS, LifoQueue, PRIORITY_METHODS, PriorityQueue};
use super::queue::{Queue, empty_error, full_error, shut_down_error};
use crate::deque::Deque;
use crate::raw::fastcall::Arguments;
use crate::raw::own_methods::OwnMethods;
use crate::routine::{Function, boolean, receiver};

/// A native function's entry in the list.
macro_rules! functions {
    ($($name:literal: $call:ident),* $(,)?) => {
        &[$(&Function { qualname: concat!("Queue.", $name), call: $call }),*]
    };
}

pub(crate) const FUNCTIONS: &[&Function] = functions! {
    "_init": fifo_init,
    "_put": fifo_put,
    "_get": fifo_take,
    "_format": format,
    "_wakeup_next": wakeup_next,
    "__repr__": repr,
    "__str__": str,
    "qsize": qsize,
    "empty": empty,
    "full": full,
    "put_nowait": put_nowait,
    "get_nowait": get_nowait,
    "task_done": task_done,
    "shutdown": shutdown,
};

/// The methods that natives do without.
static METHODS: OwnMethods = OwnMethods::new(&[
    ("_put", fifo_put),
    ("_get", fifo_take),
    ("empty", empty),
    ("full", full),
    ("get_nowait", get_nowait),
    ("put_nowait", put_nowait),
    ("qsize", qsize),
]);

/// Whether the methods are ours.
#[inline]
pub(super) fn is_plain(slf: &Bound<'_, Queue>) -> PyResult<bool> {
    let object = slf.as_any();
    Ok(METHODS.are_those_of::<Queue>(object)?
        || LIFO_METHODS.are_those_of::<LifoQueue>(object)?
        || PRIORITY_METHODS.are_those_of::<PriorityQueue>(object)?)
}

pub(super) fn init<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    order: Order,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "maxsize")];
    let Some([Some(slf), Some(_maxsize)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    order.prepare(py, &slf.cast::<Queue>()?.get().items);
    Ok(Some(py.None()))
}

pub(super) fn put<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    order: Order,
) -> PyResult<Option<Py<PyAny>>> {
    let names = || [intern!(py, "self"), intern!(py, "item")];
    let Some([slf, item]) = arguments.all(names) else {
        return Ok(None);
    };
    order.put(&slf.cast::<Queue>()?.get().items, &item)?;
    Ok(Some(py.None()))
}

pub(super) fn take<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    order: Order,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    Ok(Some(order.take(py, &slf.get().items)?.unbind()))
}

fn fifo_init<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    init(py, arguments, Order::Fifo)
}

fn fifo_put<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    put(py, arguments, Order::Fifo)
}

fn fifo_take<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    take(py, arguments, Order::Fifo)
}

pub(super) fn qsize<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let size = slf.get().items.len(py)?;
    Ok(Some(size.into_pyobject(py)?.into_any().unbind()))
}

pub(super) fn empty<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    Ok(Some(boolean(py, slf.get().items.is_empty(py)?).unbind()))
}

pub(super) fn full<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let maxsize = slf.get().maxsize(py);
    let is_full = if maxsize.is_zero_or_less(py)? {
        false
    } else if is_plain(&slf)? {
        maxsize.is_reached_by(py, slf.get().items.len(py)?)?
    } else {
        let size = slf.call_method0(intern!(py, "qsize"))?;
        size.ge(maxsize.to_object(py)?)?
    };
    Ok(Some(boolean(py, is_full).unbind()))
}

/// Whether there is no room, as the queue says.
pub(super) fn says_full(slf: &Bound<'_, Queue>) -> PyResult<bool> {
    let py = slf.py();
    if is_plain(slf)? {
        return slf.get().is_full(py);
    }
    slf.call_method0(intern!(py, "full"))?.is_truthy()
}

/// Whether there is no item, as the queue says.
pub(super) fn says_empty(slf: &Bound<'_, Queue>) -> PyResult<bool> {
    let py = slf.py();
    if is_plain(slf)? {
        return slf.get().items.is_empty(py);
    }
    slf.call_method0(intern!(py, "empty"))?.is_truthy()
}

/// `put_nowait`, of our own.
fn put_now(slf: &Bound<'_, Queue>, item: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = slf.py();
    let queue = slf.get();
    if queue.is_shut_down.get(py) {
        return Err(shut_down_error(py));
    }
    if says_full(slf)? {
        return Err(full_error(py));
    }
    if is_plain(slf)? {
        return queue.put(item);
    }
    slf.call_method1(intern!(py, "_put"), (item,))?;
    queue.note_put(py);
    Queue::wake_next(py, &queue.getters)
}

/// `get_nowait`, of our own.
fn get_now<'py>(slf: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    let queue = slf.get();
    if says_empty(slf)? {
        return Err(if queue.is_shut_down.get(py) {
            shut_down_error(py)
        } else {
            empty_error(py)
        });
    }
    if is_plain(slf)? {
        return queue.take(py);
    }
    let item = slf.call_method0(intern!(py, "_get"))?;
    Queue::wake_next(py, &queue.putters)?;
    Ok(item)
}

/// Takes an item out, as the queue does it, and wakes nobody.
fn take_item<'py>(slf: &Bound<'py, Queue>) -> PyResult<Bound<'py, PyAny>> {
    let py = slf.py();
    if is_plain(slf)? {
        return slf.get().order.take(py, &slf.get().items);
    }
    slf.call_method0(intern!(py, "_get"))
}

pub(super) fn put_nowait<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = || [intern!(py, "self"), intern!(py, "item")];
    let Some([slf, item]) = arguments.all(names) else {
        return Ok(None);
    };
    put_now(&*slf.cast::<Queue>()?, &item)?;
    Ok(Some(py.None()))
}

pub(super) fn get_nowait<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    Ok(Some(get_now(&slf)?.unbind()))
}

fn task_done<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let queue = slf.get();
    let left = queue.unfinished.get(py) - 1;
    if left < 0 {
        return Err(PyValueError::new_err("task_done() called too many times"));
    }
    queue.unfinished.replace(py, left);
    if left == 0 {
        queue.note_finished(py)?;
    }
    Ok(Some(py.None()))
}

fn shutdown<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "immediate")];
    let Some([Some(slf), immediate]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let slf = slf.cast::<Queue>()?;
    let queue = slf.get();
    queue.is_shut_down.replace(py, true);
    if immediate.map_or(Ok(false), |immediate| immediate.is_truthy())? {
        drain(&slf)?;
    }
    Queue::wake_all(py, &queue.getters)?;
    Queue::wake_all(py, &queue.putters)?;
    Ok(Some(py.None()))
}

/// Throws all items away, which count as done.
fn drain(slf: &Bound<'_, Queue>) -> PyResult<()> {
    let py = slf.py();
    let queue = slf.get();
    while !says_empty(slf)? {
        drop(take_item(slf)?);
        queue
            .unfinished
            .with(py, |unfinished| *unfinished = (*unfinished - 1).max(0));
    }
    if queue.unfinished.get(py) == 0 {
        queue.note_finished(py)?;
    }
    Ok(())
}

/// Wakes the first in any deque of waiters.
fn wakeup_next<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "waiters")];
    let Some([Some(_queue), Some(waiters)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    Queue::wake_next(py, &Deque::over(&waiters))?;
    Ok(Some(py.None()))
}

fn format<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let queue = slf.get();
    let mut text = format!("maxsize={}", queue.maxsize(py).to_object(py)?.repr()?);
    if !queue.items.is_empty(py)? {
        text.push_str(&format!(" _queue={}", queue.items.list(py)?.repr()?));
    }
    for (name, waiters) in [("_getters", &queue.getters), ("_putters", &queue.putters)] {
        let waiters = waiters.len(py)?;
        if waiters > 0 {
            text.push_str(&format!(" {name}[{waiters}]"));
        }
    }
    let unfinished = queue.unfinished.get(py);
    if unfinished != 0 {
        text.push_str(&format!(" tasks={unfinished}"));
    }
    if queue.is_shut_down.get(py) {
        text.push_str(" shutdown");
    }
    Ok(Some(text.into_pyobject(py)?.into_any().unbind()))
}

fn repr<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let name = slf.get_type().name()?;
    let details = slf.call_method0(intern!(py, "_format"))?;
    let text = format!("<{name} at {:p} {details}>", slf.as_ptr());
    Ok(Some(text.into_pyobject(py)?.into_any().unbind()))
}

fn str<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Queue>(py, arguments)? else {
        return Ok(None);
    };
    let name = slf.get_type().name()?;
    let details = slf.call_method0(intern!(py, "_format"))?;
    let text = format!("<{name} {details}>");
    Ok(Some(text.into_pyobject(py)?.into_any().unbind()))
}
