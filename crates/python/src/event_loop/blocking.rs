//! Calls that block, on threads of the loop's own, so that a full default executor never delays a name look-up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use aioxide_engine::pool::Pool;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::{BLOCKING_IDLE_MAX, BLOCKING_THREADS_MAX, EventLoop};

/// The pools of all loops: the interpreter waits for their threads before it goes down.
static POOLS: Mutex<Vec<Weak<Pool>>> = Mutex::new(Vec::new());

/// The outcome of a blocking call, on its way to the future that stands for it.
pub(crate) struct Completion {
    future: Py<PyAny>,
    outcome: PyResult<Py<PyAny>>,
}

impl Completion {
    /// Sets the future's result or exception, unless it was cancelled meanwhile.
    pub(crate) fn deliver(self, py: Python<'_>) -> PyResult<()> {
        let future = self.future.bind(py);
        if future.call_method0(intern!(py, "done"))?.is_truthy()? {
            return Ok(());
        }
        match self.outcome {
            Ok(result) => future.call_method1(intern!(py, "set_result"), (result,))?,
            Err(error) => {
                future.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?
            }
        };
        Ok(())
    }
}

/// Ends a pool without waiting for the calls that are under way.
pub(super) fn retire(py: Python<'_>, pool: Option<Arc<Pool>>) {
    let Some(pool) = pool else { return };
    // Its threads may be waiting for this one to let go of the interpreter, and a call may take
    // long: closing is left to a thread that nobody waits for, and to interpreter exit.
    py.detach(|| {
        let closing = Arc::clone(&pool);
        if std::thread::Builder::new()
            .name("aioxide-close".to_owned())
            .spawn(move || closing.close())
            .is_err()
        {
            pool.close();
        }
    });
}

/// Waits, at interpreter exit, for the blocking calls of every loop.
#[pyfunction]
#[pyo3(name = "_close_pools")]
pub(crate) fn close_pools(py: Python<'_>) {
    let pools = std::mem::take(&mut *POOLS.lock().unwrap_or_else(PoisonError::into_inner));
    py.detach(|| {
        pools
            .iter()
            .filter_map(Weak::upgrade)
            .for_each(|pool| pool.close())
    });
}

/// Has the interpreter call [`close_pools`] before it goes down. Not under the lock of the pools:
/// whatever calls Python may let another thread run, which would wait for that lock and never let go.
fn wait_at_exit(py: Python<'_>) -> PyResult<()> {
    static IS_ARRANGED: AtomicBool = AtomicBool::new(false);
    if !IS_ARRANGED.swap(true, Ordering::Relaxed) {
        let close = pyo3::wrap_pyfunction!(close_pools, py)?;
        py.import("atexit")?.call_method1("register", (close,))?;
    }
    Ok(())
}

impl EventLoop {
    fn blocking_pool(&self, py: Python<'_>) -> PyResult<Arc<Pool>> {
        let pool = self.pool.with(py, |pool| pool.clone());
        if let Some(pool) = pool.filter(|pool| !pool.is_inherited()) {
            return Ok(pool);
        }
        wait_at_exit(py)?;
        let pool = Arc::new(Pool::new(
            "aioxide-blocking",
            BLOCKING_THREADS_MAX,
            BLOCKING_IDLE_MAX,
        ));
        let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
        pools.retain(|pool| pool.strong_count() > 0);
        pools.push(Arc::downgrade(&pool));
        drop(pools);
        drop(self.pool.replace(py, Some(Arc::clone(&pool))));
        Ok(pool)
    }
}

#[pymethods]
impl EventLoop {
    /// Runs `function(*args)` in a thread of the loop's blocking pool; a future for its result.
    #[pyo3(name = "_run_blocking", signature = (function, *args))]
    fn run_blocking<'py>(
        slf: &Bound<'py, Self>,
        function: Py<PyAny>,
        args: Py<PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        slf.get().check_closed()?;
        let future = Self::new_future(slf)?.into_any();
        let waiting = future.clone().unbind();
        let mailbox = Arc::clone(&slf.get().mailbox);
        let pool = slf.get().blocking_pool(py)?;
        let job = Box::new(move || {
            // The function goes while the interpreter is held, not whenever somebody takes it next.
            let outcome = Python::try_attach(move |py| {
                function.into_bound(py).call1(args).map(Bound::unbind)
            });
            // Without an interpreter there is nobody left to tell.
            if let Some(outcome) = outcome {
                mailbox.inbox.post(Completion {
                    future: waiting,
                    outcome,
                });
                mailbox.waker.wake();
            }
        });
        pool.submit(job).map_err(|_closed| {
            PyRuntimeError::new_err("cannot start a thread for a blocking call")
        })?;
        Ok(future)
    }
}
