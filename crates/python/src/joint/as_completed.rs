//! `as_completed`: futures in the order in which they are done, by plain or by asynchronous iteration.
//!
//! Tasks are made, and errors raised, with the call. Below Python 3.13 `as_completed` is a generator function,
//! so that there it is the first step of the iteration that does all that.

use std::collections::VecDeque;

use pyo3::exceptions::{PyStopAsyncIteration, PyTimeoutError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PySet};

use super::any_future::{AnyFuture, Settled, current_loop, is_coroutine};
use super::{Joint, ensure_future, is_future};
use crate::alarm::{Alarm, Purpose, Timer};
use crate::future::{Future, Outcome, exact_future};
use crate::numbers::ByAddress;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::raw::raising;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::{RunningLoop, running_loop};
use crate::task::current_task;

/// What `as_completed` was called with.
struct Request {
    fs: Py<PyAny>,
    timeout: Option<Py<PyAny>>,
}

struct State {
    /// None once the iteration has begun.
    request: Option<Request>,
    /// Those that are not done, in no order.
    todo: ByAddress<Py<PyAny>>,
    /// Those that are done and have not been asked for; None for one that was not done in time.
    done: VecDeque<Option<Py<PyAny>>>,
    /// Who waits for the next one: a future each.
    getters: VecDeque<Py<PyAny>>,
    /// How many the iteration has still to give out.
    left: usize,
    timer: Timer,
    /// The task that iterates, for the call graph.
    awaiter: Option<Py<PyAny>>,
}

/// What `as_completed` returns.
#[pyclass(
    module = "aioxide._core",
    frozen,
    weakref,
    name = "_AsCompletedIterator"
)]
pub(crate) struct AsCompleted {
    state: Guarded<State>,
}

impl AsCompleted {
    fn new(request: Request) -> Self {
        Self {
            state: Guarded::new(State {
                request: Some(request),
                todo: ByAddress::default(),
                done: VecDeque::new(),
                getters: VecDeque::new(),
                left: 0,
                timer: Timer::None,
                awaiter: None,
            }),
        }
    }

    /// Makes the tasks and begins to wait for them, unless that has been done. One that fails to begin is at its end.
    fn begin(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let request = slf.get().state.with(py, |state| state.request.take());
        let Some(request) = request else {
            return Ok(());
        };
        let fs = request.fs.bind(py);
        check(fs)?;
        let event_loop = match running_loop(py) {
            Ok(running) => running,
            Err(_none_runs) => current_loop(py)?,
        };
        let awaiter = if cfg!(Py_3_14) && running_loop(py).is_ok() {
            current_task(&event_loop)?.map(Bound::unbind)
        } else {
            None
        };
        let futures = unique_futures(fs, &event_loop)?;
        slf.get().state.with(py, |state| {
            state.todo = futures
                .iter()
                .map(|future| (future.as_ptr().addr(), future.unbind()))
                .collect();
            state.left = futures.len();
            state.awaiter = awaiter;
        });
        let joint = Joint::AsCompleted(slf.clone().unbind());
        for future in &futures {
            joint.attach(&AnyFuture::new(future))?;
        }
        match request.timeout {
            Some(timeout) if !futures.is_empty() => {
                Self::set_timer(slf, event_loop, timeout.bind(py))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn awaiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| {
            state.awaiter.as_ref().map(|awaiter| awaiter.clone_ref(py))
        })
    }

    /// Takes in a future that is done.
    pub(super) fn act(&self, future: &AnyFuture<'_>) -> PyResult<()> {
        let future = future.as_any();
        let py = future.py();
        let found = self.state.with(py, |state| {
            let future = state.todo.remove(&future.as_ptr().addr())?;
            state.done.push_back(Some(future));
            let timer = if state.todo.is_empty() {
                std::mem::take(&mut state.timer)
            } else {
                Timer::None
            };
            Some(timer)
        });
        // Otherwise the time was up before.
        let Some(timer) = found else { return Ok(()) };
        self.wake_next(py)?;
        timer.cancel(py)
    }

    /// The time is up: those that are not done will be given out as failures.
    pub(crate) fn expire(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let todo = slf
            .get()
            .state
            .with(py, |state| std::mem::take(&mut state.todo));
        let joint = Joint::AsCompleted(slf.clone().unbind());
        for future in todo.into_values() {
            joint.detach(&AnyFuture::new(future.into_bound(py)))?;
            slf.get().state.with(py, |state| state.done.push_back(None));
            slf.get().wake_next(py)?;
        }
        Ok(())
    }

    /// Wakes the first of those that wait.
    fn wake_next(&self, py: Python<'_>) -> PyResult<()> {
        while let Some(getter) = self.state.with(py, |state| state.getters.pop_front()) {
            let getter = AnyFuture::new(getter.into_bound(py));
            if getter.is_done()? {
                continue;
            }
            return match exact_future(getter.as_any()) {
                Some(ours) => Future::settle(ours, Outcome::Result(py.None())),
                None => getter
                    .as_any()
                    .call_method1(intern!(py, "set_result"), (py.None(),))
                    .map(drop),
            };
        }
        Ok(())
    }

    fn forget_getter(&self, getter: &Py<PyAny>, py: Python<'_>) {
        let forgotten = self.state.with(py, |state| {
            let place = state.getters.iter().position(|other| other.is(getter))?;
            state.getters.remove(place)
        });
        drop(forgotten);
    }

    /// Counts one that is to be given out; None if all have been.
    fn count_down(&self, py: Python<'_>) -> Option<usize> {
        self.state.with(py, |state| {
            state.left = state.left.checked_sub(1)?;
            Some(state.left)
        })
    }

    fn set_timer<'py>(
        slf: &Bound<'py, Self>,
        event_loop: Bound<'py, PyAny>,
        timeout: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let py = slf.py();
        let timer = match &RunningLoop::of(event_loop)? {
            RunningLoop::Native(ours) => {
                let delay = timeout.extract::<f64>()?;
                let when = ours.get().seconds_now() + delay;
                let purpose = Purpose::Expire(slf.clone().unbind());
                let alarm = Alarm::set(ours, when, delay, purpose)?;
                Timer::Alarm(ours.clone().unbind(), alarm)
            }
            RunningLoop::Foreign(other) => {
                let expire = slf.getattr(intern!(py, "_handle_timeout"))?;
                let handle = other.call_method1(intern!(py, "call_later"), (timeout, expire))?;
                Timer::Handle(handle.unbind())
            }
        };
        slf.get().state.with(py, |state| state.timer = timer);
        Ok(())
    }
}

#[pymethods]
impl AsCompleted {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// A coroutine that returns or raises what the next future comes to.
    fn __next__(slf: &Bound<'_, Self>) -> PyResult<Option<Py<PyAny>>> {
        Self::begin(slf)?;
        if slf.get().count_down(slf.py()).is_none() {
            return Ok(None);
        }
        let next = Next::new(slf, true);
        Coroutine::start(slf.py(), &WAIT_FOR_ONE, next)
    }

    fn __aiter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    /// A coroutine that returns the next future that is done.
    fn __anext__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::begin(slf)?;
        Coroutine::make(slf.py(), &ANEXT, Next::new(slf, false))
    }

    #[pyo3(name = "_handle_timeout")]
    fn handle_timeout(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::expire(slf)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                if let Some(request) = &state.request {
                    visit.call(&request.fs)?;
                    visit.call(&request.timeout)?;
                }
                state.todo.values().try_for_each(|todo| visit.call(todo))?;
                state.done.iter().try_for_each(|done| visit.call(done))?;
                state
                    .getters
                    .iter()
                    .try_for_each(|getter| visit.call(getter))?;
                state.timer.traverse(visit)?;
                visit.call(&state.awaiter)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let dropped = self.state.with(py, |state| {
            (
                state.request.take(),
                std::mem::take(&mut state.todo),
                std::mem::take(&mut state.done),
                std::mem::take(&mut state.getters),
                std::mem::take(&mut state.timer),
                state.awaiter.take(),
            )
        });
        drop(dropped);
    }
}

pub(super) static AS_COMPLETED: Function = Function {
    qualname: "as_completed",
    call: as_completed,
};

static WAIT_FOR_ONE: Function = Function {
    qualname: "_AsCompletedIterator._wait_for_one",
    call: |_py, _arguments| Ok(None),
};

static ANEXT: Function = Function {
    qualname: "_AsCompletedIterator.__anext__",
    call: |_py, _arguments| Ok(None),
};

fn as_completed<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "fs"), intern!(py, "timeout")];
    let Some([Some(fs), timeout]) = arguments.fit(1, names) else {
        return Ok(None);
    };
    let iterator = Bound::new(
        py,
        AsCompleted::new(Request {
            fs: fs.to_owned().unbind(),
            timeout: timeout
                .filter(|timeout| !timeout.is_none())
                .map(|timeout| timeout.to_owned().unbind()),
        }),
    )?;
    if cfg!(Py_3_13) {
        AsCompleted::begin(&iterator)?;
    }
    Ok(Some(iterator.into_any().unbind()))
}

/// A future of each awaitable, in no order.
fn unique_futures<'py>(
    fs: &Bound<'py, PyAny>,
    event_loop: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyList>> {
    let py = fs.py();
    let unique = PySet::empty(py)?;
    for awaitable in fs.try_iter()? {
        unique.add(awaitable?)?;
    }
    let futures = PySet::empty(py)?;
    for awaitable in &unique {
        futures.add(ensure_future(&awaitable, Some(event_loop))?.as_any())?;
    }
    PyList::new(py, futures.iter())
}

/// Refuses what is one awaitable instead of many.
fn check(fs: &Bound<'_, PyAny>) -> PyResult<()> {
    let name = fs.get_type().name()?;
    if cfg!(Py_3_13) {
        let is_awaitable = fs
            .py()
            .import("inspect")?
            .call_method1("isawaitable", (fs,))?
            .is_truthy()?;
        if is_awaitable {
            return Err(PyTypeError::new_err(format!(
                "expects an iterable of awaitables, not {name}"
            )));
        }
        return Ok(());
    }
    if is_future(fs)? || is_coroutine(fs)? {
        return Err(PyTypeError::new_err(format!(
            "expect an iterable of futures, not {name}"
        )));
    }
    Ok(())
}

/// Waits for the next future that is done.
struct Next {
    iterator: Py<AsCompleted>,
    /// Whether the result is asked for, and not the future.
    resolves: bool,
    getter: Option<Py<PyAny>>,
}

impl Next {
    fn new(iterator: &Bound<'_, AsCompleted>, resolves: bool) -> Self {
        Self {
            iterator: iterator.clone().unbind(),
            resolves,
            getter: None,
        }
    }

    fn take_or_wait<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let iterator = self.iterator.get();
        if let Some(done) = iterator.state.with(py, |state| state.done.pop_front()) {
            return self.give(done.map(|done| done.into_bound(py)));
        }
        let getter = RunningLoop::get(py)?.create_future()?;
        let kept = getter.clone().unbind();
        iterator
            .state
            .with(py, |state| state.getters.push_back(kept.clone_ref(py)));
        self.getter = Some(kept);
        Ok(Progress::Await(getter))
    }

    fn give<'py>(&self, future: Option<Bound<'py, PyAny>>) -> PyResult<Progress<'py>> {
        let Some(future) = future else {
            return Err(PyTimeoutError::new_err(()));
        };
        if !self.resolves {
            return Ok(Progress::Return(future));
        }
        let future = AnyFuture::new(future);
        if let AnyFuture::Other(other) = &future {
            let result = other.call_method0(intern!(other.py(), "result"))?;
            return Ok(Progress::Return(result));
        }
        match future.settled()? {
            Settled::Result(result) => Ok(Progress::Return(result)),
            Settled::Exception(exception) => Err(raising::raised(&exception)),
            Settled::Cancelled => Err(raising::raised(&future.make_cancelled_error()?)),
        }
    }
}

impl Routine for Next {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if matches!(input, Input::Start) {
            if !self.resolves && self.iterator.get().count_down(py).is_none() {
                return Err(PyStopAsyncIteration::new_err(()));
            }
            return self.take_or_wait(py);
        }
        if let Err(error) = input.value(py) {
            let iterator = self.iterator.get();
            if let Some(getter) = self.getter.take() {
                iterator.forget_getter(&getter, py);
                // One that was woken, and is not there to take what it was woken for, wakes the next.
                let has_done = iterator.state.with(py, |state| !state.done.is_empty());
                let getter = AnyFuture::new(getter.into_bound(py));
                if has_done && getter.is_done()? && !getter.has_failed()? {
                    iterator.wake_next(py)?;
                }
            }
            return Err(error);
        }
        self.getter = None;
        self.take_or_wait(py)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.iterator)?;
        visit.call(&self.getter)
    }
}
