//! The callable by which a task has itself stepped where it can't stand in the queue itself: on
//! loops of other makes, in debug mode, and by futures that are not ours.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{Task, current};
use crate::raw::guarded::Guarded;

/// What has to be done when the callable is called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// The task goes on. Called without arguments.
    Step,
    /// What the task waited for is done. Called with the future.
    Wakeup,
}

/// Steps a task when it is called, in the task's context.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct Resumption {
    /// None once the collector has broken a cycle through it.
    task: Guarded<Option<Py<Task>>>,
    kind: Kind,
}

impl Resumption {
    /// The callback of a task that is to go on.
    pub(crate) fn step(task: Py<Task>) -> Self {
        Self {
            task: Guarded::new(Some(task)),
            kind: Kind::Step,
        }
    }

    /// The callback for a future that a task waits for.
    pub(crate) fn wakeup(task: Py<Task>) -> Self {
        Self {
            task: Guarded::new(Some(task)),
            kind: Kind::Wakeup,
        }
    }

    /// Whether this is the callback by which a future wakes `task`.
    pub(crate) fn is_wakeup_of(&self, py: Python<'_>, task: &Py<Task>) -> bool {
        self.kind == Kind::Wakeup
            && self
                .task
                .with(py, |own| own.as_ref().is_some_and(|own| own.is(task)))
    }

    fn task<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Task>> {
        self.task
            .with(py, |task| task.as_ref().map(|task| task.clone_ref(py)))
            .map(|task| task.into_bound(py))
    }
}

#[pymethods]
impl Resumption {
    #[pyo3(signature = (*args))]
    fn __call__(&self, py: Python<'_>, args: &Bound<'_, PyTuple>) -> PyResult<()> {
        let expected = usize::from(self.kind == Kind::Wakeup);
        if args.len() != expected {
            return Err(PyTypeError::new_err(format!(
                "function takes exactly {expected} argument{} ({} given)",
                if expected == 1 { "" } else { "s" },
                args.len()
            )));
        }
        let Some(task) = self.task(py) else {
            return Ok(());
        };
        let exception = match self.kind {
            Kind::Step => Task::take_resume(&task)?,
            Kind::Wakeup => args
                .get_item(0)?
                .call_method0(intern!(py, "result"))
                .err()
                .map(|error| error.into_value(py).into_bound(py).into_any()),
        };
        let exception = Task::begin_step(&task, exception)?;
        current::enter(&task)?;
        let result = Task::advance(&task, None, exception);
        let left = current::leave(&task);
        result.and(left)
    }

    #[getter(__self__)]
    fn bound_to(&self, py: Python<'_>) -> Option<Py<Task>> {
        self.task(py).map(Bound::unbind)
    }

    #[getter(__name__)]
    fn name(&self) -> &'static str {
        match self.kind {
            Kind::Step => "task_step",
            Kind::Wakeup => "task_wakeup",
        }
    }

    #[getter(__qualname__)]
    fn qualname(&self) -> String {
        format!("Task.{}", self.name())
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else {
            return false;
        };
        let (own, others) = (self.task(py), other.get().task(py));
        self.kind == other.get().kind
            && own.is_some_and(|own| others.is_some_and(|others| own.is(&others)))
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.task(py).map_or(Ok(0), |task| task.hash())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.task.visit(|task| visit.call(task)).unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.task.replace(py, None));
    }
}
