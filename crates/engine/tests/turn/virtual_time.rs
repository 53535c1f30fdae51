//! A loop on a virtual clock: no deadline is waited for, none is missed, and what the kernel has comes first.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant};
use aioxide_engine::reactor::{Event, Token};
use aioxide_engine::timers::Cancellable;
use aioxide_engine::turn::{self, Host, Queues};
use aioxide_engine::virtual_clock::{VirtualClock, VirtualTime};
use aioxide_engine::waker::Bell;
use rustix::io::Errno;

const HOUR: u64 = 3_600_000_000_000;

/// Nobody sleeps in these tests, so nobody has to be woken.
struct NoBell;

impl Bell for NoBell {
    fn ring(&self) {}
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Poll,
    Park(Option<Duration>),
    Ran(&'static str, u64),
}

/// What runs, and how often it puts itself back into the ready queue.
#[derive(Clone, Copy)]
enum Note {
    Plain(&'static str),
    Chain(usize),
    Cancelled,
    Stop,
}

impl Cancellable for Note {
    fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled)
    }
}

/// A loop on virtual time that notes what it does.
struct Virtual {
    clock: Arc<VirtualClock>,
    time: VirtualTime,
    queues: RefCell<Queues<Note>>,
    steps: RefCell<Vec<Step>>,
    /// What the polls to come report, and by how much the clock is moved by hand meanwhile.
    polls: RefCell<VecDeque<(Option<Note>, f64)>>,
    reported: RefCell<Option<Note>>,
}

impl Virtual {
    fn new(jump_threshold: Option<Duration>) -> Self {
        let clock = Arc::new(VirtualClock::new(Instant::ORIGIN, jump_threshold));
        Self {
            time: VirtualTime::new(Arc::clone(&clock), Arc::new(NoBell)),
            clock,
            queues: RefCell::default(),
            steps: RefCell::default(),
            polls: RefCell::default(),
            reported: RefCell::default(),
        }
    }

    fn schedule_at(&self, nanos: u64, note: Note) {
        self.queues
            .borrow_mut()
            .timers
            .schedule(Instant::from_nanos(nanos), note);
    }

    fn run(&self) -> Vec<Step> {
        turn::run(self).expect("a note stops the loop");
        self.steps.take()
    }

    fn play(&self, events: &mut Vec<Event>) {
        events.clear();
        let (report, seconds) = self.polls.borrow_mut().pop_front().unwrap_or((None, 0.0));
        self.clock.advance(seconds).expect("in range");
        events.extend(report.map(|_note| Event {
            token: Token(1),
            readable: true,
            writable: false,
        }));
        self.reported.replace(report);
    }
}

impl Host for Virtual {
    type Work = Note;
    type Error = Infallible;

    fn clock(&self) -> &dyn Clock {
        &self.time
    }

    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Note>) -> R) -> R {
        access(&mut self.queues.borrow_mut())
    }

    fn collect_inbox(&self) -> Result<(), Infallible> {
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno> {
        self.steps.borrow_mut().push(Step::Poll);
        self.play(events);
        Ok(())
    }

    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        self.steps.borrow_mut().push(Step::Park(timeout));
        assert!(
            timeout.is_some() || !self.polls.borrow().is_empty(),
            "the loop sleeps for ever"
        );
        self.play(events);
        Ok(())
    }

    fn dispatch(&self, _events: &[Event]) -> Result<(), Infallible> {
        let reported = self.reported.take();
        let ready = &mut self.queues.borrow_mut().ready;
        reported.into_iter().for_each(|note| ready.schedule(note));
        Ok(())
    }

    fn run(&self, note: Note) -> Result<(), Infallible> {
        let name = match note {
            Note::Plain(name) => name,
            Note::Chain(0) | Note::Stop => "stop",
            Note::Chain(left) => {
                let ready = &mut self.queues.borrow_mut().ready;
                ready.schedule(Note::Chain(left - 1));
                "chain"
            }
            Note::Cancelled => return Ok(()),
        };
        let now = self.time.now().as_nanos();
        self.steps.borrow_mut().push(Step::Ran(name, now));
        self.queues.borrow_mut().is_stopping |= name == "stop";
        Ok(())
    }

    fn flush(&self) -> Result<(), Infallible> {
        Ok(())
    }
}

fn ran(steps: Vec<Step>) -> Vec<(&'static str, u64)> {
    let ran = steps.into_iter().filter_map(|step| match step {
        Step::Ran(name, at) => Some((name, at)),
        _ => None,
    });
    ran.collect()
}

#[test]
fn a_virtual_clock_jumps_from_deadline_to_deadline() {
    let host = Virtual::new(Some(Duration::ZERO));
    for (hours, note) in [
        (24, Note::Plain("day")),
        (1, Note::Plain("hour")),
        (8_760, Note::Stop),
    ] {
        host.schedule_at(hours * HOUR, note);
    }
    let park = || Step::Park(Some(Duration::ZERO));
    assert_eq!(
        host.run(),
        [
            park(),
            Step::Ran("hour", HOUR),
            park(),
            Step::Ran("day", 24 * HOUR),
            park(),
            Step::Ran("stop", 8_760 * HOUR),
        ]
    );
}

#[test]
fn what_a_poll_reports_comes_before_the_clock_jumps() {
    let host = Virtual::new(Some(Duration::ZERO));
    host.schedule_at(HOUR, Note::Stop);
    host.polls
        .borrow_mut()
        .push_back((Some(Note::Plain("source")), 0.0));
    assert_eq!(ran(host.run()), [("source", 0), ("stop", HOUR)]);
}

#[test]
fn the_threshold_is_how_long_a_poll_may_wait_before_the_clock_jumps() {
    let threshold = Duration::from_millis(20);
    let host = Virtual::new(Some(threshold));
    host.schedule_at(HOUR, Note::Stop);
    assert_eq!(
        host.run(),
        [Step::Park(Some(threshold)), Step::Ran("stop", HOUR)]
    );
}

#[test]
fn without_a_threshold_the_loop_sleeps_until_somebody_moves_the_clock() {
    let host = Virtual::new(None);
    host.schedule_at(HOUR, Note::Stop);
    host.polls
        .borrow_mut()
        .extend([(None, 3_599.0), (None, 1.0)]);
    assert_eq!(
        host.run(),
        [Step::Park(None), Step::Park(None), Step::Ran("stop", HOUR)]
    );
}

#[test]
fn without_timers_a_loop_on_a_virtual_clock_sleeps() {
    let host = Virtual::new(Some(Duration::ZERO));
    host.polls
        .borrow_mut()
        .extend([(None, 0.0), (Some(Note::Stop), 0.0)]);
    assert_eq!(
        host.run(),
        [
            Step::Park(Some(Duration::ZERO)),
            Step::Park(None),
            Step::Ran("stop", 0)
        ]
    );
}

#[test]
fn the_clock_never_jumps_to_the_deadline_of_a_cancelled_timer() {
    let host = Virtual::new(Some(Duration::ZERO));
    host.schedule_at(HOUR, Note::Cancelled);
    host.schedule_at(2 * HOUR, Note::Cancelled);
    host.polls
        .borrow_mut()
        .extend([(None, 0.0), (None, 0.0), (Some(Note::Stop), 0.0)]);
    assert_eq!(ran(host.run()), [("stop", 0)]);
}

#[test]
fn ready_work_never_keeps_a_loop_whose_clock_stands_still_from_its_sources() {
    let host = Virtual::new(None);
    host.queues.borrow_mut().ready.schedule(Note::Chain(100));
    let steps = host.run();
    let polls = steps.iter().filter(|step| **step == Step::Poll).count();
    assert_eq!(polls, 101, "one for each turn");
}

#[test]
fn a_clock_moved_while_work_runs_makes_timers_due_in_the_next_turn() {
    let host = Virtual::new(None);
    host.schedule_at(HOUR, Note::Stop);
    host.queues.borrow_mut().ready.schedule(Note::Chain(2));
    host.polls.borrow_mut().push_back((None, 3_600.0));
    assert_eq!(
        ran(host.run()),
        [("chain", HOUR), ("chain", HOUR), ("stop", HOUR)]
    );
}
