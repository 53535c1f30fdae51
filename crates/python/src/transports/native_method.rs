//! Methods of transports that are those of their native halves, so that a call enters no Python frame.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

/// A method of a transport's native half under the same name.
///
/// It becomes an attribute of the transport when it is asked for the first time, and is found there from then on:
/// most connections use few of them, and the transports below TLS none.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct NativeMethod {
    /// Under which name the transport has its native half.
    half: Py<PyString>,
    /// Set as soon as the class is made that this is an attribute of.
    name: PyOnceLock<Py<PyString>>,
}

#[pymethods]
impl NativeMethod {
    #[new]
    fn new(py: Python<'_>, half: &str) -> Self {
        Self {
            half: PyString::intern(py, half).unbind(),
            name: PyOnceLock::new(),
        }
    }

    fn __set_name__(&self, py: Python<'_>, _owner: &Bound<'_, PyType>, name: &str) {
        self.name
            .get_or_init(py, || PyString::intern(py, name).unbind());
    }

    /// The method, which the transport has as its own from then on; without a transport, the descriptor.
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
        transport.setattr(name, &method)?;
        Ok(method)
    }
}
