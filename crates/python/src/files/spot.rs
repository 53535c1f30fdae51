//! Reads on the spot, straight into the memory that the user gets: as far as the page cache goes.

use aioxide_engine::files::{At, File, try_read};
use aioxide_engine::sockets::Attempt;
use pyo3::prelude::*;
use rustix::io::Errno;

use super::budget;
use crate::raw::file_memory::FileMemory;

/// More than this is not copied while the loop waits.
const SPOT_MAX: usize = 2 * 1024 * 1024;

/// So much is copied before others are asked whether they want their turn.
const PIECE: usize = 64 * 1024;

/// What has come of it.
pub(super) enum Spot {
    /// So many bytes are there: all, or all that the file has.
    Complete(usize),
    /// So many are there; the rest has to be waited for.
    Partial(usize),
    /// So many are there; others should have their turn before the rest.
    Tired(usize),
}

/// Fills `memory`, whose first byte belongs at `offset` and of which `done` bytes are there, to its end or the file's.
pub(super) fn read(
    py: Python<'_>,
    file: &File,
    memory: &mut FileMemory,
    offset: u64,
    mut done: usize,
) -> Result<Spot, Errno> {
    loop {
        let room = match memory {
            FileMemory::Own(_) => return Ok(Spot::Partial(done)),
            FileMemory::Fresh(bytes) => bytes.room(py, done),
            FileMemory::View(view) => view.room(py, done),
        };
        if room.is_empty() {
            return Ok(Spot::Complete(done));
        }
        if room.len() > SPOT_MAX {
            return Ok(Spot::Partial(done));
        }
        let at = At::Offset(offset.saturating_add(done as u64));
        let length = room.len().min(PIECE);
        match try_read(file, &mut room[..length], at) {
            Ok(Attempt::Done(0)) => return Ok(Spot::Complete(done)),
            Ok(Attempt::Done(count)) => {
                budget::spend(count);
                done += count;
                if count == PIECE && budget::is_spent() {
                    return Ok(Spot::Tired(done));
                }
            }
            Ok(Attempt::WouldBlock) => return Ok(Spot::Partial(done)),
            // What is there is told first: the error comes again with the next read.
            Err(_) if done > 0 => return Ok(Spot::Complete(done)),
            Err(errno) => return Err(errno),
        }
    }
}
