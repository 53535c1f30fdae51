//! What users and the Python half call.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};

use super::{Marks, Phase, Tls};
use crate::event_loop::EventLoop;
use crate::raw::guarded::Guarded;
use crate::transports::stream::Stream;
use crate::transports::writing::snapshot;

use super::session::Session;

/// Chunks written together are encrypted together, up to this many bytes.
const JOINED_MAX: usize = 64 * 1024;

/// asyncio's defaults and checks for water marks, with `kibibytes` for the high one.
fn marks(high: Option<i64>, low: Option<i64>, kibibytes: i64) -> PyResult<Marks> {
    let high = high
        .unwrap_or_else(|| low.map_or(kibibytes.saturating_mul(1024), |low| low.saturating_mul(4)));
    let low = low.unwrap_or(high / 4);
    if high < low || low < 0 {
        return Err(PyValueError::new_err(format!(
            "high ({high:?}) must be >= low ({low:?}) must be >= 0"
        )));
    }
    Ok(Marks {
        low: usize::try_from(low)?,
        high: usize::try_from(high)?,
    })
}

#[pymethods]
impl Tls {
    #[new]
    #[pyo3(signature = (event_loop, protocol, transport, ssl_object, incoming, outgoing, *, is_server, is_strict))]
    #[expect(clippy::too_many_arguments, reason = "called once, by keyword")]
    fn new(
        event_loop: &Bound<'_, EventLoop>,
        protocol: &Bound<'_, PyAny>,
        transport: &Bound<'_, PyAny>,
        ssl_object: &Bound<'_, PyAny>,
        incoming: &Bound<'_, PyAny>,
        outgoing: &Bound<'_, PyAny>,
        is_server: bool,
        is_strict: bool,
    ) -> PyResult<Self> {
        Ok(Self {
            event_loop: event_loop.clone().unbind(),
            session: Session::new(ssl_object, incoming, outgoing)?,
            is_server,
            is_strict,
            state: Guarded::new(Self::initial(protocol, transport)?),
        })
    }

    /// Whether the peer's stream ended without its goodbye, so that what it sent may be incomplete.
    #[getter]
    fn is_truncated(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_truncated)
    }

    /// Whether the handshake is under way.
    #[getter]
    fn is_shaking_hands(&self, py: Python<'_>) -> bool {
        self.phase(py) == Phase::Handshake
    }

    /// Whether the peer still has to say goodbye.
    #[getter]
    fn is_saying_goodbye(&self, py: Python<'_>) -> bool {
        self.phase(py) == Phase::Goodbye
    }

    /// Whether the protocol has been asked to pause writing.
    #[getter]
    fn is_writing_paused(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.is_write_paused)
    }

    /// Notes that the protocol was asked to pause writing, by the transport that it had before.
    fn note_writing_paused(&self, py: Python<'_>) {
        self.with(py, |state| state.is_write_paused = true);
    }

    /// Whether the transport is closing or closed.
    pub(super) fn is_closing(&self, py: Python<'_>) -> PyResult<bool> {
        if self.phase(py) > Phase::Open {
            return Ok(true);
        }
        match self.lower(py) {
            Some(lower) => lower.is_closing(py),
            None => Ok(false),
        }
    }

    /// Takes in encrypted bytes that arrived before the connection was upgraded.
    fn data_received(slf: &Bound<'_, Self>, data: &[u8]) -> PyResult<()> {
        slf.get().receive(slf, data)
    }

    /// Encrypts and sends `data`, or queues a snapshot of it.
    fn write(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let length = if let Ok(bytes) = data.cast::<PyBytes>() {
            bytes.as_bytes().len()
        } else if let Ok(bytes) = data.cast::<PyByteArray>() {
            bytes.len()
        } else if data.is_instance_of::<PyMemoryView>() {
            let bytes = snapshot(data)?;
            return self.write(bytes.as_any());
        } else {
            return Err(PyTypeError::new_err(format!(
                "data: expecting a bytes-like instance, got {}",
                data.get_type().name()?
            )));
        };
        if length == 0 {
            return Ok(());
        }
        self.send(data, length)
    }

    /// Encrypts and sends an iterable of chunks: small ones together, since each record costs time and bytes.
    fn writelines(&self, py: Python<'_>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        let chunks = list_of_data
            .try_iter()?
            .map(|chunk| snapshot(&chunk?))
            .collect::<PyResult<Vec<_>>>()?;
        let mut joined: Vec<u8> = Vec::new();
        for chunk in &chunks {
            let bytes = chunk.as_bytes();
            if joined.len() + bytes.len() > JOINED_MAX && !joined.is_empty() {
                self.write(PyBytes::new(py, &joined).as_any())?;
                joined.clear();
            }
            if bytes.len() > JOINED_MAX || chunks.len() == 1 {
                self.write(chunk.as_any())?;
            } else {
                joined.extend_from_slice(bytes);
            }
        }
        if joined.is_empty() {
            return Ok(());
        }
        self.write(PyBytes::new(py, &joined).as_any())
    }

    /// Queues bytes without sending them, as a test of CPython does.
    fn queue_only(&self, py: Python<'_>, data: &Bound<'_, PyBytes>) {
        self.with(py, |state| state.backlog.push(data.clone()));
    }

    /// How many bytes wait to be encrypted.
    fn get_write_buffer_size(&self, py: Python<'_>) -> usize {
        self.with(py, |state| state.backlog.size())
    }

    /// The low and the high water mark for writing, in bytes.
    fn get_write_buffer_limits(&self, py: Python<'_>) -> (usize, usize) {
        self.with(py, |state| (state.write_marks.low, state.write_marks.high))
    }

    /// Sets the water marks for writing, in bytes.
    #[pyo3(signature = (high=None, low=None))]
    fn set_write_buffer_limits(
        &self,
        py: Python<'_>,
        high: Option<i64>,
        low: Option<i64>,
    ) -> PyResult<()> {
        let marks = marks(high, low, 512)?;
        self.with(py, |state| state.write_marks = marks);
        self.control_writing(py)
    }

    /// How many encrypted bytes wait for the protocol to go on reading.
    fn get_read_buffer_size(&self, py: Python<'_>) -> PyResult<usize> {
        let waiting = self.with(py, |state| state.records.waiting());
        Ok(self.session.unread(py)? + waiting)
    }

    /// The low and the high water mark for reading, in bytes.
    fn get_read_buffer_limits(&self, py: Python<'_>) -> (usize, usize) {
        self.with(py, |state| (state.read_marks.low, state.read_marks.high))
    }

    /// Sets the water marks for reading, in bytes.
    #[pyo3(signature = (high=None, low=None))]
    fn set_read_buffer_limits(
        &self,
        py: Python<'_>,
        high: Option<i64>,
        low: Option<i64>,
    ) -> PyResult<()> {
        let marks = marks(high, low, 256)?;
        self.with(py, |state| state.read_marks = marks);
        self.control_reading(py)
    }

    /// Whether the protocol wants data.
    fn is_reading(&self, py: Python<'_>) -> bool {
        self.with(py, |state| !state.is_read_paused)
    }

    /// Delivers nothing until `resume_reading`. Does nothing if it is paused already.
    fn pause_reading(&self, py: Python<'_>) {
        self.with(py, |state| state.is_read_paused = true);
    }

    /// Goes on delivering, from the next turn on. Does nothing if it is not paused.
    fn resume_reading(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let was_paused = slf.get().with(py, |state| {
            let was_paused = std::mem::take(&mut state.is_read_paused);
            state.is_resuming |= was_paused;
            was_paused
        });
        if was_paused {
            let resume = slf.getattr(intern!(py, "_resume"))?;
            let event_loop = slf.get().event_loop.bind(py);
            event_loop.call_method1(intern!(py, "call_soon"), (resume,))?;
        }
        Ok(())
    }

    /// Delivers what has arrived during a pause.
    #[pyo3(name = "_resume")]
    fn resume(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let tls = slf.get();
        tls.with(py, |state| state.is_resuming = false);
        tls.read_on(slf)?;
        if tls.phase(py) == Phase::Open {
            tls.control_reading(py)?;
            tls.settle_eof(slf)?;
        }
        Ok(())
    }

    /// The protocol.
    fn get_protocol(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.protocol(py).map(Bound::unbind)
    }

    /// Hands the connection to another protocol.
    fn set_protocol(&self, py: Python<'_>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let receiver = Stream::receiver_of(protocol)?;
        let previous = self.with(py, |state| {
            state.receiver = receiver;
            state.protocol.replace(protocol.clone().unbind())
        });
        drop(previous);
        Ok(())
    }

    /// The `ssl.SSLObject`.
    #[getter]
    fn ssl_object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.session.object(py)
    }

    /// What the `ssl.SSLObject` says of the peer's certificate. Fails as its `getpeercert` does.
    fn peer_certificate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.session.peer_certificate(py)
    }

    /// Moves nothing any more.
    fn stop(&self, py: Python<'_>) {
        self.enter(py, Phase::Over);
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(&visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        let released = self.with(py, |state| {
            (
                state.lower.take(),
                state.protocol.take(),
                state.transport.take(),
                state.failure.take(),
            )
        });
        drop(released);
    }
}
