//! A datagram socket (UDP or Unix) between its protocol and the kernel.
//!
//! This is the half that runs per datagram: receiving is in [`datagram_receiving`](super::datagram_receiving),
//! sending and flow control in [`datagram_sending`](super::datagram_sending). The other half,
//! `aioxide.datagram_transport.DatagramTransport`, is the object that protocols see; it owns the socket and
//! its life cycle.
//!
//! States: *open* → *closing* (no more receiving; what is queued goes out) → *lost* (`connection_lost` is
//! scheduled or has been called). `abort` and errors go to *lost* at once. As in asyncio, an endpoint without
//! a fixed peer can still send while it is *lost*, until its socket is closed.

use std::collections::VecDeque;
use std::os::fd::RawFd;

use aioxide_engine::sources::Direction;
use aioxide_engine::sys::borrow_fd;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyContext, PyString};
use rustix::io::Errno;
use rustix::net::{self, AddressFamily};

use super::datagram_peers::Peers;
use super::datagram_sending::Queue;
use super::owned::{Owned, Telling};
use crate::addresses::Family;
use crate::errors::os_error;
use crate::event_loop::{EventLoop, Watcher, Work};
use crate::raw::context;
use crate::raw::guarded::Guarded;

/// What kind of addresses a socket has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Addressing {
    /// IPv4 or IPv6: native throughout.
    Internet(Family),
    /// Unix: paths and abstract names. Sending to one goes through the socket object.
    Local,
    /// Any other: the socket object knows, and does it all.
    Foreign,
}

/// A datagram that was received, and its sender in Python's spelling.
pub(super) type Received = (Py<PyBytes>, Py<PyAny>);

/// What the loop thread changes.
pub(super) struct State {
    /// None once the end has come and the protocol has been told.
    pub(super) protocol: Option<Py<PyAny>>,
    /// The Python half. None once the end has come and the protocol has been told.
    pub(super) transport: Option<Py<PyAny>>,
    /// Datagrams that the kernel did not take.
    pub(super) queue: Queue,
    /// Datagrams that were received with others, the protocol having paused or the loop ended meanwhile.
    pub(super) held: VecDeque<Received>,
    pub(super) peers: Peers,
    /// Datagrams come so fast that several are received at a time.
    pub(super) expects_many: bool,
    /// How many more datagrams are taken to come alone, since the last one did.
    pub(super) lone_count: u8,
    pub(super) high_water: usize,
    pub(super) low_water: usize,
    /// Receiving has begun: `connection_made` has been called.
    has_begun: bool,
    /// The user paused receiving.
    is_read_paused: bool,
    /// The protocol has been asked to pause sending.
    pub(super) is_write_paused: bool,
    pub(super) is_closing: bool,
    /// The socket is closed, or is about to be.
    pub(super) is_detached: bool,
    /// Not zero once *lost*; then counts the datagrams that came too late.
    pub(super) lost_count: u32,
}

impl State {
    /// Whether datagrams are wanted.
    #[inline]
    pub(super) fn is_reading(&self) -> bool {
        self.has_begun && !self.is_read_paused && !self.is_closing
    }
}

/// The native half of a datagram transport.
#[pyclass(module = "aioxide._core", frozen, weakref)]
pub(crate) struct DatagramEndpoint {
    pub(super) event_loop: Py<EventLoop>,
    /// The socket object.
    pub(crate) owned: Owned,
    /// Tells this endpoint from others that get the same descriptor number.
    identity: usize,
    pub(super) addressing: Addressing,
    /// Where everything goes, if the transport was made for one address.
    pub(super) remote: Option<Py<PyAny>>,
    /// Whether the kernel knows where everything goes: then no address is given to it.
    pub(super) is_connected: bool,
    /// Every callback of the protocol runs in it.
    pub(super) context: Py<PyContext>,
    state: Guarded<State>,
}

impl DatagramEndpoint {
    #[inline]
    pub(super) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, access)
    }

    pub(super) fn protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| {
            let protocol = state.protocol.as_ref();
            protocol.map(|protocol| protocol.clone_ref(py))
        })
    }

    /// The kernel says that this endpoint can receive or send.
    pub(crate) fn ready(slf: &Bound<'_, Self>, direction: Direction) -> PyResult<()> {
        context::run_in(slf.py(), &slf.get().context, || match direction {
            Direction::Read => Self::read_ready(slf),
            Direction::Write => Self::write_ready(slf),
        })
    }

    /// Calls a method of the Python half, which is gone only when nothing can happen any more.
    pub(super) fn tell_transport<'py, A>(
        &self,
        py: Python<'py>,
        method: &Bound<'py, PyString>,
        args: A,
    ) -> PyResult<()>
    where
        A: pyo3::call::PyCallArgs<'py>,
    {
        let transport = self.with(py, |state| {
            let transport = state.transport.as_ref();
            transport.map(|transport| transport.clone_ref(py))
        });
        if let Some(transport) = transport {
            transport.bind(py).call_method1(method, args)?;
        }
        Ok(())
    }

    /// Reports an error that ends the endpoint.
    pub(super) fn fail(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        let error = error.into_value(py);
        self.tell_transport(py, intern!(py, "_fatal_error"), (error, message))
    }

    /// Whether the socket is still open under the number that it had: somebody may have closed it behind us.
    #[inline]
    pub(super) fn has_its_descriptor(&self, py: Python<'_>) -> bool {
        self.owned.has_its_descriptor(py)
    }

    /// Begins or goes on to watch.
    pub(super) fn watch(slf: &Bound<'_, Self>, direction: Direction) -> Result<(), Errno> {
        let (py, endpoint) = (slf.py(), slf.get());
        let watcher = Watcher::Datagrams(slf.clone().unbind());
        let event_loop = endpoint.event_loop.get();
        drop(endpoint.owned.watch(py, event_loop, direction, watcher)?);
        Ok(())
    }

    fn watch_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        Self::watch(slf, Direction::Read).or_else(|errno| {
            let error = os_error(py, errno);
            slf.get()
                .fail(py, error, "Fatal read error on datagram transport")
        })
    }

    /// Stops watching, and tells the kernel at once.
    pub(super) fn unwatch(&self, py: Python<'_>, direction: Direction) {
        let event_loop = self.event_loop.get();
        self.owned
            .unwatch(py, event_loop, direction, Telling::AtOnce);
    }

    /// Moves to *lost*: drops what is queued and schedules `connection_lost`.
    pub(super) fn lose(&self, py: Python<'_>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let dropped = self.with(py, |state| {
            (state.lost_count == 0).then(|| {
                state.is_closing = true;
                state.lost_count = 1;
                (
                    std::mem::take(&mut state.queue),
                    std::mem::take(&mut state.held),
                )
            })
        });
        if dropped.is_some() {
            self.unwatch(py, Direction::Read);
            self.unwatch(py, Direction::Write);
            self.tell_transport(py, intern!(py, "_schedule_connection_lost"), (error,))?;
        }
        Ok(())
    }
}

/// What kind of addresses the socket has, by the kernel's account.
fn addressing_of(fd: RawFd) -> Addressing {
    let family = borrow_fd(fd)
        .and_then(net::getsockname)
        .map(|name| name.address_family());
    match family {
        Ok(AddressFamily::INET) => Addressing::Internet(Family::V4),
        Ok(AddressFamily::INET6) => Addressing::Internet(Family::V6),
        Ok(AddressFamily::UNIX) => Addressing::Local,
        _ => Addressing::Foreign,
    }
}

#[pymethods]
impl DatagramEndpoint {
    #[new]
    #[pyo3(signature = (event_loop, sock, protocol, transport, remote))]
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        sock: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
        remote: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        event_loop.get().check_closed()?;
        let owned = Owned::of(sock)?;
        let fd = owned.fd;
        let remote = remote.is_truthy()?.then(|| remote.clone().unbind());
        let identity = transport.as_ptr().addr();
        let state = State {
            protocol: Some(protocol.clone().unbind()),
            transport: Some(transport.clone().unbind()),
            queue: Queue::default(),
            held: VecDeque::new(),
            peers: Peers::default(),
            expects_many: false,
            lone_count: 0,
            high_water: super::stream::HIGH_WATER_DEFAULT,
            low_water: super::stream::HIGH_WATER_DEFAULT / 4,
            has_begun: false,
            is_read_paused: false,
            is_write_paused: false,
            is_closing: false,
            is_detached: false,
            lost_count: 0,
        };
        let context = context::copy_current(py)?;
        event_loop
            .get()
            .with(py, |state| state.stream_fds.insert(fd, identity));
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            owned,
            identity,
            addressing: addressing_of(fd),
            remote,
            is_connected: borrow_fd(fd).and_then(net::getpeername).is_ok(),
            context,
            state: Guarded::new(state),
        })
    }

    /// The context that the protocol's callbacks run in.
    #[getter]
    fn context(&self, py: Python<'_>) -> Py<PyContext> {
        self.context.clone_ref(py)
    }

    /// Begins to receive. Called once, after `connection_made`.
    fn begin(slf: &Bound<'_, Self>) -> PyResult<()> {
        let is_reading = slf.get().with(slf.py(), |state| {
            state.has_begun = true;
            state.is_reading()
        });
        if is_reading {
            Self::watch_reading(slf)
        } else {
            Ok(())
        }
    }

    /// Whether the transport is closing or closed.
    fn is_closing(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_closing)
    }

    /// Whether datagrams are being received.
    fn is_reading(&self, py: Python<'_>) -> bool {
        self.with(py, |state| !state.is_closing && !state.is_read_paused)
    }

    /// Whether the protocol has been asked to pause sending.
    #[getter]
    fn is_writing_paused(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_write_paused)
    }

    /// Stops receiving until `resume_reading`. Does nothing if it has stopped already.
    fn pause_reading(&self, py: Python<'_>) {
        let was_reading = self.with(py, |state| {
            let was_reading = state.is_reading();
            state.is_read_paused |= !state.is_closing;
            was_reading
        });
        if was_reading {
            self.unwatch(py, Direction::Read);
        }
    }

    /// Goes on receiving. Does nothing if it is not paused.
    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let endpoint = slf.get();
        let (is_reading, has_held) = endpoint.with(py, |state| {
            let was_paused = state.is_read_paused;
            state.is_read_paused = was_paused && state.is_closing;
            (was_paused && state.is_reading(), !state.held.is_empty())
        });
        if !is_reading || !endpoint.has_its_descriptor(py) {
            return Ok(());
        }
        if has_held {
            Self::schedule_held(slf);
        }
        Self::watch_reading(slf)
    }

    /// Closes the endpoint once every datagram that waits has gone out.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        let closed = self.with(py, |state| {
            let is_first = !std::mem::replace(&mut state.is_closing, true);
            is_first.then(|| (state.queue.is_empty(), std::mem::take(&mut state.held)))
        });
        let Some((is_idle, unwanted)) = closed else {
            return Ok(());
        };
        drop(unwanted);
        self.unwatch(py, Direction::Read);
        if is_idle { self.lose(py, None) } else { Ok(()) }
    }

    /// Closes the endpoint at once. What waits is dropped.
    fn abort(&self, py: Python<'_>) -> PyResult<()> {
        self.lose(py, None)
    }

    /// Closes the endpoint at once, with the reason that `connection_lost` will be given.
    #[pyo3(name = "_force_close")]
    fn force_close(&self, py: Python<'_>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.lose(py, error)
    }

    /// Lets go of protocol, transport and descriptor; the Python half closes the socket next.
    fn detach(&self, py: Python<'_>) {
        self.unwatch(py, Direction::Read);
        self.unwatch(py, Direction::Write);
        self.event_loop.get().with(py, |state| {
            if state.stream_fds.get(&self.owned.fd) == Some(&self.identity) {
                state.stream_fds.remove(&self.owned.fd);
            }
        });
        let released = self.with(py, |state| {
            state.is_closing = true;
            state.is_detached = true;
            state.lost_count = state.lost_count.max(1);
            (
                state.protocol.take(),
                state.transport.take(),
                std::mem::take(&mut state.queue),
                std::mem::take(&mut state.held),
            )
        });
        drop(released);
    }

    /// The protocol.
    #[pyo3(name = "get_protocol")]
    fn protocol_or_none(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol(py)
    }

    /// Hands the endpoint to another protocol.
    fn set_protocol(&self, py: Python<'_>, protocol: Py<PyAny>) {
        let previous = self.with(py, |state| state.protocol.replace(protocol));
        drop(previous);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        self.owned.traverse(&visit)?;
        visit.call(&self.remote)?;
        visit.call(&self.context)?;
        self.state
            .visit(|state| {
                visit.call(&state.protocol)?;
                visit.call(&state.transport)?;
                state.queue.traverse(&visit)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let released = self.with(py, |state| {
            (
                state.protocol.take(),
                state.transport.take(),
                std::mem::take(&mut state.queue),
            )
        });
        drop(released);
    }
}

impl DatagramEndpoint {
    /// Delivers what is held in a turn of its own: never from within a call of the user's.
    pub(super) fn schedule_held(slf: &Bound<'_, Self>) {
        let work = Work::Receive(slf.clone().unbind());
        slf.get().event_loop.get().schedule(slf.py(), work);
    }
}
