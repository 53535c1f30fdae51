//! `read` and `readexactly`.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};

use super::errors;
use super::reader::StreamReader;
use super::waiting::Wait;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};

pub(super) static READ: Function = Function {
    qualname: "StreamReader.read",
    call: read,
};

pub(super) static READEXACTLY: Function = Function {
    qualname: "StreamReader.readexactly",
    call: read_exactly,
};

fn read<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(reader), size]) = arguments.fit(2, [intern!(py, "self"), intern!(py, "n")])
    else {
        return Ok(None);
    };
    let Ok(reader) = reader.cast::<StreamReader>() else {
        return Ok(None);
    };
    let size = match size {
        None => Size::All,
        Some(size) => Size::Given(size.to_owned().unbind()),
    };
    let read = Read {
        reader: reader.to_owned().unbind(),
        size,
        wait: Wait::None,
    };
    Coroutine::start(py, &READ, read)
}

fn read_exactly<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(reader), Some(size)]) =
        arguments.fit(2, [intern!(py, "self"), intern!(py, "n")])
    else {
        return Ok(None);
    };
    let Ok(reader) = reader.cast::<StreamReader>() else {
        return Ok(None);
    };
    let read = ReadExactly {
        reader: reader.to_owned().unbind(),
        given: size.to_owned().unbind(),
        size: 0,
        wait: Wait::None,
    };
    Coroutine::start(py, &READEXACTLY, read)
}

/// A number of bytes: None for one below zero.
#[inline]
fn count(number: &Bound<'_, PyAny>) -> PyResult<Option<usize>> {
    if number.is_exact_instance_of::<PyInt>()
        && let Ok(number) = number.extract::<isize>()
    {
        return Ok(usize::try_from(number).ok());
    }
    if number.lt(0)? {
        return Ok(None);
    }
    let index = number.call_method0(intern!(number.py(), "__index__"));
    let index = index.map_err(|_not_whole| {
        PyTypeError::new_err("slice indices must be integers or None or have an __index__ method")
    })?;
    // More than memory can hold is as good as all there is.
    Ok(Some(index.extract().unwrap_or(usize::MAX)))
}

fn empty(py: Python<'_>) -> Bound<'_, PyAny> {
    PyBytes::new(py, &[]).into_any()
}

/// How much is read.
enum Size {
    /// As the program said, not looked at yet.
    Given(Py<PyAny>),
    /// At most so many bytes.
    Count(usize),
    /// Everything up to the end, not begun yet.
    All,
    /// The same, begun: what has been read so far.
    Rest(Vec<Py<PyAny>>),
}

struct Read {
    reader: Py<StreamReader>,
    size: Size,
    wait: Wait,
}

impl Routine for Read {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let is_taking = match (input, &mut self.size, self.wait) {
            (Input::Start, ..) => false,
            // A part, from a `read` of somebody else's.
            (Input::Value(part), Size::Rest(parts), Wait::None) => {
                if !part.is_truthy()? {
                    return join(py, parts);
                }
                parts.push(part.unbind());
                false
            }
            (input, ..) => {
                self.wait.end(self.reader.bind(py), input)?;
                true
            }
        };
        if is_taking && let Some(progress) = self.take(py)? {
            return Ok(progress);
        }
        loop {
            if let Some(progress) = self.wait_if_empty(py)? {
                return Ok(progress);
            }
            if let Some(progress) = self.take(py)? {
                return Ok(progress);
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reader)?;
        match &self.size {
            Size::Given(size) => visit.call(size),
            Size::Rest(parts) => parts.iter().try_for_each(|part| visit.call(part)),
            Size::Count(_) | Size::All => Ok(()),
        }
    }
}

impl Read {
    /// What is to be awaited before there is something to be taken; or the end, if nothing was asked for.
    #[inline]
    fn wait_if_empty<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Progress<'py>>> {
        let reader = self.reader.bind(py);
        if let Size::Given(size) = &self.size {
            reader.get().check_exception(py)?;
            match count(size.bind(py))? {
                Some(0) => return Ok(Some(Progress::Return(empty(py)))),
                Some(size) => self.size = Size::Count(size),
                None => self.size = Size::All,
            }
        }
        if matches!(self.size, Size::All) {
            reader.get().check_exception(py)?;
            self.size = Size::Rest(Vec::new());
        }
        if matches!(self.size, Size::Rest(_)) {
            if !StreamReader::is_native(reader, intern!(py, "read")) {
                let limit = reader.getattr(intern!(py, "_limit"))?;
                let part = reader.call_method1(intern!(py, "read"), (limit,))?;
                return Ok(Some(Progress::Await(part)));
            }
            reader.get().check_exception(py)?;
        }
        let (waiting, is_at_eof) = reader.get().waiting(py);
        if waiting > 0 || is_at_eof {
            return Ok(None);
        }
        self.wait.begin(reader, intern!(py, "read")).map(Some)
    }

    /// Takes what there is, and says whether that was all.
    #[inline]
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Progress<'py>>> {
        let reader = self.reader.bind(py);
        let size = match self.size {
            Size::Count(size) => size,
            _ => reader.get().limit(py),
        };
        let data = reader.get().take(py, size)?;
        StreamReader::resume_if_low(reader)?;
        let Size::Rest(parts) = &mut self.size else {
            return Ok(Some(Progress::Return(data.into_any())));
        };
        if data.as_bytes().is_empty() {
            return join(py, parts).map(Some);
        }
        parts.push(data.into_any().unbind());
        Ok(None)
    }
}

fn join<'py>(py: Python<'py>, parts: &mut Vec<Py<PyAny>>) -> PyResult<Progress<'py>> {
    let parts = std::mem::take(parts);
    let joined = empty(py).call_method1(intern!(py, "join"), (parts,))?;
    Ok(Progress::Return(joined))
}

struct ReadExactly {
    reader: Py<StreamReader>,
    given: Py<PyAny>,
    size: usize,
    wait: Wait,
}

impl Routine for ReadExactly {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let reader = self.reader.bind(py);
        if matches!(input, Input::Start) {
            let Some(size) = count(self.given.bind(py))? else {
                return Err(PyValueError::new_err(
                    "readexactly size can not be less than zero",
                ));
            };
            reader.get().check_exception(py)?;
            if size == 0 {
                return Ok(Progress::Return(empty(py)));
            }
            self.size = size;
        } else {
            self.wait.end(reader, input)?;
        }
        let (waiting, is_at_eof) = reader.get().waiting(py);
        if waiting < self.size {
            if is_at_eof {
                let partial = reader.get().take(py, usize::MAX)?;
                return Err(errors::incomplete(&partial, self.given.bind(py))?);
            }
            return self.wait.begin(reader, intern!(py, "readexactly"));
        }
        let data = reader.get().take(py, self.size)?;
        StreamReader::resume_if_low(reader)?;
        Ok(Progress::Return(data.into_any()))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reader)?;
        visit.call(&self.given)
    }
}
