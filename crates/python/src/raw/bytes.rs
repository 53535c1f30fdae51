//! Bytes objects that are filled by the kernel before anybody has seen them, and views of buffers.

use std::mem::MaybeUninit;

use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyMemoryError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

unsafe extern "C" {
    /// Part of CPython's documented C-API, which pyo3-ffi does not declare.
    fn _PyBytes_Resize(bytes: *mut *mut ffi::PyObject, newsize: ffi::Py_ssize_t)
    -> std::ffi::c_int;
}

/// Makes a bytes object of at most `length_max` bytes, filled by `fill`, which returns how many it wrote.
///
/// Worth the raw calls: `PyBytes::new_with` zeroes the memory first and cannot shrink, which for a
/// 100 KiB read means one more pass over it, and one more copy.
pub(crate) fn bytes_filled(
    py: Python<'_>,
    length_max: usize,
    fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> usize,
) -> PyResult<Bound<'_, PyBytes>> {
    let length =
        ffi::Py_ssize_t::try_from(length_max).map_err(|_too_large| PyMemoryError::new_err(()))?;
    // SAFETY: a null source makes an uninitialised object of that length, or sets an error.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), length) };
    if object.is_null() {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: `object` is a bytes object; the pointer is valid for its length.
    let start = unsafe { ffi::PyBytes_AsString(object) };
    // SAFETY: that memory belongs to `object`, which nobody else has seen, for `length_max` bytes.
    let memory =
        unsafe { std::slice::from_raw_parts_mut(start.cast::<MaybeUninit<u8>>(), length_max) };
    let written = fill(memory).min(length_max);
    // SAFETY: `object` is an object and the reference is ours.
    let bytes = unsafe { Bound::from_owned_ptr(py, object) };
    // SAFETY: made by PyBytes_FromStringAndSize above.
    shrunk(unsafe { bytes.cast_into_unchecked::<PyBytes>() }, written)
}

/// Cuts a bytes object that nobody else has seen to its first `length` bytes, which must have been written.
pub(super) fn shrunk(bytes: Bound<'_, PyBytes>, length: usize) -> PyResult<Bound<'_, PyBytes>> {
    let py = bytes.py();
    let mut object = bytes.into_ptr();
    // SAFETY: it is a bytes object.
    let size = unsafe { ffi::PyBytes_Size(object) };
    let wanted = ffi::Py_ssize_t::try_from(length).map_or(size, |length| length.min(size));
    if wanted < size {
        // SAFETY: `object` has one reference, ours; on failure it is freed and becomes null.
        let resized = unsafe { _PyBytes_Resize(&raw mut object, wanted) };
        if resized != 0 {
            return Err(PyErr::fetch(py));
        }
    }
    // SAFETY: `object` is an object and the reference is ours.
    let bytes = unsafe { Bound::from_owned_ptr(py, object) };
    // SAFETY: it has been a bytes object all along.
    Ok(unsafe { bytes.cast_into_unchecked::<PyBytes>() })
}

/// Lends the contiguous memory of `buffer` for reading.
pub(crate) fn readable<'a>(_py: Python<'a>, buffer: &'a PyUntypedBuffer) -> Option<&'a [u8]> {
    if !buffer.is_c_contiguous() {
        return None;
    }
    let (start, length) = (buffer.buf_ptr().cast::<u8>(), buffer.len_bytes());
    if length == 0 {
        return Some(&[]);
    }
    // SAFETY: the exporter keeps the memory in place while the buffer is held. Another thread may
    // write to it meanwhile, which Python's own socket calls allow as well; the bytes are only
    // handed to the kernel or copied.
    Some(unsafe { std::slice::from_raw_parts(start, length) })
}

/// A view of somebody's memory, in the place that it was made in, until it is dropped.
struct View<'a>(&'a mut ffi::Py_buffer);

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: the view is whole, and was not released before; an attached thread has made it, and drops it.
        unsafe { ffi::PyBuffer_Release(self.0) };
    }
}

/// Has `fill` write to the memory of an object. None if that is read-only or not contiguous; fails if there is no such
/// memory at all.
///
/// Worth the raw calls: PyO3 asks for shape and strides, and the allocator for a place to put them, for each read.
pub(crate) fn fill_object<R>(
    object: &Bound<'_, PyAny>,
    fill: impl FnOnce(&mut [MaybeUninit<u8>]) -> R,
) -> PyResult<Option<R>> {
    let py = object.py();
    let mut place = MaybeUninit::<ffi::Py_buffer>::uninit();
    let (owner, view) = (object.as_ptr(), place.as_mut_ptr());
    // SAFETY: the object is alive, and the place is one for a view.
    if unsafe { ffi::PyObject_GetBuffer(owner, view, ffi::PyBUF_WRITABLE) } != 0 {
        let error = PyErr::fetch(py);
        return if error.is_instance_of::<PyBufferError>(py) {
            Ok(None)
        } else {
            Err(error)
        };
    }
    // SAFETY: the call has succeeded, and so filled the place.
    let view = View(unsafe { place.assume_init_mut() });
    let length = usize::try_from(view.0.len).unwrap_or(0);
    if length == 0 {
        return Ok(Some(fill(&mut [])));
    }
    // SAFETY: the exporter keeps the memory in place while the view is held, has said that it is contiguous and
    // writable, and the kernel writes to it as it does for `socket.recv_into`.
    let memory = unsafe { std::slice::from_raw_parts_mut(view.0.buf.cast(), length) };
    Ok(Some(fill(memory)))
}

/// Lends the contiguous memory of `buffer` for writing, or nothing if it is read-only.
pub(crate) fn writable<'a>(
    _py: Python<'a>,
    buffer: &'a PyUntypedBuffer,
) -> Option<&'a mut [MaybeUninit<u8>]> {
    if buffer.readonly() || !buffer.is_c_contiguous() {
        return None;
    }
    let (start, length) = (
        buffer.buf_ptr().cast::<MaybeUninit<u8>>(),
        buffer.len_bytes(),
    );
    if length == 0 {
        return Some(&mut []);
    }
    // SAFETY: the exporter keeps the memory in place while the buffer is held, and it is writable;
    // the kernel writes to it as it does for `socket.recv_into`.
    Some(unsafe { std::slice::from_raw_parts_mut(start, length) })
}
