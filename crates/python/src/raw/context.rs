//! Copying, entering and leaving `contextvars` contexts without the detour over Python methods,
//! and telling without a copy whether a context still has the variables that another one has.
//!
//! Worth the raw calls: an empty callback runs in 53 ns with enter and exit around it, and in 58 ns
//! through `Context.run`, even where that keeps no account of shared contexts (CPython 3.13, no
//! PGO). And a context copied for each queued callback is one more object for the collector to
//! visit, a fifth of the cost of `call_soon`.
//!
//! A context keeps its variables in an immutable map, so that two contexts have the same variables
//! if they point to the same map. CPython has no call that says so. Where the two pointers stand
//! (the map in a context, the current context in a thread state) is found out by experiment when
//! the first loop is made; where the experiment fails, contexts are simply copied.

use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyContext;

use super::refcount;

/// How many words of a thread state are searched for the current context. All of them belong to it
/// on every supported version (the smallest, 3.12's, has 36).
const THREAD_STATE_WORDS: usize = 32;
/// Where the fields of a context begin, in words: after the reference count and the type.
const CONTEXT_FIELDS: std::ops::Range<usize> = 2..5;

/// Identifies the map of a context's variables. Meaningful only while some context has that map.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Variables(NonNull<()>);

/// What tells whether a context has got other variables, or owners, since it was looked at.
pub(crate) struct Watch {
    /// Where the context has its variables, in words.
    offset: usize,
    variables: Variables,
    references: isize,
}

// SAFETY: the address of the variables is compared only.
unsafe impl Send for Watch {}

impl Watch {
    /// How `context` is now; None if that cannot be told.
    pub(crate) fn of(py: Python<'_>, context: &Py<PyContext>) -> Option<Self> {
        Some(Self {
            offset: layout(py)?.variables,
            variables: variables_of(py, context)?,
            references: refcount::count(context),
        })
    }

    /// Whether `context`, which this is the watch of, is still as it was.
    #[inline]
    pub(crate) fn is_true_of(&self, context: &Py<PyContext>) -> bool {
        // SAFETY: the experiment has found a field of contexts at this offset, and `context` is alive.
        let variables = unsafe { word(context.as_ptr().cast(), self.offset) };
        variables == Some(self.variables.0) && refcount::count(context) == self.references
    }
}

/// Offsets in words.
#[derive(Clone, Copy)]
struct Layout {
    /// The current context, in a thread state.
    current: usize,
    /// The map of variables, in a context.
    variables: usize,
}

/// Takes whatever a caller gave for a context. asyncio finds out when it is entered, and so do we:
/// `run_in` refuses what is none.
pub(crate) fn presumed<'a, 'py>(context: &'a Bound<'py, PyAny>) -> &'a Bound<'py, PyContext> {
    // SAFETY: the type says what PyO3 may call on the object, which checks for itself; fields are read
    // of contexts only that this crate has made (`variables_of`).
    unsafe { context.cast_unchecked() }
}

/// A copy of the current context, as `contextvars.copy_context()`.
#[inline]
pub(crate) fn copy_current(py: Python<'_>) -> PyResult<Py<PyContext>> {
    // SAFETY: `py` proves that this thread is attached.
    let context = unsafe { ffi::PyContext_CopyCurrent() };
    owned(py, context)
}

/// A copy of `context`.
pub(crate) fn copy(py: Python<'_>, context: &Py<PyContext>) -> PyResult<Py<PyContext>> {
    // SAFETY: `context` is a context object, and `py` proves that this thread is attached.
    let copied = unsafe { ffi::PyContext_Copy(context.as_ptr()) };
    owned(py, copied)
}

fn owned(py: Python<'_>, context: *mut ffi::PyObject) -> PyResult<Py<PyContext>> {
    // SAFETY: `context` was just returned by a call that makes a context, or is null with an error set.
    let context = unsafe { Bound::from_owned_ptr_or_err(py, context) }?;
    Ok(context.cast_into::<PyContext>()?.unbind())
}

/// Enters `context`. Fails as `Context.run` does if it is entered already.
#[inline]
pub(crate) fn enter(py: Python<'_>, context: &Py<PyContext>) -> PyResult<()> {
    // SAFETY: `context` owns a reference; whatever is no context is refused.
    if unsafe { ffi::PyContext_Enter(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(())
}

/// Leaves `context`. Fails unless it is the one that this thread has entered last.
#[inline]
pub(crate) fn exit(py: Python<'_>, context: &Py<PyContext>) -> PyResult<()> {
    // SAFETY: `context` owns a reference; a context that is not the current one is refused.
    if unsafe { ffi::PyContext_Exit(context.as_ptr()) } != 0 {
        return Err(PyErr::fetch(py));
    }
    Ok(())
}

/// Runs `call` inside `context`. Fails as `Context.run` does if the context is entered already.
#[inline]
pub(crate) fn run_in<R>(
    py: Python<'_>,
    context: &Py<PyContext>,
    call: impl FnOnce() -> PyResult<R>,
) -> PyResult<R> {
    enter(py, context)?;
    let result = call();
    let left = exit(py, context);
    // What the callback itself raised says more than the context's complaint.
    result.and_then(|value| left.map(|()| value))
}

/// Which variables `context` has, if that can be told.
#[inline]
pub(crate) fn variables_of(py: Python<'_>, context: &Py<PyContext>) -> Option<Variables> {
    let layout = layout(py)?;
    // SAFETY: the experiment has found a field of contexts at this offset, and `context` is alive.
    unsafe { word(context.as_ptr().cast(), layout.variables) }.map(Variables)
}

/// Which variables the current context has, if there is one and that can be told.
#[inline]
pub(crate) fn current_variables(py: Python<'_>) -> Option<Variables> {
    let layout = layout(py)?;
    // SAFETY: `py` proves that this thread is attached, and so has a thread state.
    let thread_state = unsafe { ffi::PyThreadState_Get() };
    // SAFETY: the experiment has found the current context at this offset; it may be null.
    let context = unsafe { word(thread_state.cast(), layout.current) }?;
    // SAFETY: the current context is alive, and the experiment has found this field in contexts.
    unsafe { word(context.as_ptr(), layout.variables) }.map(Variables)
}

/// The word at `offset` of the object at `base`, unless it is zero.
///
/// # Safety
/// The object must be alive and have a pointer-sized word there.
#[inline]
unsafe fn word(base: *const (), offset: usize) -> Option<NonNull<()>> {
    // SAFETY: by the caller's promise the word lies inside the object.
    let place = unsafe { base.cast::<*mut ()>().add(offset) };
    // SAFETY: as above; objects are aligned to words.
    NonNull::new(unsafe { place.read() })
}

#[inline]
fn layout(py: Python<'_>) -> Option<Layout> {
    static LAYOUT: PyOnceLock<Option<Layout>> = PyOnceLock::new();
    *LAYOUT.get_or_init(py, || find_layout(py).ok().flatten())
}

fn find_layout(py: Python<'_>) -> PyResult<Option<Layout>> {
    if cfg!(Py_GIL_DISABLED) {
        return Ok(None);
    }
    // SAFETY: `py` proves that this thread is attached.
    let context = owned(py, unsafe { ffi::PyContext_New() })?;
    let twin = copy(py, &context)?;
    let shared: Vec<usize> = CONTEXT_FIELDS
        .filter(|offset| context_word(&context, *offset).is_some())
        .collect();
    let alike = |offset: &usize| context_word(&context, *offset) == context_word(&twin, *offset);
    let shared: Vec<usize> = shared.into_iter().filter(alike).collect();
    let current = run_in(py, &context, || {
        let inside = current_candidates(&context);
        let variable = py
            .import("contextvars")?
            .call_method1("ContextVar", ("aioxide",))?;
        variable.call_method1("set", (0,))?;
        Ok(inside)
    })?;
    let outside = current_candidates(&context);
    let changed: Vec<usize> = shared.into_iter().filter(|offset| !alike(offset)).collect();
    Ok(
        match (current.as_slice(), outside.as_slice(), changed.as_slice()) {
            ([current], [], [variables]) => Some(Layout {
                current: *current,
                variables: *variables,
            }),
            _ => None,
        },
    )
}

fn context_word(context: &Py<PyContext>, offset: usize) -> Option<NonNull<()>> {
    // SAFETY: contexts have six words on every supported version, and the caller asks for the first five.
    unsafe { word(context.as_ptr().cast(), offset) }
}

/// Where in the thread state `context` is pointed to.
fn current_candidates(context: &Py<PyContext>) -> Vec<usize> {
    // SAFETY: a `Py` is used by an attached thread only, which has a thread state.
    let thread_state = unsafe { ffi::PyThreadState_Get() };
    let is_context = |offset: &usize| {
        // SAFETY: a thread state has at least this many words.
        let word = unsafe { word(thread_state.cast(), *offset) };
        word == NonNull::new(context.as_ptr().cast())
    };
    (0..THREAD_STATE_WORDS).filter(is_context).collect()
}
