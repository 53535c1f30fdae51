//! Inbox, waker and jobs under every interleaving that loom finds: no lost wake-up, no lost or doubled post or job.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p aioxide-engine --test loom`.
#![cfg(loom)]

use aioxide_engine::inbox::Inbox;
use aioxide_engine::jobs::{Demand, Found, Jobs, Place};
use aioxide_engine::waker::{Bell, Waker};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// A bell of loom's own primitives that, like the eventfd, keeps a ring until the next sleep ends.
struct CountingBell {
    rings: Mutex<Rings>,
    has_rung: Condvar,
}

#[derive(Default)]
struct Rings {
    /// Whether there was a ring since the last sleep ended.
    is_pending: bool,
    total: usize,
}

impl CountingBell {
    fn new() -> Self {
        Self {
            rings: Mutex::new(Rings::default()),
            has_rung: Condvar::new(),
        }
    }

    /// The poll without a timeout: loom reports a deadlock if nobody ever rings.
    fn sleep(&self) {
        let mut rings = self.rings.lock().expect("loom stops at the first panic");
        while !rings.is_pending {
            rings = self
                .has_rung
                .wait(rings)
                .expect("loom stops at the first panic");
        }
        rings.is_pending = false;
    }

    fn total(&self) -> usize {
        self.rings
            .lock()
            .expect("loom stops at the first panic")
            .total
    }
}

impl Bell for CountingBell {
    fn ring(&self) {
        let mut rings = self.rings.lock().expect("loom stops at the first panic");
        rings.is_pending = true;
        rings.total += 1;
        self.has_rung.notify_one();
    }
}

struct Mailbox {
    inbox: Inbox<(usize, usize)>,
    waker: Waker<CountingBell>,
}

impl Mailbox {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inbox: Inbox::default(),
            waker: Waker::new(CountingBell::new()),
        })
    }

    fn spawn_poster(this: &Arc<Self>, poster: usize, posts: usize) -> thread::JoinHandle<()> {
        let mailbox = Arc::clone(this);
        thread::spawn(move || {
            for number in 0..posts {
                mailbox.inbox.post((poster, number));
                mailbox.waker.wake();
            }
        })
    }

    /// The loop thread's turns until it has `count` posts; how often it announced a sleep.
    fn collect(&self, count: usize) -> (Vec<(usize, usize)>, usize) {
        let mut collected = Vec::new();
        let mut sleeps = 0;
        loop {
            if self.inbox.has_post() {
                collected.extend(self.inbox.collect());
            }
            if collected.len() >= count {
                return (collected, sleeps);
            }
            sleeps += 1;
            self.waker.announce_sleep();
            if !self.inbox.has_post() {
                self.waker.bell().sleep();
            }
            self.waker.announce_wake();
        }
    }
}

/// Explores with so many preemptions at most: a lost wake-up of this protocol needs one or two.
fn check(preemptions_max: usize, scenario: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions_max);
    model.check(scenario);
}

#[test]
fn a_post_always_ends_the_sleep() {
    check(4, || {
        let mailbox = Mailbox::new();
        let poster = Mailbox::spawn_poster(&mailbox, 0, 1);
        assert_eq!(mailbox.collect(1).0, [(0, 0)]);
        poster.join().unwrap();
    });
}

#[test]
fn every_post_is_collected_once_and_in_order_of_its_poster() {
    check(3, || {
        let mailbox = Mailbox::new();
        let posters = [
            Mailbox::spawn_poster(&mailbox, 0, 2),
            Mailbox::spawn_poster(&mailbox, 1, 1),
        ];
        let (collected, sleeps) = mailbox.collect(3);
        for poster in posters {
            poster.join().unwrap();
        }
        let from = |poster| {
            collected
                .iter()
                .copied()
                .filter(move |post: &(usize, usize)| post.0 == poster)
        };
        assert!(from(0).eq([(0, 0), (0, 1)]), "{collected:?}");
        assert!(from(1).eq([(1, 0)]), "{collected:?}");
        assert_eq!(collected.len(), 3);
        assert!(mailbox.inbox.collect().is_empty());
        assert!(
            mailbox.waker.bell().total() <= sleeps,
            "a sleep takes one ring at most"
        );
    });
}

#[test]
fn a_queue_of_the_owners_own_is_covered_by_the_same_protocol() {
    // The ready queue of the loop's owner is filled by other threads too, without the inbox: what
    // stands for it here is a flag with no ordering of its own.
    check(4, || {
        let waker = Arc::new(Waker::new(CountingBell::new()));
        let queue = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let relaxed = loom::sync::atomic::Ordering::Relaxed;
        let poster = {
            let (waker, queue) = (Arc::clone(&waker), Arc::clone(&queue));
            thread::spawn(move || {
                queue.store(true, relaxed);
                waker.wake();
            })
        };
        waker.announce_sleep();
        if !queue.load(relaxed) {
            waker.bell().sleep();
        }
        waker.announce_wake();
        poster.join().unwrap();
    });
}

#[test]
fn one_lock_around_the_queue_and_the_last_look_stands_for_the_fences() {
    check(4, || {
        let waker = Arc::new(Waker::new(CountingBell::new()));
        let queue = Arc::new(Mutex::new(false));
        let poster = {
            let (waker, queue) = (Arc::clone(&waker), Arc::clone(&queue));
            thread::spawn(move || {
                let mut queue = queue.lock().expect("loom stops at the first panic");
                *queue = true;
                waker.wake_under_lock();
            })
        };
        let last_look = queue.lock().expect("loom stops at the first panic");
        waker.announce_sleep();
        let has_work = *last_look;
        drop(last_look);
        if !has_work {
            waker.bell().sleep();
        }
        waker.announce_wake();
        poster.join().unwrap();
    });
}

#[test]
fn nobody_rings_while_the_loop_is_awake() {
    check(3, || {
        let mailbox = Mailbox::new();
        let posters = [
            Mailbox::spawn_poster(&mailbox, 0, 1),
            Mailbox::spawn_poster(&mailbox, 1, 1),
        ];
        for poster in posters {
            poster.join().unwrap();
        }
        assert_eq!(mailbox.waker.bell().total(), 0);
        assert_eq!(mailbox.inbox.collect().len(), 2);
    });
}

#[test]
fn a_ring_that_came_too_late_only_ends_the_next_sleep_early() {
    // The first sleep may end by its last look, with the ring still to come; the second must not be
    // lost for it.
    check(3, || {
        let mailbox = Mailbox::new();
        let poster = Mailbox::spawn_poster(&mailbox, 0, 1);
        assert_eq!(mailbox.collect(1).0, [(0, 0)]);
        let other = Mailbox::spawn_poster(&mailbox, 1, 1);
        assert_eq!(mailbox.collect(1).0, [(1, 0)]);
        poster.join().unwrap();
        other.join().unwrap();
    });
}

/// Does jobs, which are numbers to be added up, until the queue is closed.
fn work(jobs: &Jobs<usize>, done: &loom::sync::atomic::AtomicUsize) {
    let mut place = Place::new(jobs);
    loop {
        match place.look() {
            Found::Job(job) => {
                done.fetch_add(job, loom::sync::atomic::Ordering::Relaxed);
            }
            Found::Nothing => place.sleep(),
            Found::End => return,
        }
    }
}

/// Submits 1, 10, 100 … and starts threads as asked. All jobs are to be done once the threads have left.
fn do_jobs(threads_max: usize, count: u32) {
    let jobs = Arc::new(Jobs::new(threads_max));
    let done = Arc::new(loom::sync::atomic::AtomicUsize::new(0));
    let mut workers = Vec::new();
    let mut sum = 0;
    for number in 0..count {
        let job = 10_usize.pow(number);
        sum += job;
        if let Demand::Thread(_) = jobs.submit(job).ok().expect("open") {
            let (jobs, done) = (Arc::clone(&jobs), Arc::clone(&done));
            workers.push(thread::spawn(move || work(&jobs, &done)));
        }
    }
    jobs.close();
    for worker in workers {
        worker.join().unwrap();
    }
    assert_eq!(done.load(loom::sync::atomic::Ordering::Relaxed), sum);
}

#[test]
fn a_thread_comes_to_every_job() {
    check(3, || do_jobs(1, 3));
}

#[test]
fn threads_that_call_each_other_lose_no_job() {
    check(2, || do_jobs(2, 3));
}

#[test]
fn while_one_job_waits_for_the_other_both_are_begun() {
    check(2, || {
        let jobs = Arc::new(Jobs::new(2));
        // The first job ends when the second has, which loom sees as a deadlock if nobody comes to that.
        let ended = Arc::new((Mutex::new(false), Condvar::new()));
        let mut workers = Vec::new();
        for number in 0..2 {
            if let Demand::Thread(_) = jobs.submit(number).ok().expect("open") {
                let (jobs, ended) = (Arc::clone(&jobs), Arc::clone(&ended));
                workers.push(thread::spawn(move || {
                    let mut place = Place::new(&jobs);
                    loop {
                        match place.look() {
                            Found::Job(0) => {
                                let mut has_ended = ended.0.lock().unwrap();
                                while !*has_ended {
                                    has_ended = ended.1.wait(has_ended).unwrap();
                                }
                            }
                            Found::Job(_) => {
                                *ended.0.lock().unwrap() = true;
                                ended.1.notify_all();
                            }
                            Found::Nothing => place.sleep(),
                            Found::End => return,
                        }
                    }
                }));
            }
        }
        jobs.close();
        for worker in workers {
            worker.join().unwrap();
        }
    });
}
