//! The methods of `TextFile` that are coroutines: their arguments, and the steps that do them.

use aioxide_engine::files::Durability;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::class::TextFile;
use super::codec::Newline;
use super::ending::{Close, Detach, Enter};
use super::lines::{Line, Lines};
use super::positions::{Seek, Tell};
use super::reading::{Read, ReadAll};
use super::reconfiguring::{Changes, Reconfigure};
use super::writing::{Bytes, Flush, Truncate, Write, WriteLines};
use crate::files::binary::{
    Flush as FlushBytes, Operation, Step, Sync, Truncate as TruncateBytes, limit_of,
};
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function};

macro_rules! methods {
    ($($constant:ident: $name:ident, $call:ident;)*) => {
        pub(crate) const FUNCTIONS: &[&Function] = &[$(&$constant),*];
        $(
            static $constant: Function = Function {
                qualname: concat!("TextFile.", stringify!($name)),
                call: $call,
            };
        )*
    };
}

methods! {
    READ: read, read;
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
    DETACH: detach, detach;
    RECONFIGURE: reconfigure, reconfigure;
    AENTER: __aenter__, enter;
    AEXIT: __aexit__, exit;
}

pub(super) static ANEXT: Function = Function {
    qualname: "TextFile.__anext__",
    call: |_py, _arguments| Ok(None),
};

/// The coroutine of a method, if the object is a file.
#[inline]
fn start<'py, S: Step + 'static>(
    function: &'static Function,
    file: &Bound<'py, PyAny>,
    step: impl FnOnce(&Bound<'py, TextFile>) -> PyResult<S>,
) -> PyResult<Option<Py<PyAny>>> {
    let Ok(file) = file.cast::<TextFile>() else {
        return Ok(None);
    };
    let step = step(file)?;
    let py = file.py();
    let operation = Operation::new(file.get().binary.bind(py), step);
    Coroutine::start(py, function, operation)
}

/// The object of a method, and its argument of this name, if it is given.
#[inline]
fn one<'a, 'py>(
    py: Python<'py>,
    arguments: &Arguments<'a, 'py>,
    name: &Bound<'py, PyString>,
) -> Option<(Borrowed<'a, 'py, PyAny>, Option<Borrowed<'a, 'py, PyAny>>)> {
    let [slf, given] = arguments.fit(2, [intern!(py, "self"), name])?;
    Some((slf?, given))
}

fn plain<'py, S: Step + 'static>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    function: &'static Function,
    step: impl FnOnce(&Bound<'py, TextFile>) -> S,
) -> PyResult<Option<Py<PyAny>>> {
    match arguments.fit(1, [intern!(py, "self")]) {
        Some([Some(file)]) => start(function, &file, |file| Ok(step(file))),
        _ => Ok(None),
    }
}

fn read<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = one(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    match limit_of(size.as_deref())?.filter(|_size| size.is_some()) {
        Some(count) => start(&READ, &file, |file| Ok(Read::new(file, count))),
        None => start(&READ, &file, |file| Ok(ReadAll::new(file))),
    }
}

fn readline<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = one(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let size = size.map_or(Ok(-1), |size| size.extract::<i64>())?;
    let limit = usize::try_from(size).ok();
    start(&READLINE, &file, |file| Ok(Line::new(file, limit)))
}

fn readlines<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, hint)) = one(py, arguments, intern!(py, "hint")) else {
        return Ok(None);
    };
    let hint = limit_of(hint.as_deref())?;
    start(&READLINES, &file, |file| Ok(Lines::new(file, hint)))
}

fn write<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, Some(text))) = one(py, arguments, intern!(py, "text")) else {
        return Ok(None);
    };
    start(&WRITE, &file, |file| Write::new(file, &text))
}

fn writelines<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, Some(lines))) = one(py, arguments, intern!(py, "lines")) else {
        return Ok(None);
    };
    start(&WRITELINES, &file, |file| Ok(WriteLines::new(file, &lines)))
}

fn seek<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "cookie"),
        intern!(py, "whence"),
    ];
    let Some([Some(file), Some(cookie), whence]) = arguments.fit(3, names) else {
        return Ok(None);
    };
    let whence = whence.map_or(Ok(0), |whence| whence.extract())?;
    start(&SEEK, &file, |file| Ok(Seek::new(file, &cookie, whence)))
}

fn tell<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &TELL, Tell::new)
}

fn truncate<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, size)) = one(py, arguments, intern!(py, "size")) else {
        return Ok(None);
    };
    let size = size.filter(|size| !size.is_none());
    let size = size.map(|size| size.extract()).transpose()?;
    start(&TRUNCATE, &file, |file| {
        Ok(Truncate::new(file, TruncateBytes::new(size)))
    })
}

fn flush<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &FLUSH, |file| Flush::new(file, FlushBytes))
}

fn fsync<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some((file, data_only)) = one(py, arguments, intern!(py, "data_only")) else {
        return Ok(None);
    };
    let data_only = data_only.map_or(Ok(false), |data_only| data_only.is_truthy())?;
    let durability = if data_only {
        Durability::Data
    } else {
        Durability::All
    };
    start(&FSYNC, &file, |file| {
        Ok(Bytes::new(file, Sync::new(durability)))
    })
}

fn close<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &CLOSE, Close::new)
}

fn detach<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &DETACH, Detach::new)
}

fn enter<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    plain(py, arguments, &AENTER, Enter::new)
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
    start(&AEXIT, &file, |file| Ok(Close::new(file)))
}

fn reconfigure<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "self"),
        intern!(py, "encoding"),
        intern!(py, "errors"),
        intern!(py, "newline"),
        intern!(py, "line_buffering"),
        intern!(py, "write_through"),
    ];
    let Some([Some(file), encoding, errors, newline, lines, through]) = arguments.fit(1, names)
    else {
        return Ok(None);
    };
    let text = |given: Option<Borrowed<'_, 'py, PyAny>>| -> PyResult<Option<Py<PyString>>> {
        match given.filter(|given| !given.is_none()) {
            Some(given) => Ok(Some(given.extract()?)),
            None => Ok(None),
        }
    };
    let flag = |given: Option<Borrowed<'_, 'py, PyAny>>| {
        let given = given.filter(|given| !given.is_none());
        given.map(|given| given.is_truthy()).transpose()
    };
    // Not to be given is not the same as None, which is a way to end lines.
    let newline = newline.filter(|newline| !newline.is(py.Ellipsis()));
    let newline = newline
        .map(|newline| Newline::of(Some(&*newline).filter(|newline| !newline.is_none())))
        .transpose()?;
    let changes = Changes {
        encoding: text(encoding)?,
        errors: text(errors)?,
        newline,
        is_line_buffered: flag(lines)?,
        is_write_through: flag(through)?,
    };
    start(&RECONFIGURE, &file, |file| {
        Ok(Reconfigure::new(file, changes))
    })
}
