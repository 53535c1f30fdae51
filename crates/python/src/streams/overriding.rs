//! Whether a derived class has replaced methods that natives do without calling.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};

use crate::raw::function;

/// The names of methods that a native class, and the class that Python makes of it, bring.
pub(super) struct Originals {
    names: &'static [&'static str],
    interned: PyOnceLock<Vec<Py<PyString>>>,
}

impl Originals {
    pub(super) const fn of(names: &'static [&'static str]) -> Self {
        Self {
            names,
            interned: PyOnceLock::new(),
        }
    }

    /// Whether all of them are native in `class`.
    pub(super) fn are_in(&self, class: &Bound<'_, PyType>) -> PyResult<bool> {
        let py = class.py();
        let native = function::class(py)?;
        let descriptor = descriptor_class(py)?;
        let intern = |name: &&str| PyString::intern(py, name).unbind();
        let names = self
            .interned
            .get_or_init(py, || self.names.iter().map(intern).collect());
        for name in names {
            let kind = class.getattr(name)?.get_type();
            if !kind.is(native) && !kind.is(descriptor) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The class of what native classes have for methods.
fn descriptor_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        let method = py.get_type::<PyDict>().getattr("get")?;
        Ok::<_, PyErr>(method.get_type().unbind())
    })?;
    Ok(class.bind(py))
}
