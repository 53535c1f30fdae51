//! `run_coroutine_threadsafe`: a coroutine on its way to a loop in another thread, and its outcome on the way back.

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;

use super::exchange::{check_coroutine, converted, is_cancelled, thread_future_class};
use crate::event_loop::{EventLoop, ends_the_loop};
use crate::raw::fastcall::Arguments;
use crate::raw::guarded::Guarded;
use crate::routine::Function;
use crate::running::{self, RunningLoop};

pub(super) static RUN_COROUTINE_THREADSAFE: Function = Function {
    qualname: "run_coroutine_threadsafe",
    call: run_coroutine_threadsafe,
};

fn run_coroutine_threadsafe<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [intern!(py, "coro"), intern!(py, "loop")];
    let Some([Some(coro), Some(event_loop)]) = arguments.fit(2, names) else {
        return Ok(None);
    };
    check_coroutine(&coro)?;
    let future = thread_future_class(py)?.call0()?;
    let submission = Submission {
        event_loop: event_loop.to_owned().unbind(),
        future: future.clone().unbind(),
        stage: Guarded::new(Stage::Sent(coro.to_owned().unbind())),
    };
    let submission = Bound::new(py, submission)?;
    match RunningLoop::of(event_loop.to_owned())? {
        RunningLoop::Native(ours) => EventLoop::give_way_to(&ours, submission.as_any())?,
        RunningLoop::Foreign(other) => {
            other.call_method1(intern!(py, "call_soon_threadsafe"), (submission,))?;
        }
    }
    Ok(Some(future.unbind()))
}

/// How far a submission is.
enum Stage {
    /// The coroutine has not reached the loop yet.
    Sent(Py<PyAny>),
    /// The task runs.
    Task(Py<PyAny>),
    /// The future has its outcome, or is being given it.
    Done,
}

/// The callback of the loop, of the task and of the future: which of them calls is told by the argument.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct Submission {
    event_loop: Py<PyAny>,
    /// What the other thread waits for (`concurrent.futures.Future`).
    future: Py<PyAny>,
    stage: Guarded<Stage>,
}

#[pymethods]
impl Submission {
    #[pyo3(signature = (future=None, /))]
    fn __call__(slf: &Bound<'_, Self>, future: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        match future {
            None => Self::begin(slf),
            Some(future) if future.is(&slf.get().future) => slf.get().future_done(slf.py()),
            Some(task) => slf.get().task_done(task),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        visit.call(&self.future)?;
        self.stage
            .visit(|stage| match stage {
                Stage::Sent(object) | Stage::Task(object) => visit.call(object),
                Stage::Done => Ok(()),
            })
            .unwrap_or(Ok(()))
    }
}

impl Submission {
    /// Makes a task of the coroutine. In the thread of the loop. What fails is told to the other
    /// thread and to this one.
    fn begin(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let Err(error) = Self::make_task(slf) else {
            return Ok(());
        };
        if !ends_the_loop(py, &error) {
            let future = slf.get().future.bind(py);
            let is_wanted = future.call_method0(intern!(py, "set_running_or_notify_cancel"))?;
            if is_wanted.is_truthy()? {
                let exception = error.clone_ref(py).into_value(py);
                future.call_method1(intern!(py, "set_exception"), (exception,))?;
            }
        }
        Err(error)
    }

    fn make_task(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let Stage::Sent(coro) = slf.get().stage.replace(py, Stage::Done) else {
            return Ok(());
        };
        let event_loop = slf.get().event_loop.bind(py);
        let made = event_loop.call_method1(intern!(py, "create_task"), (&coro,));
        let task = match made {
            Err(error) if error.is_instance_of::<PyRuntimeError>(py) => {
                coro.call_method0(py, intern!(py, "close"))?;
                return Err(error);
            }
            task => task?,
        };
        slf.get()
            .stage
            .replace(py, Stage::Task(task.clone().unbind()));
        let add_done_callback = intern!(py, "add_done_callback");
        let future = slf.get().future.bind(py);
        future.call_method1(add_done_callback, (slf,))?;
        task.call_method1(add_done_callback, (slf,))?;
        Ok(())
    }

    /// The other thread's future is done: if it was cancelled, the task is cancelled as well. Any thread.
    fn future_done(&self, py: Python<'_>) -> PyResult<()> {
        let task = self.stage.with(py, |stage| match stage {
            Stage::Task(task) => Some(task.clone_ref(py)),
            Stage::Sent(_) | Stage::Done => None,
        });
        let Some(task) = task else { return Ok(()) };
        if !is_cancelled(self.future.bind(py))? {
            return Ok(());
        }
        let cancel = intern!(py, "cancel");
        let event_loop = self.event_loop.bind(py);
        if running::is_running_here(event_loop)? {
            task.call_method0(py, cancel)?;
        } else {
            let cancel = task.getattr(py, cancel)?;
            event_loop.call_method1(intern!(py, "call_soon_threadsafe"), (cancel,))?;
        }
        Ok(())
    }

    /// The task is done: the other thread is told. In the thread of the loop.
    fn task_done(&self, task: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = task.py();
        drop(self.stage.replace(py, Stage::Done));
        let future = self.future.bind(py);
        if is_cancelled(task)? {
            future.call_method0(intern!(py, "cancel"))?;
        }
        let is_wanted = future.call_method0(intern!(py, "set_running_or_notify_cancel"))?;
        if !is_wanted.is_truthy()? {
            return Ok(());
        }
        let exception = task.call_method0(intern!(py, "exception"))?;
        if exception.is_none() {
            let result = task.call_method0(intern!(py, "result"))?;
            future.call_method1(intern!(py, "set_result"), (result,))?;
        } else {
            future.call_method1(intern!(py, "set_exception"), (converted(exception)?,))?;
        }
        Ok(())
    }
}
