//! From encrypted bytes to the protocol.
//!
//! What arrives in one read is delivered in one call: a single record is decrypted into a bytes
//! object of its size, several into one object together.

use aioxide_engine::records::Group;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::PyTypeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::session::Progress;
use super::{Phase, Tls};
use crate::event_loop::ends_the_loop;
use crate::raw::bytes;
use crate::transports::reading::lend_buffer;
use crate::transports::stream::{Receiver, Stream};

/// How much is decrypted into one bytes object, where nobody has asked for less.
const DELIVERY_MAX: usize = 64 * 1024;

/// What ended a series of reads.
enum Ending {
    /// There is no more for now.
    Nothing,
    /// The peer has said goodbye.
    Goodbye,
    /// The record layer failed.
    Error(PyErr),
}

impl Tls {
    /// Encrypted bytes have arrived.
    pub(crate) fn receive(&self, slf: &Bound<'_, Self>, arrived: &[u8]) -> PyResult<()> {
        let py = slf.py();
        let (phase, is_direct) = self.with(py, |state| {
            let is_direct = state.phase == Phase::Open
                && !state.is_read_paused
                && !state.has_unread
                && state.receiver != Receiver::Buffer;
            (state.phase, is_direct)
        });
        match phase {
            Phase::Open if is_direct => self.receive_directly(slf, arrived),
            Phase::Waiting => self.feed(py, arrived),
            Phase::Handshake => {
                self.feed(py, arrived)?;
                self.shake_hands(slf)
            }
            Phase::Open => self.receive_in_pieces(slf, arrived),
            Phase::Delivering | Phase::Flushing => self.discard(py, arrived),
            Phase::Goodbye => {
                if self.with(py, |state| state.failure.is_some()) {
                    return Ok(());
                }
                self.feed(py, arrived)?;
                self.say_goodbye(slf)
            }
            Phase::Over => Ok(()),
        }
    }

    fn next_group<'a>(&self, py: Python<'_>, arrived: &mut &'a [u8]) -> Option<Group<'a>> {
        self.with(py, |state| state.records.next(arrived))
    }

    /// Takes in all whole records.
    fn feed(&self, py: Python<'_>, mut arrived: &[u8]) -> PyResult<()> {
        while let Some(group) = self.next_group(py, &mut arrived) {
            self.session.feed(py, &group.bytes)?;
        }
        Ok(())
    }

    /// The common case: a protocol that takes bytes, and all that has arrived is to be read now.
    fn receive_directly(&self, slf: &Bound<'_, Self>, arrived: &[u8]) -> PyResult<()> {
        let py = slf.py();
        let (is_single, waiting) = self.with(py, |state| {
            let records = &state.records;
            (records.is_one_record(arrived), records.waiting())
        });
        let (data, ending) = if is_single {
            self.decrypt_one(py, arrived)
        } else {
            self.decrypt_all(py, arrived, arrived.len() + waiting)?
        };
        self.deliver(slf, data, ending)
    }

    fn decrypt_one<'py>(
        &self,
        py: Python<'py>,
        record: &[u8],
    ) -> (Option<Bound<'py, PyBytes>>, Ending) {
        let read = self
            .session
            .with_input(py, record, || self.session.read(py, record.len()));
        match read {
            Ok(Progress::Done(data)) if data.as_bytes().is_empty() => (None, Ending::Goodbye),
            Ok(Progress::Done(data)) => (Some(data), Ending::Nothing),
            Ok(Progress::WantsInput) => (None, Ending::Nothing),
            Err(error) => (None, Ending::Error(error)),
        }
    }

    /// Decrypts group after group, into one bytes object of at most `length_max` bytes.
    fn decrypt_all<'py>(
        &self,
        py: Python<'py>,
        mut arrived: &[u8],
        length_max: usize,
    ) -> PyResult<(Option<Bound<'py, PyBytes>>, Ending)> {
        let mut ending = Ending::Nothing;
        let data = bytes::bytes_filled(py, length_max, |memory| {
            let mut length = 0;
            while let Some(group) = self.next_group(py, &mut arrived) {
                let free = memory.get_mut(length..).unwrap_or_default();
                let read = self.session.with_input(py, &group.bytes, || {
                    Ok(self.read_into(py, free, group.records))
                });
                let (count, ended) = read.unwrap_or_else(|error| (0, Ending::Error(error)));
                length += count;
                if !matches!(ended, Ending::Nothing) {
                    ending = ended;
                    break;
                }
            }
            length
        })?;
        Ok(((!data.as_bytes().is_empty()).then_some(data), ending))
    }

    /// Reads `records` records (all there are, if it is not known how many) into `memory`.
    fn read_into(
        &self,
        py: Python<'_>,
        memory: &mut [std::mem::MaybeUninit<u8>],
        records: Option<usize>,
    ) -> (usize, Ending) {
        let mut length = 0;
        for _record in 0..records.unwrap_or(usize::MAX) {
            let free = memory.get_mut(length..).unwrap_or_default();
            if free.is_empty() {
                break;
            }
            match self.session.read_into(py, free) {
                Ok(Progress::Done(0)) => return (length, Ending::Goodbye),
                Ok(Progress::Done(count)) => {
                    length += count;
                    // To ask for more would cost an exception.
                    if matches!(self.session.readable_max(py), Ok(0)) {
                        break;
                    }
                }
                Ok(Progress::WantsInput) => break,
                Err(error) => return (length, Ending::Error(error)),
            }
        }
        (length, Ending::Nothing)
    }

    /// Calls the protocol, and follows up on what ended the reading.
    fn deliver(
        &self,
        slf: &Bound<'_, Self>,
        data: Option<Bound<'_, PyBytes>>,
        ending: Ending,
    ) -> PyResult<()> {
        let py = slf.py();
        if let Some(data) = data
            && let Some(protocol) = self.protocol(py)
        {
            match protocol.cast::<Self>() {
                Ok(upper) => upper.get().receive(upper, data.as_bytes())?,
                Err(_not_tls) => {
                    let receiver = self.with(py, |state| state.receiver);
                    let called = Stream::deliver(receiver, &protocol, data.into_any());
                    self.check_call(py, called)?;
                }
            }
        }
        self.follow(slf, ending)
    }

    fn follow(&self, slf: &Bound<'_, Self>, ending: Ending) -> PyResult<()> {
        let py = slf.py();
        if self.phase(py) == Phase::Over {
            return Ok(());
        }
        match ending {
            // Reading may have made OpenSSL say something: tickets, new keys, alerts.
            Ending::Nothing => self.pass_on_or_fail(py),
            Ending::Goodbye => self.receive_goodbye(slf),
            Ending::Error(error) => {
                self.pass_on_or_fail(py)?;
                self.fail_after_flush(py, &error)
            }
        }
    }

    /// What a protocol raises ends the connection, unless it ends the loop.
    fn check_call<T>(&self, py: Python<'_>, called: PyResult<T>) -> PyResult<()> {
        match called {
            Ok(_returned) => Ok(()),
            Err(error) if ends_the_loop(py, &error) => Err(error),
            Err(error) => self.fail(py, &error, "Fatal error on SSL protocol"),
        }
    }

    /// Takes in group after group, and delivers while the protocol wants it.
    fn receive_in_pieces(&self, slf: &Bound<'_, Self>, mut arrived: &[u8]) -> PyResult<()> {
        let py = slf.py();
        while let Some(group) = self.next_group(py, &mut arrived) {
            if let Err(error) = self.session.feed(py, &group.bytes) {
                return self.fail(py, &error, "Fatal error on SSL protocol");
            }
            self.with(py, |state| state.has_unread = true);
            self.read_on(slf)?;
            if self.phase(py) > Phase::Open {
                // Closed by what it was given. The rest is for nobody, but may hold the peer's goodbye.
                return self.receive(slf, arrived);
            }
        }
        self.control_reading(py)
    }

    /// Delivers what has been taken in, until the protocol pauses or there is no more.
    pub(super) fn read_on(&self, slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        loop {
            let receiver = self.with(py, |state| {
                let is_open = matches!(state.phase, Phase::Open | Phase::Delivering);
                let reads = is_open && !state.is_read_paused && state.has_unread;
                reads.then_some(state.receiver)
            });
            let Some(receiver) = receiver else {
                return Ok(());
            };
            let readable = match self.session.readable_max(py) {
                Ok(readable) => readable,
                Err(error) => return self.fail(py, &error, "Fatal error on SSL protocol"),
            };
            if readable == 0 {
                self.with(py, |state| state.has_unread = false);
                return self.pass_on_or_fail(py);
            }
            match receiver {
                Receiver::Buffer => self.read_into_buffer(slf, readable)?,
                Receiver::Data | Receiver::Reader | Receiver::Tls => {
                    self.read_some(slf, readable)?
                }
            }
        }
    }

    fn read_some(&self, slf: &Bound<'_, Self>, readable: usize) -> PyResult<()> {
        let py = slf.py();
        let mut ending = Ending::Nothing;
        let data = bytes::bytes_filled(py, readable.min(DELIVERY_MAX), |memory| {
            let (count, ended) = self.read_into(py, memory, None);
            ending = ended;
            count
        })?;
        let data = (!data.as_bytes().is_empty()).then_some(data);
        if data.is_none() && matches!(ending, Ending::Nothing) {
            // What there is is no whole record.
            self.with(py, |state| state.has_unread = false);
        }
        self.deliver(slf, data, ending)
    }

    /// Fills the memory that a buffered protocol offers.
    fn read_into_buffer(&self, slf: &Bound<'_, Self>, readable: usize) -> PyResult<()> {
        let py = slf.py();
        let Some(protocol) = self.protocol(py) else {
            return Ok(());
        };
        let buffer: PyUntypedBuffer =
            match lend_buffer(&protocol, isize::try_from(readable).unwrap_or(-1)) {
                Ok(buffer) => buffer,
                Err(error) => return self.check_call(py, Err::<(), _>(error)),
            };
        let outcome = bytes::writable(py, &buffer).map(|memory| self.read_into(py, memory, None));
        buffer.release(py);
        let Some((count, ending)) = outcome else {
            let refusal =
                PyTypeError::new_err("get_buffer() must return a writable, contiguous buffer");
            return self.fail(py, &refusal, "Fatal error on SSL protocol");
        };
        if count > 0 {
            let called = protocol.call_method1(intern!(py, "buffer_updated"), (count,));
            self.check_call(py, called)?;
        } else if matches!(ending, Ending::Nothing) {
            self.with(py, |state| state.has_unread = false);
        }
        self.follow(slf, ending)
    }

    /// Reads for nobody: the connection closes, but the peer has not heard of it yet.
    fn discard(&self, py: Python<'_>, arrived: &[u8]) -> PyResult<()> {
        if self.with(py, |state| state.failure.is_some()) {
            return Ok(());
        }
        let fed = self.feed(py, arrived);
        let mut memory = [std::mem::MaybeUninit::uninit(); 4096];
        let ending = match fed {
            Ok(()) => loop {
                match self.read_into(py, &mut memory, None) {
                    (0, ending) => break ending,
                    (_count, Ending::Nothing) => {}
                    (_count, ending) => break ending,
                }
            },
            Err(error) => Ending::Error(error),
        };
        if let Ending::Error(error) = ending {
            drop(self.with(py, |state| state.failure.replace(error)));
        }
        self.pass_on_or_fail(py)
    }

    /// Pauses the transport below while much is unread, and lets it go on.
    pub(super) fn control_reading(&self, py: Python<'_>) -> PyResult<()> {
        let (is_paused, marks, waiting, is_unread) = self.with(py, |state| {
            (
                state.is_lower_read_paused,
                state.read_marks,
                state.records.waiting(),
                state.has_unread,
            )
        });
        if !is_unread && !is_paused {
            return Ok(());
        }
        let size = self.session.unread(py)? + waiting;
        let change = if !is_paused && size >= marks.high.max(1) {
            true
        } else if is_paused && size <= marks.low {
            false
        } else {
            return Ok(());
        };
        self.with(py, |state| state.is_lower_read_paused = change);
        match self.lower(py) {
            Some(lower) if change => lower.pause_reading(py),
            Some(lower) => lower.resume_reading(py),
            None => Ok(()),
        }
    }
}
