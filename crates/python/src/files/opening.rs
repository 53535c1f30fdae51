//! `open_binary`: opens a file, on the spot where the kernel knows its name already, else by an operation of the loop's.
//!
//! Only files of bytes are made here; those of text stand on them. What a mode says has been found out before.

use std::path::PathBuf;

use aioxide_engine::files::{File, Operation, Place, Value, try_open, try_stat};
use aioxide_engine::sockets::Attempt;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;

use super::Completion;
use super::binary::{Access, BinaryFile, Buffering, buffering_of};
use super::budget::{self, Round};
use super::names::Named;
use super::pending::Pending;
use crate::errors::file_error;
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};

pub(crate) const FUNCTIONS: &[&Function] = &[&OPEN_BINARY];

static OPEN_BINARY: Function = Function {
    qualname: "open_binary",
    call: open_binary,
};

/// The mode of a file that is created, before the umask.
const NEW_FILE_MODE: u32 = 0o666;

/// Returns the coroutine; None if the arguments do not fit.
fn open_binary<'py>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let names = [
        intern!(py, "path"),
        intern!(py, "flags"),
        intern!(py, "mode"),
        intern!(py, "buffering"),
    ];
    let Some([Some(path), Some(flags), Some(mode), Some(buffering)]) = arguments.fit(4, names)
    else {
        return Ok(None);
    };
    let Some(Named { path, name }) = Named::of(&path)? else {
        // What is wrong with a text that is no name.
        path.extract::<PathBuf>()?;
        return Ok(None);
    };
    let opening = Opening {
        place: Some(path.into()),
        name: name.unbind(),
        flags: OFlags::from_bits_retain(flags.extract()?),
        access: Access::of_mode(mode.extract()?)?,
        buffering: buffering_of(buffering.extract()?)?,
        pending: None,
        round: None,
    };
    Coroutine::start(py, &OPEN_BINARY, opening)
}

/// The coroutine of one call.
struct Opening {
    /// What is to be opened, until it is handed over to the loop.
    place: Option<Place>,
    /// What the file, and exceptions about it, call it.
    name: Py<PyAny>,
    flags: OFlags,
    access: Access,
    buffering: Buffering,
    pending: Option<Pending>,
    /// When it gave way, if it has.
    round: Option<Round>,
}

impl Opening {
    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        if budget::is_spent() {
            self.round = Some(budget::give_way());
            return Ok(Progress::GiveWay);
        }
        let Some(place) = self.place.take() else {
            return self.go_on(py);
        };
        budget::spend(0);
        match try_open(None, &place.path, self.flags) {
            Ok(Attempt::Done((file, _plain))) => return self.made(py, file),
            Ok(Attempt::WouldBlock) => {}
            Err(errno) => return Err(self.error(py, errno)),
        }
        let operation = Operation::Open {
            place,
            flags: self.flags,
            mode: Mode::from_raw_mode(NEW_FILE_MODE),
        };
        self.pending = Some(Pending::begin(py, operation)?);
        self.go_on(py)
    }

    /// Waits for the operation, or ends with it.
    fn go_on<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let Some(pending) = &self.pending else {
            return Ok(Progress::GiveWay);
        };
        match pending.take(py) {
            Some(completion) => self.finish(py, completion),
            None => Ok(match pending.wait(py)? {
                Some(future) => Progress::Await(future),
                None => Progress::GiveWay,
            }),
        }
    }

    fn finish<'py>(&mut self, py: Python<'py>, completion: Completion) -> PyResult<Progress<'py>> {
        let opened = match completion.result {
            Ok(Value::File(file)) => is_no_directory(&file).map(|()| file),
            Ok(_) => Err(Errno::BADF),
            Err(errno) => Err(errno),
        };
        match opened {
            Ok(file) => self.made(py, file),
            Err(errno) => Err(self.error(py, errno)),
        }
    }

    fn made<'py>(&self, py: Python<'py>, file: File) -> PyResult<Progress<'py>> {
        let file = BinaryFile::over(file, self.access, self.buffering, self.name.bind(py));
        Bound::new(py, file).map(|file| Progress::Return(file.into_any()))
    }

    fn error(&self, py: Python<'_>, errno: Errno) -> PyErr {
        file_error(errno, self.name.bind(py))
    }
}

/// Directories can be opened, but they are no files.
fn is_no_directory(file: &File) -> Result<(), Errno> {
    let mode = u32::from(try_stat(file)?.stx_mode);
    match FileType::from_raw_mode(mode) {
        FileType::Directory => Err(Errno::ISDIR),
        _ => Ok(()),
    }
}

impl Routine for Opening {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        if let Some(round) = self.round.take() {
            round.end();
        }
        match (input.value(py), &self.pending) {
            (Ok(_), None) => self.begin(py),
            (Ok(_), Some(_)) => self.go_on(py),
            (Err(error), pending) => {
                // What it opens nevertheless is closed with its completion.
                if let Some(pending) = pending {
                    pending.cancel(py);
                }
                Err(error)
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.name)?;
        self.pending
            .as_ref()
            .map_or(Ok(()), |pending| pending.traverse(visit))
    }
}
