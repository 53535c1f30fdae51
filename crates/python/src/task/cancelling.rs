//! Cancelling a task: the request goes to what the task waits for, or waits for the next step.

use pyo3::exceptions::PyRecursionError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Resume, Task};
use crate::future::Future;
use crate::joint::GatheringFuture;

/// The message of the last request that had to wait.
pub(super) fn message<'py>(slf: &Bound<'py, Task>) -> Option<Bound<'py, PyAny>> {
    let py = slf.py();
    slf.as_super()
        .get()
        .with(py, |core| {
            let message = core.extras.as_ref()?.cancel_message.as_ref()?;
            Some(message.clone_ref(py))
        })
        .map(|message| message.into_bound(py))
}

/// What a task waits for.
enum Awaited<'py> {
    Nothing,
    /// Exactly one of our tasks.
    Task(Bound<'py, Task>),
    /// Exactly one of our futures.
    Future(Bound<'py, Future>),
    /// What `gather` has returned.
    Gathering(Bound<'py, GatheringFuture>),
    /// Any other future.
    Foreign(Bound<'py, PyAny>),
}

fn awaited<'py>(slf: &Bound<'py, Task>) -> Awaited<'py> {
    let py = slf.py();
    let awaited = slf.get().with(py, |inner| match &inner.resume {
        Resume::Send | Resume::Throw(_) => None,
        Resume::Native(future) => Some(Ok(future.clone_ref(py))),
        Resume::Foreign(future) => Some(Err(future.clone_ref(py))),
    });
    match awaited {
        None => Awaited::Nothing,
        Some(Err(future)) => Awaited::Foreign(future.into_bound(py)),
        Some(Ok(future)) => match future.into_bound(py).into_any().cast_into::<Task>() {
            Ok(task) => Awaited::Task(task),
            Err(other) => match other.into_inner().cast_into::<GatheringFuture>() {
                Ok(gathering) => Awaited::Gathering(gathering),
                Err(plain) => match plain.into_inner().cast_into::<Future>() {
                    Ok(future) => Awaited::Future(future),
                    Err(_never) => Awaited::Nothing,
                },
            },
        },
    }
}

/// Cancels what the task waits for. False if it waits for nothing, or for something that refuses.
pub(super) fn cancel_awaited<'py>(
    slf: &Bound<'py, Task>,
    message: Option<&Bound<'py, PyAny>>,
) -> PyResult<bool> {
    match awaited(slf) {
        Awaited::Nothing => Ok(false),
        Awaited::Task(task) => request(task, message),
        Awaited::Future(future) => Future::cancel(&future, message.cloned()),
        Awaited::Gathering(gathering) => GatheringFuture::cancel_children(&gathering, message),
        Awaited::Foreign(future) => cancel_foreign(&future, message),
    }
}

fn cancel_foreign<'py>(
    future: &Bound<'py, PyAny>,
    message: Option<&Bound<'py, PyAny>>,
) -> PyResult<bool> {
    let py = future.py();
    let kwargs = PyDict::new(py);
    kwargs.set_item(intern!(py, "msg"), message)?;
    future
        .call_method(intern!(py, "cancel"), (), Some(&kwargs))?
        .is_truthy()
}

/// Asks a task to end. False if it is done.
///
/// The request goes to what the task waits for, which may be a task that waits for a task. asyncio makes one
/// call inside the other for them; here the chain, which may be long, is walked.
fn request<'py>(slf: Bound<'py, Task>, message: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
    let py = slf.py();
    let mut waiting: Option<Bound<'py, Task>> = None;
    let mut task = slf;
    let mut steps: u64 = 0;
    // A task that the walk has come by, and where the walk was then: who meets it again walks in a circle.
    let (mut landmark, mut next_landmark) = (task.clone(), 1);
    loop {
        let future = task.as_super().get();
        future.with(py, |core| core.log_traceback = false);
        if !future.is_pending(py) {
            return match waiting {
                None => Ok(false),
                Some(waiting) => remember(&waiting, message),
            };
        }
        task.get().with(py, |inner| {
            inner.cancel_requests = inner.cancel_requests.saturating_add(1);
        });
        let is_cancelled = match awaited(&task) {
            Awaited::Nothing => false,
            Awaited::Future(future) => Future::cancel(&future, message.cloned())?,
            Awaited::Gathering(gathering) => GatheringFuture::cancel_children(&gathering, message)?,
            Awaited::Foreign(future) => cancel_foreign(&future, message)?,
            Awaited::Task(next) => {
                if next.is(&landmark) {
                    return Err(PyRecursionError::new_err(
                        "maximum recursion depth exceeded: tasks await each other in a circle",
                    ));
                }
                steps += 1;
                if steps == next_landmark {
                    landmark = next.clone();
                    next_landmark *= 2;
                }
                waiting = Some(std::mem::replace(&mut task, next));
                continue;
            }
        };
        // If it was: that may be a task that goes on. Then there will be another request.
        return if is_cancelled {
            Ok(true)
        } else {
            remember(&task, message)
        };
    }
}

/// Has the task cancelled at its next step.
fn remember<'py>(slf: &Bound<'py, Task>, message: Option<&Bound<'py, PyAny>>) -> PyResult<bool> {
    let py = slf.py();
    let message = message
        .filter(|message| !message.is_none())
        .map(|message| message.clone().unbind());
    slf.get().with(py, |inner| inner.must_cancel = true);
    let previous = slf.as_super().get().with(py, |core| {
        if message.is_none() && core.extras.is_none() {
            return None;
        }
        std::mem::replace(&mut core.extras().cancel_message, message)
    });
    drop(previous);
    Ok(true)
}

#[pymethods]
impl Task {
    /// Asks the task to end: `CancelledError` is thrown into its coroutine, which may refuse. Returns False
    /// if the task is done.
    #[pyo3(signature = (msg=None))]
    pub(crate) fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        request(slf.clone(), msg.as_ref())
    }

    /// How many requests to cancel the task are open.
    pub(crate) fn cancelling(&self, py: Python<'_>) -> u32 {
        self.with(py, |inner| inner.cancel_requests)
    }

    /// Takes back one request to cancel the task. Returns how many are left.
    pub(crate) fn uncancel(&self, py: Python<'_>) -> u32 {
        self.with(py, |inner| {
            if inner.cancel_requests > 0 {
                inner.cancel_requests -= 1;
                // Since Python 3.13 the last one also takes back a cancellation that is still due.
                if cfg!(Py_3_13) && inner.cancel_requests == 0 {
                    inner.must_cancel = false;
                }
            }
            inner.cancel_requests
        })
    }
}
