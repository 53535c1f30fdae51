//! `async with`, for what is acquired and released.

use pyo3::PyClass;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine, boolean, receiver};

/// What happens between the begin of `acquire` and its end.
pub(crate) trait Acquisition: Send + Sync {
    /// Goes on; None once it is acquired.
    fn advance<'py>(
        &mut self,
        py: Python<'py>,
        input: Input<'py>,
    ) -> PyResult<Option<Bound<'py, PyAny>>>;

    /// Shows the collector what is held.
    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError>;

    /// Lets go of what is held.
    fn release(self, py: Python<'_>);
}

/// A class whose objects are acquired and released.
pub(crate) trait Acquirable: PyClass {
    /// `__aenter__`.
    const ENTER: &'static Function;
    /// `__aexit__`.
    const EXIT: &'static Function;
    /// How it is acquired natively.
    type Acquisition: Acquisition + 'static;

    /// A native acquisition; None if the methods of the object have to be called.
    fn native_acquisition(slf: &Bound<'_, Self>) -> PyResult<Option<Self::Acquisition>>;
    /// Releases natively; None if the method of the object has to be called.
    fn release_natively(slf: &Bound<'_, Self>) -> PyResult<Option<()>>;
}

pub(super) fn enter<'py, C: Acquirable>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<C>(py, arguments)? else {
        return Ok(None);
    };
    let enter = Enter::<C>::New(slf.to_owned().unbind());
    Coroutine::start(py, C::ENTER, enter)
}

pub(super) fn exit<'py, C: Acquirable>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = || {
        [
            intern!(py, "self"),
            intern!(py, "exc_type"),
            intern!(py, "exc"),
            intern!(py, "tb"),
        ]
    };
    let Some([slf, _, _, _]) = arguments.all(names) else {
        return Ok(None);
    };
    let lock = slf.cast::<C>()?.to_owned().unbind();
    Coroutine::start(py, C::EXIT, Exit { lock })
}

/// `__aenter__`.
enum Enter<C: Acquirable> {
    New(Py<C>),
    Native(C::Acquisition),
    /// Awaits what the object's own `acquire` has returned.
    ByMethod,
}

impl<C: Acquirable> Enter<C> {
    fn begin<'py>(
        &mut self,
        py: Python<'py>,
        lock: &Bound<'py, C>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        if let Some(mut acquisition) = C::native_acquisition(lock)? {
            let waiter = acquisition.advance(py, Input::Start)?;
            if waiter.is_some() {
                *self = Self::Native(acquisition);
            } else {
                acquisition.release(py);
            }
            return Ok(waiter);
        }
        lock.as_any().call_method0(intern!(py, "acquire")).map(Some)
    }
}

impl<C: Acquirable> Routine for Enter<C> {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let awaitable = match self {
            Self::Native(acquisition) => acquisition.advance(py, input)?,
            Self::New(_) | Self::ByMethod => match std::mem::replace(self, Self::ByMethod) {
                Self::New(lock) => self.begin(py, &lock.into_bound(py))?,
                _ => input.value(py).map(|_acquired| None)?,
            },
        };
        Ok(match awaitable {
            Some(awaitable) => Progress::Await(awaitable),
            None => Progress::Return(py.None().into_bound(py)),
        })
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::New(lock) => visit.call(lock),
            Self::Native(acquisition) => acquisition.traverse(visit),
            Self::ByMethod => Ok(()),
        }
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        match *self {
            Self::New(lock) => drop(lock.into_bound(py)),
            Self::Native(acquisition) => acquisition.release(py),
            Self::ByMethod => {}
        }
    }
}

/// `__aexit__`.
struct Exit<C> {
    lock: Py<C>,
}

impl<C: Acquirable> Routine for Exit<C> {
    fn resume<'py>(&mut self, py: Python<'py>, _input: Input<'py>) -> PyResult<Progress<'py>> {
        let lock = self.lock.bind(py);
        if C::release_natively(lock)?.is_none() {
            lock.as_any().call_method0(intern!(py, "release"))?;
        }
        Ok(Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.lock)
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        drop(self.lock.into_bound(py));
    }
}

/// `acquire`.
pub(super) struct Acquire<A>(pub(super) A);

impl<A: Acquisition> Routine for Acquire<A> {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        Ok(match self.0.advance(py, input)? {
            Some(waiter) => Progress::Await(waiter),
            None => Progress::Return(boolean(py, true)),
        })
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.0.traverse(visit)
    }

    fn release(self: Box<Self>, py: Python<'_>) {
        self.0.release(py);
    }
}
