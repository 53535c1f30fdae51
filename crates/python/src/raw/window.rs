//! Memory lent to a built-in method for one call, as an object with a buffer.
//!
//! Worth the raw calls: the alternative is a bytes object made and filled for each call, one more
//! copy of everything that passes through TLS.
//!
//! The borrower has to be a built-in method that lets go of the buffer before it returns, as those
//! of `_ssl` do. Afterwards the object has nothing to offer, so that keeping it is harmless.

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use pyo3::exceptions::{PyBufferError, PyRuntimeError};
use pyo3::ffi;
use pyo3::prelude::*;

/// The object that stands for the memory.
#[pyclass(module = "aioxide._core", frozen)]
struct Window {
    /// Null once the loan is over.
    start: AtomicPtr<u8>,
    length: usize,
    is_writable: bool,
    /// How many buffers of it are held.
    exports: AtomicUsize,
}

#[pymethods]
impl Window {
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let window = slf.get();
        let start = window.start.load(Ordering::Relaxed);
        if start.is_null() {
            return Err(PyBufferError::new_err("the memory is lent no more"));
        }
        let length = ffi::Py_ssize_t::try_from(window.length)?;
        let is_readonly = std::ffi::c_int::from(!window.is_writable);
        // SAFETY: `view` is the caller's to fill, which is what this slot is for. The memory is lent until
        // `Loan` is dropped, and the borrower is one that lets go of the buffer before.
        let filled = unsafe {
            ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast(), length, is_readonly, flags)
        };
        if filled != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        window.exports.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    unsafe fn __releasebuffer__(&self, _view: *mut ffi::Py_buffer) {
        self.exports.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Ends the loan however the call ends.
struct Loan<'a>(&'a Window);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        self.0.start.store(std::ptr::null_mut(), Ordering::Relaxed);
    }
}

fn lend<'py, R>(
    py: Python<'py>,
    window: Window,
    call: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<R>,
) -> PyResult<R> {
    let window = Bound::new(py, window)?;
    let loan = Loan(window.get());
    let result = call(window.as_any());
    drop(loan);
    if window.get().exports.load(Ordering::Relaxed) > 0 {
        return Err(PyRuntimeError::new_err(
            "memory lent for one call is still in use",
        ));
    }
    result
}

/// Lends `memory` to `call` for reading. See the module for what `call` may do with it.
pub(crate) fn lend_readable<'py, R>(
    py: Python<'py>,
    memory: &[u8],
    call: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<R>,
) -> PyResult<R> {
    let window = Window {
        start: AtomicPtr::new(memory.as_ptr().cast_mut()),
        length: memory.len(),
        is_writable: false,
        exports: AtomicUsize::new(0),
    };
    lend(py, window, call)
}

/// Lends `memory` to `call` for writing. See the module for what `call` may do with it.
pub(crate) fn lend_writable<'py, R>(
    py: Python<'py>,
    memory: &mut [MaybeUninit<u8>],
    call: impl FnOnce(&Bound<'py, PyAny>) -> PyResult<R>,
) -> PyResult<R> {
    let window = Window {
        start: AtomicPtr::new(memory.as_mut_ptr().cast()),
        length: memory.len(),
        is_writable: true,
        exports: AtomicUsize::new(0),
    };
    lend(py, window, call)
}
