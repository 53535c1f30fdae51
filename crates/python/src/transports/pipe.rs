//! What the ends of pipes do otherwise than sockets: how they are made, and how the other end's going away is told.
//!
//! A reader's end of stream is always the end of its transport, and comes to the protocol as a
//! callback of its own. A writer learns from the kernel that nobody reads any more, if it is
//! watched for it; data that waits is then lost, and that is an error. A `data_received` that
//! raises is reported, and reading goes on.

use aioxide_engine::sources::Direction;
use pyo3::exceptions::{PyAssertionError, PyBrokenPipeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::channel::{Channel, Failure, Role};
use super::owned::{Owned, Telling};
use super::stream::Stream;
use crate::errors::os_error;
use crate::event_loop::{EventLoop, ends_the_loop};
use crate::raw::context;

impl Stream {
    fn of_pipe(
        event_loop: &Bound<'_, EventLoop>,
        pipe: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
        role: Role,
    ) -> PyResult<Self> {
        let py = event_loop.py();
        event_loop.get().check_closed()?;
        let owned = Owned::of(pipe)?;
        let (channel, mode) = Channel::of_pipe(py, owned.fd, role)?;
        let context = context::copy_current(py)?;
        let stream = Self::make(event_loop, owned, protocol, transport, channel, context)?;
        stream.with(py, |state| state.mode = mode);
        Ok(stream)
    }

    /// Watches for the other end's going away, unless somebody reads under this number: there is one
    /// place for a reader, and it will be told.
    pub(super) fn watch_peer(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let stream = slf.get();
        let is_read = stream.event_loop.get().with(py, |state| {
            state
                .sources
                .watcher(stream.owned.fd, Direction::Read)
                .is_some()
        });
        if is_read || !stream.channel.has_peer {
            return Ok(());
        }
        Self::watch(slf, Direction::Read)
            .or_else(|errno| stream.fail_by_kernel(py, os_error(py, errno), Failure::Write))
    }

    /// Nobody reads any more what this writer writes.
    pub(super) fn peer_gone(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let (is_lost, is_waiting) = self.with(py, |state| {
            (state.lost_count > 0, !state.outgoing.is_empty())
        });
        // A callback of this very batch may have closed the pipe, and another taken its number.
        if is_lost || !self.has_its_descriptor(py) {
            return Ok(());
        }
        if self.event_loop.get().is_debug() {
            self.tell_transport(py, intern!(py, "_note_peer_closed"), ())?;
        }
        let error = is_waiting.then(|| PyBrokenPipeError::new_err(()).into_value(py));
        Self::lose(slf, error.map(|error| error.into_bound(py).into_any()))
    }

    /// Nobody will write any more what this reader reads.
    pub(super) fn end_of_pipe(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        self.with(py, |state| state.has_read_eof = true);
        self.unwatch(py, Direction::Read, Telling::AtOnce);
        if self.event_loop.get().is_debug() {
            self.tell_transport(py, intern!(py, "_note_peer_closed"), ())?;
        }
        self.tell_transport(py, intern!(py, "_schedule_eof_received"), ())?;
        Self::lose(slf, None)
    }

    /// What `data_received` raises is reported and changes nothing, unless it ends the loop.
    pub(super) fn check_pipe_call<T>(&self, py: Python<'_>, called: PyResult<T>) -> PyResult<()> {
        match called {
            Ok(_returned) => Ok(()),
            Err(error) if ends_the_loop(py, &error) => Err(error),
            Err(error) => self.tell_transport(
                py,
                intern!(py, "_report"),
                ("protocol.data_received() failed", error.into_value(py)),
            ),
        }
    }

    /// In debug mode a reader says that it pauses or goes on.
    pub(super) fn note_reading(&self, py: Python<'_>, text: &str) -> PyResult<()> {
        if self.channel.is_pipe() && self.event_loop.get().is_debug() {
            self.tell_transport(py, intern!(py, "_note_reading"), (text,))
        } else {
            Ok(())
        }
    }
}

/// asyncio's refusal of what is not bytes-like, for a writer.
pub(super) fn refuse(data: &Bound<'_, PyAny>) -> PyErr {
    match data.repr() {
        Ok(repr) => PyAssertionError::new_err(repr.unbind()),
        Err(error) => error,
    }
}

/// The chunks of `writelines` as the one write that asyncio makes of them for a writer.
pub(super) fn join<'py>(list_of_data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = list_of_data.py();
    PyBytes::new(py, b"").call_method1(intern!(py, "join"), (list_of_data,))
}

#[pymethods]
impl Stream {
    /// The native half of a transport that reads from `pipe`, which is in non-blocking mode until `detach`.
    #[staticmethod]
    #[pyo3(signature = (event_loop, pipe, protocol, transport))]
    fn of_pipe_reader(
        event_loop: &Bound<'_, EventLoop>,
        pipe: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Self::of_pipe(event_loop, pipe, protocol, transport, Role::PipeReader)
    }

    /// The native half of a transport that writes to `pipe`, which is in non-blocking mode until `detach`.
    #[staticmethod]
    #[pyo3(signature = (event_loop, pipe, protocol, transport))]
    fn of_pipe_writer(
        event_loop: &Bound<'_, EventLoop>,
        pipe: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        Self::of_pipe(event_loop, pipe, protocol, transport, Role::PipeWriter)
    }

    /// The loop is closed, and nothing will be read or written: gives the file its blocking mode back,
    /// and lets go of the Python half, which so closes the file as soon as nobody holds it.
    fn retire(&self, py: Python<'_>) {
        let released = self.with(py, |state| (state.mode.take(), state.transport.take()));
        drop(released);
    }
}
