//! A read's wait for more: one at a time, in a future that feeding settles.

use pyo3::exceptions::{PyAssertionError, PyRuntimeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::reader::StreamReader;
use super::reader_private::missing;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::RunningLoop;

pub(super) static WAIT_FOR_DATA: Function = Function {
    qualname: "StreamReader._wait_for_data",
    call: wait_for_data,
};

/// How a read waits.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Wait {
    #[default]
    None,
    /// In the reader's waiter.
    Own,
    /// In what a method of somebody else's has returned.
    Called,
}

impl Wait {
    /// What a read of this name awaits.
    #[inline]
    pub(super) fn begin<'py>(
        &mut self,
        reader: &Bound<'py, StreamReader>,
        read: &Bound<'py, PyString>,
    ) -> PyResult<Progress<'py>> {
        let name = intern!(reader.py(), "_wait_for_data");
        let awaited = if StreamReader::is_native(reader, name) {
            let waiter = reader.get().begin_wait(reader.py(), read.as_any())?;
            *self = Self::Own;
            waiter
        } else {
            *self = Self::Called;
            reader.call_method1(name, (read,))?
        };
        Ok(Progress::Await(awaited))
    }

    /// The wait is over, or was given up. Returns what it brought, if there was one.
    #[inline]
    pub(super) fn end<'py>(
        &mut self,
        reader: &Bound<'py, StreamReader>,
        input: Input<'py>,
    ) -> PyResult<()> {
        if std::mem::take(self) == Self::Own {
            let waiter = reader.get().with(reader.py(), |state| state.waiter.take());
            drop(waiter);
        }
        match input {
            Input::Failure(error) => Err(error),
            Input::Start | Input::Value(_) => Ok(()),
        }
    }
}

impl StreamReader {
    /// Makes the reader's waiter, for the read of this name. A paused transport goes on, or nothing would ever come.
    fn begin_wait<'py>(
        &self,
        py: Python<'py>,
        read: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (is_waited_for, is_at_eof, is_paused) = self.with(py, |state| {
            (state.waiter.is_some(), state.is_at_eof, state.is_paused)
        });
        if is_waited_for {
            return Err(PyRuntimeError::new_err(format!(
                "{}() called while another coroutine is already waiting for incoming data",
                read.str()?
            )));
        }
        if is_at_eof {
            return Err(PyAssertionError::new_err("_wait_for_data after EOF"));
        }
        if is_paused {
            self.resume(py)?;
        }
        let event_loop = self.with(py, |state| {
            let event_loop = state.event_loop.as_ref();
            event_loop.map(|event_loop| event_loop.clone_ref(py))
        });
        let event_loop = event_loop.ok_or_else(|| missing("_loop"))?;
        let waiter = RunningLoop::of(event_loop.into_bound(py))?.create_future()?;
        let stored = Some(waiter.clone().unbind());
        drop(self.with(py, |state| std::mem::replace(&mut state.waiter, stored)));
        Ok(waiter)
    }
}

fn wait_for_data<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "func_name")];
    let Some([Some(reader), Some(read)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let Ok(reader) = reader.cast::<StreamReader>() else {
        return Ok(None);
    };
    let wait = WaitForData {
        reader: reader.to_owned().unbind(),
        read: read.to_owned().unbind(),
    };
    Coroutine::start(py, &WAIT_FOR_DATA, wait)
}

/// `_wait_for_data`, called by its name.
struct WaitForData {
    reader: Py<StreamReader>,
    read: Py<PyAny>,
}

impl Routine for WaitForData {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let reader = self.reader.bind(py);
        if matches!(input, Input::Start) {
            let waiter = reader.get().begin_wait(py, self.read.bind(py))?;
            return Ok(Progress::Await(waiter));
        }
        Wait::Own.end(reader, input)?;
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reader)?;
        visit.call(&self.read)
    }
}
