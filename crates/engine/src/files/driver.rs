//! What the loop asks of a ring, so that a test can stand in for the kernel.

use std::os::fd::RawFd;
use std::time::Duration;

use rustix::io::Errno;

use crate::sys::calls::Call;

/// An answer of the kernel: which call, the call, and its result.
pub(crate) type Answer<M> = (u64, Box<Call<M>>, Result<usize, Errno>);

/// Where a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Issue {
    /// At once if it need not wait.
    Inline,
    /// On one of the kernel's own threads.
    Aside,
}

/// A ring: calls go in, are submitted together, and come out again when the kernel is done with them.
pub(crate) trait Driver<M> {
    /// Whether this kernel has such a call for rings.
    fn knows(&self, call: &Call<M>) -> bool;
    /// Queues a call for submission; it comes back if the queue is full.
    fn push(&mut self, key: u64, call: Box<Call<M>>, issue: Issue) -> Result<(), Box<Call<M>>>;
    /// Queues the wish that the call of this key end; whether there was room for it.
    fn push_cancel(&mut self, key: u64) -> bool;
    /// Submits what is queued, and fetches completions that the kernel has held back.
    fn enter(&mut self) -> Result<(), Errno>;
    /// How many queued entries the kernel has not taken yet.
    fn unsubmitted(&self) -> usize;
    /// The next call that is complete.
    fn pop(&mut self) -> Option<Answer<M>>;
    /// Whether `pop` would find something.
    fn has_answers(&self) -> bool;
    /// Whether there is more that `enter` would fetch.
    fn holds_back(&self) -> bool;
    /// Gives back what the kernel has not taken, which it never will: nothing is entered any more.
    fn abandon(&mut self) -> Vec<(u64, Box<Call<M>>)>;
    /// Readable when there are answers.
    fn source(&self) -> Option<RawFd>;
    /// Ends every call, and waits for the kernel to agree, so long at most. What it still has then is
    /// never freed.
    fn end(&mut self, patience: Duration);
}
