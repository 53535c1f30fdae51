//! The kernel's readiness interface behind one small trait; one file per interface.

use std::os::fd::RawFd;
use std::time::Duration;

use rustix::io::Errno;

mod epoll;

pub use epoll::Epoll;

/// Names a registration: it comes back with the events that belong to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

/// What to wait for on a source.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Interest {
    /// Wait until a read would not block.
    pub readable: bool,
    /// Wait until a write would not block.
    pub writable: bool,
}

impl Interest {
    /// Nothing.
    pub const NONE: Self = Self {
        readable: false,
        writable: false,
    };
    /// Readable only.
    pub const READABLE: Self = Self {
        readable: true,
        writable: false,
    };
    /// Writable only.
    pub const WRITABLE: Self = Self {
        readable: false,
        writable: true,
    };

    /// Whether nothing is waited for.
    #[must_use]
    pub const fn is_none(self) -> bool {
        !self.readable && !self.writable
    }
}

/// What the kernel reports for one registration. An error or a hang-up is both readable and writable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The registration that the event belongs to.
    pub token: Token,
    /// A read would not block.
    pub readable: bool,
    /// A write would not block.
    pub writable: bool,
}

impl Event {
    /// The wait has ended before its time, and for no source's sake. A signal does that, and the kernel when it has
    /// work for the thread, as an io_uring gives it: nobody may conclude that nothing was to happen.
    pub const INTERRUPTION: Self = Self {
        token: Token(u64::MAX),
        readable: false,
        writable: false,
    };
}

/// Watches file descriptors, level-triggered. Registration may come from any thread, also during a poll.
pub trait Reactor: Send + Sync {
    /// Starts to watch `fd`. Fails with `EXIST` if it is watched already.
    fn add(&self, fd: RawFd, interest: Interest, token: Token) -> Result<(), Errno>;
    /// Changes what is waited for. Fails with `NOENT` if `fd` is not watched (any more).
    fn modify(&self, fd: RawFd, interest: Interest, token: Token) -> Result<(), Errno>;
    /// Stops watching `fd`.
    fn delete(&self, fd: RawFd) -> Result<(), Errno>;
    /// Forgets every registration, also those of descriptors that are closed, which `delete` cannot reach.
    fn renew(&self) -> Result<(), Errno>;
    /// Waits for events and puts them into `events`, which is emptied first.
    ///
    /// `timeout` is rounded up, never down; `None` waits without end. A signal ends the wait with
    /// an [`INTERRUPTION`](Event::INTERRUPTION) and no error.
    fn poll(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno>;
}
