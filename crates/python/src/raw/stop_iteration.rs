//! The `StopIteration` by which `await` gets the result of a slot.
//!
//! From Python 3.12 on the interpreter makes an exception for each such result, with a tuple of arguments, only to
//! take the result out of it and to throw it away: a twentieth of the time of `await queue.get()`. This one is of a
//! derived class, whose deallocation keeps it, empty, for the next result. Who gets to see it, which takes a call of
//! the slot by other means than `await`, finds the result in `value`, and no arguments.

use std::ffi::c_int;
use std::mem::size_of;
use std::ptr;

use pyo3::exceptions::{PyStopIteration, PySystemError};
use pyo3::ffi::{self, PyStopIterationObject};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::guarded::Guarded;

/// The exception, while nobody has it. It holds nothing, and the collector does not know it.
static SPARE: Guarded<Option<Py<PyAny>>> = Guarded::new(None);

/// Raises a `StopIteration` with a result. False if that is better left to the interpreter.
#[inline]
pub(super) fn raise(py: Python<'_>, result: &Bound<'_, PyAny>) -> bool {
    if cfg!(Py_GIL_DISABLED) {
        return false;
    }
    let Some(exception) = SPARE.replace(py, None).or_else(|| make(py).ok()) else {
        return false;
    };
    let exception = exception.into_ptr();
    // SAFETY: the object is of our class, and so has this place, which is empty.
    unsafe { (*exception.cast::<PyStopIterationObject>()).value = result.clone().into_ptr() };
    // SAFETY: the object is one of a class that the collector looks after, and whole; it was not known until now.
    unsafe { ffi::PyObject_GC_Track(exception.cast()) };
    // SAFETY: the call takes over the reference.
    unsafe { ffi::PyErr_SetRaisedException(exception) };
    true
}

/// An exception that holds nothing, and that the collector does not know.
#[cold]
fn make(py: Python<'_>) -> PyResult<Py<PyAny>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || make_class(py))?;
    let exception = class.bind(py).call0()?;
    let object = exception.as_ptr().cast::<PyStopIterationObject>();
    // SAFETY: the object is of a class that has this place, and whole.
    drop(unsafe { take_result(py, object) });
    // SAFETY: the collector knows the object.
    unsafe { ffi::PyObject_GC_UnTrack(exception.as_ptr().cast()) };
    Ok(exception.unbind())
}

fn make_class(py: Python<'_>) -> PyResult<Py<PyType>> {
    let mut slots = [
        ffi::PyType_Slot {
            slot: ffi::Py_tp_dealloc,
            pfunc: dealloc as *mut _,
        },
        ffi::PyType_Slot {
            slot: 0,
            pfunc: ptr::null_mut(),
        },
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"builtins.StopIteration".as_ptr(),
        basicsize: c_int::try_from(size_of::<PyStopIterationObject>())?,
        itemsize: 0,
        flags: u32::try_from(ffi::Py_TPFLAGS_DEFAULT)?,
        slots: slots.as_mut_ptr(),
    };
    let base = py.get_type::<PyStopIteration>();
    // SAFETY: the specification is whole and ends with an empty slot; its name is never freed.
    let class = unsafe { ffi::PyType_FromSpecWithBases(&raw mut spec, base.as_ptr()) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, class) }?;
    let class = class.cast_into::<PyType>()?;
    // SAFETY: the class is alive.
    let size = unsafe { (*class.as_type_ptr()).tp_basicsize };
    // SAFETY: as above, and so is its base, which outlives it.
    let base_size = unsafe { (*base.as_type_ptr()).tp_basicsize };
    if size != base_size {
        return Err(PySystemError::new_err("an exception has unknown fields"));
    }
    Ok(class.unbind())
}

/// Takes the result out of an exception.
///
/// # Safety
/// The object is a whole `StopIteration`.
unsafe fn take_result(
    py: Python<'_>,
    exception: *mut PyStopIterationObject,
) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the caller says so.
    let result = unsafe { (*exception).value };
    // SAFETY: as above.
    unsafe { (*exception).value = ptr::null_mut() };
    // SAFETY: the place owned what was there.
    unsafe { Bound::from_owned_ptr_or_opt(py, result) }
}

/// Whether there is nothing in the exception but its result and its arguments.
///
/// # Safety
/// The object is a whole `StopIteration`.
unsafe fn is_plain(exception: *mut PyStopIterationObject) -> bool {
    // SAFETY: the caller says so.
    let has_arguments = unsafe { !(*exception).args.is_null() };
    // SAFETY: as above.
    let attributes = unsafe { (*exception).dict };
    // SAFETY: as above.
    let notes = unsafe { (*exception).notes };
    // SAFETY: as above.
    let traceback = unsafe { (*exception).traceback };
    // SAFETY: as above.
    let context = unsafe { (*exception).context };
    // SAFETY: as above.
    let cause = unsafe { (*exception).cause };
    has_arguments
        && [attributes, notes, traceback, context, cause]
            .iter()
            .all(|field| field.is_null())
}

unsafe extern "C" fn dealloc(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter deallocates with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the object is one that the collector knows, or knew.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    let exception = object.cast::<PyStopIterationObject>();
    // SAFETY: the object's memory is valid until its deallocation has ended, and it is whole.
    if unsafe { is_plain(exception) } && SPARE.with(py, |spare| spare.is_none()) {
        // SAFETY: as above.
        let result = unsafe { take_result(py, exception) };
        // SAFETY: nobody else can reach the object, which gets an owner here.
        unsafe { ffi::Py_INCREF(object) };
        // SAFETY: this is that owner.
        let owned = unsafe { Bound::from_owned_ptr(py, object) };
        // What was there before is None, so that nothing is dropped.
        drop(SPARE.replace(py, Some(owned.unbind())));
        // Last, since it may run foreign code.
        drop(result);
        return;
    }
    let base = py.get_type::<PyStopIteration>().as_type_ptr();
    // SAFETY: the class is alive.
    if let Some(original) = unsafe { (*base).tp_dealloc } {
        // SAFETY: the object has no owner, and its class ends it as the base does.
        unsafe { original(object) };
    }
}
