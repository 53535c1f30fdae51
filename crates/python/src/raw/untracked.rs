//! Objects that refer to others, and that the collector does not know.
//!
//! PyO3 makes every class one whose objects the collector tracks: each has a header for it, counts towards the next
//! collection, and is visited by it. For objects of which many are made, and whose contents somebody else shows to the
//! collector, all that is in vain, and was a fifth of what `call_soon` and the call cost (CPython 3.14). So
//! these classes are turned into such as `int` is, and their objects are made and freed here.
//!
//! What derives from such a class in Python is tracked again, and freed as Python's own slots have it.

use pyo3::exceptions::PySystemError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::{PyClass, PyTypeInfo};

use super::attached::attached;

/// A class that derives from `object`, and whose objects can be referred to weakly.
pub(crate) trait Untracked: PyClass<Frozen = True> + Sync {
    /// Whether there is nothing to let go of. Must not call Python, nor panic.
    fn is_empty(&self) -> bool;
}

/// A class that derives from an untracked one, to which it adds what takes nothing to let go of.
pub(crate) trait Derived: PyClass<Frozen = True> + Sync {
    /// What it derives from.
    type Base: Untracked;
}

/// Where an object has its contents: right behind what every object begins with.
const CONTENTS: usize = size_of::<ffi::PyObject>();

/// The size of an object of an untracked class, which ends with the list of its weak references.
const fn size_of_object<T>() -> usize {
    const { assert!(align_of::<T>() <= align_of::<ffi::PyObject>()) };
    CONTENTS + size_of::<T>() + size_of::<*mut ffi::PyObject>()
}

/// Where an object has what its class adds to `T`.
const fn added_contents<T>() -> usize {
    size_of_object::<T>()
}

/// Has the collector forget a class. To be called once, before there is an object of it.
pub(crate) fn install<T: Untracked>(py: Python<'_>) -> PyResult<()> {
    let class = T::type_object_raw(py);
    // SAFETY: the class is alive for as long as the interpreter.
    let base = unsafe { (*class).tp_base };
    // SAFETY: as above.
    let weak_references = unsafe { (*class).tp_weaklistoffset };
    let list = size_of_object::<T>() - size_of::<*mut ffi::PyObject>();
    // With nothing but the list behind them, the contents can stand in no other place.
    if base != &raw mut ffi::PyBaseObject_Type || weak_references.cast_unsigned() != list {
        return Err(unknown_layout());
    }
    // SAFETY: `dealloc` drops the contents of a `T`, and frees what has no header for the collector.
    unsafe { forget(class, size_of_object::<T>(), dealloc::<T>) }
}

/// As `install`, for a derived class.
pub(crate) fn install_derived<D: Derived>(py: Python<'_>) -> PyResult<()> {
    const { assert!(!std::mem::needs_drop::<D>()) };
    const { assert!(align_of::<D>() <= align_of::<ffi::PyObject>()) };
    let (class, wanted) = (D::type_object_raw(py), D::Base::type_object_raw(py));
    // SAFETY: the class is alive for as long as the interpreter.
    let base = unsafe { (*class).tp_base };
    if base != wanted {
        return Err(unknown_layout());
    }
    let size = (added_contents::<D::Base>() + size_of::<D>())
        .next_multiple_of(align_of::<ffi::PyObject>());
    // SAFETY: as in `install`; what the class adds needs no dropping.
    unsafe { forget(class, size, dealloc::<D::Base>) }
}

fn unknown_layout() -> PyErr {
    PySystemError::new_err("a class has another layout than is known of it")
}

/// Turns a class into one that the collector does not know, if its objects have this size.
///
/// # Safety
/// There is no object of the class yet, and `dealloc` fits objects of it that have no header for the collector.
unsafe fn forget(
    class: *mut ffi::PyTypeObject,
    size: usize,
    dealloc: ffi::destructor,
) -> PyResult<()> {
    // SAFETY: the class is alive for as long as the interpreter.
    if unsafe { (*class).tp_basicsize }.cast_unsigned() != size {
        return Err(unknown_layout());
    }
    // SAFETY: the class is ours, and nobody uses it yet.
    unsafe { (*class).tp_traverse = None };
    // SAFETY: as above.
    unsafe { (*class).tp_clear = None };
    // SAFETY: as above.
    unsafe { (*class).tp_free = Some(ffi::PyObject_Free) };
    // SAFETY: as above.
    unsafe { (*class).tp_dealloc = Some(dealloc) };
    // SAFETY: as above.
    let flags = unsafe { &mut (*class).tp_flags };
    #[cfg(not(Py_GIL_DISABLED))]
    {
        *flags &= !ffi::Py_TPFLAGS_HAVE_GC;
    }
    #[cfg(Py_GIL_DISABLED)]
    {
        *flags.get_mut() &= !ffi::Py_TPFLAGS_HAVE_GC;
    }
    Ok(())
}

/// An object of an untracked class. Its contents are made in their place: to move them there would take as long again.
/// If there is no memory, they are not made.
#[inline]
pub(crate) fn new<T: Untracked>(
    py: Python<'_>,
    contents: impl FnOnce() -> T,
) -> PyResult<Bound<'_, T>> {
    let object = allocate::<T, T>(py)?;
    // SAFETY: the object has this place for its contents, where nothing is yet.
    unsafe { contents_of::<T>(object).write(contents()) };
    // SAFETY: the object is whole, and has no other owner.
    let object = unsafe { Bound::from_owned_ptr(py, object) };
    // SAFETY: it was made as one of this class.
    Ok(unsafe { object.cast_into_unchecked() })
}

/// As `new`, for an object of a derived class.
#[inline]
pub(crate) fn derive<D: Derived>(
    py: Python<'_>,
    contents: impl FnOnce() -> D::Base,
    added: D,
) -> PyResult<Bound<'_, D>> {
    let object = allocate::<D, D::Base>(py)?;
    // SAFETY: the object has this place for the contents of its base, where nothing is yet.
    unsafe { contents_of::<D::Base>(object).write(contents()) };
    let place = object
        .wrapping_byte_add(added_contents::<D::Base>())
        .cast::<D>();
    // SAFETY: as above, for what the class adds.
    unsafe { place.write(added) };
    // SAFETY: the object is whole, and has no other owner.
    let object = unsafe { Bound::from_owned_ptr(py, object) };
    // SAFETY: it was made as one of this class.
    Ok(unsafe { object.cast_into_unchecked() })
}

/// An object of class `C` without its contents, which are those of `T` and what `C` adds.
#[inline]
fn allocate<C: PyClass, T: Untracked>(py: Python<'_>) -> PyResult<*mut ffi::PyObject> {
    let class = C::type_object_raw(py);
    // SAFETY: the class is alive for as long as the interpreter.
    if unsafe { ffi::PyType_HasFeature(class, ffi::Py_TPFLAGS_HAVE_GC) } != 0 {
        return Err(PySystemError::new_err("a class is tracked"));
    }
    // SAFETY: as above; the objects of the class have no header for the collector.
    let object = unsafe { ffi::PyObject_New::<ffi::PyObject>(class) };
    if object.is_null() {
        return Err(PyErr::fetch(py));
    }
    // SAFETY: `forget` has found the class to have this place.
    unsafe { weak_references_of::<T>(object).write(std::ptr::null_mut()) };
    Ok(object)
}

/// Where an object of `T`, or of a class derived from it, has the contents of `T`.
#[inline]
const fn contents_of<T>(object: *mut ffi::PyObject) -> *mut T {
    object.wrapping_byte_add(CONTENTS).cast()
}

/// Where it has the list of its weak references.
#[inline]
const fn weak_references_of<T>(object: *mut ffi::PyObject) -> *mut *mut ffi::PyObject {
    let place = size_of_object::<T>() - size_of::<*mut ffi::PyObject>();
    object.wrapping_byte_add(place).cast()
}

unsafe extern "C" fn dealloc<T: Untracked>(object: *mut ffi::PyObject) {
    // SAFETY: the slot is set in classes with this layout only, and the object is whole.
    let list = unsafe { weak_references_of::<T>(object).read() };
    if !list.is_null() {
        // SAFETY: as above; whoever refers to the object weakly is told that it is gone.
        unsafe { ffi::PyObject_ClearWeakRefs(object) };
    }
    let contents = contents_of::<T>(object);
    // SAFETY: nobody can reach the object any more, and its contents are whole.
    if !unsafe { &*contents }.is_empty() {
        // SAFETY: as above.
        let empty = |_py: Python<'_>| unsafe { contents.drop_in_place() };
        // SAFETY: the interpreter deallocates with the thread attached.
        unsafe { attached(empty) };
    }
    // SAFETY: the object still refers to its class.
    let class = unsafe { ffi::Py_TYPE(object) };
    // SAFETY: the class is alive. One that was derived in Python has another way to free.
    if let Some(free) = unsafe { (*class).tp_free } {
        // SAFETY: the object has nothing left.
        unsafe { free(object.cast()) };
    }
    // SAFETY: an object owns a reference to its class, which was made at run time.
    unsafe { ffi::Py_DECREF(class.cast()) };
}
