//! One `sock_*` call as an awaitable: it tries, waits if it must, and tries again.
//!
//! It is what a coroutine of the standard library would be (`send`, `throw`, `close`), so that it
//! can be awaited, made a task, or passed to `wait_for`; like a coroutine it does nothing before that.

use std::os::fd::RawFd;

use aioxide_engine::sockets::{self, Attempt};
use aioxide_engine::sources::Direction;
use aioxide_engine::sys::borrow_fd;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{
    PyBlockingIOError, PyBufferError, PyRuntimeError, PyStopIteration, PyTypeError, PyValueError,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;

use super::check_socket;
use super::wait::Wait;
use crate::errors::os_error;
use crate::event_loop::{EventLoop, SCRATCH_SIZE};
use crate::raw::bytes;
use crate::raw::guarded::Guarded;

/// What an operation does once its socket lets it.
pub(super) enum Request {
    Recv {
        length_max: isize,
    },
    RecvInto {
        buffer: Py<PyAny>,
    },
    SendAll {
        data: Py<PyAny>,
        sent: usize,
    },
    Accept,
    /// Nothing: it is the readiness that is wanted.
    Ready {
        direction: Direction,
        has_waited: bool,
    },
}

enum Step {
    Done(Py<PyAny>),
    WouldBlock(Direction),
}

/// How far one step of the awaitable has got.
enum Advance {
    Yield(Py<PyAny>),
    Return(Py<PyAny>),
}

/// Where an operation stands.
enum Progress {
    New(Request),
    Waiting {
        request: Request,
        wait: Py<Wait>,
        future: Py<PyAny>,
    },
    /// It has ended, or its step is under way.
    Finished,
}

impl Request {
    fn name(&self) -> &'static str {
        match self {
            Self::Recv { .. } => "sock_recv",
            Self::RecvInto { .. } => "sock_recv_into",
            Self::SendAll { .. } => "sock_sendall",
            Self::Accept => "sock_accept",
            Self::Ready { .. } => "sock_ready",
        }
    }

    fn attempt(
        &mut self,
        event_loop: &Bound<'_, EventLoop>,
        sock: &Bound<'_, PyAny>,
        fd: RawFd,
    ) -> PyResult<Step> {
        let py = sock.py();
        match self {
            Self::Recv { length_max } => recv(event_loop, fd, *length_max),
            Self::RecvInto { buffer } => recv_into(buffer.bind(py), fd),
            Self::SendAll { data, sent } => send_all(data.bind(py), sent, fd),
            Self::Accept => accept(sock),
            Self::Ready {
                has_waited: true, ..
            } => Ok(Step::Done(py.None())),
            Self::Ready {
                direction,
                has_waited,
            } => {
                *has_waited = true;
                Ok(Step::WouldBlock(*direction))
            }
        }
    }
}

fn recv(event_loop: &Bound<'_, EventLoop>, fd: RawFd, length_max: isize) -> PyResult<Step> {
    let py = event_loop.py();
    let length_max = usize::try_from(length_max)
        .map_err(|_negative| PyValueError::new_err("negative buffersize in recv"))?;
    let socket = borrow_fd(fd).map_err(|errno| os_error(py, errno))?;
    let received = if length_max <= SCRATCH_SIZE {
        event_loop.get().with_scratch(py, |scratch| {
            let memory = scratch.get_mut(..length_max).unwrap_or_default();
            let attempt = sockets::recv_into(socket, memory)?;
            Ok(match attempt {
                Attempt::Done(count) => {
                    Attempt::Done(PyBytes::new(py, memory.get(..count).unwrap_or_default()))
                }
                Attempt::WouldBlock => Attempt::WouldBlock,
            })
        })
    } else {
        receive_large(py, fd, length_max)?
    };
    match received {
        Ok(Attempt::Done(bytes)) => Ok(Step::Done(bytes.into_any().unbind())),
        Ok(Attempt::WouldBlock) => Ok(Step::WouldBlock(Direction::Read)),
        Err(errno) => Err(os_error(py, errno)),
    }
}

/// Receives straight into the bytes object that the caller gets.
fn receive_large(
    py: Python<'_>,
    fd: RawFd,
    length_max: usize,
) -> PyResult<Result<Attempt<Bound<'_, PyBytes>>, Errno>> {
    let socket = borrow_fd(fd).map_err(|errno| os_error(py, errno))?;
    let mut would_block = false;
    let mut refused = None;
    let bytes = bytes::bytes_filled(py, length_max, |memory| {
        match sockets::recv(socket, memory) {
            Ok(Attempt::Done(count)) => count,
            Ok(Attempt::WouldBlock) => {
                would_block = true;
                0
            }
            Err(errno) => {
                refused = Some(errno);
                0
            }
        }
    })?;
    Ok(match refused {
        Some(errno) => Err(errno),
        None if would_block => Ok(Attempt::WouldBlock),
        None => Ok(Attempt::Done(bytes)),
    })
}

fn recv_into(buffer: &Bound<'_, PyAny>, fd: RawFd) -> PyResult<Step> {
    let py = buffer.py();
    let view = PyUntypedBuffer::get(buffer)?;
    let received = match bytes::writable(py, &view) {
        Some(memory) => borrow_fd(fd).and_then(|socket| sockets::recv(socket, memory)),
        None => {
            let class = buffer.get_type().name()?;
            return Err(PyTypeError::new_err(format!(
                "recv_into() argument 1 must be read-write bytes-like object, not {class}"
            )));
        }
    };
    view.release(py);
    match received.map_err(|errno| os_error(py, errno))? {
        Attempt::Done(count) => Ok(Step::Done(count.into_pyobject(py)?.into_any().unbind())),
        Attempt::WouldBlock => Ok(Step::WouldBlock(Direction::Read)),
    }
}

fn send_all(data: &Bound<'_, PyAny>, sent: &mut usize, fd: RawFd) -> PyResult<Step> {
    let py = data.py();
    let is_done = if let Ok(data) = data.cast::<PyBytes>() {
        send_rest(py, fd, data.as_bytes(), sent)?
    } else {
        let view = PyUntypedBuffer::get(data)?;
        let memory = bytes::readable(py, &view).ok_or_else(|| {
            PyBufferError::new_err("memoryview: underlying buffer is not C-contiguous")
        })?;
        let result = send_rest(py, fd, memory, sent);
        view.release(py);
        result?
    };
    Ok(if is_done {
        Step::Done(py.None())
    } else {
        Step::WouldBlock(Direction::Write)
    })
}

/// Sends what the kernel takes; whether that was all.
fn send_rest(py: Python<'_>, fd: RawFd, memory: &[u8], sent: &mut usize) -> PyResult<bool> {
    let rest = memory.get(*sent..).unwrap_or_default();
    let attempt = borrow_fd(fd).and_then(|socket| sockets::send(socket, rest));
    if let Attempt::Done(count) = attempt.map_err(|errno| os_error(py, errno))? {
        *sent += count;
    }
    Ok(*sent >= memory.len())
}

fn accept(sock: &Bound<'_, PyAny>) -> PyResult<Step> {
    let py = sock.py();
    match sock.call_method0(intern!(py, "accept")) {
        Ok(accepted) => {
            accepted
                .get_item(0)?
                .call_method1(intern!(py, "setblocking"), (false,))?;
            Ok(Step::Done(accepted.unbind()))
        }
        Err(error) if error.is_instance_of::<PyBlockingIOError>(py) => {
            Ok(Step::WouldBlock(Direction::Read))
        }
        Err(error) => Err(error),
    }
}

/// A `sock_*` call. Await it, or make it a task.
#[pyclass(module = "aioxide._core", frozen, weakref)]
pub(crate) struct SockOperation {
    event_loop: Py<EventLoop>,
    sock: Py<PyAny>,
    name: &'static str,
    progress: Guarded<Progress>,
}

impl SockOperation {
    pub(super) fn new(
        event_loop: &Bound<'_, EventLoop>,
        sock: Py<PyAny>,
        request: Request,
    ) -> Self {
        Self {
            event_loop: event_loop.clone().unbind(),
            sock,
            name: request.name(),
            progress: Guarded::new(Progress::New(request)),
        }
    }

    /// Goes one step: a future to wait for, or the result.
    fn advance(&self, py: Python<'_>) -> PyResult<Advance> {
        let event_loop = self.event_loop.bind(py);
        let sock = self.sock.bind(py);
        let mut request = match self.progress.replace(py, Progress::Finished) {
            Progress::New(request) => {
                check_socket(event_loop, sock)?;
                request
            }
            Progress::Waiting {
                request,
                wait,
                future,
            } => {
                // Raises what the future holds, if somebody has failed or cancelled it.
                if let Err(error) = future.bind(py).call_method0(intern!(py, "result")) {
                    if !future
                        .bind(py)
                        .call_method0(intern!(py, "done"))?
                        .is_truthy()?
                    {
                        drop(self.progress.replace(
                            py,
                            Progress::Waiting {
                                request,
                                wait,
                                future,
                            },
                        ));
                        return Err(PyRuntimeError::new_err("await wasn't used with future"));
                    }
                    return Err(error);
                }
                request
            }
            Progress::Finished => {
                return Err(PyRuntimeError::new_err(
                    "cannot reuse already awaited coroutine",
                ));
            }
        };
        let fd = sock.call_method0(intern!(py, "fileno"))?.extract()?;
        match request.attempt(event_loop, sock, fd)? {
            Step::Done(result) => Ok(Advance::Return(result)),
            Step::WouldBlock(direction) => {
                let (wait, future) = Wait::join(event_loop, sock, fd, direction)?;
                future.setattr(intern!(py, "_asyncio_future_blocking"), true)?;
                let waiting = Progress::Waiting {
                    request,
                    wait,
                    future: future.clone().unbind(),
                };
                drop(self.progress.replace(py, waiting));
                Ok(Advance::Yield(future.unbind()))
            }
        }
    }

    fn abandon(&self, py: Python<'_>) {
        if let Progress::Waiting {
            request,
            wait,
            future,
        } = self.progress.replace(py, Progress::Finished)
        {
            wait.get().leave(py, &future);
            drop((request, wait, future));
        }
    }
}

#[pymethods]
impl SockOperation {
    fn __await__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self.advance(py)? {
            Advance::Yield(future) => Ok(Some(future)),
            // The end of an iteration without a value is None, and costs no exception.
            Advance::Return(result) if result.is_none(py) => Ok(None),
            Advance::Return(result) => Err(PyStopIteration::new_err((result,))),
        }
    }

    /// Goes on, as a coroutine's `send`.
    fn send(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<Py<PyAny>> {
        let _ignored = value;
        match self.advance(py)? {
            Advance::Yield(future) => Ok(future),
            Advance::Return(result) => Err(PyStopIteration::new_err((result,))),
        }
    }

    /// Ends the operation with an exception, as a coroutine's `throw`.
    #[pyo3(signature = (typ, val=None, tb=None))]
    fn throw(
        &self,
        py: Python<'_>,
        typ: Bound<'_, PyAny>,
        val: Option<Bound<'_, PyAny>>,
        tb: Option<Bound<'_, PyAny>>,
    ) -> PyResult<Py<PyAny>> {
        self.abandon(py);
        let error = if typ.is_instance_of::<pyo3::exceptions::PyBaseException>() {
            typ
        } else {
            match val {
                Some(val) if val.is_instance_of::<pyo3::exceptions::PyBaseException>() => val,
                Some(val) => typ.call1((val,))?,
                None => typ.call0()?,
            }
        };
        if let Some(traceback) = tb {
            error.setattr(intern!(py, "__traceback__"), traceback)?;
        }
        Err(PyErr::from_value(error))
    }

    /// Ends the operation, as a coroutine's `close`.
    fn close(&self, py: Python<'_>) {
        self.abandon(py);
    }

    #[getter(__name__)]
    fn name(&self) -> &'static str {
        self.name
    }

    #[getter(__qualname__)]
    fn qualname(&self) -> String {
        format!("EventLoop.{}", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.sock)?;
        self.progress
            .visit(|progress| {
                if let Progress::Waiting { wait, future, .. } = progress {
                    visit.call(wait)?;
                    visit.call(future)?;
                }
                match progress {
                    Progress::New(
                        Request::RecvInto { buffer: data } | Request::SendAll { data, .. },
                    )
                    | Progress::Waiting {
                        request: Request::RecvInto { buffer: data } | Request::SendAll { data, .. },
                        ..
                    } => visit.call(data),
                    _ => Ok(()),
                }
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.progress.replace(py, Progress::Finished));
    }
}
