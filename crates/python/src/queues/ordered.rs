//! `LifoQueue` and `PriorityQueue`: queues with another order.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::items::Order;
use super::methods::{empty, full, get_nowait, init, put, put_nowait, qsize, take};
use super::queue::Queue;
use crate::raw::fastcall::Arguments;
use crate::raw::own_methods::OwnMethods;
use crate::routine::Function;

pub(crate) const FUNCTIONS: &[&Function] = &[
    &Function {
        qualname: "LifoQueue._init",
        call: lifo_init,
    },
    &Function {
        qualname: "LifoQueue._put",
        call: lifo_put,
    },
    &Function {
        qualname: "LifoQueue._get",
        call: lifo_take,
    },
    &Function {
        qualname: "PriorityQueue._init",
        call: priority_init,
    },
    &Function {
        qualname: "PriorityQueue._put",
        call: priority_put,
    },
    &Function {
        qualname: "PriorityQueue._get",
        call: priority_take,
    },
];

/// The methods that natives do without.
pub(super) static LIFO_METHODS: OwnMethods = OwnMethods::new(&[
    ("_put", lifo_put),
    ("_get", lifo_take),
    ("empty", empty),
    ("full", full),
    ("get_nowait", get_nowait),
    ("put_nowait", put_nowait),
    ("qsize", qsize),
]);
pub(super) static PRIORITY_METHODS: OwnMethods = OwnMethods::new(&[
    ("_put", priority_put),
    ("_get", priority_take),
    ("empty", empty),
    ("full", full),
    ("get_nowait", get_nowait),
    ("put_nowait", put_nowait),
    ("qsize", qsize),
]);

fn lifo_init<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    init(py, arguments, Order::Lifo)
}

fn lifo_put<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    put(py, arguments, Order::Lifo)
}

fn lifo_take<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    take(py, arguments, Order::Lifo)
}

fn priority_init<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    init(py, arguments, Order::Priority)
}

fn priority_put<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    put(py, arguments, Order::Priority)
}

fn priority_take<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    take(py, arguments, Order::Priority)
}

/// A queue whose latest item comes out first.
#[pyclass(
    module = "aioxide.natives.queues",
    frozen,
    subclass,
    extends = Queue,
    name = "LifoQueue"
)]
pub(crate) struct LifoQueue;

#[pymethods]
impl LifoQueue {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Queue::ordered(py, Order::Lifo)).add_subclass(Self)
    }
}

/// A queue whose smallest item comes out first.
#[pyclass(
    module = "aioxide.natives.queues",
    frozen,
    subclass,
    extends = Queue,
    name = "PriorityQueue"
)]
pub(crate) struct PriorityQueue;

#[pymethods]
impl PriorityQueue {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(maxsize=0)")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Queue::ordered(py, Order::Priority)).add_subclass(Self)
    }
}
