//! The file operations of a loop that is not ours: its own methods have it flush, and look at what is complete.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};
use rustix::event::{EventfdFlags, eventfd};

use super::service::Service;
use crate::errors::os_error;
use crate::raw::guarded::Guarded;

/// The file operations of a loop that is not ours.
#[pyclass(module = "aioxide._core", frozen, weakref)]
pub(crate) struct ForeignFiles {
    /// The loop holds this object, by its callbacks.
    event_loop: Py<PyWeakrefReference>,
    service: Arc<Service>,
    /// Rung by threads that have something for the loop. They cannot call its `call_soon_threadsafe`: they have no frames, which
    /// debug mode wants to show, and would wait for the interpreter, which may be waiting for them.
    bell: Arc<OwnedFd>,
    /// Whether the loop has been asked to call `_flush`.
    is_flush_arranged: Guarded<bool>,
}

impl ForeignFiles {
    /// The operations of `event_loop`, made if it has none yet.
    ///
    /// # Errors
    /// `OSError` if a ring is asked for and refused, `ValueError` if something unknown is asked for.
    pub(super) fn of<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        if let Some(files) = Self::known(event_loop)? {
            return Ok(files);
        }
        let files = Self::make(event_loop)?;
        all(event_loop.py())?.set_item(event_loop, &files)?;
        Ok(files)
    }

    /// The operations of `event_loop`, if it has any in this process.
    fn known<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, Self>>> {
        let py = event_loop.py();
        let files = all(py)?.call_method1(intern!(py, "get"), (event_loop,))?;
        let files = files.cast_into::<Self>().ok();
        Ok(files.filter(|files| !files.get().service.is_inherited(py)))
    }

    fn make<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let py = event_loop.py();
        let reference = PyWeakrefReference::new(event_loop)?;
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let bell = eventfd(0, flags).map_err(|errno| os_error(py, errno))?;
        let bell = Arc::new(bell);
        let ringing = Arc::clone(&bell);
        let wake = Arc::new(move || {
            // Refused only if it rings already, 2^64 - 2 times.
            let _rung = rustix::io::write(&*ringing, &1u64.to_ne_bytes());
        });
        let foreign = Some(reference.clone().unbind());
        let service = Service::new(py, super::choice()?, wake, foreign)?;
        let files = Self {
            event_loop: reference.unbind(),
            service,
            bell,
            is_flush_arranged: Guarded::new(false),
        };
        let files = Bound::new(py, files)?;
        let collect = files.getattr(intern!(py, "_collect"))?;
        let bell = files.get().bell.as_raw_fd();
        for source in std::iter::once(bell).chain(files.get().service.source(py)) {
            event_loop.call_method1(intern!(py, "add_reader"), (source, &collect))?;
        }
        Ok(files)
    }

    /// The operations.
    pub(super) fn service(&self) -> &Arc<Service> {
        &self.service
    }

    /// Has the loop, in its next turn, begin what has been submitted.
    pub(super) fn arrange_flush(
        slf: &Bound<'_, Self>,
        event_loop: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        if slf.get().is_flush_arranged.replace(py, true) {
            return Ok(());
        }
        let flush = slf.getattr(intern!(py, "_flush"))?;
        event_loop.call_method1(intern!(py, "call_soon"), (flush,))?;
        Ok(())
    }
}

/// The operations of all loops that are not ours, by loop; they end with it.
fn all(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static ALL: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let all = ALL.get_or_try_init(py, || {
        let all = py
            .import("weakref")?
            .getattr("WeakKeyDictionary")?
            .call0()?;
        Ok::<_, PyErr>(all.unbind())
    })?;
    Ok(all.bind(py))
}

#[pymethods]
impl ForeignFiles {
    /// Begins what has been submitted, and tells those who wait for what is complete.
    fn _flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().is_flush_arranged.replace(py, false);
        slf.get().service.flush(py);
        Self::_collect(slf)
    }

    /// Tells those who wait for what is complete.
    fn _collect(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        // Silenced first: what comes after this is told again.
        let mut rings = [0; 8];
        let _silent = rustix::io::read(&*slf.get().bell, &mut rings);
        let (_count, result) = slf.get().service.collect(py);
        // What needs another call, or a wish to cancel, goes out in the next turn.
        if slf.get().service.has_work(py)
            && let Some(event_loop) = slf.get().event_loop.bind(py).upgrade()
        {
            Self::arrange_flush(slf, &event_loop)?;
        }
        result
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        self.service.traverse(visit)
    }
}
