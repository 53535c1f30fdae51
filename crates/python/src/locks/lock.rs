//! `Lock`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};

use super::async_with::{Acquirable, Acquire, Acquisition, enter, exit};
use super::description::{Described, repr, with_waiters};
use super::private::private_names;
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
    &WAKE_UP_FIRST,
];

static REPR: Function = Function {
    qualname: "Lock.__repr__",
    call: repr::<Lock>,
};
static ACQUIRE: Function = Function {
    qualname: "Lock.acquire",
    call: acquire,
};
static RELEASE: Function = Function {
    qualname: "Lock.release",
    call: release,
};
static LOCKED: Function = Function {
    qualname: "Lock.locked",
    call: locked,
};
static ENTER: Function = Function {
    qualname: "Lock.__aenter__",
    call: enter::<Lock>,
};
static EXIT: Function = Function {
    qualname: "Lock.__aexit__",
    call: exit::<Lock>,
};

static WAKE_UP_FIRST: Function = Function {
    qualname: "Lock._wake_up_first",
    call: wake_up_first,
};

/// The methods that other natives do without.
static OWN_METHODS: OwnMethods = OwnMethods::new(&[
    ("acquire", acquire),
    ("release", release),
    ("locked", locked),
    ("_wake_up_first", wake_up_first),
]);

/// A lock for tasks, not for threads. It belongs to nobody: any task may release it.
///
/// Those that wait get it in the order in which they came.
#[pyclass(
    module = "aioxide.natives.locks",
    frozen,
    subclass,
    weakref,
    dict,
    name = "Lock"
)]
pub(crate) struct Lock {
    is_locked: Guarded<bool>,
    waiters: Deque,
    bound: LoopBound,
}

impl Lock {
    /// A lock that is free.
    pub(super) fn free() -> Self {
        Self {
            is_locked: Guarded::new(false),
            waiters: Deque::unused(),
            bound: LoopBound::default(),
        }
    }

    /// Whether the methods are ours.
    #[inline]
    pub(super) fn is_plain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        OWN_METHODS.are_those_of::<Self>(slf.as_any())
    }

    /// Whether somebody has the lock.
    #[inline]
    pub(super) fn is_locked(&self, py: Python<'_>) -> bool {
        self.is_locked.get(py)
    }

    /// Lets the lock go, to the first in line.
    #[inline]
    pub(super) fn release_now(slf: &Bound<'_, Self>) -> PyResult<()> {
        if !slf.get().is_locked.replace(slf.py(), false) {
            return Err(PyRuntimeError::new_err("Lock is not acquired."));
        }
        Self::pass_on(slf)
    }

    /// As `wake_first`, unless a derived class does it otherwise.
    #[inline]
    fn pass_on(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        if Self::is_plain(slf)? {
            return slf.get().wake_first(py);
        }
        slf.call_method0(intern!(py, "_wake_up_first")).map(drop)
    }

    /// Makes sure that the first in line comes: if it is done, it is on its way.
    #[inline]
    fn wake_first(&self, py: Python<'_>) -> PyResult<()> {
        match waiting::first_if_pending(py, &self.waiters)? {
            Some(waiter) => waiting::wake(&waiter, boolean(py, true)),
            None => Ok(()),
        }
    }
}

fn acquire<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Lock>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &ACQUIRE, Acquire(LockAcquisition::new(&slf)))
}

fn release<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Lock>(py, arguments)? else {
        return Ok(None);
    };
    Lock::release_now(&slf)?;
    Ok(Some(py.None()))
}

fn wake_up_first<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Lock>(py, arguments)? else {
        return Ok(None);
    };
    slf.get().wake_first(py)?;
    Ok(Some(py.None()))
}

fn locked<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Lock>(py, arguments)? else {
        return Ok(None);
    };
    Ok(Some(boolean(py, slf.get().is_locked(py)).unbind()))
}

/// The way to the lock.
pub(crate) struct LockAcquisition {
    lock: Py<Lock>,
    /// What is awaited, once there is need to wait.
    waiter: Option<Py<PyAny>>,
}

impl LockAcquisition {
    #[inline]
    pub(super) fn new(lock: &Bound<'_, Lock>) -> Self {
        Self {
            lock: lock.clone().unbind(),
            waiter: None,
        }
    }

    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let lock = self.lock.bind(py);
        let slf = lock.get();
        if !slf.is_locked.get(py) && !waiting::is_any_in_line(py, &slf.waiters)? {
            slf.is_locked.replace(py, true);
            return Ok(None);
        }
        slf.waiters.begin(py);
        let waiter = slf.bound.create_future(lock.as_any())?;
        slf.waiters.push(&waiter)?;
        self.waiter = Some(waiter.clone().unbind());
        Ok(Some(waiter))
    }
}

impl Acquisition for LockAcquisition {
    #[inline]
    fn advance<'py>(
        &mut self,
        py: Python<'py>,
        input: Input<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let Some(waiter) = self.waiter.take() else {
            return self.begin(py);
        };
        let waiter = waiter.into_bound(py);
        let slf = self.lock.bind(py);
        let lock = slf.get();
        lock.waiters.remove(&waiter)?;
        if let Err(error) = input.value(py) {
            // The lock may be free because it was to be ours: then it is the turn of the next.
            let passed = if lock.is_locked.get(py) {
                Ok(())
            } else {
                Lock::pass_on(slf)
            };
            return Err(waiting::after_passing_on(py, error, passed));
        }
        lock.is_locked.replace(py, true);
        Ok(None)
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)?;
        visit.call(&self.waiter)
    }

    fn release(self, py: Python<'_>) {
        drop(self.lock.into_bound(py));
    }
}

impl Acquirable for Lock {
    const ENTER: &'static Function = &ENTER;
    const EXIT: &'static Function = &EXIT;
    type Acquisition = LockAcquisition;

    fn native_acquisition(slf: &Bound<'_, Self>) -> PyResult<Option<LockAcquisition>> {
        Ok(Self::is_plain(slf)?.then(|| LockAcquisition::new(slf)))
    }

    fn release_natively(slf: &Bound<'_, Self>) -> PyResult<Option<()>> {
        if !Self::is_plain(slf)? {
            return Ok(None);
        }
        Self::release_now(slf).map(Some)
    }
}

impl Described for Lock {
    fn state(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let is_locked = slf.get().is_locked(py);
        let state = if is_locked { "locked" } else { "unlocked" };
        let waiters = slf.get().waiters.len(py)?;
        Ok(with_waiters(state, waiters))
    }
}

private_names!(Lock);

#[pymethods]
impl Lock {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::free()
    }

    /// Makes a lock that is free.
    #[pyo3(signature = ())]
    fn __init__(&self, py: Python<'_>) {
        self.is_locked.replace(py, false);
        self.waiters.put(py, None);
    }

    #[getter(_locked)]
    fn private_locked(&self, py: Python<'_>) -> bool {
        self.is_locked(py)
    }

    #[setter(_locked)]
    fn set_private_locked(&self, py: Python<'_>, is_locked: &Bound<'_, PyAny>) -> PyResult<()> {
        let is_locked = is_locked.is_truthy()?;
        self.is_locked.replace(py, is_locked);
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.waiters.traverse(visit)?;
        self.bound.traverse(visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        self.waiters.put(py, None);
        self.bound.set(py, None);
    }
}
