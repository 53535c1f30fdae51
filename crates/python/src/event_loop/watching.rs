//! `add_reader`, `add_writer` and their opposites, for descriptors that the user owns.

use std::os::fd::RawFd;

use aioxide_engine::sources::Direction;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyTuple};

use super::{EventLoop, Trust, Watcher};
use crate::errors::os_error;
use crate::handle::{Handle, Queued};
use crate::raw::context;

/// The descriptor of an int or of an object with `fileno()`, with the errors of `selectors`.
pub(crate) fn descriptor(source: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let fd = if source.is_instance_of::<PyInt>() {
        source.extract::<RawFd>()?
    } else {
        source
            .call_method0("fileno")
            .and_then(|fd| fd.extract::<RawFd>())
            .map_err(|_not_a_file| {
                let repr = source
                    .repr()
                    .map(|repr| repr.to_string())
                    .unwrap_or_default();
                PyValueError::new_err(format!("Invalid file object: {repr}"))
            })?
    };
    if fd < 0 {
        return Err(PyValueError::new_err(format!(
            "Invalid file descriptor: {fd}"
        )));
    }
    Ok(fd)
}

impl EventLoop {
    fn watch_for_user<'py>(
        slf: &Bound<'py, Self>,
        direction: Direction,
        source: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Py<Handle>> {
        let py = slf.py();
        slf.get().check_closed()?;
        let fd = descriptor(source)?;
        // One context for all calls: what one of them sets, the next one sees.
        let context = context::copy_current(py)?.into_bound(py);
        let handle = Handle::new(slf, callback, args.into(), Some(context))?.unbind();
        let watcher = Watcher::Handle(Queued::new(handle.clone_ref(py)));
        let watched = slf.get().watch(py, fd, direction, watcher, Trust::Nothing);
        if let Some(Watcher::Handle(previous)) = watched.map_err(|errno| os_error(py, errno))? {
            Handle::cancel(previous.handle().bind(py))?;
        }
        Ok(handle)
    }

    fn unwatch(
        &self,
        py: Python<'_>,
        direction: Direction,
        source: &Bound<'_, PyAny>,
    ) -> PyResult<bool> {
        if self.check_closed().is_err() {
            return Ok(false);
        }
        let fd = descriptor(source)?;
        match self.with(py, |state| state.sources.unwatch(fd, direction)) {
            Some(Watcher::Handle(handle)) => {
                Handle::cancel(handle.handle().bind(py))?;
                Ok(true)
            }
            watcher => Ok(watcher.is_some()),
        }
    }
}

#[pymethods]
impl EventLoop {
    #[pyo3(name = "_add_reader", signature = (fd, callback, *args))]
    fn add_reader<'py>(
        slf: &Bound<'py, Self>,
        fd: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Py<Handle>> {
        Self::watch_for_user(slf, Direction::Read, fd, callback, args)
    }

    #[pyo3(name = "_add_writer", signature = (fd, callback, *args))]
    fn add_writer<'py>(
        slf: &Bound<'py, Self>,
        fd: &Bound<'py, PyAny>,
        callback: &Bound<'py, PyAny>,
        args: &Bound<'py, PyTuple>,
    ) -> PyResult<Py<Handle>> {
        Self::watch_for_user(slf, Direction::Write, fd, callback, args)
    }

    #[pyo3(name = "_remove_reader")]
    fn remove_reader(&self, py: Python<'_>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.unwatch(py, Direction::Read, fd)
    }

    #[pyo3(name = "_remove_writer")]
    fn remove_writer(&self, py: Python<'_>, fd: &Bound<'_, PyAny>) -> PyResult<bool> {
        self.unwatch(py, Direction::Write, fd)
    }
}
