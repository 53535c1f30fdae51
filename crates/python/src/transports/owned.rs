//! What a transport owns: a descriptor, by way of its socket or file object, and the loop's watches on it.
//!
//! The object may be closed behind the transport, and its descriptor's number be another's then. So the object is
//! asked before each call, and a watch is ended only if it is still the transport's own.
//!
//! An accepted connection gets its object when somebody asks for it. Until then nobody else can close it.

use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use aioxide_engine::sources::Direction;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use rustix::io::Errno;

use super::bare::{Bare, Kind};
use crate::errors::os_error;
use crate::event_loop::{EventLoop, Trust, Watcher};
use crate::raw::guarded::Guarded;
use crate::raw::socket;

/// When the kernel learns that a watch has ended.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// At once: the descriptor is about to be closed, or would be reported again and again.
    AtOnce,
    /// Only if an event arrives for nobody: the watch is likely to go on soon.
    IfAsked,
}

/// A socket or file object, and how it is asked for its descriptor.
struct Object {
    object: Py<PyAny>,
    /// Its method `fileno`, which is called for each packet of what is no plain socket.
    fileno: Py<PyAny>,
    /// What `fileno` returned: for all but large numbers it is the same object each time.
    fd_object: Py<PyAny>,
    /// The object is a socket that says its descriptor without a call.
    is_plain_socket: bool,
}

impl Object {
    fn of(object: &Bound<'_, PyAny>) -> PyResult<(Self, RawFd)> {
        let fileno = object.getattr(intern!(object.py(), "fileno"))?;
        let fd_object = fileno.call0()?;
        let fd = fd_object.extract()?;
        let object = Self {
            object: object.clone().unbind(),
            fileno: fileno.unbind(),
            fd_object: fd_object.unbind(),
            is_plain_socket: socket::is_plain(object, fd),
        };
        Ok((object, fd))
    }

    #[inline]
    fn has_descriptor(&self, py: Python<'_>, number: RawFd) -> bool {
        if self.is_plain_socket {
            return socket::descriptor(self.object.bind(py)) == number;
        }
        self.fileno.bind(py).call0().is_ok_and(|fd| {
            fd.is(&self.fd_object) || fd.extract::<RawFd>().is_ok_and(|fd| fd == number)
        })
    }
}

/// A descriptor, which has an object or is bare.
pub(crate) struct Owned {
    /// The socket or file object, once there is one.
    object: OnceLock<Object>,
    /// The connection, until it has an object or is closed.
    bare: Guarded<Option<Bare>>,
    /// Whether `bare` is open, which is asked before each call.
    is_bare: AtomicBool,
    pub(super) fd: RawFd,
    /// The kernel has been told of this very object's descriptor, not only of an earlier one with the same number.
    is_registered: AtomicBool,
}

impl Owned {
    /// Takes over `object`, whose descriptor is not watched yet.
    pub(super) fn of(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let (object, fd) = Object::of(object)?;
        Ok(Self {
            object: OnceLock::from(object),
            bare: Guarded::new(None),
            is_bare: AtomicBool::new(false),
            fd,
            is_registered: AtomicBool::new(false),
        })
    }

    /// Takes over a connection that was just accepted.
    pub(super) fn bare(bare: Bare) -> Self {
        Self {
            object: OnceLock::new(),
            fd: bare.descriptor.as_raw_fd(),
            bare: Guarded::new(Some(bare)),
            is_bare: AtomicBool::new(true),
            is_registered: AtomicBool::new(false),
        }
    }

    /// The socket or file object, which a bare connection gets now. Fails with `EBADF` if it was closed without one.
    pub(super) fn object<'a, 'py>(&'a self, py: Python<'py>) -> PyResult<&'a Bound<'py, PyAny>> {
        if self.object.get().is_none() {
            self.dress(py)?;
        }
        match self.object.get() {
            Some(object) => Ok(object.object.bind(py)),
            None => Err(os_error(py, Errno::BADF)),
        }
    }

    /// The object, if there is one.
    pub(super) fn known_object<'a, 'py>(
        &'a self,
        py: Python<'py>,
    ) -> Option<&'a Bound<'py, PyAny>> {
        self.object.get().map(|object| object.object.bind(py))
    }

    /// Gives a bare connection its object.
    #[cold]
    fn dress(&self, py: Python<'_>) -> PyResult<()> {
        let Some(kind) = self.kind(py) else {
            return Ok(());
        };
        let sock = kind.over(py, self.fd)?;
        // What Python has run may have closed the connection, or have asked for its object as well.
        let object = match (Object::of(&sock), self.bare.replace(py, None)) {
            (Ok((object, _fd)), Some(bare)) => {
                let _the_objects = bare.descriptor.into_raw_fd();
                object
            }
            (made, bare) => {
                sock.call_method0(intern!(py, "detach"))?;
                drop(self.bare.with(py, |place| std::mem::replace(place, bare)));
                return made.map(drop);
            }
        };
        let refused = self.object.set(object);
        drop(refused);
        self.is_bare.store(false, Ordering::Relaxed);
        Ok(())
    }

    /// What a bare connection's object would be made with.
    pub(super) fn kind(&self, py: Python<'_>) -> Option<Kind> {
        self.bare
            .with(py, |bare| bare.as_ref().map(|bare| bare.kind))
    }

    /// Closes what is owned, unless it is closed already.
    pub(super) fn close(&self, py: Python<'_>) -> PyResult<()> {
        if let Some(object) = self.known_object(py) {
            object.call_method0(intern!(py, "close"))?;
        }
        self.is_bare.store(false, Ordering::Relaxed);
        drop(self.bare.replace(py, None));
        Ok(())
    }

    /// Whether the object is still open under the number that it had.
    #[inline]
    pub(super) fn has_its_descriptor(&self, py: Python<'_>) -> bool {
        match self.object.get() {
            Some(object) => object.has_descriptor(py, self.fd),
            None => self.is_bare.load(Ordering::Relaxed),
        }
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
        match self.object.get() {
            Some(object) => {
                visit.call(&object.object)?;
                visit.call(&object.fileno)
            }
            None => Ok(()),
        }
    }
}
