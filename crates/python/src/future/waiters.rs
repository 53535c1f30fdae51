//! Who is told when a future is done: the tasks that await it, and callbacks.
//!
//! The first waiter, and mostly the only one, is kept in the future itself. A task waits without a
//! callback object: when the future is done, the task goes into the ready queue as it is.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyList, PyTuple};

use super::Future;
use super::owner::Owner;
use crate::contexts::Captured;
use crate::event_loop::EventLoop;
use crate::joint::Joint;
use crate::raw::{c_task, context};
use crate::task::{Resumption, Task};

/// A callback of `add_done_callback`, and the context that it is called in.
pub(crate) struct Callback {
    pub(crate) callable: Py<PyAny>,
    pub(crate) context: Captured,
    /// The future, once it is done and the callback waits for its turn.
    pub(crate) future: Option<Py<Future>>,
}

impl Callback {
    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.callable)?;
        visit.call(&self.future)?;
        self.context.traverse(visit)
    }
}

/// One that waits for a future.
pub(crate) enum Waiter {
    /// A task of ours, of the same loop, that awaits the future.
    Task(Py<Task>),
    /// Whatever was given to `add_done_callback`.
    Callback(Box<Callback>),
    /// A `gather` or the like, of the same loop.
    Joint(Joint),
}

impl Waiter {
    /// Hands the waiter to the loop of its future, which is done.
    pub(super) fn schedule(self, future: &Bound<'_, Future>, owner: &Owner) -> PyResult<()> {
        let py = future.py();
        match (self, owner) {
            (Self::Task(task), Owner::Native(event_loop)) if !event_loop.get().is_debug() => {
                event_loop.get().schedule_task(py, task)
            }
            (Self::Task(task), _) => {
                let context = Task::own_context(task.bind(py))?;
                let wakeup = Bound::new(py, Resumption::wakeup(task))?;
                let args = PyTuple::new(py, [future])?;
                owner.call_soon(py, wakeup.as_any(), &args, context.bind(py))
            }
            (Self::Joint(joint), Owner::Native(event_loop)) if !event_loop.get().is_debug() => {
                joint.schedule(future, event_loop.get())
            }
            (Self::Joint(joint), _) => {
                let args = PyTuple::new(py, [future])?;
                let context = context::copy_current(py)?;
                owner.call_soon(py, joint.to_callback(py)?.bind(py), &args, context.bind(py))
            }
            (Self::Callback(callback), Owner::Native(event_loop)) => {
                EventLoop::schedule_callback(event_loop.bind(py), callback, future)
            }
            (Self::Callback(callback), Owner::Foreign(_)) => {
                let args = PyTuple::new(py, [future])?;
                let context = callback.context.into_own(py)?;
                owner.call_soon(py, callback.callable.bind(py), &args, context.bind(py))
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Task(task) => visit.call(task),
            Self::Callback(callback) => callback.traverse(visit),
            Self::Joint(joint) => joint.traverse(visit),
        }
    }
}

/// What a look at a waiter shows: what is called, and in which context.
pub(super) enum Shown {
    Task(Py<Task>),
    Callback(Py<PyAny>, Captured),
    Joint(Joint),
}

impl Shown {
    fn of(waiter: &Waiter, py: Python<'_>) -> Self {
        match waiter {
            Waiter::Task(task) => Self::Task(task.clone_ref(py)),
            Waiter::Joint(joint) => Self::Joint(joint.clone_ref(py)),
            Waiter::Callback(callback) => Self::Callback(
                callback.callable.clone_ref(py),
                callback.context.clone_ref(py),
            ),
        }
    }

    /// The task that waits, of ours or of asyncio's, if it is one.
    pub(super) fn into_task(self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self {
            Self::Task(task) => Ok(Some(task.into_any())),
            Self::Callback(callable, _) if c_task::is_step(callable.bind(py)) => {
                callable.getattr(py, intern!(py, "__self__")).map(Some)
            }
            Self::Callback(..) => Ok(None),
            Self::Joint(joint) => Ok(joint.awaiter(py)),
        }
    }

    /// Whether this is what `callable` asks to remove. Runs foreign code.
    pub(super) fn is_equal(&self, callable: &Bound<'_, PyAny>) -> PyResult<bool> {
        match self {
            Self::Task(task) => Ok(callable
                .cast::<Resumption>()
                .is_ok_and(|resumption| resumption.get().is_wakeup_of(callable.py(), task))),
            Self::Joint(joint) => joint
                .to_callback(callable.py())?
                .bind(callable.py())
                .eq(callable),
            Self::Callback(own, _) => Ok(own.is(callable) || own.bind(callable.py()).eq(callable)?),
        }
    }

    /// Whether this was a look at `waiter`.
    pub(super) fn is_of(&self, waiter: &Waiter) -> bool {
        match (self, waiter) {
            (Self::Task(task), Waiter::Task(other)) => task.is(other),
            (Self::Callback(callable, _), Waiter::Callback(other)) => callable.is(&other.callable),
            (Self::Joint(joint), Waiter::Joint(other)) => joint.is(other),
            _ => false,
        }
    }

    /// The callable that asyncio would have in this place, and its context.
    pub(super) fn into_call(self, py: Python<'_>) -> PyResult<(Py<PyAny>, Py<PyContext>)> {
        match self {
            Self::Task(task) => {
                let context = Task::own_context(task.bind(py))?;
                Ok((Py::new(py, Resumption::wakeup(task))?.into_any(), context))
            }
            Self::Callback(callable, context) => Ok((callable, context.into_own(py)?)),
            Self::Joint(joint) => Ok((joint.to_callback(py)?, context::copy_current(py)?)),
        }
    }
}

/// All that wait for one future, in the order in which they came.
#[derive(Default)]
pub(crate) enum Waiters {
    #[default]
    None,
    One(Waiter),
    #[expect(
        clippy::box_collection,
        reason = "few futures have several waiters, and a future should be small"
    )]
    Many(Box<Vec<Waiter>>),
}

impl Waiters {
    /// Adds one at the end.
    pub(crate) fn push(&mut self, waiter: Waiter) {
        match self {
            Self::None => *self = Self::One(waiter),
            Self::One(_) => {
                if let Self::One(first) = std::mem::take(self) {
                    *self = Self::Many(Box::new(vec![first, waiter]));
                }
            }
            Self::Many(waiters) => waiters.push(waiter),
        }
    }

    fn as_slice(&self) -> &[Waiter] {
        match self {
            Self::None => &[],
            Self::One(waiter) => std::slice::from_ref(waiter),
            Self::Many(waiters) => waiters,
        }
    }

    /// A look at all of them.
    pub(super) fn show(&self, py: Python<'_>) -> Vec<Shown> {
        let show = |waiter| Shown::of(waiter, py);
        self.as_slice().iter().map(show).collect()
    }

    /// Takes out those that `is_unwanted` points at; to be dropped by the caller.
    pub(crate) fn take_out(&mut self, is_unwanted: impl Fn(&Waiter) -> bool) -> Vec<Waiter> {
        let all = match std::mem::take(self) {
            Self::None => Vec::new(),
            Self::One(waiter) => vec![waiter],
            Self::Many(waiters) => *waiters,
        };
        let (taken, left): (Vec<_>, Vec<_>) = all.into_iter().partition(is_unwanted);
        left.into_iter().for_each(|waiter| self.push(waiter));
        taken
    }

    /// Hands all of them to the loop of `future`, which is done.
    #[inline]
    pub(super) fn schedule(self, future: &Bound<'_, Future>, owner: &Owner) -> PyResult<()> {
        match self {
            Self::None => Ok(()),
            Self::One(waiter) => waiter.schedule(future, owner),
            Self::Many(waiters) => waiters
                .into_iter()
                .try_for_each(|waiter| waiter.schedule(future, owner)),
        }
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.as_slice()
            .iter()
            .try_for_each(|waiter| waiter.traverse(visit))
    }
}

/// The list that asyncio's futures show as `_callbacks`, or None if there is none.
pub(super) fn list<'py>(
    py: Python<'py>,
    shown: Vec<Shown>,
) -> PyResult<Option<Bound<'py, PyList>>> {
    if shown.is_empty() {
        return Ok(None);
    }
    let calls: Vec<_> = shown
        .into_iter()
        .map(|shown| shown.into_call(py))
        .collect::<PyResult<_>>()?;
    PyList::new(py, calls).map(Some)
}
