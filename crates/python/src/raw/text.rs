//! Looking into text, and taking parts of it, by character.
//!
//! Worth the raw calls: PyO3 offers text as UTF-8, in which characters have no numbers, and slices through objects. A line
//! of a file is found and cut out in the time that one of these would take.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyString;

/// How many characters there are.
#[inline]
pub(crate) fn length(text: &Bound<'_, PyString>) -> usize {
    // SAFETY: the object is alive, and text.
    let length = unsafe { ffi::PyUnicode_GetLength(text.as_ptr()) };
    usize::try_from(length).unwrap_or(0)
}

/// A number of characters as the interpreter takes it.
fn number(characters: usize) -> ffi::Py_ssize_t {
    ffi::Py_ssize_t::try_from(characters).unwrap_or(ffi::Py_ssize_t::MAX)
}

/// Where a character is first, from `begin` on and before `end`.
#[inline]
pub(crate) fn find(
    text: &Bound<'_, PyString>,
    character: char,
    begin: usize,
    end: usize,
) -> Option<usize> {
    if begin >= end {
        return None;
    }
    let (code, begin, end) = (u32::from(character), number(begin), number(end));
    // SAFETY: the object is alive, and text; the interpreter keeps to its length.
    let place = unsafe { ffi::PyUnicode_FindChar(text.as_ptr(), code, begin, end, 1) };
    usize::try_from(place).ok()
}

/// The characters from `begin` on and before `end`.
///
/// # Errors
/// `MemoryError`.
#[inline]
pub(crate) fn part<'py>(
    text: &Bound<'py, PyString>,
    begin: usize,
    end: usize,
) -> PyResult<Bound<'py, PyString>> {
    let (begin, end) = (number(begin), number(end));
    // SAFETY: the object is alive, and text; the interpreter keeps to its length.
    let part = unsafe { ffi::PyUnicode_Substring(text.as_ptr(), begin, end) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let part = unsafe { Bound::from_owned_ptr_or_err(text.py(), part) }?;
    // SAFETY: it is text.
    Ok(unsafe { part.cast_into_unchecked::<PyString>() })
}
