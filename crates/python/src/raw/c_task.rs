//! Recognising the two callables by which asyncio's C `Task` has itself stepped.
//!
//! Worth the raw looks: the task throws the handle of each step away unseen, so that none needs to
//! be made, which saves a tenth of the cost of a step.

use std::ffi::CStr;

use pyo3::ffi;
use pyo3::prelude::*;

/// The class of the callable that begins a step, as its C source names it.
const STEP_CLASS: &CStr = c"_asyncio.TaskStepMethWrapper";
/// The name of the built-in method that a future calls to wake the task that waits for it.
const WAKEUP_NAME: &CStr = c"TaskWakeup";

/// Whether `callback` steps or wakes a C task, which has no use for a handle.
#[inline]
pub(crate) fn is_step(callback: &Bound<'_, PyAny>) -> bool {
    let class = callback.get_type_ptr();
    if class == &raw mut ffi::PyCFunction_Type {
        return is_wakeup(callback);
    }
    // SAFETY: every class has a name, a C string that lives as long as the class.
    let name = unsafe { (*class).tp_name };
    // SAFETY: as above.
    unsafe { CStr::from_ptr(name) == STEP_CLASS }
}

fn is_wakeup(callback: &Bound<'_, PyAny>) -> bool {
    let function = callback.as_ptr().cast::<ffi::PyCFunctionObject>();
    // SAFETY: the class was compared: this is a built-in function, which has a definition.
    let definition = unsafe { (*function).m_ml };
    // SAFETY: a definition is static, and so is its name.
    let name = unsafe { (*definition).ml_name };
    // SAFETY: as above.
    unsafe { CStr::from_ptr(name) == WAKEUP_NAME }
}
