//! What was read of a file before anybody asked for it: bytes around the place where the next read begins.
//!
//! It does no I/O but [`fill_now`](Window::fill_now). What has been skipped stays until the window is filled again, so that
//! a step back costs nothing. How much is read ahead grows while reads follow each other, up to a limit, and
//! falls back when one begins elsewhere: who reads here and there should not pay for what he does not want.

use std::io::BufRead;

use rustix::io::Errno;

use super::attempts::try_append;
use super::file::File;
use super::operation::At;
use crate::sockets::Attempt;

/// How much to read ahead.
#[derive(Clone, Copy, Debug)]
pub struct ReadAhead {
    /// What the first read brings, in bytes.
    least: usize,
    /// What it grows to.
    most: usize,
    /// What the next one brings.
    next: usize,
    /// Where the next one begins if reads follow each other.
    follows: u64,
}

impl ReadAhead {
    /// Begins with `least` bytes, and grows up to `most`.
    #[must_use]
    pub fn new(least: usize, most: usize) -> Self {
        let least = least.max(1);
        Self {
            least,
            most: most.max(least),
            next: least,
            follows: 0,
        }
    }

    /// How many bytes to read from `offset` on.
    #[must_use]
    pub fn size(&self, offset: u64) -> usize {
        if offset == self.follows {
            self.next
        } else {
            self.least
        }
    }

    /// Takes note of `count` bytes that were read from `offset` on, by whatever way.
    pub fn note(&mut self, offset: u64, count: usize) {
        let size = self.size(offset);
        self.next = if count < size {
            size
        } else {
            size.saturating_mul(2).min(self.most)
        };
        self.follows = end(offset, count);
    }
}

/// Where `count` bytes from `offset` on end.
fn end(offset: u64, count: usize) -> u64 {
    offset.saturating_add(count as u64)
}

/// Bytes that were read ahead, and where the next read begins.
#[derive(Debug)]
pub struct Window {
    bytes: Vec<u8>,
    /// Where in the file they begin.
    start: u64,
    /// How many of them have been read by somebody.
    head: usize,
    ahead: ReadAhead,
}

impl Window {
    /// Nothing, at `position`.
    #[must_use]
    pub fn new(position: u64, ahead: ReadAhead) -> Self {
        Self {
            bytes: Vec::new(),
            start: position,
            head: 0,
            ahead,
        }
    }

    /// Where the next read begins, in bytes from the beginning of the file.
    #[must_use]
    pub fn position(&self) -> u64 {
        end(self.start, self.head)
    }

    /// Where what is known ends, and the next fill begins.
    #[must_use]
    pub fn edge(&self) -> u64 {
        end(self.start, self.bytes.len())
    }

    /// What is there for the next reads.
    #[inline]
    #[must_use]
    pub fn waiting(&self) -> &[u8] {
        self.bytes.get(self.head..).unwrap_or_default()
    }

    /// Moves on by `count` bytes of what waits.
    #[inline]
    pub fn skip(&mut self, count: usize) {
        self.head = self.head.saturating_add(count).min(self.bytes.len());
    }

    /// Moves to `position`; what is known there stays.
    pub fn seek(&mut self, position: u64) {
        let known = position
            .checked_sub(self.start)
            .and_then(|head| usize::try_from(head).ok())
            .filter(|head| *head <= self.bytes.len());
        match known {
            Some(head) => self.head = head,
            None => self.move_to(position),
        }
    }

    /// Moves to `position` and forgets everything that was read ahead.
    pub fn move_to(&mut self, position: u64) {
        self.bytes.clear();
        self.head = 0;
        self.start = position;
    }

    /// Forgets what was read ahead.
    pub fn forget(&mut self) {
        self.move_to(self.position());
    }

    /// How many bytes the next fill should bring.
    #[must_use]
    pub fn fill_size(&self) -> usize {
        self.ahead.size(self.edge())
    }

    /// Takes note of `count` bytes that were read past the window, from its edge on; it moves behind them.
    pub fn pass(&mut self, count: usize) {
        let edge = self.edge();
        self.ahead.note(edge, count);
        self.move_to(end(edge, count));
    }

    /// Reads on the spot what follows; how many bytes, 0 at the end of the file.
    pub fn fill_now(&mut self, file: &File, at: At, size: usize) -> Result<Attempt<usize>, Errno> {
        self.drop_read();
        let edge = self.edge();
        let attempt = try_append(file, &mut self.bytes, size, at)?;
        if let Attempt::Done(count) = attempt {
            self.ahead.note(edge, count);
        }
        Ok(attempt)
    }

    /// Takes in the first `count` bytes of `memory`, which were read from the window's edge on.
    pub fn take_in(&mut self, mut memory: Vec<u8>, count: usize) {
        self.drop_read();
        let edge = self.edge();
        memory.truncate(count);
        self.ahead.note(edge, memory.len());
        if self.bytes.is_empty() {
            self.bytes = memory;
        } else {
            self.bytes.extend_from_slice(&memory);
        }
    }

    /// Memory for a fill of `size` bytes that somebody else does; the window's own if it is not in use.
    #[must_use]
    pub fn lend(&mut self, size: usize) -> Vec<u8> {
        self.drop_read();
        let mut memory = if self.bytes.is_empty() {
            std::mem::take(&mut self.bytes)
        } else {
            Vec::new()
        };
        memory.resize(size, 0);
        memory
    }

    fn drop_read(&mut self) {
        if self.head > 0 {
            self.start = self.position();
            self.bytes.drain(..self.head);
            self.head = 0;
        }
    }
}

/// How many bytes there are up to and with the first line feed, which is not before `begin`.
#[inline]
#[must_use]
pub fn line_length(bytes: &[u8], begin: usize) -> Option<usize> {
    // The standard library's own search, which knows the processor.
    let mut rest = bytes.get(begin..)?;
    let passed = rest.skip_until(b'\n').ok()?;
    let length = begin + passed;
    (passed > 0 && bytes.get(length - 1) == Some(&b'\n')).then_some(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window_of(bytes: &[u8]) -> Window {
        let mut window = Window::new(100, ReadAhead::new(4, 16));
        window.take_in(bytes.to_vec(), bytes.len());
        window
    }

    #[test]
    fn reading_ahead_grows_with_reads_that_follow_each_other() {
        let mut ahead = ReadAhead::new(4, 16);
        assert_eq!(ahead.size(0), 4);
        ahead.note(0, 4);
        assert_eq!(ahead.size(4), 8);
        ahead.note(4, 8);
        ahead.note(12, 16);
        assert_eq!(ahead.size(28), 16, "not beyond the limit");
        assert_eq!(ahead.size(999), 4, "elsewhere");
        ahead.note(999, 2);
        assert_eq!(ahead.size(1001), 4, "not after a short read");
    }

    #[test]
    fn a_step_back_finds_what_was_skipped() {
        let mut window = window_of(b"abcdef");
        window.skip(4);
        assert_eq!((window.position(), window.waiting()), (104, &b"ef"[..]));
        window.seek(101);
        assert_eq!(window.waiting(), b"bcdef");
        window.seek(106);
        assert_eq!((window.waiting(), window.edge()), (&b""[..], 106));
        window.seek(99);
        assert_eq!((window.waiting(), window.edge()), (&b""[..], 99));
    }

    #[test]
    fn a_fill_adds_to_what_waits() {
        let mut window = window_of(b"abc");
        window.skip(1);
        let memory = window.lend(5);
        assert_eq!(memory.len(), 5);
        window.take_in(b"def--".to_vec(), 3);
        assert_eq!(window.waiting(), b"bcdef");
        assert_eq!((window.position(), window.edge()), (101, 106));
    }

    #[test]
    fn memory_that_never_comes_back_leaves_the_position() {
        let mut window = window_of(b"abc");
        window.skip(3);
        drop(window.lend(8));
        assert_eq!((window.position(), window.waiting()), (103, &b""[..]));
    }

    #[test]
    fn bytes_read_past_the_window_move_it() {
        let mut window = window_of(b"abc");
        window.pass(10);
        assert_eq!((window.position(), window.waiting()), (113, &b""[..]));
    }

    proptest! {
        #[test]
        fn a_line_ends_with_the_first_line_feed(bytes in "[ab\n]{0,12}", begin in 0usize..14) {
            let bytes = bytes.as_bytes();
            let first = bytes.iter().skip(begin).position(|byte| *byte == b'\n');
            prop_assert_eq!(line_length(bytes, begin), first.map(|place| begin + place + 1));
        }

        #[test]
        fn a_window_shows_the_file_as_it_is(steps in prop::collection::vec((0u8..4, 0usize..40), 0..40)) {
            let file: Vec<u8> = (0..200u8).collect();
            let mut window = Window::new(0, ReadAhead::new(3, 20));
            let mut position = 0usize;
            for (kind, number) in steps {
                match kind {
                    0 => {
                        let edge = usize::try_from(window.edge()).expect("small");
                        let part = file.get(edge.min(200)..(edge + window.fill_size()).min(200)).expect("in it");
                        let mut memory = window.lend(window.fill_size());
                        memory.truncate(0);
                        memory.extend_from_slice(part);
                        memory.resize(60, 255);
                        window.take_in(memory, part.len());
                    }
                    1 => {
                        let count = number.min(window.waiting().len());
                        window.skip(number);
                        position += count;
                    }
                    2 => {
                        position = number * 5;
                        window.seek(position as u64);
                    }
                    _ => window.forget(),
                }
                prop_assert_eq!(window.position(), position as u64);
                let waiting = window.waiting();
                prop_assert!(waiting.is_empty() || file.get(position..position + waiting.len()) == Some(waiting));
            }
        }
    }
}
