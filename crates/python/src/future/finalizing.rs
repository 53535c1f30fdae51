//! The end of a future's life, and how it is told of: reports to the exception handler, and reprs.

use std::sync::OnceLock;

use pyo3::ffi::destructor;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

use super::{Future, Outcome};
use crate::raw::lifecycle::{self, Lifecycle, Pool};
use crate::raw::{iteration, recursion};

impl Lifecycle for Future {
    fn original_dealloc() -> &'static OnceLock<destructor> {
        static ORIGINAL: OnceLock<destructor> = OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool {
        slf.get().with(slf.py(), |core| core.log_traceback)
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        report_unretrieved(slf)
    }

    fn retire(_slf: &Bound<'_, Self>) {}

    fn pool() -> Option<&'static Pool<Self>> {
        static POOL: Pool<Future> = Pool::new();
        Some(&POOL)
    }

    #[inline]
    fn ends_flat(slf: &Bound<'_, Self>) -> bool {
        let py = slf.py();
        let essence = slf
            .get()
            .with(py, |core| core.is_flat().then(|| core.take_flat()));
        let is_flat = essence.is_some();
        if let Some(essence) = essence {
            essence.release(py);
        }
        is_flat
    }

    fn empty(slf: &Bound<'_, Self>) {
        slf.get().with(slf.py(), std::mem::take).release(slf.py());
    }
}

/// Gives the class what PyO3 has no word for. To be called once, before anybody can subclass it.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<Future>(py)?;
    iteration::install(&py.get_type::<Future>())
}

/// Reports an exception that nobody has asked for to the loop's exception handler.
pub(crate) fn report_unretrieved(slf: &Bound<'_, Future>) -> PyResult<()> {
    let py = slf.py();
    let (exception, owner) = slf.get().with(py, |core| {
        let exception = match &core.outcome {
            Outcome::Exception(failure) if core.log_traceback => {
                Some(failure.exception.clone_ref(py))
            }
            _ => None,
        };
        core.log_traceback = false;
        (
            exception,
            core.owner.as_ref().map(|owner| owner.clone_ref(py)),
        )
    });
    let (Some(exception), Some(owner)) = (exception, owner) else {
        return Ok(());
    };
    let name = slf.get_type().name()?;
    let report = PyDict::new(py);
    report.set_item("message", format!("{name} exception was never retrieved"))?;
    report.set_item("exception", exception)?;
    report.set_item("future", slf)?;
    add_source_traceback(slf, &report)?;
    owner
        .as_any()
        .bind(py)
        .call_method1(intern!(py, "call_exception_handler"), (report,))?;
    Ok(())
}

/// Says in a report where the future was made, if that is known.
pub(crate) fn add_source_traceback(
    slf: &Bound<'_, Future>,
    report: &Bound<'_, PyDict>,
) -> PyResult<()> {
    let py = slf.py();
    let traceback = slf.get().with(py, |core| {
        let traceback = core.extras.as_ref()?.source_traceback.as_ref()?;
        Some(traceback.clone_ref(py))
    });
    traceback.map_or(Ok(()), |traceback| {
        report.set_item("source_traceback", traceback)
    })
}

/// `<Class …>` with what asyncio's own function `info` of `module` has to say.
pub(crate) fn repr(
    slf: &Bound<'_, Future>,
    module: &str,
    info: &Bound<'_, PyString>,
) -> PyResult<String> {
    let py = slf.py();
    slf.get().check_initialised(py)?;
    recursion::guarded_repr(slf.as_any(), || {
        let parts = py.import(module)?.getattr(info)?.call1((slf,))?;
        let text = PyString::new(py, " ").call_method1("join", (parts,))?;
        Ok(format!("<{} {text}>", slf.get_type().name()?))
    })
}
