//! How long a thread may answer on the spot before its loop has a turn.
//!
//! A coroutine that is answered at once goes on at once: one that reads a file from the page cache would keep its
//! loop from everything else until the end of the file. So what is done on the spot is added up, roughly, and
//! once it comes to about a quarter of a millisecond the next one gives way first. Turns that the loop has
//! taken meanwhile are not known here; to give way once too often costs a microsecond in some hundred.

use std::cell::Cell;

/// What may be spent, in units of about a microsecond.
const UNITS_MAX: u32 = 250;

/// How many bytes the kernel copies in one unit.
const BYTES_PER_UNIT: usize = 8192;

thread_local! {
    static SPENT: Cell<u32> = const { Cell::new(0) };
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
    let is_spent = SPENT.get() >= UNITS_MAX;
    if is_spent {
        SPENT.set(0);
    }
    is_spent
}
