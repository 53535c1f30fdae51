//! Entering Rust from a slot, of which PyO3 does not know.
//!
//! In a thread that runs a loop, PyO3 has been entered in its own way below all slots, and knows. Such a thread is
//! told by its thread state, which takes a twentieth of the time that asking PyO3 does: each `await`
//! enters several slots, and the variables of threads that PyO3 asks are dear in a shared library.

use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use crate::event_loop::EventLoop;

/// The state of a thread that runs a loop.
///
/// Only the thread itself puts its state here, and takes it back before its run ends: whoever finds its own
/// state here is in a run. Where several threads run loops, the others ask PyO3.
static RUNNING: AtomicPtr<ffi::PyThreadState> = AtomicPtr::new(ptr::null_mut());
/// A loop that is being run, in whichever thread. It is taken back before the run ends, which keeps it alive: an object
/// at this address is that loop.
static LOOP: AtomicPtr<ffi::PyObject> = AtomicPtr::new(ptr::null_mut());

#[inline]
fn this_thread(_py: Python<'_>) -> *mut ffi::PyThreadState {
    // SAFETY: `_py` proves that this thread is attached, and so has a thread state.
    unsafe { ffi::PyThreadState_Get() }
}

/// What no other thread that is attached has for its own: even, and not 0.
#[inline]
pub(crate) fn thread_number(py: Python<'_>) -> usize {
    this_thread(py).addr()
}

/// A run of a loop in this thread, which was entered in PyO3's way and lasts as long as this.
pub(crate) struct Run<'a, 'py> {
    state: *mut ffi::PyThreadState,
    event_loop: &'a Bound<'py, EventLoop>,
}

impl<'a, 'py> Run<'a, 'py> {
    /// Begins a run. To be kept by a function that PyO3 has called, until it returns.
    pub(crate) fn begin(event_loop: &'a Bound<'py, EventLoop>) -> Self {
        let run = Self {
            state: this_thread(event_loop.py()),
            event_loop,
        };
        run.resume();
        run
    }

    /// Says once more that the run is under way: other threads, or a run within this one, may have said so since.
    #[inline]
    pub(crate) fn resume(&self) {
        RUNNING.store(self.state, Ordering::Relaxed);
        LOOP.store(self.event_loop.as_ptr(), Ordering::Relaxed);
    }
}

/// Empties a place, unless it is another run's by now, which empties it itself.
fn take_back<T>(place: &AtomicPtr<T>, own: *mut T) {
    let _other = place.compare_exchange(own, ptr::null_mut(), Ordering::Relaxed, Ordering::Relaxed);
}

impl Drop for Run<'_, '_> {
    fn drop(&mut self) {
        take_back(&RUNNING, self.state);
        take_back(&LOOP, self.event_loop.as_ptr());
    }
}

/// A loop of ours, or whatever else the object is. `aioxide.EventLoop` is a class derived from the native one in several
/// steps, so that asking it takes as long as a whole native call.
#[inline]
pub(crate) fn as_loop(object: Bound<'_, PyAny>) -> Result<Bound<'_, EventLoop>, Bound<'_, PyAny>> {
    if ptr::eq(object.as_ptr(), LOOP.load(Ordering::Relaxed)) {
        // SAFETY: the object at this address is a loop that is being run.
        return Ok(unsafe { object.cast_into_unchecked() });
    }
    object
        .cast_into::<EventLoop>()
        .map_err(pyo3::CastIntoError::into_inner)
}

/// Runs `call` with PyO3 knowing, as the caller does, that this thread is attached.
///
/// Without that, PyO3 does not dare to drop a reference, and keeps it until it is entered in its own way: what
/// a coroutine held would live on after its end, on every loop but ours.
///
/// # Safety
/// The interpreter has called, so that this thread is attached.
#[inline]
pub(super) unsafe fn attached<R>(call: impl FnOnce(Python<'_>) -> R) -> R {
    // SAFETY: the caller says so.
    let py = unsafe { Python::assume_attached() };
    if ptr::eq(this_thread(py), RUNNING.load(Ordering::Relaxed)) {
        return call(py);
    }
    asking(py, call)
}

/// As `attached`, where PyO3 has to be asked.
#[inline(never)]
fn asking<R>(py: Python<'_>, call: impl FnOnce(Python<'_>) -> R) -> R {
    let mut call = Some(call);
    let result = Python::try_attach(|py| call.take().map(|call| call(py))).flatten();
    if let Some(result) = result {
        return result;
    }
    // The interpreter is ending, and nothing more is attached in PyO3's way.
    match call.take() {
        Some(call) => call(py),
        None => unreachable!("a call that was made has given its result"),
    }
}
