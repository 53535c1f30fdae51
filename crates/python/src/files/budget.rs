//! How long a thread may answer on the spot before its loop has a turn.
//!
//! A coroutine that is answered at once goes on at once: one that reads a file from the page cache would keep its
//! loop from everything else until the end of the file. So once a tenth of a millisecond has gone by since
//! somebody gave way, the next one gives way first. The clock is not asked each time, but when what was done on the
//! spot since then, added up roughly, may have taken long. Turns that the loop has taken meanwhile are not
//! known here; to give way once too often costs a microsecond.

use std::cell::Cell;
use std::time::{Duration, Instant};

/// What may go by. A task that sleeps meanwhile wakes late by two or three times as much: its timer waits for the next
/// turn, and the task for the one after that.
const PATIENCE: Duration = Duration::from_micros(100);

/// What may be done before the clock is asked, in units of about a microsecond. Between two of them there may be
/// ten times as much of Python: the lines of a chunk, for one.
const UNITS_MAX: u32 = 4;

/// How many bytes the kernel copies in one unit.
const BYTES_PER_UNIT: usize = 8192;

thread_local! {
    static SPENT: Cell<u32> = const { Cell::new(0) };
    static BEGAN: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Adds a system call that has moved so many bytes.
#[inline]
pub(super) fn spend(bytes: usize) {
    let units = u32::try_from(1 + bytes / BYTES_PER_UNIT).unwrap_or(UNITS_MAX);
    SPENT.set(SPENT.get().saturating_add(units));
}

/// Whether the next one should give way first. Asked once: whoever is told so does it.
#[inline]
pub(super) fn is_spent() -> bool {
    SPENT.get() >= UNITS_MAX && has_been_long()
}

/// Asks the clock.
#[cold]
fn has_been_long() -> bool {
    SPENT.set(0);
    let now = Instant::now();
    let has_been_long = BEGAN
        .get()
        .is_none_or(|began| now.duration_since(began) >= PATIENCE);
    if has_been_long {
        BEGAN.set(Some(now));
    }
    has_been_long
}
