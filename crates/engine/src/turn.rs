//! One turn of the loop: the only order in which things happen. Loop thread only.
//!
//! 1. What other threads left in the inbox is scheduled.
//! 2. The deadline of the poll: zero if work is ready, else the earliest timer, else none.
//! 3. The poll. With work ready it is skipped, but not for longer than [`POLL_SKIP_MAX`], and not
//!    when a source has been watched since the last one. On a clock that may stand still it is never
//!    skipped: time would not say for how long. Turns in quick succession leave the clock alone, for no more
//!    than [`UNTIMED_WORK_MAX`] pieces of work: then a poll is skipped for that much longer. A timer that was set for a time
//!    which its owner had just read is as good as ready.
//! 4. The watchers of ready sources are scheduled.
//! 5. Due timers are scheduled, in deadline order, never early.
//! 6. Exactly the work that is ready now runs; what it schedules waits for the next turn.
//! 7. Writes held back during the turn are flushed.

use std::time::Duration;

use rustix::io::Errno;

use crate::clock::{Calm, Clock, Instant, Rest};
use crate::reactor::Event;
use crate::ready::Ready;
use crate::timers::{Cancellable, Timers};

/// How long ready work may keep the loop from looking at its sources. A poll that finds nothing takes
/// some 220 ns, so that a chain of ready callbacks spends less than one part in a hundred on it.
pub const POLL_SKIP_MAX: Duration = Duration::from_micros(50);

/// How much work may run before the clock is read again. A program in which so much is ready at a time has its
/// sources and timers wait for that much in any case. Reading the clock takes some 20 ns, a tenth of a turn with
/// one step of a task in it.
pub const UNTIMED_WORK_MAX: usize = 8;

/// A timer that is no further than this from the time that is known has the clock read in every turn.
pub const TIMER_NEAR: Duration = Duration::from_millis(1);

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
    /// The next turn reads the clock: a timer was set that may be due by then, and that is nearer than
    /// [`TIMER_NEAR`] to a time which is not known here.
    pub times_next: bool,
    /// A time that the loop's clock has shown already, to whoever set a timer for it: that timer is due, and the next turn
    /// need not read the clock for it.
    pub seen: Instant,
}

impl<W> Default for Queues<W> {
    fn default() -> Self {
        Self {
            ready: Ready::default(),
            timers: Timers::default(),
            is_stopping: false,
            polls_next: false,
            times_next: false,
            seen: Instant::ORIGIN,
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
    /// Whether the time may be another in every turn, however quick that is. On a clock that may stand still it always may.
    fn times_every_turn(&self) -> bool {
        false
    }
    /// The time that timers go by, when the clock shows `now`: the same, unless the owner knows another time.
    fn due(&self, now: Instant) -> Result<Instant, Self::Error> {
        Ok(now)
    }
    /// There is nothing to do until `deadline`: how long may the thread sleep?
    fn rest(&self, deadline: Option<Instant>, calm: Calm) -> Result<Rest, Self::Error> {
        Ok(self.clock().rest(deadline, calm))
    }
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

/// What the turns of one run know of each other.
struct Run {
    events: Vec<Event>,
    polled_at: Instant,
    /// When the clock was read last.
    timed_at: Instant,
    /// How much work may run until it has to be read again.
    untimed_work: usize,
    /// How long the poll may be skipped on this loop's clock.
    poll_skip_max: Duration,
    /// What has happened since the loop last had nothing to do.
    calm: Calm,
}

impl Run {
    fn on(clock: &dyn Clock) -> Self {
        Self {
            events: Vec::new(),
            polled_at: Instant::ORIGIN,
            timed_at: Instant::ORIGIN,
            untimed_work: 0,
            poll_skip_max: if clock.stands_still() {
                Duration::ZERO
            } else {
                POLL_SKIP_MAX
            },
            calm: Calm::Worked,
        }
    }

    /// Notes the time. Work that has taken long has the clock read in the next turn, too.
    fn note_time(&mut self, now: Instant) {
        self.untimed_work = if now.since(self.timed_at) < POLL_SKIP_MAX {
            UNTIMED_WORK_MAX
        } else {
            0
        };
        self.timed_at = now;
    }

    /// The length of the batch, if a turn can do without the time: work is ready, or a single timer that is known to be due,
    /// and nothing else is to be expected.
    #[inline]
    fn untimed_batch<W: Cancellable>(&mut self, queues: &mut Queues<W>) -> Option<usize> {
        let mut next = queues.timers.next_deadline();
        let is_due = next.is_some_and(|deadline| deadline <= queues.seen);
        if is_due {
            next = queues.timers.second_deadline();
        }
        let batch = queues.ready.len() + usize::from(is_due);
        let left = self.untimed_work.checked_sub(batch)?;
        let is_near = |deadline: Instant| deadline.since(self.timed_at) <= TIMER_NEAR;
        if batch == 0 || queues.times_next || queues.polls_next || next.is_some_and(is_near) {
            queues.times_next = false;
            return None;
        }
        if is_due && let Some(work) = queues.timers.pop_due(queues.seen) {
            queues.ready.schedule(work);
        }
        self.untimed_work = left;
        Some(batch)
    }
}

/// A loop that its clock knows to be running.
struct OnClock<'a>(&'a dyn Clock);

impl Drop for OnClock<'_> {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// Runs one turn, the first of a run.
pub fn run_once<H: Host>(host: &H) -> Result<(), Exit<H::Error>> {
    let clock = host.clock();
    clock.enter();
    let _on_clock = OnClock(clock);
    turn(host, &mut Run::on(clock)).map(drop)
}

/// Runs turns until the queues say that the loop is stopping; always at least one.
pub fn run<H: Host>(host: &H) -> Result<(), Exit<H::Error>> {
    let clock = host.clock();
    clock.enter();
    let _on_clock = OnClock(clock);
    let mut run = Run::on(clock);
    while !turn(host, &mut run)? {}
    Ok(())
}

/// Runs one turn, and says whether the loop is stopping.
#[inline]
fn turn<H: Host>(host: &H, run: &mut Run) -> Result<bool, Exit<H::Error>> {
    host.collect_inbox()?;
    let untimed = if run.poll_skip_max.is_zero() || host.times_every_turn() {
        None
    } else {
        host.queues(|queues| run.untimed_batch(queues))
    };
    let batch = match untimed {
        Some(batch) => batch,
        None => timed_batch(host, run)?,
    };
    if batch > 0 {
        run.calm = Calm::Worked;
    }
    for _ in 0..batch {
        // The queue is shorter than the batch only if what ran has closed the loop.
        let Some(work) = host.queues(|queues| queues.ready.pop()) else {
            break;
        };
        host.run(work)?;
    }
    host.flush()?;
    let is_stopping = host.queues(|queues| {
        queues.ready.trim();
        queues.is_stopping
    });
    Ok(is_stopping)
}

/// Polls or skips that, and says how long the batch is.
#[inline(never)]
fn timed_batch<H: Host>(host: &H, run: &mut Run) -> Result<usize, Exit<H::Error>> {
    let now = host.clock().now();
    run.note_time(now);
    let mut due = host.due(now)?;
    match host.queues(|queues| plan(queues, now, due, run)) {
        Plan::Skip => {}
        Plan::Poll => {
            run.polled_at = now;
            host.poll(&mut run.events).map_err(Exit::Poll)?;
            host.dispatch(&run.events)?;
        }
        Plan::Park(deadline) => {
            let rested = rest(host, run, deadline);
            run.polled_at = host.clock().now();
            run.note_time(run.polled_at);
            rested?;
            due = host.due(run.polled_at)?;
        }
    }
    Ok(host.queues(|queues| schedule_due(queues, due)))
}

fn plan<W: Cancellable>(queues: &mut Queues<W>, now: Instant, due: Instant, run: &Run) -> Plan {
    // A clock may jump to the next deadline: to that of a timer which still counts.
    while run.calm == Calm::Quiet
        && let Some(ghost) = queues.timers.pop_ghost()
    {
        queues.ready.schedule(ghost);
    }
    let deadline = queues
        .timers
        .next_deadline()
        .filter(|deadline| *deadline != Instant::NEVER);
    // A timer that is due is as good as ready: a chain of them must not cost a poll for each.
    let is_due = deadline.is_some_and(|deadline| deadline <= due);
    let since_poll = now.since(run.polled_at);
    let polls = std::mem::take(&mut queues.polls_next) || since_poll >= run.poll_skip_max;
    if queues.ready.is_empty() && !is_due && !queues.is_stopping {
        Plan::Park(deadline)
    } else if polls {
        Plan::Poll
    } else {
        Plan::Skip
    }
}

/// Sleeps until something happens or `deadline` has been reached, as the clock says.
fn rest<H: Host>(host: &H, run: &mut Run, deadline: Option<Instant>) -> Result<(), Exit<H::Error>> {
    let Rest::Sleep(timeout) = host.rest(deadline, run.calm)? else {
        return Ok(());
    };
    let parked = host.park(&mut run.events, timeout);
    host.clock().stir();
    parked.map_err(Exit::Poll)?;
    run.calm = if run.events.is_empty() {
        Calm::Quiet
    } else {
        Calm::Stirred
    };
    host.dispatch(&run.events)?;
    Ok(())
}

/// Moves what is due into the ready queue and says how long the batch is.
fn schedule_due<W: Cancellable>(queues: &mut Queues<W>, due: Instant) -> usize {
    while let Some(work) = queues.timers.pop_due(due) {
        queues.ready.schedule(work);
    }
    queues.ready.len()
}
