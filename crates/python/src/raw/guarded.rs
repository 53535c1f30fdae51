//! Interior mutability for Python objects: a cell that the GIL guards, or a mutex where there is no GIL.
//!
//! The rule for whoever borrows: nothing in the closure may call Python or drop a Python object,
//! because that can run foreign code, which may come back for the same cell. A breach is caught
//! (it panics, which PyO3 turns into an exception), never undefined.

use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::Python;

#[cfg(not(Py_GIL_DISABLED))]
mod imp {
    use std::cell::{Cell, UnsafeCell};

    /// A value with a flag that says whether it is lent.
    pub(crate) struct Guarded<T> {
        is_made: super::IsMade,
        is_lent: Cell<bool>,
        value: UnsafeCell<T>,
    }

    // SAFETY: `with` needs a `Python` token, so that the GIL orders all access to both fields; a
    // thread switch inside the closure finds `is_lent` set and panics instead of aliasing.
    unsafe impl<T: Send> Sync for Guarded<T> {}

    /// Takes the value back even if the borrower panics.
    struct Loan<'a>(&'a Cell<bool>);

    impl Drop for Loan<'_> {
        fn drop(&mut self) {
            self.0.set(false);
        }
    }

    impl<T> Guarded<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self {
                is_made: super::IsMade::yes(),
                is_lent: Cell::new(false),
                value: UnsafeCell::new(value),
            }
        }

        #[inline]
        pub(crate) fn with<R>(
            &self,
            _py: super::Python<'_>,
            access: impl FnOnce(&mut T) -> R,
        ) -> R {
            assert!(
                !self.is_lent.replace(true),
                "a guarded value was asked for while it was lent"
            );
            let _loan = Loan(&self.is_lent);
            // SAFETY: the flag was clear, so that no other reference exists, and it is set until
            // the closure has returned, so that none is made.
            access(unsafe { &mut *self.value.get() })
        }

        #[inline]
        pub(crate) fn try_with<R>(
            &self,
            _py: super::Python<'_>,
            access: impl FnOnce(&mut T) -> R,
        ) -> Option<R> {
            if self.is_lent.replace(true) {
                return None;
            }
            let _loan = Loan(&self.is_lent);
            // SAFETY: as in `with`.
            Some(access(unsafe { &mut *self.value.get() }))
        }

        pub(crate) fn visit<R>(&self, access: impl FnOnce(&T) -> R) -> Option<R> {
            if !self.is_made.get() || self.is_lent.get() {
                return None;
            }
            // SAFETY: the collector runs with the GIL held and nothing is lent; `access` only reads.
            Some(access(unsafe { &*self.value.get() }))
        }
    }
}

#[cfg(Py_GIL_DISABLED)]
mod imp {
    use std::ptr;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

    use pyo3::Python;
    use pyo3::sync::MutexExt;

    /// A value behind a lock.
    pub(crate) struct Guarded<T> {
        is_made: super::IsMade,
        /// The thread that the value is lent to, or 0: who asks twice is told, and does not wait for itself.
        holder: AtomicUsize,
        value: Mutex<T>,
    }

    /// A number that no other living thread has, and that is not 0.
    fn this_thread() -> usize {
        thread_local! {
            static MARK: u8 = const { 0 };
        }
        MARK.with(|mark| ptr::from_ref(mark).addr())
    }

    /// Says that nobody holds the value any more, even if the borrower panics.
    struct Loan<'a>(&'a AtomicUsize);

    impl Drop for Loan<'_> {
        fn drop(&mut self) {
            self.0.store(0, Ordering::Relaxed);
        }
    }

    impl<T> Guarded<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self {
                is_made: super::IsMade::yes(),
                holder: AtomicUsize::new(0),
                value: Mutex::new(value),
            }
        }

        #[inline]
        pub(crate) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut T) -> R) -> R {
            let mut value = match self.value.try_lock() {
                Ok(value) => value,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => self.wait(py),
            };
            self.holder.store(this_thread(), Ordering::Relaxed);
            let _loan = Loan(&self.holder);
            access(&mut value)
        }

        #[inline]
        pub(crate) fn try_with<R>(
            &self,
            _py: Python<'_>,
            access: impl FnOnce(&mut T) -> R,
        ) -> Option<R> {
            let mut value = self.value.try_lock().ok()?;
            self.holder.store(this_thread(), Ordering::Relaxed);
            let _loan = Loan(&self.holder);
            Some(access(&mut value))
        }

        /// Waits for another thread, detached: the interpreter may want to stop all threads meanwhile.
        #[cold]
        fn wait(&self, py: Python<'_>) -> MutexGuard<'_, T> {
            assert!(
                self.holder.load(Ordering::Relaxed) != this_thread(),
                "a guarded value was asked for while it was lent"
            );
            self.value
                .lock_py_attached(py)
                .unwrap_or_else(PoisonError::into_inner)
        }

        pub(crate) fn visit<R>(&self, access: impl FnOnce(&T) -> R) -> Option<R> {
            if !self.is_made.get() {
                return None;
            }
            match self.value.try_lock() {
                Ok(value) => Some(access(&value)),
                Err(TryLockError::Poisoned(poisoned)) => Some(access(&poisoned.into_inner())),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }
}

/// Whether there is a value yet.
///
/// An object is known to the collector as soon as it has its memory, which is all zeros, and on Python 3.11
/// a collection may come before its contents have been written. Any value but zero says that they
/// are there; it is never changed, but read as if it could be.
struct IsMade(AtomicU8);

impl IsMade {
    const fn yes() -> Self {
        Self(AtomicU8::new(1))
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed) != 0
    }
}

/// A value that Python's threads share. See the module for the rule that its borrowers keep.
pub(crate) struct Guarded<T>(imp::Guarded<T>);

impl<T> Guarded<T> {
    /// Guards `value`.
    pub(crate) const fn new(value: T) -> Self {
        Self(imp::Guarded::new(value))
    }

    /// Lends the value to `access`.
    #[inline]
    pub(crate) fn with<R>(&self, py: Python<'_>, access: impl FnOnce(&mut T) -> R) -> R {
        self.0.with(py, access)
    }

    /// As `with`, for those who must not panic: None if the value is lent, or another thread has it.
    #[inline]
    pub(crate) fn try_with<R>(
        &self,
        py: Python<'_>,
        access: impl FnOnce(&mut T) -> R,
    ) -> Option<R> {
        self.0.try_with(py, access)
    }

    /// Shows the value to the garbage collector, or nothing while it is lent: the collector then
    /// takes what is inside for alive, and comes back another time.
    pub(crate) fn visit<R>(&self, access: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.visit(access)
    }
}

impl<T: Copy> Guarded<T> {
    /// A copy of the value.
    #[inline]
    pub(crate) fn get(&self, py: Python<'_>) -> T {
        self.with(py, |value| *value)
    }
}

impl<T> Guarded<T> {
    /// Puts `value` in and returns what was there, for the caller to drop.
    #[inline]
    pub(crate) fn replace(&self, py: Python<'_>, value: T) -> T {
        self.with(py, |place| std::mem::replace(place, value))
    }
}
