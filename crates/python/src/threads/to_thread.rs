//! `to_thread`.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyDict, PyTuple};

use crate::raw::context;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::running_loop;

pub(super) static TO_THREAD: Function = Function {
    qualname: "to_thread",
    call: to_thread,
};

fn to_thread<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(function) = arguments.positional(0) else {
        return Ok(None);
    };
    let kwargs = arguments.keywords(|_name, _value| Ok(false))?;
    let call = Call {
        function: function.to_owned().unbind(),
        args: arguments.rest(1)?.unbind(),
        kwargs: kwargs.map(Bound::unbind),
    };
    Coroutine::start(py, &TO_THREAD, ToThread(Some(call)))
}

/// A function and its arguments.
struct Call {
    function: Py<PyAny>,
    args: Py<PyTuple>,
    kwargs: Option<Py<PyDict>>,
}

impl Call {
    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.args)?;
        visit.call(&self.kwargs)
    }
}

/// The coroutine: it has its call until it has begun.
struct ToThread(Option<Call>);

impl Routine for ToThread {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let Some(call) = self.0.take() else {
            return input.value(py).map(Progress::Return);
        };
        let event_loop = running_loop(py)?;
        let call = ContextCall {
            context: context::copy_current(py)?,
            call,
        };
        let request = (py.None(), Py::new(py, call)?);
        let future = event_loop.call_method1(intern!(py, "run_in_executor"), request)?;
        Ok(Progress::Await(future))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.as_ref().map_or(Ok(()), |call| call.traverse(visit))
    }
}

/// What is run in the thread: a call in the context of whoever awaits it.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct ContextCall {
    context: Py<PyContext>,
    call: Call,
}

#[pymethods]
impl ContextCall {
    fn __call__(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let Call {
            function,
            args,
            kwargs,
        } = &self.call;
        context::run_in(py, &self.context, || match kwargs {
            Some(kwargs) => function.call(py, args, Some(kwargs.bind(py))),
            None => function.call1(py, args),
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.context)?;
        self.call.traverse(visit)
    }
}
