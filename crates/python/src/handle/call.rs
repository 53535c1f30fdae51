//! What a handle calls: a callback with its arguments, in a context.
//!
//! A few arguments stand in the call itself. In a tuple they would be one more object to make, and one that counts
//! towards the next collection; it is made when somebody looks at them.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyContext, PyTuple};

use crate::contexts::Captured;
use crate::event_loop::EventLoop;
use crate::raw::fastcall::Arguments;

/// The arguments of a call.
pub(crate) enum Args {
    /// None.
    Zero,
    /// One.
    One([Py<PyAny>; 1]),
    /// Two.
    Two([Py<PyAny>; 2]),
    /// Three.
    Three([Py<PyAny>; 3]),
    /// More, or such as somebody has looked at.
    Tuple(Py<PyTuple>),
}

impl Args {
    /// The positional arguments of a method from a place on.
    #[inline]
    pub(crate) fn rest(arguments: &Arguments<'_, '_>, begin: usize) -> PyResult<Self> {
        let own = |value: Borrowed<'_, '_, PyAny>| value.to_owned().unbind();
        if arguments.positional_count() <= begin {
            Ok(Self::Zero)
        } else if let Some(values) = arguments.just(begin) {
            Ok(Self::One(values.map(own)))
        } else if let Some(values) = arguments.just(begin) {
            Ok(Self::Two(values.map(own)))
        } else if let Some(values) = arguments.just(begin) {
            Ok(Self::Three(values.map(own)))
        } else {
            Ok(Self::Tuple(arguments.rest(begin)?.unbind()))
        }
    }

    fn clone_ref(&self, py: Python<'_>) -> Self {
        let own = |value: &Py<PyAny>| value.clone_ref(py);
        match self {
            Self::Zero => Self::Zero,
            Self::One(values) => Self::One(values.each_ref().map(own)),
            Self::Two(values) => Self::Two(values.each_ref().map(own)),
            Self::Three(values) => Self::Three(values.each_ref().map(own)),
            Self::Tuple(tuple) => Self::Tuple(tuple.clone_ref(py)),
        }
    }

    /// As a tuple.
    fn tuple<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        match self {
            Self::Zero => Ok(PyTuple::empty(py)),
            Self::One(values) => PyTuple::new(py, values),
            Self::Two(values) => PyTuple::new(py, values),
            Self::Three(values) => PyTuple::new(py, values),
            Self::Tuple(tuple) => Ok(tuple.bind(py).clone()),
        }
    }

    /// Lets go of them, here and now.
    #[inline]
    fn release(self, py: Python<'_>) {
        match self {
            Self::Zero => {}
            Self::One(values) => drop(values.map(|value| value.into_bound(py))),
            Self::Two(values) => drop(values.map(|value| value.into_bound(py))),
            Self::Three(values) => drop(values.map(|value| value.into_bound(py))),
            Self::Tuple(tuple) => drop(tuple.into_bound(py)),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Zero => Ok(()),
            Self::One(values) => values.iter().try_for_each(|value| visit.call(value)),
            Self::Two(values) => values.iter().try_for_each(|value| visit.call(value)),
            Self::Three(values) => values.iter().try_for_each(|value| visit.call(value)),
            Self::Tuple(tuple) => visit.call(tuple),
        }
    }
}

impl From<&Bound<'_, PyTuple>> for Args {
    fn from(tuple: &Bound<'_, PyTuple>) -> Self {
        if tuple.is_empty() {
            Self::Zero
        } else {
            Self::Tuple(tuple.clone().unbind())
        }
    }
}

/// What a handle calls, and all that it keeps alive.
pub(crate) struct Call {
    event_loop: Py<EventLoop>,
    callback: Py<PyAny>,
    args: Args,
    context: Captured,
}

impl Call {
    /// A call in the context of the caller's choice, or in a capture of the current one.
    #[inline]
    pub(crate) fn new(
        event_loop: &Bound<'_, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Self> {
        let context = Self::capture(event_loop, context)?;
        Ok(Self::within(event_loop, callback, args, context))
    }

    /// The context of the caller's choice, or a capture of the current one.
    #[inline]
    pub(super) fn capture(
        event_loop: &Bound<'_, EventLoop>,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Captured> {
        match context {
            Some(context) => Ok(Captured::Own(context.unbind())),
            None => event_loop.get().contexts.capture(event_loop.py()),
        }
    }

    /// A call in a context that was captured for it.
    #[inline]
    pub(super) fn within(
        event_loop: &Bound<'_, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Captured,
    ) -> Self {
        Self {
            event_loop: event_loop.clone().unbind(),
            callback: callback.clone().unbind(),
            args,
            context,
        }
    }

    /// The loop that the call was scheduled on.
    pub(crate) fn event_loop(&self) -> &Py<EventLoop> {
        &self.event_loop
    }

    /// What will be called.
    pub(crate) fn callback(&self) -> &Py<PyAny> {
        &self.callback
    }

    /// What it will be called with.
    pub(super) fn args<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        self.args.tuple(py)
    }

    /// Puts the same arguments as a tuple in their place, and returns what was there.
    pub(super) fn keep_args(&mut self, tuple: Py<PyTuple>) -> Args {
        std::mem::replace(&mut self.args, Args::Tuple(tuple))
    }

    /// What it will be called in.
    pub(super) fn into_context(self, py: Python<'_>) -> PyResult<Py<PyContext>> {
        self.context.into_own(py)
    }

    /// Puts a context in the place of the captured one, which is returned.
    pub(super) fn keep_context(&mut self, context: Py<PyContext>) -> Captured {
        std::mem::replace(&mut self.context, Captured::Own(context))
    }

    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            event_loop: self.event_loop.clone_ref(py),
            callback: self.callback.clone_ref(py),
            args: self.args.clone_ref(py),
            context: self.context.clone_ref(py),
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.callback)?;
        self.args.traverse(visit)?;
        self.context.traverse(visit)
    }

    /// Lets go of everything, here and now, without PyO3 asking for each reference whether that may be.
    #[inline]
    pub(crate) fn release(self, py: Python<'_>) {
        drop(self.callback.into_bound(py));
        self.args.release(py);
        self.context.release(py);
        drop(self.event_loop.into_bound(py));
    }

    /// Calls the callback in its context. If it fails, `self` has that very context afterwards.
    pub(crate) fn run(&mut self, py: Python<'_>) -> PyResult<()> {
        let (callback, args) = (self.callback.bind(py), &self.args);
        let contexts = &self.event_loop.get().contexts;
        contexts.run_in(py, &mut self.context, || call(callback, args))
    }

    /// As `run`, for the loop itself, which makes one call after the other.
    #[inline]
    pub(crate) fn run_next(&mut self, py: Python<'_>) -> PyResult<()> {
        let (callback, args) = (self.callback.bind(py), &self.args);
        let contexts = &self.event_loop.get().contexts;
        contexts.run_next_in(py, &mut self.context, || call(callback, args))
    }
}

/// Calls `callback`. The arguments have to be kept alive by the caller, whatever becomes of their handle meanwhile.
#[inline]
fn call(callback: &Bound<'_, PyAny>, args: &Args) -> PyResult<()> {
    let py = callback.py();
    match args {
        Args::Zero => callback.call0(),
        Args::One([first]) => callback.call1((first.bind(py),)),
        Args::Two([first, second]) => callback.call1((first.bind(py), second.bind(py))),
        Args::Three([first, second, third]) => {
            callback.call1((first.bind(py), second.bind(py), third.bind(py)))
        }
        Args::Tuple(tuple) => callback.call1(tuple.bind(py)),
    }
    .map(drop)
}
