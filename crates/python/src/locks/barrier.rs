//! `Barrier`.

use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::condition::Condition;
use super::crossing::{Change, Crossing, Enter};
use super::description::{Described, repr};
use super::lock::Lock;
use crate::loop_bound::LoopBound;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::raw::own_methods::OwnMethods;
use crate::routine::{Coroutine, Function, Input, Progress, Routine, receiver};

pub(crate) const FUNCTIONS: &[&Function] = &[&REPR, &WAIT, &RESET, &ABORT, &ENTER, &EXIT];

static REPR: Function = Function {
    qualname: "Barrier.__repr__",
    call: repr::<Barrier>,
};
static WAIT: Function = Function {
    qualname: "Barrier.wait",
    call: wait,
};
static RESET: Function = Function {
    qualname: "Barrier.reset",
    call: reset,
};
static ABORT: Function = Function {
    qualname: "Barrier.abort",
    call: abort,
};
static ENTER: Function = Function {
    qualname: "Barrier.__aenter__",
    call: enter,
};
static EXIT: Function = Function {
    qualname: "Barrier.__aexit__",
    call: exit,
};

/// The method that `async with` does without.
static OWN_METHODS: OwnMethods = OwnMethods::new(&[("wait", wait)]);

/// What a barrier does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Waits for the rest of the parties.
    Filling,
    /// All have come, and now leave.
    Draining,
    /// Those that wait are told to leave.
    Resetting,
    Broken,
}

impl Phase {
    /// The name of asyncio's enumeration member.
    fn name(self) -> &'static str {
        match self {
            Self::Filling => "FILLING",
            Self::Draining => "DRAINING",
            Self::Resetting => "RESETTING",
            Self::Broken => "BROKEN",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let all = [Self::Filling, Self::Draining, Self::Resetting, Self::Broken];
        all.into_iter().find(|phase| phase.name() == name)
    }
}

/// A place where so many tasks wait until all have come.
///
/// `parties` is their number; if it is less than 1, `ValueError` is raised.
#[pyclass(
    module = "aioxide.natives.locks",
    frozen,
    subclass,
    weakref,
    dict,
    name = "Barrier"
)]
pub(crate) struct Barrier {
    /// By which the tasks wait. None before `__init__`.
    condition: Guarded<Option<Py<Condition>>>,
    parties: Guarded<Option<Py<PyAny>>>,
    phase: Guarded<Phase>,
    /// How many tasks are between their coming and their leaving.
    count: Guarded<usize>,
    bound: LoopBound,
}

impl Barrier {
    fn without_parties() -> Self {
        Self {
            condition: Guarded::new(None),
            parties: Guarded::new(None),
            phase: Guarded::new(Phase::Filling),
            count: Guarded::new(0),
            bound: LoopBound::default(),
        }
    }

    /// Whether the methods are ours.
    pub(super) fn is_plain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        OWN_METHODS.are_those_of::<Self>(slf.as_any())
    }

    /// The condition by which the tasks wait, whose lock guards the phase.
    pub(super) fn condition<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Condition>> {
        let py = slf.py();
        let known = slf.get().condition.with(py, |known| {
            known.as_ref().map(|known| known.bind(py).clone())
        });
        match known {
            Some(condition) => Ok(condition),
            None => Err(missing(slf, "_cond")),
        }
    }

    /// The lock of the condition.
    pub(super) fn lock<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Lock>> {
        match Self::condition(slf)?.get().own_lock(slf.py()) {
            Some(lock) => Ok(lock),
            None => Err(missing(slf, "_cond")),
        }
    }

    /// Wakes all that wait by the condition.
    pub(super) fn notify_all(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::condition(slf)?.get().wake_all(slf.py())
    }

    fn parties<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let known = slf.get().parties.with(py, |known| {
            known.as_ref().map(|known| known.bind(py).clone())
        });
        known.ok_or_else(|| missing(slf, "_parties"))
    }

    pub(super) fn phase(&self, py: Python<'_>) -> Phase {
        self.phase.get(py)
    }

    pub(super) fn set_phase(&self, py: Python<'_>, phase: Phase) {
        self.phase.replace(py, phase);
    }

    pub(super) fn count(&self, py: Python<'_>) -> usize {
        self.count.get(py)
    }

    /// Counts a task that has come. Returns its number, and says whether it is the last of the parties.
    pub(super) fn count_in(slf: &Bound<'_, Self>) -> PyResult<(usize, bool)> {
        let py = slf.py();
        let number = slf.get().count.with(py, |count| {
            *count += 1;
            *count - 1
        });
        match Self::parties(slf).and_then(|parties| parties.eq(number + 1)) {
            Ok(is_last) => Ok((number, is_last)),
            Err(error) => {
                slf.get().count_out(py);
                Err(error)
            }
        }
    }

    /// Counts a task that leaves. Returns how many are left.
    pub(super) fn count_out(&self, py: Python<'_>) -> usize {
        self.count.with(py, |count| {
            *count = count.saturating_sub(1);
            *count
        })
    }

    fn waiting(&self, py: Python<'_>) -> usize {
        match self.phase(py) {
            Phase::Filling => self.count(py),
            Phase::Draining | Phase::Resetting | Phase::Broken => 0,
        }
    }
}

/// What is said of a barrier whose `__init__` has not been called.
fn missing(slf: &Bound<'_, Barrier>, name: &str) -> PyErr {
    let class = slf.get_type();
    let class = class
        .name()
        .map_or_else(|_| String::new(), |class| class.to_string());
    PyAttributeError::new_err(format!("'{class}' object has no attribute '{name}'"))
}

fn wait<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Barrier>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &WAIT, Crossing::of(&slf))
}

fn reset<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Barrier>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &RESET, Change::new(&slf, Phase::Resetting))
}

fn abort<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Barrier>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &ABORT, Change::new(&slf, Phase::Broken))
}

fn enter<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Barrier>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &ENTER, Enter::New(slf.to_owned().unbind()))
}

/// Takes any arguments, and does nothing.
fn exit<'py>(py: Python<'py>, _arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    Coroutine::start(py, &EXIT, Exit)
}

/// `__aexit__`.
struct Exit;

impl Routine for Exit {
    fn resume<'py>(&mut self, py: Python<'py>, _input: Input<'py>) -> PyResult<Progress<'py>> {
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

impl Described for Barrier {
    fn state(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let phase = slf.get().phase(py);
        let mut state = phase.name().to_lowercase();
        if phase != Phase::Broken {
            let parties = Self::parties(slf)?;
            state.push_str(&format!(", waiters:{}/{parties}", slf.get().waiting(py)));
        }
        Ok(state)
    }
}

#[pymethods]
impl Barrier {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(parties)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::without_parties()
    }

    /// Makes a barrier for so many tasks.
    fn __init__(&self, py: Python<'_>, parties: &Bound<'_, PyAny>) -> PyResult<()> {
        if parties.lt(1)? {
            return Err(PyValueError::new_err(if cfg!(Py_3_14) {
                "parties must be >= 1"
            } else {
                "parties must be > 0"
            }));
        }
        let condition = Py::new(py, Condition::with_own_lock(py)?)?;
        drop(self.condition.replace(py, Some(condition)));
        drop(self.parties.replace(py, Some(parties.clone().unbind())));
        self.set_phase(py, Phase::Filling);
        self.count.replace(py, 0);
        Ok(())
    }

    /// How many tasks the barrier is for.
    #[getter(parties)]
    fn parties_shown<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::parties(slf)
    }

    /// How many tasks wait for the others.
    #[getter]
    fn n_waiting(&self, py: Python<'_>) -> usize {
        self.waiting(py)
    }

    /// Whether the barrier is broken: it is until it is reset.
    #[getter]
    fn broken(&self, py: Python<'_>) -> bool {
        self.phase(py) == Phase::Broken
    }

    #[getter(_cond)]
    fn private_condition<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, Condition>> {
        Self::condition(slf)
    }

    #[setter(_cond)]
    fn set_private_condition(&self, py: Python<'_>, condition: Py<Condition>) {
        drop(self.condition.replace(py, Some(condition)));
    }

    #[getter(_parties)]
    fn private_parties<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        Self::parties(slf)
    }

    #[setter(_parties)]
    fn set_private_parties(&self, py: Python<'_>, parties: Py<PyAny>) {
        drop(self.parties.replace(py, Some(parties)));
    }

    #[getter(_count)]
    fn private_count(&self, py: Python<'_>) -> usize {
        self.count(py)
    }

    #[setter(_count)]
    fn set_private_count(&self, py: Python<'_>, count: usize) {
        self.count.replace(py, count);
    }

    #[getter(_state)]
    fn private_state<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        CLASS
            .import(py, "asyncio.locks", "_BarrierState")?
            .getattr(self.phase(py).name())
    }

    #[setter(_state)]
    fn set_private_state(&self, py: Python<'_>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let name: String = state.getattr(intern!(py, "name"))?.extract()?;
        let phase = Phase::named(&name).ok_or_else(|| PyValueError::new_err(name))?;
        self.set_phase(py, phase);
        Ok(())
    }

    #[getter(_loop)]
    fn private_loop(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.bound.get(py)
    }

    #[setter(_loop)]
    fn set_private_loop(&self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) {
        self.bound.set(py, event_loop);
    }

    fn _get_loop<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().bound.running(slf.as_any())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.condition
            .visit(|condition| visit.call(condition))
            .unwrap_or(Ok(()))?;
        self.parties
            .visit(|parties| visit.call(parties))
            .unwrap_or(Ok(()))?;
        self.bound.traverse(visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.condition.replace(py, None));
        drop(self.parties.replace(py, None));
        self.bound.set(py, None);
    }
}
