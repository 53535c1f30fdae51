//! What tasks do at a `Barrier`: cross it, reset it, break it.
//!
//! All of it is done with the lock of the barrier's condition.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::async_with::Acquisition;
use super::barrier::{Barrier, Phase};
use super::lock::{Lock, LockAcquisition};
use super::notified::Wait;
use crate::routine::{Input, Progress, Routine};

/// asyncio's `BrokenBarrierError`.
fn broken(py: Python<'_>, text: &'static str) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "asyncio.exceptions", "BrokenBarrierError") {
        Ok(class) => PyErr::from_type(class.clone(), text),
        Err(error) => error,
    }
}

enum Stage {
    New,
    Locking(LockAcquisition),
    /// Waits until those before have left.
    Blocking(Wait),
    /// Is counted under this number, and waits for the rest.
    Counted(Wait, usize),
}

/// `Barrier.wait`.
pub(super) struct Crossing {
    barrier: Py<Barrier>,
    stage: Stage,
}

impl Crossing {
    pub(super) fn of(barrier: &Bound<'_, Barrier>) -> Self {
        Self {
            barrier: barrier.clone().unbind(),
            stage: Stage::New,
        }
    }

    fn acquire<'py>(
        &mut self,
        py: Python<'py>,
        mut acquisition: LockAcquisition,
        input: Input<'py>,
    ) -> PyResult<Progress<'py>> {
        if let Some(awaitable) = acquisition.advance(py, input)? {
            self.stage = Stage::Locking(acquisition);
            return Ok(Progress::Await(awaitable));
        }
        self.block(py)
    }

    /// Waits until the barrier takes tasks in, and is counted.
    fn block<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let barrier = self.barrier.bind(py).clone();
        while matches!(barrier.get().phase(py), Phase::Draining | Phase::Resetting) {
            let mut wait = Wait::of(&Barrier::condition(&barrier)?);
            match wait.advance(py, Input::Start) {
                Ok(None) => {}
                Ok(Some(awaitable)) => {
                    self.stage = Stage::Blocking(wait);
                    return Ok(Progress::Await(awaitable));
                }
                Err(error) => return self.unlock(py, &wait, Err(error)),
            }
        }
        if barrier.get().phase(py) == Phase::Broken {
            return self.leave(py, Err(broken(py, "Barrier aborted")));
        }
        match Barrier::count_in(&barrier) {
            Err(error) => self.leave(py, Err(error)),
            Ok((number, false)) => self.stay(py, number),
            Ok((number, true)) => {
                barrier.get().set_phase(py, Phase::Draining);
                let told = Barrier::notify_all(&barrier);
                self.count_out(py, told.map(|()| number))
            }
        }
    }

    /// Waits for the rest of the parties.
    fn stay<'py>(&mut self, py: Python<'py>, number: usize) -> PyResult<Progress<'py>> {
        let barrier = self.barrier.bind(py).clone();
        while barrier.get().phase(py) == Phase::Filling {
            let mut wait = Wait::of(&Barrier::condition(&barrier)?);
            match wait.advance(py, Input::Start) {
                Ok(None) => {}
                Ok(Some(awaitable)) => {
                    self.stage = Stage::Counted(wait, number);
                    return Ok(Progress::Await(awaitable));
                }
                Err(error) => return self.give_up(py, &wait, error),
            }
        }
        let result = match barrier.get().phase(py) {
            Phase::Broken | Phase::Resetting => Err(broken(py, "Abort or reset of barrier")),
            Phase::Filling | Phase::Draining => Ok(number),
        };
        self.count_out(py, result)
    }

    /// Leaves after a wait that has failed.
    fn give_up<'py>(
        &mut self,
        py: Python<'py>,
        wait: &Wait,
        error: PyErr,
    ) -> PyResult<Progress<'py>> {
        if wait.has_lock() {
            return self.count_out(py, Err(error));
        }
        self.note_departure(py)?;
        Err(error)
    }

    /// Is no longer counted. The last to leave lets others in.
    fn note_departure(&self, py: Python<'_>) -> PyResult<()> {
        let barrier = self.barrier.bind(py);
        let slf = barrier.get();
        if slf.count_out(py) > 0 {
            return Ok(());
        }
        if matches!(slf.phase(py), Phase::Resetting | Phase::Draining) {
            slf.set_phase(py, Phase::Filling);
        }
        Barrier::notify_all(barrier)
    }

    fn count_out<'py>(
        &mut self,
        py: Python<'py>,
        result: PyResult<usize>,
    ) -> PyResult<Progress<'py>> {
        let departed = self.note_departure(py);
        self.leave(py, departed.and(result))
    }

    /// Gives the lock back after a wait that may have failed without it.
    fn unlock<'py>(
        &self,
        py: Python<'py>,
        wait: &Wait,
        result: PyResult<usize>,
    ) -> PyResult<Progress<'py>> {
        if wait.has_lock() {
            return self.leave(py, result);
        }
        result.and_then(|number| returned(py, number))
    }

    /// Gives the lock back, and returns the result.
    fn leave<'py>(&self, py: Python<'py>, result: PyResult<usize>) -> PyResult<Progress<'py>> {
        Lock::release_now(&Barrier::lock(self.barrier.bind(py))?)?;
        result.and_then(|number| returned(py, number))
    }
}

fn returned(py: Python<'_>, number: usize) -> PyResult<Progress<'_>> {
    Ok(Progress::Return(number.into_pyobject(py)?.into_any()))
}

impl Routine for Crossing {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New => {
                let lock = Barrier::lock(self.barrier.bind(py))?;
                self.acquire(py, LockAcquisition::new(&lock), Input::Start)
            }
            Stage::Locking(acquisition) => self.acquire(py, acquisition, input),
            Stage::Blocking(mut wait) => match wait.advance(py, input) {
                Ok(None) => self.block(py),
                Ok(Some(awaitable)) => {
                    self.stage = Stage::Blocking(wait);
                    Ok(Progress::Await(awaitable))
                }
                Err(error) => self.unlock(py, &wait, Err(error)),
            },
            Stage::Counted(mut wait, number) => match wait.advance(py, input) {
                Ok(None) => self.stay(py, number),
                Ok(Some(awaitable)) => {
                    self.stage = Stage::Counted(wait, number);
                    Ok(Progress::Await(awaitable))
                }
                Err(error) => self.give_up(py, &wait, error),
            },
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.barrier)?;
        match &self.stage {
            Stage::New => Ok(()),
            Stage::Locking(acquisition) => acquisition.traverse(visit),
            Stage::Blocking(wait) | Stage::Counted(wait, _) => wait.traverse(visit),
        }
    }
}

/// `Barrier.__aenter__`.
pub(super) enum Enter {
    New(Py<Barrier>),
    Native(Crossing),
    /// Awaits what the barrier's own `wait` has returned.
    ByMethod,
}

impl Enter {
    fn begin<'py>(&mut self, barrier: &Bound<'py, Barrier>) -> PyResult<Progress<'py>> {
        if !Barrier::is_plain(barrier)? {
            *self = Self::ByMethod;
            let awaitable = barrier.call_method0(intern!(barrier.py(), "wait"))?;
            return Ok(Progress::Await(awaitable));
        }
        let mut crossing = Crossing::of(barrier);
        let progress = crossing.resume(barrier.py(), Input::Start);
        *self = Self::Native(crossing);
        progress
    }
}

impl Routine for Enter {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match self {
            Self::New(barrier) => {
                let barrier = barrier.bind(py).clone();
                self.begin(&barrier)
            }
            Self::Native(crossing) => crossing.resume(py, input),
            Self::ByMethod => input.value(py).map(Progress::Return),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::New(barrier) => visit.call(barrier),
            Self::Native(crossing) => crossing.traverse(visit),
            Self::ByMethod => Ok(()),
        }
    }
}

/// `Barrier.reset` and `Barrier.abort`.
pub(super) struct Change {
    barrier: Py<Barrier>,
    phase: Phase,
    acquisition: Option<LockAcquisition>,
}

impl Change {
    /// Puts the barrier into `phase`, in which those that wait leave.
    pub(super) fn new(barrier: &Bound<'_, Barrier>, phase: Phase) -> Self {
        Self {
            barrier: barrier.clone().unbind(),
            phase,
            acquisition: None,
        }
    }

    fn change(&self, barrier: &Bound<'_, Barrier>) -> PyResult<()> {
        let py = barrier.py();
        let slf = barrier.get();
        // Where nobody waits there is nothing to be reset.
        let is_reset = self.phase == Phase::Resetting && slf.count(py) == 0;
        slf.set_phase(py, if is_reset { Phase::Filling } else { self.phase });
        Barrier::notify_all(barrier)
    }
}

impl Routine for Change {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let barrier = self.barrier.bind(py);
        let lock = Barrier::lock(barrier)?;
        let acquisition = self
            .acquisition
            .get_or_insert_with(|| LockAcquisition::new(&lock));
        if let Some(awaitable) = acquisition.advance(py, input)? {
            return Ok(Progress::Await(awaitable));
        }
        let changed = self.change(barrier);
        Lock::release_now(&lock)?;
        changed.map(|()| Progress::Return(py.None().into_bound(py)))
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.barrier)?;
        self.acquisition
            .as_ref()
            .map_or(Ok(()), |acquisition| acquisition.traverse(visit))
    }
}
