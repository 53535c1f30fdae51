//! `create_future` and `create_task`: the standard library's C classes, made as cheaply as they allow.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use super::EventLoop;

fn class<'py>(
    py: Python<'py>,
    cache: &'static PyOnceLock<Py<PyType>>,
    name: &str,
) -> PyResult<&'py Bound<'py, PyType>> {
    cache.import(py, "asyncio", name)
}

impl EventLoop {
    /// A pending future of this loop.
    pub(crate) fn new_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        static FUTURE: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let py = slf.py();
        let kwargs = PyDict::new(py);
        kwargs.set_item(intern!(py, "loop"), slf)?;
        class(py, &FUTURE, "Future")?.call((), Some(&kwargs))
    }
}

#[pymethods]
impl EventLoop {
    /// A pending future of this loop.
    fn create_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::new_future(slf)
    }

    /// Wraps a coroutine into a task of this loop, by the task factory if there is one.
    #[pyo3(signature = (coro, *, name=None, context=None, **kwargs))]
    fn create_task<'py>(
        slf: &Bound<'py, Self>,
        coro: &Bound<'py, PyAny>,
        name: Option<&Bound<'py, PyAny>>,
        context: Option<&Bound<'py, PyAny>>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        static TASK: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let py = slf.py();
        let event_loop = slf.get();
        event_loop.check_closed()?;
        let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py));
        if let Some(factory) = event_loop.task_factory(py) {
            let arguments = (factory, coro, name, context, kwargs);
            return slf.call_method1(intern!(py, "_create_task_with_factory"), arguments);
        }
        kwargs.set_item(intern!(py, "loop"), slf)?;
        if let Some(name) = name {
            kwargs.set_item(intern!(py, "name"), name)?;
        }
        if let Some(context) = context {
            kwargs.set_item(intern!(py, "context"), context)?;
        }
        class(py, &TASK, "Task")?.call((coro,), Some(&kwargs))
    }

    /// What makes this loop's tasks, or None for the default.
    #[getter(_task_factory)]
    fn task_factory(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.task_factory.with(py, |factory| {
            factory.as_ref().map(|factory| factory.clone_ref(py))
        })
    }

    #[setter(_task_factory)]
    fn set_task_factory(&self, py: Python<'_>, factory: Option<Py<PyAny>>) {
        drop(self.task_factory.replace(py, factory));
    }
}
