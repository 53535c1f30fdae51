//! The methods of streams that are no coroutines: functions with Python templates, as all natives are, so that
//! `inspect.signature` and `unittest.mock` see asyncio's.

use pyo3::PyClass;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyString};

use super::protocol::ReaderProtocol;
use super::reader::StreamReader;
use super::writer::StreamWriter;
use crate::raw::fastcall::Arguments;
use crate::routine::Function;

type Called = PyResult<Option<Py<PyAny>>>;

pub(crate) const METHODS: &[&Function] = &[
    &Function {
        qualname: "StreamReader.exception",
        call: exception,
    },
    &Function {
        qualname: "StreamReader.set_exception",
        call: set_exception,
    },
    &Function {
        qualname: "StreamReader.set_transport",
        call: set_transport,
    },
    &Function {
        qualname: "StreamReader.feed_eof",
        call: feed_eof,
    },
    &Function {
        qualname: "StreamReader.at_eof",
        call: at_eof,
    },
    &Function {
        qualname: "StreamReader.feed_data",
        call: feed_data,
    },
    &Function {
        qualname: "StreamReaderProtocol.data_received",
        call: data_received,
    },
    &Function {
        qualname: "StreamWriter.write",
        call: write,
    },
    &Function {
        qualname: "StreamWriter.writelines",
        call: writelines,
    },
    &Function {
        qualname: "StreamWriter.write_eof",
        call: write_eof,
    },
    &Function {
        qualname: "StreamWriter.can_write_eof",
        call: can_write_eof,
    },
    &Function {
        qualname: "StreamWriter.close",
        call: close,
    },
    &Function {
        qualname: "StreamWriter.is_closing",
        call: is_closing,
    },
    &Function {
        qualname: "StreamWriter.get_extra_info",
        call: get_extra_info,
    },
];

/// Calls a method that has no parameters.
#[inline]
fn plain<'py, T: PyClass, R: Into<Py<PyAny>>>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    method: impl FnOnce(&Bound<'py, T>) -> PyResult<R>,
) -> Called {
    let Some([Some(slf)]) = arguments.fit(1, [intern!(py, "self")]) else {
        return Ok(None);
    };
    match slf.cast::<T>() {
        Ok(slf) => method(&slf).map(|result| Some(result.into())),
        Err(_other) => Ok(None),
    }
}

/// Calls a method that has one parameter, of this name, and returns None.
#[inline]
fn with_one<'py, T: PyClass>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    name: &Bound<'py, PyString>,
    method: impl FnOnce(&Bound<'py, T>, &Bound<'py, PyAny>) -> PyResult<()>,
) -> Called {
    let Some([Some(slf), Some(value)]) = arguments.fit(2, [intern!(py, "self"), name]) else {
        return Ok(None);
    };
    match slf.cast::<T>() {
        Ok(slf) => method(&slf, &value).map(|()| Some(py.None())),
        Err(_other) => Ok(None),
    }
}

fn exception<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    plain::<StreamReader, _>(py, arguments, |reader| {
        let exception = reader.get().exception(py);
        Ok(exception.unwrap_or_else(|| py.None()))
    })
}

fn set_exception<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    with_one::<StreamReader>(py, arguments, intern!(py, "exc"), |reader, exception| {
        reader.get().set_exception(exception)
    })
}

fn set_transport<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    let name = intern!(py, "transport");
    with_one::<StreamReader>(py, arguments, name, |reader, transport| {
        reader.get().set_transport(transport)
    })
}

fn feed_eof<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    plain::<StreamReader, _>(py, arguments, |reader| {
        StreamReader::feed_eof(reader).map(|()| py.None())
    })
}

fn at_eof<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    plain::<StreamReader, _>(py, arguments, |reader| {
        let is_at_eof = reader.get().waiting(py) == (0, true);
        Ok(PyBool::new(py, is_at_eof).to_owned().into_any())
    })
}

fn feed_data<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    with_one::<StreamReader>(py, arguments, intern!(py, "data"), StreamReader::feed)
}

fn data_received<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    with_one::<ReaderProtocol>(py, arguments, intern!(py, "data"), |protocol, data| {
        protocol.get().data_received(data)
    })
}

fn write<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    with_one::<StreamWriter>(py, arguments, intern!(py, "data"), |writer, data| {
        let transport = writer.get().transport(py)?;
        transport
            .call_method1(intern!(py, "write"), (data,))
            .map(drop)
    })
}

fn writelines<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    with_one::<StreamWriter>(py, arguments, intern!(py, "data"), |writer, data| {
        let transport = writer.get().transport(py)?;
        transport
            .call_method1(intern!(py, "writelines"), (data,))
            .map(drop)
    })
}

/// Has the transport do what its writer was asked.
fn pass_on<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
    method: &Bound<'py, PyString>,
) -> Called {
    plain::<StreamWriter, _>(py, arguments, |writer| {
        writer.get().transport(py)?.call_method0(method)
    })
}

fn write_eof<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    pass_on(py, arguments, intern!(py, "write_eof"))
}

fn can_write_eof<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    pass_on(py, arguments, intern!(py, "can_write_eof"))
}

fn close<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    pass_on(py, arguments, intern!(py, "close"))
}

fn is_closing<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    pass_on(py, arguments, intern!(py, "is_closing"))
}

fn get_extra_info<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> Called {
    let names = [
        intern!(py, "self"),
        intern!(py, "name"),
        intern!(py, "default"),
    ];
    let Some([Some(writer), Some(name), default]) = arguments.fit(3, names) else {
        return Ok(None);
    };
    let Ok(writer) = writer.cast::<StreamWriter>() else {
        return Ok(None);
    };
    let default = default.map_or_else(|| py.None(), |default| default.to_owned().unbind());
    let transport = writer.get().transport(py)?;
    let info = transport.call_method1(intern!(py, "get_extra_info"), (name, default))?;
    Ok(Some(info.unbind()))
}
