//! All parts of the engine as one real loop: epoll, clock, eventfd, threads and pool.
#![cfg(not(loom))]

use std::cell::{Cell, RefCell};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant as WallClock};

use aioxide_engine::clock::{Clock, Instant, MonotonicClock};
use aioxide_engine::inbox::Inbox;
use aioxide_engine::pool::Pool;
use aioxide_engine::reactor::{Epoll, Event, Reactor, Token};
use aioxide_engine::sources::{Direction, Sources, TOKEN_RESERVED_MIN};
use aioxide_engine::timers::Cancellable;
use aioxide_engine::turn::{self, Host, Queues};
use aioxide_engine::waker::{EventBell, Waker};
use rustix::io::Errno;

const BELL: Token = Token(TOKEN_RESERVED_MIN);

/// What runs is only the name of something that the test does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Posted(usize),
    Readable,
    Timer,
}

impl Cancellable for Work {
    fn is_cancelled(&self) -> bool {
        false
    }
}

struct Mailbox {
    inbox: Inbox<usize>,
    waker: Waker,
}

impl Mailbox {
    fn post(&self, number: usize) {
        self.inbox.post(number);
        self.waker.wake();
    }
}

/// A loop that hands all of its work to one function, which says whether to go on.
struct Loop<F> {
    clock: MonotonicClock,
    mailbox: Arc<Mailbox>,
    reactor: Arc<Epoll>,
    queues: RefCell<Queues<Work>>,
    sources: RefCell<Sources<Work, Epoll>>,
    parks: Cell<usize>,
    run: F,
}

impl<F: Fn(Work) -> bool> Loop<F> {
    fn new(run: F) -> Self {
        let reactor = Arc::new(Epoll::new().expect("epoll"));
        let mailbox = Mailbox {
            inbox: Inbox::default(),
            waker: Waker::new(EventBell::new().expect("eventfd")),
        };
        reactor
            .add_bell(mailbox.waker.bell(), BELL)
            .expect("watch the bell");
        Self {
            clock: MonotonicClock,
            mailbox: Arc::new(mailbox),
            sources: RefCell::new(Sources::new(Arc::clone(&reactor))),
            reactor,
            queues: RefCell::default(),
            parks: Cell::default(),
            run,
        }
    }
}

impl<F: Fn(Work) -> bool> Host for Loop<F> {
    type Work = Work;
    type Error = std::convert::Infallible;

    fn clock(&self) -> &dyn Clock {
        &self.clock
    }

    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Work>) -> R) -> R {
        access(&mut self.queues.borrow_mut())
    }

    fn collect_inbox(&self) -> Result<(), Self::Error> {
        let ready = &mut self.queues.borrow_mut().ready;
        self.mailbox
            .inbox
            .collect()
            .into_iter()
            .for_each(|number| ready.schedule(Work::Posted(number)));
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno> {
        self.reactor.poll(events, Some(Duration::ZERO))
    }

    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        self.parks.set(self.parks.get() + 1);
        let mailbox = &self.mailbox;
        mailbox.waker.announce_sleep();
        let timeout = if mailbox.inbox.has_post() {
            Some(Duration::ZERO)
        } else {
            timeout
        };
        let polled = self.reactor.poll(events, timeout);
        mailbox.waker.announce_wake();
        polled
    }

    fn dispatch(&self, events: &[Event]) -> Result<(), Self::Error> {
        for event in events.iter().filter(|event| event.token != BELL) {
            let watchers = self.sources.borrow_mut().watchers_of(*event, Clone::clone);
            let ready = &mut self.queues.borrow_mut().ready;
            watchers
                .reader
                .into_iter()
                .chain(watchers.writer)
                .for_each(|work| ready.schedule(work));
        }
        Ok(())
    }

    fn run(&self, work: Work) -> Result<(), Self::Error> {
        if !(self.run)(work) {
            self.queues.borrow_mut().is_stopping = true;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Self::Error> {
        Ok(())
    }
}

#[test]
fn posts_of_other_threads_wake_a_loop_that_sleeps_without_end() {
    const POSTERS: usize = 4;
    const POSTS: usize = 5_000;
    let seen = RefCell::new(vec![0; POSTERS]);
    let host = Loop::new(|work| {
        let Work::Posted(number) = work else {
            unreachable!("only posts were made")
        };
        let (poster, post) = (number / POSTS, number % POSTS);
        let mut seen = seen.borrow_mut();
        assert_eq!(seen[poster], post, "in order of the poster, each once");
        seen[poster] += 1;
        seen.iter().sum::<usize>() < POSTERS * POSTS
    });
    std::thread::scope(|scope| {
        for poster in 0..POSTERS {
            let mailbox = Arc::clone(&host.mailbox);
            scope.spawn(move || {
                for post in 0..POSTS {
                    mailbox.post(poster * POSTS + post);
                    if post % 7 == 0 {
                        // Lets the loop fall asleep now and then.
                        std::thread::yield_now();
                    }
                }
            });
        }
        turn::run(&host).expect("the loop is stopped by the last post");
    });
    assert_eq!(seen.take(), [POSTS; POSTERS]);
}

#[test]
fn each_of_two_threads_wakes_the_other_in_turn() {
    // Strict alternation: the loop is asleep, or about to be, at every single post.
    const ROUNDS: usize = 10_000;
    let (request, requests) = std::sync::mpsc::channel();
    let host = Loop::new(|work| {
        let Work::Posted(number) = work else {
            unreachable!("only posts were made")
        };
        request.send(number + 1).expect("the other thread lives");
        number + 1 < ROUNDS
    });
    std::thread::scope(|scope| {
        let mailbox = Arc::clone(&host.mailbox);
        scope.spawn(move || {
            mailbox.post(0);
            while let Some(number) = requests.recv().ok().filter(|number| *number < ROUNDS) {
                mailbox.post(number);
            }
        });
        turn::run(&host).expect("the loop is stopped by the last round");
    });
    assert!(host.parks.get() > 0);
}

#[test]
fn a_timer_ends_the_sleep_late_and_never_early() {
    let host = Loop::new(|work| {
        assert_eq!(work, Work::Timer);
        false
    });
    for micros in [1, 100, 1_500] {
        let deadline = Instant::from_nanos(host.clock.now().as_nanos() + micros * 1_000);
        host.queues(|queues| {
            queues.is_stopping = false;
            queues.timers.schedule(deadline, Work::Timer);
        });
        turn::run(&host).expect("the timer stops the loop");
        assert!(host.clock.now() >= deadline);
    }
}

#[test]
fn a_source_ends_the_sleep() {
    let (ours, theirs) = UnixStream::pair().expect("socketpair");
    let reader = ours.as_raw_fd();
    let host = Loop::new(|work| {
        assert_eq!(work, Work::Readable);
        false
    });
    host.sources
        .borrow_mut()
        .watch(reader, Direction::Read, Work::Readable)
        .expect("watch");
    std::thread::scope(|scope| {
        scope.spawn(|| rustix::io::write(&theirs, b"x").expect("write"));
        turn::run(&host).expect("the source stops the loop");
    });
}

#[test]
fn jobs_of_the_pool_report_through_the_inbox() {
    const JOBS: usize = 500;
    let seen = Cell::new(0);
    let host = Loop::new(|_work| {
        seen.set(seen.get() + 1);
        seen.get() < JOBS
    });
    let pool = Pool::new("test", 4, Duration::from_secs(5));
    for number in 0..JOBS {
        let mailbox = Arc::clone(&host.mailbox);
        pool.submit(Box::new(move || mailbox.post(number)))
            .expect("open");
    }
    turn::run(&host).expect("the last job stops the loop");
    assert_eq!(seen.get(), JOBS);
}

#[test]
fn a_wake_of_a_loop_that_is_awake_does_not_end_its_next_sleep() {
    let host = Loop::new(|_work| false);
    for _ in 0..100 {
        host.mailbox.waker.wake();
    }
    let begin = WallClock::now();
    let mut events = Vec::new();
    host.park(&mut events, Some(Duration::from_millis(2)))
        .expect("park");
    assert_eq!(events, []);
    assert!(begin.elapsed() >= Duration::from_millis(2));
}
