//! `Semaphore` and `BoundedSemaphore`.

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::async_with::{Acquirable, Acquire, Acquisition, enter, exit};
use super::description::{Described, repr, with_waiters};
use super::private::private_names;
use crate::count::Count;
use crate::deque::Deque;
use crate::loop_bound::LoopBound;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::raw::own_methods::OwnMethods;
use crate::routine::{Coroutine, Function, Input, boolean, receiver};
use crate::waiting;

pub(crate) const FUNCTIONS: &[&Function] = &[
    &REPR,
    &ACQUIRE,
    &RELEASE,
    &LOCKED,
    &ENTER,
    &EXIT,
    &BOUNDED_RELEASE,
    &WAKE_UP_NEXT,
];

static REPR: Function = Function {
    qualname: "Semaphore.__repr__",
    call: repr::<Semaphore>,
};
static ACQUIRE: Function = Function {
    qualname: "Semaphore.acquire",
    call: acquire,
};
static RELEASE: Function = Function {
    qualname: "Semaphore.release",
    call: release,
};
static LOCKED: Function = Function {
    qualname: "Semaphore.locked",
    call: locked,
};
static ENTER: Function = Function {
    qualname: "Semaphore.__aenter__",
    call: enter::<Semaphore>,
};
static EXIT: Function = Function {
    qualname: "Semaphore.__aexit__",
    call: exit::<Semaphore>,
};
static BOUNDED_RELEASE: Function = Function {
    qualname: "BoundedSemaphore.release",
    call: bounded_release,
};

static WAKE_UP_NEXT: Function = Function {
    qualname: "Semaphore._wake_up_next",
    call: wake_up_next,
};

/// The methods that natives do without.
static OWN_METHODS: OwnMethods = OwnMethods::new(&[
    ("acquire", acquire),
    ("release", release),
    ("locked", locked),
    ("_wake_up_next", wake_up_next),
]);
static BOUNDED_OWN_METHODS: OwnMethods = OwnMethods::new(&[
    ("acquire", acquire),
    ("release", bounded_release),
    ("locked", locked),
    ("_wake_up_next", wake_up_next),
]);

/// A number of permits, which tasks take and give back.
///
/// Those that wait get theirs in the order in which they came. `value` is the number at the beginning; if it is less
/// than 0, `ValueError` is raised.
#[pyclass(
    module = "aioxide.natives.locks",
    frozen,
    subclass,
    weakref,
    dict,
    name = "Semaphore"
)]
pub(crate) struct Semaphore {
    /// How many permits nobody has. Those of waiters that were woken are theirs already.
    value: Guarded<Count>,
    waiters: Deque,
    bound: LoopBound,
    /// How many permits there may be, for a `BoundedSemaphore`.
    value_max: Guarded<Option<Count>>,
}

/// A semaphore that refuses to be given back more than was taken, by a `ValueError`.
#[pyclass(
    module = "aioxide.natives.locks",
    frozen,
    subclass,
    extends = Semaphore,
    name = "BoundedSemaphore"
)]
pub(crate) struct BoundedSemaphore;

impl Semaphore {
    fn with_permits(value: Count) -> Self {
        Self {
            value: Guarded::new(value),
            waiters: Deque::unused(),
            bound: LoopBound::default(),
            value_max: Guarded::new(None),
        }
    }

    fn value(&self, py: Python<'_>) -> Count {
        self.value.with(py, |value| value.clone_ref(py))
    }

    /// Adds permits, or takes some away.
    #[inline]
    fn add(&self, py: Python<'_>, permits: i64) -> PyResult<()> {
        if self.value.with(py, |value| value.add(permits)) {
            return Ok(());
        }
        let value = self.value(py).plus(py, permits)?;
        drop(self.value.replace(py, value));
        Ok(())
    }

    /// Whether there is no permit, or somebody who came earlier has to have it.
    #[inline]
    fn is_locked(&self, py: Python<'_>) -> PyResult<bool> {
        let is_zero = match self.value.with(py, |value| value.as_int()) {
            Some(value) => value == 0,
            None => self.value(py).is_zero(py)?,
        };
        Ok(is_zero || waiting::is_any_in_line(py, &self.waiters)?)
    }

    /// As `is_locked`, but a derived class may see it otherwise.
    fn says_locked(slf: &Bound<'_, Self>) -> PyResult<bool> {
        if is_plain(slf.as_any())? {
            return slf.get().is_locked(slf.py());
        }
        slf.call_method0(intern!(slf.py(), "locked"))?.is_truthy()
    }

    /// Gives a permit to the first in line that has none. Says whether there was one.
    fn wake_next(&self, py: Python<'_>) -> PyResult<bool> {
        let Some(waiter) = waiting::first_pending(py, &self.waiters)? else {
            return Ok(false);
        };
        self.add(py, -1)?;
        waiting::wake(&waiter, boolean(py, true))?;
        Ok(true)
    }

    /// As `wake_next`, unless a derived class does it otherwise.
    fn pass_on(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let py = slf.py();
        if is_plain(slf.as_any())? {
            return slf.get().wake_next(py);
        }
        slf.call_method0(intern!(py, "_wake_up_next"))?.is_truthy()
    }

    /// Whether there are permits that nobody has.
    #[inline]
    fn has_some(&self, py: Python<'_>) -> PyResult<bool> {
        match self.value.with(py, |value| value.as_int()) {
            Some(value) => Ok(value > 0),
            None => self.value(py).is_positive(py),
        }
    }

    /// Gives what permits there are to those in line.
    #[inline]
    fn wake_all_allowed(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        while slf.get().has_some(py)? && Self::pass_on(slf)? {}
        Ok(())
    }

    /// Gives a permit back.
    fn release_now(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().add(slf.py(), 1)?;
        Self::pass_on(slf).map(drop)
    }

    /// As `release_now`, unless there are too many permits.
    fn release_bounded(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let value_max = slf
            .get()
            .value_max
            .with(py, |bound| bound.as_ref().map(|bound| bound.clone_ref(py)));
        if let Some(value_max) = value_max
            && slf.get().value(py).is_at_least(py, &value_max)?
        {
            return Err(PyValueError::new_err(
                "BoundedSemaphore released too many times",
            ));
        }
        Self::release_now(slf)
    }

    fn start_with(&self, py: Python<'_>, value: Count) -> PyResult<()> {
        if value.is_negative(py)? {
            return Err(PyValueError::new_err(
                "Semaphore initial value must be >= 0",
            ));
        }
        drop(self.value.replace(py, value));
        self.waiters.put(py, None);
        Ok(())
    }
}

fn acquire<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Semaphore>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &ACQUIRE, Acquire(SemaphoreAcquisition::new(&slf)))
}

fn release<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Semaphore>(py, arguments)? else {
        return Ok(None);
    };
    Semaphore::release_now(&slf)?;
    Ok(Some(py.None()))
}

fn bounded_release<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Semaphore>(py, arguments)? else {
        return Ok(None);
    };
    Semaphore::release_bounded(&slf)?;
    Ok(Some(py.None()))
}

fn wake_up_next<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Semaphore>(py, arguments)? else {
        return Ok(None);
    };
    let is_woken = slf.get().wake_next(py)?;
    Ok(Some(boolean(py, is_woken).unbind()))
}

fn locked<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Semaphore>(py, arguments)? else {
        return Ok(None);
    };
    Ok(Some(boolean(py, slf.get().is_locked(py)?).unbind()))
}

/// The way to a permit.
pub(crate) struct SemaphoreAcquisition {
    semaphore: Py<Semaphore>,
    /// What is awaited, once there is need to wait.
    waiter: Option<Py<PyAny>>,
}

impl SemaphoreAcquisition {
    fn new(semaphore: &Bound<'_, Semaphore>) -> Self {
        Self {
            semaphore: semaphore.clone().unbind(),
            waiter: None,
        }
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let semaphore = self.semaphore.bind(py);
        let slf = semaphore.get();
        if !Semaphore::says_locked(semaphore)? {
            slf.add(py, -1)?;
            return Ok(None);
        }
        slf.waiters.begin(py);
        let waiter = slf.bound.create_future(semaphore.as_any())?;
        slf.waiters.push(&waiter)?;
        self.waiter = Some(waiter.clone().unbind());
        Ok(Some(waiter))
    }

    /// Gives back the permit of a waiter that can't use it.
    fn give_up(slf: &Bound<'_, Semaphore>, waiter: &Bound<'_, PyAny>) -> PyResult<()> {
        if waiting::is_done(waiter)? && !waiting::is_cancelled(waiter)? {
            slf.get().add(slf.py(), 1)?;
        }
        Semaphore::wake_all_allowed(slf)
    }
}

impl Acquisition for SemaphoreAcquisition {
    fn advance<'py>(
        &mut self,
        py: Python<'py>,
        input: Input<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(waiter) = self.waiter.take() else {
            return self.begin(py);
        };
        let waiter = waiter.into_bound(py);
        let slf = self.semaphore.bind(py);
        slf.get().waiters.remove(&waiter)?;
        if let Err(error) = input.value(py) {
            let passed = Self::give_up(slf, &waiter);
            return Err(waiting::after_passing_on(py, error, passed));
        }
        // Others may have come since, and had to stand in line behind this one.
        Semaphore::wake_all_allowed(slf)?;
        Ok(None)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.semaphore)?;
        visit.call(&self.waiter)
    }

    fn release(self, py: Python<'_>) {
        drop(self.semaphore.into_bound(py));
    }
}

/// Whether the methods are ours.
fn is_plain(slf: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(OWN_METHODS.are_those_of::<Semaphore>(slf)?
        || BOUNDED_OWN_METHODS.are_those_of::<BoundedSemaphore>(slf)?)
}

impl Acquirable for Semaphore {
    const ENTER: &'static Function = &ENTER;
    const EXIT: &'static Function = &EXIT;
    type Acquisition = SemaphoreAcquisition;

    fn native_acquisition(slf: &Bound<'_, Self>) -> PyResult<Option<SemaphoreAcquisition>> {
        Ok(is_plain(slf.as_any())?.then(|| SemaphoreAcquisition::new(slf)))
    }

    fn release_natively(slf: &Bound<'_, Self>) -> PyResult<Option<()>> {
        if !is_plain(slf.as_any())? {
            return Ok(None);
        }
        Self::release_bounded(slf).map(Some)
    }
}

impl Described for Semaphore {
    fn state(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let state = if Self::says_locked(slf)? {
            "locked".to_owned()
        } else {
            let value = slf.get().value(py).to_object(py)?;
            format!("unlocked, value:{value}")
        };
        let waiters = slf.get().waiters.len(py)?;
        Ok(with_waiters(&state, waiters))
    }
}

private_names!(Semaphore);

#[pymethods]
impl Semaphore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::with_permits(Count::Int(1))
    }

    /// Makes a semaphore with `value` permits.
    #[pyo3(signature = (value=Count::Int(1)))]
    fn __init__(&self, py: Python<'_>, value: Count) -> PyResult<()> {
        self.start_with(py, value)
    }

    #[getter(_value)]
    fn private_value<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.value(py).to_object(py)
    }

    #[setter(_value)]
    fn set_private_value(&self, py: Python<'_>, value: Count) {
        drop(self.value.replace(py, value));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.value
            .visit(|value| value.traverse(visit))
            .unwrap_or(Ok(()))?;
        self.value_max
            .visit(|bound| bound.as_ref().map_or(Ok(()), |bound| bound.traverse(visit)))
            .unwrap_or(Ok(()))?;
        self.waiters.traverse(visit)?;
        self.bound.traverse(visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.value.replace(py, Count::Int(0)));
        drop(self.value_max.replace(py, None));
        self.waiters.put(py, None);
        self.bound.set(py, None);
    }
}

#[pymethods]
impl BoundedSemaphore {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(value=1)")]
    fn new(
        _args: &Bound<'_, PyTuple>,
        _kwargs: Option<&Bound<'_, PyDict>>,
    ) -> PyClassInitializer<Self> {
        PyClassInitializer::from(Semaphore::with_permits(Count::Int(1))).add_subclass(Self)
    }

    /// Makes a semaphore with `value` permits, which are all that there can be.
    #[pyo3(signature = (value=Count::Int(1)))]
    fn __init__(slf: &Bound<'_, Self>, value: Count) -> PyResult<()> {
        let py = slf.py();
        let semaphore = slf.as_super().get();
        drop(semaphore.value_max.replace(py, Some(value.clone_ref(py))));
        semaphore.start_with(py, value)
    }

    #[getter(_bound_value)]
    fn bound_value<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let bound = slf
            .as_super()
            .get()
            .value_max
            .with(py, |bound| bound.as_ref().map(|bound| bound.clone_ref(py)));
        bound.map(|bound| bound.to_object(py)).transpose()
    }

    #[setter(_bound_value)]
    fn set_bound_value(slf: &Bound<'_, Self>, value: Count) {
        drop(
            slf.as_super()
                .get()
                .value_max
                .replace(slf.py(), Some(value)),
        );
    }
}
