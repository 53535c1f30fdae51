//! The methods of `BinaryFile` that are coroutines: their arguments, and the steps that do them.

use aioxide_engine::files::Durability;
use pyo3::exceptions::PyValueError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::checks::{limit_of, size_of};
use super::chunks::Chunks;
use super::ending::{Close, Enter};
use super::file::BinaryFile;
use super::lines::{Line, Lines};
use super::operation::{Operation, Step};
use super::positional::{ReadAt, WriteAt};
use super::reading::{Amount, Peek, Read, ReadInto};
use super::seeking::{Seek, Tell};
use super::writing::{Flush, Sync, Truncate, Write, WriteLines};
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function};

macro_rules! methods {
    ($($constant:ident: $name:ident, $call:ident;)*) => {
        pub(crate) const FUNCTIONS: &[&Function] = &[$(&$constant,)* &CHUNKS];
        $(
            static $constant: Function = Function {
                qualname: concat!("BinaryFile.", stringify!($name)),
                call: $call,
            };
        )*
    };
}

methods! {
    READ: read, read;
    READ1: read1, read1;
    READALL: readall, readall;
    READINTO: readinto, readinto;
    READINTO1: readinto1, readinto1;
    PEEK: peek, peek;
    READLINE: readline, readline;
    READLINES: readlines, readlines;
    WRITE: write, write;
    WRITELINES: writelines, writelines;
    SEEK: seek, seek;
    TELL: tell, tell;
    TRUNCATE: truncate, truncate;
    FLUSH: flush, flush;
    FSYNC: fsync, fsync;
    CLOSE: close, close;
    READ_AT: read_at, read_at;
    READINTO_AT: readinto_at, readinto_at;
    WRITE_AT: write_at, write_at;
    AENTER: __aenter__, enter;
    AEXIT: __aexit__, exit;
}

static CHUNKS: Function = Function {
    qualname: "BinaryFile.chunks",
    call: chunks,
};

pub(super) static ANEXT: Function = Function {
    qualname: "BinaryFile.__anext__",
    call: |_py, _arguments| Ok(None),
};

pub(super) static CHUNKS_ANEXT: Function = Function {
    qualname: "Chunks.__anext__",
    call: |_py, _arguments| Ok(None),
};

type Given<'a, 'py> = Option<Borrowed<'a, 'py, PyAny>>;

/// The coroutine of a method, if the object is a file.
#[inline]
pub(crate) fn start<'py, S: Step + 'static>(
    function: &'static Function,
    file: &Bound<'py, PyAny>,
    step: impl FnOnce(&Bound<'py, BinaryFile>) -> PyResult<S>,
) -> PyResult<Option<Py<PyAny>>> {
    let Ok(file) = file.cast::<BinaryFile>() else {
        return Ok(None);
    };
    let step = step(file)?;
    Coroutine::start(file.py(), function, Operation::new(file, step))
}

/// The coroutine of a method without parameters.
fn plain<'py, S: Step + 'static>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    function: &'static Function,
    step: S,
) -> PyResult<Option<Py<PyAny>>> {
    match arguments.fit(1, [intern!(py, "self")]) {
        Some([Some(file)]) => start(function, &file, |_file| Ok(step)),
        _ => Ok(None),
    }
}

/// The arguments of a method that has one parameter, which may be left out.
#[inline]
fn optional<'a, 'py>(
    py: Python<'py>,
    arguments: &Arguments<'a, 'py>,
    name: &Bound<'py, PyString>,
) -> Option<(Borrowed<'a, 'py, PyAny>, Given<'a, 'py>)> {
    let [slf, given] = arguments.fit(2, [intern!(py, "self"), name])?;
    Some((slf?, given))
}

/// The arguments of a method that has one parameter.
#[inline]
fn required<'a, 'py>(
    py: Python<'py>,
    arguments: &Arguments<'a, 'py>,
    name: &Bound<'py, PyString>,
) -> Option<(Borrowed<'a, 'py, PyAny>, Borrowed<'a, 'py, PyAny>)> {
    let (slf, given) = optional(py, arguments, name)?;
    Some((slf, given?))
}

fn read<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = optional(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let size = size_of(size.as_deref())?;
    start(&READ, &file, |file| {
        Amount::of_read(size, file.get().is_buffered).map(Read::new)
    })
}

fn read1<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = optional(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let size = size_of(size.as_deref())?;
    start(&READ1, &file, |_file| {
        Ok(Read::at_most(Amount::of_read1(size)))
    })
}

fn readall<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &READALL, Read::new(Amount::All))
}

fn readinto<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, buffer)) = required(py, arguments, intern!(py, "buffer")) else {
        return Ok(None);
    };
    start(&READINTO, &file, |_file| Ok(ReadInto::new(&buffer)))
}

fn readinto1<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, buffer)) = required(py, arguments, intern!(py, "buffer")) else {
        return Ok(None);
    };
    start(&READINTO1, &file, |_file| Ok(ReadInto::at_most(&buffer)))
}

fn peek<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = optional(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    // How much is wanted is a hint, of which Python's own files make nothing.
    size_of(size.as_deref())?;
    start(&PEEK, &file, |_file| Ok(Peek))
}

fn readline<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = optional(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let limit = limit_of(size.as_deref())?;
    start(&READLINE, &file, |_file| Ok(Line::new(limit)))
}

fn readlines<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, hint)) = optional(py, arguments, intern!(py, "hint")) else {
        return Ok(None);
    };
    let hint = limit_of(hint.as_deref())?;
    start(&READLINES, &file, |_file| Ok(Lines::new(hint)))
}

fn write<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, data)) = required(py, arguments, intern!(py, "data")) else {
        return Ok(None);
    };
    start(&WRITE, &file, |_file| Ok(Write::new(&data)))
}

fn writelines<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, lines)) = required(py, arguments, intern!(py, "lines")) else {
        return Ok(None);
    };
    start(&WRITELINES, &file, |_file| Ok(WriteLines::new(&lines)))
}

fn seek<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "offset"),
        intern!(py, "whence"),
    ];
    let Some([Some(file), Some(offset), whence]) = arguments.fit(3, names) else {
        return Ok(None);
    };
    let offset = offset_of(&offset)?;
    let whence = whence.map_or(Ok(0), |whence| whence.extract())?;
    start(&SEEK, &file, |_file| Ok(Seek::new(offset, whence)))
}

/// A place in a file.
///
/// # Errors
/// `TypeError` for what is no integer; `ValueError` for what no file is as long as.
fn offset_of(offset: &Bound<'_, PyAny>) -> PyResult<i64> {
    offset.extract().map_err(|error: PyErr| {
        if error.is_instance_of::<pyo3::exceptions::PyOverflowError>(offset.py()) {
            PyValueError::new_err("cannot fit 'int' into an offset-sized integer")
        } else {
            error
        }
    })
}

fn tell<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &TELL, Tell)
}

fn truncate<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = optional(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let size = size.filter(|size| !size.is_none());
    let size = size.map(|size| size.extract()).transpose()?;
    start(&TRUNCATE, &file, |_file| Ok(Truncate::new(size)))
}

fn flush<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &FLUSH, Flush)
}

fn fsync<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, data_only)) = optional(py, arguments, intern!(py, "data_only")) else {
        return Ok(None);
    };
    let data_only = data_only.map_or(Ok(false), |data_only| data_only.is_truthy())?;
    let durability = if data_only {
        Durability::Data
    } else {
        Durability::All
    };
    start(&FSYNC, &file, |_file| Ok(Sync::new(durability)))
}

fn close<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &CLOSE, Close::default())
}

fn enter<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &AENTER, Enter)
}

fn exit<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "exc_type"),
        intern!(py, "exc"),
        intern!(py, "tb"),
    ];
    let Some([Some(file), Some(_), Some(_), Some(_)]) = arguments.fit(4, names) else {
        return Ok(None);
    };
    start(&AEXIT, &file, |_file| Ok(Close::default()))
}

fn read_at<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "size"),
        intern!(py, "offset"),
    ];
    let Some([Some(file), Some(size), Some(offset)]) = arguments.fit(3, names) else {
        return Ok(None);
    };
    let (size, offset) = (size.extract()?, offset_of(&offset)?);
    start(&READ_AT, &file, |_file| ReadAt::new(size, offset))
}

fn readinto_at<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "buffer"),
        intern!(py, "offset"),
    ];
    let Some([Some(file), Some(buffer), Some(offset)]) = arguments.fit(3, names) else {
        return Ok(None);
    };
    let offset = offset_of(&offset)?;
    start(&READINTO_AT, &file, |_file| {
        Ok(ReadAt::into(&buffer, offset))
    })
}

fn write_at<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "data"),
        intern!(py, "offset"),
    ];
    let Some([Some(file), Some(data), Some(offset)]) = arguments.fit(3, names) else {
        return Ok(None);
    };
    let offset = offset_of(&offset)?;
    start(&WRITE_AT, &file, |_file| Ok(WriteAt::new(&data, offset)))
}

fn chunks<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = required(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let Ok(file) = file.cast::<BinaryFile>() else {
        return Ok(None);
    };
    let size: usize = size.extract()?;
    if size == 0 {
        return Err(PyValueError::new_err("size must be above zero"));
    }
    let chunks = Bound::new(py, Chunks::new(&file, size))?;
    Ok(Some(chunks.into_any().unbind()))
}
