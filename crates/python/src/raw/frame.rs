//! Frames and code objects that stand for native code where stacks are printed.

use std::ffi::CString;
use std::ptr;

use pyo3::exceptions::PyValueError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// A code object without code.
pub(crate) fn code<'py>(
    py: Python<'py>,
    file_name: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let text =
        |text: &str| CString::new(text).map_err(|error| PyValueError::new_err(error.to_string()));
    let (file_name, name) = (text(file_name)?, text(name)?);
    // SAFETY: both texts are alive during the call.
    let code = unsafe { ffi::PyCode_NewEmpty(file_name.as_ptr(), name.as_ptr(), 1) };
    // SAFETY: the call has returned a new object, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, code.cast()) }
}

/// A frame that is not executed.
pub(crate) fn named<'py>(
    py: Python<'py>,
    file_name: &str,
    name: &str,
) -> PyResult<Bound<'py, PyAny>> {
    let code = code(py, file_name, name)?;
    let globals = PyDict::new(py);
    // SAFETY: `py` proves that this thread is attached.
    let thread = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: the objects are alive and of these kinds; the frame holds its own references.
    let frame = unsafe {
        ffi::PyFrame_New(
            thread,
            code.as_ptr().cast(),
            globals.as_ptr(),
            ptr::null_mut(),
        )
    };
    // SAFETY: the call has returned a new object, or null with an error set.
    unsafe { Bound::from_owned_ptr_or_err(py, frame.cast()) }
}
