//! The end of a timeout's life, and its next one.

use std::sync::OnceLock;

use pyo3::ffi::destructor;
use pyo3::prelude::*;

use super::Timeout;
use crate::raw::lifecycle::{self, Lifecycle, Pool};

impl Lifecycle for Timeout {
    fn original_dealloc() -> &'static OnceLock<destructor> {
        static ORIGINAL: OnceLock<destructor> = OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(_slf: &Bound<'_, Self>) -> bool {
        false
    }

    fn finalize(_slf: &Bound<'_, Self>) -> PyResult<()> {
        Ok(())
    }

    fn retire(_slf: &Bound<'_, Self>) {}

    fn pool() -> Option<&'static Pool<Self>> {
        static POOL: Pool<Timeout> = Pool::new();
        Some(&POOL)
    }

    fn empty(slf: &Bound<'_, Self>) {
        slf.get().release(slf.py());
    }
}

/// Gives the class what PyO3 has no word for. To be called once, before anybody can subclass it.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<Timeout>(py)
}
