//! `read_at`, `readinto_at`, `write_at`: at a place of their own, side by side, without moving the position.
//!
//! They stand in line only while something is held, which has to go first.

use aioxide_engine::files::{At, Extent, Operation as Submission, Transfer};
use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;

use super::checks::{Check, Right};
use super::file::BinaryFile;
use super::operation::{Answer, Need, Next, Step};
use super::reading::writable_view;
use crate::errors::os_error;
use crate::files::Completion;
use crate::files::spot::{self, Spot};
use crate::raw::file_memory::{FileMemory, FreshBytes, View};

/// What a read fills.
pub(super) enum Target {
    /// A new bytes object of so many bytes.
    New(usize),
    /// An object of the user's.
    Given(Py<PyAny>),
}

/// `read_at` and `readinto_at`.
pub(crate) struct ReadAt {
    target: Target,
    offset: i64,
    /// What is being filled, and how much of it is there, while others have their turn.
    begun: Option<(FileMemory, usize)>,
}

impl ReadAt {
    pub(super) fn new(size: i64, offset: i64) -> PyResult<Self> {
        let size = usize::try_from(size)
            .map_err(|_negative| PyValueError::new_err("read length must be non-negative"))?;
        let target = Target::New(size);
        Ok(Self {
            target,
            offset,
            begun: None,
        })
    }

    pub(super) fn into(target: &Bound<'_, PyAny>, offset: i64) -> Self {
        let target = Target::Given(target.clone().unbind());
        Self {
            target,
            offset,
            begun: None,
        }
    }

    fn read<'py>(&mut self, file: &Bound<'py, BinaryFile>) -> PyResult<Next<'py>> {
        let py = file.py();
        let offset = place(py, self.offset)?;
        let (mut memory, done) = match (self.begun.take(), &self.target) {
            (Some(begun), _) => begun,
            (None, Target::New(size)) => (FileMemory::Fresh(FreshBytes::new(py, *size)?), 0),
            (None, Target::Given(target)) => (FileMemory::View(writable_view(target.bind(py))?), 0),
        };
        let raw = file.get().state.with(py, |state| state.file.clone());
        match spot::read(py, &raw, &mut memory, offset, done) {
            Ok(Spot::Complete(done)) => finish(py, memory, done),
            Ok(Spot::Tired(done)) => {
                self.begun = Some((memory, done));
                Ok(Next::Need(Need::Leave))
            }
            Ok(Spot::Partial(done)) => Ok(Next::Need(Need::Submit(Submission::Read(Transfer {
                file: raw,
                memory: vec![memory],
                at: At::Offset(offset),
                extent: Extent::All,
                done,
            })))),
            Err(errno) => Err(os_error(py, errno)),
        }
    }
}

/// The offset as the kernel takes it.
fn place(py: Python<'_>, offset: i64) -> PyResult<u64> {
    u64::try_from(offset).map_err(|_negative| os_error(py, Errno::INVAL))
}

fn finish(py: Python<'_>, memory: FileMemory, done: usize) -> PyResult<Next<'_>> {
    Ok(Next::Return(match memory {
        FileMemory::Fresh(bytes) => bytes.finish(py, done)?.into_any(),
        FileMemory::View(_) => done.into_pyobject(py)?.into_any(),
        FileMemory::Own(bytes) => PyBytes::new(py, bytes.get(..done).unwrap_or(&bytes)).into_any(),
    }))
}

/// What has come of a transfer.
fn transferred(py: Python<'_>, completion: Completion) -> PyResult<Option<(FileMemory, usize)>> {
    completion.result.map_err(|errno| os_error(py, errno))?;
    Ok(match completion.operation {
        Submission::Read(mut transfer) | Submission::Write(mut transfer) => {
            transfer.memory.pop().map(|memory| (memory, transfer.done))
        }
        _ => None,
    })
}

impl Step for ReadAt {
    const IS_POSITIONAL: bool = true;

    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Ended(completion) => match transferred(py, *completion)? {
                Some((memory, done)) => finish(py, memory, done),
                None => Err(os_error(py, Errno::IO)),
            },
            Answer::Start => {
                let check = Check {
                    closed: "read of closed file",
                    right: Right::Read("read"),
                };
                file.get().check(py, check)?;
                let has_held = file.get().has_held(py);
                Ok(Next::Need(if has_held { Need::Flush } else { Need::Leave }))
            }
            _ => self.read(file),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match &self.target {
            Target::New(_) => Ok(()),
            Target::Given(target) => visit.call(target),
        }
    }
}

/// `write_at`.
pub(crate) struct WriteAt {
    data: Py<PyAny>,
    offset: i64,
}

impl WriteAt {
    pub(super) fn new(data: &Bound<'_, PyAny>, offset: i64) -> Self {
        Self {
            data: data.clone().unbind(),
            offset,
        }
    }

    fn write<'py>(&self, file: &Bound<'py, BinaryFile>) -> PyResult<Next<'py>> {
        let py = file.py();
        let offset = place(py, self.offset)?;
        let memory = FileMemory::View(View::readable(self.data.bind(py))?);
        let raw = file.get().state.with(py, |state| {
            state.window.forget();
            state.file.clone()
        });
        let operation = Submission::write(raw, memory, At::Offset(offset));
        Ok(Next::Need(Need::Submit(operation)))
    }
}

impl Step for WriteAt {
    const IS_POSITIONAL: bool = true;

    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        match answer {
            Answer::Ended(completion) => {
                // Somebody may have read ahead meanwhile.
                file.get().state.with(py, |state| {
                    if state.held.is_empty() {
                        state.window.forget();
                    }
                });
                let done = transferred(py, *completion)?.map_or(0, |(_memory, done)| done);
                Ok(Next::Return(done.into_pyobject(py)?.into_any()))
            }
            Answer::Start => {
                let check = Check {
                    closed: "write to closed file",
                    right: Right::Write("write"),
                };
                file.get().check(py, check)?;
                if file.get().has_held(py) {
                    return Ok(Next::Need(Need::Flush));
                }
                self.write(file)
            }
            _ => self.write(file),
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.data)
    }
}
