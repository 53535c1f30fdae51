//! `Condition`.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use super::async_with::{Acquirable, enter, exit};
use super::description::{Described, repr, with_waiters};
use super::lock::{Lock, LockAcquisition};
use super::notified::{Wait, WaitFor};
use super::private::private_names;
use crate::deque::Deque;
use crate::joint::AnyFuture;
use crate::loop_bound::LoopBound;
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::raw::own_methods::OwnMethods;
use crate::routine::{Coroutine, Function, boolean, receiver};
use crate::waiting;

pub(crate) const FUNCTIONS: &[&Function] = &[
    &REPR,
    &WAIT,
    &WAIT_FOR,
    &NOTIFY,
    &NOTIFY_ALL,
    &ENTER,
    &EXIT,
    &WAKE,
];

static REPR: Function = Function {
    qualname: "Condition.__repr__",
    call: repr::<Condition>,
};
static WAIT: Function = Function {
    qualname: "Condition.wait",
    call: wait,
};
static WAIT_FOR: Function = Function {
    qualname: "Condition.wait_for",
    call: wait_for,
};
static NOTIFY: Function = Function {
    qualname: "Condition.notify",
    call: notify,
};
static NOTIFY_ALL: Function = Function {
    qualname: "Condition.notify_all",
    call: notify_all,
};
static ENTER: Function = Function {
    qualname: "Condition.__aenter__",
    call: enter::<Condition>,
};
static EXIT: Function = Function {
    qualname: "Condition.__aexit__",
    call: exit::<Condition>,
};

static WAKE: Function = Function {
    qualname: "Condition._notify",
    call: wake,
};

/// The methods that other natives do without. `_notify` came with Python 3.13, and is nobody's before.
static OWN_METHODS: OwnMethods = OwnMethods::new(if cfg!(Py_3_13) {
    &[("wait", wait), ("notify", notify), ("_notify", wake)]
} else {
    &[("wait", wait), ("notify", notify)]
});

/// What a condition has of its lock, where that is not a lock of ours, or Python has put something in its place.
#[derive(Default)]
pub(super) struct Borrowed {
    locked: Option<Py<PyAny>>,
    acquire: Option<Py<PyAny>>,
    release: Option<Py<PyAny>>,
}

impl Borrowed {
    fn is_empty(&self) -> bool {
        self.locked.is_none() && self.acquire.is_none() && self.release.is_none()
    }
}

/// What tasks wait for until another says so. It comes with a lock, `lock` or one of its own.
#[pyclass(
    module = "aioxide.natives.locks",
    frozen,
    subclass,
    weakref,
    dict,
    name = "Condition"
)]
pub(crate) struct Condition {
    /// None before `__init__`.
    lock: Guarded<Option<Py<PyAny>>>,
    borrowed: Guarded<Borrowed>,
    pub(super) waiters: Deque,
    pub(super) bound: LoopBound,
}

impl Condition {
    fn without_lock() -> Self {
        Self {
            lock: Guarded::new(None),
            borrowed: Guarded::new(Borrowed::default()),
            waiters: Deque::default(),
            bound: LoopBound::default(),
        }
    }

    /// A condition with a lock of its own.
    pub(super) fn with_own_lock(py: Python<'_>) -> PyResult<Self> {
        let condition = Self::without_lock();
        let lock = Py::new(py, Lock::free())?.into_any();
        condition.lock.replace(py, Some(lock));
        Ok(condition)
    }

    fn lock<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.lock
            .with(py, |lock| lock.as_ref().map(|lock| lock.bind(py).clone()))
    }

    /// The lock, if it is one of ours, whatever its methods.
    pub(super) fn own_lock<'py>(&self, py: Python<'py>) -> Option<Bound<'py, Lock>> {
        self.lock(py)?.cast_into::<Lock>().ok()
    }

    /// The lock, if it and the condition are ours, with our methods.
    pub(super) fn native_lock<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, Lock>>> {
        let py = slf.py();
        if !slf.is_exact_instance_of::<Self>()
            || !slf.get().borrowed.with(py, |borrowed| borrowed.is_empty())
        {
            return Ok(None);
        }
        match slf.get().own_lock(py) {
            Some(lock) if Lock::is_plain(&lock)? => Ok(Some(lock)),
            _ => Ok(None),
        }
    }

    /// Whether the methods are ours.
    pub(super) fn is_plain(slf: &Bound<'_, Self>) -> PyResult<bool> {
        OWN_METHODS.are_those_of::<Self>(slf.as_any())
    }

    pub(super) fn is_locked(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match Self::native_lock(slf)? {
            Some(lock) => Ok(lock.get().is_locked(slf.py())),
            None => slf.call_method0(intern!(slf.py(), "locked"))?.is_truthy(),
        }
    }

    pub(super) fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        match Self::native_lock(slf)? {
            Some(lock) => Lock::release_now(&lock),
            None => slf.call_method0(intern!(slf.py(), "release")).map(drop),
        }
    }

    /// Wakes waiters until `is_enough` says so of their number, or there are no more.
    fn wake(
        &self,
        py: Python<'_>,
        mut is_enough: impl FnMut(usize) -> PyResult<bool>,
    ) -> PyResult<()> {
        let (mut place, mut woken) = (0, 0);
        while let Some(waiter) = self.waiters.item(py, place)? {
            if is_enough(woken)? {
                break;
            }
            let waiter = AnyFuture::new(waiter);
            if !waiter.is_done()? {
                woken += 1;
                waiting::wake(&waiter, boolean(py, false))?;
            }
            place += 1;
        }
        Ok(())
    }

    /// Wakes so many waiters, one if None, unless a derived class does it otherwise.
    fn wake_some(slf: &Bound<'_, Self>, count: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        if cfg!(Py_3_13) && !Self::is_plain(slf)? {
            let name = intern!(py, "_notify");
            let woken = match count {
                None => slf.call_method1(name, (1,)),
                Some(count) => slf.call_method1(name, (count,)),
            };
            return woken.map(drop);
        }
        match count {
            None => slf.get().wake(py, |woken| Ok(woken > 0)),
            Some(count) => slf.get().wake(py, |woken| count.le(woken)),
        }
    }

    /// Wakes one waiter, in place of one that can't use it.
    pub(super) fn wake_one(slf: &Bound<'_, Self>) -> PyResult<()> {
        Self::wake_some(slf, None)
    }

    /// Wakes all waiters.
    pub(super) fn wake_all(&self, py: Python<'_>) -> PyResult<()> {
        waiting::wake_all(&self.waiters, &boolean(py, false))
    }

    fn check_locked(slf: &Bound<'_, Self>) -> PyResult<()> {
        if Self::is_locked(slf)? {
            return Ok(());
        }
        Err(PyRuntimeError::new_err("cannot notify on un-acquired lock"))
    }

    /// A method of the lock, as the condition has it: what Python has put there, or what the lock has.
    fn method<'py>(
        &self,
        name: &Bound<'py, PyString>,
        own: impl FnOnce(&mut Borrowed) -> &mut Option<Py<PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let own = self.borrowed.with(py, |borrowed| {
            own(borrowed).as_ref().map(|own| own.clone_ref(py))
        });
        match (own, self.lock(py)) {
            (Some(own), _) => Ok(own.into_bound(py)),
            (None, Some(lock)) => lock.getattr(name),
            (None, None) => py.None().bind(py).getattr(name),
        }
    }

    fn set_method(
        &self,
        py: Python<'_>,
        method: Py<PyAny>,
        own: impl FnOnce(&mut Borrowed) -> &mut Option<Py<PyAny>>,
    ) {
        drop(
            self.borrowed
                .with(py, |borrowed| own(borrowed).replace(method)),
        );
    }
}

fn wait<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Condition>(py, arguments)? else {
        return Ok(None);
    };
    Coroutine::start(py, &WAIT, Wait::of(&slf))
}

fn wait_for<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "predicate")];
    let Some([Some(slf), Some(predicate)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let slf = slf.cast::<Condition>()?;
    Coroutine::start(py, &WAIT_FOR, WaitFor::new(&slf, &predicate))
}

fn notify<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "n")];
    let Some([Some(slf), count]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let slf = slf.cast::<Condition>()?;
    Condition::check_locked(&slf)?;
    Condition::wake_some(&slf, count.as_deref())?;
    Ok(Some(py.None()))
}

fn wake<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "self"), intern!(py, "n")];
    let Some([Some(slf), Some(count)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    let slf = slf.cast::<Condition>()?;
    slf.get().wake(py, |woken| count.le(woken))?;
    Ok(Some(py.None()))
}

fn notify_all<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<Condition>(py, arguments)? else {
        return Ok(None);
    };
    if Condition::is_plain(&slf)? {
        Condition::check_locked(&slf)?;
        slf.get().wake_all(py)?;
    } else {
        let waiters = slf.get().waiters.len(py)?;
        slf.call_method1(intern!(py, "notify"), (waiters,))?;
    }
    Ok(Some(py.None()))
}

impl Acquirable for Condition {
    const ENTER: &'static Function = &ENTER;
    const EXIT: &'static Function = &EXIT;
    type Acquisition = LockAcquisition;

    fn native_acquisition(slf: &Bound<'_, Self>) -> PyResult<Option<LockAcquisition>> {
        Ok(Self::native_lock(slf)?.map(|lock| LockAcquisition::new(&lock)))
    }

    fn release_natively(slf: &Bound<'_, Self>) -> PyResult<Option<()>> {
        match Self::native_lock(slf)? {
            Some(lock) => Lock::release_now(&lock).map(Some),
            None => Ok(None),
        }
    }
}

impl Described for Condition {
    fn state(slf: &Bound<'_, Self>) -> PyResult<String> {
        let state = if Self::is_locked(slf)? {
            "locked"
        } else {
            "unlocked"
        };
        let waiters = slf.get().waiters.len(slf.py())?;
        Ok(with_waiters(state, waiters))
    }
}

private_names!(Condition);

#[pymethods]
impl Condition {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(lock=None)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::without_lock()
    }

    /// Makes a condition over `lock`, or over a lock of its own.
    #[pyo3(signature = (lock=None))]
    fn __init__(slf: &Bound<'_, Self>, lock: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let lock = match lock {
            Some(lock) => lock,
            None => Bound::new(py, Lock::free())?.into_any(),
        };
        let condition = slf.get();
        drop(condition.lock.replace(py, Some(lock.clone().unbind())));
        drop(condition.borrowed.replace(py, Borrowed::default()));
        condition.waiters.reset(py);
        let is_native = match lock.cast::<Lock>() {
            Ok(lock) => Lock::is_plain(lock)?,
            Err(_foreign) => false,
        };
        if is_native && slf.is_exact_instance_of::<Self>() {
            return Ok(());
        }
        for name in ["locked", "acquire", "release"] {
            slf.setattr(name, lock.getattr(name)?)?;
        }
        Ok(())
    }

    /// The lock's `locked`.
    #[getter]
    fn locked<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.method(intern!(py, "locked"), |borrowed| &mut borrowed.locked)
    }

    #[setter]
    fn set_locked(&self, py: Python<'_>, method: Py<PyAny>) {
        self.set_method(py, method, |borrowed| &mut borrowed.locked);
    }

    /// The lock's `acquire`.
    #[getter]
    fn acquire<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.method(intern!(py, "acquire"), |borrowed| &mut borrowed.acquire)
    }

    #[setter]
    fn set_acquire(&self, py: Python<'_>, method: Py<PyAny>) {
        self.set_method(py, method, |borrowed| &mut borrowed.acquire);
    }

    /// The lock's `release`.
    #[getter(release)]
    fn release_method<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.method(intern!(py, "release"), |borrowed| &mut borrowed.release)
    }

    #[setter(release)]
    fn set_release_method(&self, py: Python<'_>, method: Py<PyAny>) {
        self.set_method(py, method, |borrowed| &mut borrowed.release);
    }

    #[getter(_lock)]
    fn private_lock<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.lock(py)
    }

    #[setter(_lock)]
    fn set_private_lock(&self, py: Python<'_>, lock: Py<PyAny>) {
        drop(self.lock.replace(py, Some(lock)));
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.lock.visit(|lock| visit.call(lock)).unwrap_or(Ok(()))?;
        self.borrowed
            .visit(|borrowed| {
                visit.call(&borrowed.locked)?;
                visit.call(&borrowed.acquire)?;
                visit.call(&borrowed.release)
            })
            .unwrap_or(Ok(()))?;
        self.waiters.traverse(visit)?;
        self.bound.traverse(visit)
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.lock.replace(py, None));
        drop(self.borrowed.replace(py, Borrowed::default()));
        self.waiters.reset(py);
        self.bound.set(py, None);
    }
}
