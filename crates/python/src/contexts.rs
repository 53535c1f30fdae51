//! The contexts of callbacks: captured when they are scheduled, copied only if they change.
//!
//! asyncio copies the current context for each callback that is scheduled without one, and for each
//! task. Most of them change no variable, and most are made by code whose variables are the same as
//! the time before. So one *pristine* copy is shared by all that were made under the same
//! variables, and they run, one after the other, in one *working* copy of it, which is replaced as
//! soon as one has changed it or somebody keeps it. None of them can tell the difference. The
//! thread stays in the working context from one call to the next, until something else is to run.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyContext;

use crate::raw::context::{self, Watch};
use crate::raw::guarded::Guarded;
use crate::raw::refcount;

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

    /// Lets go of it, here and now.
    #[inline]
    pub(crate) fn release(self, py: Python<'_>) {
        let (Self::Own(context) | Self::Shared(context)) = self;
        drop(context.into_bound(py));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let (Self::Own(context) | Self::Shared(context)) = self;
        visit.call(context)
    }
}

/// A context that the loop's thread has entered, and stays in from one call to the next.
struct Entered {
    /// What it is the working copy of; None for one that is somebody's own.
    pristine: Option<Py<PyContext>>,
    working: Py<PyContext>,
    /// Tells whether a working copy can still pass for a fresh one; None for what is no copy.
    watch: Option<Watch>,
    /// Whether a call is under way in it. Calls from within that call have contexts of their own.
    is_busy: bool,
}

impl Entered {
    /// Whether the working context can pass for a fresh copy of the pristine one.
    #[inline]
    fn is_clean(&self) -> bool {
        self.watch
            .as_ref()
            .is_some_and(|watch| watch.is_true_of(&self.working))
    }
}

/// The copies that the callbacks and tasks of a loop share.
pub(crate) struct Contexts {
    /// Has the variables under which callbacks were last scheduled. Never entered.
    pristine: Guarded<Option<Py<PyContext>>>,
    /// The copy of a pristine context that calls are made in, one after the other.
    entered: Guarded<Option<Entered>>,
    /// The working context that was left last.
    spare: Guarded<Option<Py<PyContext>>>,
}

impl Contexts {
    pub(crate) const fn new() -> Self {
        Self {
            pristine: Guarded::new(None),
            entered: Guarded::new(None),
            spare: Guarded::new(None),
        }
    }

    /// Captures the current context for a callback.
    #[inline]
    pub(crate) fn capture(&self, py: Python<'_>) -> PyResult<Captured> {
        let Some(variables) = context::current_variables(py) else {
            // Unknown, or the thread has no context: the copy gives it one.
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
        let previous = self.pristine.replace(py, Some(copied.clone_ref(py)));
        drop(previous.map(|previous| previous.into_bound(py)));
        Ok(Captured::Shared(copied))
    }

    /// Runs `call` in a captured context, whatever else is under way. If the call changes the context, or fails,
    /// the context it ran in becomes the captured one, which from then on is the caller's own.
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
        let copy = self.copy(py, pristine)?;
        let result = context::run_in(py, &copy, call);
        let is_clean = refcount::is_sole(&copy)
            && context::variables_of(py, &copy) == context::variables_of(py, pristine);
        if is_clean && result.is_ok() {
            drop(self.spare.replace(py, Some(copy)));
        } else {
            *captured = Captured::Own(copy);
        }
        result
    }

    /// As `run_in`, for the loop itself, which makes one call after the other.
    #[inline]
    pub(crate) fn run_next_in<R>(
        &self,
        py: Python<'_>,
        captured: &mut Captured,
        call: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        let pristine = match captured {
            Captured::Own(context) => {
                self.leave(py)?;
                return context::run_in(py, context, call);
            }
            Captured::Shared(pristine) => pristine,
        };
        if !self.go_on(py, pristine) {
            self.begin(pristine.bind(py))?;
        }
        let result = call();
        let changed = if result.is_err() {
            // So that it can be reported where it happened.
            self.take(py)
        } else {
            self.end(py)
        };
        if let Some(context) = changed? {
            *captured = Captured::Own(context);
        }
        result
    }

    /// A copy of `pristine` that nobody has entered.
    fn copy(&self, py: Python<'_>, pristine: &Py<PyContext>) -> PyResult<Py<PyContext>> {
        let variables = context::variables_of(py, pristine);
        match self.spare.replace(py, None) {
            Some(spare)
                if refcount::is_sole(&spare) && context::variables_of(py, &spare) == variables =>
            {
                Ok(spare)
            }
            _ => context::copy(py, pristine),
        }
    }

    /// Makes a call begin in the working copy of `pristine`, if the thread is in it already: whether that is so. For the
    /// loop itself; what begins has to be ended by `end` or `take`.
    #[inline]
    pub(crate) fn go_on(&self, py: Python<'_>, pristine: &Py<PyContext>) -> bool {
        self.entered.with(py, |entered| match entered {
            Some(entered) => {
                let is_it = entered
                    .pristine
                    .as_ref()
                    .is_some_and(|own| own.is(pristine))
                    && entered.is_clean();
                entered.is_busy |= is_it;
                is_it
            }
            None => false,
        })
    }

    /// Makes a call begin in a working copy of `pristine`, which the thread enters for it. Where `go_on` has refused.
    #[inline(never)]
    pub(crate) fn begin(&self, pristine: &Bound<'_, PyContext>) -> PyResult<()> {
        let py = pristine.py();
        self.leave(py)?;
        let working = self.copy(py, pristine.as_unbound())?;
        self.enter(py, Some(pristine.clone().unbind()), working)
    }

    /// Enters a context that is somebody's own, unless the thread is in it already. For the loop itself.
    #[inline]
    pub(crate) fn begin_own(&self, context: &Bound<'_, PyContext>) -> PyResult<()> {
        let py = context.py();
        let is_there = self.entered.with(py, |entered| {
            entered
                .as_ref()
                .is_some_and(|entered| entered.pristine.is_none() && entered.working.is(context))
        });
        if is_there {
            return Ok(());
        }
        self.leave(py)?;
        self.enter(py, None, context.clone().unbind())
    }

    fn enter(
        &self,
        py: Python<'_>,
        pristine: Option<Py<PyContext>>,
        working: Py<PyContext>,
    ) -> PyResult<()> {
        context::enter(py, &working)?;
        let entered = Entered {
            watch: pristine.as_ref().and_then(|_| Watch::of(py, &working)),
            is_busy: pristine.is_some(),
            pristine,
            working,
        };
        drop(self.entered.replace(py, Some(entered)));
        Ok(())
    }

    /// Ends what `go_on` or `begin` has begun. If the call has changed the context, or somebody has got hold of it, it
    /// is left, and returned: it is the caller's own from here on.
    #[inline]
    pub(crate) fn end(&self, py: Python<'_>) -> PyResult<Option<Py<PyContext>>> {
        let is_clean = self.entered.with(py, |entered| match entered {
            Some(entered) => {
                entered.is_busy = false;
                entered.is_clean()
            }
            None => true,
        });
        if is_clean { Ok(None) } else { self.take(py) }
    }

    /// Leaves the context that was entered, and returns it for the caller's own.
    #[cold]
    fn take(&self, py: Python<'_>) -> PyResult<Option<Py<PyContext>>> {
        let Some(entered) = self.entered.replace(py, None) else {
            return Ok(None);
        };
        context::exit(py, &entered.working)?;
        Ok(Some(entered.working))
    }

    /// The context that a call is under way in.
    pub(crate) fn working(&self, py: Python<'_>) -> Option<Py<PyContext>> {
        self.entered.with(py, |entered| {
            entered
                .as_ref()
                .filter(|entered| entered.is_busy)
                .map(|entered| entered.working.clone_ref(py))
        })
    }

    /// Leaves the context that calls were made in. For the loop itself.
    #[inline]
    pub(crate) fn leave(&self, py: Python<'_>) -> PyResult<()> {
        let left = self.entered.replace(py, None);
        left.map_or(Ok(()), |left| self.leave_entered(py, left))
    }

    fn leave_entered(&self, py: Python<'_>, entered: Entered) -> PyResult<()> {
        context::exit(py, &entered.working)?;
        if entered.pristine.is_some() {
            drop(self.spare.replace(py, Some(entered.working)));
        }
        Ok(())
    }

    /// Lets go of all copies.
    pub(crate) fn clear(&self, py: Python<'_>) {
        drop(self.pristine.replace(py, None));
        drop(self.spare.replace(py, None));
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.pristine
            .visit(|context| visit.call(context))
            .unwrap_or(Ok(()))?;
        self.spare
            .visit(|context| visit.call(context))
            .unwrap_or(Ok(()))
    }
}
