//! `StreamReader`: what has arrived and was not read yet, and who waits for more.
//!
//! This is the half that is fed; what is read from it is in `reading` and `lines`. A program may replace any method,
//! in a derived class or on the object: each step asks whether its method is native still (`is_native`), and calls
//! it by name if it is not.

use std::convert::Infallible;

use pyo3::exceptions::{PyAssertionError, PyNotImplementedError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyDict, PyString, PyTuple};

use super::contents::Contents;
use super::limit::Limit;
use super::overriding::Originals;
use crate::future::{Future, Outcome, Owner, exact_future, extract_stack};
use crate::raw::guarded::Guarded;
use crate::raw::{attributes, raising};

/// The methods that natives do without calling.
static ORIGINALS: Originals = Originals::of(&[
    "_maybe_resume_transport",
    "_wait_for_data",
    "_wakeup_waiter",
    "exception",
    "feed_data",
    "read",
    "readline",
    "readuntil",
]);

/// What reading and feeding change.
pub(super) struct State {
    /// None before `__init__`.
    pub(super) event_loop: Option<Py<PyAny>>,
    pub(super) contents: Contents,
    /// No more will come.
    pub(super) is_at_eof: bool,
    /// What a read awaits.
    pub(super) waiter: Option<Py<PyAny>>,
    pub(super) exception: Option<Py<PyAny>>,
    pub(super) transport: Option<Py<PyAny>>,
    /// The transport was asked to pause.
    pub(super) is_paused: bool,
    /// None before `__init__`.
    pub(super) limit: Option<Limit>,
    /// Where the reader was made; debug mode only.
    pub(super) source_traceback: Option<Py<PyAny>>,
    /// The class has replaced no method that natives would do without calling.
    pub(super) is_of_native_class: bool,
}

/// The native half of `asyncio.StreamReader`.
#[pyclass(
    module = "aioxide._core",
    frozen,
    subclass,
    weakref,
    dict,
    name = "StreamReader"
)]
pub(crate) struct StreamReader {
    state: Guarded<State>,
}

impl StreamReader {
    /// Lends the state. `access` must not call Python, nor drop what Python can see.
    #[inline]
    pub(super) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut State) -> R) -> R {
        self.state.with(py, access)
    }

    /// Whether a method is what it is in asyncio, so that it need not be called by its name.
    #[inline]
    pub(super) fn is_native(slf: &Bound<'_, Self>, name: &Bound<'_, PyString>) -> bool {
        slf.get().with(slf.py(), |state| state.is_of_native_class)
            && !attributes::has_own(slf.as_any(), name)
    }

    /// The limit in bytes.
    pub(super) fn limit(&self, py: Python<'_>) -> usize {
        self.with(py, |state| {
            state.limit.as_ref().map_or(0, |limit| limit.bytes)
        })
    }

    /// How many bytes wait, and whether more may come.
    #[inline]
    pub(super) fn waiting(&self, py: Python<'_>) -> (usize, bool) {
        self.with(py, |state| (state.contents.len(py), state.is_at_eof))
    }

    /// Fails with the exception of the reader, if it has one.
    #[inline]
    pub(super) fn check_exception(&self, py: Python<'_>) -> PyResult<()> {
        let exception = self.with(py, |state| {
            let exception = state.exception.as_ref();
            exception.map(|exception| exception.clone_ref(py))
        });
        match exception {
            None => Ok(()),
            Some(exception) => Err(raising::raise(exception.bind(py))),
        }
    }

    /// Takes out the first `count` bytes, or all if there are not so many.
    #[inline]
    pub(super) fn take<'py>(&self, py: Python<'py>, count: usize) -> PyResult<Bound<'py, PyBytes>> {
        let shared = self.with(py, |state| match &mut state.contents {
            Contents::Own(buffer) => Ok(buffer.take(py, count)),
            Contents::Shared(shared) => Err(shared.clone_ref(py)),
        });
        match shared {
            Ok(taken) => taken,
            Err(shared) => Contents::take_shared(shared.bind(py), count),
        }
    }

    /// Where `wanted` first begins, from the place `begin` on.
    pub(super) fn find(&self, py: Python<'_>, wanted: &[u8], begin: usize) -> Option<usize> {
        self.with(py, |state| state.contents.find(py, wanted, begin))
    }

    /// The exception, or None.
    pub(super) fn exception(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| {
            let exception = state.exception.as_ref();
            exception.map(|exception| exception.clone_ref(py))
        })
    }

    /// Makes every read fail with `exc`, and the one that waits.
    pub(super) fn set_exception(&self, exc: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = exc.py();
        let new = (!exc.is_none()).then(|| exc.clone().unbind());
        let (previous, waiter) = self.with(py, |state| {
            let previous = std::mem::replace(&mut state.exception, new);
            (previous, state.waiter.take())
        });
        drop(previous);
        match waiter {
            None => Ok(()),
            Some(waiter) => settle(waiter.bind(py), Some(exc)),
        }
    }

    /// Sets the transport that is to pause when too much is buffered; there must be none yet.
    pub(super) fn set_transport(&self, transport: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = transport.py();
        if self.with(py, |state| state.transport.is_some()) {
            return Err(PyAssertionError::new_err("Transport already set"));
        }
        let new = (!transport.is_none()).then(|| transport.clone().unbind());
        drop(self.with(py, |state| std::mem::replace(&mut state.transport, new)));
        Ok(())
    }

    /// Says that no more will come.
    pub(super) fn feed_eof(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().with(py, |state| state.is_at_eof = true);
        if Self::is_native(slf, intern!(py, "_wakeup_waiter")) {
            return slf.get().wake(py);
        }
        slf.call_method0(intern!(py, "_wakeup_waiter")).map(drop)
    }

    /// Adds what has arrived, wakes who waits for it, and pauses the transport if it is too much.
    #[inline]
    pub(crate) fn feed(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let reader = slf.get();
        if reader.with(py, |state| state.is_at_eof) {
            return Err(PyAssertionError::new_err("feed_data after feed_eof"));
        }
        match data.cast_exact::<PyBytes>() {
            Ok(data) if data.as_bytes().is_empty() => return Ok(()),
            Ok(data) => reader.add(data)?,
            Err(_other) if !data.is_truthy()? => return Ok(()),
            Err(_other) => {
                // Refuses what cannot be taken for bytes in the words of `bytearray.extend`.
                let array = PyByteArray::new(py, &[]);
                array.call_method1(intern!(py, "extend"), (data,))?;
                reader.add(&PyBytes::new(py, &array.to_vec()))?;
            }
        }
        if Self::is_native(slf, intern!(py, "_wakeup_waiter")) {
            reader.wake(py)?;
        } else {
            slf.call_method0(intern!(py, "_wakeup_waiter"))?;
        }
        reader.pause_if_full(py)
    }

    fn add(&self, data: &Bound<'_, PyBytes>) -> PyResult<()> {
        let py = data.py();
        let shared = self.with(py, |state| {
            state.contents.take_back(py);
            match &mut state.contents {
                Contents::Own(buffer) => {
                    buffer.push(data.clone());
                    None
                }
                Contents::Shared(shared) => Some(shared.clone_ref(py)),
            }
        });
        match shared {
            None => Ok(()),
            Some(shared) => shared
                .call_method1(py, intern!(py, "extend"), (data,))
                .map(drop),
        }
    }

    /// Wakes the read that waits, if there is one.
    #[inline]
    fn wake(&self, py: Python<'_>) -> PyResult<()> {
        match self.with(py, |state| state.waiter.take()) {
            None => Ok(()),
            Some(waiter) => settle(waiter.bind(py), None),
        }
    }

    /// Pauses the transport above twice the limit.
    #[inline]
    fn pause_if_full(&self, py: Python<'_>) -> PyResult<()> {
        let transport = self.with(py, |state| {
            let pause_above = state.limit.as_ref().map_or(0, |limit| limit.pause_above);
            if state.is_paused || state.contents.len(py) <= pause_above {
                return None;
            }
            let transport = state.transport.as_ref();
            transport.map(|transport| transport.clone_ref(py))
        });
        let Some(transport) = transport else {
            return Ok(());
        };
        match transport.call_method0(py, intern!(py, "pause_reading")) {
            Ok(_returned) => self.with(py, |state| state.is_paused = true),
            // It can't: everything will have to be buffered.
            Err(error) if error.is_instance_of::<PyNotImplementedError>(py) => {
                drop(self.with(py, |state| state.transport.take()));
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Lets the transport go on once no more than the limit is buffered.
    #[inline]
    pub(super) fn resume_if_low(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if Self::is_native(slf, intern!(py, "_maybe_resume_transport")) {
            slf.get()._maybe_resume_transport(py)
        } else {
            slf.call_method0(intern!(py, "_maybe_resume_transport"))
                .map(drop)
        }
    }

    /// Lets a paused transport go on, whatever is buffered.
    pub(super) fn resume(&self, py: Python<'_>) -> PyResult<()> {
        let transport = self.with(py, |state| {
            state.is_paused = false;
            let transport = state.transport.as_ref();
            transport.map(|transport| transport.clone_ref(py))
        });
        let transport = transport.unwrap_or_else(|| py.None());
        let resume_reading = intern!(py, "resume_reading");
        transport.call_method0(py, resume_reading).map(drop)
    }
}

/// Gives a waiter its outcome, unless it was cancelled: None for a result, or an exception.
fn settle(waiter: &Bound<'_, PyAny>, exception: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let py = waiter.py();
    if let (Some(future), None) = (exact_future(waiter), exception) {
        let is_cancelled = future
            .get()
            .with(py, |core| matches!(core.outcome, Outcome::Cancelled));
        return if is_cancelled {
            Ok(())
        } else {
            Future::settle(future, Outcome::Result(py.None()))
        };
    }
    if waiter.call_method0(intern!(py, "cancelled"))?.is_truthy()? {
        return Ok(());
    }
    match exception {
        None => waiter.call_method1(intern!(py, "set_result"), (py.None(),))?,
        Some(exception) => waiter.call_method1(intern!(py, "set_exception"), (exception,))?,
    };
    Ok(())
}

/// A limit that the program may have left out; None is none.
struct Given<'py>(Option<Bound<'py, PyAny>>);

impl<'py> FromPyObject<'_, 'py> for Given<'py> {
    type Error = Infallible;

    fn extract(limit: Borrowed<'_, 'py, PyAny>) -> Result<Self, Infallible> {
        Ok(Self(Some(limit.to_owned())))
    }
}

#[pymethods]
impl StreamReader {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(limit=65536, loop=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            state: Guarded::new(State {
                event_loop: None,
                contents: Contents::default(),
                is_at_eof: false,
                waiter: None,
                exception: None,
                transport: None,
                is_paused: false,
                limit: None,
                source_traceback: None,
                is_of_native_class: false,
            }),
        }
    }

    /// Makes an empty reader of `loop`, or of the current event loop; raises `ValueError` unless `limit` is
    /// above zero.
    #[pyo3(signature = (limit=Given(None), r#loop=None))]
    fn __init__(
        slf: &Bound<'_, Self>,
        limit: Given<'_>,
        r#loop: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let limit = match &limit.0 {
            None => Limit::default(py)?,
            Some(limit) if limit.le(0)? => {
                return Err(PyValueError::new_err("Limit cannot be <= 0"));
            }
            Some(limit) => Limit::new(limit)?,
        };
        let owner = match r#loop {
            Some(event_loop) => Owner::new(event_loop)?,
            None => Owner::current(py)?,
        };
        let source_traceback = if owner.is_debug(py)? {
            Some(extract_stack(py)?)
        } else {
            None
        };
        let fresh = State {
            event_loop: Some(owner.as_any().clone_ref(py)),
            contents: Contents::default(),
            is_at_eof: false,
            waiter: None,
            exception: None,
            transport: None,
            is_paused: false,
            limit: Some(limit),
            source_traceback,
            is_of_native_class: ORIGINALS.are_in(&slf.get_type())?,
        };
        drop(slf.get().state.replace(py, fresh));
        Ok(())
    }

    /// Wakes the read that waits for data or for the end.
    fn _wakeup_waiter(&self, py: Python<'_>) -> PyResult<()> {
        self.wake(py)
    }

    /// Lets a paused transport go on if no more than the limit is buffered.
    fn _maybe_resume_transport(&self, py: Python<'_>) -> PyResult<()> {
        let resumes = self.with(py, |state| {
            let limit = state.limit.as_ref().map_or(0, |limit| limit.bytes);
            state.is_paused && state.contents.len(py) <= limit
        });
        if resumes { self.resume(py) } else { Ok(()) }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                visit.call(&state.event_loop)?;
                state.contents.traverse(visit)?;
                visit.call(&state.waiter)?;
                visit.call(&state.exception)?;
                visit.call(&state.transport)?;
                visit.call(&state.source_traceback)?;
                visit.call(state.limit.as_ref().map(|limit| &limit.given))
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let released = self.with(py, |state| {
            (
                state.event_loop.take(),
                std::mem::take(&mut state.contents),
                state.waiter.take(),
                state.exception.take(),
                state.transport.take(),
                state.source_traceback.take(),
            )
        });
        drop(released);
    }
}
