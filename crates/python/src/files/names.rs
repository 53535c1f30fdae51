//! Paths as Python gives them, and as the kernel takes them.

use std::ffi::CString;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt;

use aioxide_engine::files::{File, Place};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyInt, PyString};

/// A path that the kernel takes, and the name by which exceptions call it.
pub(crate) struct Named<'py> {
    pub(crate) path: CString,
    pub(crate) name: Bound<'py, PyAny>,
}

impl<'py> Named<'py> {
    /// Recognises what the functions of `os` take for a path. None for what is none, or only to some of them.
    ///
    /// # Errors
    /// What the object's `__fspath__` raises.
    pub(crate) fn of(path: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        static PATH_LIKE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = path.py();
        if path.is_exact_instance_of::<PyString>() || path.is_exact_instance_of::<PyBytes>() {
            return Ok(Self::of_text(path.clone()));
        }
        let get = PATH_LIKE.get_or_try_init(py, || {
            Ok::<_, PyErr>(py.import("os")?.getattr("fspath")?.unbind())
        })?;
        let is_path = path.is_instance_of::<PyString>()
            || path.is_instance_of::<PyBytes>()
            || path.get_type().hasattr(intern!(py, "__fspath__"))?;
        if !is_path {
            return Ok(None);
        }
        get.bind(py).call1((path,)).map(Self::of_text)
    }

    fn of_text(name: Bound<'py, PyAny>) -> Option<Self> {
        let path = if let Ok(bytes) = name.cast::<PyBytes>() {
            CString::new(bytes.as_bytes()).ok()?
        } else {
            // By the encoding of the file system, with its escapes.
            let path = name.extract::<std::path::PathBuf>().ok()?;
            CString::new(path.as_os_str().as_bytes()).ok()?
        };
        Some(Self { path, name })
    }
}

/// The directory that a relative path starts from: None for the working directory.
pub(super) struct Directory(Option<File>);

impl Directory {
    /// Recognises a `dir_fd`. None for what is no descriptor.
    pub(super) fn of(dir_fd: Option<&Bound<'_, PyAny>>) -> Option<Self> {
        let Some(dir_fd) = dir_fd.filter(|dir_fd| !dir_fd.is_none()) else {
            return Some(Self(None));
        };
        let fd = dir_fd
            .is_exact_instance_of::<PyInt>()
            .then(|| dir_fd.extract::<RawFd>().ok())??;
        Some(Self(Some(File::lent(fd).ok()?)))
    }

    /// The name of a file in this directory.
    pub(super) fn place(self, path: CString) -> Place {
        Place {
            directory: self.0,
            path,
        }
    }
}
