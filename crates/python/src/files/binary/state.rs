//! What a binary file remembers between two calls.

use aioxide_engine::files::{At, File, HeldWrites, ReadAhead, Window};
use rustix::fs::SeekFrom;
use rustix::io::Errno;

use super::access::Access;
use super::needs::Work;

/// How many bytes a buffered file holds back, and how many the first read ahead brings.
const HELD_MAX: usize = 128 * 1024;
const AHEAD_LEAST: usize = 8 * 1024;
/// As many lines as are in this are handed out before the loop has its turn: a twelfth of a millisecond's, in text.
const AHEAD_MOST: usize = 16 * 1024;

/// Whether a file is open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Its descriptor is being given back: nothing else begins.
    Closing,
    Closed,
}

/// How a file is buffered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Buffering {
    /// Not at all.
    None,
    /// As we think best.
    Usual,
    /// With so many bytes.
    Bytes(usize),
}

/// The state of a file. Nothing in it runs Python's code.
pub(crate) struct State {
    pub(super) file: File,
    /// What was read ahead, and the position: that of the first byte that is held, if any is.
    pub(super) window: Window,
    /// What was written and has not gone to the kernel. If there is anything, the window is empty.
    pub(super) held: HeldWrites,
    /// An operation that nobody waits for any more, and that has to end before another begins.
    pub(super) left: Option<Work>,
    /// A read of what has no positions that nobody waits for any more: its bytes are the next.
    pub(super) left_fill: Option<Work>,
    /// Whether what was held is on its way.
    pub(super) is_flushing: bool,
    pub(super) phase: Phase,
    /// Whether what is written goes where the cursor is, although the file has positions: some in `/proc` are so.
    pub(super) writes_at_cursor: bool,
    /// Where the kernel's cursor is, if it is known.
    pub(super) cursor: Option<u64>,
    /// An error that a cancelled `fsync` has met, for the next one.
    pub(super) unreported: Option<Errno>,
}

impl State {
    /// A file at the place where its cursor is, or at its end if it is appended to; and whether it can seek.
    pub(super) fn new(file: File, access: Access, buffering: Buffering) -> (Self, bool) {
        let origin = if access.appends {
            SeekFrom::End(0)
        } else {
            SeekFrom::Current(0)
        };
        let cursor = file.with(|fd| rustix::fs::seek(fd, origin)).ok();
        let (held, ahead) = match buffering {
            Buffering::None => (0, ReadAhead::new(AHEAD_LEAST, AHEAD_MOST)),
            Buffering::Usual => (HELD_MAX, ReadAhead::new(AHEAD_LEAST, AHEAD_MOST)),
            Buffering::Bytes(size) => (size, ReadAhead::new(size, size)),
        };
        let state = Self {
            file,
            window: Window::new(cursor.unwrap_or(0), ahead),
            held: HeldWrites::new(held),
            left: None,
            left_fill: None,
            is_flushing: false,
            phase: Phase::Open,
            writes_at_cursor: false,
            cursor,
            unreported: None,
        };
        (state, cursor.is_some())
    }

    /// Where the next read or write begins, for the user.
    pub(super) fn position(&self) -> u64 {
        self.window.position() + self.held.len() as u64
    }

    /// Whether something was written that the kernel does not have yet.
    pub(super) fn has_unwritten(&self) -> bool {
        self.is_flushing || !self.held.is_empty()
    }

    /// Takes note that the first `done` bytes at the position have been written.
    pub(super) fn note_written(&mut self, done: usize, appends: bool) {
        let begin = self.window.position();
        let mut end = begin + done as u64;
        if (appends || self.writes_at_cursor) && done > 0 {
            // Others may have appended, too: only the kernel knows where these bytes went.
            self.cursor = self.file.with(|fd| rustix::fs::tell(fd)).ok();
            end = self.cursor.unwrap_or(end);
        }
        self.window.move_to(end);
    }

    /// Moves the kernel's cursor to the position, for those who see the descriptor.
    pub(super) fn show_cursor(&mut self) {
        let position = self.window.position();
        if self.cursor.is_some_and(|cursor| cursor != position) {
            let target = SeekFrom::Start(position);
            self.cursor = self.file.with(|fd| rustix::fs::seek(fd, target)).ok();
        }
    }

    /// Where a read of what follows the window begins.
    pub(super) fn read_at(&self, is_seekable: bool) -> At {
        if is_seekable {
            At::Offset(self.window.edge())
        } else {
            At::Cursor
        }
    }

    /// Where what is held, or is not to be held, goes.
    pub(super) fn write_at(&self, is_seekable: bool, appends: bool) -> At {
        if is_seekable && !appends && !self.writes_at_cursor {
            At::Offset(self.window.position())
        } else {
            At::Cursor
        }
    }
}
