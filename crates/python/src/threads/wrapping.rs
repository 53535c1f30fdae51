//! `wrap_future`: a future of a loop that follows one of `concurrent.futures`, and is followed when it is cancelled.

use pyo3::exceptions::PyAssertionError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use super::exchange::{converted, is_cancelled, thread_cancelled_class, thread_future_class};
use crate::future::{Future, Outcome, exact_future, without_stop_iteration};
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::routine::Function;
use crate::running::{self, RunningLoop};

pub(super) static WRAP_FUTURE: Function = Function {
    qualname: "wrap_future",
    call: wrap_future,
};

fn wrap_future<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "future"), intern!(py, "loop")];
    let Some([Some(source), event_loop]) = arguments.fit(1, names) else {
        return Ok(None);
    };
    if is_asyncio_future(&source)? {
        return Ok(Some(source.to_owned().unbind()));
    }
    if !source.is_instance(thread_future_class(py)?)? {
        return Err(PyAssertionError::new_err(format!(
            "concurrent.futures.Future is expected, got {}",
            source.repr()?
        )));
    }
    let event_loop = match event_loop.filter(|event_loop| !event_loop.is_none()) {
        Some(event_loop) => event_loop.to_owned(),
        None => py
            .import("asyncio.events")?
            .call_method0("get_event_loop")?,
    };
    let event_loop = RunningLoop::of(event_loop)?;
    let destination = event_loop.create_future()?;
    let wrapper = Wrapper {
        source: Guarded::new(Some(source.to_owned().unbind())),
        destination: destination.clone().unbind(),
        event_loop: event_loop.as_any().clone().unbind(),
    };
    let wrapper = Bound::new(py, wrapper)?;
    let add_done_callback = intern!(py, "add_done_callback");
    destination.call_method1(add_done_callback, (&wrapper,))?;
    source.call_method1(add_done_callback, (&wrapper,))?;
    Ok(Some(destination.unbind()))
}

fn is_asyncio_future(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static IS_FUTURE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = object.py();
    let is_future = IS_FUTURE.get_or_try_init(py, || {
        let futures = py.import("asyncio.futures")?;
        Ok::<_, PyErr>(futures.getattr("isfuture")?.unbind())
    })?;
    is_future.bind(py).call1((object,))?.is_truthy()
}

/// The callback of both futures, and of the loop: which of them calls is told by the argument.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct Wrapper {
    /// The future of the thread, until its outcome has been taken over: it knows us, and there is to be no cycle.
    source: Guarded<Option<Py<PyAny>>>,
    destination: Py<PyAny>,
    /// The loop of `destination`.
    event_loop: Py<PyAny>,
}

#[pymethods]
impl Wrapper {
    #[pyo3(signature = (future=None, /))]
    fn __call__(slf: &Bound<'_, Self>, future: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        match future {
            None => slf.get().take_over(slf.py()),
            Some(future) if future.is(&slf.get().destination) => slf.get().destination_done(future),
            Some(_source) => Self::source_done(slf),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.source
            .visit(|source| visit.call(source))
            .unwrap_or(Ok(()))?;
        visit.call(&self.destination)?;
        visit.call(&self.event_loop)
    }
}

impl Wrapper {
    /// The loop's future is done: if it was cancelled, the thread's is cancelled as well.
    fn destination_done(&self, destination: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = destination.py();
        let source = self.source.with(py, |source| {
            source.as_ref().map(|source| source.clone_ref(py))
        });
        let Some(source) = source else { return Ok(()) };
        if is_cancelled(destination)? {
            source.call_method0(py, intern!(py, "cancel"))?;
        }
        Ok(())
    }

    /// The thread's future is done. Any thread: the loop has to take it over in its own.
    fn source_done(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let event_loop = slf.get().event_loop.bind(py);
        if running::is_running_here(event_loop)? {
            return slf.get().take_over(py);
        }
        if event_loop
            .call_method0(intern!(py, "is_closed"))?
            .is_truthy()?
        {
            return Ok(());
        }
        event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (slf,))?;
        Ok(())
    }

    /// Gives the loop's future the outcome of the thread's. In the thread of the loop.
    fn take_over(&self, py: Python<'_>) -> PyResult<()> {
        let Some(source) = self.source.replace(py, None) else {
            return Ok(());
        };
        let destination = self.destination.bind(py);
        if is_cancelled(destination)? {
            return Ok(());
        }
        if destination.call_method0(intern!(py, "done"))?.is_truthy()? {
            // Somebody else has given it an outcome. asyncio says no more than this either.
            return Err(PyAssertionError::new_err(()));
        }
        let source = source.bind(py);
        let exception = match source.call_method0(intern!(py, "exception")) {
            Err(error) if error.is_instance(py, thread_cancelled_class(py)?) => {
                destination.call_method0(intern!(py, "cancel"))?;
                return Ok(());
            }
            exception => exception?,
        };
        if exception.is_none() {
            let result = source.call_method0(intern!(py, "result"))?;
            return Self::set_result(destination, result);
        }
        let exception = converted(exception)?;
        match exact_future(destination) {
            Some(future) => Future::settle_exception(future, without_stop_iteration(exception)?),
            None => destination
                .call_method1(intern!(py, "set_exception"), (exception,))
                .map(drop),
        }
    }

    fn set_result<'py>(destination: &Bound<'py, PyAny>, result: Bound<'py, PyAny>) -> PyResult<()> {
        match exact_future(destination) {
            Some(future) => Future::settle(future, Outcome::Result(result.unbind())),
            None => destination
                .call_method1(intern!(destination.py(), "set_result"), (result,))
                .map(drop),
        }
    }
}
