//! The functions that are native: which they are, and how Python gives them their names.

use pyo3::PyTypeCheck;
use pyo3::exceptions::PyLookupError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use crate::raw::fastcall::Arguments;
use crate::raw::function::{self, Implementation, Shortcut};

/// A native function. Coroutines refer to theirs.
pub(crate) struct Function {
    /// Its name, after that of its class and a dot if it is a method.
    pub(crate) qualname: &'static str,
    /// What it does.
    pub(crate) call: Implementation,
}

impl Function {
    /// The name without the class.
    pub(super) fn name(&self) -> &'static str {
        self.qualname
            .rsplit_once('.')
            .map_or(self.qualname, |(_class, name)| name)
    }
}

/// All of them, as each module lists its own.
static FUNCTIONS: &[&[&Function]] = &[
    crate::files::BINARY_FUNCTIONS,
    crate::files::FUNCTIONS,
    crate::files::OPENING_FUNCTIONS,
    crate::files::TEXT_FUNCTIONS,
    crate::joint::FUNCTIONS,
    crate::shield::FUNCTIONS,
    crate::sleeping::FUNCTIONS,
    crate::streams::COROUTINE_FUNCTIONS,
    crate::streams::METHODS,
    crate::task_group::FUNCTIONS,
    crate::threads::FUNCTIONS,
    crate::timeouts::FUNCTIONS,
    crate::locks::lock::FUNCTIONS,
    crate::locks::event::FUNCTIONS,
    crate::locks::condition::FUNCTIONS,
    crate::locks::semaphore::FUNCTIONS,
    crate::locks::barrier::FUNCTIONS,
    crate::queues::METHODS,
    crate::queues::ORDERED,
    crate::queues::WAITS,
];

/// The object that a method without parameters is called on; None for arguments that do not fit.
#[inline]
pub(crate) fn receiver<'a, 'py, C: PyTypeCheck>(
    py: Python<'py>,
    arguments: &Arguments<'a, 'py>,
) -> PyResult<Option<Borrowed<'a, 'py, C>>> {
    match arguments.all(|| [intern!(py, "self")]) {
        Some([receiver]) => Ok(Some(receiver.cast::<C>()?)),
        None => Ok(None),
    }
}

/// `True` or `False`.
#[inline]
pub(crate) fn boolean(py: Python<'_>, value: bool) -> Bound<'_, PyAny> {
    PyBool::new(py, value).to_owned().into_any()
}

/// The short cut of a function, if it has one.
fn shortcut(function: &Function) -> Option<Shortcut> {
    std::ptr::eq(function, &crate::sleeping::SLEEP).then_some(crate::sleeping::pause_at_once)
}

/// The native function that `template` is the signature of: a function that has its qualified name and parameters.
/// Raises `LookupError` if there is none of this name.
#[pyfunction]
pub(crate) fn native_function<'py>(template: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let qualname = template.getattr(intern!(template.py(), "__qualname__"))?;
    let qualname = qualname.extract::<std::borrow::Cow<'_, str>>()?;
    let known = FUNCTIONS.iter().copied().flatten();
    match known.into_iter().find(|known| known.qualname == qualname) {
        Some(known) => function::new(template, known.call, shortcut(known)),
        None => Err(PyLookupError::new_err(format!(
            "there is no native function {qualname}"
        ))),
    }
}
