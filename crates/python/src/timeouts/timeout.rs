//! `Timeout`, the context manager.

use pyo3::exceptions::{PyBaseExceptionGroup, PyRuntimeError, PyTimeoutError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use crate::alarm::{Alarm, Purpose, Timer};
use crate::any_task;
use crate::future::cancelled_error_class;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::Lifecycle;
use crate::routine::{Coroutine, Function, Input, Progress, Routine, receiver};
use crate::running::{RunningLoop, running_loop};
use crate::task::current_task;

/// How far a timeout is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Phase {
    #[default]
    Created,
    Entered,
    Expiring,
    Expired,
    Exited,
}

impl Phase {
    /// The name that asyncio gives to it.
    fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Entered => "active",
            Self::Expiring => "expiring",
            Self::Expired => "expired",
            Self::Exited => "finished",
        }
    }
}

#[derive(Default)]
struct State {
    phase: Phase,
    /// Seconds on the loop's clock; None for never.
    when: Option<Py<PyAny>>,
    task: Option<Py<PyAny>>,
    /// How many requests to cancel the task were open when it entered.
    cancelling: u32,
    timer: Timer,
    /// How far ahead the deadline was when it was set, in seconds, so that no second look at the clock is needed; 0 if
    /// that is not known.
    delay: f64,
}

/// A context manager that cancels what runs too long, as `asyncio.Timeout`.
#[pyclass(module = "aioxide", frozen, subclass, weakref, dict, name = "Timeout")]
pub(crate) struct Timeout {
    state: Guarded<State>,
}

impl Timeout {
    /// A timeout that nobody has entered yet. `delay` is how far ahead it is, in seconds, or 0 if that is not known.
    fn at<'py>(
        py: Python<'py>,
        when: Option<Bound<'py, PyAny>>,
        delay: f64,
    ) -> PyResult<Bound<'py, Self>> {
        let state = State {
            when: when.map(Bound::unbind),
            delay,
            ..State::default()
        };
        if let Some(reused) = Self::pool().and_then(|pool| pool.reuse(py)) {
            reused.get().state.replace(py, state);
            return Ok(reused.into_bound(py));
        }
        let state = Guarded::new(state);
        Bound::new(py, Self { state })
    }

    /// A timeout `delay` seconds from now on the loop that runs.
    pub(super) fn after<'py>(
        py: Python<'py>,
        delay: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, Self>> {
        let event_loop = RunningLoop::get(py)?;
        let Some(delay) = delay else {
            return Self::at(py, None, 0.0);
        };
        let now = match &event_loop {
            RunningLoop::Native(ours) => {
                let now = ours.get().seconds_now();
                if let Ok(delay) = delay.extract::<f64>()
                    && delay > 0.0
                {
                    let when = (now + delay).into_pyobject(py)?.into_any();
                    return Self::at(py, Some(when), delay);
                }
                now.into_pyobject(py)?.into_any()
            }
            RunningLoop::Foreign(other) => other.call_method0(intern!(py, "time"))?,
        };
        Self::at(py, Some(now.add(delay)?), 0.0)
    }

    /// Lets go of everything.
    pub(super) fn release(&self, py: Python<'_>) {
        let state = self.state.with(py, std::mem::take);
        if let Some(when) = state.when {
            drop(when.into_bound(py));
        }
        if let Some(task) = state.task {
            drop(task.into_bound(py));
        }
        drop(state.timer);
    }

    fn phase(&self, py: Python<'_>) -> Phase {
        self.state.with(py, |state| state.phase)
    }

    fn task<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.state
            .with(py, |state| {
                state.task.as_ref().map(|task| task.clone_ref(py))
            })
            .map(|task| task.into_bound(py))
            .ok_or_else(|| PyRuntimeError::new_err("Timeout has not been entered"))
    }

    /// Begins to count for the current task.
    pub(super) fn enter(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let timeout = slf.get();
        if timeout.phase(py) != Phase::Created {
            return Err(PyRuntimeError::new_err("Timeout has already been entered"));
        }
        let event_loop = running_loop(py)?;
        let Some(task) = current_task(&event_loop)? else {
            return Err(PyRuntimeError::new_err(
                "Timeout should be used inside a task",
            ));
        };
        let cancelling = any_task::cancelling(&task)?;
        let task = Some(task.unbind());
        let (when, delay) = timeout.state.with(py, |state| {
            state.phase = Phase::Entered;
            state.task = task;
            state.cancelling = cancelling;
            (
                state.when.as_ref().map(|when| when.clone_ref(py)),
                state.delay,
            )
        });
        match when {
            Some(when) => {
                let event_loop = RunningLoop::of(event_loop)?;
                Self::set_timer(slf, &event_loop, when.bind(py), delay)
            }
            None => Ok(()),
        }
    }

    fn set_timer(
        slf: &Bound<'_, Self>,
        event_loop: &RunningLoop<'_>,
        when: &Bound<'_, PyAny>,
        mut delay: f64,
    ) -> PyResult<()> {
        let py = slf.py();
        let timer = match event_loop {
            RunningLoop::Native(ours) => {
                let when = when.extract::<f64>()?;
                let purpose = Purpose::TimeOut(slf.clone().unbind());
                if delay <= 0.0 {
                    delay = when - ours.get().seconds_now();
                }
                let alarm = if delay <= 0.0 {
                    Alarm::soon(ours, purpose)?
                } else {
                    Alarm::set(ours, when, delay, purpose)?
                };
                Timer::Alarm(ours.clone().unbind(), alarm)
            }
            RunningLoop::Foreign(other) => {
                let expire = slf.getattr(intern!(py, "_on_timeout"))?;
                let now = other.call_method0(intern!(py, "time"))?;
                let handle = if when.le(now)? {
                    other.call_method1(intern!(py, "call_soon"), (expire,))?
                } else {
                    other.call_method1(intern!(py, "call_at"), (when, expire))?
                };
                Timer::Handle(handle.unbind())
            }
        };
        slf.get().state.with(py, |state| state.timer = timer);
        Ok(())
    }

    fn cancel_timer(&self, py: Python<'_>) -> PyResult<()> {
        self.state
            .with(py, |state| std::mem::take(&mut state.timer))
            .cancel(py)
    }

    /// The time is up.
    pub(crate) fn expire(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let timeout = slf.get();
        if timeout.phase(py) != Phase::Entered {
            return Ok(());
        }
        any_task::cancel(&timeout.task(py)?)?;
        let timer = timeout.state.with(py, |state| {
            state.phase = Phase::Expiring;
            std::mem::take(&mut state.timer)
        });
        drop(timer);
        Ok(())
    }

    /// Ends the counting. `exception` is what has ended the body, if that was an exception.
    ///
    /// # Errors
    /// `TimeoutError` in place of the cancellation that this timeout has caused.
    pub(super) fn exit(
        &self,
        exception: Option<&Bound<'_, PyAny>>,
        py: Python<'_>,
    ) -> PyResult<()> {
        self.cancel_timer(py)?;
        let (before, cancelling) = self.state.with(py, |state| {
            let before = state.phase;
            match before {
                Phase::Expiring => state.phase = Phase::Expired,
                Phase::Entered => state.phase = Phase::Exited,
                _ => {}
            }
            (before, state.cancelling)
        });
        if before != Phase::Expiring {
            return Ok(());
        }
        let left = any_task::uncancel(&self.task(py)?)?;
        let Some(exception) = exception.filter(|_exception| left <= cancelling) else {
            return Ok(());
        };
        if exception.is_instance(cancelled_error_class(py)?)? {
            return Err(timeout_error(exception)?);
        }
        if cfg!(Py_3_13) {
            insert_timeout_error(exception)?;
            let is_group = exception.is_instance_of::<PyBaseExceptionGroup>()
                && exception.is_instance_of::<pyo3::exceptions::PyException>();
            if is_group {
                for exception in exception.getattr(intern!(py, "exceptions"))?.try_iter()? {
                    insert_timeout_error(&exception?)?;
                }
            }
        }
        Ok(())
    }
}

/// `raise TimeoutError from cause`.
pub(super) fn timeout_error(cause: &Bound<'_, PyAny>) -> PyResult<PyErr> {
    let error = cause.py().get_type::<PyTimeoutError>().call0()?;
    error.setattr(intern!(cause.py(), "__cause__"), cause)?;
    error.setattr(intern!(cause.py(), "__context__"), cause)?;
    Ok(PyErr::from_value(error))
}

/// Puts a `TimeoutError` before the cancellation among the exceptions that led to `exception`.
fn insert_timeout_error(exception: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = exception.py();
    let name = intern!(py, "__context__");
    let mut exception = exception.clone();
    loop {
        let context = exception.getattr(name)?;
        if context.is_none() {
            return Ok(());
        }
        if context.is_instance(cancelled_error_class(py)?)? {
            let error = py.get_type::<PyTimeoutError>().call0()?;
            error.setattr(intern!(py, "__cause__"), &context)?;
            error.setattr(name, context)?;
            return exception.setattr(name, error);
        }
        exception = context;
    }
}

#[pymethods]
impl Timeout {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(when)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            state: Guarded::new(State::default()),
        }
    }

    /// Makes a timeout at `when`, in seconds on the loop's clock; None for never.
    #[pyo3(signature = (when))]
    fn __init__(&self, py: Python<'_>, when: Option<Py<PyAny>>) {
        let fresh = State {
            when,
            ..State::default()
        };
        drop(self.state.replace(py, fresh));
    }

    /// The deadline, in seconds on the loop's clock, or None.
    fn when(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.state.with(py, |state| {
            state.when.as_ref().map(|when| when.clone_ref(py))
        })
    }

    /// Changes the deadline; raises `RuntimeError` outside of the `async with`.
    fn reschedule(slf: &Bound<'_, Self>, when: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        match slf.get().phase(py) {
            Phase::Entered => {}
            Phase::Created => return Err(PyRuntimeError::new_err("Timeout has not been entered")),
            phase => {
                return Err(PyRuntimeError::new_err(format!(
                    "Cannot change state of {} Timeout",
                    phase.name()
                )));
            }
        }
        let kept = when.as_ref().map(|when| when.clone().unbind());
        let previous = slf
            .get()
            .state
            .with(py, |state| std::mem::replace(&mut state.when, kept));
        drop(previous);
        slf.get().cancel_timer(py)?;
        match when {
            Some(when) => Self::set_timer(slf, &RunningLoop::get(py)?, &when, 0.0),
            None => Ok(()),
        }
    }

    /// Whether the time was up before the body has ended.
    fn expired(&self, py: Python<'_>) -> bool {
        matches!(self.phase(py), Phase::Expiring | Phase::Expired)
    }

    #[pyo3(name = "_on_timeout")]
    fn on_timeout(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::expire(slf)
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let phase = self.phase(py);
        let when = match self.when(py) {
            _ if phase != Phase::Entered => String::new(),
            None => " when=None".to_owned(),
            Some(when) => {
                let rounded = py.import("builtins")?.call_method1("round", (when, 3))?;
                format!(" when={rounded}")
            }
        };
        Ok(format!("<Timeout [{}]{when}>", phase.name()))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                visit.call(&state.when)?;
                visit.call(&state.task)?;
                state.timer.traverse(visit)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        let dropped = self.state.with(py, |state| {
            (
                state.when.take(),
                state.task.take(),
                std::mem::take(&mut state.timer),
            )
        });
        drop(dropped);
    }
}

pub(super) static TIMEOUT: Function = Function {
    qualname: "timeout",
    call: timeout,
};

fn timeout<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([delay]) = arguments.all(|| [intern!(py, "delay")]) else {
        return Ok(None);
    };
    let delay = (!delay.is_none()).then_some(&*delay);
    let timeout = Timeout::after(py, delay)?;
    Ok(Some(timeout.into_any().unbind()))
}

pub(super) static TIMEOUT_AT: Function = Function {
    qualname: "timeout_at",
    call: timeout_at,
};

fn timeout_at<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(when)]) = arguments.fit(1, [intern!(py, "when")]) else {
        return Ok(None);
    };
    let when = (!when.is_none()).then(|| when.to_owned());
    let timeout = Timeout::at(py, when, 0.0)?;
    Ok(Some(timeout.into_any().unbind()))
}

pub(super) static ENTER: Function = Function {
    qualname: "Timeout.__aenter__",
    call: enter,
};

fn enter<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(timeout) = receiver::<Timeout>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &ENTER, Enter(timeout.to_owned().unbind()))
}

struct Enter(Py<Timeout>);

impl Routine for Enter {
    fn resume<'py>(&mut self, py: Python<'py>, _input: Input<'py>) -> PyResult<Progress<'py>> {
        let timeout = self.0.bind(py);
        Timeout::enter(timeout)?;
        Ok(Progress::Return(timeout.clone().into_any()))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.0)
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.0.into_bound(py));
    }
}

pub(super) static EXIT: Function = Function {
    qualname: "Timeout.__aexit__",
    call: exit,
};

fn exit<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = || {
        [
            intern!(py, "self"),
            intern!(py, "exc_type"),
            intern!(py, "exc_val"),
            intern!(py, "exc_tb"),
        ]
    };
    let Some([timeout, class, exception, _traceback]) = arguments.all(names) else {
        return Ok(None);
    };
    let exception = if !exception.is_none() {
        Some(exception.to_owned())
    } else if class.is_none() {
        None
    } else {
        // Called by hand, with a class and nothing else.
        let class = class.cast::<PyType>().ok();
        class.map(|class| class.call0()).transpose()?
    };
    let exit = Exit {
        timeout: timeout.cast::<Timeout>()?.to_owned().unbind(),
        exception: exception.map(Bound::unbind),
    };
    Coroutine::start(py, &EXIT, exit)
}

struct Exit {
    timeout: Py<Timeout>,
    exception: Option<Py<PyAny>>,
}

impl Routine for Exit {
    fn resume<'py>(&mut self, py: Python<'py>, _input: Input<'py>) -> PyResult<Progress<'py>> {
        let exception = self
            .exception
            .take()
            .map(|exception| exception.into_bound(py));
        self.timeout.get().exit(exception.as_ref(), py)?;
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.timeout)?;
        visit.call(&self.exception)
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.timeout.into_bound(py));
    }
}
