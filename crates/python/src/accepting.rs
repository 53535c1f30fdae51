//! How a server accepts a connection: one system call, and a socket object around what it returns.
//!
//! `socket.accept` takes three system calls until the socket never blocks, makes enums of the family and
//! the type of the listening socket each time, and says with an exception that no connection waits.

use std::os::fd::{AsRawFd, IntoRawFd, RawFd};

use aioxide_engine::sockets::{self, Attempt};
use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use rustix::net::SocketFlags;

use crate::addresses;
use crate::errors::os_error;

/// A connection's socket, and the address of its peer.
type Accepted<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Accepts a connection that waits at `listener`, a `socket.socket`; None if none does. The connection's socket
/// never blocks. Fails as `socket.accept` does.
#[pyfunction]
pub(crate) fn accept<'py>(listener: &Bound<'py, PyAny>) -> PyResult<Option<Accepted<'py>>> {
    static SOCKET: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = listener.py();
    let fd: RawFd = listener.call_method0(intern!(py, "fileno"))?.extract()?;
    let (connection, peer) = match borrow_fd(fd).and_then(sockets::accept) {
        Ok(Attempt::Done(accepted)) => accepted,
        Ok(Attempt::WouldBlock) => return Ok(None),
        Err(errno) => return Err(os_error(py, errno)),
    };
    let class = SOCKET.import(py, "socket", "socket")?;
    let (family, kind) = family_and_kind(listener)?;
    let kind = kind | SocketFlags::NONBLOCK.bits();
    let proto = listener.getattr(intern!(py, "proto"))?;
    let sock = class.call1((family, kind, proto, connection.as_raw_fd()))?;
    // The object owns the descriptor from here on.
    let _owned = connection.into_raw_fd();
    let address = match peer {
        Some(peer) => addresses::to_python(py, &peer)?,
        None => None,
    };
    let address = match address {
        Some(address) => address,
        None => other_address(&sock)?,
    };
    Ok(Some((sock, address)))
}

/// What the built-in class below `socket.socket` has for numbers, which the latter makes enums of, anew each time.
fn family_and_kind(sock: &Bound<'_, PyAny>) -> PyResult<(u32, u32)> {
    static NUMBERS: PyOnceLock<[Py<PyAny>; 2]> = PyOnceLock::new();
    let py = sock.py();
    let numbers = NUMBERS.get_or_try_init(py, || {
        let class = py.import("_socket")?.getattr("socket")?;
        let find = |name: &str| class.getattr(name).map(Bound::unbind);
        Ok::<_, PyErr>([find("family")?, find("type")?])
    })?;
    let [family, kind] = numbers.each_ref().map(|number| {
        number
            .bind(py)
            .call_method1(intern!(py, "__get__"), (sock,))
    });
    Ok((family?.extract()?, kind?.extract()?))
}

/// The address of a peer that is not on the internet; None if it has gone already.
fn other_address<'py>(sock: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = sock.py();
    match sock.call_method0(intern!(py, "getpeername")) {
        Err(error) if error.is_instance_of::<PyOSError>(py) => Ok(py.None().into_bound(py)),
        address => address,
    }
}
