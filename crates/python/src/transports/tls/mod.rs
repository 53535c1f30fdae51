//! TLS between a protocol and the transport that carries the encrypted bytes.
//!
//! Towards the transport below this is a protocol, towards the protocol above the native half of a
//! transport; the other half is `aioxide.tls.SSLTransport`, which does what happens once per
//! connection. Encryption itself is in [`session`], reading in [`receiving`], writing and its flow
//! control in [`sending`], beginning and end in [`phases`], what users call in [`interface`].
//!
//! Nothing is locked while OpenSSL or a protocol is called. Each of them may come back, so that
//! whoever has called looks at the phase again.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use aioxide_engine::records::Records;

use super::outgoing::Outgoing;
use super::stream::{Receiver, Stream};
use crate::event_loop::EventLoop;
use crate::raw::guarded::Guarded;
use lower::Lower;
use session::Session;

mod interface;
mod lower;
mod phases;
mod receiving;
mod sending;
mod session;

/// Above this many bytes not yet encrypted the protocol is asked to pause (asyncio's value).
const WRITE_HIGH_WATER: usize = 512 * 1024;
/// Above this many bytes not yet read, because the protocol has paused, the transport below is paused (asyncio's value).
const READ_HIGH_WATER: usize = 256 * 1024;

/// Where the connection is. It only ever moves down this list.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Phase {
    /// There is no connection below yet.
    Waiting,
    /// The two sides agree on keys.
    Handshake,
    /// Data goes both ways.
    Open,
    /// No more is taken; what the protocol has just asked for once more is delivered.
    Delivering,
    /// No more is read or taken; what was written goes out.
    Flushing,
    /// We have said goodbye, and wait for the peer's.
    Goodbye,
    /// Nothing moves any more: the transport below closes, or is lost.
    Over,
}

/// Low and high water mark, in bytes.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    low: usize,
    high: usize,
}

impl Marks {
    fn from_high(high: usize) -> Self {
        Self {
            low: high / 4,
            high,
        }
    }
}

/// What the loop thread changes.
pub(super) struct State {
    phase: Phase,
    /// None once the connection is lost and the protocol has been told.
    protocol: Option<Py<PyAny>>,
    /// The Python half. None once the connection is lost.
    transport: Option<Py<PyAny>>,
    /// None before there is a connection, and once it is lost.
    lower: Option<Lower>,
    receiver: Receiver,
    /// Cuts what arrives into records.
    records: Records,
    /// The session may hold more than has been read, because the protocol has paused.
    has_unread: bool,
    /// The protocol has paused reading.
    is_read_paused: bool,
    /// The protocol goes on reading in the next turn.
    is_resuming: bool,
    /// The protocol is TLS, has been told of the end of the stream, and closes this when it is through.
    is_left_to_upper: bool,
    /// The transport below has been paused, because too much is unread.
    is_lower_read_paused: bool,
    read_marks: Marks,
    /// The stream below has ended.
    has_eof: bool,
    /// It has ended without the peer's goodbye.
    is_truncated: bool,
    /// The protocol has been told of the end of the stream.
    has_told_eof: bool,
    /// What the protocol has written and has not been encrypted.
    backlog: Outgoing,
    write_marks: Marks,
    /// The protocol has been asked to pause writing.
    is_write_paused: bool,
    /// The transport below has asked for a pause.
    is_lower_write_paused: bool,
    /// What went wrong after our goodbye; it is reported once our data is out.
    failure: Option<PyErr>,
    /// The time that the closing may take is running.
    is_timed: bool,
    /// Counts the writes that came too late.
    lost_count: u32,
}

/// The native half of a TLS transport, and the protocol of the transport below.
#[pyclass(module = "aioxide._core", frozen, weakref)]
pub(crate) struct Tls {
    event_loop: Py<EventLoop>,
    session: Session,
    /// The side that speaks second.
    is_server: bool,
    /// A stream that ends without the peer's goodbye is an error.
    is_strict: bool,
    state: Guarded<State>,
}

impl Tls {
    #[inline]
    fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, access)
    }

    fn phase(&self, py: Python<'_>) -> Phase {
        self.with(py, |state| state.phase)
    }

    /// Moves on to `phase`; whether that is a move forward. The only place where the phase changes.
    fn enter(&self, py: Python<'_>, phase: Phase) -> bool {
        self.with(py, |state| {
            let is_move = state.phase < phase;
            if is_move {
                state.phase = phase;
            }
            is_move
        })
    }

    /// The transport below, while there is one.
    fn lower(&self, py: Python<'_>) -> Option<Lower> {
        self.with(py, |state| {
            state.lower.as_ref().map(|lower| lower.clone_ref(py))
        })
    }

    fn protocol<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.with(py, |state| {
            state
                .protocol
                .as_ref()
                .map(|protocol| protocol.bind(py).clone())
        })
    }

    /// Calls a method of the Python half, if it is still there.
    fn tell_transport<'py, A>(
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
        match transport {
            Some(transport) => transport.bind(py).call_method1(method, args).map(drop),
            None => Ok(()),
        }
    }

    /// Ends the connection because of an error, which is reported.
    fn fail(&self, py: Python<'_>, error: &PyErr, message: &str) -> PyResult<()> {
        self.enter(py, Phase::Over);
        self.tell_transport(py, intern!(py, "_fatal_error"), (error.value(py), message))
    }

    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        self.session.traverse(visit)?;
        self.state
            .visit(|state| {
                visit.call(&state.protocol)?;
                visit.call(&state.transport)?;
                if let Some(lower) = &state.lower {
                    lower.traverse(visit)?;
                }
                Ok(())
            })
            .unwrap_or(Ok(()))
    }

    fn initial(protocol: &Bound<'_, PyAny>, transport: &Bound<'_, PyAny>) -> PyResult<State> {
        Ok(State {
            phase: Phase::Waiting,
            protocol: Some(protocol.clone().unbind()),
            transport: Some(transport.clone().unbind()),
            lower: None,
            receiver: Stream::receiver_of(protocol)?,
            records: Records::default(),
            has_unread: false,
            is_read_paused: false,
            is_resuming: false,
            is_left_to_upper: false,
            is_lower_read_paused: false,
            read_marks: Marks::from_high(READ_HIGH_WATER),
            has_eof: false,
            is_truncated: false,
            has_told_eof: false,
            backlog: Outgoing::default(),
            write_marks: Marks::from_high(WRITE_HIGH_WATER),
            is_write_paused: false,
            is_lower_write_paused: false,
            failure: None,
            is_timed: false,
            lost_count: 0,
        })
    }
}
