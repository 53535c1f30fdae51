//! Copying, entering and leaving `contextvars` contexts without the detour over Python methods.
//!
//! Worth the raw calls: `Context.run` called as a Python method costs about three times as much
//! as enter and exit around a direct call, once per callback.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyContext;

/// A copy of the current context, as `contextvars.copy_context()`.
#[inline]
pub(crate) fn copy_current(py: Python<'_>) -> PyResult<Py<PyContext>> {
    // SAFETY: `py` proves that this thread is attached.
    let context = unsafe { ffi::PyContext_CopyCurrent() };
    // SAFETY: the call above returned a new reference, or null with an error set.
    let context = unsafe { Bound::from_owned_ptr_or_err(py, context) }?;
    Ok(context.cast_into::<PyContext>()?.unbind())
}

/// Runs `call` inside `context`. Fails as `Context.run` does if the context is entered already.
#[inline]
pub(crate) fn run_in<'py, R>(
    py: Python<'py>,
    context: &Py<PyContext>,
    call: impl FnOnce() -> PyResult<R>,
) -> PyResult<R> {
    // SAFETY: `context` is a context object and owns a reference for the whole call.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    let result = call();
    // SAFETY: this thread entered `context` above, and `call` has left whatever it entered inside.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        let failure = PyErr::fetch(py);
        // What the callback itself raised says more than the context's complaint.
        return result.and(Err(failure));
    }
    result
}
