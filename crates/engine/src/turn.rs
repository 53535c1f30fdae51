//! One turn of the loop: the only order in which things happen. Loop thread only.
//!
//! 1. What other threads left in the inbox is scheduled.
//! 2. The deadline of the poll: zero if work is ready, else the earliest timer, else none.
//! 3. The poll. With work ready it is skipped, but not for longer than [`POLL_SKIP_MAX`], and not
//!    when a source has been watched since the last one.
//! 4. The watchers of ready sources are scheduled.
//! 5. Due timers are scheduled, in deadline order, never early.
//! 6. Exactly the work that is ready now runs; what it schedules waits for the next turn.
//! 7. Writes held back during the turn are flushed.

use std::time::Duration;

use rustix::io::Errno;

use crate::clock::{Clock, Instant};
use crate::reactor::Event;
use crate::ready::Ready;
use crate::timers::{Cancellable, Timers};

/// How long ready work may keep the loop from looking at its sources. A poll that finds nothing takes
/// some 220 ns, so that a chain of ready callbacks spends less than one part in a hundred on it.
pub const POLL_SKIP_MAX: Duration = Duration::from_micros(50);

/// What runs next and what runs later.
#[derive(Debug)]
pub struct Queues<W> {
    /// Runs next.
    pub ready: Ready<W>,
    /// Runs later.
    pub timers: Timers<W>,
    /// The loop ends after the turn that is under way.
    pub is_stopping: bool,
    /// The next turn polls, whatever is ready: a source was watched that may have something already,
    /// and whoever watched it expects to hear of that before what is scheduled from here on.
    pub polls_next: bool,
}

impl<W> Default for Queues<W> {
    fn default() -> Self {
        Self {
            ready: Ready::default(),
            timers: Timers::default(),
            is_stopping: false,
            polls_next: false,
        }
    }
}

/// Why a loop ended before it was told to stop.
#[derive(Debug)]
pub enum Exit<E> {
    /// Something that the host ran must end the loop.
    Host(E),
    /// The kernel refused the poll.
    Poll(Errno),
}

impl<E> From<E> for Exit<E> {
    fn from(error: E) -> Self {
        Self::Host(error)
    }
}

/// The owner of a loop: it holds the queues and knows how to run what is in them.
pub trait Host {
    /// What is queued.
    type Work: Cancellable;
    /// What can end the loop.
    type Error;

    /// The loop's clock.
    fn clock(&self) -> &dyn Clock;
    /// Lends the queues. `access` must not run or drop anything that could ask for them again.
    fn queues<R>(&self, access: impl FnOnce(&mut Queues<Self::Work>) -> R) -> R;
    /// Schedules what other threads have left.
    fn collect_inbox(&self) -> Result<(), Self::Error>;
    /// Polls without waiting.
    fn poll(&self, events: &mut Vec<Event>) -> Result<(), Errno>;
    /// Polls, letting other threads run, until an event, a wake-up or the timeout.
    ///
    /// Must not wait if work has been scheduled by another thread since the queues were last seen.
    fn park(&self, events: &mut Vec<Event>, timeout: Option<Duration>) -> Result<(), Errno>;
    /// Schedules the watchers of `events`. Called after every poll, also one without events.
    fn dispatch(&self, events: &[Event]) -> Result<(), Self::Error>;
    /// Runs one piece of work.
    fn run(&self, work: Self::Work) -> Result<(), Self::Error>;
    /// Writes out what was held back.
    fn flush(&self) -> Result<(), Self::Error>;
}

enum Plan {
    Skip,
    Poll,
    Park(Option<Instant>),
}

/// Runs turns until the queues say that the loop is stopping; always at least one.
pub fn run<H: Host>(host: &H) -> Result<(), Exit<H::Error>> {
    let mut events = Vec::new();
    let mut polled_at = Instant::ORIGIN;
    loop {
        turn(host, &mut events, &mut polled_at)?;
        if host.queues(|queues| queues.is_stopping) {
            return Ok(());
        }
    }
}

fn turn<H: Host>(
    host: &H,
    events: &mut Vec<Event>,
    polled_at: &mut Instant,
) -> Result<(), Exit<H::Error>> {
    host.collect_inbox()?;
    let mut now = host.clock().now();
    let plan = host.queues(|queues| plan(queues, now, now.since(*polled_at)));
    match plan {
        Plan::Skip => {}
        Plan::Poll => poll(host, events, polled_at, now, |events| host.poll(events))?,
        Plan::Park(deadline) => {
            let timeout = deadline.map(|deadline| host.clock().until(deadline));
            let polled = poll(host, events, polled_at, now, |events| {
                host.park(events, timeout)
            });
            now = host.clock().now();
            *polled_at = now;
            polled?;
        }
    }
    let batch = host.queues(|queues| schedule_due(queues, now));
    for _ in 0..batch {
        // The queue is shorter than the batch only if what ran has closed the loop.
        let Some(work) = host.queues(|queues| queues.ready.pop()) else {
            break;
        };
        host.run(work)?;
    }
    host.flush()?;
    Ok(())
}

fn plan<W: Cancellable>(queues: &mut Queues<W>, now: Instant, since_poll: Duration) -> Plan {
    let deadline = queues
        .timers
        .next_deadline()
        .filter(|deadline| *deadline != Instant::NEVER);
    // A timer that is due is as good as ready: a chain of them must not cost a poll for each.
    let is_due = deadline.is_some_and(|deadline| deadline <= now);
    let polls = std::mem::take(&mut queues.polls_next) || since_poll >= POLL_SKIP_MAX;
    if queues.ready.is_empty() && !is_due && !queues.is_stopping {
        Plan::Park(deadline)
    } else if polls {
        Plan::Poll
    } else {
        Plan::Skip
    }
}

fn poll<H: Host>(
    host: &H,
    events: &mut Vec<Event>,
    polled_at: &mut Instant,
    now: Instant,
    wait: impl FnOnce(&mut Vec<Event>) -> Result<(), Errno>,
) -> Result<(), Exit<H::Error>> {
    *polled_at = now;
    wait(events).map_err(Exit::Poll)?;
    host.dispatch(events)?;
    Ok(())
}

/// Moves what is due into the ready queue and says how long the batch is.
fn schedule_due<W: Cancellable>(queues: &mut Queues<W>, now: Instant) -> usize {
    while let Some(work) = queues.timers.pop_due(now) {
        queues.ready.schedule(work);
    }
    queues.ready.len()
}
