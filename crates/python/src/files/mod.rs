//! Files: what a loop does with the file system without waiting for it.
//!
//! The engine has the operations (`aioxide_engine::files`): on the spot, by the loop's io_uring, or on threads. Here they
//! meet Python: `service` is the operations of one loop, whichever loop it is, `pending` one of them under
//! way, `calls` those that are functions of their own, on names. `binary` is open files, which `opening` opens.

mod binary;
mod budget;
mod calls;
mod foreign;
pub(crate) mod names;
mod opening;
mod pending;
mod service;
mod spot;
mod statistics;
mod text;

use aioxide_engine::files::{Backend, Choice, Files, Operation};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

pub(crate) use binary::{BinaryFile, FUNCTIONS as BINARY_FUNCTIONS};
pub(crate) use calls::FUNCTIONS;
pub(crate) use foreign::ForeignFiles;
pub(crate) use opening::FUNCTIONS as OPENING_FUNCTIONS;
pub(crate) use pending::Pending;
pub(crate) use service::Service;
pub(crate) use text::FUNCTIONS as TEXT_FUNCTIONS;

use crate::errors::os_error;
use crate::raw::file_memory::FileMemory;
use crate::raw::ready;

/// Adds the classes to the extension module.
pub(crate) fn add_to(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<BinaryFile>()?;
    module.add_class::<binary::Chunks>()?;
    module.add_class::<ForeignFiles>()?;
    module.add_class::<text::TextFile>()?;
    ready::prepare(module.py())?;
    binary::prepare(module.py())?;
    text::prepare(module.py())
}

/// An operation on memory of Python's.
pub(crate) type FileOperation = Operation<FileMemory>;

/// The end of an operation on memory of Python's.
pub(crate) type Completion = aioxide_engine::files::Completion<FileMemory>;

/// What the environment asks for.
///
/// # Errors
/// `ValueError` for a value of `AIOXIDE_FILES` that names no backend.
pub(crate) fn choice() -> PyResult<Choice> {
    let value = std::env::var_os(Choice::VARIABLE).unwrap_or_default();
    let value = value.to_string_lossy();
    Choice::named(&value).ok_or_else(|| {
        PyValueError::new_err(format!(
            "{} must be 'ring' or 'pool', not '{value}'",
            Choice::VARIABLE
        ))
    })
}

/// How files are served in this process: `"ring"`, `"pool"`, or `"pool"` and why there is no ring.
///
/// Raises `ValueError` if the environment variable `AIOXIDE_FILES` names no backend, and `OSError` if
/// it asks for a ring that the system refuses.
#[pyfunction]
pub(crate) fn file_backend(py: Python<'_>) -> PyResult<String> {
    let files = Files::<FileMemory>::new(choice()?, std::sync::Arc::new(|| ()))
        .map_err(|errno| os_error(py, errno))?;
    Ok(match files.backend() {
        Backend::Ring => "ring".to_owned(),
        Backend::Pool => "pool".to_owned(),
        Backend::Refused(errno) => {
            let why = os_error(py, errno).into_value(py);
            format!("pool (no ring: {})", why.bind(py).str()?)
        }
    })
}
