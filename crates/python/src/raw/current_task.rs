//! The words of the thread state in which Python 3.14 and newer keep the current task and, just before it, the loop
//! that runs.
//!
//! `asyncio.current_task()` reads it; asyncio's own function that writes it checks what a loop that
//! steps its own tasks knows already, and costs more than all the rest of a step's preparations. Where the
//! word stands is found out by experiment, with that function, when the first task is stepped; where the
//! experiment fails, the function is called each time.

use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

/// How many words of a thread state are searched. From Python 3.14 on it has a buffer of 512 bytes
/// among its first fields, and the current task soon behind that.
const WORDS: usize = 136;

/// Where the word stands, in words, once that has been found out.
static PLACE: PyOnceLock<Option<usize>> = PyOnceLock::new();

/// The same for the word of the loop.
static LOOP_PLACE: PyOnceLock<usize> = PyOnceLock::new();

/// The word at `place` of the thread state.
fn word(_py: Python<'_>, place: usize) -> *mut *mut ffi::PyObject {
    // SAFETY: `py` proves that this thread is attached, and so has a thread state.
    let state = unsafe { ffi::PyThreadState_Get() };
    state.cast::<*mut ffi::PyObject>().wrapping_add(place)
}

fn places_of(py: Python<'_>, object: *mut ffi::PyObject) -> Vec<usize> {
    let holds = |place: &usize| {
        // SAFETY: the thread state has that many words.
        let value = unsafe { word(py, *place).read() };
        ptr::eq(value, object)
    };
    (0..WORDS).filter(holds).collect()
}

/// Finds the word, if that has not been tried yet. `swap` makes its argument, or nothing, the current task by
/// asyncio's own function; nothing is current before, and nothing will be afterwards.
pub(crate) fn find(
    event_loop: &Bound<'_, PyAny>,
    task: &Bound<'_, PyAny>,
    swap: impl Fn(Option<&Bound<'_, PyAny>>) -> PyResult<()>,
) -> PyResult<()> {
    let py = task.py();
    if cfg!(Py_GIL_DISABLED) || PLACE.get(py).is_some() {
        return Ok(());
    }
    swap(Some(task))?;
    let inside = places_of(py, task.as_ptr());
    swap(None)?;
    let outside = places_of(py, task.as_ptr());
    let place = match (inside.as_slice(), outside.as_slice()) {
        // SAFETY: the thread state has that word, which was found above.
        ([place], []) if unsafe { word(py, *place).read() }.is_null() => Some(*place),
        _ => None,
    };
    PLACE.get_or_init(py, || place);
    let before = place.and_then(|place| place.checked_sub(1));
    if let [loop_place] = places_of(py, event_loop.as_ptr()).as_slice()
        && before == Some(*loop_place)
    {
        LOOP_PLACE.get_or_init(py, || *loop_place);
    }
    Ok(())
}

/// The object that stands in a word, if any does.
fn held(py: Python<'_>, place: usize) -> Option<Bound<'_, PyAny>> {
    // SAFETY: the experiment has found this word.
    let object = unsafe { word(py, place).read() };
    // SAFETY: the word owns a reference, or borrows one that the interpreter keeps while the word holds it.
    unsafe { Bound::from_borrowed_ptr_or_opt(py, object) }
}

/// The loop that runs in this thread, if any does. None if the word has not been found.
#[inline]
pub(crate) fn running_loop(py: Python<'_>) -> Option<Option<Bound<'_, PyAny>>> {
    LOOP_PLACE.get(py).map(|place| held(py, *place))
}

/// The current task of the loop that runs in this thread, if there is one. None if the word has not been found.
#[inline]
pub(crate) fn current(py: Python<'_>) -> Option<Option<Bound<'_, PyAny>>> {
    PLACE
        .get(py)
        .copied()
        .flatten()
        .map(|place| held(py, place))
}

/// Makes `task`, or nothing, the current one. False if the word has not been found.
#[inline]
pub(crate) fn set(py: Python<'_>, task: Option<&Bound<'_, PyAny>>) -> bool {
    let Some(Some(place)) = PLACE.get(py) else {
        return false;
    };
    let new = task.map_or(ptr::null_mut(), |task| task.clone().into_ptr());
    // SAFETY: the experiment has found that this word holds the current task, and owns it.
    let old = unsafe { word(py, *place).replace(new) };
    // SAFETY: the word has given up the reference that it owned, if there was one.
    drop(unsafe { Bound::from_owned_ptr_or_opt(py, old) });
    true
}

/// Whether no task is current. None if the word has not been found.
#[inline]
pub(crate) fn is_none(py: Python<'_>) -> Option<bool> {
    let place = PLACE.get(py).copied().flatten()?;
    // SAFETY: the experiment has found this word.
    Some(unsafe { word(py, place).read() }.is_null())
}
