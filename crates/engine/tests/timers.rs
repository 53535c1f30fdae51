//! The timers of the engine against the simplest model of them: a list that is searched for its minimum.
#![cfg(not(loom))]

use std::cell::Cell;
use std::rc::Rc;

use aioxide_engine::clock::Instant;
use aioxide_engine::timers::{Cancellable, Timers};
use proptest::prelude::*;

/// How many ghosts the heap may hold however few timers live.
const GHOSTS_MIN: usize = 64;

#[derive(Clone, Debug)]
struct Job {
    id: usize,
    is_cancelled: Rc<Cell<bool>>,
}

impl Cancellable for Job {
    fn is_cancelled(&self) -> bool {
        self.is_cancelled.get()
    }
}

impl Job {
    fn new(id: usize) -> Self {
        Self {
            id,
            is_cancelled: Rc::default(),
        }
    }
}

/// What may happen to a heap of timers.
#[derive(Clone, Debug)]
enum Step {
    /// Schedules timers so many nanoseconds after now, one after the other.
    Schedule(Vec<u64>),
    /// Cancels the living timers at these places of the model (modulo its length).
    Cancel(Vec<usize>),
    /// Schedules a timer and cancels it at once.
    ScheduleAndCancel(u64),
    /// Cancels a timer that has left the heap already, as a callback may do with one of its own batch.
    CancelTooLate,
    /// Lets this many nanoseconds pass and takes at most so many of the timers that are due.
    Pop { nanos: u64, count_max: usize },
    /// Empties the heap.
    Take,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    // Few different deadlines, so that ties are the rule.
    let delay = prop_oneof![4 => 0u64..20, 1 => 0u64..1_000_000];
    let step = prop_oneof![
        6 => prop::collection::vec(delay.clone(), 1..40).prop_map(Step::Schedule),
        4 => prop::collection::vec(any::<usize>(), 1..60).prop_map(Step::Cancel),
        2 => delay.prop_map(Step::ScheduleAndCancel),
        1 => Just(Step::CancelTooLate),
        4 => (0u64..15, 0usize..60).prop_map(|(nanos, count_max)| Step::Pop { nanos, count_max }),
    ];
    // Emptying is rare, or no heap would ever grow.
    let step = prop_oneof![80 => step, 1 => Just(Step::Take)];
    prop::collection::vec(step, 1..80)
}

/// A timer as the model knows it. Its id is its place in the order of scheduling.
#[derive(Debug)]
struct Expected {
    deadline: u64,
    job: Job,
}

/// The heap and its model, which must never differ.
#[derive(Default)]
struct Pair {
    timers: Timers<Job>,
    model: Vec<Expected>,
    now: u64,
    scheduled: usize,
    last_popped: Option<Job>,
    /// More cancels were counted than there were timers to cancel: the heap may sweep early.
    counts_too_many: bool,
}

impl Pair {
    fn apply(&mut self, step: Step) -> Result<(), TestCaseError> {
        match step {
            Step::Schedule(delays) => delays.into_iter().for_each(|delay| self.schedule(delay)),
            Step::Cancel(places) => {
                for place in places {
                    self.cancel(place)?;
                }
            }
            Step::ScheduleAndCancel(delay) => {
                self.schedule(delay);
                let job = self.model[self.model.len() - 1].job.clone();
                self.cancel_job(&job)?;
            }
            Step::CancelTooLate => {
                if let Some(job) = self.last_popped.take().filter(|job| !job.is_cancelled()) {
                    self.counts_too_many = true;
                    job.is_cancelled.set(true);
                    self.note_cancelled()?;
                }
            }
            Step::Pop { nanos, count_max } => {
                self.now += nanos;
                for _ in 0..count_max {
                    self.pop()?;
                }
            }
            Step::Take => self.take()?,
        }
        self.compare()
    }

    fn schedule(&mut self, delay: u64) {
        let job = Job::new(self.scheduled);
        self.scheduled += 1;
        let deadline = self.now + delay;
        self.timers
            .schedule(Instant::from_nanos(deadline), job.clone());
        self.model.push(Expected { deadline, job });
    }

    fn cancel(&mut self, place: usize) -> Result<(), TestCaseError> {
        let living: Vec<_> = self
            .model
            .iter()
            .map(|timer| &timer.job)
            .filter(|job| !job.is_cancelled())
            .collect();
        if living.is_empty() {
            return Ok(());
        }
        let job = living[place % living.len()].clone();
        self.cancel_job(&job)
    }

    fn cancel_job(&mut self, job: &Job) -> Result<(), TestCaseError> {
        job.is_cancelled.set(true);
        self.note_cancelled()
    }

    fn note_cancelled(&mut self) -> Result<(), TestCaseError> {
        for removed in self.timers.note_cancelled() {
            prop_assert!(
                removed.is_cancelled(),
                "a living timer was swept: {removed:?}"
            );
            self.leave(&removed)?;
        }
        if !self.counts_too_many {
            let ghosts = self.timers.iter().filter(|job| job.is_cancelled()).count();
            let living = self.timers.len() - ghosts;
            prop_assert!(
                ghosts <= GHOSTS_MIN.max(living),
                "{ghosts} ghosts beside {living} living"
            );
        }
        Ok(())
    }

    /// Strikes a job off the model: it must be there, and is never there twice.
    fn leave(&mut self, job: &Job) -> Result<(), TestCaseError> {
        let place = self.model.iter().position(|timer| timer.job.id == job.id);
        let Some(place) = place else {
            return Err(TestCaseError::fail(format!("{job:?} left the heap twice")));
        };
        self.model.remove(place);
        Ok(())
    }

    fn pop(&mut self) -> Result<(), TestCaseError> {
        let due = self.model.iter().filter(|timer| timer.deadline <= self.now);
        let expected = due
            .min_by_key(|timer| (timer.deadline, timer.job.id))
            .map(|timer| timer.job.id);
        let popped = self.timers.pop_due(Instant::from_nanos(self.now));
        prop_assert_eq!(popped.as_ref().map(|job| job.id), expected);
        if let Some(job) = popped {
            self.leave(&job)?;
            self.last_popped = Some(job);
        }
        Ok(())
    }

    fn take(&mut self) -> Result<(), TestCaseError> {
        for job in self.timers.take() {
            self.leave(&job)?;
        }
        prop_assert!(self.model.is_empty(), "lost: {:?}", self.model);
        Ok(())
    }

    fn compare(&self) -> Result<(), TestCaseError> {
        prop_assert_eq!(self.timers.len(), self.model.len());
        prop_assert_eq!(self.timers.is_empty(), self.model.is_empty());
        let earliest = self
            .model
            .iter()
            .map(|timer| Instant::from_nanos(timer.deadline))
            .min();
        prop_assert_eq!(self.timers.next_deadline(), earliest);
        let mut ids: Vec<_> = self.timers.iter().map(|job| job.id).collect();
        let mut expected: Vec<_> = self.model.iter().map(|timer| timer.job.id).collect();
        ids.sort_unstable();
        expected.sort_unstable();
        prop_assert_eq!(ids, expected);
        Ok(())
    }
}

proptest! {
    #[test]
    fn the_heap_and_the_list_never_differ(steps in steps()) {
        let mut pair = Pair::default();
        for step in steps {
            pair.apply(step)?;
        }
        // Whatever is left comes out once it is due, in order.
        pair.now += 1_000_000;
        while !pair.model.is_empty() {
            pair.pop()?;
        }
        prop_assert!(pair.timers.is_empty());
    }
}

/// Schedules a job that is cancelled through the flag it shares with the heap.
fn schedule(timers: &mut Timers<Job>, deadline: u64, id: usize) -> Job {
    let job = Job::new(id);
    timers.schedule(Instant::from_nanos(deadline), job.clone());
    job
}

fn cancel(timers: &mut Timers<Job>, job: &Job) -> Vec<Job> {
    job.is_cancelled.set(true);
    timers.note_cancelled().collect()
}

#[test]
fn a_timer_is_due_at_its_deadline_and_not_a_nanosecond_before() {
    let mut timers = Timers::default();
    schedule(&mut timers, 1_000, 0);
    assert!(timers.pop_due(Instant::from_nanos(999)).is_none());
    assert!(timers.pop_due(Instant::from_nanos(1_000)).is_some());
    assert!(timers.pop_due(Instant::NEVER).is_none());
}

#[test]
fn equal_deadlines_are_due_in_the_order_of_scheduling() {
    let mut timers = Timers::default();
    for id in 0..1_000 {
        schedule(&mut timers, 7, id);
    }
    let order: Vec<_> = std::iter::from_fn(|| timers.pop_due(Instant::from_nanos(7)))
        .map(|job| job.id)
        .collect();
    assert_eq!(order, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn timeouts_that_are_always_cancelled_leave_nothing_behind() {
    let mut timers = Timers::default();
    for id in 0..100_000 {
        let job = schedule(&mut timers, 1_000_000 + id as u64, id);
        assert_eq!(cancel(&mut timers, &job).len(), 1);
        assert!(timers.is_empty());
    }
}

#[test]
fn memory_is_bounded_when_each_timeout_outlives_the_next() {
    // Deadlines fall, so that a cancelled timer is never in the last place; ten more stay alive.
    let mut timers = Timers::default();
    for id in 0..10 {
        schedule(&mut timers, 2_000_000, id);
    }
    let mut previous = schedule(&mut timers, 1_000_000, 10);
    for id in 11..100_000usize {
        let next = schedule(&mut timers, 1_000_000 - id as u64, id);
        drop(cancel(&mut timers, &previous));
        assert!(
            timers.len() <= 11 + GHOSTS_MIN,
            "{} timers in the heap",
            timers.len()
        );
        previous = next;
    }
}

#[test]
fn ghosts_that_outlived_the_living_go_with_the_next_cancel() {
    let mut timers = Timers::default();
    for id in 0..1_000 {
        schedule(&mut timers, 1, id);
    }
    let late: Vec<_> = (0..900)
        .map(|id| schedule(&mut timers, 1_000, 1_000 + id))
        .collect();
    // Cancelled from the front, so that the last place is the last to be cancelled.
    for job in &late[..899] {
        drop(cancel(&mut timers, job));
    }
    while timers.pop_due(Instant::from_nanos(1)).is_some() {}
    assert_eq!(
        timers.len(),
        900,
        "the heap holds 899 ghosts and one living timer"
    );
    drop(cancel(&mut timers, &late[899]));
    assert!(timers.is_empty());
}

#[test]
fn what_leaves_the_heap_is_handed_out_and_never_dropped_inside() {
    let mut timers = Timers::default();
    let jobs: Vec<_> = (0..200)
        .map(|id| schedule(&mut timers, id as u64, id))
        .collect();
    // Each job is held twice: here, and by the heap or by whoever got it from there.
    let mut handed_out = Vec::new();
    for job in &jobs[..150] {
        handed_out.append(&mut cancel(&mut timers, job));
    }
    handed_out.extend(std::iter::from_fn(|| {
        timers.pop_due(Instant::from_nanos(170))
    }));
    handed_out.append(&mut timers.take());
    assert_eq!(handed_out.len(), 200);
    assert!(
        jobs.iter()
            .all(|job| Rc::strong_count(&job.is_cancelled) == 2)
    );
}
