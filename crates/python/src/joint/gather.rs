//! `gather`: one future of many.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTuple};

use super::any_future::{self, AnyFuture, Settled, current_loop};
use super::{Joint, ensure_future};
use crate::event_loop::EventLoop;
use crate::future::{
    Future, Outcome, Owner, cancelled_error_class, future_discard_from_awaited_by,
};
use crate::numbers::ByAddress;
use crate::raw::fastcall::{Arguments, is_name};
use crate::raw::guarded::Guarded;
use crate::raw::{coroutine, iteration, lifecycle};
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::{RunningLoop, running_loop, set_loop};
use crate::task::current_task;

struct State {
    /// One for each argument, so that a future may stand here twice.
    children: Vec<Py<PyAny>>,
    /// How many of the futures are not done.
    remaining: usize,
    returns_exceptions: bool,
    is_cancel_requested: bool,
    /// The task that has called `gather`, for the call graph.
    awaiter: Option<Py<PyAny>>,
}

/// The future that `gather` returns. To cancel it is to cancel those that it waits for.
#[pyclass(module = "aioxide", frozen, extends = Future, name = "_GatheringFuture")]
pub(crate) struct GatheringFuture {
    state: Guarded<State>,
}

impl GatheringFuture {
    fn new<'py>(
        py: Python<'py>,
        owner: Owner,
        children: &[AnyFuture<'py>],
        remaining: usize,
        returns_exceptions: bool,
    ) -> PyResult<Bound<'py, Self>> {
        let state = State {
            children: children
                .iter()
                .map(|child| child.as_any().clone().unbind())
                .collect(),
            remaining,
            returns_exceptions,
            is_cancel_requested: false,
            awaiter: None,
        };
        let gathering = Self {
            state: Guarded::new(state),
        };
        let future = Future::pending(py, owner)?;
        Bound::new(py, PyClassInitializer::from(future).add_subclass(gathering))
    }

    fn is_done(slf: &Bound<'_, Self>) -> bool {
        !slf.as_super().get().is_pending(slf.py())
    }

    pub(super) fn note(slf: &Bound<'_, Self>, child: &AnyFuture<'_>) -> PyResult<bool> {
        let py = slf.py();
        let has_failed = child.has_failed()?;
        let (remaining, returns_exceptions) = slf.get().state.with(py, |state| {
            state.remaining = state.remaining.saturating_sub(1);
            (state.remaining, state.returns_exceptions)
        });
        if Self::is_done(slf) {
            child.mark_retrieved()?;
            return Ok(false);
        }
        Ok(remaining == 0 || has_failed && !returns_exceptions)
    }

    pub(super) fn act(slf: &Bound<'_, Self>, child: &AnyFuture<'_>) -> PyResult<()> {
        let py = slf.py();
        if Self::is_done(slf) {
            return child.mark_retrieved();
        }
        let (remaining, returns_exceptions) = slf
            .get()
            .state
            .with(py, |state| (state.remaining, state.returns_exceptions));
        if !returns_exceptions {
            let failure = match child.settled()? {
                Settled::Result(_) => None,
                Settled::Exception(exception) => Some(exception),
                Settled::Cancelled => Some(child.make_cancelled_error()?),
            };
            if let Some(failure) = failure {
                Self::forget_awaiter(slf)?;
                return Future::settle_exception(slf.as_super(), failure);
            }
        }
        if remaining > 0 {
            return Ok(());
        }
        let results = Self::results(slf)?;
        if slf.get().state.with(py, |state| state.is_cancel_requested) {
            // With the message of the last one in the list, whether or not that was cancelled.
            let children = Self::children(slf);
            let last = children.last().unwrap_or(child);
            return Future::settle_exception(slf.as_super(), last.make_cancelled_error()?);
        }
        Future::settle(slf.as_super(), Outcome::Result(results.into_any().unbind()))
    }

    /// Tells those that are still pending that nobody waits for them any more by this.
    fn forget_awaiter(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let awaiter = slf.get().state.with(py, |state| state.awaiter.take());
        let Some(awaiter) = awaiter else {
            return Ok(());
        };
        for child in Self::children(slf) {
            future_discard_from_awaited_by(child.as_any(), awaiter.bind(py))?;
        }
        Ok(())
    }

    fn children<'py>(slf: &Bound<'py, Self>) -> Vec<AnyFuture<'py>> {
        let py = slf.py();
        let children = slf.get().state.with(py, |state| {
            let children = state.children.iter();
            children
                .map(|child| child.clone_ref(py))
                .collect::<Vec<_>>()
        });
        let bind = |child: Py<PyAny>| AnyFuture::new(child.into_bound(py));
        children.into_iter().map(bind).collect()
    }

    fn results<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let py = slf.py();
        let results = Self::children(slf)
            .iter()
            .map(|child| match child.settled()? {
                Settled::Result(result) => Ok(result),
                Settled::Exception(exception) => Ok(exception),
                Settled::Cancelled => {
                    let message = child.as_any().getattr(intern!(py, "_cancel_message"))?;
                    let message = if message.is_none() {
                        intern!(py, "").clone().into_any()
                    } else {
                        message
                    };
                    cancelled_error_class(py)?.call1((message,))
                }
            })
            .collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, results)
    }

    /// Cancels all children. Says whether any could be.
    pub(crate) fn cancel_children<'py>(
        slf: &Bound<'py, Self>,
        message: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<bool> {
        if Self::is_done(slf) {
            return Ok(false);
        }
        let mut is_cancelled = false;
        for child in Self::children(slf) {
            is_cancelled |= child.cancel(message)?;
        }
        if is_cancelled {
            // Even if every child returns something after all, or exceptions are returned, this is raised.
            slf.get()
                .state
                .with(slf.py(), |state| state.is_cancel_requested = true);
        }
        Ok(is_cancelled)
    }

    pub(super) fn awaiter(slf: &Bound<'_, Self>) -> Option<Py<PyAny>> {
        if Self::is_done(slf) {
            return None;
        }
        let py = slf.py();
        slf.get().state.with(py, |state| {
            state.awaiter.as_ref().map(|awaiter| awaiter.clone_ref(py))
        })
    }
}

#[pymethods]
impl GatheringFuture {
    /// Cancels all that this waits for. Returns False if it is done, or if nothing could be cancelled.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Bound<'_, PyAny>>) -> PyResult<bool> {
        Self::cancel_children(slf, msg.as_ref())
    }

    #[getter(_children)]
    fn private_children<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyList>> {
        let children = Self::children(slf);
        PyList::new(slf.py(), children.iter().map(AnyFuture::as_any))
    }

    #[getter(_cancel_requested)]
    fn cancel_requested(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| state.is_cancel_requested)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                state
                    .children
                    .iter()
                    .try_for_each(|child| visit.call(child))?;
                visit.call(&state.awaiter)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let dropped = self.state.with(py, |state| {
            (std::mem::take(&mut state.children), state.awaiter.take())
        });
        drop(dropped);
    }
}

pub(super) static GATHER: Function = Function {
    qualname: "gather",
    call: gather,
};

fn gather<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let mut returns_exceptions = false;
    let unknown = arguments.keywords(|name, value| {
        let is_known = is_name(name, intern!(py, "return_exceptions"));
        if is_known {
            returns_exceptions = value.is_truthy()?;
        }
        Ok(is_known)
    })?;
    if unknown.is_some() {
        return Ok(None);
    }
    let awaitables: Vec<_> = (0..arguments.positional_count())
        .filter_map(|place| arguments.positional(place))
        .map(|awaitable| awaitable.to_owned())
        .collect();
    let running = running_loop(py).ok();
    if running.is_none() && is_unbound(py, &awaitables)? {
        let deferred = Deferred {
            awaitables: PyTuple::new(py, awaitables)?.unbind(),
            returns_exceptions,
        };
        return Coroutine::start(py, &GATHER, deferred);
    }
    let gathered = gather_on(py, running, &awaitables, returns_exceptions)?;
    Ok(Some(gathered.unbind()))
}

/// Whether no loop is known that these could be gathered on: none is set, and none of them is a future.
fn is_unbound(py: Python<'_>, awaitables: &[Bound<'_, PyAny>]) -> PyResult<bool> {
    for awaitable in awaitables {
        if any_future::is_future(awaitable)? {
            return Ok(false);
        }
    }
    Ok(set_loop(py)?.is_none())
}

/// A future of all of them.
fn gather_on<'py>(
    py: Python<'py>,
    running: Option<Bound<'py, PyAny>>,
    awaitables: &[Bound<'py, PyAny>],
    returns_exceptions: bool,
) -> PyResult<Bound<'py, PyAny>> {
    if awaitables.is_empty() {
        let event_loop = match running {
            Some(running) => running,
            None => current_loop(py)?,
        };
        let outer = RunningLoop::of(event_loop)?.create_future()?;
        outer.call_method1(intern!(py, "set_result"), (PyList::empty(py),))?;
        return Ok(outer);
    }
    let mut family = Family::new(py, running.clone());
    for awaitable in awaitables {
        if let Err(error) = family.add(awaitable) {
            family.abandon()?;
            return Err(error);
        }
    }
    let Some(event_loop) = family.event_loop.clone() else {
        return Err(PyRuntimeError::new_err("no running event loop"));
    };
    let owner = Owner::new(&event_loop)?;
    let remaining = family.unique.len();
    let outer = GatheringFuture::new(py, owner, &family.children, remaining, returns_exceptions)?;
    if let Some(running) = running
        && cfg!(Py_3_14)
    {
        let awaiter = current_task(&running)?.map(Bound::unbind);
        outer.get().state.with(py, |state| state.awaiter = awaiter);
    }
    family.join(&outer)?;
    Ok(outer.into_any())
}

/// The futures that are to be gathered.
struct Family<'py> {
    py: Python<'py>,
    event_loop: Option<Bound<'py, PyAny>>,
    /// The loop, once it is known, for tasks to be made on.
    running: Option<RunningLoop<'py>>,
    children: Vec<AnyFuture<'py>>,
    /// The places of each future's first appearance among the children.
    unique: Vec<usize>,
    /// The places of what is compared by identity, as coroutines and futures are.
    places: ByAddress<usize>,
    /// The places of everything else.
    others: Option<Bound<'py, PyDict>>,
}

impl<'py> Family<'py> {
    fn new(py: Python<'py>, event_loop: Option<Bound<'py, PyAny>>) -> Self {
        Self {
            py,
            event_loop,
            running: None,
            children: Vec::new(),
            unique: Vec::new(),
            places: ByAddress::default(),
            others: None,
        }
    }

    /// Where the same awaitable stands already; else it is noted for the place that comes next.
    fn place(&mut self, awaitable: &Bound<'py, PyAny>) -> PyResult<Option<usize>> {
        let next = self.children.len();
        if coroutine::is_coroutine(awaitable) || crate::future::exact_future(awaitable).is_some() {
            let known = self.places.insert(awaitable.as_ptr().addr(), next);
            if let Some(known) = known {
                self.places.insert(awaitable.as_ptr().addr(), known);
            }
            return Ok(known);
        }
        let others = self.others.get_or_insert_with(|| PyDict::new(self.py));
        match others.get_item(awaitable)? {
            Some(known) => known.extract().map(Some),
            None => {
                others.set_item(awaitable, next)?;
                Ok(None)
            }
        }
    }

    fn add(&mut self, awaitable: &Bound<'py, PyAny>) -> PyResult<()> {
        if let Some(known) = self.place(awaitable)? {
            if let Some(child) = self.children.get(known) {
                let again = AnyFuture::new(child.as_any().clone());
                self.children.push(again);
            }
            return Ok(());
        }
        let child = self.child(awaitable)?;
        if self.event_loop.is_none() {
            self.event_loop = Some(child.event_loop()?);
        }
        if !child.as_any().is(awaitable) {
            any_future::disown(&child)?;
        }
        self.unique.push(self.children.len());
        self.children.push(child);
        Ok(())
    }

    #[inline]
    fn child(&mut self, awaitable: &Bound<'py, PyAny>) -> PyResult<AnyFuture<'py>> {
        if let Some(event_loop) = &self.event_loop
            && self.running.is_none()
        {
            self.running = Some(RunningLoop::of(event_loop.clone())?);
        }
        match &self.running {
            Some(RunningLoop::Native(ours)) if coroutine::is_coroutine(awaitable) => {
                EventLoop::spawn(ours, awaitable).map(AnyFuture::new)
            }
            _ => ensure_future(awaitable, self.event_loop.as_ref()),
        }
    }

    /// Has `outer` wait for all of them.
    fn join(&self, outer: &Bound<'py, GatheringFuture>) -> PyResult<()> {
        let joint = Joint::Gather(outer.clone().unbind());
        let mut done = Vec::new();
        for child in self
            .unique
            .iter()
            .filter_map(|place| self.children.get(*place))
        {
            if cfg!(Py_3_12) && child.is_done()? {
                done.push(child);
            } else {
                joint.attach(child)?;
            }
        }
        // Tasks that started eagerly may all be done, and then so is this.
        for child in done {
            if GatheringFuture::note(outer, child)? {
                GatheringFuture::act(outer, child)?;
            }
        }
        Ok(())
    }

    /// Nobody will wait for those that were made before an error; nor will their exceptions be reported.
    fn abandon(&self) -> PyResult<()> {
        let Some(event_loop) = &self.event_loop else {
            return Ok(());
        };
        let owner = Owner::new(event_loop)?;
        let outer = GatheringFuture::new(self.py, owner, &[], 0, true)?;
        Future::cancel_pending(outer.as_super(), None)?;
        self.join(&outer)
    }
}

/// A `gather` without a loop: it is done on the loop that awaits it.
struct Deferred {
    awaitables: Py<PyTuple>,
    returns_exceptions: bool,
}

impl Routine for Deferred {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if !matches!(input, Input::Start) {
            return input.value(py).map(Progress::Return);
        }
        let awaitables: Vec<_> = self.awaitables.bind(py).iter().collect();
        let running = running_loop(py)?;
        gather_on(py, Some(running), &awaitables, self.returns_exceptions).map(Progress::Await)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.awaitables)
    }
}

impl lifecycle::Lifecycle for GatheringFuture {
    fn original_dealloc() -> &'static std::sync::OnceLock<pyo3::ffi::destructor> {
        static ORIGINAL: std::sync::OnceLock<pyo3::ffi::destructor> = std::sync::OnceLock::new();
        &ORIGINAL
    }

    fn wants_finalizer(slf: &Bound<'_, Self>) -> bool {
        <Future as lifecycle::Lifecycle>::wants_finalizer(slf.as_super())
    }

    fn finalize(slf: &Bound<'_, Self>) -> PyResult<()> {
        crate::future::report_unretrieved(slf.as_super())
    }

    fn retire(_slf: &Bound<'_, Self>) {}
}

/// Gives the class what PyO3 has no word for. To be called once.
pub(crate) fn prepare(py: Python<'_>) -> PyResult<()> {
    lifecycle::install::<GatheringFuture>(py)?;
    iteration::install(&py.get_type::<GatheringFuture>())
}
