//! What steps need, and how a file gets it: on the spot if the kernel can answer at once, else from the loop's file
//! operations; and what becomes of an operation in the end, whether somebody waits for it or not.

use aioxide_engine::files::{At, Durability, Extent, Operation as Submission, Transfer};
use aioxide_engine::sockets::Attempt;
use pyo3::prelude::*;
use rustix::io::Errno;

use super::file::BinaryFile;
use super::operation::{Answer, Need};
use super::state::State;
use crate::errors::os_error;
use crate::files::budget::{self, Round};
use crate::files::spot::{self, Spot};
use crate::files::{Completion, FileOperation, Pending};
use crate::raw::file_memory::FileMemory;

/// What an operation under way was begun for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    Fill,
    Flush,
    Save,
    Read,
    Write,
    Other,
}

/// An operation of the loop's under way.
pub(super) struct Work {
    pub(super) pending: Pending,
    pub(super) purpose: Purpose,
}

/// What an attempt to get something has come to.
pub(super) enum Got {
    Answer(Answer),
    Waits(Work),
    /// The thread has answered on the spot for so long that others should have their turn first.
    Tired(Need, Round),
}

impl BinaryFile {
    /// Gets what a step needs: on the spot, or from the loop.
    pub(super) fn get(&self, py: Python<'_>, need: Need) -> PyResult<Got> {
        // Only what is answered on the spot. Whoever gives way can be cancelled there, which a close must not be.
        if matches!(need, Need::Fill(_) | Need::Read(..) | Need::Leave) && budget::is_spent() {
            return Ok(Got::Tired(need, budget::give_way()));
        }
        match need {
            Need::Fill(size) => self.fill(py, size),
            Need::Flush => self.flush_held(py),
            Need::Save(durability) => self.save(py, durability),
            Need::Read(memory, done) => self.read_past(py, memory, done),
            Need::Write(memory) => self.write_past(py, memory),
            Need::Submit(operation) => Self::submit(py, operation, Purpose::Other),
            Need::Leave => Ok(Got::Answer(Answer::Done)),
        }
    }

    fn submit(py: Python<'_>, operation: FileOperation, purpose: Purpose) -> PyResult<Got> {
        let pending = Pending::begin(py, operation)?;
        Ok(Got::Waits(Work { pending, purpose }))
    }

    fn fill(&self, py: Python<'_>, size: usize) -> PyResult<Got> {
        if let Some(work) = self.state.with(py, |state| state.left_fill.take()) {
            let is_lost = work.pending.is_lost(py);
            match work.pending.take(py) {
                Some(completion) => {
                    return Ok(Got::Answer(self.note(py, work.purpose, completion)));
                }
                // With its loop; whether it has brought anything nobody will know.
                None if is_lost => {}
                None => return Ok(Got::Waits(work)),
            }
        }
        let filled = self.state.with(py, |state| {
            let at = state.read_at(self.is_seekable);
            match state.window.fill_now(&state.file, at, size) {
                Ok(Attempt::Done(count)) => Ok(Ok(count)),
                Ok(Attempt::WouldBlock) => {
                    let memory = FileMemory::Own(state.window.lend(size));
                    Ok(Err(Submission::read(
                        state.file.clone(),
                        memory,
                        at,
                        Extent::Some,
                    )))
                }
                Err(errno) => Err(errno),
            }
        });
        match filled {
            Ok(Ok(count)) => {
                budget::spend(count);
                Ok(Got::Answer(Answer::Filled(count)))
            }
            Ok(Err(operation)) => Self::submit(py, operation, Purpose::Fill),
            Err(errno) => Ok(Got::Answer(Answer::Failed(os_error(py, errno)))),
        }
    }

    fn flush_held(&self, py: Python<'_>) -> PyResult<Got> {
        match self.state.with(py, |state| self.take_held(state)) {
            Some(transfer) => Self::submit(py, Submission::Write(transfer), Purpose::Flush),
            None => Ok(Got::Answer(Answer::Done)),
        }
    }

    fn save(&self, py: Python<'_>, durability: Durability) -> PyResult<Got> {
        let operation = self.state.with(py, |state| match self.take_held(state) {
            Some(transfer) => Submission::Save(transfer, durability),
            None => Submission::Sync {
                file: state.file.clone(),
                durability,
            },
        });
        Self::submit(py, operation, Purpose::Save)
    }

    /// Takes what is held, if anything is, to be written where it belongs.
    fn take_held(&self, state: &mut State) -> Option<Transfer<FileMemory>> {
        if state.held.is_empty() {
            return None;
        }
        state.is_flushing = true;
        if state.writes_at_cursor {
            state.show_cursor();
        }
        Some(Transfer {
            file: state.file.clone(),
            at: state.write_at(self.is_seekable, self.access.appends),
            memory: vec![FileMemory::Own(state.held.take())],
            extent: Extent::All,
            done: 0,
        })
    }

    fn read_past(&self, py: Python<'_>, mut memory: FileMemory, done: usize) -> PyResult<Got> {
        // What of it is there has come from the window, which has not moved, or from a read before this one.
        let (file, at) = self
            .state
            .with(py, |state| (state.file.clone(), state.window.position()));
        match spot::read(py, &file, &mut memory, at, done) {
            Ok(Spot::Complete(count)) => Ok(Got::Answer(Answer::Transferred(memory, count))),
            Ok(Spot::Tired(count)) => self.get(py, Need::Read(memory, count)),
            Ok(Spot::Partial(count)) => {
                let operation = Submission::Read(Transfer {
                    file,
                    memory: vec![memory],
                    at: At::Offset(at),
                    extent: Extent::All,
                    done: count,
                });
                Self::submit(py, operation, Purpose::Read)
            }
            Err(errno) => Ok(Got::Answer(Answer::Failed(os_error(py, errno)))),
        }
    }

    fn write_past(&self, py: Python<'_>, memory: FileMemory) -> PyResult<Got> {
        let operation = self.state.with(py, |state| {
            if state.writes_at_cursor {
                state.show_cursor();
            }
            let at = state.write_at(self.is_seekable, self.access.appends);
            Submission::write(state.file.clone(), memory, at)
        });
        Self::submit(py, operation, Purpose::Write)
    }

    /// Takes note of the end of an operation that somebody waits for, and does it otherwise if that may help.
    pub(super) fn settle(
        &self,
        py: Python<'_>,
        purpose: Purpose,
        mut completion: Completion,
    ) -> PyResult<Got> {
        if let Submission::Write(transfer) | Submission::Save(transfer, _) =
            &mut completion.operation
            && matches!(completion.result, Err(Errno::SPIPE))
            && matches!(transfer.at, At::Offset(_))
            && purpose != Purpose::Other
        {
            transfer.at = At::Cursor;
            self.state.with(py, |state| {
                state.writes_at_cursor = true;
                state.show_cursor();
            });
            return Self::submit(py, completion.operation, purpose);
        }
        Ok(Got::Answer(self.note(py, purpose, completion)))
    }

    /// Takes note of the end of an operation.
    pub(super) fn note(&self, py: Python<'_>, purpose: Purpose, completion: Completion) -> Answer {
        let appends = self.access.appends;
        let result = completion.result;
        let failed = |errno: Errno| Answer::Failed(os_error(py, errno));
        match (purpose, completion.operation) {
            (Purpose::Fill, Submission::Read(transfer)) => {
                let (memory, done) = only(transfer);
                match (result, memory) {
                    (Ok(_), Some(FileMemory::Own(memory))) => {
                        self.state
                            .with(py, |state| state.window.take_in(memory, done));
                        Answer::Filled(done)
                    }
                    (Ok(_), _) => Answer::Filled(0),
                    (Err(errno), _) => failed(errno),
                }
            }
            (Purpose::Flush, Submission::Write(transfer))
            | (Purpose::Save, Submission::Save(transfer, _)) => {
                let (memory, done) = only(transfer);
                self.state.with(py, |state| {
                    state.is_flushing = false;
                    state.note_written(done, appends);
                    if let Some(FileMemory::Own(memory)) = memory {
                        state.held.take_back(memory, done);
                    }
                });
                result.map_or_else(failed, |_| Answer::Done)
            }
            (Purpose::Read, Submission::Read(transfer)) => {
                let (memory, done) = only(transfer);
                match (result, memory) {
                    (Ok(_), Some(memory)) => Answer::Transferred(memory, done),
                    (Ok(_), None) => failed(Errno::IO),
                    (Err(errno), _) => failed(errno),
                }
            }
            (Purpose::Write, Submission::Write(transfer)) => {
                let done = transfer.done;
                self.state
                    .with(py, |state| state.note_written(done, appends));
                result.map_or_else(failed, |_| Answer::Done)
            }
            (Purpose::Save, _) => result.map_or_else(failed, |_| Answer::Done),
            (_, operation) => Answer::Ended(Box::new(Completion {
                ticket: completion.ticket,
                operation,
                result,
            })),
        }
    }

    /// Takes note of the end of an operation that nobody waits for any more.
    pub(super) fn note_left(&self, py: Python<'_>, purpose: Purpose, completion: Completion) {
        let failure = completion.result.as_ref().err().copied();
        self.note(py, purpose, completion);
        if purpose == Purpose::Save {
            self.state.with(py, |state| {
                // As long as something is held, it is to be written again, and fails again.
                if state.held.is_empty() {
                    state.unreported = failure.or(state.unreported);
                }
            });
        }
    }

    /// Takes note that nobody will ever know how an operation has ended, for its loop was closed.
    pub(super) fn note_lost(&self, py: Python<'_>, purpose: Purpose) {
        if matches!(purpose, Purpose::Flush | Purpose::Save) {
            self.state.with(py, |state| state.is_flushing = false);
        }
    }

    /// Nobody waits for this any more.
    pub(super) fn give_up(&self, py: Python<'_>, work: Work, is_positional: bool) {
        let is_lost = match work.purpose {
            Purpose::Fill => self.is_seekable,
            Purpose::Read => true,
            // A write goes on, and changes nothing here.
            Purpose::Other if is_positional => return,
            Purpose::Flush | Purpose::Save | Purpose::Write | Purpose::Other => false,
        };
        if is_lost {
            work.pending.cancel(py);
        } else {
            self.leave_work(py, work);
        }
    }

    pub(super) fn leave_work(&self, py: Python<'_>, work: Work) {
        let replaced = self.state.with(py, |state| match work.purpose {
            Purpose::Fill => state.left_fill.replace(work),
            _ => state.left.replace(work),
        });
        drop(replaced);
    }

    /// What another operation has left, which has to end before the next.
    #[inline]
    pub(super) fn take_left(&self, py: Python<'_>) -> Option<Work> {
        self.state.with(py, |state| state.left.take())
    }
}

/// The memory of a transfer that has one part, and how much of it is done.
fn only(mut transfer: Transfer<FileMemory>) -> (Option<FileMemory>, usize) {
    (transfer.memory.pop(), transfer.done)
}
