//! A hop: a call of `run_in_executor` on its way to a thread, and its outcome on the way back.
//!
//! asyncio has two futures and five callbacks in this place. Here the job holds the loop's own future,
//! which tells the thread that it was cancelled, and the outcome goes back as work for the loop.

use std::sync::Arc;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::exchange::converted;
use crate::event_loop::{EventLoop, Mailbox};
use crate::future::{Future, Outcome, without_stop_iteration};

/// A function to be called in a thread, and the future that waits for it.
pub(crate) struct Hop {
    event_loop: Py<EventLoop>,
    future: Py<Future>,
    function: Py<PyAny>,
    args: Py<PyTuple>,
}

impl Hop {
    /// The call that `future`, a future of this loop, stands for.
    #[inline]
    pub(crate) fn new(
        event_loop: &Bound<'_, EventLoop>,
        future: &Bound<'_, Future>,
        function: &Bound<'_, PyAny>,
        args: Bound<'_, PyTuple>,
    ) -> Self {
        Self {
            event_loop: event_loop.clone().unbind(),
            future: future.clone().unbind(),
            function: function.clone().unbind(),
            args: args.unbind(),
        }
    }

    /// Calls the function, unless the future was cancelled first. Returns the loop to be woken.
    #[inline]
    pub(super) fn run(self, py: Python<'_>) -> Option<Arc<Mailbox>> {
        if !self.future.get().is_pending(py) {
            return None;
        }
        let Self {
            event_loop,
            future,
            function,
            args,
        } = self;
        let (call, args) = (function.into_bound(py), args.into_bound(py));
        let result = if args.is_empty() {
            call.call0()
        } else {
            call.call1(args)
        };
        drop(call);
        let outcome = match result {
            Ok(result) => Outcome::Result(result.unbind()),
            Err(error) => failure(py, error),
        };
        event_loop.get().deliver(py, Delivery { future, outcome })
    }

    /// Cancels the future, which its own loop has to do. Returns the loop to be woken.
    pub(super) fn cancel(self, py: Python<'_>) -> Option<Arc<Mailbox>> {
        let delivery = Delivery {
            future: self.future,
            outcome: Outcome::Cancelled,
        };
        self.event_loop.get().deliver(py, delivery)
    }
}

/// The outcome of a call that has raised `error`.
fn failure(py: Python<'_>, error: PyErr) -> Outcome {
    let exception = error.into_value(py).into_bound(py).into_any();
    let outcome = converted(exception)
        .and_then(without_stop_iteration)
        .and_then(Outcome::exception);
    match outcome {
        Ok(outcome) => outcome,
        // Only an exception class of the user's own that cannot be asked for its traceback brings this about.
        Err(error) => Outcome::exception(error.into_value(py).into_bound(py).into_any())
            .unwrap_or(Outcome::Cancelled),
    }
}

/// The outcome of a call, on its way to the future that waits for it.
pub(crate) struct Delivery {
    future: Py<Future>,
    outcome: Outcome,
}

impl Delivery {
    /// The future.
    pub(crate) fn future(&self) -> &Py<Future> {
        &self.future
    }

    /// Gives the future its outcome, unless it was cancelled meanwhile. For the loop's thread.
    #[inline]
    pub(crate) fn deliver(self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        if !future.get().is_pending(py) {
            return Ok(());
        }
        match self.outcome {
            Outcome::Cancelled => Future::cancel_pending(future, None).map(drop),
            outcome => Future::settle(future, outcome),
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.future)?;
        self.outcome.traverse(visit)
    }
}
