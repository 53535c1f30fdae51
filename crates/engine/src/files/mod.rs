//! Files without waiting: operations that the loop submits, and whose completions its turns take up. Loop thread only.
//!
//! ```text
//! submit(operation) → ticket      nothing happens yet
//! flush()                         at the end of the turn: all of them, in one system call
//! source() readable, or a wake    the loop ends its sleep
//! collect(&mut completions)       in its next turn: ticket, result, and the operation with its memory
//! ```
//!
//! Each loop has one io_uring for it, whose descriptor its reactor watches. Where the system refuses a ring, the same
//! operations are served by threads, with the same results; the loop's owner sees no difference, but that
//! [`Files::source`] is None. Operations that a kernel's rings do not know, and copies, go to threads anyway.
//!
//! # What the owner of a loop does
//!
//! - After work has run, in [`Host::flush`](crate::turn::Host::flush): [`Files::flush`], then
//!   [`Files::collect`]. What the page cache could answer is complete there already, and is scheduled for the next turn.
//! - In [`Host::collect_inbox`](crate::turn::Host::collect_inbox), and in
//!   [`Host::dispatch`](crate::turn::Host::dispatch) when the source is reported:
//!   [`Files::collect`] if [`Files::has_work`]. It costs a look at two words if there is nothing.
//! - In [`Host::park`](crate::turn::Host::park): sleeps only if there is no [`Files::has_work`] after it has
//!   announced its sleep. Threads call [`Wake`] after they have left something.
//! - From a submission until its completion is collected it holds the [clock](crate::clock::Clock::hold), as for a
//!   thread that works for the loop.
//! - Completions are dropped where foreign code may run: they own the caller's memory.
//! - When the loop closes: [`Files::close`], with nothing locked. In a forked child
//!   ([`Files::is_inherited`]): drop it, and make another.
//!
//! # What is promised
//!
//! - Everything that the kernel needs belongs to the operation until its completion, and comes back
//!   with it. An operation that nobody waits for any more is cancelled ([`Files::cancel`]), and its completion dropped when
//!   it comes: its memory has lived on until then, and a file that it has opened is closed with it.
//! - Closing a file waits for the operations on it, and lets no new ones begin.
//! - A short read or write goes on until it is complete as its [`Extent`] says. `EINTR` is tried again; `EAGAIN`
//!   is waited out. A write that failed says how much of it was written ([`Transfer::done`]).
//! - No completion is lost when more come than the ring has room for.
//! - An error of [`Operation::Sync`] is told once: nothing is tried again that could hide it.
//!
//! Before anything is submitted, [`try_read`], [`try_write`] and [`try_open`] ask for an answer on the spot.

use std::os::fd::RawFd;
use std::time::Duration;

use rustix::io::Errno;

mod attempts;
mod backend;
pub(crate) mod copying;
pub(crate) mod driver;
pub(crate) mod file;
mod held_writes;
mod mounts;
pub(crate) mod operation;
mod progress;
mod service;
mod threads;
mod window;

#[cfg(test)]
mod tests;

pub use crate::sys::memory::Memory;
pub use attempts::{try_append, try_close, try_open, try_read, try_stat, try_stat_of, try_write};
pub use backend::{Backend, Choice};
pub use file::File;
pub use held_writes::HeldWrites;
pub use operation::{
    At, Completion, Durability, Extent, Operation, Place, Ticket, Transfer, Value,
};
pub use threads::Wake;
pub use window::{ReadAhead, Window, line_length};

use crate::sys::ring::{Depth, Ring};
use backend::Refusal;
use service::Service;

/// What this process has been told of rings.
static REFUSAL: Refusal = Refusal::new();

/// How long a loop that closes waits for what cannot be cancelled: a disk answers within that, or not at all.
pub const CLOSE_PATIENCE: Duration = Duration::from_secs(1);

/// The file operations of one loop.
pub struct Files<M: Memory> {
    service: Service<M, Ring<M>>,
    backend: Backend,
}

impl<M: Memory> std::fmt::Debug for Files<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Files")
            .field("backend", &self.backend())
            .field("in_flight", &self.in_flight())
            .finish_non_exhaustive()
    }
}

impl<M: Memory> Files<M> {
    /// Operations of a loop that `wake` wakes, from any thread.
    ///
    /// Fails only if a ring was asked for and is refused; with [`Choice::Best`] a refusal is remembered, and
    /// not asked for again in this process.
    pub fn new(choice: Choice, wake: Wake) -> Result<Self, Errno> {
        Self::with_depth(choice, Depth::USUAL, &REFUSAL, wake)
    }

    fn with_depth(
        choice: Choice,
        depth: Depth,
        refusal: &'static Refusal,
        wake: Wake,
    ) -> Result<Self, Errno> {
        let known = match choice {
            Choice::Best => refusal.known(),
            Choice::Ring | Choice::Pool => None,
        };
        let (ring, backend) = match (choice, known) {
            (Choice::Pool, _) => (None, Backend::Pool),
            (_, Some(errno)) => (None, Backend::Refused(errno)),
            _ => match Ring::new(depth) {
                Ok(ring) => (Some(ring), Backend::Ring),
                Err(errno) if choice == Choice::Ring => return Err(errno),
                Err(errno) => {
                    refusal.note(errno);
                    (None, Backend::Refused(errno))
                }
            },
        };
        Ok(Self {
            service: Service::new(ring, refusal, wake),
            backend,
        })
    }

    /// How operations are served from here on.
    #[must_use]
    pub fn backend(&self) -> Backend {
        match self.backend {
            Backend::Ring if !self.service.has_ring() => {
                Backend::Refused(REFUSAL.known().unwrap_or(Errno::NOSYS))
            }
            backend => backend,
        }
    }

    /// The descriptor that is readable when there is something to collect; None if only [`Wake`] tells.
    #[must_use]
    pub fn source(&self) -> Option<RawFd> {
        self.service.source()
    }

    /// Takes an operation; it begins with the next [`flush`](Self::flush). Errors come with its completion.
    pub fn submit(&mut self, operation: Operation<M>) -> Ticket {
        self.service.submit(operation)
    }

    /// Has the kernel and the threads begin what was submitted, as much as one turn should.
    ///
    /// What was left for the next turn is [work](Self::has_work).
    pub fn flush(&mut self) {
        self.service.flush();
    }

    /// Appends what is complete to `completions`.
    pub fn collect(&mut self, completions: &mut Vec<Completion<M>>) {
        self.service.collect(completions);
    }

    /// Whether there is something to collect or to flush, so that the loop must not sleep.
    #[must_use]
    pub fn has_work(&self) -> bool {
        self.service.has_work()
    }

    /// Asks for the end of an operation. Its completion comes in any case: with `ECANCELED`, or with what
    /// it had done before it could be stopped. A close cannot be cancelled, and one that is complete is left alone.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.service.cancel(ticket);
    }

    /// How many operations are not complete.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.service.in_flight()
    }

    /// Whether it was made by a parent process. Nothing that is submitted here is served then.
    #[must_use]
    pub fn is_inherited(&self) -> bool {
        self.service.is_inherited()
    }

    /// Cancels everything and waits, so long at most, until nobody uses the operations' memory any more.
    ///
    /// What could not be stopped by then keeps what it owns for ever. Nothing is completed from here on;
    /// what was submitted and not flushed is not done.
    pub fn close(mut self, patience: Duration) {
        self.service.close(patience);
    }
}

impl<M: Memory> Drop for Files<M> {
    /// Closes it, with [`CLOSE_PATIENCE`].
    fn drop(&mut self) {
        self.service.close(CLOSE_PATIENCE);
    }
}
