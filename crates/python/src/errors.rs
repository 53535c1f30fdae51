//! How the kernel's refusals become Python exceptions.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rustix::io::Errno;

use crate::raw::raising;

/// The `OSError` for `errno`: the right subclass, with `errno` and `strerror`'s text set.
pub(crate) fn os_error(py: Python<'_>, errno: Errno) -> PyErr {
    made(py, errno, |number, text| {
        py.get_type::<PyOSError>().call1((number, text))
    })
}

/// As [`os_error`], about the file of this name.
pub(crate) fn file_error(errno: Errno, name: &Bound<'_, PyAny>) -> PyErr {
    let py = name.py();
    made(py, errno, |number, text| {
        py.get_type::<PyOSError>().call1((number, text, name))
    })
}

/// As [`os_error`], about the files of these two names.
pub(crate) fn files_error(errno: Errno, from: &Bound<'_, PyAny>, to: &Bound<'_, PyAny>) -> PyErr {
    let py = from.py();
    made(py, errno, |number, text| {
        py.get_type::<PyOSError>()
            .call1((number, text, from, py.None(), to))
    })
}

/// Called with a number and a text, `OSError` picks the subclass itself. It remembers what is being handled.
fn made<'py>(
    py: Python<'py>,
    errno: Errno,
    make: impl FnOnce(i32, Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
) -> PyErr {
    let number = errno.raw_os_error();
    let text = py
        .import("os")
        .and_then(|os| os.call_method1("strerror", (number,)));
    match text.and_then(|text| make(number, text)) {
        Ok(error) => raising::raised(&error),
        Err(error) => error,
    }
}
