//! How the kernel's refusals become Python exceptions.

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;
use rustix::io::Errno;

/// The `OSError` for `errno`: the right subclass, with `errno` and `strerror`'s text set.
pub(crate) fn os_error(py: Python<'_>, errno: Errno) -> PyErr {
    let number = errno.raw_os_error();
    let text = py
        .import("os")
        .and_then(|os| os.call_method1("strerror", (number,)));
    match text.and_then(|text| py.get_type::<PyOSError>().call1((number, text))) {
        // Called with a number and a text, OSError picks the subclass itself.
        Ok(error) => PyErr::from_value(error),
        Err(error) => error,
    }
}
