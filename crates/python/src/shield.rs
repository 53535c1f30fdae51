//! `shield`: a future that can be cancelled without what it stands for.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

use crate::future::{future_add_to_awaited_by, future_discard_from_awaited_by};
use crate::joint::{AnyFuture, Settled, ensure_future};
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::routine::Function;
use crate::running::RunningLoop;
use crate::task::current_task;
use crate::waiting;

pub(crate) static FUNCTIONS: &[&Function] = &[&SHIELD];

static SHIELD: Function = Function {
    qualname: "shield",
    call: shield,
};

fn shield<'py>(py: Python<'py>, arguments: &Arguments<'_, 'py>) -> PyResult<Option<Py<PyAny>>> {
    let Some([Some(awaitable)]) = arguments.fit(1, [intern!(py, "arg")]) else {
        return Ok(None);
    };
    let inner = ensure_future(&awaitable, None)?;
    if inner.is_done()? {
        return Ok(Some(inner.as_any().clone().unbind()));
    }
    let event_loop = inner.event_loop()?;
    let outer = RunningLoop::of(event_loop.clone())?.create_future()?;
    let awaiter = if cfg!(Py_3_14) {
        current_task(&event_loop)?
    } else {
        None
    };
    if let Some(awaiter) = &awaiter {
        future_add_to_awaited_by(inner.as_any(), awaiter)?;
    }
    let link = Link {
        inner: inner.as_any().clone().unbind(),
        outer: outer.clone().unbind(),
        awaiter: awaiter.map(Bound::unbind),
    };
    let shield = Bound::new(
        py,
        Shield {
            link: Guarded::new(Some(link)),
        },
    )?;
    let add = intern!(py, "add_done_callback");
    inner.as_any().call_method1(add, (&shield,))?;
    outer.call_method1(add, (&shield,))?;
    Ok(Some(outer.unbind()))
}

/// The two futures of one shield.
struct Link {
    inner: Py<PyAny>,
    outer: Py<PyAny>,
    /// The task that has called `shield`, for the call graph.
    awaiter: Option<Py<PyAny>>,
}

/// The callback of both.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct Shield {
    /// Empty once one of them is done.
    link: Guarded<Option<Link>>,
}

impl Link {
    fn inner_done(&self, py: Python<'_>) -> PyResult<()> {
        let inner = AnyFuture::new(self.inner.bind(py).clone());
        let outer = AnyFuture::new(self.outer.bind(py).clone());
        if waiting::is_cancelled(outer.as_any())? {
            // Where asyncio reports what is left shielded, an exception that comes in the very turn of the cancellation
            // stays for the destructor to report.
            return match log_on_exception(py)? {
                Some(_log) => Ok(()),
                None => inner.mark_retrieved(),
            };
        }
        let set = |name, value| outer.as_any().call_method1(name, (value,)).map(drop);
        match inner.settled()? {
            Settled::Cancelled => outer.cancel(None).map(drop),
            Settled::Exception(exception) => set(intern!(py, "set_exception"), exception),
            Settled::Result(result) => set(intern!(py, "set_result"), result),
        }
    }

    /// Nobody is there any more to be told of the inner future, which is pending.
    fn outer_done(&self, shield: &Bound<'_, Shield>) -> PyResult<()> {
        let py = shield.py();
        let inner = self.inner.bind(py);
        let remove = intern!(py, "remove_done_callback");
        inner.call_method1(remove, (shield,))?;
        if let Some(log) = log_on_exception(py)? {
            // Of several shields, one reports.
            inner.call_method1(remove, (log,))?;
            inner.call_method1(intern!(py, "add_done_callback"), (log,))?;
        }
        Ok(())
    }
}

/// asyncio's own callback that reports the exception of a future whose shields are gone; older Pythons have none.
fn log_on_exception(py: Python<'_>) -> PyResult<Option<&Bound<'_, PyAny>>> {
    static LOG: PyOnceLock<Option<Py<PyAny>>> = PyOnceLock::new();
    let log = LOG.get_or_try_init(py, || {
        let log = py
            .import("asyncio.tasks")?
            .getattr_opt("_log_on_exception")?;
        Ok::<_, PyErr>(log.map(Bound::unbind))
    })?;
    Ok(log.as_ref().map(|log| log.bind(py)))
}

#[pymethods]
impl Shield {
    fn __call__(slf: &Bound<'_, Self>, future: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let Some(link) = slf.get().link.replace(py, None) else {
            return Ok(());
        };
        let inner = AnyFuture::new(link.inner.bind(py).clone());
        if !future.is(inner.as_any()) && inner.is_done()? {
            // The other call is on its way.
            drop(slf.get().link.replace(py, Some(link)));
            return Ok(());
        }
        if let Some(awaiter) = &link.awaiter {
            future_discard_from_awaited_by(link.inner.bind(py), awaiter.bind(py))?;
        }
        if inner.is_done()? {
            link.inner_done(py)
        } else {
            link.outer_done(slf)
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.link
            .visit(|link| {
                let Some(link) = link else { return Ok(()) };
                visit.call(&link.inner)?;
                visit.call(&link.outer)?;
                visit.call(&link.awaiter)
            })
            .unwrap_or(Ok(()))
    }

    fn __clear__(&self, py: Python<'_>) {
        drop(self.link.replace(py, None));
    }
}
