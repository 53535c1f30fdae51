//! The class `Queue`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::items::Order;
use super::methods;
use crate::count::Count;
use crate::deque::Deque;
use crate::locks::event::Event;
use crate::loop_bound::LoopBound;
use crate::raw::guarded::Guarded;
use crate::waiting;

/// A queue between tasks.
///
/// `maxsize` is how many items there may be: whoever puts more waits. With 0 or less there is no limit.
#[pyclass(
    module = "aioxide.natives.queues",
    frozen,
    subclass,
    weakref,
    dict,
    generic,
    name = "Queue"
)]
pub(crate) struct Queue {
    pub(super) maxsize: Guarded<Count>,
    pub(super) order: Order,
    pub(super) items: Deque,
    /// Futures of those that wait for an item.
    pub(super) getters: Deque,
    /// Futures of those that wait for room.
    pub(super) putters: Deque,
    /// How many items have been put for which `task_done` has not been called.
    pub(super) unfinished: Guarded<i64>,
    /// Set while there are no such items. Made when somebody asks for it.
    finished: Guarded<Option<Py<Event>>>,
    pub(super) is_shut_down: Guarded<bool>,
    pub(super) bound: LoopBound,
}

/// An exception of asyncio's queues, raised without arguments.
fn raised(class: PyResult<&Bound<'_, PyType>>) -> PyErr {
    match class {
        Ok(class) => PyErr::from_type(class.clone(), ()),
        Err(error) => error,
    }
}

/// `QueueEmpty`.
pub(super) fn empty_error(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    raised(CLASS.import(py, "asyncio.queues", "QueueEmpty"))
}

/// `QueueFull`.
pub(super) fn full_error(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    raised(CLASS.import(py, "asyncio.queues", "QueueFull"))
}

/// `QueueShutDown`, which is asyncio's from Python 3.13 on, and before that our own.
pub(super) fn shut_down_error(py: Python<'_>) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let module = if cfg!(Py_3_13) {
        "asyncio.queues"
    } else {
        "aioxide.natives.queues"
    };
    raised(CLASS.import(py, module, "QueueShutDown"))
}

impl Queue {
    /// A queue without a limit.
    pub(super) fn ordered(py: Python<'_>, order: Order) -> Self {
        let queue = Self {
            maxsize: Guarded::new(Count::Int(0)),
            order,
            items: Deque::default(),
            getters: Deque::default(),
            putters: Deque::default(),
            unfinished: Guarded::new(0),
            finished: Guarded::new(None),
            is_shut_down: Guarded::new(false),
            bound: LoopBound::default(),
        };
        order.prepare(py, &queue.items);
        queue
    }

    pub(super) fn maxsize(&self, py: Python<'_>) -> Count {
        self.maxsize.with(py, |maxsize| maxsize.clone_ref(py))
    }

    /// Whether there is no room for another item.
    #[inline]
    pub(super) fn is_full(&self, py: Python<'_>) -> PyResult<bool> {
        if let Some(maxsize) = self.maxsize.with(py, |maxsize| maxsize.as_int())
            && let Some(size) = self.items.in_place(py, |items| items.len())
        {
            return Ok(maxsize > 0 && i64::try_from(size).is_ok_and(|size| size >= maxsize));
        }
        let maxsize = self.maxsize(py);
        Ok(!maxsize.is_zero_or_less(py)? && maxsize.is_reached_by(py, self.items.len(py)?)?)
    }

    /// Puts an item in natively, and wakes a getter.
    #[inline]
    pub(super) fn put(&self, item: &Bound<'_, PyAny>) -> PyResult<()> {
        self.order.put(&self.items, item)?;
        self.note_put(item.py());
        Self::wake_next(item.py(), &self.getters)
    }

    /// Takes the next item out natively, and wakes a putter.
    #[inline]
    pub(super) fn take<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let item = self.order.take(py, &self.items)?;
        Self::wake_next(py, &self.putters)?;
        Ok(item)
    }

    /// Wakes the first of `waiters` that is not done. It is in line no more.
    #[inline]
    pub(super) fn wake_next(py: Python<'_>, waiters: &Deque) -> PyResult<()> {
        match waiting::pop_pending(py, waiters)? {
            Some(waiter) => waiting::wake(&waiter, py.None().into_bound(py)),
            None => Ok(()),
        }
    }

    /// Wakes all of them.
    pub(super) fn wake_all(py: Python<'_>, waiters: &Deque) -> PyResult<()> {
        while !waiters.is_empty(py)? {
            Self::wake_next(py, waiters)?;
        }
        Ok(())
    }

    fn known_finished(&self, py: Python<'_>) -> Option<Py<Event>> {
        self.finished
            .with(py, |known| known.as_ref().map(|known| known.clone_ref(py)))
    }

    /// The event of there being no unfinished items.
    pub(super) fn finished<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Event>> {
        if let Some(known) = self.known_finished(py) {
            return Ok(known.into_bound(py));
        }
        let event = Bound::new(py, Event::new_native(self.unfinished.get(py) == 0))?;
        drop(self.finished.replace(py, Some(event.clone().unbind())));
        Ok(event)
    }

    /// Counts an item that was put.
    #[inline]
    pub(super) fn note_put(&self, py: Python<'_>) {
        self.unfinished
            .with(py, |unfinished| *unfinished = unfinished.saturating_add(1));
        self.finished.with(py, |known| {
            if let Some(finished) = known {
                finished.get().clear_now(py);
            }
        });
    }

    /// Says that there are no unfinished items.
    pub(super) fn note_finished(&self, py: Python<'_>) -> PyResult<()> {
        self.known_finished(py)
            .map_or(Ok(()), |finished| finished.get().set_now(py))
    }
}

#[pymethods]
impl Queue {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> Self {
        Self::ordered(py, Order::Fifo)
    }

    /// Makes an empty queue.
    #[pyo3(signature = (maxsize=Count::Int(0)))]
    fn __init__(slf: &Bound<'_, Self>, maxsize: Count) -> PyResult<()> {
        let py = slf.py();
        let queue = slf.get();
        let shown = maxsize.to_object(py)?;
        drop(queue.maxsize.replace(py, maxsize));
        queue.getters.reset(py);
        queue.putters.reset(py);
        queue.unfinished.replace(py, 0);
        drop(queue.finished.replace(py, None));
        queue.is_shut_down.replace(py, false);
        if methods::is_plain(slf)? {
            queue.order.prepare(py, &queue.items);
            return Ok(());
        }
        slf.call_method1(intern!(py, "_init"), (shown,)).map(drop)
    }

    /// How many items there may be.
    #[getter(maxsize)]
    fn maxsize_shown<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.maxsize(py).to_object(py)
    }

    #[getter(_maxsize)]
    fn private_maxsize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.maxsize(py).to_object(py)
    }

    #[setter(_maxsize)]
    fn set_private_maxsize(&self, py: Python<'_>, maxsize: Count) {
        drop(self.maxsize.replace(py, maxsize));
    }

    #[getter(_queue)]
    fn private_items<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.items.show(py)
    }

    #[setter(_queue)]
    fn set_private_items(&self, py: Python<'_>, items: Py<PyAny>) {
        self.items.put(py, Some(items));
    }

    #[getter(_getters)]
    fn private_getters<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.getters.show(py)
    }

    #[setter(_getters)]
    fn set_private_getters(&self, py: Python<'_>, getters: Py<PyAny>) {
        self.getters.put(py, Some(getters));
    }

    #[getter(_putters)]
    fn private_putters<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.putters.show(py)
    }

    #[setter(_putters)]
    fn set_private_putters(&self, py: Python<'_>, putters: Py<PyAny>) {
        self.putters.put(py, Some(putters));
    }

    #[getter(_unfinished_tasks)]
    fn private_unfinished(&self, py: Python<'_>) -> i64 {
        self.unfinished.get(py)
    }

    #[setter(_unfinished_tasks)]
    fn set_private_unfinished(&self, py: Python<'_>, unfinished: i64) -> PyResult<()> {
        // So that the event says what it did before.
        self.finished(py)?;
        self.unfinished.replace(py, unfinished);
        Ok(())
    }

    #[getter(_finished)]
    fn private_finished<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, Event>> {
        self.finished(py)
    }

    #[setter(_finished)]
    fn set_private_finished(&self, py: Python<'_>, finished: Py<Event>) {
        drop(self.finished.replace(py, Some(finished)));
    }

    #[getter(_is_shutdown)]
    fn private_is_shut_down(&self, py: Python<'_>) -> bool {
        self.is_shut_down.get(py)
    }

    #[setter(_is_shutdown)]
    fn set_private_is_shut_down(&self, py: Python<'_>, is_shut_down: bool) {
        self.is_shut_down.replace(py, is_shut_down);
    }

    #[getter(_loop)]
    fn private_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.bound.get(py)
    }

    #[setter(_loop)]
    fn set_private_loop(&self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) {
        self.bound.set(py, event_loop);
    }

    fn _get_loop<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().bound.running(slf.as_any())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.maxsize
            .visit(|maxsize| maxsize.traverse(visit))
            .unwrap_or(Ok(()))?;
        self.finished
            .visit(|finished| visit.call(finished))
            .unwrap_or(Ok(()))?;
        self.items.traverse(visit)?;
        self.getters.traverse(visit)?;
        self.putters.traverse(visit)?;
        self.bound.traverse(visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.maxsize.replace(py, Count::Int(0)));
        drop(self.finished.replace(py, None));
        self.items.reset(py);
        self.getters.reset(py);
        self.putters.reset(py);
        self.bound.set(py, None);
    }
}
