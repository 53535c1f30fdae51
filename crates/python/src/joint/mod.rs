//! What waits for several futures at once: `gather`, `wait`, `as_completed`, and task groups.
//!
//! asyncio gives every future a callback, and the loop calls each in the turn after its future is done. Here
//! a future of ours is noted the moment it is done, and only where that decides something, as
//! the last of many does, is there a call: in the very place where asyncio would have made it.

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

mod any_future;
mod as_completed;
mod gather;
mod wait;

pub(crate) use any_future::{AnyFuture, Settled, create_task, ensure_future, is_future};
pub(crate) use as_completed::AsCompleted;
pub(crate) use gather::{GatheringFuture, prepare};
pub(crate) use wait::WaitGroup;

use crate::event_loop::{EventLoop, Work};
use crate::future::{Future, Owner, Waiter};
use crate::raw::guarded::Guarded;
use crate::routine::Function;
use crate::task_group::TaskGroup;

/// The functions of this module.
pub(crate) static FUNCTIONS: &[&Function] = &[
    &any_future::CREATE_TASK,
    &any_future::ENSURE_FUTURE,
    &as_completed::AS_COMPLETED,
    &gather::GATHER,
    &wait::WAIT,
];

/// Who waits for several futures.
pub(crate) enum Joint {
    Gather(Py<GatheringFuture>),
    Wait(Py<WaitGroup>),
    AsCompleted(Py<AsCompleted>),
    Group(Py<TaskGroup>),
}

impl Joint {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Gather(gather) => Self::Gather(gather.clone_ref(py)),
            Self::Wait(group) => Self::Wait(group.clone_ref(py)),
            Self::AsCompleted(iterator) => Self::AsCompleted(iterator.clone_ref(py)),
            Self::Group(group) => Self::Group(group.clone_ref(py)),
        }
    }

    fn as_any(&self) -> &Py<PyAny> {
        match self {
            Self::Gather(gather) => gather.as_any(),
            Self::Wait(group) => group.as_any(),
            Self::AsCompleted(iterator) => iterator.as_any(),
            Self::Group(group) => group.as_any(),
        }
    }

    /// Whether both are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.as_any().is(other.as_any())
    }

    /// Takes note of a future that is done. Says whether there is something to `act` on in its turn.
    ///
    /// For a future of ours this calls no Python.
    fn note(&self, future: &AnyFuture<'_>) -> PyResult<bool> {
        let py = future.as_any().py();
        match self {
            Self::Gather(gather) => GatheringFuture::note(gather.bind(py), future),
            Self::Wait(group) => group.get().note(future),
            Self::AsCompleted(_) => Ok(true),
            Self::Group(group) => group.get().note(future),
        }
    }

    /// Does what a future that is done leads to.
    fn act(&self, future: &AnyFuture<'_>) -> PyResult<()> {
        let py = future.as_any().py();
        match self {
            Self::Gather(gather) => GatheringFuture::act(gather.bind(py), future),
            Self::Wait(group) => group.get().act(py),
            Self::AsCompleted(iterator) => iterator.get().act(future),
            Self::Group(group) => TaskGroup::act(group.bind(py), future),
        }
    }

    /// The task that waits, as the call graph has it.
    pub(crate) fn awaiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match self {
            Self::Gather(gather) => GatheringFuture::awaiter(gather.bind(py)),
            Self::Wait(group) => group.get().awaiter(py),
            Self::AsCompleted(iterator) => iterator.get().awaiter(py),
            Self::Group(group) => group.get().awaiter(py),
        }
    }

    /// The callback that stands for this where one has to be shown or handed over.
    pub(crate) fn to_callback(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let callback = JointCallback {
            joint: Guarded::new(Some(self.clone_ref(py))),
        };
        Ok(Py::new(py, callback)?.into_any())
    }

    /// Waits for a future.
    pub(crate) fn attach(&self, future: &AnyFuture<'_>) -> PyResult<()> {
        let py = future.as_any().py();
        if let AnyFuture::Ours(ours) = future
            && let Owner::Native(event_loop) = ours.get().owner(py)?
            && !event_loop.get().is_debug()
        {
            let mut waiter = Some(Waiter::Joint(self.clone_ref(py)));
            ours.get().with(py, |core| {
                if core.is_pending()
                    && let Some(waiter) = waiter.take()
                {
                    core.waiters.push(waiter);
                }
            });
            return match waiter {
                Some(Waiter::Joint(joint)) => joint.schedule(ours, event_loop.get()),
                _ => Ok(()),
            };
        }
        let callback = self.to_callback(py)?;
        future
            .as_any()
            .call_method1(intern!(py, "add_done_callback"), (callback,))?;
        self.note_edge(future)
    }

    /// Waits for a future no more.
    pub(crate) fn detach(&self, future: &AnyFuture<'_>) -> PyResult<()> {
        let py = future.as_any().py();
        if let AnyFuture::Ours(ours) = future {
            let is_own = |waiter: &Waiter| matches!(waiter, Waiter::Joint(other) if other.is(self));
            drop(ours.get().with(py, |core| core.waiters.take_out(is_own)));
        }
        let callback = self.to_callback(py)?;
        future
            .as_any()
            .call_method1(intern!(py, "remove_done_callback"), (callback,))?;
        self.discard_edge(future)
    }

    /// Hands this to the loop if the future, which is done, gives it something to do.
    pub(crate) fn schedule(
        self,
        future: &Bound<'_, Future>,
        event_loop: &EventLoop,
    ) -> PyResult<()> {
        if !self.note(&AnyFuture::Ours(future.clone()))? {
            return Ok(());
        }
        event_loop.check_closed()?;
        let due = Due {
            joint: self,
            future: future.clone().unbind(),
        };
        event_loop.schedule(future.py(), Work::Joint(Box::new(due)));
        Ok(())
    }

    /// Tells a future that is not ours who awaits it. Ours find their awaiters among their waiters.
    fn note_edge(&self, future: &AnyFuture<'_>) -> PyResult<()> {
        let py = future.as_any().py();
        match self.awaiter(py) {
            Some(awaiter) if cfg!(Py_3_14) => {
                crate::future::future_add_to_awaited_by(future.as_any(), awaiter.bind(py))
            }
            _ => Ok(()),
        }
    }

    fn discard_edge(&self, future: &AnyFuture<'_>) -> PyResult<()> {
        let py = future.as_any().py();
        match self.awaiter(py) {
            Some(awaiter) if cfg!(Py_3_14) => {
                crate::future::future_discard_from_awaited_by(future.as_any(), awaiter.bind(py))
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.as_any())
    }
}

/// A joint that has something to do for a future of ours, which is done.
pub(crate) struct Due {
    joint: Joint,
    future: Py<Future>,
}

impl Due {
    /// Does what the loop was handed this for.
    pub(crate) fn run(&self, py: Python<'_>) -> PyResult<()> {
        self.joint
            .act(&AnyFuture::Ours(self.future.bind(py).clone()))
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.joint.traverse(visit)?;
        visit.call(&self.future)
    }
}

/// A joint as a callback, for futures that are not ours and loops that are not.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct JointCallback {
    /// Empty once the collector has broken a cycle through it.
    joint: Guarded<Option<Joint>>,
}

#[pymethods]
impl JointCallback {
    fn __call__(&self, py: Python<'_>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let joint = self
            .joint
            .with(py, |joint| joint.as_ref().map(|joint| joint.clone_ref(py)));
        let Some(joint) = joint else {
            return Ok(());
        };
        if !is_future(future)? {
            return Err(PyTypeError::new_err("a future was expected"));
        }
        let future = AnyFuture::new(future.clone());
        joint.discard_edge(&future)?;
        if joint.note(&future)? {
            joint.act(&future)?;
        }
        Ok(())
    }

    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> bool {
        let Ok(other) = other.cast::<Self>() else {
            return false;
        };
        let address = |callback: &Self| {
            callback.joint.with(py, |joint| {
                joint.as_ref().map(|joint| joint.as_any().as_ptr())
            })
        };
        address(self) == address(other.get())
    }

    fn __hash__(&self, py: Python<'_>) -> usize {
        self.joint.with(py, |joint| {
            joint
                .as_ref()
                .map_or(0, |joint| joint.as_any().as_ptr().addr())
        })
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.joint
            .visit(|joint| joint.as_ref().map_or(Ok(()), |joint| joint.traverse(visit)))
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.joint.replace(py, None));
    }
}
