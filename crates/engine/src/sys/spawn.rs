//! `clone` as a `vfork` with a stack of its own: the child runs a function of ours up to its `exec`.
//!
//! The child shares this process's memory, so that nothing may run in it but what is written here: system calls,
//! and stores to what belongs to it. Signals are blocked until no handler of this process is left in the child.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::process::{WaitId, WaitIdOptions, waitid};

use crate::programs::{Program, Refused, Stage, Started};

/// What the child needs is some hundred bytes for each call; a handler of signals never runs on it.
const STACK_SIZE: usize = 32 * 1024;
/// As the ABIs of all processors want it.
const STACK_ALIGNMENT: usize = 16;
/// The highest signal number of any processor's Linux.
const SIGNAL_MAX: c_int = 128;

/// Set once the kernel, or a filter, has refused a call that this way of starting needs.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

/// What the child reads, and where it says why it failed. Everything that it points to outlives the child's use.
struct Plan {
    /// Of the program's paths.
    paths: Vec<*const c_char>,
    /// With a null at the end.
    arguments: Vec<*const c_char>,
    /// With a null at the end.
    environment: Option<Vec<*const c_char>>,
    directory: Option<*const c_char>,
    standard: [Option<RawFd>; 3],
    group: Option<libc::pid_t>,
    closes_others: bool,
    restores_signals: bool,
    begins_session: bool,
    /// The signals that the calling thread had blocked, which the program inherits.
    mask: libc::sigset_t,
    failure: Cell<Option<Refused>>,
}

impl Plan {
    fn of(program: &Program, mask: libc::sigset_t) -> Self {
        Self {
            paths: program.paths.iter().map(|path| path.as_ptr()).collect(),
            arguments: null_terminated(&program.arguments),
            environment: program.environment.as_deref().map(null_terminated),
            directory: program.directory.as_ref().map(|path| path.as_ptr()),
            standard: program.standard,
            group: program.group,
            closes_others: program.closes_others,
            restores_signals: program.restores_signals,
            begins_session: program.begins_session,
            mask,
            failure: Cell::new(None),
        }
    }
}

fn null_terminated(texts: &[CString]) -> Vec<*const c_char> {
    let texts = texts.iter().map(|text| text.as_ptr());
    texts.chain([ptr::null()]).collect()
}

/// Whether a call that this way of starting needs was refused.
pub(crate) fn is_refused() -> bool {
    IS_REFUSED.load(Ordering::Relaxed)
}

/// Starts a program; see [`Program::start`].
pub(crate) fn start(program: &Program) -> Result<Started, Refused> {
    if is_refused() {
        return Err(refused(Stage::Way, Errno::NOSYS));
    }
    let blocked = Blocked::all();
    let plan = Plan::of(program, blocked.mask);
    let mut stack: Vec<MaybeUninit<u8>> = Vec::with_capacity(STACK_SIZE);
    let end = stack.spare_capacity_mut().as_mut_ptr_range().end;
    let excess = end.addr() % STACK_ALIGNMENT;
    let mut pidfd: RawFd = -1;
    // SAFETY: the stack is this call's, writable and aligned, and larger than what `child` needs; with CLONE_VFORK
    // this thread goes on only when the child uses neither stack nor plan any more; the kernel writes the
    // descriptor to `pidfd`, and reads the other two arguments with flags only that are not set.
    let pid = unsafe {
        libc::clone(
            child,
            end.wrapping_sub(excess).cast(),
            libc::CLONE_VM | libc::CLONE_VFORK | libc::CLONE_PIDFD | libc::SIGCHLD,
            (&raw const plan).cast_mut().cast(),
            &raw mut pidfd,
            ptr::null_mut::<c_void>(),
            ptr::null_mut::<libc::pid_t>(),
        )
    };
    let error = last_errno();
    drop(blocked);
    if pid < 0 {
        return Err(match error {
            Errno::INVAL | Errno::NOSYS | Errno::PERM => no_such_way(error),
            _ => refused(Stage::Process, error),
        });
    }
    // SAFETY: the kernel has made the descriptor for this call, and nobody else knows of it.
    let pidfd = (pidfd >= 0).then(|| unsafe { OwnedFd::from_raw_fd(pidfd) });
    match plan.failure.get() {
        None => Ok(Started {
            pid,
            pidfd: pidfd.filter(can_be_waited_for),
        }),
        Some(failure) => {
            reap(pid);
            Err(match failure.stage {
                Stage::Way => no_such_way(failure.errno),
                _ => failure,
            })
        }
    }
}

/// Whether the kernel waits for processes by their descriptors: 5.4 and later do, and filters may not know it.
fn can_be_waited_for(pidfd: &OwnedFd) -> bool {
    static CAN: OnceLock<bool> = OnceLock::new();
    *CAN.get_or_init(|| {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        !matches!(
            waitid(WaitId::PidFd(pidfd.as_fd()), options),
            Err(Errno::INVAL | Errno::NOSYS | Errno::PERM)
        )
    })
}

fn refused(stage: Stage, errno: Errno) -> Refused {
    Refused { stage, errno }
}

fn no_such_way(errno: Errno) -> Refused {
    IS_REFUSED.store(true, Ordering::Relaxed);
    refused(Stage::Way, errno)
}

fn last_errno() -> Errno {
    let code = std::io::Error::last_os_error().raw_os_error();
    Errno::from_raw_os_error(code.unwrap_or(libc::EINVAL))
}

/// Takes the end of a child that never became a program.
fn reap(pid: libc::pid_t) {
    loop {
        // SAFETY: a null pointer asks for no status.
        let waited = unsafe { libc::waitpid(pid, ptr::null_mut(), 0) };
        if waited >= 0 || last_errno() != Errno::INTR {
            return;
        }
    }
}

/// All signals blocked in this thread, until it is dropped.
struct Blocked {
    /// Those that were blocked before.
    mask: libc::sigset_t,
}

impl Blocked {
    fn all() -> Self {
        let mut all = empty_set();
        let mut mask = empty_set();
        // SAFETY: the set is writable.
        unsafe { libc::sigfillset(&raw mut all) };
        // SAFETY: both sets are alive for the call, and the second is writable.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut mask) };
        Self { mask }
    }
}

impl Drop for Blocked {
    fn drop(&mut self) {
        // SAFETY: the mask is one that this thread had.
        unsafe {
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.mask, ptr::null_mut());
        }
    }
}

fn empty_set() -> libc::sigset_t {
    // SAFETY: a set of integers, for which all zeros are a value.
    unsafe { std::mem::zeroed() }
}

/// What the child runs. Returns only if it cannot become the program, and then ends with what it returns.
extern "C" fn child(plan: *mut c_void) -> c_int {
    // SAFETY: `start` has passed its plan, which it keeps and does not touch until this process is gone.
    let plan = unsafe { &*plan.cast::<Plan>() };
    if let Err(failure) = prepare(plan) {
        plan.failure.set(Some(failure));
    } else {
        plan.failure.set(Some(execute(plan)));
    }
    255
}

fn prepare(plan: &Plan) -> Result<(), Refused> {
    let process = |result: c_int| check(Stage::Process, result);
    for (number, fd) in (0..).zip(plan.standard) {
        if let Some(fd) = fd {
            // SAFETY: takes numbers alone; what the copy replaces is the child's own.
            process(unsafe { libc::dup2(fd, number) })?;
        }
    }
    if let Some(directory) = plan.directory {
        // SAFETY: a text that ends with a zero, kept by `start`.
        check(Stage::Directory, unsafe { libc::chdir(directory) })?;
    }
    reset_signals(plan.restores_signals);
    if plan.begins_session {
        // SAFETY: takes nothing.
        process(unsafe { libc::setsid() })?;
    }
    if let Some(group) = plan.group {
        // SAFETY: takes numbers alone.
        process(unsafe { libc::setpgid(0, group) })?;
    }
    if plan.closes_others {
        // SAFETY: takes numbers alone; the descriptors are the child's own copies, which nothing here uses.
        let closed = unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) };
        check(Stage::Way, c_int::try_from(closed).unwrap_or(-1))?;
    }
    // SAFETY: the mask is alive, and no handler is left that could run in this memory.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const plan.mask, ptr::null_mut()) };
    Ok(())
}

fn check(stage: Stage, result: c_int) -> Result<(), Refused> {
    if result < 0 {
        Err(refused(stage, last_errno()))
    } else {
        Ok(())
    }
}

/// Leaves no handler of signals: the program would not have it either, and it would run in this process's memory.
fn reset_signals(restores_python: bool) {
    for number in 1..=SIGNAL_MAX {
        if has_handler(number) || (restores_python && is_ignored_by_python(number)) {
            // SAFETY: the default action is always a valid one; the table of actions is the child's own copy.
            unsafe { libc::signal(number, libc::SIG_DFL) };
        }
    }
}

fn has_handler(number: c_int) -> bool {
    // SAFETY: integers and a pointer to a function that is none, for which all zeros are a value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed, and the action is writable.
    let asked = unsafe { libc::sigaction(number, ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction != libc::SIG_DFL && action.sa_sigaction != libc::SIG_IGN
}

fn is_ignored_by_python(number: c_int) -> bool {
    number == libc::SIGPIPE || number == libc::SIGXFSZ
}

/// Tries the paths in turn. Returns only if none can be executed.
fn execute(plan: &Plan) -> Refused {
    let mut reason = None;
    let mut last = Errno::NOENT;
    for path in &plan.paths {
        match &plan.environment {
            // SAFETY: texts that end with a zero, in lists that end with a null, all kept by `start`.
            Some(environment) => unsafe {
                libc::execve(*path, plan.arguments.as_ptr(), environment.as_ptr())
            },
            // SAFETY: as above; the environment is this process's own.
            None => unsafe { libc::execv(*path, plan.arguments.as_ptr()) },
        };
        last = last_errno();
        if last != Errno::NOENT && last != Errno::NOTDIR {
            reason = reason.or(Some(last));
        }
    }
    refused(Stage::Execution, reason.unwrap_or(last))
}
