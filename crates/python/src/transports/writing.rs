//! From `write` to the kernel: held back until the end of the turn, then sent in one call; flow control.
//!
//! A response that is written as a header and a body costs one system call, not two. Nothing else
//! shows: outside of a turn, above the high-water mark, and whenever the user asks how much is
//! queued or ends the stream, what is held goes out at once.

use aioxide_engine::sockets::Attempt;
use aioxide_engine::sources::Direction;
use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyTypeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView};
use rustix::io::Errno;
use rustix::net;

use super::channel::{Failure, Role};
use super::owned::Telling;
use super::pipe;
use super::stream::{Receiver, Stream};
use super::tls::Tls;
use crate::errors::os_error;

/// More than this many bytes are not held back: one call for so much is as cheap as two.
const HELD_MAX: usize = 64 * 1024;
/// From this many bytes on, a copy of them is dearer than a system call that another write might share.
const SENT_AT_ONCE_MIN: usize = 16 * 1024;

/// What becomes of bytes that were just queued.
enum Verdict {
    /// They wait for the end of the turn; the flag says whether the loop has to be told.
    Hold { is_new: bool },
    /// They go out now.
    Flush,
    /// They wait for the kernel, and are too many.
    Pause,
    /// The connection is lost; the flag says whether that is worth a warning.
    Lost { warn: bool },
}

/// After this many writes to a lost connection each further one is logged (asyncio's value).
const LOST_WRITES_SILENT_MAX: u32 = 5;

/// An exact bytes object with the contents of `data`: itself, or a snapshot of what may change.
pub(super) fn snapshot<'py>(data: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = data.cast_exact::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let py = data.py();
    if let Ok(bytes) = data.cast::<PyBytes>() {
        return Ok(PyBytes::new(py, bytes.as_bytes()));
    }
    if data.is_instance_of::<PyByteArray>() || data.is_instance_of::<PyMemoryView>() {
        return Ok(py.get_type::<PyBytes>().call1((data,))?.cast_into()?);
    }
    Err(not_bytes_like(data)?)
}

/// asyncio's refusal of data that is not bytes.
pub(super) fn not_bytes_like(data: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let class = data.get_type().name()?;
    Ok(PyTypeError::new_err(format!(
        "data argument must be a bytes-like object, not '{class}'"
    )))
}

/// The low- and the high-water mark that the user's choice of them means.
pub(super) fn water_marks(high: Option<i64>, low: Option<i64>) -> PyResult<(usize, usize)> {
    let high = high.unwrap_or_else(|| low.map_or(64 * 1024, |low| low.saturating_mul(4)));
    let low = low.unwrap_or(high / 4);
    if high < low || low < 0 {
        return Err(PyValueError::new_err(format!(
            "high ({high:?}) must be >= low ({low:?}) must be >= 0"
        )));
    }
    Ok((usize::try_from(low)?, usize::try_from(high)?))
}

impl Stream {
    fn queue<'py>(
        &self,
        py: Python<'py>,
        chunks: impl Iterator<Item = Bound<'py, PyBytes>>,
    ) -> PyResult<Verdict> {
        // What must not be made one with what is written next cannot wait for it.
        let may_hold = self.event_loop.get().is_in_turn() && !self.channel.keeps_messages;
        let is_pipe = self.channel.role == Role::PipeWriter;
        self.with(py, |state| {
            if is_pipe && state.is_closing {
                let warn = state.late_write_count >= LOST_WRITES_SILENT_MAX;
                state.late_write_count = state.late_write_count.saturating_add(1);
                return Ok(Verdict::Lost { warn });
            }
            if state.has_written_eof {
                return Err("Cannot call write() after write_eof()");
            }
            if state.empty_waiter.is_some() {
                return Err("unable to write; sendfile is in progress");
            }
            if state.lost_count > 0 {
                let warn = state.lost_count >= LOST_WRITES_SILENT_MAX;
                state.lost_count = state.lost_count.saturating_add(1);
                return Ok(Verdict::Lost { warn });
            }
            let was_blocked = !state.outgoing.is_empty() && !state.is_held;
            chunks.for_each(|chunk| state.outgoing.push(chunk));
            if was_blocked || state.outgoing.is_empty() {
                // The kernel takes no more for now: the bytes wait for their turn in the queue.
                return Ok(if state.outgoing.size() > state.high_water {
                    Verdict::Pause
                } else {
                    Verdict::Hold { is_new: false }
                });
            }
            if !may_hold || state.outgoing.size() > HELD_MAX.min(state.high_water) {
                return Ok(Verdict::Flush);
            }
            Ok(Verdict::Hold {
                is_new: !std::mem::replace(&mut state.is_held, true),
            })
        })
        .map_err(PyRuntimeError::new_err)
    }

    fn follow(slf: &Bound<'_, Self>, verdict: &Verdict) -> PyResult<()> {
        let py = slf.py();
        match verdict {
            Verdict::Hold { is_new: false } | Verdict::Lost { warn: false } => Ok(()),
            Verdict::Hold { is_new: true } => {
                let stream = slf.clone().unbind();
                let event_loop = slf.get().event_loop.get();
                event_loop.with(py, |state| state.unflushed.push(stream));
                if cfg!(Py_GIL_DISABLED) && !event_loop.runs_here(py) {
                    // The turn that was under way may have ended meanwhile.
                    event_loop.wake();
                }
                Ok(())
            }
            Verdict::Flush => slf.get().flush(slf),
            Verdict::Pause => slf.get().pause_protocol(py),
            Verdict::Lost { warn: true } => {
                let logger = py.import("asyncio.log")?.getattr("logger")?;
                logger.call_method1("warning", (slf.get().channel.describe_late_write(),))?;
                Ok(())
            }
        }
    }

    /// Queues bytes for sending.
    pub(super) fn write_bytes(slf: &Bound<'_, Self>, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let verdict = slf.get().queue(slf.py(), std::iter::once(data.clone()))?;
        Self::follow(slf, &verdict)
    }

    /// Sends `bytes`, which stay the caller's: if they are many and nothing waits, the kernel is given them now,
    /// and only what it does not take is copied and queued.
    pub(super) fn write_slice(slf: &Bound<'_, Self>, bytes: &[u8]) -> PyResult<()> {
        let (py, stream) = (slf.py(), slf.get());
        if bytes.len() < SENT_AT_ONCE_MIN || !stream.may_send_at_once(py) {
            return Self::write_bytes(slf, &PyBytes::new(py, bytes));
        }
        let sent = match stream.channel.send(stream.owned.fd, bytes) {
            Ok(Attempt::Done(sent)) => sent,
            Ok(Attempt::WouldBlock) => 0,
            Err(errno) => return stream.after_error(py, os_error(py, errno)),
        };
        let rest = bytes.get(sent..).unwrap_or_default();
        if rest.is_empty() {
            return stream.after_all_sent(slf);
        }
        let rest = PyBytes::new(py, rest);
        stream.with(py, |state| state.outgoing.push(rest));
        stream.after_would_block(slf)
    }

    /// Whether nothing is in the way of bytes: nothing queued, no end, and the descriptor still ours.
    fn may_send_at_once(&self, py: Python<'_>) -> bool {
        let may_write = self.with(py, |state| {
            state.outgoing.is_empty()
                && state.lost_count == 0
                && !state.has_written_eof
                && state.empty_waiter.is_none()
        });
        may_write && self.channel.role == Role::Connection && self.has_its_descriptor(py)
    }

    /// Whether the kernel has refused bytes that are still queued.
    pub(super) fn is_blocked(&self, py: Python<'_>) -> bool {
        self.with(py, |state| !state.outgoing.is_empty() && !state.is_held)
    }

    /// Whether the kernel has everything that was written.
    pub(super) fn is_drained(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.outgoing.is_empty())
    }

    /// TLS above learns that the kernel has everything.
    fn tell_tls(&self, py: Python<'_>) -> PyResult<()> {
        let is_due = self.with(py, |state| {
            state.receiver == Receiver::Tls && state.outgoing.is_empty()
        });
        if !is_due {
            return Ok(());
        }
        match self.protocol(py) {
            Some(protocol) => {
                let tls = protocol.bind(py).cast::<Tls>()?;
                tls.get().lower_drained(tls)
            }
            None => Ok(()),
        }
    }

    /// The turn ends: what was held back goes out.
    pub(crate) fn flush_held(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        if self.with(slf.py(), |state| state.is_held) {
            self.flush(slf)
        } else {
            Ok(())
        }
    }

    /// The connection is about to end at once: what this turn has written goes out first, as far as the kernel
    /// takes it, because without the turn's end to wait for it would have been sent already.
    pub(super) fn send_held(&self, py: Python<'_>) -> PyResult<()> {
        let is_due = self.with(py, |state| {
            std::mem::take(&mut state.is_held) && state.lost_count == 0
        });
        if !is_due {
            return Ok(());
        }
        match self.send(py) {
            Ok(_is_all_sent) => Ok(()),
            Err(errno) => self.after_error(py, os_error(py, errno)),
        }
    }

    /// The kernel says that a write would not block.
    pub(crate) fn write_ready(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        crate::raw::context::run_in(slf.py(), &self.context, || self.flush(slf))
    }

    /// Sends what the kernel takes, and follows up on what that means.
    pub(super) fn flush(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let is_lost = self.with(py, |state| {
            state.is_held = false;
            state.lost_count > 0
        });
        if is_lost {
            return Ok(());
        }
        match self.send(py) {
            Ok(true) => self.after_all_sent(slf),
            Ok(false) => self.after_would_block(slf),
            Err(errno) => self.after_error(py, os_error(py, errno)),
        }
    }

    fn send(&self, py: Python<'_>) -> Result<bool, Errno> {
        let (channel, fd) = (self.channel, self.owned.fd);
        let (is_empty, is_to_be_joined) = self.with(py, |state| {
            let outgoing = &state.outgoing;
            (outgoing.is_empty(), outgoing.is_to_be_joined(channel))
        });
        if is_empty {
            return Ok(true);
        }
        if !self.has_its_descriptor(py) {
            return Err(Errno::BADF);
        }
        if is_to_be_joined {
            return self.event_loop.get().with_scratch(py, |memory| {
                self.with(py, |state| {
                    state.outgoing.send_joined(py, channel, fd, memory)
                })
            });
        }
        self.with(py, |state| state.outgoing.send(py, channel, fd))
    }

    fn after_all_sent(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        self.unwatch(py, Direction::Write, Telling::AtOnce);
        if self.with(py, |state| state.expects_nothing_of_writes()) {
            return Ok(());
        }
        self.resume_protocol(py)?;
        self.tell_tls(py)?;
        let (is_closing, shuts_down, waiter) = self.with(py, |state| {
            // The protocol may have written again while it was told to go on.
            if !state.outgoing.is_empty() {
                return (false, false, None);
            }
            let waiter = state
                .empty_waiter
                .as_ref()
                .map(|waiter| waiter.clone_ref(py));
            (state.is_closing, state.has_written_eof, waiter)
        });
        if let Some(waiter) = waiter
            && !waiter
                .bind(py)
                .call_method0(intern!(py, "done"))?
                .is_truthy()?
        {
            waiter
                .bind(py)
                .call_method1(intern!(py, "set_result"), (py.None(),))?;
        }
        if is_closing {
            Self::lose(slf, None)
        } else if shuts_down {
            self.shut_down_writing(py)
        } else {
            Ok(())
        }
    }

    fn after_would_block(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let is_watched = self.event_loop.get().with(py, |state| {
            state
                .sources
                .watcher(self.owned.fd, Direction::Write)
                .is_some()
        });
        if !is_watched && let Err(errno) = Self::watch(slf, Direction::Write) {
            return self.after_error(py, os_error(py, errno));
        }
        self.pause_protocol(py)?;
        self.resume_protocol(py)
    }

    fn after_error(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let waiter = self.with(py, |state| {
            state.outgoing.clear();
            state.late_write_count = 1;
            state
                .empty_waiter
                .as_ref()
                .map(|waiter| waiter.clone_ref(py))
        });
        if let Some(waiter) = waiter {
            waiter
                .bind(py)
                .call_method1(intern!(py, "set_exception"), (error.value(py),))?;
        }
        self.fail_by_kernel(py, error, Failure::Write)
    }

    fn shut_down_writing(&self, py: Python<'_>) -> PyResult<()> {
        const SHUT_WR: i32 = 1;
        let Some(sock) = self.owned.known_object(py) else {
            let _refused = borrow_fd(self.owned.fd)
                .and_then(|socket| net::shutdown(socket, net::Shutdown::Write));
            return Ok(());
        };
        match sock.call_method1(intern!(py, "shutdown"), (SHUT_WR,)) {
            // The peer may have reset the connection already: the reader will find out.
            Err(error) if !error.is_instance_of::<PyOSError>(py) => Err(error),
            _ => Ok(()),
        }
    }

    /// Above the high-water mark the protocol is asked, once, to pause.
    fn pause_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let pauses = self.with(py, |state| {
            let pauses = !state.is_write_paused && state.outgoing.size() > state.high_water;
            state.is_write_paused |= pauses;
            pauses
        });
        if pauses {
            self.tell_transport(py, intern!(py, "_pause_protocol"), ())
        } else {
            Ok(())
        }
    }

    /// At the low-water mark a protocol that was asked to pause is told to go on, but not if it has ended the
    /// connection instead, and what it wrote was dropped.
    fn resume_protocol(&self, py: Python<'_>) -> PyResult<()> {
        let resumes = self.with(py, |state| {
            let is_low = state.outgoing.size() <= state.low_water;
            let resumes = state.is_write_paused && is_low && state.lost_count == 0;
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
impl Stream {
    /// Queues `data` (bytes, bytearray or memoryview; a snapshot if it can change) for sending.
    fn write(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_pipe = slf.get().channel.is_pipe();
        let data = match snapshot(data) {
            Err(error) if is_pipe && error.is_instance_of::<PyTypeError>(slf.py()) => {
                return Err(pipe::refuse(data));
            }
            snapshot => snapshot?,
        };
        if is_pipe && data.as_bytes().is_empty() {
            return Ok(());
        }
        Self::write_bytes(slf, &data)
    }

    /// Queues an iterable of chunks for sending.
    fn writelines(slf: &Bound<'_, Self>, list_of_data: &Bound<'_, PyAny>) -> PyResult<()> {
        if slf.get().channel.is_pipe() {
            return Self::write(slf, &pipe::join(list_of_data)?);
        }
        let chunks = list_of_data
            .try_iter()?
            .map(|chunk| snapshot(&chunk?))
            .collect::<PyResult<Vec<_>>>()?;
        let verdict = slf.get().queue(slf.py(), chunks.into_iter())?;
        Self::follow(slf, &verdict)
    }

    /// Ends the stream towards the peer once everything written has gone out.
    fn write_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        let is_first = slf.get().with(slf.py(), |state| {
            !state.is_closing && !std::mem::replace(&mut state.has_written_eof, true)
        });
        if is_first {
            slf.get().flush(slf)
        } else {
            Ok(())
        }
    }

    /// How many bytes wait for the kernel to take them.
    fn get_write_buffer_size(slf: &Bound<'_, Self>) -> PyResult<usize> {
        let py = slf.py();
        slf.get().flush_held(slf)?;
        Ok(slf.get().with(py, |state| state.outgoing.size()))
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
