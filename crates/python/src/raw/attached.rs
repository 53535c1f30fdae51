//! Entering Rust from a slot, of which PyO3 does not know.

use pyo3::prelude::*;

/// Runs `call` with PyO3 knowing, as the caller does, that this thread is attached.
///
/// Without that, PyO3 does not dare to drop a reference, and keeps it until it is entered in its own way: what
/// a coroutine held would live on after its end, on every loop but ours.
///
/// # Safety
/// The interpreter has called, so that this thread is attached.
#[inline]
pub(super) unsafe fn attached<R>(call: impl FnOnce(Python<'_>) -> R) -> R {
    let mut call = Some(call);
    let result = Python::try_attach(|py| call.take().map(|call| call(py))).flatten();
    if let Some(result) = result {
        return result;
    }
    // The interpreter is ending, and nothing more is attached in PyO3's way.
    // SAFETY: the caller says so.
    let py = unsafe { Python::assume_attached() };
    match call.take() {
        Some(call) => call(py),
        None => unreachable!("a call that was made has given its result"),
    }
}
