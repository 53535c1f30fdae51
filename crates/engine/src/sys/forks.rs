//! How many forks lie between this process and the first of its ancestors that asked; and what a child needs to part from its parent.

use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::io::Errno;

use super::count_of;

/// Incremented in each child, before anything else runs there. Children that share memory with their parent
/// (`vfork`) do not come here.
static COUNT: AtomicU32 = AtomicU32::new(0);

extern "C" fn begin_child() {
    COUNT.fetch_add(1, Ordering::Relaxed);
}

/// The number of forks; None if the system does not tell.
#[inline]
pub(crate) fn count() -> Option<u32> {
    static IS_TOLD: OnceLock<bool> = OnceLock::new();
    IS_TOLD
        .get_or_init(ask_to_be_told)
        .then(|| COUNT.load(Ordering::Relaxed))
}

fn ask_to_be_told() -> bool {
    // SAFETY: the handler does nothing but change an atomic, which is allowed in a child of a process with
    // threads, and it stays where it is: this library is never unloaded.
    let refused = unsafe { libc::pthread_atfork(None, None, Some(begin_child)) };
    refused == 0
}

/// Gives the number of `place`, whose file is let go of, to the file of `fd`. The number is closed in an `exec`.
pub(crate) fn put_in_place(fd: OwnedFd, place: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: two descriptors that are open for the call. Whoever owns `place` goes on to own an open descriptor.
    let number = unsafe { libc::dup3(fd.as_raw_fd(), place.as_raw_fd(), libc::O_CLOEXEC) };
    count_of(i64::from(number)).map(|_number| ())
}

#[cfg(test)]
mod tests {
    use crate::process::Process;

    #[test]
    fn a_forked_child_is_another_process_and_its_parent_the_same() {
        let process = Process::current();
        // SAFETY: the child calls nothing but what is allowed in a child of a process with threads.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let code = if process.is_current() { 1 } else { 42 };
            // SAFETY: ends the child without running anything of its parent's.
            unsafe { libc::_exit(code) };
        }
        let mut status = 0;
        // SAFETY: the status is writable, and the child is this process's own.
        let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(waited, child);
        assert_eq!(libc::WEXITSTATUS(status), 42);
        assert!(process.is_current());
    }
}
