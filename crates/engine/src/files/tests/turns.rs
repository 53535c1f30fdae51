//! Files in a loop that sleeps: the turn of `turn.rs`, a reactor, a waker, and nobody who asks twice.

use std::cell::RefCell;

use super::*;
use crate::clock::{Clock, MonotonicClock};
use crate::reactor::{Epoll, Event, Interest, Reactor, Token};
use crate::timers::Cancellable;
use crate::turn::{self, Host, Queues};
use crate::waker::Waker;

on_every_backend!(
    a_chain_of_reads_never_sleeps_through_a_completion,
    many_chains_side_by_side_come_to_their_ends,
);

const SOURCE: Token = Token(1);

/// What runs when an operation is complete: the next of its chain.
struct Work(Completion<Vec<u8>>);

impl Cancellable for Work {
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// A loop whose chains of reads each go on when the one before is complete, until all have ended.
struct Chains {
    clock: MonotonicClock,
    queues: RefCell<Queues<Work>>,
    files: RefCell<Files<Vec<u8>>>,
    waker: Arc<Waker>,
    reactor: Epoll,
    file: File,
    /// Reads that are still to be submitted.
    left: RefCell<usize>,
    read: RefCell<usize>,
}

impl Chains {
    fn submit(&self, index: usize) {
        let at = At::Offset((index % 1_000) as u64);
        let read = Operation::read(self.file.clone(), vec![0], at, Extent::All);
        self.files.borrow_mut().submit(read);
    }

    fn collect(&self) {
        let mut completions = Vec::new();
        self.files.borrow_mut().collect(&mut completions);
        let mut queues = self.queues.borrow_mut();
        for completion in completions {
            queues.ready.schedule(Work(completion));
        }
    }
}

impl Host for Chains {
    type Work = Work;
    type Error = String;

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Work>) -> R) -> R {
        access(&mut self.queues.borrow_mut())
    }

    fn collect_inbox(&self) -> Result<(), String> {
        self.collect();
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno> {
        self.reactor.poll(events, Some(Duration::ZERO))
    }

    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        assert_eq!(timeout, None, "nothing but files");
        self.waker.announce_sleep();
        let timeout = if self.files.borrow().has_work() {
            Duration::ZERO
        } else {
            DEADLINE
        };
        let begin = Instant::now();
        let polled = self.reactor.poll(events, Some(timeout));
        assert!(begin.elapsed() < DEADLINE, "slept through a completion");
        self.waker.announce_wake();
        polled
    }

    fn dispatch(&self, events: &[Event]) -> Result<(), String> {
        if events.iter().any(|event| event.token == SOURCE) {
            self.collect();
        }
        Ok(())
    }

    fn run(&self, Work(completion): Work) -> Result<(), String> {
        match completion.result {
            Ok(Value::Count(1)) => *self.read.borrow_mut() += 1,
            other => return Err(format!("{other:?}")),
        }
        let left = self.left.replace_with(|left| left.saturating_sub(1));
        if left > 0 {
            self.submit(left);
        } else if self.files.borrow().in_flight() == 0 {
            self.queues.borrow_mut().is_stopping = true;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), String> {
        self.files.borrow_mut().flush();
        self.collect();
        Ok(())
    }
}

fn run_chains(kind: Kind, chains: usize, length: usize) {
    let directory = Directory::new();
    let path = directory.file("content", &[7; 1_000]);
    let waker = Arc::new(Waker::new(EventBell::new().expect("eventfd")));
    let reactor = Epoll::new().expect("epoll");
    reactor.add_bell(waker.bell(), Token(0)).expect("watched");
    let mut here = Loop::<Vec<u8>>::new(kind);
    let file = here.open(&path, OFlags::RDONLY).expect("opened");
    let waking = Arc::clone(&waker);
    let choice = if here.files.source().is_some() {
        Choice::Ring
    } else {
        Choice::Pool
    };
    let files = Files::new(choice, Arc::new(move || waking.wake())).expect("a backend");
    if let Some(source) = files.source() {
        reactor
            .add(source, Interest::READABLE, SOURCE)
            .expect("watched");
    }
    let host = Chains {
        clock: MonotonicClock,
        queues: RefCell::default(),
        files: RefCell::new(files),
        waker,
        reactor,
        file,
        left: RefCell::new(chains * (length - 1)),
        read: RefCell::new(0),
    };
    (0..chains).for_each(|index| host.submit(index));
    turn::run(&host).expect("no error");
    assert_eq!(*host.read.borrow(), chains * length);
}

fn a_chain_of_reads_never_sleeps_through_a_completion(kind: Kind) {
    run_chains(kind, 1, 5_000);
}

fn many_chains_side_by_side_come_to_their_ends(kind: Kind) {
    run_chains(kind, 70, 100);
}
