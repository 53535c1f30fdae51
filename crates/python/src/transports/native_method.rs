//! Methods of transports that are those of their native halves, so that a call enters no Python frame.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

/// A method of a transport's native half under the same name.
///
/// It becomes an attribute of the transport when it is asked for the first time, and is found there from then on:
/// most connections use few of them, and the transports below TLS none. One that a connection calls only once does not.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct NativeMethod {
    /// Under which name the transport has its native half.
    half: Py<PyString>,
    /// Set as soon as the class is made that this is an attribute of.
    name: PyOnceLock<Py<PyString>>,
    is_kept: bool,
}

#[pymethods]
impl NativeMethod {
    #[new]
    #[pyo3(signature = (half, *, is_kept=true))]
    fn new(py: Python<'_>, half: &str, is_kept: bool) -> Self {
        Self {
            half: PyString::intern(py, half).unbind(),
            name: PyOnceLock::new(),
            is_kept,
        }
    }

    fn __set_name__(&self, py: Python<'_>, _owner: &Bound<'_, PyType>, name: &str) {
        self.name
            .get_or_init(py, || PyString::intern(py, name).unbind());
    }

    /// The method, which the transport may have as its own from then on; without a transport, the descriptor.
    fn __get__<'py>(
        slf: &Bound<'py, Self>,
        transport: Option<&Bound<'py, PyAny>>,
        _owner: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let Some(transport) = transport else {
            return Ok(slf.as_any().clone());
        };
        let py = slf.py();
        let descriptor = slf.get();
        let name = match descriptor.name.get(py) {
            Some(name) => name.bind(py),
            None => intern!(py, ""),
        };
        let half = transport.getattr(descriptor.half.bind(py))?;
        let method = half.getattr(name)?;
        if descriptor.is_kept {
            transport.setattr(name, &method)?;
        }
        Ok(method)
    }
}
