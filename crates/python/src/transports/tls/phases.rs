//! How a TLS connection begins and ends.
//!
//! What was written before `close` goes out first, then our goodbye (`close_notify`). The time that
//! the peer has for its own runs from when the kernel has taken everything, so that a slow reader
//! gets all of it. A peer that says goodbye, or ends the stream, is answered in the same way.

use pyo3::exceptions::PyConnectionResetError;
use pyo3::intern;
use pyo3::prelude::*;

use super::lower::Lower;
use super::session::Progress;
use super::{Phase, Tls};

/// The message for what fails while a connection is closed (asyncio's).
const FATAL: &str = "Fatal error on transport";

impl Tls {
    /// Takes a step of the handshake.
    pub(super) fn shake_hands(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match self.session.shake_hands(py) {
            Ok(Progress::WantsInput) => self.pass_on_or_fail(py),
            Ok(Progress::Done(())) => self.finish_handshake(slf),
            Err(error) => self.fail_handshake(py, &error),
        }
    }

    fn finish_handshake(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        // A callback of the context, such as the one for server names, may have closed the connection.
        if self.phase(py) != Phase::Handshake || !self.enter(py, Phase::Open) {
            return Ok(());
        }
        self.with(py, |state| state.has_unread = true);
        self.pass_on_or_fail(py)?;
        let told = self.tell_transport(py, intern!(py, "_finish_handshake"), ());
        if let Err(error) = told {
            // What `connection_made` raises is charged to the transport below, as in asyncio.
            if crate::event_loop::ends_the_loop(py, &error) {
                return Err(error);
            }
            return self.fail(
                py,
                &error,
                "Fatal error: protocol.buffer_updated() call failed.",
            );
        }
        if self.phase(py) == Phase::Open {
            self.send_backlog(py)?;
            self.read_on(slf)?;
            self.control_reading(py)?;
        }
        Ok(())
    }

    fn fail_handshake(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        if !self.enter(py, Phase::Over) {
            return Ok(());
        }
        self.send_last_words(py)?;
        self.tell_transport(py, intern!(py, "_fail_handshake"), (error.value(py),))
    }

    /// Sends what OpenSSL has to say about a failure, which the peer would not learn otherwise.
    fn send_last_words(&self, py: Python<'_>) -> PyResult<()> {
        self.pass_on(py)?;
        match self.lower(py) {
            Some(lower) => lower.flush(py),
            None => Ok(()),
        }
    }

    /// Ends the connection because of a failure of the record layer.
    pub(super) fn fail_after_flush(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        self.send_last_words(py)?;
        self.fail(py, error, "Fatal error on SSL protocol")
    }

    /// The peer has said that it will send nothing more.
    pub(super) fn receive_goodbye(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        self.with(slf.py(), |state| state.has_unread = false);
        self.end_reading(slf)
    }

    /// Tells the protocol that there is no more to read, and begins to close. TLS above has bytes of its own
    /// to send first, and closes this one then.
    fn end_reading(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if self.with(py, |state| state.is_left_to_upper) {
            return Ok(());
        }
        let is_left = self.call_eof_received(py)?;
        self.with(py, |state| state.is_left_to_upper = is_left);
        if is_left {
            Ok(())
        } else {
            self.begin_closing(slf)
        }
    }

    /// Tells the protocol, once, of the end of the stream; whether it is left to TLS above to close.
    fn call_eof_received(&self, py: Python<'_>) -> PyResult<bool> {
        let transport = self.with(py, |state| {
            let is_told = std::mem::replace(&mut state.has_told_eof, true);
            let transport = state.transport.as_ref().filter(|_| !is_told);
            transport.map(|transport| transport.clone_ref(py))
        });
        match transport {
            Some(transport) => transport
                .bind(py)
                .call_method0(intern!(py, "_call_eof_received"))?
                .is_truthy(),
            None => Ok(false),
        }
    }

    /// Everything from a stream that ended without a goodbye has been delivered.
    pub(super) fn settle_eof(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let is_due = self.with(py, |state| {
            let is_read = !state.has_unread && !state.is_read_paused;
            state.phase == Phase::Open && state.has_eof && is_read
        });
        if !is_due {
            return Ok(());
        }
        if self.is_strict {
            self.enter(py, Phase::Over);
            return self.tell_transport(py, intern!(py, "_fail_truncated"), ());
        }
        self.end_reading(slf)
    }

    /// Stops reading for the protocol, and begins to flush.
    pub(super) fn begin_closing(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if self.phase(py) != Phase::Open || !self.enter(py, Phase::Delivering) {
            return Ok(());
        }
        if self.with(py, |state| state.is_resuming) {
            // The protocol wanted it, and has not been given it yet.
            self.read_on(slf)?;
        }
        if !self.enter(py, Phase::Flushing) {
            return Ok(());
        }
        let (was_paused, has_unread) = self.with(py, |state| {
            // What a protocol has paused before stays unread, so that OpenSSL says of it what it says to asyncio.
            let has_unread = state.has_unread && !state.is_read_paused;
            state.has_unread = false;
            (std::mem::take(&mut state.is_lower_read_paused), has_unread)
        });
        if has_unread {
            self.receive(slf, &[])?;
        }
        if was_paused && let Some(lower) = self.lower(py) {
            // The peer's goodbye must be heard, whatever the protocol wanted to hear.
            lower.resume_reading(py)?;
        }
        self.go_on_closing(slf)
    }

    /// Says goodbye once everything is encrypted and on its way.
    fn go_on_closing(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if self.phase(py) != Phase::Flushing {
            return Ok(());
        }
        self.send_backlog(py)?;
        if self.phase(py) != Phase::Flushing || self.is_blocked(py) {
            return Ok(());
        }
        let (failure, has_eof) = self.with(py, |state| (state.failure.take(), state.has_eof));
        if let Some(error) = failure {
            return self.fail_after_flush(py, &error);
        }
        if has_eof {
            return self.close_lower(py);
        }
        self.enter(py, Phase::Goodbye);
        self.say_goodbye(slf)
    }

    /// Says goodbye, and listens whether the peer has said it, too.
    pub(super) fn say_goodbye(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let said = self.session.say_goodbye(py);
        self.pass_on_or_fail(py)?;
        if self.phase(py) != Phase::Goodbye {
            return Ok(());
        }
        match said {
            Ok(Progress::Done(())) => self.close_lower(py),
            Ok(Progress::WantsInput) => self.wait_for_goodbye(py),
            Err(error) => {
                // A peer that goes on sending. What we have sent must reach it all the same.
                drop(self.with(py, |state| state.failure.replace(error)));
                self.wait_for_goodbye(py)
            }
        }
    }

    /// Starts the time that the peer has, or reports what went wrong, once the kernel has all our data.
    fn wait_for_goodbye(&self, py: Python<'_>) -> PyResult<()> {
        if self.lower(py).is_some_and(|lower| !lower.is_drained(py)) {
            return Ok(());
        }
        let (failure, starts) = self.with(py, |state| {
            let starts = !std::mem::replace(&mut state.is_timed, true);
            (state.failure.take(), starts)
        });
        match failure {
            Some(error) => self.fail(py, &error, FATAL),
            None if starts => self.tell_transport(py, intern!(py, "_start_shutdown_timer"), ()),
            None => Ok(()),
        }
    }

    /// Both sides have said goodbye, or the peer is gone: what is queued below goes out, then it closes.
    fn close_lower(&self, py: Python<'_>) -> PyResult<()> {
        self.enter(py, Phase::Over);
        self.call_eof_received(py)?;
        self.tell_transport(py, intern!(py, "_close_below"), ())
    }

    /// The kernel has taken everything from the transport below.
    pub(crate) fn lower_drained(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        match self.phase(py) {
            Phase::Flushing => self.go_on_closing(slf)?,
            Phase::Goodbye => self.wait_for_goodbye(py)?,
            Phase::Waiting | Phase::Handshake | Phase::Open | Phase::Delivering | Phase::Over => {}
        }
        // TLS over TLS: the one above waits for the same.
        match self.protocol(py) {
            Some(protocol) => match protocol.cast::<Self>() {
                Ok(upper) if self.is_drained(py) => upper.get().lower_drained(upper),
                _ => Ok(()),
            },
            None => Ok(()),
        }
    }
}

#[pymethods]
impl Tls {
    /// Tells which transport will carry the encrypted bytes.
    fn attach(&self, py: Python<'_>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let lower = Lower::new(transport)?;
        let previous = self.with(py, |state| state.lower.replace(lower));
        drop(previous);
        Ok(())
    }

    /// The connection below stands: the handshake begins.
    fn connection_made(slf: &Bound<'_, Self>, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let tls = slf.get();
        if !tls.enter(py, Phase::Handshake) {
            return Ok(());
        }
        if tls
            .lower(py)
            .is_none_or(|lower| !lower.stands_for(transport))
        {
            tls.attach(py, transport)?;
        }
        tls.tell_transport(py, intern!(py, "_begin_handshake"), ())?;
        if tls.is_server && tls.session.unread(py)? == 0 {
            // Nothing to answer yet, which OpenSSL would say with an exception.
            return Ok(());
        }
        tls.shake_hands(slf)
    }

    /// The connection below is lost.
    fn connection_lost(&self, py: Python<'_>, exc: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.enter(py, Phase::Over);
        let told = self.tell_transport(py, intern!(py, "_connection_lost"), (exc,));
        let released = self.with(py, |state| {
            state.backlog.clear();
            state.records.clear();
            (
                state.lower.take(),
                state.protocol.take(),
                state.transport.take(),
                state.failure.take(),
            )
        });
        drop(released);
        told
    }

    /// The stream below has ended. Returns whether it is to stay open until what we have to say has gone out.
    fn eof_received(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        let tls = slf.get();
        let rest = tls.with(py, |state| {
            state.has_eof = true;
            state.is_truncated |= state.phase == Phase::Open;
            state.records.take_rest()
        });
        match tls.phase(py) {
            Phase::Waiting => return Ok(false),
            Phase::Handshake => {
                if !rest.is_empty() {
                    tls.session.feed(py, &rest)?;
                    tls.shake_hands(slf)?;
                }
                tls.fail_handshake(py, &PyConnectionResetError::new_err(()))?;
            }
            Phase::Open => {
                tls.read_on(slf)?;
                tls.settle_eof(slf)?;
            }
            Phase::Flushing => tls.go_on_closing(slf)?,
            Phase::Goodbye => tls.close_lower(py)?,
            Phase::Delivering | Phase::Over => {}
        }
        Ok(tls.lower(py).is_some())
    }

    /// The transport below asks for a pause.
    fn pause_writing(&self, py: Python<'_>) {
        self.with(py, |state| state.is_lower_write_paused = true);
    }

    /// The transport below wants more.
    fn resume_writing(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let tls = slf.get();
        tls.with(py, |state| state.is_lower_write_paused = false);
        match tls.phase(py) {
            Phase::Open => tls.send_backlog(py),
            Phase::Flushing => tls.go_on_closing(slf),
            Phase::Waiting
            | Phase::Handshake
            | Phase::Delivering
            | Phase::Goodbye
            | Phase::Over => Ok(()),
        }
    }

    /// Closes the connection once everything that was written has gone out.
    fn close(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let tls = slf.get();
        match tls.phase(py) {
            Phase::Waiting | Phase::Handshake => tls.force_close(py, None),
            Phase::Open => tls.begin_closing(slf),
            Phase::Delivering | Phase::Flushing | Phase::Goodbye | Phase::Over => Ok(()),
        }
    }

    /// Closes the connection at once, with the reason that `connection_lost` will be given.
    #[pyo3(name = "_force_close")]
    fn force_close(&self, py: Python<'_>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        self.enter(py, Phase::Over);
        match self.lower(py) {
            Some(lower) => lower.force_close(py, error.as_ref()),
            None => Ok(()),
        }
    }
}
