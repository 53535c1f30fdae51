//! What `subprocess.Popen` does to start a program, natively, if it is asked for nothing unusual.
//!
//! Python's own way makes a pipe to hear of errors, reads the search path under a filter of warnings, and runs some
//! hundred lines of Python. What is unusual, or wrong, is left to it, and with it most of the errors' texts.

use std::ffi::CString;
use std::os::fd::{IntoRawFd, RawFd};

use aioxide_engine::programs::{self, Program, Refused, Stage};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyDict, PyList, PyString, PyTuple};

use crate::errors::{file_error, os_error};
use crate::files::names::Named;

/// The arguments of `Popen._execute_child` behind the object, in their order.
#[derive(Clone, Copy)]
enum Argument {
    Args,
    Executable,
    PreexecFn,
    CloseFds,
    PassFds,
    Cwd,
    Env,
    // Not for this system.
    _Startupinfo,
    _Creationflags,
    Shell,
    P2cread,
    _P2cwrite,
    _C2pread,
    C2pwrite,
    _Errread,
    Errwrite,
    RestoreSignals,
    Gid,
    Gids,
    Uid,
    Umask,
    StartNewSession,
    ProcessGroup,
}

/// How many they are.
const COUNT: usize = Argument::ProcessGroup as usize + 1;

/// What is to be started, and what auditing hooks and exceptions are told of it.
struct Request<'py> {
    program: Program,
    executable: Bound<'py, PyAny>,
    args: Bound<'py, PyList>,
    cwd: Bound<'py, PyAny>,
    env: Bound<'py, PyAny>,
}

/// Starts a program as `subprocess.Popen._execute_child` does, with the arguments that this has behind the object.
///
/// Returns the number of the process and its descriptor (pidfd), which is the caller's, or None in its place where
/// the kernel has none. Returns None, with nothing started, if it is asked for something that this way cannot do.
/// Raises `OSError` if the program cannot be executed, or the working directory not be entered.
#[pyfunction]
#[pyo3(signature = (*call))]
pub(crate) fn start_program(call: &Bound<'_, PyTuple>) -> PyResult<Option<(i32, Option<RawFd>)>> {
    static AUDIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = call.py();
    // Before auditing hooks hear of it: they would hear of it twice.
    if programs::is_refused() {
        return Ok(None);
    }
    let Some(request) = Request::of(call)? else {
        return Ok(None);
    };
    AUDIT.import(py, "sys", "audit")?.call1((
        intern!(py, "subprocess.Popen"),
        &request.executable,
        &request.args,
        &request.cwd,
        &request.env,
    ))?;
    match request.program.start() {
        Ok(started) => Ok(Some((
            started.pid,
            started.pidfd.map(IntoRawFd::into_raw_fd),
        ))),
        Err(Refused { stage, errno }) => match stage {
            Stage::Way => Ok(None),
            Stage::Process => Err(os_error(py, errno)),
            Stage::Directory => Err(file_error(errno, &request.cwd)),
            Stage::Execution => Err(file_error(errno, &request.executable)),
        },
    }
}

impl<'py> Request<'py> {
    /// None if it is for Python's own way.
    fn of(call: &Bound<'py, PyTuple>) -> PyResult<Option<Self>> {
        if call.len() != COUNT || is_unusual(call)? {
            return Ok(None);
        }
        let argument = |which: Argument| call.get_item(which as usize);
        let Some((args, executable)) = Self::command(call)? else {
            return Ok(None);
        };
        let mut arguments = Vec::with_capacity(args.len());
        for text in args.iter() {
            let Some(named) = Named::of(&text)? else {
                return Ok(None);
            };
            arguments.push(named.path);
        }
        let env = argument(Argument::Env)?;
        let (Some(standard), Some(environment), Some(named)) = (
            standard(call)?,
            Environment::of(&env)?,
            Named::of(&executable)?,
        ) else {
            return Ok(None);
        };
        let Some(paths) = paths(named.path, &environment) else {
            return Ok(None);
        };
        let cwd = argument(Argument::Cwd)?;
        let directory = if cwd.is_none() {
            None
        } else if let Some(named) = Named::of(&cwd)? {
            Some(named.path)
        } else {
            return Ok(None);
        };
        let group: i32 = argument(Argument::ProcessGroup)?.extract()?;
        Ok(Some(Self {
            program: Program {
                paths,
                arguments,
                environment: environment.entries,
                directory,
                standard,
                group: (group >= 0).then_some(group),
                closes_others: argument(Argument::CloseFds)?.is_truthy()?,
                restores_signals: argument(Argument::RestoreSignals)?.is_truthy()?,
                begins_session: argument(Argument::StartNewSession)?.is_truthy()?,
            },
            executable,
            args,
            cwd,
            env,
        }))
    }

    /// The arguments of the program, and the program.
    fn command(
        call: &Bound<'py, PyTuple>,
    ) -> PyResult<Option<(Bound<'py, PyList>, Bound<'py, PyAny>)>> {
        let py = call.py();
        let args = call.get_item(Argument::Args as usize)?;
        let executable = call.get_item(Argument::Executable as usize)?;
        let words = if is_text(&args) {
            PyList::new(py, [args])?
        } else if let Ok(words) = args.cast_exact::<PyTuple>() {
            words.to_list()
        } else if let Ok(words) = args.cast_exact::<PyList>() {
            words.as_sequence().to_list()?
        } else {
            return Ok(None);
        };
        if call.get_item(Argument::Shell as usize)?.is_truthy()? {
            let shell = if executable.is_none() {
                intern!(py, "/bin/sh").as_any()
            } else {
                &executable
            };
            words.insert(0, intern!(py, "-c"))?;
            words.insert(0, shell)?;
        }
        if words.is_empty() || executable.is_none() {
            let first = words.get_item(0).ok();
            return Ok(first.map(|first| (words, first)));
        }
        Ok(Some((words, executable)))
    }
}

/// Whether it is asked for what cannot be done in a child that shares this process's memory, or rarely is.
fn is_unusual(call: &Bound<'_, PyTuple>) -> PyResult<bool> {
    for which in [
        Argument::PreexecFn,
        Argument::Gid,
        Argument::Gids,
        Argument::Uid,
    ] {
        if !call.get_item(which as usize)?.is_none() {
            return Ok(true);
        }
    }
    Ok(call.get_item(Argument::PassFds as usize)?.is_truthy()?
        || call.get_item(Argument::Umask as usize)?.ge(0)?)
}

/// The standard descriptors that the program is given. None if one of them stands in the place of another.
fn standard(call: &Bound<'_, PyTuple>) -> PyResult<Option<[Option<RawFd>; 3]>> {
    let mut standard = [None; 3];
    let places = [Argument::P2cread, Argument::C2pwrite, Argument::Errwrite];
    for (place, which) in standard.iter_mut().zip(places) {
        let fd: RawFd = call.get_item(which as usize)?.extract()?;
        match fd {
            -1 => {}
            ..=2 => return Ok(None),
            _ => *place = Some(fd),
        }
    }
    Ok(Some(standard))
}

fn is_text(object: &Bound<'_, PyAny>) -> bool {
    object.is_exact_instance_of::<PyString>() || object.is_exact_instance_of::<PyBytes>()
}

/// What the program finds in its environment.
struct Environment {
    /// None for this process's own.
    entries: Option<Vec<CString>>,
    /// Where programs are looked for; None if that is not said.
    search: Option<Vec<u8>>,
}

impl Environment {
    /// None if it is for Python's own way.
    fn of(env: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        if env.is_none() {
            return Self::own(env.py()).map(Some);
        }
        let Ok(env) = env.cast_exact::<PyDict>() else {
            return Ok(None);
        };
        let mut entries = Vec::with_capacity(env.len());
        let mut search = None;
        for (name, value) in env.iter() {
            if !is_text(&name) || !is_text(&value) {
                return Ok(None);
            }
            let (Some(key), Some(text)) = (Named::of(&name)?, Named::of(&value)?) else {
                return Ok(None);
            };
            let (key, text) = (key.path.into_bytes(), text.path.into_bytes());
            // The name may be there twice, as a text and as bytes.
            if key.contains(&b'=') || (key == b"PATH" && search.is_some()) {
                return Ok(None);
            }
            if key == b"PATH" {
                search = Some(text.clone());
            }
            let Ok(entry) = CString::new([&*key, b"=", &*text].concat()) else {
                return Ok(None);
            };
            entries.push(entry);
        }
        Ok(Some(Self {
            entries: Some(entries),
            search,
        }))
    }

    fn own(py: Python<'_>) -> PyResult<Self> {
        static OS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let os = OS.get_or_try_init(py, || {
            py.import("os").map(|module| module.into_any().unbind())
        })?;
        let environ = os.bind(py).getattr(intern!(py, "environ"))?;
        // A mapping in Python over this dictionary: a look-up by its own method takes some ten calls.
        let search = match environ.getattr_opt(intern!(py, "_data"))? {
            Some(data) => match data.cast_exact::<PyDict>() {
                Ok(data) => data.get_item(PyBytes::new(py, b"PATH"))?,
                Err(_) => None,
            },
            None => None,
        };
        let search = search.and_then(|search| search.extract().ok());
        Ok(Self {
            entries: None,
            search,
        })
    }
}

/// Where the program may be. None if nobody says where to look for it.
fn paths(executable: CString, environment: &Environment) -> Option<Vec<CString>> {
    let name = executable.as_bytes();
    if name.contains(&b'/') {
        return Some(vec![executable]);
    }
    let search = environment
        .search
        .as_ref()
        .filter(|_search| !name.is_empty())?;
    let paths = search.split(|byte| *byte == b':').map(|directory| {
        let slash: &[u8] = match directory.last() {
            None | Some(b'/') => b"",
            Some(_) => b"/",
        };
        CString::new([directory, slash, name].concat()).ok()
    });
    paths.collect()
}
