//! An accepted connection whose socket object nobody has asked for: its descriptor, and what the object would be made with.

use std::os::fd::{AsRawFd, IntoRawFd, OwnedFd, RawFd};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use rustix::net::SocketFlags;

/// What a socket object is made with, besides its descriptor.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) family: u32,
    kind: u32,
    proto: i32,
}

impl Kind {
    /// The kind of a listening socket, which is that of what it accepts, by what the built-in class below
    /// `socket.socket` has for numbers: the latter makes enums of them, anew each time.
    pub(crate) fn of(listener: &Bound<'_, PyAny>) -> PyResult<Self> {
        static NUMBERS: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();
        let py = listener.py();
        let numbers = NUMBERS.get_or_try_init(py, || {
            let class = py.import("_socket")?.getattr("socket")?;
            let find = |name: &str| class.getattr(name).map(Bound::unbind);
            Ok::<_, PyErr>([find("family")?, find("type")?])
        })?;
        let [family, kind] = numbers.each_ref().map(|number| {
            number
                .bind(py)
                .call_method1(intern!(py, "__get__"), (listener,))
        });
        Ok(Self {
            family: family?.extract()?,
            kind: kind?.extract()?,
            proto: listener.getattr(intern!(py, "proto"))?.extract()?,
        })
    }

    fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
        static SOCKET: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        SOCKET.import(py, "socket", "socket")
    }

    /// A socket object over an open descriptor, which is the object's from then on.
    pub(crate) fn open(self, py: Python<'_>, descriptor: OwnedFd) -> PyResult<Bound<'_, PyAny>> {
        let sock = self.over(py, descriptor.as_raw_fd())?;
        // The object owns the descriptor from here on.
        let _owned = descriptor.into_raw_fd();
        Ok(sock)
    }

    /// A socket object over an open descriptor that never blocks.
    pub(super) fn over(self, py: Python<'_>, fd: RawFd) -> PyResult<Bound<'_, PyAny>> {
        let kind = self.kind | SocketFlags::NONBLOCK.bits();
        Self::class(py)?.call1((self.family, kind, self.proto, fd))
    }

    /// A socket object that is closed.
    pub(super) fn closed(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        let sock = Self::class(py)?.call1((self.family, self.kind, self.proto))?;
        sock.call_method0(intern!(py, "close"))?;
        Ok(sock)
    }
}

/// A connection without a socket object.
pub(crate) struct Bare {
    pub(crate) descriptor: OwnedFd,
    pub(crate) kind: Kind,
}
