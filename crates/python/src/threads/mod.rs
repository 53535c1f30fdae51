//! Python's threads: calls in them (`to_thread`), calls from them (`run_coroutine_threadsafe`), and the jobs of
//! the default executor.
//!
//! The threads are started by `aioxide.thread_pool`, since Python has to know them: they have names,
//! thread-locals and profilers. What they do natively is to wait for a job, call its function and leave
//! the outcome to the loop that waits for it.

use std::sync::Arc;

use aioxide_engine::jobs::{Demand, Found, Jobs, Place};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;

use crate::event_loop::Mailbox;
use crate::routine::Function;

mod exchange;
mod hop;
mod submission;
mod to_thread;
mod wrapping;

pub(crate) use hop::{Delivery, Hop};
pub(crate) use submission::Submission;
pub(crate) use to_thread::ContextCall;
pub(crate) use wrapping::Wrapper;

pub(crate) const FUNCTIONS: &[&Function] = &[
    &submission::RUN_COROUTINE_THREADSAFE,
    &to_thread::TO_THREAD,
    &wrapping::WRAP_FUTURE,
];

/// What a thread is to do.
pub(crate) enum Job {
    /// A call that a future of ours waits for.
    Hop(Hop),
    /// A call that a `concurrent.futures.Future` waits for, which it fulfils itself.
    Call { future: Py<PyAny>, call: Py<PyAny> },
}

impl Job {
    /// Does the job. Returns the loop that has to be woken for it.
    #[inline]
    fn run(self, py: Python<'_>) -> Option<Arc<Mailbox>> {
        match self {
            Self::Hop(hop) => hop.run(py),
            Self::Call { call, .. } => {
                if let Err(error) = call.call0(py) {
                    error.write_unraisable(py, Some(call.bind(py)));
                }
                None
            }
        }
    }

    /// Cancels a job that has not begun. Returns the loop that has to be woken for it.
    fn cancel(self, py: Python<'_>) -> PyResult<Option<Arc<Mailbox>>> {
        match self {
            Self::Hop(hop) => Ok(hop.cancel(py)),
            Self::Call { future, .. } => {
                future.call_method0(py, intern!(py, "cancel"))?;
                Ok(None)
            }
        }
    }
}

/// The jobs of a thread pool. Closed when it is dropped: its threads then do what is queued, and end.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct JobQueue {
    jobs: Arc<Jobs<Job>>,
}

impl JobQueue {
    /// Queues a job; gives it back if the queue takes none.
    #[inline]
    pub(crate) fn submit_hop(&self, hop: Hop) -> Option<Demand> {
        self.jobs.submit(Job::Hop(hop)).ok()
    }

    /// Takes note that a thread could not be started. Says whether there are others.
    pub(crate) fn note_thread_failed(&self) -> bool {
        self.jobs.thread_failed()
    }
}

impl Drop for JobQueue {
    fn drop(&mut self) {
        self.jobs.close();
    }
}

#[pymethods]
impl JobQueue {
    #[new]
    fn new(threads_max: usize) -> Self {
        Self {
            jobs: Arc::new(Jobs::new(threads_max)),
        }
    }

    /// Has `call()` called in a thread; `future.cancel()` is called instead if the queue is emptied first.
    /// Returns the number of the thread that has to be started for it, if one has to.
    ///
    /// Raises RuntimeError if the queue is closed or inherited.
    fn submit(&self, future: Py<PyAny>, call: Py<PyAny>) -> PyResult<Option<usize>> {
        match self.jobs.submit(Job::Call { future, call }) {
            Ok(Demand::Nothing) => Ok(None),
            Ok(Demand::Thread(number)) => Ok(Some(number)),
            Err(_refused) => Err(PyRuntimeError::new_err(
                "cannot schedule new futures after shutdown",
            )),
        }
    }

    /// What a thread that `submit` has asked for is to call.
    fn worker(&self) -> Worker {
        Worker {
            jobs: Arc::clone(&self.jobs),
        }
    }

    /// Takes note that a thread that was asked for could not be started. Says whether there are others.
    fn thread_failed(&self) -> bool {
        self.note_thread_failed()
    }

    /// Whether the queue was made by the parent of this process, so that none of its threads is here.
    fn is_inherited(&self) -> bool {
        self.jobs.is_inherited()
    }

    /// Takes no more jobs. The threads do what is queued, and end.
    fn close(&self) {
        self.jobs.close();
    }

    /// Cancels what has not begun.
    fn cancel_all(&self, py: Python<'_>) -> PyResult<()> {
        for job in self.jobs.take_all() {
            if let Some(mailbox) = job.cancel(py)? {
                mailbox.waker.wake();
            }
        }
        Ok(())
    }
}

/// The target of a thread: does jobs until the queue is closed.
#[pyclass(module = "aioxide._core", frozen)]
pub(crate) struct Worker {
    jobs: Arc<Jobs<Job>>,
}

#[pymethods]
impl Worker {
    fn __call__(&self, py: Python<'_>) {
        let mut place = Place::new(&self.jobs);
        // The loop to be woken for the last job. If there is another one it is woken at once: that may take
        // long. Else the interpreter is let go of first, for which the loop would only have to wait.
        let mut waiting: Option<Arc<Mailbox>> = None;
        loop {
            match place.look() {
                Found::Job(job) => {
                    wake(waiting.take());
                    waiting = job.run(py);
                }
                Found::Nothing => {
                    let waiting = waiting.take();
                    py.detach(|| {
                        wake(waiting);
                        place.sleep();
                    });
                }
                Found::End => return wake(waiting),
            }
        }
    }
}

#[inline]
fn wake(mailbox: Option<Arc<Mailbox>>) {
    if let Some(mailbox) = mailbox {
        mailbox.waker.wake();
    }
}
