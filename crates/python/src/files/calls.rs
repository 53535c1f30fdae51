//! `stat`, `rename` and their like: functions of `os`, each one operation of the loop's.
//!
//! What is out of the ordinary, such as a number in the place of a path, or a path with a null in it, goes to the
//! function of `os` itself, in a thread: it knows what to do with it, and how to refuse it.

use aioxide_engine::files::{Operation, Place, Value, try_stat_of};
use aioxide_engine::sockets::Attempt;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyInt, PyTuple};
use rustix::fs::{AtFlags, Mode, RenameFlags, StatxFlags};
use rustix::io::Errno;

use super::budget::{self, Round};
use super::names::{Directory, Named};
use super::pending::Pending;
use super::statistics::stat_result;
use super::{Completion, FileOperation};
use crate::errors::{file_error, files_error, os_error};
use crate::raw::fastcall::Arguments;
use crate::routine::{Coroutine, Function, Input, Progress, Routine};
use crate::running::running_loop;

/// A function of `os`.
struct Call {
    /// Its name there.
    name: &'static str,
    /// Its parameters. Those from `positional` on are given by name.
    parameters: &'static [&'static str],
    /// How many of them have to be given.
    required: usize,
    positional: usize,
    /// Makes an operation of the arguments. None if they are out of the ordinary.
    prepare: for<'a, 'py> fn(&Given<'a, 'py>) -> PyResult<Option<Request<'py>>>,
}

/// An operation, and what exceptions call its files.
struct Request<'py> {
    operation: FileOperation,
    names: Vec<Bound<'py, PyAny>>,
}

/// The arguments of a call, in the order of the parameters.
struct Given<'a, 'py> {
    py: Python<'py>,
    arguments: &'a [Option<Py<PyAny>>],
}

impl<'py> Given<'_, 'py> {
    fn get(&self, which: usize) -> Option<&Bound<'py, PyAny>> {
        let argument = self.arguments.get(which)?.as_ref()?;
        Some(argument.bind(self.py))
    }

    /// The file that a path and the descriptor of a directory name, and what exceptions call it.
    fn place(&self, path: usize, directory: usize) -> PyResult<Option<(Place, Bound<'py, PyAny>)>> {
        let Some(directory) = Directory::of(self.get(directory)) else {
            return Ok(None);
        };
        let named = self.get(path).map_or(Ok(None), Named::of)?;
        Ok(named.map(|named| (directory.place(named.path), named.name)))
    }

    /// Whether a flag is set; None if it is no bool.
    fn flag(&self, which: usize, default: bool) -> Option<bool> {
        self.get(which).map_or(Some(default), |flag| {
            flag.cast::<PyBool>().ok().map(|flag| flag.is_true())
        })
    }
}

macro_rules! functions {
    ($($constant:ident, $call:ident, $name:ident: $parameters:expr, $required:expr, $positional:expr, $prepare:ident;)*) => {
        pub(crate) const FUNCTIONS: &[&Function] = &[$(&$constant),*];
        $(
            static $constant: Function = Function {
                qualname: stringify!($name),
                call: |py, arguments| begin(py, &$constant, &$call, arguments),
            };
            static $call: Call = Call {
                name: stringify!($name),
                parameters: &$parameters,
                required: $required,
                positional: $positional,
                prepare: $prepare,
            };
        )*
    };
}

functions! {
    STAT, STAT_CALL, stat: ["path", "dir_fd", "follow_symlinks"], 1, 1, stat;
    LSTAT, LSTAT_CALL, lstat: ["path", "dir_fd"], 1, 1, lstat;
    RENAME, RENAME_CALL, rename: ["src", "dst", "src_dir_fd", "dst_dir_fd"], 2, 2, rename;
    REPLACE, REPLACE_CALL, replace: ["src", "dst", "src_dir_fd", "dst_dir_fd"], 2, 2, rename;
    UNLINK, UNLINK_CALL, unlink: ["path", "dir_fd"], 1, 1, unlink;
    REMOVE, REMOVE_CALL, remove: ["path", "dir_fd"], 1, 1, unlink;
    RMDIR, RMDIR_CALL, rmdir: ["path", "dir_fd"], 1, 1, rmdir;
    MKDIR, MKDIR_CALL, mkdir: ["path", "mode", "dir_fd"], 1, 2, mkdir;
    SYMLINK, SYMLINK_CALL, symlink: ["src", "dst", "target_is_directory", "dir_fd"], 2, 3, symlink;
}

/// An operation on one file.
fn on<'py>(
    place: Option<(Place, Bound<'py, PyAny>)>,
    operation: impl FnOnce(Place) -> FileOperation,
) -> Option<Request<'py>> {
    let (place, name) = place?;
    Some(Request {
        operation: operation(place),
        names: vec![name],
    })
}

fn stat<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    let Some(follows) = given.flag(2, true) else {
        return Ok(None);
    };
    Ok(on(given.place(0, 1)?, |place| stat_of(place, follows)))
}

fn lstat<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    Ok(on(given.place(0, 1)?, |place| stat_of(place, false)))
}

fn stat_of(place: Place, follows: bool) -> FileOperation {
    Operation::Stat {
        place,
        flags: if follows {
            AtFlags::empty()
        } else {
            AtFlags::SYMLINK_NOFOLLOW
        },
        mask: StatxFlags::BASIC_STATS,
    }
}

fn unlink<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    let flags = AtFlags::empty();
    Ok(on(given.place(0, 1)?, |place| Operation::Unlink {
        place,
        flags,
    }))
}

fn rmdir<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    let flags = AtFlags::REMOVEDIR;
    Ok(on(given.place(0, 1)?, |place| Operation::Unlink {
        place,
        flags,
    }))
}

fn mkdir<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    let mode = given.get(1).map_or(Some(0o777), |mode| {
        let mode = mode.cast_exact::<PyInt>().ok()?;
        mode.extract::<u32>().ok()
    });
    let Some(mode) = mode else { return Ok(None) };
    let mode = Mode::from_raw_mode(mode);
    Ok(on(given.place(0, 2)?, |place| Operation::MakeDirectory {
        place,
        mode,
    }))
}

/// The two files of a call.
fn both<'py>(
    given: &Given<'_, 'py>,
    operation: impl FnOnce(Place, Place) -> FileOperation,
) -> PyResult<Option<Request<'py>>> {
    let (Some((from, source)), Some((to, target))) = (given.place(0, 2)?, given.place(1, 3)?)
    else {
        return Ok(None);
    };
    Ok(Some(Request {
        operation: operation(from, to),
        names: vec![source, target],
    }))
}

fn rename<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    let flags = RenameFlags::empty();
    both(given, |from, to| Operation::Rename { from, to, flags })
}

fn symlink<'py>(given: &Given<'_, 'py>) -> PyResult<Option<Request<'py>>> {
    let Some(target) = given.get(0).map_or(Ok(None), Named::of)? else {
        return Ok(None);
    };
    let Some((place, name)) = given.place(1, 3)? else {
        return Ok(None);
    };
    Ok(Some(Request {
        operation: Operation::SymbolicLink {
            target: target.path,
            place,
        },
        names: vec![target.name, name],
    }))
}

/// Returns the coroutine of a call; None if the arguments do not fit.
fn begin<'py>(
    py: Python<'py>,
    function: &'static Function,
    call: &'static Call,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    if arguments.positional_count() > call.positional {
        return Ok(None);
    }
    let mut given: Vec<Option<Py<PyAny>>> = call.parameters.iter().map(|_| None).collect();
    for (which, place) in given.iter_mut().enumerate() {
        *place = arguments
            .positional(which)
            .map(|value| value.to_owned().unbind());
    }
    let mut is_repeated = false;
    let unknown = arguments.keywords(|name, value| {
        let name = name.extract::<std::borrow::Cow<'_, str>>()?;
        let which = call.parameters.iter().position(|known| *known == name);
        let Some(place) = which.and_then(|which| given.get_mut(which)) else {
            return Ok(false);
        };
        let previous = place.replace(value.to_owned().unbind());
        is_repeated |= previous.is_some();
        Ok(true)
    })?;
    let is_missing = given.iter().take(call.required).any(Option::is_none);
    if unknown.is_some() || is_repeated || is_missing {
        return Ok(None);
    }
    let routine = Calling {
        call,
        arguments: given,
        stage: Stage::New,
    };
    Coroutine::start(py, function, routine)
}

enum Stage {
    New,
    /// Has given way.
    GaveWay(Round),
    /// The operation, and what exceptions call its files.
    Under(Pending, Vec<Py<PyAny>>),
    /// A thread calls the function of `os`.
    Thread,
}

/// The coroutine of a call.
struct Calling {
    call: &'static Call,
    arguments: Vec<Option<Py<PyAny>>>,
    stage: Stage,
}

impl Calling {
    fn begin<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let given = Given {
            py,
            arguments: &self.arguments,
        };
        let Some(request) = (self.call.prepare)(&given)? else {
            return self.call_os(py);
        };
        if let Operation::Stat { place, flags, .. } = &request.operation {
            if budget::is_spent() {
                self.stage = Stage::GaveWay(budget::give_way());
                return Ok(Progress::GiveWay);
            }
            budget::spend(0);
            match try_stat_of(place, *flags) {
                Ok(Attempt::Done(stat)) => return stat_result(py, &stat).map(Progress::Return),
                Ok(Attempt::WouldBlock) => {}
                Err(errno) => return Err(error_of(py, errno, &request.names)),
            }
        }
        let names = request.names.into_iter().map(Bound::unbind).collect();
        let pending = Pending::begin(py, request.operation)?;
        let future = pending.wait(py)?;
        self.stage = Stage::Under(pending, names);
        match future {
            Some(future) => Ok(Progress::Await(future)),
            None => Ok(Progress::GiveWay),
        }
    }

    /// Has a thread call the function of `os`.
    fn call_os<'py>(&mut self, py: Python<'py>) -> PyResult<Progress<'py>> {
        let function = py.import(intern!(py, "os"))?.getattr(self.call.name)?;
        let (mut positional, named) = (vec![function], PyDict::new(py));
        for (which, (name, value)) in self.call.parameters.iter().zip(&self.arguments).enumerate() {
            match value {
                Some(value) if which < self.call.required => {
                    positional.push(value.bind(py).clone())
                }
                Some(value) => named.set_item(name, value)?,
                None => {}
            }
        }
        let partial = py
            .import("functools")?
            .getattr("partial")?
            .call(PyTuple::new(py, positional)?, Some(&named))?;
        let request = (py.None(), partial);
        let future = running_loop(py)?.call_method1(intern!(py, "run_in_executor"), request)?;
        self.stage = Stage::Thread;
        Ok(Progress::Await(future))
    }
}

/// What a call returns.
fn finish<'py>(
    py: Python<'py>,
    completion: Completion,
    names: &[Py<PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    match completion.result {
        Ok(Value::Stat(stat)) => stat_result(py, &stat),
        Ok(_) => Ok(py.None().into_bound(py)),
        Err(errno) => {
            let names: Vec<_> = names.iter().map(|name| name.bind(py).clone()).collect();
            Err(error_of(py, errno, &names))
        }
    }
}

/// The exception for `errno`, about the files of these names.
fn error_of(py: Python<'_>, errno: Errno, names: &[Bound<'_, PyAny>]) -> PyErr {
    match names {
        [name] => file_error(errno, name),
        [from, to] => files_error(errno, from, to),
        _ => os_error(py, errno),
    }
}

impl Routine for Calling {
    fn resume<'py>(&mut self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        match &self.stage {
            Stage::New => {
                input.value(py)?;
                self.begin(py)
            }
            Stage::GaveWay(round) => {
                round.end();
                input.value(py)?;
                self.begin(py)
            }
            Stage::Thread => input.value(py).map(Progress::Return),
            Stage::Under(pending, names) => {
                if let Err(error) = input.value(py) {
                    pending.cancel(py);
                    return Err(error);
                }
                match pending.take(py) {
                    Some(completion) => finish(py, completion, names).map(Progress::Return),
                    // Whoever woke us was somebody else.
                    None => match pending.wait(py)? {
                        Some(future) => Ok(Progress::Await(future)),
                        None => Ok(Progress::GiveWay),
                    },
                }
            }
        }
    }

    fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        self.arguments
            .iter()
            .try_for_each(|argument| visit.call(argument))?;
        match &self.stage {
            Stage::Under(pending, names) => {
                pending.traverse(visit)?;
                names.iter().try_for_each(|name| visit.call(name))
            }
            Stage::New | Stage::GaveWay(_) | Stage::Thread => Ok(()),
        }
    }
}
