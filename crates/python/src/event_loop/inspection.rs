//! What stands in the queues, for those who look: a copy, in which nothing can be changed; and whether the loop stops.

use std::os::fd::RawFd;

use aioxide_engine::sources::Direction;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{EventLoop, Watcher, Work};

impl Work {
    /// What Python can see of it: a handle, or who will be called without one. None for what only natives know.
    fn visible(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self {
            Self::Handle(queued) => Some(queued.handle().clone_ref(py).into_any()),
            Self::Callback(handle) => Some(handle.clone_ref(py).into_any()),
            Self::Foreign(handle) => Some(handle.clone_ref(py)),
            Self::Step(call) => Some(call.callback().clone_ref(py)),
            Self::Task(task) => Some(task.clone_ref(py).into_any()),
            Self::Done(callback) => Some(callback.callable.clone_ref(py)),
            Self::Begin(stream) | Self::End(stream) => Some(stream.clone_ref(py).into_any()),
            Self::Read(stream) | Self::Write(stream) => Some(stream.clone_ref(py).into_any()),
            Self::Receive(endpoint) | Self::Send(endpoint) => {
                Some(endpoint.clone_ref(py).into_any())
            }
            Self::Deliver(delivery) => Some(delivery.future().clone_ref(py).into_any()),
            Self::Ready(wait) => Some(wait.clone_ref(py).into_any()),
            Self::Joint(_) | Self::Alarm(_) | Self::Wake(_) => None,
        }
    }
}

impl Watcher {
    /// What Python can see of it. None for what only natives know.
    fn visible(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self {
            Self::Handle(queued) => Some(queued.handle().clone_ref(py).into_any()),
            Self::Stream(stream) => Some(stream.clone_ref(py).into_any()),
            Self::Datagrams(endpoint) => Some(endpoint.clone_ref(py).into_any()),
            Self::Wait(wait) => Some(wait.clone_ref(py).into_any()),
            Self::Files => None,
        }
    }
}

#[pymethods]
impl EventLoop {
    /// What the next turns run, in order: handles, and tasks and others that need none.
    #[getter(_ready)]
    fn ready<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let visible: Vec<_> = self.with(py, |state| {
            let ready = state.queues.ready.iter();
            ready.filter_map(|work| work.visible(py)).collect()
        });
        PyTuple::new(py, visible)
    }

    /// Whether the loop ends after the turn that is under way, or the next one.
    #[getter(_stopping)]
    fn stopping(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.queues.is_stopping)
    }

    #[setter(_stopping)]
    fn set_stopping(&self, py: Python<'_>, is_stopping: bool) {
        self.with(py, |state| state.queues.is_stopping = is_stopping);
    }

    /// Who is called to read from a descriptor and to write to it; None for nobody.
    #[pyo3(name = "_watchers_of")]
    fn watchers_for(&self, py: Python<'_>, fd: RawFd) -> (Option<Py<PyAny>>, Option<Py<PyAny>>) {
        self.with(py, |state| {
            let visible = |direction| {
                let watcher = state.sources.watcher(fd, direction)?;
                watcher.visible(py)
            };
            (visible(Direction::Read), visible(Direction::Write))
        })
    }

    /// The handles of timers, in no particular order; cancelled ones that have not been swept yet are among them.
    #[getter(_scheduled)]
    fn scheduled<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let visible: Vec<_> = self.with(py, |state| {
            let timers = state.queues.timers.iter();
            timers.filter_map(|work| work.visible(py)).collect()
        });
        PyTuple::new(py, visible)
    }
}
