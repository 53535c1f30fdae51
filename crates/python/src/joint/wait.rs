//! `wait`: until some or all of several futures are done.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PySet, PyTuple};

use super::any_future::{AnyFuture, Settled, is_coroutine};
use super::{Joint, is_future};
use crate::alarm::{Alarm, Purpose, Timer};
use crate::future::{Future, Outcome, exact_future};
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::RunningLoop;
use crate::task::current_task;

/// What ends a wait before all futures are done.
#[derive(Clone, Copy, PartialEq, Eq)]
enum EndsBy {
    First,
    FirstException,
    Last,
}

impl EndsBy {
    /// What asyncio's constants mean, or asyncio's `ValueError`.
    fn new(return_when: &Bound<'_, PyAny>) -> PyResult<Self> {
        if return_when.eq("FIRST_COMPLETED")? {
            Ok(Self::First)
        } else if return_when.eq("FIRST_EXCEPTION")? {
            Ok(Self::FirstException)
        } else if return_when.eq("ALL_COMPLETED")? {
            Ok(Self::Last)
        } else {
            Err(PyValueError::new_err(format!(
                "Invalid return_when value: {return_when}"
            )))
        }
    }
}

struct State {
    remaining: usize,
    /// Whom the end of the wait is told.
    waiter: Option<Py<PyAny>>,
    timer: Timer,
    /// The task that waits, for the call graph.
    awaiter: Option<Py<PyAny>>,
}

/// A timer that gives `waiter` a result after `timeout` seconds, unless it has one.
fn set_timer(
    event_loop: &RunningLoop<'_>,
    timeout: &Bound<'_, PyAny>,
    waiter: &Bound<'_, PyAny>,
) -> PyResult<Timer> {
    static RELEASE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = timeout.py();
    if let RunningLoop::Native(ours) = event_loop
        && let Ok(future) = waiter.cast_exact::<Future>()
    {
        let delay = timeout.extract::<f64>()?;
        let when = ours.get().seconds_now() + delay;
        let purpose = Purpose::Settle(future.clone().unbind(), py.None());
        let alarm = Alarm::set(ours, when, delay, purpose)?;
        return Ok(Timer::Alarm(ours.clone().unbind(), alarm));
    }
    let release = RELEASE.get_or_try_init(py, || {
        let release = py.import("asyncio.tasks")?.getattr("_release_waiter")?;
        Ok::<_, PyErr>(release.unbind())
    })?;
    let arguments = (timeout, release, waiter);
    let call_later = intern!(py, "call_later");
    let handle = event_loop.as_any().call_method1(call_later, arguments)?;
    Ok(Timer::Handle(handle.unbind()))
}

/// The futures of one `wait`.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct WaitGroup {
    ends_by: EndsBy,
    state: Guarded<State>,
}

impl WaitGroup {
    pub(super) fn note(&self, future: &AnyFuture<'_>) -> PyResult<bool> {
        let py = future.as_any().py();
        let remaining = self.state.with(py, |state| {
            state.remaining = state.remaining.saturating_sub(1);
            state.remaining
        });
        if remaining == 0 || self.ends_by == EndsBy::First {
            return Ok(true);
        }
        if self.ends_by == EndsBy::Last {
            return Ok(false);
        }
        // To look is to retrieve, as it is for asyncio.
        Ok(future.has_failed()? && matches!(future.settled()?, Settled::Exception(_)))
    }

    pub(super) fn act(&self, py: Python<'_>) -> PyResult<()> {
        let (timer, waiter) = self.state.with(py, |state| {
            (
                std::mem::take(&mut state.timer),
                state.waiter.as_ref().map(|waiter| waiter.clone_ref(py)),
            )
        });
        timer.cancel(py)?;
        waiter.map_or(Ok(()), |waiter| release(waiter.bind(py)))
    }

    pub(super) fn awaiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| {
            state.awaiter.as_ref().map(|awaiter| awaiter.clone_ref(py))
        })
    }
}

impl WaitGroup {
    /// Waits for one future, and nothing else ends the wait. Returns what is told of its end, too.
    pub(crate) fn of_one<'py>(
        event_loop: &RunningLoop<'py>,
        future: &AnyFuture<'py>,
    ) -> PyResult<(Py<Self>, Bound<'py, PyAny>)> {
        let waiter = event_loop.create_future()?;
        let state = State {
            remaining: 1,
            waiter: Some(waiter.clone().unbind()),
            timer: Timer::None,
            awaiter: awaiter(event_loop)?,
        };
        let group = Self {
            ends_by: EndsBy::Last,
            state: Guarded::new(state),
        };
        let group = Py::new(waiter.py(), group)?;
        Joint::Wait(group.clone_ref(waiter.py())).attach(future)?;
        Ok((group, waiter))
    }

    /// Lets go of the one future.
    pub(crate) fn leave_one(group: Py<Self>, future: &AnyFuture<'_>) -> PyResult<()> {
        Joint::Wait(group).detach(future)
    }
}

/// The task that waits, where the call graph wants to know it.
fn awaiter(event_loop: &RunningLoop<'_>) -> PyResult<Option<Py<PyAny>>> {
    if cfg!(Py_3_14) {
        Ok(current_task(event_loop.as_any())?.map(Bound::unbind))
    } else {
        Ok(None)
    }
}

/// Gives a waiter a result, unless it has one.
fn release(waiter: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = waiter.py();
    if let Some(ours) = exact_future(waiter) {
        if ours.get().is_pending(py) {
            Future::settle(ours, Outcome::Result(py.None()))?;
        }
        return Ok(());
    }
    if !waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
        waiter.call_method1(intern!(py, "set_result"), (py.None(),))?;
    }
    Ok(())
}

#[pymethods]
impl WaitGroup {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                visit.call(&state.waiter)?;
                visit.call(&state.awaiter)?;
                state.timer.traverse(visit)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let dropped = self.state.with(py, |state| {
            let timer = std::mem::take(&mut state.timer);
            (state.waiter.take(), state.awaiter.take(), timer)
        });
        drop(dropped);
    }
}

pub(super) static WAIT: Function = Function {
    qualname: "wait",
    call: wait,
};

fn wait<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "fs"),
        intern!(py, "timeout"),
        intern!(py, "return_when"),
    ];
    let Some([Some(fs), timeout, return_when]) = arguments.fit(1, names) else {
        return Ok(None);
    };
    let wait = Wait {
        fs: fs.to_owned().unbind(),
        timeout: timeout
            .filter(|timeout| !timeout.is_none())
            .map(|timeout| timeout.to_owned().unbind()),
        return_when: return_when.map(|return_when| return_when.to_owned().unbind()),
        group: None,
    };
    Coroutine::start(py, &WAIT, wait)
}

struct Wait {
    /// What was passed, then the set of it.
    fs: Py<PyAny>,
    timeout: Option<Py<PyAny>>,
    return_when: Option<Py<PyAny>>,
    group: Option<Py<WaitGroup>>,
}

impl Wait {
    fn check<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PySet>, EndsBy)> {
        let fs = self.fs.bind(py);
        if is_future(fs)? || is_coroutine(fs)? {
            return Err(PyTypeError::new_err(format!(
                "expect a list of futures, not {}",
                fs.get_type().name()?
            )));
        }
        if !fs.is_truthy()? {
            return Err(PyValueError::new_err("Set of Tasks/Futures is empty."));
        }
        let ends_by = match &self.return_when {
            Some(return_when) => EndsBy::new(return_when.bind(py))?,
            None => EndsBy::Last,
        };
        let set = PySet::empty(py)?;
        for future in fs.try_iter()? {
            set.add(future?)?;
        }
        for future in &set {
            if is_coroutine(&future)? {
                return Err(PyTypeError::new_err(
                    "Passing coroutines is forbidden, use tasks explicitly.",
                ));
            }
        }
        Ok((set, ends_by))
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let (set, ends_by) = self.check(py)?;
        let event_loop = RunningLoop::get(py)?;
        let waiter = event_loop.create_future()?;
        let timer = match &self.timeout {
            Some(timeout) => set_timer(&event_loop, timeout.bind(py), &waiter)?,
            None => Timer::None,
        };
        let group = WaitGroup {
            ends_by,
            state: Guarded::new(State {
                remaining: set.len(),
                waiter: Some(waiter.clone().unbind()),
                timer,
                awaiter: awaiter(&event_loop)?,
            }),
        };
        let group = Py::new(py, group)?;
        let joint = Joint::Wait(group.clone_ref(py));
        self.fs = set.clone().into_any().unbind();
        self.group = Some(group);
        for future in &set {
            joint.attach(&AnyFuture::new(future))?;
        }
        Ok(Progress::Await(waiter))
    }

    /// Lets go of the futures and the timer.
    fn leave(&mut self, py: Python<'_>) -> PyResult<()> {
        let Some(group) = self.group.take() else {
            return Ok(());
        };
        let timer = group
            .get()
            .state
            .with(py, |state| std::mem::take(&mut state.timer));
        timer.cancel(py)?;
        let joint = Joint::Wait(group);
        for future in self.fs.bind(py).try_iter()? {
            let future = AnyFuture::new(future?);
            if matches!(future, AnyFuture::Ours(_)) && future.is_done()? {
                // It has let go of its waiters.
                joint.discard_edge(&future)?;
            } else {
                joint.detach(&future)?;
            }
        }
        Ok(())
    }
}

impl Routine for Wait {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if matches!(input, Input::Start) {
            let begun = self.begin(py);
            if begun.is_err() {
                self.leave(py)?;
            }
            return begun;
        }
        self.leave(py)?;
        input.value(py)?;
        let (done, pending) = (PySet::empty(py)?, PySet::empty(py)?);
        for future in self.fs.bind(py).try_iter()? {
            let future = AnyFuture::new(future?);
            let set = if future.is_done()? { &done } else { &pending };
            set.add(future.as_any())?;
        }
        Ok(Progress::Return(
            PyTuple::new(py, [done, pending])?.into_any(),
        ))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.fs)?;
        visit.call(&self.timeout)?;
        visit.call(&self.return_when)?;
        visit.call(&self.group)
    }
}
