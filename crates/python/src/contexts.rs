//! The contexts of callbacks: captured when they are scheduled, copied only if they change.
//!
//! asyncio copies the current context for each callback that is scheduled without one. Most
//! callbacks change no variable, and most are scheduled by code whose variables are the same as
//! the time before. So one *pristine* copy is shared by all callbacks scheduled under the same
//! variables, and they run, one after the other, in one *working* copy of it, which is replaced as
//! soon as a callback has changed it or somebody keeps it. No callback can tell the difference.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyContext;

use crate::raw::guarded::Guarded;
use crate::raw::{context, refcount};

/// The context of one callback.
pub(crate) enum Captured {
    /// One that the caller gave, or that somebody has looked at: the callback runs in this very context.
    Own(Py<PyContext>),
    /// A pristine copy, shared with other callbacks and never entered.
    Shared(Py<PyContext>),
}

impl Captured {
    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Own(context) => Self::Own(context.clone_ref(py)),
            Self::Shared(context) => Self::Shared(context.clone_ref(py)),
        }
    }

    /// The context object; for a shared one a copy that is the callback's own from here on.
    pub(crate) fn into_own(self, py: Python<'_>) -> PyResult<Py<PyContext>> {
        match self {
            Self::Own(context) => Ok(context),
            Self::Shared(context) => context::copy(py, &context),
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let (Self::Own(context) | Self::Shared(context)) = self;
        visit.call(context)
    }
}

/// The two copies that the callbacks of a loop share.
pub(crate) struct Contexts {
    /// Has the variables under which callbacks were last scheduled. Never entered.
    pristine: Guarded<Option<Py<PyContext>>>,
    /// A copy of a pristine context that callbacks are run in. Absent while one runs.
    working: Guarded<Option<Py<PyContext>>>,
}

impl Contexts {
    pub(crate) const fn new() -> Self {
        Self {
            pristine: Guarded::new(None),
            working: Guarded::new(None),
        }
    }

    /// Captures the current context for a callback.
    #[inline]
    pub(crate) fn capture(&self, py: Python<'_>) -> PyResult<Captured> {
        let Some(variables) = context::current_variables(py) else {
            return context::copy_current(py).map(Captured::Own);
        };
        let pristine = self.pristine.with(py, |pristine| {
            pristine
                .as_ref()
                .filter(|pristine| context::variables_of(py, pristine) == Some(variables))
                .map(|pristine| pristine.clone_ref(py))
        });
        if let Some(pristine) = pristine {
            return Ok(Captured::Shared(pristine));
        }
        let copied = context::copy_current(py)?;
        drop(self.pristine.replace(py, Some(copied.clone_ref(py))));
        Ok(Captured::Shared(copied))
    }

    /// Runs `call` in a captured context. If it fails, the context it ran in becomes the captured one,
    /// so that the failure can be reported there.
    #[inline]
    pub(crate) fn run_in<R>(
        &self,
        py: Python<'_>,
        captured: &mut Captured,
        call: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        let pristine = match captured {
            Captured::Own(context) => return context::run_in(py, context, call),
            Captured::Shared(pristine) => pristine,
        };
        let variables = context::variables_of(py, pristine);
        let working = self.borrow_working(py, pristine)?;
        let result = context::run_in(py, &working, call);
        if result.is_err() {
            *captured = Captured::Own(working);
        } else if refcount::is_sole(&working) && context::variables_of(py, &working) == variables {
            drop(self.working.replace(py, Some(working)));
        }
        result
    }

    /// Runs a step of a task in its context. `exchange` puts a context into the task and returns what it had.
    ///
    /// A task that shares its context has the working copy for its own during the step, and keeps
    /// it if the step has changed it or if somebody else has got hold of it.
    #[inline]
    pub(crate) fn run_task<R>(
        &self,
        py: Python<'_>,
        exchange: impl Fn(Option<Captured>) -> Option<Captured>,
        step: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        let pristine = match exchange(None) {
            Some(Captured::Shared(pristine)) => pristine,
            own => {
                let context = match &own {
                    Some(Captured::Own(context)) => context.clone_ref(py),
                    _ => context::copy_current(py)?,
                };
                drop(exchange(own));
                return context::run_in(py, &context, step);
            }
        };
        let working = self.borrow_working(py, &pristine)?;
        drop(exchange(Some(Captured::Own(working.clone_ref(py)))));
        let result = context::run_in(py, &working, step);
        if context::variables_of(py, &working) == context::variables_of(py, &pristine) {
            drop(exchange(Some(Captured::Shared(pristine))));
            if refcount::is_sole(&working) {
                drop(self.working.replace(py, Some(working)));
            } else {
                drop(exchange(Some(Captured::Own(working))));
            }
        }
        result
    }

    /// The working copy of `pristine`, for one call.
    #[inline]
    fn borrow_working(&self, py: Python<'_>, pristine: &Py<PyContext>) -> PyResult<Py<PyContext>> {
        match self.working.replace(py, None) {
            Some(working)
                if context::variables_of(py, &working) == context::variables_of(py, pristine) =>
            {
                Ok(working)
            }
            _ => context::copy(py, pristine),
        }
    }

    /// Lets go of both copies.
    pub(crate) fn clear(&self, py: Python<'_>) {
        drop(self.pristine.replace(py, None));
        drop(self.working.replace(py, None));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.pristine
            .visit(|context| visit.call(context))
            .unwrap_or(Ok(()))?;
        self.working
            .visit(|context| visit.call(context))
            .unwrap_or(Ok(()))
    }
}
