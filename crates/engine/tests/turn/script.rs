//! A host that plays its kernel and its other threads from a script, and writes down what it is asked.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use aioxide_engine::clock::{Clock, Instant};
use aioxide_engine::reactor::{Event, Token};
use aioxide_engine::timers::Cancellable;
use aioxide_engine::turn::{self, Host, Queues};
use rustix::io::Errno;

/// Late enough that the first turn finds its last poll long past, as on a machine that has been up a while.
pub(crate) const BEGIN: u64 = 1_000_000_000;

pub(crate) struct ManualClock(AtomicU64);

impl ManualClock {
    pub(crate) fn advance(&self, by: Duration) {
        self.0.fetch_add(
            u64::try_from(by.as_nanos()).expect("a short time"),
            Ordering::Relaxed,
        );
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Instant {
        Instant::from_nanos(self.0.load(Ordering::Relaxed))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Collect,
    Poll,
    Park(Option<Duration>),
    Dispatch(usize),
    Run(&'static str),
    Flush,
}

/// What a host stops a loop with.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Fault(pub(crate) &'static str);

pub(crate) type Action = Rc<dyn Fn(&Script) -> Result<(), Fault>>;

#[derive(Clone)]
pub(crate) struct Job {
    pub(crate) name: &'static str,
    pub(crate) is_cancelled: Rc<Cell<bool>>,
    pub(crate) action: Action,
}

impl Cancellable for Job {
    fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }
}

pub(crate) fn job(name: &'static str, action: impl Fn(&Script) + 'static) -> Job {
    let action = move |script: &Script| {
        action(script);
        Ok(())
    };
    Job {
        name,
        is_cancelled: Rc::default(),
        action: Rc::new(action),
    }
}

pub(crate) fn noop(name: &'static str) -> Job {
    job(name, |_script| ())
}

pub(crate) fn stop() -> Job {
    job("stop", Script::stop)
}

/// One poll as the script has it.
#[derive(Clone, Default)]
pub(crate) struct Polled {
    /// What each event schedules.
    pub(crate) ready: Vec<Job>,
    /// How long the poll takes, a sleep until its timeout if `None`.
    pub(crate) takes: Option<Duration>,
    /// What the kernel refuses the poll with.
    pub(crate) error: Option<Errno>,
}

/// A loop whose kernel and other threads are played from a script.
pub(crate) struct Script {
    pub(crate) clock: ManualClock,
    pub(crate) queues: RefCell<Queues<Job>>,
    pub(crate) steps: RefCell<Vec<Step>>,
    /// The time of each step.
    pub(crate) noted_at: RefCell<Vec<Instant>>,
    pub(crate) inbox: RefCell<VecDeque<Job>>,
    /// The polls to come; after the last, nothing happens any more.
    pub(crate) polls: RefCell<VecDeque<Polled>>,
    /// What the events of the last poll schedule.
    pub(crate) reported: RefCell<Vec<Job>>,
    pub(crate) flush_takes: Cell<Duration>,
    /// How often the engine has asked for the clock, which it does to read it.
    pub(crate) clock_asked: Cell<usize>,
}

impl Script {
    pub(crate) fn new() -> Self {
        Self {
            clock: ManualClock(AtomicU64::new(BEGIN)),
            queues: RefCell::default(),
            steps: RefCell::default(),
            noted_at: RefCell::default(),
            inbox: RefCell::default(),
            polls: RefCell::default(),
            reported: RefCell::default(),
            flush_takes: Cell::default(),
            clock_asked: Cell::default(),
        }
    }

    pub(crate) fn schedule(&self, job: Job) {
        self.queues.borrow_mut().ready.schedule(job);
    }

    pub(crate) fn schedule_in(&self, delay: Duration, job: Job) {
        let delay = u64::try_from(delay.as_nanos()).expect("a short time");
        self.schedule_at(
            Instant::from_nanos(self.clock.now().as_nanos() + delay),
            job,
        );
    }

    pub(crate) fn schedule_at(&self, deadline: Instant, job: Job) {
        self.queues.borrow_mut().timers.schedule(deadline, job);
    }

    pub(crate) fn stop(&self) {
        self.queues.borrow_mut().is_stopping = true;
    }

    pub(crate) fn will_poll(&self, polled: Polled) {
        self.polls.borrow_mut().push_back(polled);
    }

    pub(crate) fn run_to_stop(&self) {
        turn::run(self).expect("the loop is stopped by its script");
    }

    pub(crate) fn steps(&self) -> Vec<Step> {
        self.steps.take()
    }

    /// What ran, in order, and nothing else of what happened.
    pub(crate) fn ran(&self) -> Vec<&'static str> {
        let steps = self.steps().into_iter();
        steps
            .filter_map(|step| {
                if let Step::Run(name) = step {
                    Some(name)
                } else {
                    None
                }
            })
            .collect()
    }

    pub(crate) fn queued(&self) -> Vec<&'static str> {
        self.queues
            .borrow()
            .ready
            .iter()
            .map(|job| job.name)
            .collect()
    }

    pub(crate) fn note(&self, step: Step) {
        self.steps.borrow_mut().push(step);
        self.noted_at.borrow_mut().push(self.clock.now());
        assert!(self.steps_noted() < 100_000, "the loop does not end");
    }

    pub(crate) fn steps_noted(&self) -> usize {
        self.steps.borrow().len()
    }

    pub(crate) fn play(
        &self,
        events: &mut Vec<Event>,
        timeout: Option<Duration>,
    ) -> Result<(), Errno> {
        events.clear();
        let scripted = self.polls.borrow_mut().pop_front();
        assert!(
            timeout.is_some() || scripted.is_some(),
            "the loop sleeps for ever"
        );
        let Polled {
            ready,
            takes,
            error,
        } = scripted.unwrap_or_default();
        let sleep = if ready.is_empty() {
            timeout.unwrap_or_default()
        } else {
            Duration::ZERO
        };
        self.clock.advance(takes.unwrap_or(sleep));
        if let Some(errno) = error {
            return Err(errno);
        }
        let event = |index| Event {
            token: Token(index),
            readable: true,
            writable: false,
        };
        events.extend((0u64..).map(event).take(ready.len()));
        self.reported.replace(ready);
        Ok(())
    }
}

impl Host for Script {
    type Work = Job;
    type Error = Fault;

    fn clock(&self) -> &dyn Clock {
        self.clock_asked.set(self.clock_asked.get() + 1);
        &self.clock
    }

    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Job>) -> R) -> R {
        access(&mut self.queues.borrow_mut())
    }

    fn collect_inbox(&self) -> Result<(), Fault> {
        self.note(Step::Collect);
        let posts = self.inbox.take();
        posts.into_iter().for_each(|job| self.schedule(job));
        Ok(())
    }

    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno> {
        self.note(Step::Poll);
        self.play(events, Some(Duration::ZERO))
    }

    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno> {
        self.note(Step::Park(timeout));
        self.play(events, timeout)
    }

    fn dispatch(&self, events: &[Event]) -> Result<(), Fault> {
        self.note(Step::Dispatch(events.len()));
        let reported = self.reported.take();
        assert_eq!(events.len(), reported.len(), "events of another poll");
        reported.into_iter().for_each(|job| self.schedule(job));
        Ok(())
    }

    fn run(&self, work: Job) -> Result<(), Fault> {
        if work.is_cancelled() {
            return Ok(());
        }
        self.note(Step::Run(work.name));
        (work.action)(self)
    }

    fn flush(&self) -> Result<(), Fault> {
        self.note(Step::Flush);
        self.clock.advance(self.flush_takes.get());
        Ok(())
    }
}
