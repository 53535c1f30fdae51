//! What a transport owns: a descriptor, by way of its socket or file object, and the loop's watches on it.
//!
//! The object may be closed behind the transport, and its descriptor's number be another's then. So the object is
//! asked before each call, and a watch is ended only if it is still the transport's own.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, Ordering};

use aioxide_engine::sources::Direction;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use rustix::io::Errno;

use crate::event_loop::{EventLoop, Trust, Watcher};
use crate::raw::socket;

/// When the kernel learns that a watch has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// At once: the descriptor is about to be closed, or would be reported again and again.
    AtOnce,
    /// Only if an event arrives for nobody: the watch is likely to go on soon.
    IfAsked,
}

/// A socket or file object, and the descriptor that it had when the transport was made.
pub(crate) struct Owned {
    object: Py<PyAny>,
    /// Its method `fileno`, which is called for each packet of what is no plain socket.
    fileno: Py<PyAny>,
    pub(super) fd: RawFd,
    /// What `fileno` returned: for all but large numbers it is the same object each time.
    fd_object: Py<PyAny>,
    /// The object is a socket that says its descriptor without a call.
    is_plain_socket: bool,
    /// The kernel has been told of this very object's descriptor, not only of an earlier one with the same number.
    is_registered: AtomicBool,
}

impl Owned {
    /// Takes over `object`, whose descriptor is not watched yet.
    pub(super) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let fileno = object.getattr(intern!(object.py(), "fileno"))?;
        let fd_object = fileno.call0()?;
        let fd = fd_object.extract()?;
        Ok(Self {
            object: object.clone().unbind(),
            fileno: fileno.unbind(),
            fd,
            fd_object: fd_object.unbind(),
            is_plain_socket: socket::is_plain(object, fd),
            is_registered: AtomicBool::new(false),
        })
    }

    /// The socket or file object.
    pub(super) fn object<'py>(&self, py: Python<'py>) -> &Bound<'py, PyAny> {
        self.object.bind(py)
    }

    /// Whether the object is still open under the number that it had.
    #[inline]
    pub(super) fn has_its_descriptor(&self, py: Python<'_>) -> bool {
        if self.is_plain_socket {
            return socket::descriptor(self.object.bind(py)) == self.fd;
        }
        self.fileno.bind(py).call0().is_ok_and(|fd| {
            fd.is(&self.fd_object) || fd.extract::<RawFd>().is_ok_and(|fd| fd == self.fd)
        })
    }

    /// Begins or goes on to watch. The first time nothing is trusted that the kernel was told before: it was told so
    /// of an earlier object, which has left its number to this one.
    ///
    /// Returns the watcher that stood in this place, to be dropped by the caller.
    pub(super) fn watch(
        &self,
        py: Python<'_>,
        event_loop: &EventLoop,
        direction: Direction,
        watcher: Watcher,
    ) -> Result<Option<Watcher>, Errno> {
        let trust = if self.is_registered.load(Ordering::Relaxed) {
            Trust::Registration
        } else {
            Trust::Nothing
        };
        let previous = event_loop.watch(py, self.fd, direction, watcher, trust)?;
        self.is_registered.store(true, Ordering::Relaxed);
        Ok(previous)
    }

    /// Stops watching, unless the descriptor's number is somebody else's by now; whether there was a watch.
    pub(super) fn unwatch(
        &self,
        py: Python<'_>,
        event_loop: &EventLoop,
        direction: Direction,
        telling: Telling,
    ) -> bool {
        let watcher = event_loop.with(py, |state| {
            let watcher = state.sources.watcher(self.fd, direction);
            if !watcher
                .and_then(Watcher::owned)
                .is_some_and(|owned| std::ptr::eq(owned, self))
            {
                return None;
            }
            match telling {
                Telling::AtOnce => state.sources.unwatch(self.fd, direction),
                Telling::IfAsked => state.sources.disarm(self.fd, direction),
            }
        });
        watcher.is_some()
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)?;
        visit.call(&self.fileno)
    }
}
