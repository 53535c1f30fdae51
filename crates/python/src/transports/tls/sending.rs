//! From the protocol's writes to encrypted bytes; flow control.
//!
//! What is written while the transport below takes it is encrypted at once. The rest waits unencrypted,
//! and is encrypted piece by piece, so that neither OpenSSL nor the transport below holds much.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::lower::Lower;
use super::session::Progress;
use super::{Phase, Tls};
use crate::transports::writing::snapshot;

/// How much is encrypted before it is handed on: four of the largest records, for one system call.
const PIECE_MAX: usize = 64 * 1024;
/// After this many writes to a lost connection each further one is logged (asyncio's value).
const LOST_WRITES_SILENT_MAX: u32 = 5;
const FATAL: &str = "Fatal error on SSL protocol";

/// What becomes of a write.
enum Verdict {
    /// It is encrypted now.
    Encrypt,
    /// It waits behind others, or for the handshake.
    Queue,
    /// The connection ends; the flag says whether that is worth a warning.
    Lost { warn: bool },
}

impl Tls {
    fn judge_write(&self, py: Python<'_>) -> Verdict {
        self.with(py, |state| {
            if state.phase > Phase::Open {
                let warn = state.lost_count >= LOST_WRITES_SILENT_MAX;
                state.lost_count = state.lost_count.saturating_add(1);
                Verdict::Lost { warn }
            } else if state.phase < Phase::Open
                || state.is_lower_write_paused
                || !state.backlog.is_empty()
            {
                Verdict::Queue
            } else {
                Verdict::Encrypt
            }
        })
    }

    /// Sends a bytes-like object that is not empty.
    pub(super) fn send(&self, data: &Bound<'_, PyAny>, length: usize) -> PyResult<()> {
        let py = data.py();
        match self.judge_write(py) {
            Verdict::Encrypt if length <= PIECE_MAX => match self.encrypt(py, data) {
                Ok(Progress::Done(count)) if count == length => self.pass_on_or_fail(py),
                Ok(Progress::Done(count)) => {
                    let rest = snapshot(data)?;
                    self.with(py, |state| {
                        state.backlog.push(rest);
                        state.backlog.advance(py, count);
                    });
                    self.send_backlog(py)
                }
                Ok(Progress::WantsInput) => self.queue(&snapshot(data)?),
                Err(error) => self.fail(py, &error, FATAL),
            },
            Verdict::Encrypt => {
                let data = snapshot(data)?;
                self.with(py, |state| state.backlog.push(data));
                self.send_backlog(py)
            }
            Verdict::Queue => self.queue(&snapshot(data)?),
            Verdict::Lost { warn } => {
                if warn {
                    let logger = py.import("asyncio.log")?.getattr("logger")?;
                    logger.call_method1("warning", ("SSL connection is closed",))?;
                }
                Ok(())
            }
        }
    }

    fn queue(&self, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let py = data.py();
        self.with(py, |state| state.backlog.push(data.clone()));
        self.pass_on_or_fail(py)?;
        self.control_writing(py)
    }

    /// Encrypts what waits, as far as the transport below takes it.
    pub(super) fn send_backlog(&self, py: Python<'_>) -> PyResult<()> {
        let sent = self.encrypt_backlog(py);
        if let Err(error) = sent {
            return self.fail(py, &error, FATAL);
        }
        self.control_writing(py)
    }

    fn encrypt_backlog(&self, py: Python<'_>) -> PyResult<()> {
        loop {
            let piece = self.with(py, |state| {
                let is_open = state.phase >= Phase::Open && state.phase <= Phase::Flushing;
                if !is_open || state.is_lower_write_paused {
                    return None;
                }
                state.backlog.first(py)
            });
            let Some((chunk, offset)) = piece else {
                return Ok(());
            };
            let rest = chunk.as_bytes(py).get(offset..).unwrap_or_default();
            let piece = rest.get(..PIECE_MAX).unwrap_or(rest);
            self.lend_memory(py);
            match self.session.write_slice(py, piece)? {
                Progress::Done(count) => {
                    self.with(py, |state| state.backlog.advance(py, count));
                    self.pass_on(py)?;
                }
                // In the middle of a renegotiation; what the peer says next moves it on.
                Progress::WantsInput => return self.pass_on(py),
            }
        }
    }

    fn encrypt(&self, py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Progress<usize>> {
        self.lend_memory(py);
        self.session.write(py, data)
    }

    /// Lets the session write to memory that all connections of the loop use in turn.
    fn lend_memory(&self, py: Python<'_>) {
        self.session
            .lend_memory(self.event_loop.get().take_spare(py));
    }

    /// Hands encrypted bytes to the transport below.
    pub(super) fn pass_on(&self, py: Python<'_>) -> PyResult<()> {
        let bytes = self.session.take_encrypted(py)?;
        if bytes.capacity() == 0 {
            return Ok(());
        }
        let passed = match self.lower(py) {
            Some(lower) if !bytes.is_empty() => lower.write(py, &bytes),
            _ => Ok(()),
        };
        self.event_loop.get().keep_spare(py, bytes);
        passed
    }

    pub(super) fn pass_on_or_fail(&self, py: Python<'_>) -> PyResult<()> {
        match self.pass_on(py) {
            Ok(()) => Ok(()),
            Err(error) => self.fail(py, &error, FATAL),
        }
    }

    /// Asks the protocol to pause above the high-water mark, and to go on at the low one.
    pub(super) fn control_writing(&self, py: Python<'_>) -> PyResult<()> {
        let change = self.with(py, |state| {
            let (size, marks) = (state.backlog.size(), state.write_marks);
            // A mark of zero asks for a pause whenever anything waits.
            if !state.is_write_paused && size >= marks.high.max(1) {
                state.is_write_paused = true;
                Some(true)
            } else if state.is_write_paused && size <= marks.low {
                state.is_write_paused = false;
                Some(false)
            } else {
                None
            }
        });
        match change {
            Some(true) => self.tell_transport(py, intern!(py, "_pause_protocol"), ()),
            Some(false) => self.tell_transport(py, intern!(py, "_resume_protocol"), ()),
            None => Ok(()),
        }
    }

    /// Whether bytes wait that the kernel has refused to take for now.
    pub(super) fn is_blocked(&self, py: Python<'_>) -> bool {
        let is_waiting = self.with(py, |state| {
            !state.backlog.is_empty() || state.is_lower_write_paused
        });
        is_waiting
            || self
                .lower(py)
                .is_some_and(|lower: Lower| lower.is_blocked(py))
    }

    /// Whether the kernel has everything that was written.
    pub(super) fn is_drained(&self, py: Python<'_>) -> bool {
        self.with(py, |state| state.backlog.is_empty())
            && self.lower(py).is_none_or(|lower| lower.is_drained(py))
    }
}
