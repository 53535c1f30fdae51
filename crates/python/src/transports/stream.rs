//! A connected stream socket (TCP or Unix), or one end of a pipe, between its protocol and the kernel.
//!
//! This is the half that does things: reading is in [`reading`](super::reading), writing and flow control in
//! [`writing`](super::writing), beginning and end in [`life`](super::life). The other half,
//! `aioxide.stream_transport.StreamTransport`, is the object that protocols see. What ends of pipes do otherwise
//! is in [`pipe`](super::pipe).
//!
//! States: *open* → *closing* (no more reading; what is queued goes out) → *lost* (nothing moves,
//! `connection_lost` is scheduled or has been called). `abort` and errors go to *lost* at once.

use std::os::fd::RawFd;

use aioxide_engine::nonblocking::NonBlocking;
use aioxide_engine::sources::Direction;
use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyContext, PyDict, PyType};
use rustix::io::Errno;
use rustix::net::{self, SocketAddrAny};

use super::bare::Bare;
use super::channel::{Channel, Failure, Role};
use super::information::{Ends, Information};
use super::life;
use super::outgoing::Outgoing;
use super::owned::{Owned, Telling};
use super::reading::ReadSize;
use super::tls::Tls;
use crate::errors::os_error;
use crate::event_loop::{EventLoop, Watcher};
use crate::raw::context;
use crate::raw::guarded::Guarded;
use crate::streams::ReaderProtocol;

/// Above this many queued bytes the protocol is asked to pause, unless it says otherwise (asyncio's value).
pub(super) const HIGH_WATER_DEFAULT: usize = 64 * 1024;

/// How the protocol takes what is read.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Receiver {
    /// `data_received` with a bytes object.
    Data,
    /// The same, but the protocol is that of streams, and is told natively.
    Reader,
    /// `get_buffer` and `buffer_updated`.
    Buffer,
    /// TLS, natively.
    Tls,
}

/// What the loop thread changes.
pub(super) struct State {
    /// None once the connection is lost and the protocol has been told.
    pub(super) protocol: Option<Py<PyAny>>,
    /// The Python half. None once the connection is lost and the protocol has been told.
    pub(super) transport: Option<Py<PyAny>>,
    pub(super) receiver: Receiver,
    pub(super) read_size: ReadSize,
    pub(super) outgoing: Outgoing,
    pub(super) high_water: usize,
    pub(super) low_water: usize,
    /// Reading has begun: `connection_made` has been called.
    pub(super) has_begun: bool,
    /// The user paused reading.
    pub(super) is_read_paused: bool,
    /// The peer has sent its end of stream.
    pub(super) has_read_eof: bool,
    /// The protocol has been asked to pause writing.
    pub(super) is_write_paused: bool,
    /// `write_eof` was called.
    pub(super) has_written_eof: bool,
    /// The stream is in the loop's list of streams with writes held back.
    pub(super) is_held: bool,
    pub(super) is_closing: bool,
    /// Not zero once the connection is lost; then counts the writes that came too late.
    pub(super) lost_count: u32,
    /// Writes to the end of a pipe that came after it was closed, and one more if an error closed it.
    pub(super) late_write_count: u32,
    /// Set while a sendfile is under way: done when the queue is empty.
    pub(super) empty_waiter: Option<Py<PyAny>>,
    /// What the end of a pipe needs of its file for as long as it is ours.
    pub(super) mode: Option<NonBlocking>,
    /// The protocol's `connection_made`, until it is called.
    pub(super) announce: Option<Py<PyAny>>,
    /// What `connection_lost` will be told.
    pub(super) lost_by: Option<Py<PyAny>>,
    /// The server that counts the connection.
    pub(super) server: Option<Py<PyAny>>,
    /// The socket is closed, and its server knows.
    pub(super) is_released: bool,
    pub(super) information: Information,
}

impl State {
    /// Whether incoming data is wanted.
    pub(super) fn is_reading(&self) -> bool {
        self.has_begun && !self.is_read_paused && !self.is_closing && !self.has_read_eof
    }

    /// Whether nobody waits for the kernel to have everything that was written.
    pub(super) fn expects_nothing_of_writes(&self) -> bool {
        !self.is_write_paused
            && !self.is_closing
            && !self.has_written_eof
            && self.empty_waiter.is_none()
            && self.receiver != Receiver::Tls
    }
}

/// The native half of a stream transport.
#[pyclass(module = "aioxide._core", frozen, weakref)]
pub(crate) struct Stream {
    pub(super) event_loop: Py<EventLoop>,
    /// The socket object, or the file that is one end of a pipe.
    pub(crate) owned: Owned,
    pub(super) channel: Channel,
    /// Tells this stream from others that get the same descriptor number.
    identity: usize,
    /// Every callback of the protocol runs in it.
    pub(super) context: Py<PyContext>,
    /// The Python half is of the class for sockets itself, so that its methods are known.
    pub(super) is_of_own_class: bool,
    pub(super) state: Guarded<State>,
}

impl Stream {
    #[inline]
    pub(super) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, access)
    }

    pub(super) fn protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| {
            state
                .protocol
                .as_ref()
                .map(|protocol| protocol.clone_ref(py))
        })
    }

    /// Calls a method of the Python half, which is gone only when nothing can happen any more.
    pub(super) fn tell_transport<'py, A>(
        &self,
        py: Python<'py>,
        method: &Bound<'py, pyo3::types::PyString>,
        args: A,
    ) -> PyResult<()>
    where
        A: pyo3::call::PyCallArgs<'py>,
    {
        if let Some(transport) = self.with(py, |state| {
            state
                .transport
                .as_ref()
                .map(|transport| transport.clone_ref(py))
        }) {
            transport.bind(py).call_method1(method, args)?;
        }
        Ok(())
    }

    /// Reports an error that ends the connection.
    pub(super) fn fail(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        self.tell_transport(
            py,
            intern!(py, "_fatal_error"),
            (error.into_value(py), message),
        )
    }

    /// Reports that the kernel refused to read or to write.
    pub(super) fn fail_by_kernel(
        &self,
        py: Python<'_>,
        error: PyErr,
        failure: Failure,
    ) -> PyResult<()> {
        self.fail(py, error, self.channel.describe(failure))
    }

    /// Whether the socket is still open under the number that it had: somebody may have closed it behind us.
    pub(super) fn has_its_descriptor(&self, py: Python<'_>) -> bool {
        self.owned.has_its_descriptor(py)
    }

    /// Stops watching; whether there was a watch.
    pub(super) fn unwatch(&self, py: Python<'_>, direction: Direction, telling: Telling) -> bool {
        self.owned
            .unwatch(py, self.event_loop.get(), direction, telling)
    }

    /// A stream that has not begun, over the descriptor of `owned`.
    pub(super) fn make(
        event_loop: &Bound<'_, EventLoop>,
        owned: Owned,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
        channel: Channel,
        context: Py<PyContext>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        let state = State {
            protocol: Some(protocol.clone().unbind()),
            transport: Some(transport.clone().unbind()),
            receiver: Self::receiver_of(protocol)?,
            read_size: ReadSize::default(),
            outgoing: Outgoing::default(),
            high_water: HIGH_WATER_DEFAULT,
            low_water: HIGH_WATER_DEFAULT / 4,
            has_begun: false,
            is_read_paused: false,
            has_read_eof: false,
            is_write_paused: false,
            has_written_eof: false,
            is_held: false,
            is_closing: false,
            lost_count: 0,
            late_write_count: 0,
            empty_waiter: None,
            mode: None,
            announce: None,
            lost_by: None,
            server: None,
            is_released: false,
            information: Information {
                ends: Ends::default(),
                told: None,
                kind: owned.kind(py),
            },
        };
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            owned,
            channel,
            identity: transport.as_ptr().addr(),
            context,
            is_of_own_class: !channel.is_pipe()
                && transport.get_type().is(life::transport_class(py)?),
            state: Guarded::new(state),
        })
    }

    /// Hands what was received to a protocol that takes bytes objects.
    #[inline]
    pub(super) fn deliver<'py>(
        receiver: Receiver,
        protocol: &Bound<'py, PyAny>,
        data: Bound<'py, PyAny>,
    ) -> PyResult<()> {
        if receiver == Receiver::Reader {
            return ReaderProtocol::receive(protocol.cast()?, &data);
        }
        let data_received = intern!(protocol.py(), "data_received");
        protocol.call_method1(data_received, (data,)).map(drop)
    }

    pub(super) fn receiver_of(protocol: &Bound<'_, PyAny>) -> PyResult<Receiver> {
        static BUFFERED: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let buffered = BUFFERED.import(protocol.py(), "asyncio", "BufferedProtocol")?;
        Ok(if protocol.is_instance_of::<Tls>() {
            Receiver::Tls
        } else if protocol.is_instance(buffered)? {
            Receiver::Buffer
        } else if let Ok(protocol) = protocol.cast::<ReaderProtocol>()
            && ReaderProtocol::receives_natively(protocol)?
        {
            Receiver::Reader
        } else {
            Receiver::Data
        })
    }

    /// Begins or goes on to watch.
    pub(super) fn watch(slf: &Bound<'_, Self>, direction: Direction) -> Result<(), Errno> {
        let (py, stream) = (slf.py(), slf.get());
        let watcher = Watcher::Stream(slf.clone().unbind());
        let event_loop = stream.event_loop.get();
        drop(stream.owned.watch(py, event_loop, direction, watcher)?);
        Ok(())
    }

    /// Begins or goes on to watch for incoming data.
    pub(super) fn watch_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let stream = slf.get();
        Self::watch(slf, Direction::Read)
            .or_else(|errno| stream.fail_by_kernel(py, os_error(py, errno), Failure::Read))
    }
}

/// Sends small packets at once, as asyncio does. Sockets that are not TCP have no such delay, and refuse.
fn disable_nagle(fd: RawFd) {
    let _refused = borrow_fd(fd).and_then(|socket| net::sockopt::set_tcp_nodelay(socket, true));
}

impl Stream {
    /// The native half of a connection that was just accepted, whose Python half is `transport`.
    pub(crate) fn of_accepted(
        event_loop: &Bound<'_, EventLoop>,
        accepted: (Bare, Option<SocketAddrAny>),
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
        context: Py<PyContext>,
    ) -> PyResult<Self> {
        event_loop.get().check_closed()?;
        let (bare, peer) = accepted;
        let owned = Owned::bare(bare);
        let ends = Ends::accepted(&owned, peer);
        let channel = Channel::CONNECTION;
        let stream = Self::make(event_loop, owned, protocol, transport, channel, context)?;
        stream.settle_in(event_loop.py(), ends);
        Ok(stream)
    }

    /// Has the connection counted by the server that accepted it.
    pub(crate) fn serve(&self, py: Python<'_>, server: Option<&Bound<'_, PyAny>>) {
        let server = server.map(|server| server.clone().unbind());
        self.with(py, |state| state.server = server);
    }

    /// Makes a connection's descriptor known as one of the loop's.
    fn settle_in(&self, py: Python<'_>, ends: Ends) {
        self.with(py, |state| state.information.ends = ends);
        self.event_loop.get().with(py, |state| {
            state.stream_fds.insert(self.owned.fd, self.identity);
        });
        disable_nagle(self.owned.fd);
    }
}

#[pymethods]
impl Stream {
    #[new]
    #[pyo3(signature = (event_loop, sock, protocol, transport, extra=None, server=None))]
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        sock: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
        extra: Option<Bound<'_, PyDict>>,
        server: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        event_loop.get().check_closed()?;
        let owned = Owned::of(sock)?;
        let ends = Ends::of(&owned);
        let context = context::copy_current(py)?;
        let channel = Channel::CONNECTION;
        let stream = Self::make(event_loop, owned, protocol, transport, channel, context)?;
        stream.settle_in(py, ends);
        stream.serve(py, server);
        stream.inform(py, extra)?;
        Ok(stream)
    }

    /// The context that the protocol's callbacks run in.
    #[getter]
    fn context(&self, py: Python<'_>) -> Py<PyContext> {
        self.context.clone_ref(py)
    }

    /// Begins to read. Called once, after `connection_made`.
    pub(super) fn begin(slf: &Bound<'_, Self>) -> PyResult<()> {
        let is_reading = slf.get().with(slf.py(), |state| {
            state.has_begun = true;
            state.is_reading()
        });
        match slf.get().channel.role {
            _ if !is_reading => Ok(()),
            Role::PipeWriter => Self::watch_peer(slf),
            Role::Connection | Role::PipeReader => Self::watch_reading(slf),
        }
    }

    /// Whether the transport is closing or closed.
    pub(super) fn is_closing(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_closing)
    }

    /// Whether incoming data is being read.
    fn is_reading(&self, py: Python<'_>) -> bool {
        self.with(py, |state| !state.is_closing && !state.is_read_paused)
    }

    /// Whether the protocol has been asked to pause writing.
    #[getter]
    fn is_writing_paused(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_write_paused)
    }

    /// Stops reading until `resume_reading`. Does nothing if it has stopped already.
    fn pause_reading(&self, py: Python<'_>) -> PyResult<()> {
        let (pauses, was_reading) = self.with(py, |state| {
            let was_reading = state.is_reading();
            let pauses = !state.is_closing && !state.is_read_paused;
            state.is_read_paused |= pauses;
            (pauses, was_reading)
        });
        if was_reading {
            self.unwatch(py, Direction::Read, Telling::IfAsked);
        }
        if pauses {
            self.note_reading(py, "pauses")
        } else {
            Ok(())
        }
    }

    /// Goes on reading. Does nothing if it is not paused.
    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (resumes, is_reading) = slf.get().with(slf.py(), |state| {
            let resumes = state.is_read_paused && !state.is_closing;
            state.is_read_paused &= !resumes;
            (resumes, resumes && state.is_reading())
        });
        if is_reading && slf.get().has_its_descriptor(slf.py()) {
            Self::watch_reading(slf)?;
        }
        if resumes {
            slf.get().note_reading(slf.py(), "resumes")
        } else {
            Ok(())
        }
    }

    /// Closes the connection once everything that was written has gone out.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let stream = slf.get();
        let is_first = stream.with(py, |state| !std::mem::replace(&mut state.is_closing, true));
        if !is_first {
            return Ok(());
        }
        if stream.channel.role != Role::PipeWriter {
            // A writer goes on listening for the end of its reader.
            stream.unwatch(py, Direction::Read, Telling::AtOnce);
        }
        stream.flush(slf)
    }

    /// Closes the connection at once. What the kernel does not take now is dropped.
    fn abort(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::force_close(slf, None)
    }

    /// Closes the connection at once, with the reason that `connection_lost` will be given.
    #[pyo3(name = "_force_close")]
    fn force_close(slf: &Bound<'_, Self>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        slf.get().send_held(slf.py())?;
        Self::lose(slf, error)
    }

    /// Lets go of protocol, transport and descriptor; the Python half closes the socket next.
    pub(super) fn detach(&self, py: Python<'_>) {
        self.unwatch(py, Direction::Read, Telling::AtOnce);
        self.unwatch(py, Direction::Write, Telling::AtOnce);
        self.event_loop.get().with(py, |state| {
            let is_ours = state.stream_fds.get(&self.owned.fd) == Some(&self.identity);
            if is_ours {
                state.stream_fds.remove(&self.owned.fd);
            }
            if is_ours || self.channel.is_pipe() {
                // A pause has left the kernel watching: where the socket has a twin (`dup`, a
                // forked child), its descriptor's end would not be the end of that.
                state.sources.settle(self.owned.fd);
            }
        });
        let released = self.with(py, |state| {
            state.is_closing = true;
            state.lost_count = state.lost_count.max(1);
            state.outgoing.clear();
            (
                state.protocol.take(),
                state.transport.take(),
                state.empty_waiter.take(),
                state.mode.take(),
                state.announce.take(),
            )
        });
        drop(released);
    }

    /// The protocol.
    #[pyo3(name = "get_protocol")]
    fn protocol_or_none(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol(py)
    }

    /// Hands the connection to another protocol.
    fn set_protocol(&self, py: Python<'_>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let receiver = Self::receiver_of(protocol)?;
        let previous = self.with(py, |state| {
            state.receiver = receiver;
            state.protocol.replace(protocol.clone().unbind())
        });
        drop(previous);
        Ok(())
    }

    /// A future that is done when everything written has gone out; until it is reset, writing is refused.
    fn make_empty_waiter<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let stream = slf.get();
        stream.flush(slf)?;
        if stream.with(py, |state| state.empty_waiter.is_some()) {
            return Err(PyRuntimeError::new_err("Empty waiter is already set"));
        }
        let waiter = EventLoop::new_future(stream.event_loop.bind(py))?.into_any();
        let is_empty = stream.with(py, |state| {
            state.empty_waiter = Some(waiter.clone().unbind());
            state.outgoing.is_empty()
        });
        if is_empty {
            waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
        }
        Ok(waiter)
    }

    /// Allows writing again.
    fn reset_empty_waiter(&self, py: Python<'_>) {
        let waiter = self.with(py, |state| state.empty_waiter.take());
        drop(waiter);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        self.owned.traverse(&visit)?;
        visit.call(&self.context)?;
        self.state
            .visit(|state| {
                visit.call(&state.protocol)?;
                visit.call(&state.transport)?;
                visit.call(&state.announce)?;
                visit.call(&state.lost_by)?;
                visit.call(&state.server)?;
                visit.call(&state.information.told)?;
                visit.call(&state.empty_waiter)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let released = self.with(py, |state| {
            (
                state.protocol.take(),
                state.transport.take(),
                state.empty_waiter.take(),
                state.announce.take(),
                state.lost_by.take(),
                state.server.take(),
                state.information.told.take(),
            )
        });
        drop(released);
    }
}
