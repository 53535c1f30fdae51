//! The waits of a `Condition`.
//!
//! Whoever waits lets go of the lock, waits until somebody notifies it, and has the lock again in the
//! end, whatever has happened: a cancellation meanwhile is raised once the lock is there. A waiter that ends
//! with an exception may have been notified, and then another is notified in its place.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::async_with::Acquisition;
use super::condition::Condition;
use super::lock::LockAcquisition;
use crate::routine::{Input, Progress, Routine, boolean};
use crate::waiting;

/// How the lock is acquired again.
enum Reacquisition {
    Native(LockAcquisition),
    /// Awaits what the condition's own `acquire` has returned.
    ByMethod,
}

enum Stage {
    New,
    /// In line, for this future.
    Waiting(Py<PyAny>),
    Acquiring(Reacquisition),
}

/// `Condition.wait`.
pub(super) struct Wait {
    condition: Py<Condition>,
    stage: Stage,
    /// The exception that has ended the wait in line.
    failure: Option<Py<PyAny>>,
    /// The latest cancellation since then. It, or else the failure, is raised once the lock is there again.
    cancellation: Option<Py<PyAny>>,
    has_lock: bool,
}

impl Wait {
    pub(super) fn of(condition: &Bound<'_, Condition>) -> Self {
        Self {
            condition: condition.clone().unbind(),
            stage: Stage::New,
            failure: None,
            cancellation: None,
            has_lock: true,
        }
    }

    /// Whether the lock is with whoever waits: it is before and after, but for a coroutine that was closed meanwhile.
    pub(super) fn has_lock(&self) -> bool {
        self.has_lock
    }

    /// Goes on; None once it has been notified and has the lock.
    pub(super) fn advance<'py>(
        &mut self,
        py: Python<'py>,
        input: Input<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New => self.begin(py),
            Stage::Waiting(waiter) => {
                let condition = self.condition.bind(py);
                condition.get().waiters.remove(waiter.bind(py))?;
                self.failure = failure_in(py, input);
                let begun = self.begin_to_acquire(py);
                self.acquire(py, begun)
            }
            Stage::Acquiring(Reacquisition::ByMethod) => {
                let acquired = input.value(py).map(|_acquired| None);
                self.acquire(py, acquired)
            }
            Stage::Acquiring(Reacquisition::Native(mut acquisition)) => {
                let advanced = acquisition.advance(py, input);
                self.stage = Stage::Acquiring(Reacquisition::Native(acquisition));
                self.acquire(py, advanced)
            }
        }
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let condition = self.condition.bind(py);
        if !Condition::is_locked(condition)? {
            return Err(PyRuntimeError::new_err("cannot wait on un-acquired lock"));
        }
        let slf = condition.get();
        let waiter = slf.bound.create_future(condition.as_any())?;
        Condition::release(condition)?;
        self.has_lock = false;
        slf.waiters.push(&waiter)?;
        self.stage = Stage::Waiting(waiter.clone().unbind());
        Ok(Some(waiter))
    }

    fn begin_to_acquire<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let condition = self.condition.bind(py);
        let Some(lock) = Condition::native_lock(condition)? else {
            let awaitable = condition.call_method0(intern!(py, "acquire"))?;
            self.stage = Stage::Acquiring(Reacquisition::ByMethod);
            return Ok(Some(awaitable));
        };
        let mut acquisition = LockAcquisition::new(&lock);
        let begun = acquisition.advance(py, Input::Start);
        self.stage = Stage::Acquiring(Reacquisition::Native(acquisition));
        begun
    }

    /// Goes on to acquire the lock, over all cancellations.
    fn acquire<'py>(
        &mut self,
        py: Python<'py>,
        mut advanced: PyResult<Option<Bound<'py, PyAny>>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        loop {
            match advanced {
                Ok(Some(awaitable)) => return Ok(Some(awaitable)),
                Ok(None) => return self.end(py),
                Err(error) => {
                    self.chain(py, &error)?;
                    if !waiting::is_cancellation(py, &error)? {
                        let passed = Condition::wake_one(self.condition.bind(py));
                        return Err(waiting::after_passing_on(py, error, passed));
                    }
                    self.cancellation = Some(error.into_value(py).into_any());
                    advanced = self.begin_to_acquire(py);
                }
            }
        }
    }

    /// Has an error remember the exception that had ended the wait when it came (`__context__`).
    fn chain(&self, py: Python<'_>, error: &PyErr) -> PyResult<()> {
        match &self.failure {
            Some(failure) if !failure.is(error.value(py)) => {
                error.value(py).setattr(intern!(py, "__context__"), failure)
            }
            _ => Ok(()),
        }
    }

    fn end<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        self.stage = Stage::New;
        self.has_lock = true;
        let Some(failure) = self.cancellation.take().or(self.failure.take()) else {
            return Ok(None);
        };
        let passed = Condition::wake_one(self.condition.bind(py));
        let error = PyErr::from_value(failure.into_bound(py));
        Err(waiting::after_passing_on(py, error, passed))
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.condition)?;
        visit.call(&self.failure)?;
        visit.call(&self.cancellation)?;
        match &self.stage {
            Stage::Waiting(waiter) => visit.call(waiter),
            Stage::Acquiring(Reacquisition::Native(acquisition)) => acquisition.traverse(visit),
            Stage::New | Stage::Acquiring(Reacquisition::ByMethod) => Ok(()),
        }
    }
}

/// The exception that a wait was ended by.
fn failure_in(py: Python<'_>, input: Input<'_>) -> Option<Py<PyAny>> {
    match input {
        Input::Failure(error) => Some(error.into_value(py).into_any()),
        Input::Start | Input::Value(_) => None,
    }
}

impl Routine for Wait {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        Ok(match self.advance(py, input)? {
            Some(awaitable) => Progress::Await(awaitable),
            None => Progress::Return(boolean(py, true)),
        })
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.traverse(visit)
    }
}

/// `Condition.wait_for`.
pub(super) struct WaitFor {
    condition: Py<Condition>,
    predicate: Py<PyAny>,
    /// What is waited for at present; None for what the condition's own `wait` has returned.
    wait: Option<Wait>,
    has_begun: bool,
}

impl WaitFor {
    pub(super) fn new(condition: &Bound<'_, Condition>, predicate: &Bound<'_, PyAny>) -> Self {
        Self {
            condition: condition.clone().unbind(),
            predicate: predicate.clone().unbind(),
            wait: None,
            has_begun: false,
        }
    }

    /// Lets the wait that has begun go on; None once it has ended.
    fn go_on<'py>(
        &mut self,
        py: Python<'py>,
        input: Input<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        match &mut self.wait {
            Some(wait) => wait.advance(py, input),
            None => input.value(py).map(|_waited| None),
        }
    }

    fn wait_again<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let condition = self.condition.bind(py);
        if Condition::is_plain(condition)? {
            return self
                .wait
                .insert(Wait::of(condition))
                .advance(py, Input::Start);
        }
        self.wait = None;
        condition.call_method0(intern!(py, "wait")).map(Some)
    }
}

impl Routine for WaitFor {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if std::mem::replace(&mut self.has_begun, true)
            && let Some(awaitable) = self.go_on(py, input)?
        {
            return Ok(Progress::Await(awaitable));
        }
        loop {
            let result = self.predicate.bind(py).call0()?;
            if result.is_truthy()? {
                return Ok(Progress::Return(result));
            }
            if let Some(awaitable) = self.wait_again(py)? {
                return Ok(Progress::Await(awaitable));
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.condition)?;
        visit.call(&self.predicate)?;
        self.wait
            .as_ref()
            .map_or(Ok(()), |wait| wait.traverse(visit))
    }
}
