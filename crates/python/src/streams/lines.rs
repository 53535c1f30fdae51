//! `readuntil`, `readline`, and a reader as an iterator over lines.

use pyo3::exceptions::{PyStopAsyncIteration, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::errors;
use super::reader::StreamReader;
use super::separators::Separators;
use super::waiting::Wait;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};

pub(super) static READUNTIL: Function = Function {
    qualname: "StreamReader.readuntil",
    call: read_until,
};

pub(super) static READLINE: Function = Function {
    qualname: "StreamReader.readline",
    call: read_line,
};

pub(super) static ANEXT: Function = Function {
    qualname: "StreamReader.__anext__",
    call: next_line,
};

fn read_until<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "separator")];
    let Some([Some(reader), separator]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let Ok(reader) = reader.cast::<StreamReader>() else {
        return Ok(None);
    };
    let separators = match separator {
        None => Separators::newline(py),
        Some(given) => Separators::Given(given.to_owned().unbind()),
    };
    Coroutine::start(py, &READUNTIL, Until::new(&reader, separators))
}

fn read_line<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(reader)]) = arguments.fit(1, [intern!(py, "self")]) else {
        return Ok(None);
    };
    let Ok(reader) = reader.cast::<StreamReader>() else {
        return Ok(None);
    };
    Coroutine::start(py, &READLINE, Line::new(&reader))
}

fn next_line<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(reader)]) = arguments.fit(1, [intern!(py, "self")]) else {
        return Ok(None);
    };
    let Ok(reader) = reader.cast::<StreamReader>() else {
        return Ok(None);
    };
    let next = Next {
        line: Line::new(&reader),
        is_asked_for: false,
    };
    Coroutine::start(py, &ANEXT, next)
}

/// What a search has come to.
enum Search<'py> {
    /// Everything up to the separator.
    Found(Bound<'py, PyBytes>),
    /// The stream has ended without one.
    Ended(Bound<'py, PyBytes>),
    /// No separator begins in so many bytes, which is more than the limit.
    TooLong(&'static str, usize),
    /// More has to come.
    Waits(Progress<'py>),
}

struct Until {
    reader: Py<StreamReader>,
    separators: Separators,
    /// No separator begins before this place.
    offset: usize,
    wait: Wait,
}

impl Until {
    fn new(reader: &Bound<'_, StreamReader>, separators: Separators) -> Self {
        Self {
            reader: reader.clone().unbind(),
            separators,
            offset: 0,
            wait: Wait::None,
        }
    }

    #[inline]
    fn search<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Search<'py>> {
        let reader = self.reader.bind(py);
        if matches!(input, Input::Start) {
            self.separators.read(py)?;
            reader.get().check_exception(py)?;
        } else {
            self.wait.end(reader, input)?;
        }
        let limit = reader.get().limit(py);
        let (shortest, longest) = self.separators.lengths(py);
        let (waiting, is_at_eof) = reader.get().waiting(py);
        if waiting >= self.offset + shortest {
            if let Some(found) = self.separators.find(reader, self.offset) {
                if found.start > limit {
                    const TEXT: &str = "Separator is found, but chunk is longer than limit";
                    return Ok(Search::TooLong(TEXT, found.start));
                }
                let line = reader.get().take(py, found.end)?;
                StreamReader::resume_if_low(reader)?;
                return Ok(Search::Found(line));
            }
            // The last bytes may be the first of a separator.
            self.offset = (waiting + 1).saturating_sub(longest);
            if self.offset > limit {
                const TEXT: &str = "Separator is not found, and chunk exceed the limit";
                return Ok(Search::TooLong(TEXT, self.offset));
            }
        }
        if is_at_eof {
            return reader.get().take(py, usize::MAX).map(Search::Ended);
        }
        let waits = self.wait.begin(reader, intern!(py, "readuntil"))?;
        Ok(Search::Waits(waits))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.reader)?;
        self.separators.traverse(visit)
    }
}

impl Routine for Until {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match self.search(py, input)? {
            Search::Found(line) => Ok(Progress::Return(line.into_any())),
            Search::Waits(progress) => Ok(progress),
            Search::Ended(partial) => Err(errors::incomplete(&partial, py.None().bind(py))?),
            Search::TooLong(text, consumed) => Err(errors::overrun(py, text, consumed)?),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Self::traverse(self, visit)
    }
}

/// A line, by the reader's own `readuntil`, or by one of somebody else's.
struct Line {
    until: Until,
    /// The line that somebody else's method has been asked for.
    is_asked_for: bool,
}

impl Line {
    fn new(reader: &Bound<'_, StreamReader>) -> Self {
        Self {
            until: Until::new(reader, Separators::newline(reader.py())),
            is_asked_for: false,
        }
    }

    /// Drops a line that is too long, or what there is of it, and says so.
    fn refuse<'py>(&self, py: Python<'py>, overrun: &Bound<'py, PyAny>) -> PyResult<PyErr> {
        let reader = self.until.reader.bind(py);
        let consumed: usize = overrun.getattr(intern!(py, "consumed"))?.extract()?;
        let ends_here = reader.get().find(py, b"\n", consumed) == Some(consumed);
        let dropped = if ends_here { consumed + 1 } else { usize::MAX };
        reader.get().take(py, dropped)?;
        StreamReader::resume_if_low(reader)?;
        let text = overrun.getattr(intern!(py, "args"))?.get_item(0)?;
        let refusal = PyValueError::new_err(text.unbind());
        let refused = refusal.value(py);
        refused.setattr(intern!(py, "__context__"), overrun)?;
        Ok(refusal)
    }

    /// What becomes of an error of somebody else's `readuntil`.
    fn follow<'py>(&self, py: Python<'py>, error: PyErr) -> PyResult<Progress<'py>> {
        let exception = error.value(py);
        if exception.is_instance(errors::incomplete_class(py)?)? {
            let partial = exception.getattr(intern!(py, "partial"))?;
            return Ok(Progress::Return(partial));
        }
        if exception.is_instance(errors::overrun_class(py)?)? {
            return Err(self.refuse(py, exception.as_any())?);
        }
        Err(error)
    }
}

impl Routine for Line {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if self.is_asked_for {
            return match input {
                Input::Failure(error) => self.follow(py, error),
                input => input.value(py).map(Progress::Return),
            };
        }
        let name = intern!(py, "readuntil");
        let reader = self.until.reader.bind(py);
        if matches!(input, Input::Start) && !StreamReader::is_native(reader, name) {
            self.is_asked_for = true;
            let newline = PyBytes::new(py, b"\n");
            return Ok(Progress::Await(reader.call_method1(name, (newline,))?));
        }
        match self.until.search(py, input)? {
            Search::Found(line) | Search::Ended(line) => Ok(Progress::Return(line.into_any())),
            Search::Waits(progress) => Ok(progress),
            Search::TooLong(text, consumed) => {
                let overrun = errors::overrun(py, text, consumed)?;
                Err(self.refuse(py, overrun.value(py).as_any())?)
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.until.traverse(visit)
    }
}

/// The next line of an iteration, by the reader's own `readline`, or by one of somebody else's.
struct Next {
    line: Line,
    /// The line that somebody else's method has been asked for.
    is_asked_for: bool,
}

impl Routine for Next {
    #[inline]
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let name = intern!(py, "readline");
        let reader = self.line.until.reader.bind(py);
        let progress = if self.is_asked_for {
            Progress::Return(input.value(py)?)
        } else if matches!(input, Input::Start) && !StreamReader::is_native(reader, name) {
            self.is_asked_for = true;
            Progress::Await(reader.call_method0(name)?)
        } else {
            self.line.resume(py, input)?
        };
        match progress {
            Progress::Return(line) if line.eq(PyBytes::new(py, &[]))? => {
                Err(PyStopAsyncIteration::new_err(()))
            }
            progress => Ok(progress),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.line.traverse(visit)
    }
}
