//! Which process this is. A forked child inherits what its parent shares with the kernel, and must not use it. Any thread.

use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::forks;

/// Names a process among its ancestors and descendants, at the cost of a look into memory and no system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Process(u32);

impl Process {
    /// The process that calls.
    #[inline]
    pub(crate) fn current() -> Self {
        Self(forks::count().unwrap_or_else(process::id))
    }

    /// Whether it is this process that calls.
    #[inline]
    pub(crate) fn is_current(self) -> bool {
        self == Self::current()
    }
}

/// The process that something belongs to, which may change.
#[derive(Debug)]
pub(crate) struct Owner(AtomicU32);

impl Owner {
    /// It belongs to the process that calls.
    pub(crate) fn current() -> Self {
        Self(AtomicU32::new(Process::current().0))
    }

    /// Whether it belongs to the process that calls.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        Process(self.0.load(Ordering::Relaxed)).is_current()
    }

    /// From here on it belongs to the process that calls.
    pub(crate) fn take_over(&self) {
        self.0.store(Process::current().0, Ordering::Relaxed);
    }
}
