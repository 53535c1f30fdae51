//! Native coroutines: what a coroutine function written in Rust returns.
//!
//! A [`Routine`] says what is done between two awaits; [`Coroutine`] is the Python object around it, which does
//! for it what the interpreter does for an `async def`: it starts when it is first awaited, passes on what the
//! awaited yields, throws and closes, and warns if nobody has awaited it. `await` and tasks
//! drive it by slots, without a frame.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

mod awaiting;
mod coroutine;
mod finalizing;
mod functions;
mod introspection;
mod pause;

pub(crate) use coroutine::{Coroutine, CoroutineWrapper, Sent};
pub(crate) use finalizing::prepare;
pub(crate) use functions::{Function, boolean, native_function, receiver};

/// Why a routine goes on.
pub(crate) enum Input<'py> {
    /// It begins, or nothing came of giving way.
    Start,
    /// What it awaited has this result.
    Value(Bound<'py, PyAny>),
    /// What it awaited raised this, or it was thrown in.
    Failure(PyErr),
}

impl<'py> Input<'py> {
    /// The value, if the await has not failed: what most routines begin with.
    pub(crate) fn value(self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self {
            Self::Start => Ok(py.None().into_bound(py)),
            Self::Value(value) => Ok(value),
            Self::Failure(error) => Err(error),
        }
    }
}

/// What a routine does next.
pub(crate) enum Progress<'py> {
    /// It gives way for one turn, as a bare `yield` does.
    GiveWay,
    /// It awaits this.
    Await(Bound<'py, PyAny>),
    /// It returns this.
    Return(Bound<'py, PyAny>),
}

/// What is done between two awaits.
pub(crate) trait Routine: Send + Sync {
    /// Goes on until the next await, or to the end.
    ///
    /// After an error or `Return` it is not called again. When the coroutine is closed in mid-await, the
    /// input is a `GeneratorExit`, and the routine gives back what it holds.
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>>;

    /// Shows the collector what the routine holds.
    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError>;

    /// Lets go of what the routine holds, at its end. Dropped without `py`, each reference would have PyO3 ask whether
    /// the thread is attached.
    fn release(self: Box<Self>, _py: Python<'_>) {}
}
