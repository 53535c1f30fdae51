//! From submission to completion: who serves an operation, what follows from each answer, and when it is over.
//!
//! Submitted operations wait in the outbox until the end of the turn. [`Service::flush`] hands each to the ring or
//! to a thread; the ring takes them in one system call for as many as fit. Answers are taken whenever the loop
//! looks ([`Service::collect`]): an operation that needs another call goes back into the outbox.

use std::collections::VecDeque;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use super::backend::{self, Refusal};
use super::driver::{Driver, Issue};
use super::file::File;
use super::operation::{Completion, Operation, Ticket, Value};
use super::progress::{self, Next};
use super::threads::{Desk, Interrupt, Post, Threads, Wake};
use crate::process::Process;
use crate::sys::calls::Call;
use crate::sys::memory::Memory;

/// How many bytes one flush may have copied while the loop waits; what is more is copied by the kernel's own threads.
const INLINE_BYTES_MAX: usize = 1 << 20;
/// How often one flush enters the kernel: what does not fit waits a turn, so that callbacks run in between.
const ENTERS_MAX: usize = 4;

/// Where an operation is.
enum Stand<M> {
    /// In the outbox, or in a ring.
    Under(Under),
    /// On a thread, which can be told to stop.
    OnThread(Arc<Interrupt>),
    /// A file to be closed that others still use.
    Closing(Operation<M>),
}

/// Who has a call.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Under {
    Outbox,
    Ring,
}

/// An operation that is not complete.
struct Pending<M> {
    stand: Stand<M>,
    is_cancelled: bool,
}

/// A place for an operation; its generation tells those apart that have had the same place.
struct Slot<M> {
    generation: u32,
    pending: Option<Pending<M>>,
}

/// The operations of one loop, over a ring that may be missing.
pub(super) struct Service<M: Memory, D: Driver<M>> {
    ring: Option<D>,
    /// Whether the ring may be entered. A filter may come later than the ring.
    is_ring_open: bool,
    refusal: &'static Refusal,
    threads: Threads<M>,
    desk: Arc<Desk<M>>,
    slots: Vec<Slot<M>>,
    free: Vec<u32>,
    outbox: VecDeque<(u64, Box<Call<M>>)>,
    /// Operations in the ring that are to end.
    cancels: VecDeque<u64>,
    finished: Vec<Completion<M>>,
    /// The process that made it: a forked child has neither its threads nor its ring.
    process: Process,
    is_closed: bool,
}

impl<M: Memory, D: Driver<M>> Service<M, D> {
    pub(super) fn new(ring: Option<D>, refusal: &'static Refusal, wake: Wake) -> Self {
        let desk = Arc::new(Desk::new(wake));
        Self {
            is_ring_open: ring.is_some(),
            ring,
            refusal,
            threads: Threads::new(Arc::clone(&desk)),
            desk,
            slots: Vec::new(),
            free: Vec::new(),
            outbox: VecDeque::new(),
            cancels: VecDeque::new(),
            finished: Vec::new(),
            process: Process::current(),
            is_closed: false,
        }
    }

    pub(super) fn is_inherited(&self) -> bool {
        !self.process.is_current()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn source(&self) -> Option<RawFd> {
        self.ring.as_ref().and_then(Driver::source)
    }

    pub(super) fn has_ring(&self) -> bool {
        self.is_ring_open
    }

    pub(super) fn submit(&mut self, operation: Operation<M>) -> Ticket {
        let key = self.open_slot();
        match operation {
            Operation::Close(file) => self.submit_close(key, file),
            operation => match Call::new(operation) {
                Ok(call) => self.outbox.push_back((key, call)),
                Err((operation, errno)) => self.finish(key, operation, Err(errno)),
            },
        }
        Ticket(key)
    }

    fn submit_close(&mut self, key: u64, file: File) {
        let desk = Arc::clone(&self.desk);
        let closer = Box::new(move |descriptor| desk.post(Post::Idle(key, descriptor)));
        let closing = file.close_with(closer);
        let operation = Operation::Close(file);
        match closing {
            Ok(Some(descriptor)) => self.begin_close(key, Call::close(operation, descriptor)),
            Ok(None) => self.stand(key, Stand::Closing(operation)),
            Err(errno) => self.finish(key, operation, Err(errno)),
        }
    }

    fn begin_close(&mut self, key: u64, call: Box<Call<M>>) {
        if call.is_idle() {
            self.finish(key, call.operation, Ok(Value::Done));
        } else {
            self.stand(key, Stand::Under(Under::Outbox));
            self.outbox.push_back((key, call));
        }
    }

    pub(super) fn cancel(&mut self, ticket: Ticket) {
        let key = ticket.0;
        let Some(pending) = self.pending(key) else {
            return;
        };
        // A second wish would say nothing new.
        if std::mem::replace(&mut pending.is_cancelled, true) {
            return;
        }
        match &pending.stand {
            Stand::OnThread(interrupt) => interrupt.ring(),
            Stand::Under(Under::Ring) => self.cancels.push_back(key),
            Stand::Under(Under::Outbox) | Stand::Closing(_) => {}
        }
    }

    pub(super) fn has_work(&self) -> bool {
        !self.finished.is_empty()
            || !self.outbox.is_empty()
            || !self.cancels.is_empty()
            || self.desk.inbox.has_post()
            || self.has_news()
    }

    fn has_news(&self) -> bool {
        self.ring.as_ref().is_some_and(|ring| {
            // What takes an entry is out of reach once the kernel has refused one.
            let takes_entry = ring.unsubmitted() > 0 || ring.holds_back();
            ring.has_answers() || (self.is_ring_open && takes_entry)
        })
    }

    pub(super) fn flush(&mut self) {
        if self.outbox.is_empty() && self.cancels.is_empty() && !self.has_news() {
            return;
        }
        if self.disown() {
            return;
        }
        let mut inline_bytes = INLINE_BYTES_MAX;
        for _ in 0..ENTERS_MAX {
            self.hand_out(&mut inline_bytes);
            let entered = self.enter();
            self.take_answers();
            if !entered || (self.outbox.is_empty() && self.cancels.is_empty()) {
                return;
            }
        }
    }

    pub(super) fn collect(&mut self, completions: &mut Vec<Completion<M>>) {
        if self.has_work() && !self.disown() {
            if self.desk.inbox.has_post() {
                for post in self.desk.inbox.collect() {
                    self.take_post(post);
                }
            }
            if self.has_news() {
                self.take_answers();
            }
        }
        completions.append(&mut self.finished);
    }

    /// In a forked child, lets go of what is the parent's, and fails what was submitted; whether it did.
    fn disown(&mut self) -> bool {
        if !self.is_inherited() {
            return false;
        }
        self.is_ring_open = false;
        if let Some(mut ring) = self.ring.take() {
            ring.end(Duration::ZERO);
        }
        while let Some((key, call)) = self.outbox.pop_front() {
            self.finish(key, call.operation, Err(Errno::AGAIN));
        }
        self.cancels.clear();
        true
    }

    /// Gives what waits to whoever serves it, until the ring is full.
    fn hand_out(&mut self, inline_bytes: &mut usize) {
        if let Some(ring) = self.ring.as_mut().filter(|_| self.is_ring_open) {
            while let Some(key) = self.cancels.pop_front() {
                if !ring.push_cancel(key) {
                    self.cancels.push_front(key);
                    return;
                }
            }
        } else {
            self.cancels.clear();
        }
        while let Some((key, call)) = self.outbox.pop_front() {
            let is_cancelled = self
                .pending(key)
                .is_some_and(|pending| pending.is_cancelled);
            if is_cancelled && progress::is_cancellable(&call.operation) {
                self.finish(key, call.operation, Err(Errno::CANCELED));
                continue;
            }
            let ring = self.ring.as_mut().filter(|_| self.is_ring_open);
            let Some(ring) = ring.filter(|ring| ring.knows(&call)) else {
                self.hand_to_thread(key, call);
                continue;
            };
            let bytes = call.left();
            let issue = if bytes > *inline_bytes {
                Issue::Aside
            } else {
                Issue::Inline
            };
            if let Err(call) = ring.push(key, call, issue) {
                self.outbox.push_front((key, call));
                return;
            }
            *inline_bytes = inline_bytes.saturating_sub(bytes);
            self.stand(key, Stand::Under(Under::Ring));
        }
    }

    fn hand_to_thread(&mut self, key: u64, call: Box<Call<M>>) {
        let interrupt = self.threads.submit(key, call);
        self.stand(key, Stand::OnThread(interrupt));
    }

    /// Enters the kernel, if there is a reason to; whether the ring has room again.
    fn enter(&mut self) -> bool {
        let Some(ring) = self.ring.as_mut().filter(|_| self.is_ring_open) else {
            return false;
        };
        if ring.unsubmitted() == 0 && !ring.holds_back() {
            return false;
        }
        loop {
            match ring.enter() {
                Err(Errno::INTR) => {}
                // Short of memory, or of room for completions, which are about to be taken: it tries again later.
                Ok(()) | Err(Errno::AGAIN | Errno::BUSY) => return true,
                Err(errno) => {
                    self.refuse_ring(errno);
                    return false;
                }
            }
        }
    }

    /// The kernel takes no more calls through the ring: threads do.
    fn refuse_ring(&mut self, errno: Errno) {
        if backend::is_refusal(errno) {
            self.refusal.note(errno);
        }
        self.is_ring_open = false;
        let abandoned = self.ring.as_mut().map(Driver::abandon);
        for (key, call) in abandoned.into_iter().flatten() {
            self.hand_to_thread(key, call);
        }
        while let Some((key, call)) = self.outbox.pop_front() {
            self.hand_to_thread(key, call);
        }
    }

    /// Takes what the ring has completed, and has it fetch what it had no room for.
    fn take_answers(&mut self) {
        loop {
            let mut has_answer = false;
            while let Some((key, mut call, result)) = self.ring.as_mut().and_then(Driver::pop) {
                has_answer = true;
                let is_cancelled = self
                    .pending(key)
                    .is_some_and(|pending| pending.is_cancelled);
                match progress::advance(&mut call, result, is_cancelled) {
                    Next::Done(result) => self.finish(key, call.operation, result),
                    Next::Again => {
                        self.stand(key, Stand::Under(Under::Outbox));
                        self.outbox.push_back((key, call));
                    }
                    Next::OnThread => self.hand_to_thread(key, call),
                }
            }
            let holds_back = self.ring.as_ref().is_some_and(Driver::holds_back);
            if !has_answer || !holds_back || !self.enter() {
                return;
            }
        }
    }

    fn take_post(&mut self, post: Post<M>) {
        match post {
            Post::Served(key, call, result) => self.finish(key, call.operation, result),
            Post::Idle(key, descriptor) => {
                let stand = Stand::Under(Under::Outbox);
                let was = self
                    .pending(key)
                    .map(|pending| std::mem::replace(&mut pending.stand, stand));
                if let Some(Stand::Closing(operation)) = was {
                    self.begin_close(key, Call::close(operation, descriptor));
                }
            }
        }
    }

    fn open_slot(&mut self) -> u64 {
        let pending = Pending {
            stand: Stand::Under(Under::Outbox),
            is_cancelled: false,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                generation: 0,
                pending: None,
            });
            u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
        });
        let slot = &mut self.slots[index as usize];
        slot.generation = slot.generation.wrapping_add(1) & 0x3fff_ffff;
        slot.pending = Some(pending);
        u64::from(slot.generation) << 32 | u64::from(index)
    }

    fn slot(&mut self, key: u64) -> Option<&mut Slot<M>> {
        let slot = self.slots.get_mut((key & u64::from(u32::MAX)) as usize)?;
        (u64::from(slot.generation) == key >> 32).then_some(slot)
    }

    fn pending(&mut self, key: u64) -> Option<&mut Pending<M>> {
        self.slot(key)?.pending.as_mut()
    }

    fn stand(&mut self, key: u64, stand: Stand<M>) {
        if let Some(pending) = self.pending(key) {
            pending.stand = stand;
        }
    }

    fn finish(&mut self, key: u64, operation: Operation<M>, result: Result<Value, Errno>) {
        if self
            .slot(key)
            .and_then(|slot| slot.pending.take())
            .is_some()
        {
            self.free.push((key & u64::from(u32::MAX)) as u32);
        }
        self.finished.push(Completion {
            ticket: Ticket(key),
            operation,
            result,
        });
    }

    /// Ends everything; see [`Files::close`](super::Files::close).
    pub(super) fn close(&mut self, patience: Duration) {
        if std::mem::replace(&mut self.is_closed, true) {
            return;
        }
        let deadline = Instant::now() + patience;
        self.outbox.clear();
        self.cancels.clear();
        for pending in self.slots.iter().filter_map(|slot| slot.pending.as_ref()) {
            if let Stand::OnThread(interrupt) = &pending.stand {
                interrupt.ring();
            }
        }
        if let Some(mut ring) = self.ring.take() {
            self.is_ring_open = false;
            ring.end(patience);
        }
        if !self.is_inherited() {
            let left = deadline.saturating_duration_since(Instant::now());
            self.threads.end(left);
            // Not in a child: a thread that it does not have may have held the lock.
            self.desk.close();
        }
        self.finished.clear();
    }
}
