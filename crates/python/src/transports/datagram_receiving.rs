//! From a readable socket to the protocol: several datagrams in one system call, each in a call of its own.
//!
//! The memory that they are received into belongs to the loop, which lends it to one endpoint at a time.
//! While datagrams of a batch are delivered, the protocol may close, pause, or end the loop: then the rest is
//! dropped, which is what happens to datagrams that nobody has received, or held for later.

use aioxide_engine::datagrams::{Batch, Kind, Sender};
use aioxide_engine::sockets::Attempt;
use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::{PyBlockingIOError, PyInterruptedError, PyOSError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple};

use super::datagram::{Addressing, DatagramEndpoint, Received};
use crate::addresses;
use crate::errors::os_error;
use crate::event_loop::{EventLoop, ends_the_loop};

/// The longest datagram that is taken through the socket object (asyncio's bound).
const FOREIGN_SIZE_MAX: usize = 256 * 1024;

/// So many datagrams in a row, received one at a time, let more be expected. From this number on one call
/// for all of them is the cheaper way.
const FEW: usize = 4;
/// How many datagrams are taken to come alone after one that did. With more, a burst would be noticed late.
const LONE: u8 = 3;

/// A loop's memory for receiving, made when it is first used.
#[derive(Default)]
pub(crate) struct Batches {
    internet: Option<Batch>,
    local: Option<Batch>,
}

impl Batches {
    fn place(&mut self, kind: Kind) -> &mut Option<Batch> {
        match kind {
            Kind::Internet => &mut self.internet,
            Kind::Local => &mut self.local,
        }
    }
}

impl EventLoop {
    /// Lends the memory for datagrams to `receive`. A nested loan gets memory of its own.
    fn with_batch<R>(
        &self,
        py: Python<'_>,
        kind: Kind,
        receive: impl FnOnce(&mut Batch) -> R,
    ) -> R {
        let batch = self.batches.with(py, |batches| batches.place(kind).take());
        let mut batch = batch.unwrap_or_else(|| Batch::new(kind));
        let result = receive(&mut batch);
        let other = self
            .batches
            .with(py, |batches| batches.place(kind).replace(batch));
        drop(other);
        result
    }
}

/// What becomes of the next datagram.
enum Fate {
    /// The protocol gets it.
    Deliver(Py<PyAny>),
    /// Receiving was paused: it waits.
    Hold,
    /// The endpoint was closed: nobody wants it.
    Drop,
}

impl DatagramEndpoint {
    /// The kernel says that a datagram or an error is there, or some are held.
    pub(super) fn read_ready(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let endpoint = slf.get();
        let (is_reading, has_held) =
            endpoint.with(py, |state| (state.is_reading(), !state.held.is_empty()));
        if !is_reading {
            return Ok(());
        }
        if has_held {
            return Self::deliver_held(slf);
        }
        // A callback of this very batch may have closed the socket, and another taken its number.
        if !endpoint.has_its_descriptor(py) {
            return Ok(());
        }
        let kind = match endpoint.addressing {
            Addressing::Internet(_) => Kind::Internet,
            Addressing::Local => Kind::Local,
            Addressing::Foreign => return Self::receive_foreign(slf),
        };
        endpoint
            .event_loop
            .get()
            .with_batch(py, kind, |batch| Self::receive(slf, batch))
    }

    /// Receives what is there, but no more than a bounded number, since others wait for their turn.
    ///
    /// A datagram that comes alone is cheapest received alone. Whether it does is known from one attempt more that
    /// finds nothing; the next few are then taken to be alone, too, and what comes with them waits for the next poll.
    /// Once a few have come in a row, several are taken at a time, until fewer than that come.
    fn receive(slf: &Bound<'_, Self>, batch: &mut Batch) -> PyResult<()> {
        let (py, endpoint) = (slf.py(), slf.get());
        let (expects_many, expects_one) = endpoint.with(py, |state| {
            let expects_one = state.lone_count > 0;
            state.lone_count = state.lone_count.saturating_sub(1);
            (state.expects_many, expects_one)
        });
        for attempt in 0..FEW {
            let received = borrow_fd(endpoint.owned.fd).and_then(|socket| {
                if expects_many {
                    batch.receive(socket)
                } else {
                    batch.receive_one(socket)
                }
            });
            let count = match received {
                Ok(Attempt::Done(count)) => count,
                Ok(Attempt::WouldBlock) => 0,
                Err(errno) => return endpoint.refused(py, os_error(py, errno)),
            };
            if expects_many {
                endpoint.with(py, |state| state.expects_many = count >= FEW);
                return Self::deliver_batch(slf, batch, count);
            }
            Self::deliver_batch(slf, batch, count)?;
            if expects_one {
                return Ok(());
            }
            if count == 0 && attempt == 1 {
                endpoint.with(py, |state| state.lone_count = LONE);
            }
            let is_reading = endpoint.with(py, |state| state.is_reading());
            // The protocol may have closed the socket, and another taken its number.
            if count == 0 || !is_reading || !endpoint.has_its_descriptor(py) {
                return Ok(());
            }
        }
        endpoint.with(py, |state| state.expects_many = true);
        Ok(())
    }

    fn deliver_batch(slf: &Bound<'_, Self>, batch: &Batch, count: usize) -> PyResult<()> {
        for index in 0..count {
            let delivered = match slf.get().fate(slf.py()) {
                Fate::Deliver(protocol) => {
                    let datagram = slf.get().to_python(slf.py(), batch, index)?;
                    slf.get().deliver(slf.py(), &protocol, datagram)
                }
                Fate::Hold => return Self::hold(slf, batch, index..count),
                Fate::Drop => return Ok(()),
            };
            if let Err(error) = delivered {
                Self::hold(slf, batch, index + 1..count)?;
                Self::schedule_held(slf);
                return Err(error);
            }
        }
        Ok(())
    }

    fn deliver_held(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, endpoint) = (slf.py(), slf.get());
        while let Fate::Deliver(protocol) = endpoint.fate(py) {
            let Some(datagram) = endpoint.with(py, |state| state.held.pop_front()) else {
                break;
            };
            if let Err(error) = endpoint.deliver(py, &protocol, datagram) {
                Self::schedule_held(slf);
                return Err(error);
            }
        }
        Ok(())
    }

    #[inline]
    fn fate(&self, py: Python<'_>) -> Fate {
        self.with(py, |state| match &state.protocol {
            Some(protocol) if state.is_reading() => Fate::Deliver(protocol.clone_ref(py)),
            Some(_) if !state.is_closing => Fate::Hold,
            _ => Fate::Drop,
        })
    }

    /// Keeps datagrams until they are wanted: the memory that they lie in is needed for others.
    #[cold]
    fn hold(slf: &Bound<'_, Self>, batch: &Batch, indices: std::ops::Range<usize>) -> PyResult<()> {
        let (py, endpoint) = (slf.py(), slf.get());
        for index in indices {
            let datagram = endpoint.to_python(py, batch, index)?;
            endpoint.with(py, |state| state.held.push_back(datagram));
        }
        Ok(())
    }

    /// Calls the protocol. What it raises is reported, unless it ends the loop.
    #[inline]
    fn deliver(
        &self,
        py: Python<'_>,
        protocol: &Py<PyAny>,
        (data, address): Received,
    ) -> PyResult<()> {
        let called = protocol
            .bind(py)
            .call_method1(intern!(py, "datagram_received"), (data, address));
        match called {
            Ok(_returned) => Ok(()),
            Err(error) => self.report(py, error, "protocol.datagram_received() failed"),
        }
    }

    /// Tells the protocol of an error that the endpoint survives. Fails with what the protocol raises.
    pub(super) fn error_received(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let Some(protocol) = self.protocol(py) else {
            return Ok(());
        };
        let error = error.into_value(py);
        protocol
            .call_method1(py, intern!(py, "error_received"), (error,))
            .map(drop)
    }

    /// Tells the protocol of an error that the kernel has reported.
    #[cold]
    fn refused(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        self.error_received(py, error)
            .or_else(|raised| self.report_error_received(py, raised))
    }

    /// Reports what `error_received` raised where no caller can catch it.
    pub(super) fn report_error_received(&self, py: Python<'_>, raised: PyErr) -> PyResult<()> {
        self.report(py, raised, "protocol.error_received() failed")
    }

    #[cold]
    fn report(&self, py: Python<'_>, error: PyErr, message: &str) -> PyResult<()> {
        if ends_the_loop(py, &error) {
            return Err(error);
        }
        let error = error.into_value(py);
        self.tell_transport(py, intern!(py, "_report"), (message, error))
    }

    /// A datagram of a batch, and its sender, as the protocol gets them.
    #[inline]
    fn to_python(&self, py: Python<'_>, batch: &Batch, index: usize) -> PyResult<Received> {
        let (data, sender) = batch.get(index).unwrap_or((&[], Sender::Unnamed));
        let data = PyBytes::new(py, data).unbind();
        let address = match sender {
            Sender::Internet(address) => {
                let known = self.with(py, |state| state.peers.tuple_of(py, &address));
                match known {
                    Some(tuple) => tuple.into_any(),
                    None => {
                        let tuple = addresses::internet_to_python(py, &address)?.unbind();
                        let kept = tuple.clone_ref(py);
                        self.with(py, |state| state.peers.remember(address, kept));
                        tuple.into_any()
                    }
                }
            }
            Sender::Local(name) => addresses::local_to_python(py, name)?.unbind(),
            Sender::Unnamed => py.None(),
        };
        Ok((data, address))
    }

    /// Receives a datagram of a family that only the socket object knows.
    fn receive_foreign(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, endpoint) = (slf.py(), slf.get());
        let sock = endpoint.owned.object(py)?;
        let received = sock
            .call_method1(intern!(py, "recvfrom"), (FOREIGN_SIZE_MAX,))
            .and_then(|received| received.cast_into::<PyTuple>()?.extract());
        match (received, endpoint.fate(py)) {
            (Ok(datagram), Fate::Deliver(protocol)) => endpoint.deliver(py, &protocol, datagram),
            (Ok(_unwanted), _) => Ok(()),
            (Err(error), _) if would_block(py, &error) => Ok(()),
            (Err(error), _) if error.is_instance_of::<PyOSError>(py) => endpoint.refused(py, error),
            (Err(error), _) if ends_the_loop(py, &error) => Err(error),
            (Err(error), _) => endpoint.fail(py, error, "Fatal read error on datagram transport"),
        }
    }
}

/// Whether the socket object says that the call would have had to wait.
pub(super) fn would_block(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<PyBlockingIOError>(py) || error.is_instance_of::<PyInterruptedError>(py)
}
