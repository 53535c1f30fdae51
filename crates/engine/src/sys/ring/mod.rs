//! An io_uring: submission and completion queues shared with the kernel. One thread at a time may use it.
//!
//! What the kernel has is in `in_flight`, and leaves it only by a completion. A ring that is dropped earlier leaks
//! it: the memory that a read may still write to is never anybody else's.

use std::os::fd::{AsRawFd, RawFd};
use std::time::{Duration, Instant};

use io_uring::{IoUring, Probe, cqueue, opcode, squeue};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::time::Timespec;

use super::calls::Call;
use super::memory::Memory;
use crate::files::driver::{Answer, Driver, Issue};
use crate::files::operation::Operation;
use crate::process::Process;
use entries::{code_of, entry_of, second_entry_of};

mod entries;

/// A key with this bit is a wish to cancel, whose own completion tells nothing.
const CANCEL: u64 = 1 << 63;
/// A key with this bit is the second of two linked entries. The first has succeeded then, and tells nothing itself; if it
/// fails, or has written less than everything, it alone tells.
const SECOND: u64 = 1 << 62;
/// How many of the kernel's threads may block on plain files at once. By default there are four for each
/// processor, and as many opens of silent FIFOs would hold up everything else.
const WORKERS_MAX: u32 = 64;

/// How long the queues are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Depth {
    pub(crate) submissions: u32,
    pub(crate) completions: u32,
}

impl Depth {
    /// One system call submits so many, and as many batches may be under way before the kernel has to
    /// keep completions in a list of its own. 40 KiB in all, which fits into what old kernels let a
    /// user lock.
    pub(crate) const USUAL: Self = Self {
        submissions: 128,
        completions: 1024,
    };
}

/// A ring, and the calls that the kernel has.
pub(crate) struct Ring<M: Memory> {
    ring: IoUring,
    probe: Probe,
    /// Calls in the kernel's hands, by the lower half of their keys.
    in_flight: Vec<Option<(u64, Box<Call<M>>)>>,
    /// Keys in the submission queue, oldest first.
    queued: std::collections::VecDeque<u64>,
    /// Wishes to cancel whose own completions have not come yet.
    cancels: usize,
    /// Whether the first of two linked entries can be told to keep its success to itself.
    can_link: bool,
    /// The process that made it: a child shares the memory, which is its parent's to use.
    process: Process,
}

impl<M: Memory> Ring<M> {
    /// Makes a ring. Fails if the system refuses it, or if it cannot do what is needed at least.
    pub(crate) fn new(depth: Depth) -> Result<Self, Errno> {
        let ring = build(depth).map_err(errno_of)?;
        let mut probe = Probe::new();
        ring.submitter()
            .register_probe(&mut probe)
            .map_err(errno_of)?;
        let needed = [
            opcode::Read::CODE,
            opcode::Write::CODE,
            opcode::Readv::CODE,
            opcode::Writev::CODE,
            opcode::Fsync::CODE,
            opcode::PollAdd::CODE,
            opcode::AsyncCancel::CODE,
        ];
        let can_all = needed.iter().all(|code| probe.is_supported(*code));
        // Without these, completions could be lost, and a file's cursor would not be known.
        let params = ring.params();
        if !can_all || !params.is_feature_nodrop() || !params.is_feature_rw_cur_pos() {
            return Err(Errno::NOSYS);
        }
        // Known since 5.15; before, the default holds.
        let can_link = params.is_feature_skip_cqe_on_success();
        let mut workers = [WORKERS_MAX, 0];
        let _unknown = ring.submitter().register_iowq_max_workers(&mut workers);
        Ok(Self {
            ring,
            probe,
            in_flight: Vec::new(),
            queued: std::collections::VecDeque::new(),
            cancels: 0,
            can_link,
            process: Process::current(),
        })
    }

    fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    /// How many entries the submission queue has room for.
    fn room(&mut self) -> usize {
        let queue = self.ring.submission();
        queue.capacity() - queue.len()
    }

    fn push_entry(&mut self, key: u64, entry: &squeue::Entry) -> bool {
        // SAFETY: what the entry points to belongs to a call in `in_flight`, which holds it until its completion.
        let pushed = unsafe { self.ring.submission().push(entry) }.is_ok();
        if pushed {
            self.queued.push_back(key);
        }
        pushed
    }

    fn take(&mut self, key: u64) -> Option<Box<Call<M>>> {
        let place = self.in_flight.get_mut(slot_of(key))?;
        place.take().map(|(_, call)| call)
    }

    fn has_calls(&self) -> bool {
        self.in_flight.iter().any(Option::is_some)
    }

    /// Takes everything that is complete; what comes of it goes with it.
    fn drain(&mut self) {
        while let Some((_, call, _)) = self.pop() {
            drop(call);
        }
    }

    fn wait_for_news(&self, timeout: Duration) {
        let mut fds = [PollFd::new(&self.ring, PollFlags::IN)];
        let timeout = Timespec::try_from(timeout).ok();
        // Interrupted or not: whoever waits looks at the clock.
        let _ready = poll(&mut fds, timeout.as_ref());
    }
}

impl<M: Memory> Driver<M> for Ring<M> {
    fn knows(&self, call: &Call<M>) -> bool {
        code_of(&call.operation).is_some_and(|code| self.probe.is_supported(code))
    }

    fn push(&mut self, key: u64, mut call: Box<Call<M>>, issue: Issue) -> Result<(), Box<Call<M>>> {
        let slot = slot_of(key);
        let Some(mut entry) = entry_of(&mut call) else {
            return Err(call);
        };
        let second = second_entry_of(&call).filter(|_| self.can_link);
        // Both at once, or the second would not wait for the first.
        if self.room() < 1 + usize::from(second.is_some()) {
            return Err(call);
        }
        if issue == Issue::Aside {
            entry = entry.flags(squeue::Flags::ASYNC);
        }
        if second.is_some() {
            entry = entry.flags(squeue::Flags::IO_LINK | squeue::Flags::SKIP_SUCCESS);
        }
        if slot >= self.in_flight.len() {
            self.in_flight.resize_with(slot + 1, || None);
        }
        // First into the hands of the ring, then into the kernel's.
        self.in_flight[slot] = Some((key, call));
        if !self.push_entry(key, &entry.user_data(key)) {
            return self.take(key).map_or(Ok(()), Err);
        }
        if let Some(second) = second {
            let key = key | SECOND;
            self.push_entry(key, &second.user_data(key));
        }
        Ok(())
    }

    fn push_cancel(&mut self, key: u64) -> bool {
        let entry = opcode::AsyncCancel::new(key).build();
        let pushed = self.push_entry(key | CANCEL, &entry.user_data(key | CANCEL));
        self.cancels += usize::from(pushed);
        pushed
    }

    fn enter(&mut self) -> Result<(), Errno> {
        let taken = self.ring.submit().map_err(errno_of)?;
        self.queued.drain(..taken.min(self.queued.len()));
        Ok(())
    }

    fn unsubmitted(&self) -> usize {
        self.queued.len()
    }

    fn pop(&mut self) -> Option<Answer<M>> {
        loop {
            let entry: cqueue::Entry = self.ring.completion().next()?;
            let key = entry.user_data();
            if key & CANCEL != 0 {
                self.cancels -= 1;
                continue;
            }
            let key = key & !SECOND;
            if let Some(mut call) = self.take(key) {
                if entry.user_data() & SECOND != 0 {
                    call.note_written();
                }
                let result = call.accept(entry.result());
                return Some((key, call, result));
            }
        }
    }

    fn has_answers(&self) -> bool {
        // SAFETY: this value is borrowed, and no other thread uses it, so nobody else reads from the queue.
        !unsafe { self.ring.completion_shared() }.is_empty()
    }

    fn holds_back(&self) -> bool {
        // SAFETY: likewise, nobody else writes to the submission queue.
        unsafe { self.ring.submission_shared() }.cq_overflow()
    }

    fn abandon(&mut self) -> Vec<(u64, Box<Call<M>>)> {
        let queued = std::mem::take(&mut self.queued);
        let calls = queued
            .into_iter()
            .filter(|key| key & (CANCEL | SECOND) == 0);
        calls
            .filter_map(|key| self.take(key).map(|call| (key, call)))
            .collect()
    }

    fn source(&self) -> Option<RawFd> {
        Some(self.ring.as_raw_fd())
    }

    fn end(&mut self, patience: Duration) {
        if self.is_inherited() {
            // The kernel works for the parent, in the parent's memory.
            self.in_flight.clear();
            return;
        }
        let deadline = Instant::now() + patience;
        let keys = self.in_flight.iter().flatten();
        let mut keys: Vec<u64> = keys
            .filter(|(_, call)| !matches!(call.operation, Operation::Close(_)))
            .map(|(key, _)| *key)
            .collect();
        loop {
            while let Some(key) = keys.pop() {
                if !self.push_cancel(key) {
                    keys.push(key);
                    break;
                }
            }
            let entered = self.enter();
            self.drain();
            if !matches!(
                entered,
                Ok(()) | Err(Errno::AGAIN | Errno::BUSY | Errno::INTR)
            ) {
                // No wish reaches the kernel any more; most calls still end by themselves.
                keys.clear();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if !self.has_calls() || left.is_zero() {
                break;
            }
            if keys.is_empty() {
                self.wait_for_news(left);
            }
        }
        self.leak();
    }
}

impl<M: Memory> Ring<M> {
    /// Makes sure that what the kernel still has is never freed.
    fn leak(&mut self) {
        for (_, call) in self.in_flight.drain(..).flatten() {
            let _leaked: &'static mut Call<M> = Box::leak(call);
        }
    }
}

impl<M: Memory> Drop for Ring<M> {
    fn drop(&mut self) {
        if !self.is_inherited() {
            self.leak();
        }
    }
}

fn slot_of(key: u64) -> usize {
    (key & u64::from(u32::MAX)) as usize
}

fn errno_of(error: std::io::Error) -> Errno {
    Errno::from_io_error(&error).unwrap_or(Errno::IO)
}

/// A ring whose completions interrupt this thread as little as the kernel can do.
fn build(depth: Depth) -> std::io::Result<IoUring> {
    let builder = || {
        let mut builder = IoUring::builder();
        builder.setup_cqsize(depth.completions).setup_clamp();
        builder
    };
    // Known since 5.19. The cheaper modes of later kernels bind a ring to one thread, which a loop is not.
    let built = builder()
        .setup_coop_taskrun()
        .setup_taskrun_flag()
        .setup_submit_all()
        .build(depth.submissions);
    match built {
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => {
            builder().build(depth.submissions)
        }
        built => built,
    }
}
