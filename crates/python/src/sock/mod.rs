//! `sock_recv` and its kin: socket objects of the user's, read and written without a transport.
//!
//! Each method returns an awaitable that tries at once, waits only if the call would block, and
//! tries again when the socket is ready. What was received is never in flight between the wake-up
//! and the task: a cancelled operation has received nothing.

mod operation;
mod wait;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use operation::Request;
pub(crate) use operation::SockOperation;
pub(crate) use wait::{Owners, Wait};

use crate::event_loop::EventLoop;
use aioxide_engine::sources::Direction;

/// Refuses what asyncio refuses: TLS sockets, and in debug mode blocking ones.
fn check_socket(event_loop: &Bound<'_, EventLoop>, sock: &Bound<'_, PyAny>) -> PyResult<()> {
    static SOCKET: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = sock.py();
    // A plain socket, as most are, cannot be a TLS socket.
    if !sock.is_exact_instance(SOCKET.import(py, "socket", "socket")?) && is_tls_socket(sock)? {
        return Err(PyTypeError::new_err("Socket cannot be of type SSLSocket"));
    }
    if event_loop.get().is_debug() && !sock.call_method0(intern!(py, "gettimeout"))?.eq(0)? {
        return Err(PyValueError::new_err("the socket must be non-blocking"));
    }
    Ok(())
}

fn is_tls_socket(sock: &Bound<'_, PyAny>) -> PyResult<bool> {
    let py = sock.py();
    let modules = py.import("sys")?.getattr(intern!(py, "modules"))?;
    match modules.get_item(intern!(py, "ssl")) {
        Ok(ssl) => sock.is_instance(&ssl.getattr(intern!(py, "SSLSocket"))?),
        // Without the module there can be no such socket.
        Err(_) => Ok(false),
    }
}

#[pymethods]
impl EventLoop {
    /// Receives up to `n` bytes from a socket; `b""` at the end of the stream.
    #[pyo3(signature = (sock, n))]
    fn sock_recv(slf: &Bound<'_, Self>, sock: Py<PyAny>, n: isize) -> SockOperation {
        SockOperation::new(slf, sock, Request::Recv { length_max: n })
    }

    /// Receives into a writable buffer; the number of bytes, 0 at the end of the stream.
    #[pyo3(signature = (sock, buf))]
    fn sock_recv_into(slf: &Bound<'_, Self>, sock: Py<PyAny>, buf: Py<PyAny>) -> SockOperation {
        SockOperation::new(slf, sock, Request::RecvInto { buffer: buf })
    }

    /// Sends all of `data`.
    #[pyo3(signature = (sock, data))]
    fn sock_sendall(slf: &Bound<'_, Self>, sock: Py<PyAny>, data: Py<PyAny>) -> SockOperation {
        SockOperation::new(slf, sock, Request::SendAll { data, sent: 0 })
    }

    /// Accepts a connection; `(socket, address)`, the socket non-blocking.
    #[pyo3(signature = (sock))]
    fn sock_accept(slf: &Bound<'_, Self>, sock: Py<PyAny>) -> SockOperation {
        SockOperation::new(slf, sock, Request::Accept)
    }

    /// Waits until a read from the socket would not block.
    #[pyo3(name = "_wait_readable", signature = (sock))]
    fn wait_readable(slf: &Bound<'_, Self>, sock: Py<PyAny>) -> SockOperation {
        SockOperation::new(
            slf,
            sock,
            Request::Ready {
                direction: Direction::Read,
                has_waited: false,
            },
        )
    }

    /// Waits until a write to the socket would not block.
    #[pyo3(name = "_wait_writable", signature = (sock))]
    fn wait_writable(slf: &Bound<'_, Self>, sock: Py<PyAny>) -> SockOperation {
        SockOperation::new(
            slf,
            sock,
            Request::Ready {
                direction: Direction::Write,
                has_waited: false,
            },
        )
    }
}
