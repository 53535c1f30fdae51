//! One operation under way, and its end once it has come.

use std::sync::Arc;

use aioxide_engine::files::Ticket;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::service::Service;
use super::{Completion, FileOperation, ForeignFiles};
use crate::event_loop::EventLoop;
use crate::future::{Outcome, exact_future};
use crate::raw::guarded::Guarded;
use crate::running::RunningLoop;

/// Where an operation's end is put.
pub(super) struct Slot(Guarded<State>);

#[derive(Default)]
struct State {
    /// The future of whoever waits; it may have been cancelled.
    waiter: Option<Py<PyAny>>,
    /// Boxed, since most slots are small for most of their life.
    completion: Option<Box<Completion>>,
}

impl Slot {
    fn new() -> Arc<Self> {
        Arc::new(Self(Guarded::new(State::default())))
    }

    /// Takes the end of the operation, and tells who waits for it.
    pub(super) fn complete(&self, py: Python<'_>, completion: Completion) -> PyResult<()> {
        let completion = Box::new(completion);
        let waiter = self.0.with(py, |state| {
            state.completion = Some(completion);
            state.waiter.take()
        });
        waiter.map_or(Ok(()), |waiter| wake(waiter.bind(py)))
    }

    pub(super) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let visited = self.0.visit(|state| visit.call(&state.waiter));
        visited.unwrap_or(Ok(()))
    }
}

/// Sets the result of a future that is not done.
fn wake(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = waiter.py();
    if let Some(future) = exact_future(waiter) {
        if future.get().is_pending(py) {
            crate::future::Future::settle(future, Outcome::Result(py.None()))?;
        }
        return Ok(());
    }
    if !waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
        waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

/// An operation under way.
///
/// Dropped before its end, it is left to itself: what it has opened is closed, and its memory lives on until
/// nobody uses it. Whoever gives up for good [cancels](Self::cancel) it.
pub(crate) struct Pending {
    service: Arc<Service>,
    ticket: Ticket,
    slot: Arc<Slot>,
}

impl Pending {
    /// Submits an operation to the loop that runs.
    ///
    /// # Errors
    /// `RuntimeError` if no loop runs here; what keeps the loop from having file operations (`OSError`, `ValueError`).
    pub(crate) fn begin(py: Python<'_>, operation: FileOperation) -> PyResult<Self> {
        let slot = Slot::new();
        let (service, ticket) = match RunningLoop::get(py)? {
            RunningLoop::Native(ours) => {
                let service = EventLoop::files(&ours)?;
                let ticket = service.submit(py, operation, &slot)?;
                ours.get().note_file_operation();
                (service, ticket)
            }
            RunningLoop::Foreign(other) => {
                let files = ForeignFiles::of(&other)?;
                let service = Arc::clone(files.get().service());
                let ticket = service.submit(py, operation, &slot)?;
                ForeignFiles::arrange_flush(&files, &other)?;
                (service, ticket)
            }
        };
        Ok(Self {
            service,
            ticket,
            slot,
        })
    }

    /// A future that is done with the operation, to be awaited; None if the operation is complete. Of several
    /// futures only the last is told.
    ///
    /// # Errors
    /// What the loop's `create_future` raises.
    pub(crate) fn wait<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.is_complete(py) {
            return Ok(None);
        }
        let future = RunningLoop::get(py)?.create_future()?;
        let waiter = future.clone().unbind();
        let previous = self.slot.0.with(py, |state| state.waiter.replace(waiter));
        drop(previous);
        Ok(Some(future))
    }

    /// Whether the operation has ended.
    pub(crate) fn is_complete(&self, py: Python<'_>) -> bool {
        self.slot.0.with(py, |state| state.completion.is_some())
    }

    /// Whether it will never end, for its loop was closed first. For whoever has a file of that loop's on another one.
    pub(crate) fn is_lost(&self, py: Python<'_>) -> bool {
        if self.is_complete(py) || !self.service.is_closed(py) {
            return false;
        }
        // It may have ended since, and nobody else will ever look.
        let (_count, result) = self.service.collect(py);
        if let Err(error) = result {
            error.write_unraisable(py, None);
        }
        self.service.close(py);
        !self.is_complete(py)
    }

    /// Its end, once; None before.
    pub(crate) fn take(&self, py: Python<'_>) -> Option<Completion> {
        let completion = self.slot.0.with(py, |state| state.completion.take());
        completion.map(|completion| *completion)
    }

    /// Asks for its end: its completion comes in any case.
    pub(crate) fn cancel(&self, py: Python<'_>) {
        self.service.cancel(py, self.ticket);
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.slot.traverse(visit)
    }
}
