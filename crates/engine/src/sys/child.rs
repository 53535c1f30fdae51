//! A forked child that runs a function and tells whether it came to its end.

/// Forks; whether `run` returned true in the child, which then ends without running anything else.
pub(crate) fn in_child(run: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child uses what a fork leaves it, and never returns from here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let passed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run));
        let status = libc::c_int::from(!passed.unwrap_or(false));
        // SAFETY: ends the child at once: nothing of the parent's is flushed or run twice.
        unsafe { libc::_exit(status) };
    }
    assert!(child > 0, "{}", std::io::Error::last_os_error());
    let mut status = 0;
    // SAFETY: `status` is writable, and the child is ours to wait for.
    let waited = unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(waited, child);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}
