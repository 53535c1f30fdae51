//! The end of an object's life: finalizers, which PyO3 has no word for, and deep chains of objects.
//!
//! Python calls an object's finalizer (`__del__`) when the last reference to it goes, and before the
//! collector breaks a cycle. PyO3's classes have none; this gives them one by the slots that
//! CPython's own classes use.

use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;

use pyo3::PyClass;
use pyo3::ffi::{self, destructor};
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;

use super::attached::attached;
use super::guarded::Guarded;

/// How many deallocations of ours may be nested in each other. What is deeper waits until they have
/// ended: a chain of a million tasks, each holding the next, must not overflow the stack.
const DEPTH_MAX: u32 = 100;

/// Objects that have ended and are used again, for a class of which many are made and soon let go.
///
/// An object in the pool has contents that are valid and hold nothing, and the collector does not know it.
pub(crate) struct Pool<T> {
    objects: Guarded<Vec<Py<T>>>,
}

/// How many objects a pool keeps: as many as a busy program has at once, 9 MiB of all classes together. An object from the
/// pool costs no allocation, and does not count towards the next collection: 10,000 tasks that sleep are a third cheaper.
const POOL_MAX: usize = 16_384;

/// What stands at an offset that a class has for its objects: a reference, or null. Classes without the field have 0.
///
/// # Safety
/// The object is whole, and the offset is its class's.
unsafe fn is_set(object: *mut ffi::PyObject, offset: ffi::Py_ssize_t) -> bool {
    // Python's own way to keep attributes has an offset below 0; native classes have theirs behind the contents.
    if offset <= 0 {
        return false;
    }
    // SAFETY: the caller says that the place is part of the object.
    let place = unsafe { object.byte_offset(offset) };
    // SAFETY: as above.
    !unsafe { place.cast::<*mut ffi::PyObject>().read() }.is_null()
}

impl<T: Lifecycle> Pool<T> {
    pub(crate) const fn new() -> Self {
        Self {
            objects: Guarded::new(Vec::new()),
        }
    }

    /// Takes over an object that is being deallocated, if there is room, and empties it.
    ///
    /// # Safety
    /// Nobody owns the object, which is exactly a `T`, of that class, and not known to the collector.
    unsafe fn take_over(
        &self,
        py: Python<'_>,
        object: *mut ffi::PyObject,
        class: *mut ffi::PyTypeObject,
    ) -> bool {
        if cfg!(Py_GIL_DISABLED) || self.objects.with(py, |objects| objects.len() >= POOL_MAX) {
            return false;
        }
        // What was finalized once is so for good: it would not be finalized in its next life.
        // SAFETY: the object is whole.
        if unsafe { ffi::PyObject_GC_IsFinalized(object) } != 0 {
            return false;
        }
        // SAFETY: the class is alive for as long as the interpreter.
        let class = unsafe { &*class };
        // SAFETY: the object is whole, and of this class.
        if unsafe { is_set(object, class.tp_dictoffset) } {
            return false;
        }
        // SAFETY: as above.
        if unsafe { is_set(object, class.tp_weaklistoffset) } {
            // SAFETY: the object is whole; whoever refers to it weakly is told that it is gone.
            unsafe { ffi::PyObject_ClearWeakRefs(object) };
        }
        // SAFETY: nobody else can reach the object, which gets an owner here.
        unsafe { ffi::Py_INCREF(object) };
        // SAFETY: this is that owner.
        let owned = unsafe { Bound::from_owned_ptr(py, object) };
        // SAFETY: the caller says of which class it is.
        let owned = unsafe { owned.cast_into_unchecked::<T>() };
        T::empty(&owned);
        self.objects
            .with(py, |objects| objects.push(owned.unbind()));
        true
    }

    /// Takes back an object that is being deallocated and is as those in the pool are, if there is room, and if it has
    /// neither attributes nor weak references. Does not panic.
    ///
    /// # Safety
    /// Nobody owns the object, which is exactly a `T`, of that class, was never finalized, and is not known to the collector.
    #[inline]
    unsafe fn take_back(
        &self,
        py: Python<'_>,
        object: *mut ffi::PyObject,
        class: *mut ffi::PyTypeObject,
    ) -> bool {
        // SAFETY: the class is alive for as long as the interpreter.
        let class = unsafe { &*class };
        // SAFETY: the object is whole, and of this class.
        let has_attributes = unsafe { is_set(object, class.tp_dictoffset) };
        // SAFETY: as above.
        let is_known_weakly = unsafe { is_set(object, class.tp_weaklistoffset) };
        if cfg!(Py_GIL_DISABLED) || has_attributes || is_known_weakly {
            return false;
        }
        let keep = |objects: &mut Vec<Py<T>>| {
            if objects.len() >= POOL_MAX {
                return false;
            }
            // SAFETY: nobody else can reach the object, which gets an owner here.
            unsafe { ffi::Py_INCREF(object) };
            // SAFETY: this is that owner.
            let owned = unsafe { Bound::from_owned_ptr(py, object) };
            // SAFETY: the caller says of which class it is.
            let owned = unsafe { owned.cast_into_unchecked::<T>() };
            objects.push(owned.unbind());
            true
        };
        self.objects.try_with(py, keep) == Some(true)
    }

    /// An object from the pool, to be given its contents.
    #[inline]
    pub(crate) fn reuse(&self, py: Python<'_>) -> Option<Py<T>> {
        let object = self.reuse_hidden(py)?;
        // SAFETY: the object is of a class that the collector knows, and was unknown to it in the pool.
        unsafe { ffi::PyObject_GC_Track(object.as_ptr().cast()) };
        Some(object)
    }

    /// As `reuse`, for an object that the collector need not know: it gets no references. Does not panic.
    #[inline]
    pub(crate) fn reuse_hidden(&self, py: Python<'_>) -> Option<Py<T>> {
        self.objects.try_with(py, Vec::pop)?
    }
}

/// Has the collector forget an object that holds no references.
pub(crate) fn hide<T>(object: &Bound<'_, T>) {
    // SAFETY: the object is alive, and its class is one that the collector knows.
    unsafe { ffi::PyObject_GC_UnTrack(object.as_ptr().cast()) };
}

/// A class with a finalizer.
pub(crate) trait Lifecycle: PyClass<Frozen = True> + Sync {
    /// Where the class's own deallocation is kept.
    fn original_dealloc() -> &'static OnceLock<destructor>;
    /// Whether the finalizer has anything to do. Must not call Python.
    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool;
    /// The finalizer.
    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()>;
    /// The object goes for good: nobody may find it from here on. Must not call Python.
    fn retire(slf: &Bound<'_, Self>);
    /// Where objects of the class are kept for the next who needs one, if anywhere.
    fn pool() -> Option<&'static Pool<Self>> {
        None
    }
    /// Whether the object is as those in the pool are: it holds nothing, the collector does not know it, and it never had
    /// its finalizer called. Does not panic.
    fn is_spent(_slf: &Bound<'_, Self>) -> bool {
        false
    }
    /// Lets go of what the object holds, if that cannot deallocate others in a chain, and if there is nothing else to do about its
    /// end: its finalizer has nothing to do, and nobody finds it any more. Whether it is as those in the pool are
    /// afterwards. The collector does not know it.
    fn ends_flat(_slf: &Bound<'_, Self>) -> bool {
        false
    }
    /// Lets go of all that the object holds, before it goes to the pool.
    fn empty(_slf: &Bound<'_, Self>) {}
}

/// Gives the class its finalizer. To be called once, before anybody can subclass it.
pub(crate) fn install<T: Lifecycle>(py: Python<'_>) -> PyResult<()> {
    let class = T::type_object_raw(py);
    // SAFETY: the class is alive for as long as the interpreter.
    let original = unsafe { (*class).tp_dealloc };
    let Some(original) = original else {
        return Err(pyo3::exceptions::PySystemError::new_err(
            "a class cannot deallocate",
        ));
    };
    let _kept = T::original_dealloc().get_or_init(|| original);
    // SAFETY: the class is ours, has no instance and no subclass yet.
    unsafe { (*class).tp_dealloc = Some(dealloc::<T>) };
    // SAFETY: as above.
    unsafe { (*class).tp_finalize = Some(finalize::<T>) };
    Ok(())
}

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static DEFERRED: RefCell<Vec<(*mut ffi::PyObject, destructor)>> = const { RefCell::new(Vec::new()) };
}

unsafe extern "C" fn dealloc<T: Lifecycle>(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter deallocates with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the object's memory is valid until its deallocation has ended; the loan changes no
    // reference count, and `T` promises not to call Python with it.
    let dying = unsafe { Borrowed::from_ptr(py, object) };
    // SAFETY: the slot is set in `T` only, and inherited by what derives from it.
    let dying = unsafe { dying.cast_unchecked::<T>() };
    // SAFETY: as above.
    let class = unsafe { ffi::Py_TYPE(object) };
    let is_exact = class == T::type_object_raw(py);
    if is_exact
        && T::is_spent(&dying)
        && let Some(pool) = T::pool()
    {
        // SAFETY: the object has no owner, and is as it says.
        if unsafe { pool.take_back(py, object, class) } {
            return;
        }
    }
    // From here on the collector, which other threads may run, must not come by an object without owners.
    // SAFETY: the object is one that the collector knows, or knew.
    unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    // SAFETY: the object is whole.
    let was_finalized = unsafe { ffi::PyObject_GC_IsFinalized(object) } != 0;
    if is_exact
        && !was_finalized
        && T::ends_flat(&dying)
        && let Some(pool) = T::pool()
    {
        // SAFETY: the object has no owner, was never finalized, and is as it says.
        if unsafe { pool.take_back(py, object, class) } {
            return;
        }
    }
    // For a subclass made in Python, Python has called the finalizer already.
    if is_exact && T::wants_finalizer(&dying) {
        // SAFETY: as above; a finalizer may keep the object, which then has to be known as before.
        unsafe { ffi::PyObject_GC_Track(object.cast()) };
        // SAFETY: this is the deallocation of the object, whose contents are whole still.
        if unsafe { ffi::PyObject_CallFinalizerFromDealloc(object) } != 0 {
            // Somebody holds it again.
            return;
        }
        // SAFETY: as above.
        unsafe { ffi::PyObject_GC_UnTrack(object.cast()) };
    }
    T::retire(&dying);
    if is_exact
        && let Some(pool) = T::pool()
        && DEPTH.get() < DEPTH_MAX
    {
        // SAFETY: the object has no owner and no finalizer to come, and the collector does not know it.
        if nested(|py| unsafe { pool.take_over(py, object, class) }) {
            return;
        }
    }
    let Some(original) = T::original_dealloc().get().copied() else {
        return;
    };
    if DEPTH.get() >= DEPTH_MAX {
        DEFERRED.with_borrow_mut(|deferred| deferred.push((object, original)));
        return;
    }
    // SAFETY: this is what the class did before; the object has no owner.
    nested(|_py| unsafe { original(object) });
}

/// Makes a call that may deallocate other objects of ours.
fn nested<R>(call: impl FnOnce(Python<'_>) -> R) -> R {
    DEPTH.set(DEPTH.get() + 1);
    // SAFETY: the interpreter deallocates with the thread attached.
    let result = unsafe { attached(call) };
    DEPTH.set(DEPTH.get() - 1);
    if DEPTH.get() == 0 {
        free_deferred();
    }
    result
}

fn free_deferred() {
    while let Some((object, original)) = DEFERRED.with_borrow_mut(Vec::pop) {
        DEPTH.set(1);
        // SAFETY: the object was put off by `dealloc`, which left the rest to this call.
        unsafe { original(object) };
        DEPTH.set(0);
    }
}

unsafe extern "C" fn finalize<T: Lifecycle>(object: *mut ffi::PyObject) {
    // SAFETY: the interpreter finalizes with the thread attached.
    unsafe { attached(|py| finalize_attached::<T>(py, object)) }
}

/// What `finalize` does.
fn finalize_attached<T: Lifecycle>(py: Python<'_>, object: *mut ffi::PyObject) {
    // Whoever drops the last reference may be handling an exception.
    let pending = PyErr::take(py);
    // SAFETY: the interpreter keeps the object alive during its finalizer.
    let object = unsafe { Bound::from_borrowed_ptr(py, object) };
    // SAFETY: the slot is set in `T` only, and inherited by what derives from it.
    let object = unsafe { object.cast_into_unchecked::<T>() };
    let result = catch_unwind(AssertUnwindSafe(|| T::finalize(&object)))
        .unwrap_or_else(|_panic| Err(PanicException::new_err("a finalizer failed")));
    if let Err(error) = result {
        error.write_unraisable(py, Some(object.as_any()));
    }
    if let Some(pending) = pending {
        pending.restore(py);
    }
}
