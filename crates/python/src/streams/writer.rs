//! `StreamWriter`: what is done per write. The rest of it happens once per connection, in Python.

use pyo3::exceptions::PyAssertionError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::protocol::{FlowControl, WaitToWrite};
use super::reader::StreamReader;
use super::reader_private::missing;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::raw::raising;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};

pub(super) static DRAIN: Function = Function {
    qualname: "StreamWriter.drain",
    call: drain,
};

/// What a writer was made of. All of it is empty before `__init__`.
#[derive(Default)]
struct Parts {
    transport: Option<Py<PyAny>>,
    protocol: Option<Py<PyAny>>,
    /// None, too, if there is no reader.
    reader: Option<Py<PyAny>>,
    event_loop: Option<Py<PyAny>>,
    /// A future that is done, made when somebody asks for it.
    complete: Option<Py<PyAny>>,
}

/// The native half of `asyncio.StreamWriter`.
#[pyclass(
    module = "aioxide._core",
    frozen,
    subclass,
    weakref,
    dict,
    name = "StreamWriter"
)]
pub(crate) struct StreamWriter {
    parts: Guarded<Parts>,
}

impl StreamWriter {
    #[inline]
    fn part<'py>(
        &self,
        py: Python<'py>,
        part: impl FnOnce(&Parts) -> &Option<Py<PyAny>>,
    ) -> Option<Bound<'py, PyAny>> {
        self.parts
            .with(py, |parts| {
                part(parts).as_ref().map(|part| part.clone_ref(py))
            })
            .map(|part| part.into_bound(py))
    }

    fn set_part(
        &self,
        value: &Bound<'_, PyAny>,
        part: impl FnOnce(&mut Parts) -> &mut Option<Py<PyAny>>,
    ) {
        let new = Some(value.clone().unbind());
        let previous = self
            .parts
            .with(value.py(), |parts| std::mem::replace(part(parts), new));
        drop(previous);
    }
}

/// The stdlib's own reader class, whose readers serve as well.
fn stdlib_reader(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "asyncio.streams", "StreamReader")
}

#[pymethods]
impl StreamWriter {
    #[new]
    #[pyo3(
        signature = (*_args, **_kwargs),
        text_signature = "(transport, protocol, reader, loop)"
    )]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            parts: Guarded::new(Parts::default()),
        }
    }

    /// Writes to `transport`; `protocol` says when to pause, and `reader`, which may be None, what has failed.
    #[pyo3(signature = (transport, protocol, reader, r#loop))]
    fn __init__(
        &self,
        transport: &Bound<'_, PyAny>,
        protocol: &Bound<'_, PyAny>,
        reader: &Bound<'_, PyAny>,
        r#loop: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = transport.py();
        let is_reader = reader.is_none()
            || reader.is_instance_of::<StreamReader>()
            || reader.is_instance(stdlib_reader(py)?)?;
        let fresh = Parts {
            transport: Some(transport.clone().unbind()),
            protocol: Some(protocol.clone().unbind()),
            reader: (is_reader && !reader.is_none()).then(|| reader.clone().unbind()),
            event_loop: Some(r#loop.clone().unbind()),
            complete: None,
        };
        // Even if the reader is refused: the finalizer asks for these.
        drop(self.parts.replace(py, fresh));
        if is_reader {
            Ok(())
        } else {
            Err(PyAssertionError::new_err(()))
        }
    }

    #[getter(_transport)]
    pub(super) fn transport<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, |parts| &parts.transport)
            .ok_or_else(|| missing("_transport"))
    }

    #[setter(_transport)]
    fn set_transport(&self, value: &Bound<'_, PyAny>) {
        self.set_part(value, |parts| &mut parts.transport);
    }

    #[getter(_protocol)]
    fn protocol<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, |parts| &parts.protocol)
            .ok_or_else(|| missing("_protocol"))
    }

    #[setter(_protocol)]
    fn set_protocol(&self, value: &Bound<'_, PyAny>) {
        self.set_part(value, |parts| &mut parts.protocol);
    }

    #[getter(_reader)]
    fn reader<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.part(py, |parts| &parts.reader)
    }

    #[setter(_reader)]
    fn set_reader(&self, value: &Bound<'_, PyAny>) {
        let new = (!value.is_none()).then(|| value.clone().unbind());
        let previous = self.parts.with(value.py(), |parts| {
            std::mem::replace(&mut parts.reader, new)
        });
        drop(previous);
    }

    #[getter(_loop)]
    fn event_loop<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.part(py, |parts| &parts.event_loop)
            .ok_or_else(|| missing("_loop"))
    }

    #[setter(_loop)]
    fn set_event_loop(&self, value: &Bound<'_, PyAny>) {
        self.set_part(value, |parts| &mut parts.event_loop);
    }

    /// A future that is done.
    #[getter(_complete_fut)]
    fn complete<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(complete) = self.part(py, |parts| &parts.complete) {
            return Ok(complete);
        }
        let event_loop = self.event_loop(py)?;
        let complete = event_loop.call_method0(intern!(py, "create_future"))?;
        complete.call_method1(intern!(py, "set_result"), (py.None(),))?;
        self.set_part(&complete, |parts| &mut parts.complete);
        Ok(complete)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.parts
            .visit(|parts| {
                visit.call(&parts.transport)?;
                visit.call(&parts.protocol)?;
                visit.call(&parts.reader)?;
                visit.call(&parts.event_loop)?;
                visit.call(&parts.complete)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.parts.replace(py, Parts::default()));
    }
}

fn drain<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(writer)]) = arguments.fit(1, [intern!(py, "self")]) else {
        return Ok(None);
    };
    let Ok(writer) = writer.cast::<StreamWriter>() else {
        return Ok(None);
    };
    let drain = Drain {
        writer: writer.to_owned().unbind(),
        stage: Stage::New,
    };
    Coroutine::start(py, &DRAIN, drain)
}

/// The wait until the transport takes more.
struct Drain {
    writer: Py<StreamWriter>,
    stage: Stage,
}

enum Stage {
    New,
    /// A transport that closes is given a turn to tell its protocol.
    GaveWay,
    Paused(WaitToWrite),
    /// Waits for a `_drain_helper` of somebody else's.
    Called,
}

impl Drain {
    /// What the reader has failed with.
    #[inline]
    fn failure<'py>(
        reader: &Bound<'py, PyAny>,
        py: Python<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let name = intern!(py, "exception");
        if let Ok(reader) = reader.cast::<StreamReader>()
            && StreamReader::is_native(reader, name)
        {
            let exception = reader.get().exception(py);
            return Ok(exception.map(|exception| exception.into_bound(py)));
        }
        let exception = reader.call_method0(name)?;
        Ok((!exception.is_none()).then_some(exception))
    }

    fn wait<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let protocol = self.writer.get().protocol(py)?;
        if let Ok(protocol) = protocol.cast::<FlowControl>()
            && FlowControl::drains_natively(protocol)
        {
            let mut helper = WaitToWrite {
                protocol: protocol.clone().unbind(),
                waiter: None,
            };
            let progress = helper.resume(py, Input::Start)?;
            self.stage = Stage::Paused(helper);
            return Ok(progress);
        }
        self.stage = Stage::Called;
        let helper = protocol.call_method0(intern!(py, "_drain_helper"))?;
        Ok(Progress::Await(helper))
    }
}

impl Routine for Drain {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match &mut self.stage {
            Stage::New => {
                let writer = self.writer.get();
                if let Some(reader) = writer.reader(py)
                    && let Some(failure) = Self::failure(&reader, py)?
                {
                    return Err(raising::raise(&failure));
                }
                let transport = writer.transport(py)?;
                let is_closing = transport.call_method0(intern!(py, "is_closing"))?;
                if is_closing.is_truthy()? {
                    self.stage = Stage::GaveWay;
                    return Ok(Progress::GiveWay);
                }
                self.wait(py)
            }
            Stage::GaveWay => {
                input.value(py)?;
                self.wait(py)
            }
            Stage::Paused(helper) => helper.resume(py, input),
            Stage::Called => {
                input.value(py)?;
                Ok(Progress::Return(py.None().into_bound(py)))
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.writer)?;
        match &self.stage {
            Stage::Paused(helper) => helper.traverse(visit),
            Stage::New | Stage::GaveWay | Stage::Called => Ok(()),
        }
    }
}
