//! From `sendto` to the kernel: at once; what the kernel does not take waits, and counts for flow control.
//!
//! Nothing is held back for the end of the turn, as stream writes are: a call for several datagrams saves
//! nothing that could be measured, and what is refused is told from within `sendto`, as in asyncio.

use std::collections::VecDeque;
use std::net::SocketAddr;

use aioxide_engine::sockets::{self, Attempt};
use aioxide_engine::sources::Direction;
use aioxide_engine::sys::borrow_fd;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyOSError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use rustix::io::Errno;

use super::datagram::{Addressing, DatagramEndpoint, State};
use super::datagram_receiving::would_block;
use super::writing::{not_bytes_like, snapshot, water_marks};
use crate::addresses;
use crate::errors::os_error;
use crate::event_loop::ends_the_loop;
use crate::raw::bytes;

/// What a datagram counts beside its data (asyncio's value): that of a UDP header, so that empty ones count too.
const HEADER_SIZE: usize = 8;

/// After this many datagrams that came too late each further one is logged (asyncio's value).
const LATE_SILENT_MAX: u32 = 5;

/// Where a datagram goes.
enum Destination {
    /// Where the socket is connected to.
    Connected,
    Internet(SocketAddr),
    /// Anything that the socket object may understand.
    Spelt(Py<PyAny>),
}

/// A datagram that waits for the kernel to take it.
struct Waiting {
    data: Py<PyBytes>,
    destination: Destination,
}

/// Datagrams in order. Dropping it may run foreign code, for the addresses.
#[derive(Default)]
pub(super) struct Queue {
    waiting: VecDeque<Waiting>,
    /// What all datagrams count, in bytes.
    size: usize,
}

impl Queue {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn push(&mut self, size: usize, datagram: Waiting) {
        self.size += size;
        self.waiting.push_back(datagram);
    }

    fn pop(&mut self, py: Python<'_>) -> Option<Waiting> {
        let datagram = self.waiting.pop_front()?;
        self.size -= datagram.size(py);
        Some(datagram)
    }

    /// Takes back what was popped last.
    fn put_back(&mut self, size: usize, datagram: Waiting) {
        self.size += size;
        self.waiting.push_front(datagram);
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.waiting
            .iter()
            .try_for_each(|datagram| match &datagram.destination {
                Destination::Spelt(address) => visit.call(address),
                Destination::Connected | Destination::Internet(_) => Ok(()),
            })
    }
}

impl Waiting {
    fn size(&self, py: Python<'_>) -> usize {
        self.data.as_bytes(py).len() + HEADER_SIZE
    }
}

/// Why a datagram was not sent.
enum Refusal {
    /// The address's fault, or the network's: the protocol is told, and the endpoint goes on.
    Survivable(PyErr),
    /// The endpoint ends.
    Fatal(PyErr),
}

/// What `sendto` finds.
enum Situation {
    /// The datagram can be tried at once.
    Free,
    /// Others wait already.
    Blocked,
    /// The endpoint is *lost*; the flag says whether that is worth a warning.
    Late { warn: bool },
}

impl State {
    fn situation(&mut self, has_remote: bool) -> Situation {
        if self.is_detached || (self.lost_count > 0 && has_remote) {
            let warn = self.lost_count >= LATE_SILENT_MAX;
            self.lost_count = self.lost_count.saturating_add(1);
            Situation::Late { warn }
        } else if self.queue.is_empty() {
            Situation::Free
        } else {
            Situation::Blocked
        }
    }
}

fn check_data(data: &Bound<'_, PyAny>) -> PyResult<()> {
    if data.is_exact_instance_of::<PyBytes>()
        || data.is_instance_of::<PyBytes>()
        || data.is_instance_of::<PyByteArray>()
        || data.is_instance_of::<PyMemoryView>()
    {
        Ok(())
    } else {
        Err(not_bytes_like(data)?)
    }
}

impl DatagramEndpoint {
    /// Refuses an address that is not the one that the transport was made for.
    fn check_address(&self, address: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        match (&self.remote, address) {
            (Some(remote), Some(address)) if !address.is(remote) => {
                let remote = remote.bind(address.py());
                if address.eq(remote)? {
                    return Ok(());
                }
                let text = format!("Invalid address: must be None or {}", remote.str()?);
                Err(PyValueError::new_err(text))
            }
            _ => Ok(()),
        }
    }

    #[inline]
    fn destination(&self, py: Python<'_>, address: Option<&Bound<'_, PyAny>>) -> Destination {
        if self.is_connected {
            return Destination::Connected;
        }
        let address = match &self.remote {
            Some(remote) => Some(remote.bind(py)),
            None => address,
        };
        let Some(address) = address else {
            return Destination::Spelt(py.None());
        };
        let Addressing::Internet(family) = self.addressing else {
            return Destination::Spelt(address.clone().unbind());
        };
        self.with(py, |state| state.peers.address_of(address))
            .or_else(|| addresses::internet_from_python(address, family))
            .map_or_else(
                || Destination::Spelt(address.clone().unbind()),
                Destination::Internet,
            )
    }

    /// Sends the datagram, unless the kernel is to take it later.
    #[inline]
    fn try_send(
        &self,
        data: &Bound<'_, PyAny>,
        destination: &Destination,
    ) -> Result<Attempt<()>, Refusal> {
        if let Destination::Spelt(address) = destination {
            return self.send_by_object(data, address);
        }
        if let Ok(data) = data.cast_exact::<PyBytes>() {
            return self.send_natively(data.py(), data.as_bytes(), destination);
        }
        let py = data.py();
        let view = PyUntypedBuffer::get(data).map_err(Refusal::Fatal)?;
        let sent = match bytes::readable(py, &view) {
            Some(data) => self.send_natively(py, data, destination),
            None => Err(Refusal::Fatal(PyBufferError::new_err(
                "memoryview: underlying buffer is not C-contiguous",
            ))),
        };
        view.release(py);
        sent
    }

    #[inline]
    fn send_natively(
        &self,
        py: Python<'_>,
        data: &[u8],
        destination: &Destination,
    ) -> Result<Attempt<()>, Refusal> {
        let socket = if self.has_its_descriptor(py) {
            borrow_fd(self.owned.fd)
        } else {
            Err(Errno::BADF)
        };
        let sent = socket.and_then(|socket| match destination {
            Destination::Internet(address) => sockets::send_to(socket, data, address),
            Destination::Connected | Destination::Spelt(_) => sockets::send(socket, data),
        });
        match sent {
            // A datagram goes whole or not at all.
            Ok(Attempt::Done(_length)) => Ok(Attempt::Done(())),
            Ok(Attempt::WouldBlock) => Ok(Attempt::WouldBlock),
            Err(errno) => Err(Refusal::Survivable(os_error(py, errno))),
        }
    }

    /// Sends through the socket object, which looks names up, and says what is wrong with an address.
    fn send_by_object(
        &self,
        data: &Bound<'_, PyAny>,
        address: &Py<PyAny>,
    ) -> Result<Attempt<()>, Refusal> {
        let py = data.py();
        let sock = self.owned.object(py).map_err(Refusal::Fatal)?;
        match sock.call_method1(intern!(py, "sendto"), (data, address)) {
            Ok(_length) => Ok(Attempt::Done(())),
            Err(error) if would_block(py, &error) => Ok(Attempt::WouldBlock),
            Err(error) if error.is_instance_of::<PyOSError>(py) => Err(Refusal::Survivable(error)),
            Err(error) => Err(Refusal::Fatal(error)),
        }
    }

    /// Tells of a datagram that was not sent. Fails with what the protocol raises.
    #[cold]
    fn follow_refusal(&self, py: Python<'_>, refusal: Refusal) -> PyResult<()> {
        match refusal {
            Refusal::Survivable(error) => self.error_received(py, error),
            Refusal::Fatal(error) if ends_the_loop(py, &error) => Err(error),
            Refusal::Fatal(error) => {
                self.fail(py, error, "Fatal write error on datagram transport")
            }
        }
    }

    /// Queues a datagram that the kernel does not take, or that comes behind such ones.
    #[cold]
    fn wait_for_room(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        destination: Destination,
    ) -> PyResult<()> {
        let (py, endpoint) = (slf.py(), slf.get());
        // A copy of what may change before it goes out.
        let datagram = Waiting {
            data: snapshot(data)?.unbind(),
            destination,
        };
        let size = datagram.size(py);
        let (is_first, unwanted) = endpoint.with(py, |state| {
            let is_first = state.queue.is_empty();
            if state.lost_count > 0 {
                return (false, Some(datagram));
            }
            state.queue.push(size, datagram);
            (is_first, None)
        });
        drop(unwanted);
        if is_first && let Err(errno) = Self::watch(slf, Direction::Write) {
            let refusal = Refusal::Fatal(os_error(py, errno));
            return endpoint.follow_refusal(py, refusal);
        }
        endpoint.pause_protocol(py)
    }

    /// The kernel says that it takes datagrams again.
    pub(super) fn write_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, endpoint) = (slf.py(), slf.get());
        // What the protocol adds when it hears of a refusal waits for the next turn.
        let count = endpoint.with(py, |state| state.queue.waiting.len());
        for _ in 0..count {
            // Taken out first: the protocol may close the transport when it hears of a refusal.
            let Some(datagram) = endpoint.with(py, |state| state.queue.pop(py)) else {
                break;
            };
            match endpoint.try_send(datagram.data.bind(py), &datagram.destination) {
                Ok(Attempt::Done(())) => {}
                Ok(Attempt::WouldBlock) => {
                    let size = datagram.size(py);
                    endpoint.with(py, |state| state.queue.put_back(size, datagram));
                    break;
                }
                Err(refusal) => endpoint
                    .follow_refusal(py, refusal)
                    .or_else(|error| endpoint.report_error_received(py, error))?,
            }
        }
        if endpoint.with(py, |state| state.lost_count > 0) {
            return Ok(());
        }
        endpoint.resume_protocol(py)?;
        // The protocol may have sent more when it was told to go on.
        let (is_empty, is_closing) =
            endpoint.with(py, |state| (state.queue.is_empty(), state.is_closing));
        if is_empty {
            endpoint.unwatch(py, Direction::Write);
            if is_closing {
                return endpoint.lose(py, None);
            }
        }
        Ok(())
    }

    /// Above the high-water mark the protocol is asked, once, to pause.
    fn pause_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let pauses = self.with(py, |state| {
            let pauses = !state.is_write_paused && state.queue.size > state.high_water;
            state.is_write_paused |= pauses;
            pauses
        });
        if pauses {
            self.tell_transport(py, intern!(py, "_pause_protocol"), ())
        } else {
            Ok(())
        }
    }

    /// At the low-water mark a protocol that was asked to pause is told to go on.
    fn resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let resumes = self.with(py, |state| {
            let resumes = state.is_write_paused && state.queue.size <= state.low_water;
            state.is_write_paused &= !resumes;
            resumes
        });
        if resumes {
            self.tell_transport(py, intern!(py, "_resume_protocol"), ())
        } else {
            Ok(())
        }
    }
}

#[pymethods]
impl DatagramEndpoint {
    /// Sends a datagram (bytes, bytearray or memoryview), or keeps a snapshot of it until the kernel takes it.
    #[pyo3(signature = (data, addr=None))]
    fn sendto(
        slf: &Bound<'_, Self>,
        data: &Bound<'_, PyAny>,
        addr: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        check_data(data)?;
        let (py, endpoint) = (slf.py(), slf.get());
        endpoint.check_address(addr)?;
        let has_remote = endpoint.remote.is_some();
        let situation = endpoint.with(py, |state| state.situation(has_remote));
        let destination = match situation {
            Situation::Late { warn: false } => return Ok(()),
            Situation::Late { warn: true } => {
                let logger = py.import("asyncio.log")?.getattr("logger")?;
                logger.call_method1("warning", ("socket.send() raised exception.",))?;
                return Ok(());
            }
            Situation::Free | Situation::Blocked => endpoint.destination(py, addr),
        };
        if matches!(situation, Situation::Free) {
            match endpoint.try_send(data, &destination) {
                Ok(Attempt::Done(())) => return Ok(()),
                Ok(Attempt::WouldBlock) => {}
                Err(refusal) => return endpoint.follow_refusal(py, refusal),
            }
        }
        Self::wait_for_room(slf, data, destination)
    }

    /// How many bytes wait for the kernel to take them, and eight for each datagram.
    fn get_write_buffer_size(&self, py: Python<'_>) -> usize {
        self.with(py, |state| state.queue.size)
    }

    /// The low- and the high-water mark, in bytes.
    fn get_write_buffer_limits(&self, py: Python<'_>) -> (usize, usize) {
        self.with(py, |state| (state.low_water, state.high_water))
    }

    /// Sets the water marks, in bytes: the protocol pauses above `high` and goes on at `low`.
    #[pyo3(signature = (high=None, low=None))]
    fn set_write_buffer_limits(
        &self,
        py: Python<'_>,
        high: Option<i64>,
        low: Option<i64>,
    ) -> PyResult<()> {
        let (low, high) = water_marks(high, low)?;
        self.with(py, |state| {
            state.high_water = high;
            state.low_water = low;
        });
        self.pause_protocol(py)
    }
}
