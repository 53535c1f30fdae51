//! What the protocols of streams do per packet: they feed a reader, and know whether writing is paused.
//!
//! The rest of `FlowControlMixin` and `StreamReaderProtocol` happens once per connection or per pause, in
//! Python (`aioxide.natives.streams`).

use pyo3::exceptions::{PyConnectionResetError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use super::overriding::Originals;
use super::reader::StreamReader;
use super::reader_private::missing;
use crate::future::Owner;
use crate::raw::attributes;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::RunningLoop;

pub(super) static WAIT_TO_WRITE: Function = Function {
    qualname: "FlowControlMixin._drain_helper",
    call: wait_to_write,
};

/// The methods that draining does without calling.
static DRAINING: Originals = Originals::of(&["_drain_helper"]);

/// The methods that a transport of ours does without calling.
static RECEIVING: Originals = Originals::of(&["data_received"]);

/// Whether a protocol may write.
struct Flow {
    /// None before `__init__`.
    event_loop: Option<Py<PyAny>>,
    is_paused: bool,
    is_lost: bool,
    /// A `collections.deque` of futures, made when the first is needed.
    waiters: Option<Py<PyAny>>,
    /// The class has not replaced how it drains.
    drains_natively: bool,
}

/// The native half of `asyncio.streams.FlowControlMixin`.
#[pyclass(
    module = "aioxide._core",
    frozen,
    subclass,
    weakref,
    dict,
    name = "FlowControlMixin"
)]
pub(crate) struct FlowControl {
    flow: Guarded<Flow>,
}

impl FlowControl {
    fn empty() -> Self {
        Self {
            flow: Guarded::new(Flow {
                event_loop: None,
                is_paused: false,
                is_lost: false,
                waiters: None,
                drains_natively: false,
            }),
        }
    }

    /// Whether nobody has replaced how a protocol drains.
    pub(super) fn drains_natively(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        slf.get().flow.with(py, |flow| flow.drains_natively)
            && !attributes::has_own(slf.as_any(), intern!(py, "_drain_helper"))
    }

    /// The future that a drain has to wait for, if writing is paused.
    #[inline]
    pub(super) fn begin_drain<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let (is_lost, is_paused) = self.flow.with(py, |flow| (flow.is_lost, flow.is_paused));
        if is_lost {
            return Err(PyConnectionResetError::new_err("Connection lost"));
        }
        if !is_paused {
            return Ok(None);
        }
        let event_loop = RunningLoop::of(self.event_loop(py)?.into_bound(py))?;
        let waiter = event_loop.create_future()?;
        let waiters = self.drain_waiters(py)?;
        waiters.call_method1(py, intern!(py, "append"), (&waiter,))?;
        Ok(Some(waiter))
    }

    /// The wait for `waiter` is over, or was given up.
    pub(super) fn end_drain(&self, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = waiter.py();
        let waiters = self.drain_waiters(py)?;
        waiters.call_method1(py, intern!(py, "remove"), (waiter,))?;
        Ok(())
    }
}

#[pymethods]
impl FlowControl {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(loop=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::empty()
    }

    /// Begins with writing allowed, on `loop` or the current event loop.
    #[pyo3(signature = (r#loop=None))]
    fn __init__(slf: &Bound<'_, Self>, r#loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = match r#loop {
            Some(event_loop) => event_loop.clone().unbind(),
            None => Owner::current(py)?.as_any().clone_ref(py),
        };
        let fresh = Flow {
            event_loop: Some(event_loop),
            is_paused: false,
            is_lost: false,
            waiters: None,
            drains_natively: DRAINING.are_in(&slf.get_type())?,
        };
        drop(slf.get().flow.replace(py, fresh));
        Ok(())
    }

    #[getter(_loop)]
    fn event_loop(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.flow
            .with(py, |flow| {
                let event_loop = flow.event_loop.as_ref();
                event_loop.map(|event_loop| event_loop.clone_ref(py))
            })
            .ok_or_else(|| missing("_loop"))
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        let new = Some(value.clone().unbind());
        let previous = self.flow.with(value.py(), |flow| {
            std::mem::replace(&mut flow.event_loop, new)
        });
        drop(previous);
    }

    #[getter(_paused)]
    fn paused(&self, py: Python<'_>) -> bool {
        self.flow.with(py, |flow| flow.is_paused)
    }

    #[setter(_paused)]
    fn set_paused(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_paused = value.is_truthy()?;
        self.flow
            .with(value.py(), |flow| flow.is_paused = is_paused);
        Ok(())
    }

    #[getter(_connection_lost)]
    fn is_lost(&self, py: Python<'_>) -> bool {
        self.flow.with(py, |flow| flow.is_lost)
    }

    #[setter(_connection_lost)]
    fn set_is_lost(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_lost = value.is_truthy()?;
        self.flow.with(value.py(), |flow| flow.is_lost = is_lost);
        Ok(())
    }

    /// The futures of those who wait until writing is allowed again.
    #[getter(_drain_waiters)]
    fn drain_waiters(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let known = self.flow.with(py, |flow| {
            let waiters = flow.waiters.as_ref();
            waiters.map(|waiters| waiters.clone_ref(py))
        });
        if let Some(known) = known {
            return Ok(known);
        }
        let made = py
            .import("collections")?
            .getattr("deque")?
            .call0()?
            .unbind();
        let stored = Some(made.clone_ref(py));
        let previous = self
            .flow
            .with(py, |flow| std::mem::replace(&mut flow.waiters, stored));
        drop(previous);
        Ok(made)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.flow
            .visit(|flow| {
                visit.call(&flow.event_loop)?;
                visit.call(&flow.waiters)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let released = self
            .flow
            .with(py, |flow| (flow.event_loop.take(), flow.waiters.take()));
        drop(released);
    }
}

fn wait_to_write<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(protocol)]) = arguments.fit(1, [intern!(py, "self")]) else {
        return Ok(None);
    };
    let Ok(protocol) = protocol.cast::<FlowControl>() else {
        return Ok(None);
    };
    let drain = WaitToWrite {
        protocol: protocol.to_owned().unbind(),
        waiter: None,
    };
    Coroutine::start(py, &WAIT_TO_WRITE, drain)
}

/// The wait until a protocol may write.
pub(super) struct WaitToWrite {
    pub(super) protocol: Py<FlowControl>,
    pub(super) waiter: Option<Py<PyAny>>,
}

impl Routine for WaitToWrite {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let protocol = self.protocol.bind(py).get();
        let Some(waiter) = self.waiter.take() else {
            return match protocol.begin_drain(py)? {
                None => Ok(Progress::Return(py.None().into_bound(py))),
                Some(waiter) => {
                    self.waiter = Some(waiter.clone().unbind());
                    Ok(Progress::Await(waiter))
                }
            };
        };
        protocol.end_drain(waiter.bind(py))?;
        input.value(py)?;
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.protocol)?;
        visit.call(&self.waiter)
    }
}

/// The native half of `asyncio.StreamReaderProtocol`.
#[pyclass(
    module = "aioxide._core",
    extends = FlowControl,
    frozen,
    subclass,
    name = "StreamReaderProtocol"
)]
pub(crate) struct ReaderProtocol {
    /// Weak, so that a reader whom nobody can read from goes.
    reader: Guarded<Option<Py<PyWeakrefReference>>>,
}

impl ReaderProtocol {
    /// Hands what has arrived to the reader.
    pub(super) fn data_received(&self, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = data.py();
        let Some(reader) = self.reader(py) else {
            return Ok(());
        };
        let name = intern!(py, "feed_data");
        match reader.cast::<StreamReader>() {
            Ok(reader) if StreamReader::is_native(reader, name) => StreamReader::feed(reader, data),
            _ => reader.call_method1(name, (data,)).map(drop),
        }
    }

    /// Whether nobody has replaced what receiving does, in the class.
    pub(crate) fn receives_natively(slf: &Bound<'_, Self>) -> PyResult<bool> {
        RECEIVING.are_in(&slf.get_type())
    }

    /// Hands what has arrived to the reader, unless somebody has set a `data_received` on the very object.
    #[inline]
    pub(crate) fn receive(slf: &Bound<'_, Self>, data: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let name = intern!(py, "data_received");
        if attributes::has_own(slf.as_any(), name) {
            return slf.call_method1(name, (data,)).map(drop);
        }
        slf.get().data_received(data)
    }
}

#[pymethods]
impl ReaderProtocol {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(FlowControl::empty()).add_subclass(Self {
            reader: Guarded::new(None),
        })
    }

    /// A weak reference to the reader, or None.
    #[getter(_stream_reader_wr)]
    fn reader_reference(&self, py: Python<'_>) -> Option<Py<PyWeakrefReference>> {
        self.reader.with(py, |reader| {
            reader.as_ref().map(|reader| reader.clone_ref(py))
        })
    }

    #[setter(_stream_reader_wr)]
    fn set_reader_reference(&self, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let new = if value.is_none() {
            None
        } else {
            let reference = value.cast::<PyWeakrefReference>();
            let reference = reference
                .map_err(|_other| PyTypeError::new_err("a weak reference or None was expected"))?;
            Some(reference.clone().unbind())
        };
        drop(self.reader.replace(value.py(), new));
        Ok(())
    }

    /// The reader, or None once it has gone.
    #[getter(_stream_reader)]
    fn reader<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.reader_reference(py)?.bind(py).upgrade()
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.reader
            .visit(|reader| visit.call(reader))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.reader.replace(py, None));
    }
}
