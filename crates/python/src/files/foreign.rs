//! The file operations of a loop that is not ours: its own methods have it flush, and look at what is complete.

use std::cell::Cell;
use std::sync::Arc;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::service::Service;
use crate::raw::guarded::Guarded;

/// The file operations of a loop that is not ours.
#[pyclass(module = "aioxide._core", frozen, weakref)]
pub(crate) struct ForeignFiles {
    /// The loop holds this object, by its callbacks.
    event_loop: Py<PyWeakrefReference>,
    service: Arc<Service>,
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
        let waking = reference.clone().unbind();
        // Without an interpreter, or without the loop, there is nobody left to wake.
        let wake = Arc::new(move || {
            if IS_AT_WORK.get() {
                // It will look again before it is done.
                return;
            }
            Python::try_attach(|py| wake(waking.bind(py)));
        });
        let foreign = Some(reference.clone().unbind());
        let service = Service::new(py, super::choice()?, wake, foreign)?;
        let files = Self {
            event_loop: reference.unbind(),
            service,
            is_flush_arranged: Guarded::new(false),
        };
        let files = Bound::new(py, files)?;
        if let Some(source) = files.get().service.source(py) {
            let collect = files.getattr(intern!(py, "_collect"))?;
            event_loop.call_method1(intern!(py, "add_reader"), (source, collect))?;
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

thread_local! {
    /// Whether this thread is at the operations of a loop, which may then wake it itself.
    static IS_AT_WORK: Cell<bool> = const { Cell::new(false) };
}

/// While there is one, this thread is at work, however that ends.
struct AtWork;

impl AtWork {
    fn begin() -> Self {
        IS_AT_WORK.set(true);
        Self
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        IS_AT_WORK.set(false);
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

/// Has a loop look at what is complete, from any thread.
fn wake(event_loop: &Bound<'_, PyWeakrefReference>) {
    let py = event_loop.py();
    let Some(event_loop) = event_loop.upgrade() else {
        return;
    };
    let woken = ForeignFiles::known(&event_loop).and_then(|files| {
        let Some(files) = files else { return Ok(()) };
        let collect = files.getattr(intern!(py, "_collect"))?;
        let call = intern!(py, "call_soon_threadsafe");
        event_loop.call_method1(call, (collect,)).map(drop)
    });
    // A loop that has been closed takes no calls, and has nobody who waits.
    if let Err(error) = woken
        && !error.is_instance_of::<PyRuntimeError>(py)
    {
        error.write_unraisable(py, Some(&event_loop));
    }
}

#[pymethods]
impl ForeignFiles {
    /// Begins what has been submitted, and tells those who wait for what is complete.
    fn _flush(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        slf.get().is_flush_arranged.replace(py, false);
        let at_work = AtWork::begin();
        slf.get().service.flush(py);
        drop(at_work);
        Self::_collect(slf)
    }

    /// Tells those who wait for what is complete.
    fn _collect(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let at_work = AtWork::begin();
        let (_count, result) = slf.get().service.collect(py);
        drop(at_work);
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
