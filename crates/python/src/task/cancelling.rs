//! Cancelling a task: the request goes to what the task waits for, or waits for the next step.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::{Resume, Task};
use crate::future::Future;

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

/// Cancels what the task waits for. False if it waits for nothing, or for something that refuses.
pub(super) fn cancel_awaited(
    slf: &Bound<'_, Task>,
    message: Option<Bound<'_, PyAny>>,
) -> PyResult<bool> {
    let py = slf.py();
    let awaited = slf.get().with(py, |inner| match &inner.resume {
        Resume::Send | Resume::Throw(_) => None,
        Resume::Native(future) => Some(Ok(future.clone_ref(py))),
        Resume::Foreign(future) => Some(Err(future.clone_ref(py))),
    });
    match awaited {
        None => Ok(false),
        Some(Ok(future)) => match future.bind(py).cast::<Task>() {
            Ok(task) => Task::cancel(task, message),
            Err(_plain) => Future::cancel(future.bind(py), message),
        },
        Some(Err(future)) => {
            let kwargs = PyDict::new(py);
            kwargs.set_item(intern!(py, "msg"), message)?;
            future
                .bind(py)
                .call_method(intern!(py, "cancel"), (), Some(&kwargs))?
                .is_truthy()
        }
    }
}

#[pymethods]
impl Task {
    /// Asks the task to end: `CancelledError` is thrown into its coroutine, which may refuse. Returns False
    /// if the task is done.
    #[pyo3(signature = (msg=None))]
    pub(super) fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        let py = slf.py();
        let future = slf.as_super().get();
        future.with(py, |core| core.log_traceback = false);
        if !future.is_pending(py) {
            return Ok(false);
        }
        slf.get().with(py, |inner| {
            inner.cancel_requests = inner.cancel_requests.saturating_add(1);
        });
        if cancel_awaited(slf, msg.clone())? {
            // What it waits for may be a task that goes on: then there will be another request.
            return Ok(true);
        }
        let message = msg.filter(|msg| !msg.is_none()).map(Bound::unbind);
        slf.get().with(py, |inner| inner.must_cancel = true);
        let previous = future.with(py, |core| {
            if message.is_none() && core.extras.is_none() {
                return None;
            }
            std::mem::replace(&mut core.extras().cancel_message, message)
        });
        drop(previous);
        Ok(true)
    }

    /// How many requests to cancel the task are open.
    fn cancelling(&self, py: Python<'_>) -> u32 {
        self.with(py, |inner| inner.cancel_requests)
    }

    /// Takes back one request to cancel the task. Returns how many are left.
    fn uncancel(&self, py: Python<'_>) -> u32 {
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
