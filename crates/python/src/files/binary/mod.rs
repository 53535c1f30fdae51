//! `BinaryFile`: an open file whose reads and writes are buffered.
//!
//! Every method is a [`Step`](operation::Step): it does what memory can answer, and asks for one thing at a time beyond that
//! ([`Need`](operation::Need)): to fill the window, to write what is held, to move bytes directly. The driver in [`operation`]
//! has the file get these ([`needs`]), on the spot from the page cache, or from the loop's file operations; it keeps the line in which
//! the methods of one file stand, and decides what becomes of an operation whose awaiter has gone. So no method
//! knows of futures, and none has a state to undo: a read moves the position only when it has everything.
//!
//! Plain files are read and written at offsets of our own; the kernel's cursor follows where somebody could see it
//! ([`State::show_cursor`](state::State::show_cursor)). What cannot seek, and what is appended to, uses the cursor.

mod access;
mod below;
mod checks;
mod chunks;
mod ending;
mod file;
mod line;
mod lines;
mod methods;
mod needs;
mod operation;
mod positional;
mod reading;
mod seeking;
mod state;
mod writing;

pub(crate) use access::Access;
pub(crate) use checks::{CLOSED_STOP, limit_of, unsupported};
pub(crate) use chunks::Chunks;
pub(crate) use ending::{Close, prepare};
pub(crate) use file::{BinaryFile, buffering_of};
pub(crate) use methods::FUNCTIONS;
pub(crate) use operation::{Answer, Need, Next, Operation, Step};
pub(crate) use reading::{Amount, Read};
pub(crate) use seeking::Seek;
pub(crate) use state::Buffering;
pub(crate) use writing::{Flush, Placed, Sync, Truncate};
