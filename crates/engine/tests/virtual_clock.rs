//! A virtual clock in real threads: several loops share it, and others move it.
#![cfg(not(loom))]

use std::cell::RefCell;
use std::convert::Infallible;
use std::sync::{Arc, Barrier, Condvar, Mutex, mpsc};
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant};
use aioxide_engine::inbox::Inbox;
use aioxide_engine::reactor::{Event, Token};
use aioxide_engine::timers::Cancellable;
use aioxide_engine::turn::{self, Host, Queues};
use aioxide_engine::virtual_clock::{OutOfRange, VirtualClock, VirtualTime};
use aioxide_engine::waker::Bell;
use rustix::io::Errno;

const SECOND: u64 = 1_000_000_000;

/// A number, whose meaning is the test's.
#[derive(Clone, Copy)]
struct Number(u64);

impl Cancellable for Number {
    fn is_cancelled(&self) -> bool {
        false
    }
}

/// What other threads can reach of a loop.
#[derive(Default)]
struct Mailbox {
    inbox: Inbox<u64>,
    has_rung: Mutex<bool>,
    rung: Condvar,
}

impl Bell for Mailbox {
    fn ring(&self) {
        *self.has_rung.lock().expect("no test panics with the lock") = true;
        self.rung.notify_one();
    }
}

impl Mailbox {
    fn post(&self, number: u64) {
        self.inbox.post(number);
        self.ring();
    }
}

/// What a loop does with a number; it says whether to go on.
type Run<'a> = Box<dyn Fn(&Loop<'a>, u64) -> bool + 'a>;

struct Loop<'a> {
    time: VirtualTime,
    mailbox: Arc<Mailbox>,
    queues: RefCell<Queues<Number>>,
    run: Run<'a>,
}

impl<'a> Loop<'a> {
    fn new(
        clock: &Arc<VirtualClock>,
        mailbox: &Arc<Mailbox>,
        run: impl Fn(&Self, u64) -> bool + 'a,
    ) -> Self {
        let bell: Arc<dyn Bell> = Arc::<Mailbox>::clone(mailbox);
        Self {
            time: VirtualTime::new(Arc::clone(clock), bell),
            mailbox: Arc::clone(mailbox),
            queues: RefCell::default(),
            run: Box::new(run),
        }
    }

    fn now(&self) -> u64 {
        self.time.now().as_nanos()
    }

    fn schedule_in(&self, nanos: u64, number: u64) {
        let deadline = Instant::from_nanos(self.now() + nanos);
        self.queues
            .borrow_mut()
            .timers
            .schedule(deadline, Number(number));
    }

    fn run_to_stop(&self) {
        turn::run(self).expect("nothing fails here");
    }
}

impl Host for Loop<'_> {
    type Work = Number;
    type Error = Infallible;

    fn clock(&self) -> &dyn Clock {
        &self.time
    }

    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Number>) -> R) -> R {
        access(&mut self.queues.borrow_mut())
    }

    fn collect_inbox(&self) -> Result<(), Infallible> {
        let ready = &mut self.queues.borrow_mut().ready;
        let posts = self.mailbox.inbox.collect().into_iter();
        posts.for_each(|number| ready.schedule(Number(number)));
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno> {
        self.park(events, Some(Duration::ZERO))
    }

    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        // Long enough that only a lost wake-up lasts so long.
        let timeout = timeout.unwrap_or(Duration::from_secs(20));
        let has_rung = self.mailbox.has_rung.lock().expect("nobody panics");
        let (mut has_rung, waited) = self
            .mailbox
            .rung
            .wait_timeout_while(has_rung, timeout, |has_rung| !*has_rung)
            .expect("nobody panics");
        assert!(
            !waited.timed_out() || timeout < Duration::from_secs(20),
            "nobody woke the loop"
        );
        events.clear();
        events.extend(std::mem::take(&mut *has_rung).then_some(Event {
            token: Token(0),
            readable: true,
            writable: false,
        }));
        Ok(())
    }

    fn dispatch(&self, _events: &[Event]) -> Result<(), Infallible> {
        Ok(())
    }

    fn run(&self, number: Number) -> Result<(), Infallible> {
        if !(self.run)(self, number.0) {
            self.queues.borrow_mut().is_stopping = true;
        }
        Ok(())
    }

    fn flush(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn jumping() -> Arc<VirtualClock> {
    Arc::new(VirtualClock::new(Instant::ORIGIN, Some(Duration::ZERO)))
}

/// Runs a loop that ticks `count` times, every `period` nanoseconds, and checks each tick's time.
fn tick(clock: &Arc<VirtualClock>, begin: &Barrier, period: u64, count: u64) {
    let host = Loop::new(clock, &Arc::default(), |host: &Loop<'_>, number| {
        assert_eq!(host.now(), number * period);
        if number == 0 {
            // No loop is through before all have begun.
            begin.wait();
        }
        host.schedule_in(period, number + 1);
        number < count
    });
    host.mailbox.post(0);
    host.run_to_stop();
}

#[test]
fn loops_that_share_a_clock_see_each_of_their_deadlines_on_time() {
    let clock = jumping();
    let begin = Barrier::new(3);
    std::thread::scope(|scope| {
        for (period, count) in [(SECOND, 3_000), (7 * SECOND, 400), (SECOND / 3, 9_000)] {
            let (clock, begin) = (&clock, &begin);
            scope.spawn(move || tick(clock, begin, period, count));
        }
    });
}

#[test]
fn the_clock_waits_for_work_that_one_loop_gives_to_another() {
    const ROUNDS: u64 = 3_000;
    const STOP: u64 = u64::MAX;
    const TICK: u64 = u64::MAX - 1;
    const BEGIN: u64 = u64::MAX - 2;
    let clock = jumping();
    let (here, there) = (Arc::<Mailbox>::default(), Arc::<Mailbox>::default());
    let begin = &Barrier::new(2);
    // The ball goes to and fro at the beginning of every second. Meanwhile the clock stands still, though
    // there always is a tick for it to jump to.
    let play = |other: &Arc<Mailbox>| {
        let other = Arc::clone(other);
        move |host: &Loop<'_>, number: u64| {
            match number {
                STOP => return false,
                TICK => host.schedule_in(SECOND, TICK),
                BEGIN => {
                    begin.wait();
                }
                _ => {}
            }
            if number >= BEGIN {
                return true;
            }
            let (round, hits) = (number / 4, number % 4);
            assert_eq!(host.now(), round * SECOND, "in round {round}");
            if hits < 3 {
                other.post(number + 1);
            } else {
                host.schedule_in(SECOND, number + 1);
            }
            if round == ROUNDS {
                other.post(STOP);
            }
            round < ROUNDS
        }
    };
    std::thread::scope(|scope| {
        let clock = &clock;
        let (to_there, to_here) = (play(&there), play(&here));
        let (mine, theirs) = (Arc::clone(&here), Arc::clone(&there));
        scope.spawn(move || {
            let host = Loop::new(clock, &theirs, to_here);
            host.schedule_in(SECOND / 2, TICK);
            host.mailbox.post(BEGIN);
            host.run_to_stop();
        });
        scope.spawn(move || {
            let host = Loop::new(clock, &mine, to_there);
            host.schedule_in(SECOND / 3, TICK);
            host.mailbox.post(BEGIN);
            host.mailbox.post(0);
            host.run_to_stop();
        });
    });
}

#[test]
fn whoever_moves_the_clock_wakes_the_loop() {
    const DAY: u64 = 86_400 * SECOND;
    const DAYS: u64 = 2_000;
    let clock = Arc::new(VirtualClock::new(Instant::ORIGIN, None));
    let (noted, notes) = mpsc::channel();
    std::thread::scope(|scope| {
        let on_clock = &clock;
        scope.spawn(move || {
            let host = Loop::new(on_clock, &Arc::default(), |host: &Loop<'_>, number| {
                host.schedule_in(DAY, number + 1);
                noted.send(host.now()).expect("somebody listens");
                number < DAYS
            });
            host.mailbox.post(0);
            host.run_to_stop();
        });
        for day in 0..=DAYS {
            let noted = notes.recv_timeout(Duration::from_secs(20));
            assert_eq!(noted, Ok(day * DAY));
            clock.advance(86_400.0).expect("in range");
        }
    });
}

#[test]
fn a_loop_that_may_jump_again_does_so_at_once() {
    let clock = Arc::new(VirtualClock::new(Instant::ORIGIN, None));
    let begin = Barrier::new(2);
    std::thread::scope(|scope| {
        scope.spawn(|| tick(&clock, &begin, SECOND, 10));
        begin.wait();
        clock.set_jump_threshold(Some(Duration::ZERO));
    });
    assert_eq!(clock.now().as_nanos(), 10 * SECOND);
}

#[test]
fn a_clock_is_moved_neither_back_nor_beyond_its_range() {
    let clock = VirtualClock::new(Instant::from_nanos(SECOND), None);
    for seconds in [
        -1.0,
        -1e-9,
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        1e10,
    ] {
        assert_eq!(clock.advance(seconds), Err(OutOfRange), "{seconds}");
    }
    assert_eq!(clock.now().as_nanos(), SECOND);
    assert_eq!(clock.advance(0.0), Ok(()));
    assert_eq!(clock.advance(0.5), Ok(()));
    assert_eq!(clock.now().as_nanos(), SECOND + SECOND / 2);
}

#[test]
fn moving_on_by_a_delay_reaches_the_timer_that_was_set_for_it() {
    let clock = VirtualClock::new(Instant::ORIGIN, None);
    for delay in [0.1, 0.2, 0.3, 0.7, 1e-9, 12_345.678_9, 0.1] {
        let deadline = Instant::at_or_after_seconds(clock.now().as_seconds() + delay);
        clock.advance(delay).expect("in range");
        assert!(clock.now() >= deadline, "{delay}");
    }
}
