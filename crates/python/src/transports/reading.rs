//! From a readable socket to the protocol: one read per readiness, into memory of a fitting size.
//!
//! Small reads go through the loop's scratch memory into a bytes object of their exact size. A
//! connection whose reads fill the scratch is read straight into bytes objects, larger each time, up
//! to what a pipe can hold; once its reads are small again it falls back.

use aioxide_engine::sockets::Attempt;
use aioxide_engine::sources::Direction;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyRuntimeError, PyTypeError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;

use super::channel::{Failure, Role};
use super::owned::Telling;
use super::stream::{Receiver, Stream};
use super::tls::Tls;
use crate::errors::os_error;
use crate::event_loop::{SCRATCH_SIZE, ends_the_loop};
use crate::raw::{bytes, context};

/// No read is larger than this (asyncio's own bound).
const READ_SIZE_MAX: usize = 256 * 1024;

/// How much the next read asks for.
#[derive(Clone, Copy)]
pub(super) struct ReadSize {
    size: usize,
    /// More than this the source never has. Asked for when a read has been filled.
    size_max: Option<usize>,
    /// Past the scratch memory.
    is_direct: bool,
}

impl Default for ReadSize {
    fn default() -> Self {
        Self {
            size: SCRATCH_SIZE,
            size_max: None,
            is_direct: false,
        }
    }
}

impl ReadSize {
    /// Doubles after a read that was filled, halves after one that was not filled to a quarter.
    fn after(self, received: usize, capacity: impl FnOnce() -> Option<usize>) -> Self {
        if received >= self.size {
            let size_max = self.size_max.unwrap_or_else(|| {
                let capacity = capacity().unwrap_or(READ_SIZE_MAX);
                capacity.clamp(SCRATCH_SIZE, READ_SIZE_MAX)
            });
            Self {
                size: (self.size * 2).min(size_max),
                size_max: Some(size_max),
                is_direct: true,
            }
        } else if received < self.size / 4 {
            let size = (self.size / 2).max(SCRATCH_SIZE);
            Self {
                size,
                is_direct: size > SCRATCH_SIZE,
                ..self
            }
        } else {
            self
        }
    }
}

/// What a read brought.
enum Received<T> {
    Data(T),
    EndOfStream,
    Nothing,
}

impl Stream {
    /// The kernel says that a read would not block.
    pub(crate) fn read_ready(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if self.channel.role == Role::PipeWriter {
            return self.peer_gone(slf);
        }
        let (is_reading, receiver) = self.with(py, |state| (state.is_reading(), state.receiver));
        // A callback of this very batch may have closed the socket, and another taken its number.
        if !is_reading || !self.has_its_descriptor(py) {
            return Ok(());
        }
        let Some(protocol) = self.protocol(py) else {
            return Ok(());
        };
        let protocol = protocol.bind(py);
        match receiver {
            Receiver::Data | Receiver::Reader => self.read_data(slf, protocol, receiver),
            Receiver::Buffer => self.read_into_buffer(slf, protocol),
            Receiver::Tls => self.read_for_tls(slf, protocol),
        }
    }

    fn read_data(
        &self,
        slf: &Bound<'_, Self>,
        protocol: &Bound<'_, PyAny>,
        receiver: Receiver,
    ) -> PyResult<()> {
        let py = slf.py();
        match self.receive(py) {
            Ok(Received::Data(data)) => {
                let called = context::run_in(py, &self.context, || {
                    Self::deliver(receiver, protocol, data.into_any())
                });
                if self.channel.is_pipe() {
                    return self.check_pipe_call(py, called);
                }
                self.check_call(
                    py,
                    called,
                    "Fatal error: protocol.data_received() call failed.",
                )
            }
            Ok(Received::EndOfStream) => self.read_eof(slf, protocol),
            Ok(Received::Nothing) => Ok(()),
            Err(error) => self.fail_by_kernel(py, error, Failure::Read),
        }
    }

    fn receive<'py>(&self, py: Python<'py>) -> PyResult<Received<Bound<'py, PyBytes>>> {
        let size = self.with(py, |state| state.read_size);
        let received = if size.is_direct {
            self.receive_large(py, size.size)?
        } else {
            self.receive_small(py)
        };
        match received {
            Ok(Attempt::Done(data)) if data.as_bytes().is_empty() => Ok(Received::EndOfStream),
            Ok(Attempt::Done(data)) => {
                let next = size.after(data.as_bytes().len(), || {
                    self.channel.capacity(self.owned.fd)
                });
                self.with(py, |state| state.read_size = next);
                Ok(Received::Data(data))
            }
            Ok(Attempt::WouldBlock) => Ok(Received::Nothing),
            Err(errno) => Err(os_error(py, errno)),
        }
    }

    fn receive_small<'py>(&self, py: Python<'py>) -> Result<Attempt<Bound<'py, PyBytes>>, Errno> {
        self.event_loop.get().with_scratch(py, |scratch| {
            let scratch = scratch.get_mut(..SCRATCH_SIZE).unwrap_or_default();
            Ok(match self.channel.receive_into(self.owned.fd, scratch)? {
                Attempt::Done(count) => {
                    Attempt::Done(PyBytes::new(py, scratch.get(..count).unwrap_or_default()))
                }
                Attempt::WouldBlock => Attempt::WouldBlock,
            })
        })
    }

    fn receive_large<'py>(
        &self,
        py: Python<'py>,
        size: usize,
    ) -> PyResult<Result<Attempt<Bound<'py, PyBytes>>, Errno>> {
        let mut outcome = Ok(Attempt::WouldBlock);
        let data = bytes::bytes_filled(py, size, |memory| {
            outcome = self.channel.receive(self.owned.fd, memory);
            match outcome {
                Ok(Attempt::Done(count)) => count,
                Ok(Attempt::WouldBlock) | Err(_) => 0,
            }
        })?;
        Ok(outcome.map(|attempt| match attempt {
            Attempt::Done(_count) => Attempt::Done(data),
            Attempt::WouldBlock => Attempt::WouldBlock,
        }))
    }

    /// Encrypted bytes are decrypted right out of the loop's scratch memory.
    fn read_for_tls(&self, slf: &Bound<'_, Self>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let tls = protocol.cast::<Tls>()?;
        let received = self.event_loop.get().with_scratch(py, |scratch| {
            let attempt = self
                .channel
                .receive_into(self.owned.fd, scratch)
                .map_err(|errno| os_error(py, errno));
            match attempt {
                Ok(Attempt::Done(0)) => Ok(Received::EndOfStream),
                Ok(Attempt::Done(count)) => {
                    let arrived = scratch.get(..count).unwrap_or_default();
                    let called =
                        context::run_in(py, &self.context, || tls.get().receive(tls, arrived));
                    Ok(Received::Data(called))
                }
                Ok(Attempt::WouldBlock) => Ok(Received::Nothing),
                Err(error) => Err(error),
            }
        });
        match received {
            Ok(Received::Data(called)) => self.check_call(
                py,
                called,
                "Fatal error: protocol.buffer_updated() call failed.",
            ),
            Ok(Received::EndOfStream) => self.read_eof(slf, protocol),
            Ok(Received::Nothing) => Ok(()),
            Err(error) => self.fail(py, error, "Fatal read error on socket transport"),
        }
    }

    fn read_into_buffer(&self, slf: &Bound<'_, Self>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        // What the protocol was asked last, as asyncio words its failure.
        let mut step = "Fatal error: protocol.get_buffer() call failed.";
        let filled = context::run_in(py, &self.context, || {
            let buffer = ask_for_buffer(protocol, -1)?;
            let receive = |memory: &mut [_]| self.channel.receive(self.owned.fd, memory);
            let received = match bytes::fill_object(&buffer, receive)? {
                Some(received) => received.map_err(|errno| os_error(py, errno)),
                None => Err(PyTypeError::new_err(
                    "get_buffer() must return a writable, contiguous buffer",
                )),
            };
            drop(buffer);
            match received {
                Ok(Attempt::Done(0)) => Ok(Received::EndOfStream),
                Ok(Attempt::Done(count)) => {
                    step = "Fatal error: protocol.buffer_updated() call failed.";
                    protocol.call_method1(intern!(py, "buffer_updated"), (count,))?;
                    Ok(Received::Data(Ok(())))
                }
                Ok(Attempt::WouldBlock) => Ok(Received::Nothing),
                Err(error) => Ok(Received::Data(Err(error))),
            }
        });
        match filled {
            Ok(Received::EndOfStream) => self.read_eof(slf, protocol),
            Ok(Received::Data(Ok(())) | Received::Nothing) => Ok(()),
            Ok(Received::Data(Err(error))) => self.fail_by_kernel(py, error, Failure::Read),
            Err(error) => self.check_call(py, Err::<(), _>(error), step),
        }
    }

    /// The peer will send no more: the protocol decides whether the connection stays half open.
    fn read_eof(&self, slf: &Bound<'_, Self>, protocol: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        if self.channel.is_pipe() {
            return self.end_of_pipe(slf);
        }
        if self.event_loop.get().is_debug() {
            self.tell_transport(py, intern!(py, "_note_eof"), ())?;
        }
        let answered = context::run_in(py, &self.context, || {
            protocol
                .call_method0(intern!(py, "eof_received"))?
                .is_truthy()
        });
        match answered {
            Ok(true) => {
                self.with(py, |state| state.has_read_eof = true);
                self.unwatch(py, Direction::Read, Telling::AtOnce);
                Ok(())
            }
            Ok(false) => self.tell_transport(py, intern!(py, "close"), ()),
            Err(error) => self.check_call(
                py,
                Err::<(), _>(error),
                "Fatal error: protocol.eof_received() call failed.",
            ),
        }
    }

    /// What a protocol raises ends the connection, unless it ends the loop.
    fn check_call<T>(&self, py: Python<'_>, called: PyResult<T>, message: &str) -> PyResult<()> {
        match called {
            Ok(_returned) => Ok(()),
            Err(error) if ends_the_loop(py, &error) => Err(error),
            Err(error) => self.fail(py, error, message),
        }
    }
}

/// What a buffered protocol wants to be filled next.
fn ask_for_buffer<'py>(
    protocol: &Bound<'py, PyAny>,
    size_hint: isize,
) -> PyResult<Bound<'py, PyAny>> {
    let py = protocol.py();
    let buffer = protocol.call_method1(intern!(py, "get_buffer"), (size_hint,))?;
    if buffer.len()? == 0 {
        return Err(PyRuntimeError::new_err(
            "get_buffer() returned an empty buffer",
        ));
    }
    Ok(buffer)
}

/// The memory that a buffered protocol wants to be filled next.
pub(super) fn lend_buffer(
    protocol: &Bound<'_, PyAny>,
    size_hint: isize,
) -> PyResult<PyUntypedBuffer> {
    PyUntypedBuffer::get(&ask_for_buffer(protocol, size_hint)?)
}
