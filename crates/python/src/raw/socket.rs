//! The descriptor of a socket object, read from where CPython keeps it.
//!
//! Worth the raw read: a transport asks for it before each call of the kernel, because the object may have been closed
//! behind it, and `fileno` takes some 120 instructions to say a number.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// Whether `object` is a plain socket, of which the descriptor, now `fd`, can be read.
pub(crate) fn is_plain(object: &Bound<'_, PyAny>, fd: RawFd) -> bool {
    static SOCKET: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static IS_KNOWN: PyOnceLock<bool> = PyOnceLock::new();
    let py = object.py();
    let Ok(class) = SOCKET.import(py, "socket", "socket") else {
        return false;
    };
    object.get_type().is(class)
        && *IS_KNOWN.get_or_init(py, || find_out(class).unwrap_or(false))
        && descriptor(object) == fd
}

/// Looks at a socket that was never opened, whether its descriptor is behind the head that all objects have.
fn find_out(class: &Bound<'_, PyType>) -> PyResult<bool> {
    // SAFETY: the class is alive, and nobody changes the field.
    let size = unsafe { (*class.as_type_ptr()).tp_basicsize };
    let room = size_of::<ffi::PyObject>() + size_of::<RawFd>();
    if !usize::try_from(size).is_ok_and(|size| size >= room) {
        return Ok(false);
    }
    let socket = class.call_method1("__new__", (class,))?;
    let fd: RawFd = socket.call_method0("fileno")?.extract()?;
    Ok(fd == -1 && descriptor(&socket) == -1)
}

/// The descriptor of a plain socket; -1 once it is closed.
#[inline]
pub(crate) fn descriptor(socket: &Bound<'_, PyAny>) -> RawFd {
    // SAFETY: objects of this class are larger than that, as was found before any was read.
    let place = unsafe { socket.as_ptr().byte_add(size_of::<ffi::PyObject>()) };
    // SAFETY: aligned as the head before it, alive as the object is, and not moved; CPython writes it while
    // others may read.
    let place = unsafe { AtomicI32::from_ptr(place.cast()) };
    place.load(Ordering::Relaxed)
}
