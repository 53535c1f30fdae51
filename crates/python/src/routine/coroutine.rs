//! The Python object around a routine.

use pyo3::exceptions::{
    PyGeneratorExit, PyRuntimeError, PyStopIteration, PyTypeError, PyValueError,
};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::awaiting::Awaited;
use super::{Function, Input, Progress, Routine};
use crate::future::thrown;
pub(crate) use crate::raw::coroutine::Sent;
use crate::raw::guarded::Guarded;
use crate::raw::lifecycle::Lifecycle;
use crate::raw::recursion;

/// How far a coroutine is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// Nobody has awaited it yet.
    New,
    Suspended,
    Running,
    Ended,
    /// As those three, of a pause: a coroutine that gives way for one turn, and has a routine only where somebody
    /// does more with it than to await it. It holds nothing, so that the collector does not know it. They come last.
    NewPause,
    SuspendedPause,
    EndedPause,
}

/// A coroutine's state. Its parts are taken out and put back one by one, each in registers.
pub(super) struct State {
    pub(super) function: &'static Function,
    pub(super) phase: Phase,
    /// None while the coroutine runs, and once it has ended.
    pub(super) routine: Option<Box<dyn Routine>>,
    /// What a suspended coroutine awaits.
    pub(super) awaited: Awaited,
}

/// What goes into a coroutine.
enum Message<'a, 'py> {
    Value(&'a Bound<'py, PyAny>),
    Exception(&'a Bound<'py, PyAny>),
}

/// What a coroutine function of ours returns. It passes for a `types.CoroutineType`.
#[pyclass(module = "aioxide._core", name = "NativeCoroutine", frozen, weakref)]
pub(crate) struct Coroutine {
    pub(super) state: Guarded<State>,
}

impl Coroutine {
    /// A coroutine of `function` that will do what `routine` does.
    #[inline]
    pub(crate) fn start<R: Routine + 'static>(
        py: Python<'_>,
        function: &'static Function,
        routine: R,
    ) -> PyResult<Option<Py<PyAny>>> {
        Self::make(py, function, routine).map(|coroutine| Some(coroutine.unbind()))
    }

    /// As `start`, for those who go on with the coroutine.
    #[inline]
    pub(crate) fn make<'py, R: Routine + 'static>(
        py: Python<'py>,
        function: &'static Function,
        routine: R,
    ) -> PyResult<Bound<'py, PyAny>> {
        let routine: Box<dyn Routine> = Box::new(routine);
        if let Some(reused) = Self::pool().and_then(|pool| pool.reuse(py)) {
            reused.get().state.with(py, |state| {
                state.function = function;
                state.phase = Phase::New;
                state.routine = Some(routine);
            });
            return Ok(reused.into_bound(py).into_any());
        }
        let state = State {
            function,
            phase: Phase::New,
            routine: Some(routine),
            awaited: Awaited::Nothing,
        };
        let state = Guarded::new(state);
        Ok(Bound::new(py, Self { state })?.into_any())
    }

    /// The function that has made the coroutine.
    pub(super) fn function(&self, py: Python<'_>) -> &'static Function {
        self.state.with(py, |state| state.function)
    }

    /// Goes on as `PyIter_Send` has it: what is sent reaches what is awaited.
    #[inline]
    pub(crate) fn send_value<'py>(&self, value: &Bound<'py, PyAny>) -> Sent<'py> {
        self.advance(value.py(), Message::Value(value))
    }

    /// Takes the routine out, so that it can run. None if the coroutine runs or has ended.
    #[inline]
    fn take(&self, py: Python<'_>) -> (Phase, Option<Box<dyn Routine>>) {
        self.state.with(py, |state| {
            let before = state.with_routine();
            if before != Phase::Ended {
                state.phase = Phase::Running;
            }
            (before, state.routine.take())
        })
    }

    #[inline]
    fn advance<'py>(&self, py: Python<'py>, message: Message<'_, 'py>) -> Sent<'py> {
        let (phase, routine) = self.take(py);
        let Some(routine) = routine else {
            return refused(phase);
        };
        let came = if phase == Phase::New {
            match message {
                Message::Value(value) if value.is_none() => None,
                _ => return self.refuse_to_begin(py, routine, &message),
            }
        } else {
            let awaited = self
                .state
                .with(py, |state| std::mem::take(&mut state.awaited));
            let sent = match message {
                Message::Value(value) => awaited.send(value),
                Message::Exception(exception) => awaited.throw(exception),
            };
            Some((awaited, sent))
        };
        self.run(py, routine, came)
    }

    /// What came of an attempt to begin with something else than None.
    #[cold]
    fn refuse_to_begin<'py>(
        &self,
        py: Python<'py>,
        routine: Box<dyn Routine>,
        message: &Message<'_, 'py>,
    ) -> Sent<'py> {
        match message {
            Message::Value(_) => {
                self.state.with(py, |state| {
                    state.phase = Phase::New;
                    state.routine = Some(routine);
                });
                Sent::raised(PyTypeError::new_err(
                    "can't send non-None value to a just-started coroutine",
                ))
            }
            Message::Exception(exception) => {
                let raised = Sent::raised(PyErr::from_value((*exception).clone()));
                self.end(py, routine, raised)
            }
        }
    }

    /// Lets the routine go on until it has to wait, or to its end. `came` is what it has awaited and what came of that, or
    /// None if it begins.
    #[inline]
    fn run<'py>(
        &self,
        py: Python<'py>,
        mut routine: Box<dyn Routine>,
        mut came: Option<(Awaited, Sent<'py>)>,
    ) -> Sent<'py> {
        loop {
            let input = match came {
                None => Input::Start,
                Some((awaited, sent @ (Sent::Nothing | Sent::Yielded(_)))) => {
                    return self.suspend(py, routine, awaited, sent);
                }
                Some((awaited, Sent::Returned(value))) => {
                    awaited.release(py);
                    Input::Value(value)
                }
                Some((awaited, Sent::Raised(error))) => {
                    awaited.release(py);
                    Input::Failure(*error)
                }
            };
            came = match routine.resume(py, input) {
                Ok(Progress::Return(value)) => return self.end(py, routine, Sent::Returned(value)),
                Ok(Progress::GiveWay) => Some((Awaited::Nothing, Sent::Nothing)),
                Ok(Progress::Await(awaitable)) => Some(
                    Awaited::begin(&awaitable)
                        .unwrap_or_else(|error| (Awaited::Nothing, Sent::raised(error))),
                ),
                Err(error) => return self.end(py, routine, Sent::raised(legal(py, error))),
            };
        }
    }

    #[inline]
    fn suspend<'py>(
        &self,
        py: Python<'py>,
        routine: Box<dyn Routine>,
        awaited: Awaited,
        sent: Sent<'py>,
    ) -> Sent<'py> {
        self.state.with(py, |state| {
            state.phase = Phase::Suspended;
            state.routine = Some(routine);
            state.awaited = awaited;
        });
        sent
    }

    #[inline]
    fn end<'py>(&self, py: Python<'py>, routine: Box<dyn Routine>, sent: Sent<'py>) -> Sent<'py> {
        self.state.with(py, |state| state.phase = Phase::Ended);
        routine.release(py);
        sent
    }

    pub(super) fn phase(&self, py: Python<'_>) -> Phase {
        self.state.with(py, State::with_routine)
    }

    /// Whether it has ended by itself, so that there is nothing to let go of.
    #[inline]
    pub(super) fn has_ended(&self, py: Python<'_>) -> bool {
        self.state.with(py, |state| {
            state.phase == Phase::Ended
                && state.routine.is_none()
                && matches!(state.awaited, Awaited::Nothing)
        })
    }

    /// Lets go of everything.
    pub(super) fn clear(&self, py: Python<'_>) {
        let dropped = self.state.with(py, |state| {
            state.phase = Phase::Ended;
            (state.routine.take(), std::mem::take(&mut state.awaited))
        });
        drop(dropped);
    }

    /// Closes the coroutine, so that its routine gives back what it holds.
    pub(super) fn close_now(&self, py: Python<'_>) -> PyResult<()> {
        if matches!(self.phase(py), Phase::New | Phase::Ended) {
            self.clear(py);
            return Ok(());
        }
        let exit = PyGeneratorExit::new_err(()).into_value(py).into_bound(py);
        match self.advance(py, Message::Exception(exit.as_any())) {
            Sent::Nothing | Sent::Yielded(_) => {
                Err(PyRuntimeError::new_err("coroutine ignored GeneratorExit"))
            }
            Sent::Returned(_) => Ok(()),
            Sent::Raised(error) if error.is_instance_of::<PyGeneratorExit>(py) => Ok(()),
            Sent::Raised(error) => Err(*error),
        }
    }
}

/// What becomes of an attempt to go on with a coroutine that runs or has ended.
#[cold]
fn refused<'py>(phase: Phase) -> Sent<'py> {
    Sent::raised(if phase == Phase::Ended {
        PyRuntimeError::new_err("cannot reuse already awaited coroutine")
    } else {
        PyValueError::new_err("coroutine already executing")
    })
}

/// What a coroutine may raise: a `StopIteration` would pass for its end.
fn legal(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let substitute = PyRuntimeError::new_err("coroutine raised StopIteration");
    substitute.set_cause(py, Some(error));
    substitute
}

/// The result of a step in the words of `send` and `throw`.
fn told<'py>(py: Python<'py>, sent: Sent<'py>) -> PyResult<Bound<'py, PyAny>> {
    match sent {
        Sent::Nothing => Ok(py.None().into_bound(py)),
        Sent::Yielded(value) => Ok(value),
        Sent::Returned(value) => {
            // In a tuple, for a result that is a tuple would be taken for the arguments.
            Err(PyStopIteration::new_err((value.unbind(),)))
        }
        Sent::Raised(error) => Err(*error),
    }
}

#[pymethods]
impl Coroutine {
    /// Goes on with a value for what is awaited; raises `StopIteration` with the result at the end.
    fn send<'py>(&self, py: Python<'py>, arg: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        told(py, self.send_value(arg))
    }

    /// Goes on with an exception, given as an object, or as a class with a value and a traceback.
    #[pyo3(signature = (typ, val=None, tb=None, /))]
    fn throw<'py>(
        &self,
        py: Python<'py>,
        typ: &Bound<'py, PyAny>,
        val: Option<&Bound<'py, PyAny>>,
        tb: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let exception = thrown(py, typ, val, tb)?;
        let sent = recursion::guarded(py, || self.advance(py, Message::Exception(&exception)))
            .map_err(|error| *error)?;
        told(py, sent)
    }

    /// Ends the coroutine; raises `RuntimeError` if it awaits something in its ending.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.close_now(py)
    }

    fn __await__(slf: Py<Self>) -> CoroutineWrapper {
        CoroutineWrapper { coroutine: slf }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.state
            .visit(|state| {
                if let Some(routine) = &state.routine {
                    routine.traverse(visit)?;
                }
                state.awaited.traverse(visit)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

/// The iterator that `__await__` returns when it is called by name.
#[pyclass(module = "aioxide._core", name = "NativeCoroutineWrapper", frozen)]
pub(crate) struct CoroutineWrapper {
    coroutine: Py<Coroutine>,
}

#[pymethods]
impl CoroutineWrapper {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        told(py, self.coroutine.get().send_value(py.None().bind(py)))
    }

    /// As the coroutine's `send`.
    fn send<'py>(&self, py: Python<'py>, arg: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        told(py, self.coroutine.get().send_value(arg))
    }

    /// As the coroutine's `throw`.
    #[pyo3(signature = (typ, val=None, tb=None, /))]
    fn throw<'py>(
        &self,
        py: Python<'py>,
        typ: &Bound<'py, PyAny>,
        val: Option<&Bound<'py, PyAny>>,
        tb: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.coroutine.get().throw(py, typ, val, tb)
    }

    /// As the coroutine's `close`.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.coroutine.get().close_now(py)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.coroutine)
    }
}
