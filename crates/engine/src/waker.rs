//! Ends the sleep of the loop thread from any other thread, at the cost of a system call only when it really sleeps.
//!
//! The loop thread calls [`announce_sleep`](Waker::announce_sleep), looks once more at every queue
//! that others can fill, sleeps, and calls [`announce_wake`](Waker::announce_wake). Another thread
//! fills a queue and then calls [`wake`](Waker::wake). Each side writes, passes a sequentially
//! consistent fence and then reads, so that at least one of them sees the other and no wake-up is
//! lost, whatever the queue is made of; loom checks that. Where one lock guards the queue, the announcement and the last
//! look, it does what the fences do.

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{BorrowedFd, OwnedFd};
use rustix::io::Errno;

use crate::closable::Closable;
use crate::sync::{AtomicBool, Ordering, fence};

/// The thing that makes a sleeping thread return from its poll.
pub trait Bell: Send + Sync {
    /// Makes the poll that is under way, or else the next one, return.
    fn ring(&self);
}

/// A bell that is an eventfd. Watched edge-triggered, so it never has to be read.
#[derive(Debug)]
pub struct EventBell(Closable);

impl EventBell {
    /// Makes the eventfd. Fails when the process is out of file descriptors.
    pub fn new() -> Result<Self, Errno> {
        silent_eventfd().map(Closable::new).map(Self)
    }

    /// Lends the descriptor, for a reactor to watch.
    pub(crate) fn with_fd<R>(
        &self,
        access: impl FnOnce(BorrowedFd<'_>) -> Result<R, Errno>,
    ) -> Result<R, Errno> {
        self.0.with(access)
    }

    /// In a forked child, which shares its parent's bell and so does not ring it: gives it a bell of its own.
    ///
    /// The descriptor's number stays. Fails when the process is out of file descriptors, or the bell is closed.
    pub fn renew(&self) -> Result<(), Errno> {
        self.0.replace(silent_eventfd()?)
    }

    /// Closes the descriptor. Ringing does nothing from here on.
    pub fn close(&self) {
        self.0.close();
    }
}

fn silent_eventfd() -> Result<OwnedFd, Errno> {
    eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
}

impl Bell for EventBell {
    fn ring(&self) {
        // Fails with EAGAIN, when 2^64 - 2 rings are unread: then the poll returns anyway. And with
        // EBADF, when the loop is closed, or a parent's: then nobody sleeps.
        let _rung = self.0.with(|fd| rustix::io::write(fd, &1u64.to_ne_bytes()));
    }
}

/// Knows whether the loop thread sleeps, and how to wake it.
#[derive(Debug)]
pub struct Waker<B = EventBell> {
    bell: B,
    /// True from before the loop thread's last look at its queues until it runs again or is rung.
    asleep: AtomicBool,
}

impl<B: Bell> Waker<B> {
    /// A waker for a thread that is awake.
    pub fn new(bell: B) -> Self {
        Self {
            bell,
            asleep: AtomicBool::new(false),
        }
    }

    /// The bell, to be watched by the loop's reactor.
    pub fn bell(&self) -> &B {
        &self.bell
    }

    /// Loop thread: from here on, whoever fills a queue rings.
    pub fn announce_sleep(&self) {
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Loop thread: awake again, no more ringing needed.
    pub fn announce_wake(&self) {
        // Not a plain store: whoever has just taken the flag comes before all that we write to it later.
        self.asleep.swap(false, Ordering::Acquire);
    }

    /// Any thread: whether a wake would ring. Ask it after filling a queue.
    #[must_use]
    pub fn is_asleep(&self) -> bool {
        fence(Ordering::SeqCst);
        self.asleep.load(Ordering::Relaxed)
    }

    /// Any thread: wakes the loop thread if it sleeps or is about to. Call it after filling a queue.
    #[inline]
    pub fn wake(&self) {
        fence(Ordering::SeqCst);
        self.wake_under_lock();
    }

    /// As [`wake`](Self::wake), for a thread that has held a lock since it filled the queue which the loop thread, too,
    /// holds from its announcement to the end of its last look. The lock orders the two, and no fence is needed.
    #[inline]
    pub fn wake_under_lock(&self) {
        // Read before it is written: to an awake loop a wake costs no contended cache line.
        if self.asleep.load(Ordering::Relaxed) && self.take_asleep() {
            self.bell.ring();
        }
    }

    /// Whether this thread is the one that has to ring for the sleep that was announced.
    fn take_asleep(&self) -> bool {
        self.asleep
            .compare_exchange(true, false, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::reactor::{Epoll, Event, Reactor, Token};
    use std::time::Duration;

    const BELL: Event = Event {
        token: Token(9),
        readable: true,
        writable: false,
    };

    fn waker() -> (Waker, Epoll) {
        let waker = Waker::new(EventBell::new().expect("eventfd"));
        let reactor = Epoll::new().expect("epoll");
        reactor
            .add_bell(waker.bell(), BELL.token)
            .expect("watch the bell");
        (waker, reactor)
    }

    fn poll(reactor: &Epoll, timeout: Option<Duration>) -> Vec<Event> {
        let mut events = Vec::new();
        reactor.poll(&mut events, timeout).expect("poll");
        events
    }

    #[test]
    fn a_wake_between_announcement_and_sleep_ends_the_sleep() {
        let (waker, reactor) = waker();
        for _ in 0..3 {
            waker.announce_sleep();
            waker.wake();
            assert_eq!(poll(&reactor, None), [BELL]);
            waker.announce_wake();
        }
    }

    #[test]
    fn many_wakes_ring_once() {
        let (waker, reactor) = waker();
        waker.announce_sleep();
        (0..100).for_each(|_| waker.wake());
        let mut count = [0; 8];
        waker
            .bell()
            .with_fd(|bell| rustix::io::read(bell, &mut count))
            .expect("rung");
        assert_eq!(u64::from_ne_bytes(count), 1);
        drop(poll(&reactor, Some(Duration::ZERO)));
    }

    #[test]
    fn a_wake_is_free_while_the_loop_is_awake() {
        let (waker, reactor) = waker();
        waker.wake();
        waker.announce_sleep();
        waker.announce_wake();
        waker.wake();
        assert_eq!(poll(&reactor, Some(Duration::ZERO)), []);
    }

    #[test]
    fn a_bell_that_nobody_reads_is_silent_after_its_event() {
        let (waker, reactor) = waker();
        waker.bell().ring();
        waker.bell().ring();
        assert_eq!(poll(&reactor, Some(Duration::ZERO)), [BELL]);
        assert_eq!(poll(&reactor, Some(Duration::ZERO)), []);
        waker.bell().ring();
        assert_eq!(poll(&reactor, Some(Duration::ZERO)), [BELL]);
    }
}
