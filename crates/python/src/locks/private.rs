//! The private names that asyncio's locks have in common: who waits, and which loop it is. Read and set by libraries and tests.

/// Gives a class with `waiters` and `bound` these names.
macro_rules! private_names {
    ($class:ident) => {
        #[pymethods]
        impl $class {
            #[getter(_waiters)]
            fn private_waiters<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
                self.waiters.show(py)
            }

            #[setter(_waiters)]
            fn set_private_waiters(&self, py: Python<'_>, waiters: Option<Py<PyAny>>) {
                self.waiters.put(py, waiters);
            }

            #[getter(_loop)]
            fn private_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
                self.bound.get(py)
            }

            #[setter(_loop)]
            fn set_private_loop(&self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) {
                self.bound.set(py, event_loop);
            }

            fn _get_loop<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
                slf.get().bound.running(slf.as_any())
            }
        }
    };
}

pub(super) use private_names;
