//! How long a thread may answer on the spot before its loop has a turn.
//!
//! A coroutine that is answered at once goes on at once: one that reads a file from the page cache would keep its
//! loop from everything else until the end of the file, and a hundred that begin in one turn would make that turn a hundred
//! times as long. So the turns of a thread's loop share a budget: once it is spent, whoever asks gives way, until the
//! first of those comes back, which is in the next turn. The clock is not asked each time, but when what was done on the
//! spot, added up roughly, may have taken long. Turns in which nobody gave way are not known here; to give way once
//! too often costs a microsecond.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What one turn may spend. A task that sleeps meanwhile wakes late by two or three times as much: its timer waits for the
/// next turn, and the task for the one after that.
const PATIENCE: Duration = Duration::from_micros(60);

/// What it may spend more for each that gave way in the turn before: to give way and come back costs as much, which
/// would else be most of what is done once very many want to be answered.
const PATIENCE_FOR_EACH: Duration = Duration::from_nanos(500);

/// What may be done before the clock is asked, in units of about a microsecond. Between two of them there may be
/// ten times as much of Python: the lines of a chunk, for one.
const UNITS_MAX: u32 = 4;

/// How many bytes the kernel copies in one unit.
const BYTES_PER_UNIT: usize = 8192;

/// The budget of a thread.
struct Budget {
    /// What has been done since the clock was asked, in units.
    units: Cell<u32>,
    began: Cell<Option<Instant>>,
    patience: Cell<Duration>,
    is_spent: Cell<bool>,
    /// How often it was renewed.
    round: Cell<u64>,
    /// How many have given way since.
    gave_way: Cell<u32>,
}

thread_local! {
    static BUDGET: Budget = const {
        Budget {
            units: Cell::new(0),
            began: Cell::new(None),
            patience: Cell::new(PATIENCE),
            is_spent: Cell::new(false),
            round: Cell::new(0),
            gave_way: Cell::new(0),
        }
    };
}

/// Adds a system call that has moved so many bytes.
#[inline]
pub(super) fn spend(bytes: usize) {
    let units = u32::try_from(1 + bytes / BYTES_PER_UNIT).unwrap_or(UNITS_MAX);
    BUDGET.with(|budget| budget.units.set(budget.units.get().saturating_add(units)));
}

/// Whether nobody is answered on the spot any more in this turn: whoever is told so [gives way](give_way).
#[inline]
pub(super) fn is_spent() -> bool {
    BUDGET.with(|budget| {
        budget.is_spent.get() || (budget.units.get() >= UNITS_MAX && budget.has_been_long())
    })
}

/// To be told by whoever gives way, and [comes back](Round::end) by this.
pub(super) fn give_way() -> Round {
    BUDGET.with(|budget| {
        budget.gave_way.set(budget.gave_way.get().saturating_add(1));
        Round(budget.round.get())
    })
}

/// When somebody gave way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round(u64);

impl Round {
    /// Comes back, however it is, in a later turn: the first to do so renews the budget.
    pub(super) fn end(self) {
        BUDGET.with(|budget| {
            if budget.round.get() == self.0 {
                budget.renew();
            }
        });
    }
}

impl Budget {
    /// Asks the clock.
    #[cold]
    fn has_been_long(&self) -> bool {
        self.units.set(0);
        let now = Instant::now();
        let began = self.began.get();
        let has_been_long =
            began.is_none_or(|began| now.duration_since(began) >= self.patience.get());
        self.is_spent.set(has_been_long);
        has_been_long
    }

    fn renew(&self) {
        let for_all = PATIENCE_FOR_EACH.saturating_mul(self.gave_way.replace(0));
        self.patience.set(PATIENCE.saturating_add(for_all));
        self.round.set(self.round.get().wrapping_add(1));
        self.is_spent.set(false);
        self.units.set(0);
        self.began.set(Some(Instant::now()));
    }
}
