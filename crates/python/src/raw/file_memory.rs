//! Memory of Python objects that the kernel reads or fills while nobody else may: what file operations own.
//!
//! Worth the raw calls: a read goes straight into the bytes object that the user gets, and a write comes straight
//! from the user's own memory.

use std::mem::{ManuallyDrop, MaybeUninit};

use aioxide_engine::files::Memory;
use pyo3::buffer::PyUntypedBuffer;
use pyo3::exceptions::{PyBufferError, PyMemoryError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::bytes;

/// Something of Python's that may have to be let go of on a thread that Python does not know: it is attached for
/// that, or the thing is leaked when the interpreter goes down.
#[derive(Debug)]
struct Held<T>(Option<T>);

impl<T> Held<T> {
    fn new(value: T) -> Self {
        Self(Some(value))
    }

    fn into_inner(mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Held<T> {
    fn drop(&mut self) {
        let Some(value) = self.0.take() else { return };
        let value = ManuallyDrop::new(value);
        Python::try_attach(|_py| drop(ManuallyDrop::into_inner(value)));
    }
}

/// Where the bytes of an object are.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: *mut u8,
    length: usize,
    is_writable: bool,
}

/// A bytes object that is still to be filled: nobody else has seen it.
#[derive(Debug)]
pub(crate) struct FreshBytes {
    object: Held<Py<PyBytes>>,
    span: Span,
}

/// A buffer of the user's, held.
#[derive(Debug)]
pub(crate) struct View {
    _buffer: Held<PyUntypedBuffer>,
    span: Span,
}

/// What a file operation reads from or writes to.
#[derive(Debug)]
pub(crate) enum FileMemory {
    /// Ours.
    Own(Vec<u8>),
    /// To be filled, and then the user's.
    Fresh(FreshBytes),
    /// The user's.
    View(View),
}

// SAFETY: the pointers lead into memory that the held object keeps in place, and which is only used by the
// kernel, or with the interpreter attached.
unsafe impl Send for FreshBytes {}
// SAFETY: as above.
unsafe impl Send for View {}
// SAFETY: what a shared reference allows is to read, with the interpreter attached, or to ask for the length.
unsafe impl Sync for FreshBytes {}
// SAFETY: as above.
unsafe impl Sync for View {}

// SAFETY: a vector's elements, a bytes object's, and what a buffer exports lie on the heap, and stay there until
// the vector, the object or the hold is dropped. Into a fresh object and an exclusive vector nobody else
// writes; of a user's writable buffer the same holds as for Python's own `readinto`: the user has lent it.
unsafe impl Memory for FileMemory {
    fn bytes(&self) -> (*const u8, usize) {
        match self {
            Self::Own(bytes) => (bytes.as_ptr(), bytes.len()),
            Self::Fresh(FreshBytes { span, .. }) | Self::View(View { span, .. }) => {
                (span.start.cast_const(), span.length)
            }
        }
    }

    fn writable(&mut self) -> Option<*mut u8> {
        match self {
            Self::Own(bytes) => Some(bytes.as_mut_ptr()),
            Self::Fresh(FreshBytes { span, .. }) | Self::View(View { span, .. }) => {
                span.is_writable.then_some(span.start)
            }
        }
    }
}

impl FreshBytes {
    /// An object of so many bytes, whose contents are not to be seen before they are written.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn new(py: Python<'_>, length: usize) -> PyResult<Self> {
        // One byte more: an object of no bytes, or of one, is everybody's.
        let request = ffi::Py_ssize_t::try_from(length.max(2))
            .map_err(|_too_large| PyMemoryError::new_err(()))?;
        // SAFETY: a null source makes an uninitialised object of that length, or sets an error.
        let object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), request) };
        // SAFETY: a new object, or null with an error set.
        let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
        // SAFETY: it is a bytes object.
        let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) }.cast::<u8>();
        // SAFETY: made by PyBytes_FromStringAndSize.
        let object = unsafe { object.cast_into_unchecked::<PyBytes>() };
        Ok(Self {
            object: Held::new(object.unbind()),
            span: Span {
                start,
                length,
                is_writable: true,
            },
        })
    }

    /// Lends the bytes from `begin` on, to be written before anybody sees them.
    pub(crate) fn room(&mut self, _py: Python<'_>, begin: usize) -> &mut [MaybeUninit<u8>] {
        let begin = begin.min(self.span.length);
        let start = self.span.start.wrapping_add(begin).cast();
        // SAFETY: within the object's memory, which nobody else has seen; uninitialised memory is what it may hold.
        unsafe { std::slice::from_raw_parts_mut(start, self.span.length - begin) }
    }

    /// How many bytes there is room for.
    pub(crate) fn len(&self) -> usize {
        self.span.length
    }

    /// An object of `length` bytes, into which the first `filled`, which must have been written, are copied.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn grown(&self, py: Python<'_>, length: usize, filled: usize) -> PyResult<Self> {
        let mut grown = Self::new(py, length)?;
        let filled = filled.min(self.span.length);
        // SAFETY: the caller has written these bytes, and the object is alive.
        let bytes = unsafe { std::slice::from_raw_parts(self.span.start.cast_const(), filled) };
        for (place, byte) in grown.room(py, 0).iter_mut().zip(bytes) {
            place.write(*byte);
        }
        Ok(grown)
    }

    /// The object, cut to its first `filled` bytes, which must have been written.
    ///
    /// # Errors
    /// `MemoryError`.
    pub(crate) fn finish(self, py: Python<'_>, filled: usize) -> PyResult<Bound<'_, PyBytes>> {
        let filled = filled.min(self.span.length);
        if filled == 0 {
            return Ok(PyBytes::new(py, b""));
        }
        match self.object.into_inner() {
            Some(object) => bytes::shrunk(object.into_bound(py), filled),
            None => Ok(PyBytes::new(py, b"")),
        }
    }
}

impl View {
    /// Holds the buffer of any object that has one.
    ///
    /// # Errors
    /// `TypeError` for an object without a buffer; `BufferError` for one whose memory is in pieces.
    pub(crate) fn readable(object: &Bound<'_, PyAny>) -> PyResult<Self> {
        let buffer = PyUntypedBuffer::get(object)?;
        if !buffer.is_c_contiguous() {
            return Err(PyBufferError::new_err(
                "memoryview: underlying buffer is not C-contiguous",
            ));
        }
        let span = Span {
            start: buffer.buf_ptr().cast(),
            length: buffer.len_bytes(),
            is_writable: !buffer.readonly(),
        };
        Ok(Self {
            _buffer: Held::new(buffer),
            span,
        })
    }

    /// As [`readable`](Self::readable), for memory that may be written to; None if it may not.
    pub(crate) fn writable(object: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let view = Self::readable(object)?;
        Ok(view.span.is_writable.then_some(view))
    }

    /// How many bytes there are.
    pub(crate) fn len(&self) -> usize {
        self.span.length
    }

    /// Lends the bytes for a call that copies them or hands them to the kernel.
    pub(crate) fn bytes(&self, _py: Python<'_>) -> &[u8] {
        if self.span.length == 0 {
            return &[];
        }
        // SAFETY: the exporter keeps the memory in place while the buffer is held. Another thread may write to it
        // meanwhile, as Python's own files allow; the bytes are only copied.
        unsafe { std::slice::from_raw_parts(self.span.start.cast_const(), self.span.length) }
    }

    /// Lends the bytes from `begin` on for writing; none if they are read-only.
    pub(crate) fn room(&mut self, _py: Python<'_>, begin: usize) -> &mut [MaybeUninit<u8>] {
        if !self.span.is_writable || begin >= self.span.length {
            return &mut [];
        }
        let start = self.span.start.wrapping_add(begin).cast();
        // SAFETY: within the memory that the user has lent for writing.
        unsafe { std::slice::from_raw_parts_mut(start, self.span.length - begin) }
    }
}
