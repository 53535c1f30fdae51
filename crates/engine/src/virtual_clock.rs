//! A clock that stands still until it is moved: by hand, or by the loops themselves when all of them have nothing to do.
//!
//! Each loop sees the clock through a [`VirtualTime`] of its own, and several loops, in as many threads,
//! may share one [`VirtualClock`]. A loop that has nothing to do polls once more, for as long as the
//! jump threshold says; if nothing came it *settles*. Once every loop that is running has settled, the
//! clock jumps to the earliest of their deadlines.
//!
//! That no loop has anything to do must be true of all of them at one moment, and each can only tell
//! of itself. Hence the rounds: a loop that worked before it settled begins a new round, since it may
//! have given work to another one, which then has to poll again and settle in this round too. Only a poll
//! that began in the round counts. The clock jumps when all have settled in the same round: then each has
//! found nothing after the last of them worked.
//!
//! What a thread does for a loop takes no virtual time: while one works, the loop polls for longer, up to
//! [`HOLD_MAX`], before it settles. Not without end, or a thread that itself waits for the loop would stop the clock.
//!
//! Any thread may move the clock. Nothing is called and nothing dropped while its lock is held.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::clock::{Calm, Clock, Instant, Rest};
use crate::sync::{Mutex, MutexGuard, lock};
use crate::waker::Bell;

/// How long, in real time, a loop waits for threads that work for it before its clock may jump all the same. Long
/// for a call that is made in a test, and short for whoever finds out that a thread of theirs never ends.
pub const HOLD_MAX: Duration = Duration::from_secs(1);

/// Rings for the threads that have to look at the clock again; nobody's lock is held meanwhile.
type Bells = Vec<Arc<dyn Bell>>;

/// The time that loops share, and what they do while it stands still.
#[derive(Debug)]
pub struct VirtualClock {
    /// Nanoseconds since the origin. Written under the lock only, so that it never goes back.
    now_ns: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// How long, in real time, a loop polls before it settles; None: the clock never jumps.
    jump_threshold: Option<Duration>,
    /// One more whenever a loop settles that has worked, or leaves.
    round: u64,
    /// The loops that are running.
    loops: Vec<Participant>,
    /// Names the next loop.
    next_id: u64,
}

impl std::fmt::Debug for State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("State")
            .field("jump_threshold", &self.jump_threshold)
            .field("round", &self.round)
            .field("loops", &self.loops.len())
            .finish_non_exhaustive()
    }
}

/// A loop that is running.
struct Participant {
    id: u64,
    bell: Arc<dyn Bell>,
    /// Whether it has worked since it settled last.
    has_worked: bool,
    /// The round in which its last poll began.
    polled_in: u64,
    activity: Activity,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Activity {
    /// It works, or is about to look whether there is any work.
    Busy,
    /// It polls.
    Polling,
    /// It sleeps, having found nothing in this round, until something happens or the clock has reached its deadline.
    Settled {
        round: u64,
        deadline: Option<Instant>,
    },
}

impl VirtualClock {
    /// A clock that stands at `start`. See [`set_jump_threshold`](Self::set_jump_threshold).
    #[must_use]
    pub fn new(start: Instant, jump_threshold: Option<Duration>) -> Self {
        Self {
            now_ns: AtomicU64::new(start.as_nanos()),
            state: Mutex::new(State {
                jump_threshold,
                round: 0,
                loops: Vec::new(),
                next_id: 0,
            }),
        }
    }

    /// The time that it is now.
    #[must_use]
    pub fn now(&self) -> Instant {
        Instant::from_nanos(self.now_ns.load(Ordering::Acquire))
    }

    /// Moves the clock on by `seconds`, to the first instant that is not before the sum. A timer that was
    /// set for `seconds` from now is due then, whatever the sum of two doubles comes to.
    ///
    /// Refused is what would move it back, or to where no deadline can be.
    pub fn advance(&self, seconds: f64) -> Result<(), OutOfRange> {
        if seconds.is_nan() || seconds < 0.0 {
            return Err(OutOfRange);
        }
        let state = lock(&self.state);
        let then = Instant::at_or_after_seconds(self.now().as_seconds() + seconds);
        if then == Instant::NEVER {
            return Err(OutOfRange);
        }
        self.move_to(then);
        ring(state.sleepers(), state);
        Ok(())
    }

    /// How long nothing has to happen, in real time, before the clock jumps.
    #[must_use]
    pub fn jump_threshold(&self) -> Option<Duration> {
        lock(&self.state).jump_threshold
    }

    /// Sets how long nothing has to happen, in real time, before the clock jumps; with None it never does.
    pub fn set_jump_threshold(&self, threshold: Option<Duration>) {
        let mut state = lock(&self.state);
        state.jump_threshold = threshold;
        ring(state.sleepers(), state);
    }

    /// To be called with the lock held.
    fn move_to(&self, then: Instant) {
        self.now_ns.fetch_max(then.as_nanos(), Ordering::Release);
    }
}

/// What a clock cannot be moved by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfRange;

/// Rings once the lock is free again, for whoever is woken wants it next.
fn ring(bells: Bells, unlocked: MutexGuard<'_, State>) {
    drop(unlocked);
    bells.iter().for_each(|bell| bell.ring());
}

impl State {
    fn participant(&mut self, id: u64) -> Option<&mut Participant> {
        self.loops
            .iter_mut()
            .find(|participant| participant.id == id)
    }

    /// The bells of all loops whose threads may be asleep.
    fn sleepers(&self) -> Bells {
        self.bells_of(|activity| activity != Activity::Busy)
    }

    fn bells_of(&self, chosen: impl Fn(Activity) -> bool) -> Bells {
        self.loops
            .iter()
            .filter(|participant| chosen(participant.activity))
            .map(|participant| Arc::clone(&participant.bell))
            .collect()
    }

    /// Notes that a loop has found nothing to do, and returns the time that this ends, if it is the last one.
    fn settle(&mut self, id: u64, deadline: Option<Instant>) -> Option<Instant> {
        let round = self.round;
        let participant = self.participant(id)?;
        let round = round + u64::from(std::mem::take(&mut participant.has_worked));
        participant.activity = Activity::Settled { round, deadline };
        participant.polled_in = round;
        self.round = round;
        let mut earliest = None;
        for participant in &self.loops {
            match participant.activity {
                Activity::Settled { round, deadline } if round == self.round => {
                    earliest = earliest.into_iter().chain(deadline).min();
                }
                _ => return None,
            }
        }
        earliest
    }
}

/// A [`VirtualClock`] as one loop sees it.
pub struct VirtualTime {
    clock: Arc<VirtualClock>,
    bell: Arc<dyn Bell>,
    id: u64,
    /// How many threads work for the loop.
    holds: AtomicUsize,
}

impl VirtualTime {
    /// The time of `clock` for the loop whose poll `bell` ends.
    pub fn new(clock: Arc<VirtualClock>, bell: Arc<dyn Bell>) -> Self {
        let mut state = lock(&clock.state);
        let id = state.next_id;
        state.next_id += 1;
        drop(state);
        Self {
            clock,
            bell,
            id,
            holds: AtomicUsize::new(0),
        }
    }

    fn set_activity(&self, activity: Activity) {
        if let Some(participant) = lock(&self.clock.state).participant(self.id) {
            participant.activity = activity;
        }
    }

    /// The poll of this loop found nothing: the last loop of which that is true moves the clock.
    fn settle(&self, mut state: MutexGuard<'_, State>, deadline: Option<Instant>) -> Rest {
        if let Some(then) = state.settle(self.id, deadline) {
            self.clock.move_to(then);
        }
        let (now, round) = (self.clock.now(), state.round);
        let is_due = |deadline: Option<Instant>| deadline.is_some_and(|deadline| deadline <= now);
        let is_over = is_due(deadline);
        if is_over && let Some(participant) = state.participant(self.id) {
            participant.activity = Activity::Busy;
        }
        let woken = state.bells_of(|activity| match activity {
            Activity::Settled {
                round: settled_in,
                deadline,
            } => settled_in != round || is_due(deadline),
            _ => false,
        });
        ring(woken, state);
        if is_over {
            Rest::Over
        } else {
            Rest::Sleep(None)
        }
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn stands_still(&self) -> bool {
        true
    }

    fn enter(&self) {
        lock(&self.clock.state).loops.push(Participant {
            id: self.id,
            bell: Arc::clone(&self.bell),
            has_worked: true,
            polled_in: 0,
            activity: Activity::Busy,
        });
    }

    fn leave(&self) {
        let mut state = lock(&self.clock.state);
        let left = state
            .loops
            .extract_if(.., |participant| participant.id == self.id)
            .collect::<Vec<_>>();
        // It may be the one that the others waited for, and may have left work for any of them.
        state.round += 1;
        ring(state.sleepers(), state);
        drop(left);
    }

    fn rest(&self, deadline: Option<Instant>, calm: Calm) -> Rest {
        let mut state = lock(&self.clock.state);
        if deadline.is_some_and(|deadline| deadline <= self.clock.now()) {
            return Rest::Over;
        }
        let mut threshold = state.jump_threshold;
        if self.holds.load(Ordering::Relaxed) > 0 {
            threshold = threshold.map(|threshold| threshold.max(HOLD_MAX));
        }
        let round = state.round;
        let Some(participant) = state.participant(self.id) else {
            return Rest::Sleep(threshold);
        };
        if calm == Calm::Quiet && threshold.is_some() && participant.polled_in == round {
            return self.settle(state, deadline);
        }
        participant.activity = Activity::Polling;
        participant.polled_in = round;
        participant.has_worked |= calm == Calm::Worked;
        Rest::Sleep(threshold)
    }

    fn stir(&self) {
        self.set_activity(Activity::Busy);
    }

    fn hold(&self) {
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    fn release(&self) {
        let left = self.holds.load(Ordering::Relaxed).saturating_sub(1);
        self.holds.store(left, Ordering::Relaxed);
    }
}
