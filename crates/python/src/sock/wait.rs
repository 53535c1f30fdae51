//! The wait for a socket of the user's to become ready, shared by all operations that wait for the same thing.
//!
//! Several tasks may wait for one socket (to accept from it, say): all are woken, in order, and
//! those that come too late wait again.
//!
//! The kernel's registration outlives the wait, so that the next one costs no system call. That is
//! sound only while the descriptor still belongs to the same open socket, which is why the loop
//! remembers, weakly, the socket object that it registered each descriptor for.

use std::collections::HashMap;
use std::os::fd::RawFd;

use aioxide_engine::sources::Direction;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use crate::errors::os_error;
use crate::event_loop::{EventLoop, Trust, Watcher};
use crate::handle::Handle;
use crate::raw::guarded::Guarded;

/// Which socket object each descriptor was last registered for.
pub(crate) type Owners = HashMap<RawFd, Py<PyWeakrefReference>>;

/// The operations that wait for one socket in one direction.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct Wait {
    event_loop: Py<EventLoop>,
    fd: RawFd,
    direction: Direction,
    /// One future for each operation, in order of arrival.
    futures: Guarded<Vec<Py<PyAny>>>,
}

impl Wait {
    /// Adds a waiter for `sock`, and makes the kernel watch it. Returns the future to wait for.
    pub(super) fn join<'py>(
        event_loop: &Bound<'py, EventLoop>,
        sock: &Bound<'py, PyAny>,
        fd: RawFd,
        direction: Direction,
    ) -> PyResult<(Py<Self>, Bound<'py, PyAny>)> {
        let py = event_loop.py();
        event_loop.get().check_closed()?;
        if event_loop.get().is_stream(py, fd) {
            event_loop.call_method1(intern!(py, "_ensure_fd_no_transport"), (fd,))?;
        }
        let future = EventLoop::new_future(event_loop)?.into_any();
        let is_known = event_loop
            .get()
            .owner_of(py, fd)
            .is_some_and(|owner| owner.bind(py).upgrade().is_some_and(|owner| owner.is(sock)));
        if is_known && let Some(wait) = event_loop.get().wait_for(py, fd, direction) {
            wait.get()
                .futures
                .with(py, |futures| futures.push(future.clone().unbind()));
            return Ok((wait, future));
        }
        let wait = Self {
            event_loop: event_loop.clone().unbind(),
            fd,
            direction,
            futures: Guarded::new(vec![future.clone().unbind()]),
        };
        let wait = Py::new(py, wait)?;
        wait.get().register(sock, &wait, is_known)?;
        Ok((wait, future))
    }

    fn register(&self, sock: &Bound<'_, PyAny>, slf: &Py<Self>, is_known: bool) -> PyResult<()> {
        let py = sock.py();
        let (fd, direction) = (self.fd, self.direction);
        let event_loop = self.event_loop.get();
        let watcher = Watcher::Wait(slf.clone_ref(py));
        let trust = if is_known {
            Trust::Registration
        } else {
            Trust::Nothing
        };
        let watched = event_loop.watch(py, fd, direction, watcher, trust);
        let replaced = watched.map_err(|errno| os_error(py, errno))?;
        if !is_known {
            let owner = PyWeakrefReference::new(sock)?.unbind();
            let previous = event_loop.with(py, |state| state.owners.insert(fd, owner));
            drop(previous);
        }
        if let Some(Watcher::Handle(handle)) = replaced {
            Handle::cancel(handle.handle().bind(py))?;
        }
        Ok(())
    }

    /// Leaves the place among the sources. The kernel's registration stays for the next wait.
    fn disarm(&self, py: Python<'_>) {
        let watcher = self.event_loop.get().with(py, |state| {
            let is_this = matches!(state.sources.watcher(self.fd, self.direction),
                Some(Watcher::Wait(wait)) if std::ptr::eq(wait.get(), self));
            is_this.then(|| state.sources.disarm(self.fd, self.direction))
        });
        drop(watcher);
    }

    /// Wakes everybody: the socket is ready.
    pub(crate) fn complete(&self, py: Python<'_>) -> PyResult<()> {
        self.disarm(py);
        for future in self.futures.replace(py, Vec::new()) {
            // A future that refuses is done already: its operation was cancelled, and will leave.
            let _refused = future
                .bind(py)
                .call_method1(intern!(py, "set_result"), (py.None(),));
        }
        Ok(())
    }

    /// Takes one waiter out again: its operation was cancelled or is done.
    pub(super) fn leave(&self, py: Python<'_>, future: &Py<PyAny>) {
        let (left, is_empty) = self.futures.with(py, |futures| {
            let place = futures.iter().position(|waiting| waiting.is(future));
            (place.map(|place| futures.remove(place)), futures.is_empty())
        });
        drop(left);
        if is_empty {
            self.disarm(py);
        }
    }
}

#[pymethods]
impl Wait {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        self.futures
            .visit(|futures| futures.iter().try_for_each(|future| visit.call(future)))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.futures.replace(py, Vec::new()));
    }
}
