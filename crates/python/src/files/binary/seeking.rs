//! `seek` and `tell`.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::checks::{CLOSED, Check, Right, unsupported};
use super::file::BinaryFile;
use super::operation::{Answer, Need, Next, Step};
use crate::errors::os_error;

/// Positions below this are those of every file system: the least that any of today's ends with is 2 TiB.
const NEAR: u64 = 1 << 40;

/// `seek`.
pub(crate) struct Seek {
    offset: i64,
    whence: i32,
}

impl Seek {
    pub(crate) fn new(offset: i64, whence: i32) -> Self {
        Self { offset, whence }
    }

    fn check(&self, file: &Bound<'_, BinaryFile>) -> PyResult<()> {
        let py = file.py();
        let slf = file.get();
        let is_known = (0..=4).contains(&self.whence);
        if !is_known && slf.is_buffered {
            let text = format!("whence value {} unsupported", self.whence);
            return Err(PyValueError::new_err(text));
        }
        let check = Check {
            closed: "seek of closed file",
            right: Right::None,
        };
        slf.check(py, check)?;
        if !slf.is_seekable {
            return Err(if slf.is_buffered {
                unsupported(py, "File or stream is not seekable.")
            } else {
                os_error(py, Errno::SPIPE)
            });
        }
        if is_known {
            Ok(())
        } else {
            Err(os_error(py, Errno::INVAL))
        }
    }

    /// Where to go. What no file system may have is the kernel's to refuse.
    fn target(&self, file: &Bound<'_, BinaryFile>) -> Result<u64, Errno> {
        let target = self.wanted(file)?;
        if target < NEAR {
            return Ok(target);
        }
        file.get().state.with(file.py(), |state| {
            let place = SeekFrom::Start(target);
            let there = state.file.with(|fd| rustix::fs::seek(fd, place))?;
            state.cursor = Some(there);
            Ok(there)
        })
    }

    fn wanted(&self, file: &Bound<'_, BinaryFile>) -> Result<u64, Errno> {
        let invalid = |_error| Errno::INVAL;
        let origin = match self.whence {
            0 => return u64::try_from(self.offset).map_err(invalid),
            1 => {
                let position = file.get().state.with(file.py(), |state| state.position());
                let position = i64::try_from(position).map_err(invalid)?;
                let target = position.checked_add(self.offset).ok_or(Errno::OVERFLOW)?;
                return u64::try_from(target).map_err(invalid);
            }
            2 => SeekFrom::End(self.offset),
            3 => SeekFrom::Data(u64::try_from(self.offset).map_err(|_error| Errno::NXIO)?),
            _ => SeekFrom::Hole(u64::try_from(self.offset).map_err(|_error| Errno::NXIO)?),
        };
        // The kernel knows at once where a file ends.
        file.get().state.with(file.py(), |state| {
            let target = state.file.with(|fd| rustix::fs::seek(fd, origin));
            state.cursor = target.ok().or(state.cursor);
            target
        })
    }
}

impl Step for Seek {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        if matches!(answer, Answer::Start) {
            self.check(file)?;
            if file.get().has_held(py) {
                return Ok(Next::Need(Need::Flush));
            }
        }
        let target = self.target(file).map_err(|errno| os_error(py, errno))?;
        file.get().state.with(py, |state| state.window.seek(target));
        Ok(Next::Return(target.into_pyobject(py)?.into_any()))
    }
}

/// `tell`.
pub(crate) struct Tell;

impl Step for Tell {
    fn step<'py>(&mut self, file: &Bound<'py, BinaryFile>, _answer: Answer) -> PyResult<Next<'py>> {
        let py = file.py();
        let check = Check {
            closed: CLOSED,
            right: Right::None,
        };
        file.get().check(py, check)?;
        if !file.get().is_seekable {
            return Err(os_error(py, Errno::SPIPE));
        }
        let position = file.get().state.with(py, |state| state.position());
        Ok(Next::Return(position.into_pyobject(py)?.into_any()))
    }
}
