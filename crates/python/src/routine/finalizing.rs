//! The end of a coroutine's life: it is closed if it waits, and reported if nobody has awaited it.

use std::ffi::CString;
use std::sync::OnceLock;

use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::ffi::destructor;
use pyo3::prelude::*;

use super::coroutine::{Coroutine, Phase};
use crate::raw::coroutine_slots;
use crate::raw::lifecycle::{self, Lifecycle, Pool};

impl Lifecycle for Coroutine {
    fn original_dealloc() -> &'static OnceLock<destructor> {
        static ORIGINAL: OnceLock<destructor> = OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool {
        slf.get().phase(slf.py()) != Phase::Ended
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let coroutine = slf.get();
        if coroutine.phase(py) == Phase::New {
            // Before it goes: a filter may turn the warning into an exception.
            warn_unawaited(py, coroutine.function(py).qualname)?;
        }
        coroutine.close_now(py)
    }

    fn retire(_slf: &Bound<'_, Self>) {}

    fn pool() -> Option<&'static Pool<Self>> {
        static POOL: Pool<Coroutine> = Pool::new();
        Some(&POOL)
    }

    #[inline]
    fn is_spent(slf: &Bound<'_, Self>) -> bool {
        slf.get().has_paused(slf.py())
    }

    #[inline]
    fn ends_flat(slf: &Bound<'_, Self>) -> bool {
        slf.get().has_ended(slf.py())
    }

    fn empty(slf: &Bound<'_, Self>) {
        slf.get().clear(slf.py());
    }
}

fn warn_unawaited(py: Python<'_>, qualname: &str) -> PyResult<()> {
    let text = CString::new(format!("coroutine '{qualname}' was never awaited"))
        .map_err(|error| PyValueError::new_err(error.to_string()))?;
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}

/// Gives the class what PyO3 has no word for. To be called once.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<Coroutine>(py)?;
    coroutine_slots::install(py)
}
