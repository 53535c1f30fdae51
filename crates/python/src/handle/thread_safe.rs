//! Handles of `call_soon_threadsafe`: from Python 3.14 on, other threads that ask one wait while it runs.
//!
//! `cancel` and `cancelled` do so, so that their answer holds. The thread that runs the callback never waits for itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyContext;

use super::{Args, Handle};
use crate::event_loop::EventLoop;
use crate::raw::attached;
use crate::raw::untracked::Derived;

/// Whether a callback is under way, and in which thread.
///
/// A callback that nobody waits for costs a store before it and one after it.
struct Run {
    /// The number of the thread that runs it, or 0, and whether others wait for its end.
    runner: AtomicUsize,
}

/// In `Run::runner`: the numbers of threads are even.
const IS_AWAITED: usize = 1;

/// Who waits for a callback to end waits here. It is one place for all handles: hardly anybody ever comes.
static WAITING: Mutex<()> = Mutex::new(());
/// A callback that somebody waits for has ended.
static HAS_ENDED: Condvar = Condvar::new();

fn waiting() -> MutexGuard<'static, ()> {
    WAITING.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Run {
    const fn none() -> Self {
        Self {
            runner: AtomicUsize::new(0),
        }
    }

    #[inline]
    fn begin<'a, 'py>(&'a self, py: Python<'py>) -> UnderWay<'a, 'py> {
        let thread = attached::thread_number(py);
        self.runner.store(thread, Ordering::Release);
        UnderWay(self, py)
    }

    #[inline]
    fn end(&self, _py: Python<'_>) {
        let runner = if cfg!(Py_GIL_DISABLED) {
            self.runner.swap(0, Ordering::AcqRel)
        } else {
            // Who begins to wait has the GIL, too, and so comes before or after both of these.
            let runner = self.runner.load(Ordering::Relaxed);
            self.runner.store(0, Ordering::Release);
            runner
        };
        if runner & IS_AWAITED != 0 {
            // Whoever waits either sees the end, or is asleep by now.
            drop(waiting());
            HAS_ENDED.notify_all();
        }
    }

    /// Waits until no other thread runs the callback.
    fn wait(&self, py: Python<'_>) {
        let own = attached::thread_number(py);
        let is_others = |runner: usize| runner != 0 && runner & !IS_AWAITED != own;
        let wait = |runner: usize| is_others(runner).then_some(runner | IS_AWAITED);
        let awaited = self
            .runner
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, wait);
        if awaited.is_ok() {
            py.detach(|| {
                let is_under_way = |_: &mut ()| self.runner.load(Ordering::Acquire) != 0;
                drop(HAS_ENDED.wait_while(waiting(), is_under_way));
            });
        }
    }
}

/// A callback that is under way, until it is dropped.
pub(super) struct UnderWay<'a, 'py>(&'a Run, Python<'py>);

impl Drop for UnderWay<'_, '_> {
    fn drop(&mut self) {
        self.0.end(self.1);
    }
}

/// A handle of `call_soon_threadsafe`, from Python 3.14 on.
#[pyclass(module = "aioxide._core", frozen, extends = Handle)]
pub(crate) struct ThreadSafeHandle {
    run: Run,
}

impl Derived for ThreadSafeHandle {
    type Base = Handle;
}

impl ThreadSafeHandle {
    /// A handle that nobody has scheduled yet.
    #[inline]
    pub(crate) fn new<'py>(
        event_loop: &Bound<'py, EventLoop>,
        callback: &Bound<'_, PyAny>,
        args: Args,
        context: Option<Bound<'_, PyContext>>,
    ) -> PyResult<Bound<'py, Self>> {
        let added = Self { run: Run::none() };
        Handle::derived(event_loop, callback, args, context, added)
    }

    /// Notes that the callback is under way, as long as what is returned.
    #[inline]
    pub(super) fn begin<'py>(&self, py: Python<'py>) -> UnderWay<'_, 'py> {
        self.run.begin(py)
    }
}

#[pymethods]
impl ThreadSafeHandle {
    /// Takes the callback back, or waits for its end if another thread runs it.
    fn cancel(slf: &Bound<'_, Self>) -> PyResult<()> {
        slf.get().run.wait(slf.py());
        Handle::cancel(slf.as_super())
    }

    /// Whether `cancel` was called. Waits for the callback's end if another thread runs it.
    fn cancelled(slf: &Bound<'_, Self>) -> bool {
        slf.get().run.wait(slf.py());
        slf.as_super().get().is_cancelled()
    }

    #[getter(__class__)]
    fn class(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let class = CLASS.get_or_try_init(py, || {
            let events = py.import("asyncio.events")?;
            let name = if events.hasattr("_ThreadSafeHandle")? {
                "_ThreadSafeHandle"
            } else {
                "Handle"
            };
            Ok::<_, PyErr>(events.getattr(name)?.unbind())
        })?;
        Ok(class.clone_ref(py))
    }
}
