//! Whether a derived class has replaced methods that natives do without calling.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyType};

use crate::raw::function;

/// The names of methods that a native class, and the class that Python makes of it, bring.
pub(super) struct Originals {
    names: &'static [&'static str],
}

impl Originals {
    pub(super) const fn of(names: &'static [&'static str]) -> Self {
        Self { names }
    }

    /// Whether all of them are native in `class`.
    pub(super) fn are_in(&self, class: &Bound<'_, PyType>) -> PyResult<bool> {
        let py = class.py();
        let native = function::class(py)?;
        let descriptor = PyType::new::<PyDict>(py).getattr("get")?.get_type();
        for name in self.names {
            let kind = class.getattr(*name)?.get_type();
            if !kind.is(native) && !kind.is(&descriptor) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}
