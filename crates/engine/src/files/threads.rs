//! Operations on threads that may block: all of them where there is no ring, and those that no ring knows.
//!
//! A thread makes the calls of one operation until it is complete and leaves it in the inbox. Operations that
//! may wait for another process (a FIFO's reader for its writer) have threads of their own, so that
//! they never keep a plain file waiting; and they wait in a poll, which a cancellation ends.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::fs::{AtFlags, CWD, FileType, OFlags};
use rustix::io::Errno;

use super::file::{Descriptor, Nature};
use super::operation::{At, Operation, Value};
use super::progress::{self, Next};
use crate::inbox::Inbox;
use crate::pool::Pool;
use crate::sys::calls::{Call, Stage};
use crate::sys::memory::Memory;

/// With sixteen, fifty files are saved in two thirds of the time that eight take; cold reads gain nothing by more.
const QUICK_MAX: usize = 16;
/// Each stands for a FIFO or terminal that is silent: what bounds them is the memory of their stacks.
const WAITING_MAX: usize = 1024;
/// How long an idle thread is kept.
const IDLE_MAX: Duration = Duration::from_secs(10);
/// What a pipe that is ready takes without blocking.
const PIPE_ROOM: usize = 4096;

/// Wakes the loop thread.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// What threads, and those who return leases, leave for the loop thread.
pub(super) enum Post<M> {
    /// An operation is complete.
    Served(u64, Box<Call<M>>, Result<Value, Errno>),
    /// A file that is to be closed is not in use any more.
    Idle(u64, Descriptor),
}

/// What threads have to do.
#[derive(Default)]
struct UnderWay {
    /// Operations that a thread has, or will have.
    count: usize,
    /// Whether anybody waits for their end: to tell it takes a system call.
    is_awaited: bool,
}

/// Where posts are left, and how many are still to come.
pub(super) struct Desk<M> {
    pub(super) inbox: Inbox<Post<M>>,
    wake: Wake,
    under_way: Mutex<UnderWay>,
    none_under_way: Condvar,
    is_closed: AtomicBool,
}

impl<M> Desk<M> {
    pub(super) fn new(wake: Wake) -> Self {
        Self {
            inbox: Inbox::default(),
            wake,
            under_way: Mutex::default(),
            none_under_way: Condvar::new(),
            is_closed: AtomicBool::new(false),
        }
    }

    pub(super) fn post(&self, post: Post<M>) {
        self.inbox.post(post);
        if self.is_closed.load(Ordering::SeqCst) {
            drop(self.inbox.collect());
        } else {
            (self.wake)();
        }
    }

    /// Takes no more posts, and drops those that are there: what they hold may hold this desk.
    pub(super) fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        drop(self.inbox.collect());
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay> {
        self.under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

/// How the loop thread asks a thread to stop waiting.
#[derive(Default)]
pub(super) struct Interrupt {
    is_cancelled: AtomicBool,
    /// Watched by the thread while it waits.
    bell: Mutex<Option<Arc<OwnedFd>>>,
}

impl Interrupt {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<OwnedFd>>> {
        self.bell.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends the wait that is under way, or else the next one.
    pub(super) fn ring(&self) {
        let bell = self.lock();
        self.is_cancelled.store(true, Ordering::Relaxed);
        if let Some(bell) = &*bell {
            // An eventfd that is rung once takes it.
            let _rung = rustix::io::write(bell, &1u64.to_ne_bytes());
        }
    }

    fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Waits until `fd` is ready, or this is rung.
    fn wait(&self, fd: BorrowedFd<'_>, flags: PollFlags) -> Result<usize, Errno> {
        // Shared, so that the lock is free while this thread sleeps.
        let bell = {
            let mut place = self.lock();
            if self.is_cancelled() {
                return Err(Errno::CANCELED);
            }
            let bell = match place.take() {
                Some(bell) => bell,
                None => Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?),
            };
            Arc::clone(place.insert(bell))
        };
        let mut fds = [
            PollFd::from_borrowed_fd(fd, flags),
            PollFd::new(&bell, PollFlags::IN),
        ];
        poll(&mut fds, None)?;
        if self.is_cancelled() {
            return Err(Errno::CANCELED);
        }
        Ok(1)
    }
}

/// The threads.
pub(super) struct Threads<M> {
    desk: Arc<Desk<M>>,
    quick: Pool,
    waiting: Arc<Pool>,
}

impl<M: Memory> Threads<M> {
    pub(super) fn new(desk: Arc<Desk<M>>) -> Self {
        Self {
            desk,
            quick: Pool::new("aioxide-files", QUICK_MAX, IDLE_MAX),
            waiting: Arc::new(Pool::new("aioxide-fifos", WAITING_MAX, IDLE_MAX)),
        }
    }

    /// Has a thread serve the call. It comes back through the desk in any case.
    pub(super) fn submit(&self, key: u64, call: Box<Call<M>>) -> Arc<Interrupt> {
        let interrupt = Arc::new(Interrupt::default());
        self.desk.under_way().count += 1;
        let parcel = Parcel {
            key,
            call: Some(call),
            interrupt: Arc::clone(&interrupt),
            desk: Arc::clone(&self.desk),
        };
        let waiting = Arc::clone(&self.waiting);
        let job = Box::new(move || {
            if parcel.may_wait() {
                // Refused, the parcel goes back as one that found no thread.
                let _submitted = waiting.submit(Box::new(move || parcel.serve()));
            } else {
                parcel.serve();
            }
        });
        // Refused, likewise.
        let _submitted = self.quick.submit(job);
        interrupt
    }

    /// Waits, so long at most, for operations that have begun; those that have not never will. Threads
    /// that still work then are left alone with what they work on.
    pub(super) fn end(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        self.quick.abandon();
        self.waiting.abandon();
        let mut under_way = self.desk.under_way();
        under_way.is_awaited = true;
        while under_way.count > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            (under_way, _) = self
                .desk
                .none_under_way
                .wait_timeout(under_way, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// An operation on its way through a thread. Whatever becomes of it, it is posted once.
struct Parcel<M: Memory> {
    key: u64,
    /// None once it is posted.
    call: Option<Box<Call<M>>>,
    interrupt: Arc<Interrupt>,
    desk: Arc<Desk<M>>,
}

impl<M: Memory> Parcel<M> {
    /// Whether the operation may wait for another process.
    fn may_wait(&self) -> bool {
        self.call
            .as_ref()
            .is_some_and(|call| match &call.operation {
                Operation::Open { place, flags, .. } if !flags.contains(OFlags::NONBLOCK) => {
                    let directory = call.lease().map_or(CWD, |lease| lease.as_fd());
                    rustix::fs::statat(directory, &*place.path, AtFlags::empty())
                        .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo)
                }
                _ => waits(call),
            })
    }

    fn serve(mut self) {
        if let Some(mut call) = self.call.take() {
            let result = serve(&mut call, &self.interrupt);
            self.post(call, result);
        }
    }

    fn post(&self, call: Box<Call<M>>, result: Result<Value, Errno>) {
        self.desk.post(Post::Served(self.key, call, result));
        let mut under_way = self.desk.under_way();
        under_way.count -= 1;
        if under_way.count == 0 && under_way.is_awaited {
            self.desk.none_under_way.notify_all();
        }
    }
}

impl<M: Memory> Drop for Parcel<M> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            // No thread could be started.
            self.post(call, Err(Errno::AGAIN));
        }
    }
}

/// Whether a read or write may wait for another process. One with an offset is for files that do not.
fn waits<M: Memory>(call: &Call<M>) -> bool {
    let Some(transfer) = call.operation.transfer() else {
        return false;
    };
    let lease = call.lease().filter(|_| transfer.at == At::Cursor);
    lease.is_some_and(|lease| lease.nature() != Nature::Plain)
}

/// Makes one call after the other until the operation is complete.
fn serve<M: Memory>(call: &mut Call<M>, interrupt: &Interrupt) -> Result<Value, Errno> {
    let waits = waits(call);
    if waits {
        call.limit(PIPE_ROOM);
    }
    let mut is_ready = false;
    loop {
        if waits && !is_ready && call.stage == Stage::Work {
            call.stage = Stage::Readiness;
        }
        let result = if interrupt.is_cancelled() && progress::is_cancellable(&call.operation) {
            Err(Errno::CANCELED)
        } else {
            match (call.awaited(), call.lease()) {
                (Some(flags), Some(lease)) => interrupt.wait(lease.as_fd(), flags),
                _ => call.perform(),
            }
        };
        is_ready = result.is_ok() && call.stage == Stage::Readiness;
        match progress::advance(call, result, interrupt.is_cancelled()) {
            Next::Done(result) => return result,
            Next::Again | Next::OnThread => {}
        }
    }
}
