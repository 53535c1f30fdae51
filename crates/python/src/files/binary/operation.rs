//! How a method of a file is carried out: its steps, what they need, the line, and what becomes of what is given up.
//!
//! The one place that waits. A step that needs something gets it on the spot if the kernel can answer at once, and
//! else from the loop's file operations. When the awaiter has gone meanwhile:
//!
//! - a read of a plain file is cancelled, and its memory dies with it: the position has not moved;
//! - a read of a pipe, which may have taken bytes out of it for good, is left in the file for the next who needs some;
//! - a write, or anything else, is left there, too. The next operation waits for it, and takes note of what it has
//!   done, before it begins.

use aioxide_engine::files::Durability;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::file::BinaryFile;
use super::needs::{Got, Work};
use crate::files::budget::Round;
use crate::files::{Completion, FileOperation};
use crate::raw::file_memory::FileMemory;
use crate::routine::{Input, Progress, Routine};
use crate::waiting;

/// What a step comes to.
pub(crate) enum Next<'py> {
    /// The method returns this.
    Return(Bound<'py, PyAny>),
    /// It needs this, and goes on with the answer.
    Need(Need),
}

/// What a step may need.
pub(crate) enum Need {
    /// So many bytes more in the window, or some of them. [`Answer::Filled`].
    Fill(usize),
    /// What is held to be written. [`Answer::Done`].
    Flush,
    /// What is held to be written, and on the disk with all that was written before. [`Answer::Done`].
    Save(Durability),
    /// Memory to be filled, up to the end of the file, with what follows the window; `done` of its bytes are there.
    /// [`Answer::Transferred`].
    Read(FileMemory, usize),
    /// Memory to be written at the position, which moves on. [`Answer::Done`].
    Write(FileMemory),
    /// An operation of the loop's. [`Answer::Ended`].
    Submit(FileOperation),
    /// Leave to answer on the spot, which is given in a turn of the loop's own if much has been. [`Answer::Done`].
    Leave,
}

/// What has come of what a step needed.
pub(crate) enum Answer {
    /// The method begins.
    Start,
    /// It is done.
    Done,
    /// So many bytes are new in the window; 0 at the end of the file.
    Filled(usize),
    /// So many bytes of the memory are there.
    Transferred(FileMemory, usize),
    /// How the operation has ended.
    Ended(Box<Completion>),
    /// It has failed; only for those who [handle](Step::HANDLES_FAILURES) it.
    Failed(PyErr),
}

/// What a method does between two needs.
pub(crate) trait Step: Send + Sync {
    /// Whether it goes on after a failure; the others raise it.
    const HANDLES_FAILURES: bool = false;
    /// Whether it may go side by side with others, as long as nothing is held.
    const IS_POSITIONAL: bool = false;

    /// Goes on.
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>>;

    /// Shows the collector what the step holds.
    fn traverse(&self, _visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        Ok(())
    }
}

enum Stage {
    New,
    /// Stands in line.
    InLine(Py<PyAny>),
    /// Is served, and waits for what another has left.
    AfterLeft(Work),
    Under(Work),
    /// Has given way, and needs this.
    GaveWay(Need, Round),
}

/// The coroutine of a method.
pub(crate) struct Operation<S> {
    file: Py<BinaryFile>,
    step: S,
    stage: Stage,
    is_served: bool,
}

impl<S: Step> Operation<S> {
    pub(crate) fn new(file: &Bound<'_, BinaryFile>, step: S) -> Self {
        Self {
            file: file.clone().unbind(),
            step,
            stage: Stage::New,
            is_served: false,
        }
    }

    fn advance<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let file = self.file.bind(py).clone();
        let slf = file.get();
        let got = match std::mem::replace(&mut self.stage, Stage::New) {
            Stage::New => {
                input.value(py)?;
                if let Some(waits) = self.enter(py, slf)? {
                    return Ok(waits);
                }
                return self.begin(&file);
            }
            Stage::InLine(waiter) => {
                let waiter = waiter.into_bound(py);
                match input.value(py) {
                    Ok(_) => self.is_served = true,
                    Err(error) => {
                        let passed = slf.line.give_up(&waiter);
                        return Err(waiting::after_passing_on(py, error, passed));
                    }
                }
                return self.begin(&file);
            }
            Stage::AfterLeft(work) => {
                if let Err(error) = input.value(py) {
                    slf.leave_work(py, work);
                    return Err(error);
                }
                return match work.pending.take(py) {
                    Some(completion) => {
                        slf.note_left(py, work.purpose, completion);
                        self.begin(&file)
                    }
                    None => self.wait(py, work, Stage::AfterLeft),
                };
            }
            Stage::Under(work) => {
                if let Err(error) = input.value(py) {
                    slf.give_up(py, work, S::IS_POSITIONAL);
                    return Err(error);
                }
                match work.pending.take(py) {
                    Some(completion) => slf.settle(py, work.purpose, completion)?,
                    None => Got::Waits(work),
                }
            }
            Stage::GaveWay(need, round) => {
                round.end();
                input.value(py)?;
                slf.get(py, need)?
            }
        };
        self.go_on(&file, got)
    }

    /// Is served if nobody is, or needs no serving; else waits for it.
    #[inline]
    fn enter<'py>(
        &mut self,
        py: Python<'py>,
        file: &BinaryFile,
    ) -> PyResult<Option<Progress<'py>>> {
        if S::IS_POSITIONAL && !file.state.with(py, |state| state.has_unwritten()) {
            return Ok(None);
        }
        if file.line.try_enter(py) {
            self.is_served = true;
            return Ok(None);
        }
        let waiter = file.line.wait(py)?;
        self.stage = Stage::InLine(waiter.clone().unbind());
        Ok(Some(Progress::Await(waiter)))
    }

    /// Begins, after what another may have left.
    #[inline]
    fn begin<'py>(&mut self, file: &Bound<'py, BinaryFile>) -> PyResult<Progress<'py>> {
        let py = file.py();
        if self.is_served
            && let Some(work) = file.get().take_left(py)
        {
            let is_lost = work.pending.is_lost(py);
            match work.pending.take(py) {
                Some(completion) => file.get().note_left(py, work.purpose, completion),
                None if is_lost => file.get().note_lost(py, work.purpose),
                None => return self.wait(py, work, Stage::AfterLeft),
            }
        }
        self.go_on(file, Got::Answer(Answer::Start))
    }

    #[inline]
    fn go_on<'py>(
        &mut self,
        file: &Bound<'py, BinaryFile>,
        mut got: Got,
    ) -> PyResult<Progress<'py>> {
        let py = file.py();
        loop {
            let answer = match got {
                Got::Answer(Answer::Failed(error)) if !S::HANDLES_FAILURES => return Err(error),
                Got::Answer(answer) => answer,
                Got::Waits(work) => return self.wait(py, work, Stage::Under),
                Got::Tired(need, round) => {
                    self.stage = Stage::GaveWay(need, round);
                    return Ok(Progress::GiveWay);
                }
            };
            match self.step.step(file, answer)? {
                Next::Return(value) => return Ok(Progress::Return(value)),
                Next::Need(need) => got = file.get().get(py, need)?,
            }
        }
    }

    fn wait<'py>(
        &mut self,
        py: Python<'py>,
        work: Work,
        stage: fn(Work) -> Stage,
    ) -> PyResult<Progress<'py>> {
        let future = match work.pending.wait(py) {
            Ok(future) => future,
            Err(error) => {
                self.file.get().leave_work(py, work);
                return Err(error);
            }
        };
        self.stage = stage(work);
        Ok(match future {
            Some(future) => Progress::Await(future),
            None => Progress::GiveWay,
        })
    }
}

impl<S: Step> Routine for Operation<S> {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let progress = self.advance(py, input);
        if !self.is_served || matches!(progress, Ok(Progress::Await(_) | Progress::GiveWay)) {
            return progress;
        }
        self.is_served = false;
        let left = self.file.get().line.leave(py);
        match progress {
            Ok(progress) => left.map(|()| progress),
            Err(error) => Err(waiting::after_passing_on(py, error, left)),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.file)?;
        self.step.traverse(visit)?;
        match &self.stage {
            Stage::InLine(waiter) => visit.call(waiter),
            Stage::AfterLeft(work) | Stage::Under(work) => work.pending.traverse(visit),
            Stage::New | Stage::GaveWay(..) => Ok(()),
        }
    }
}
