//! Bytes that have arrived and wait to be read: the very objects that a transport made, in order.
//!
//! Who reads exactly what one of them holds is given the object itself. Small pieces that arrive while others wait
//! are copied together, so that a peer who sends byte by byte does not make us keep an object for each.

use std::collections::VecDeque;
use std::io::BufRead;
use std::mem::MaybeUninit;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::raw::bytes;

/// A piece below this many bytes is copied to others that wait: an object of its own costs more.
const SMALL: usize = 512;

/// Pieces copied together are not larger than this, so that what has been read of them is soon given back.
const MERGED_MAX: usize = 4096;

enum Piece {
    Object(Py<PyBytes>),
    Merged(Vec<u8>),
}

impl Piece {
    fn bytes<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        match self {
            Self::Object(object) => object.as_bytes(py),
            Self::Merged(bytes) => bytes,
        }
    }
}

/// Arrived bytes. All of it may be used while the state around it is lent: bytes objects run nobody's code.
#[derive(Default)]
pub(super) struct Buffer {
    pieces: VecDeque<Piece>,
    /// How many bytes of the first piece have been read.
    head: usize,
    /// How many bytes wait.
    len: usize,
}

impl Buffer {
    /// How many bytes wait.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Adds bytes at the end.
    #[inline]
    pub(super) fn push(&mut self, data: Bound<'_, PyBytes>) {
        let bytes = data.as_bytes();
        if bytes.is_empty() {
            return;
        }
        self.len += bytes.len();
        if bytes.len() >= SMALL || self.pieces.is_empty() {
            self.pieces.push_back(Piece::Object(data.unbind()));
        } else {
            self.merge(bytes);
        }
    }

    fn merge(&mut self, bytes: &[u8]) {
        if let Some(Piece::Merged(last)) = self.pieces.back_mut()
            && last.len() + bytes.len() <= MERGED_MAX
        {
            last.extend_from_slice(bytes);
        } else {
            self.pieces.push_back(Piece::Merged(bytes.to_vec()));
        }
    }

    /// Takes out the first `count` bytes, or all if there are not so many.
    #[inline]
    pub(super) fn take<'py>(
        &mut self,
        py: Python<'py>,
        count: usize,
    ) -> PyResult<Bound<'py, PyBytes>> {
        let count = count.min(self.len);
        let Some(first) = self.pieces.front() else {
            return Ok(PyBytes::new(py, &[]));
        };
        if let Piece::Object(object) = first
            && self.head == 0
            && object.as_bytes(py).len() == count
        {
            let object = object.bind(py).clone();
            self.skip(py, count);
            return Ok(object);
        }
        let waiting = first.bytes(py).get(self.head..).unwrap_or_default();
        let taken = if let Some(part) = waiting.get(..count) {
            PyBytes::new(py, part)
        } else {
            bytes::bytes_filled(py, count, |memory| self.copy_to(py, memory))?
        };
        self.skip(py, count);
        Ok(taken)
    }

    /// A copy of all that waits.
    pub(super) fn copy<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        bytes::bytes_filled(py, self.len, |memory| self.copy_to(py, memory))
    }

    /// Copies the first bytes to `memory`, and says how many.
    fn copy_to(&self, py: Python<'_>, memory: &mut [MaybeUninit<u8>]) -> usize {
        let mut copied = 0;
        for part in self.parts(py, 0) {
            let Some(room) = memory.get_mut(copied..) else {
                break;
            };
            let count = part.len().min(room.len());
            for (place, byte) in room.iter_mut().zip(part) {
                place.write(*byte);
            }
            copied += count;
        }
        copied
    }

    /// Drops the first `count` bytes.
    pub(super) fn skip(&mut self, py: Python<'_>, count: usize) {
        let mut count = count.min(self.len);
        self.len -= count;
        while let Some(first) = self.pieces.front() {
            let waiting = first.bytes(py).len() - self.head;
            if count < waiting {
                self.head += count;
                return;
            }
            count -= waiting;
            self.head = 0;
            self.pieces.pop_front();
        }
    }

    /// What waits, piece by piece, beginning with the piece in place `begin`.
    fn parts<'a>(&'a self, py: Python<'a>, begin: usize) -> impl Iterator<Item = &'a [u8]> {
        let pieces = self.pieces.iter().enumerate().skip(begin);
        pieces.map(move |(place, piece)| {
            let head = if place == 0 { self.head } else { 0 };
            piece.bytes(py).get(head..).unwrap_or_default()
        })
    }

    /// Where `wanted` first begins, from the place `begin` on.
    pub(super) fn find(&self, py: Python<'_>, wanted: &[u8], begin: usize) -> Option<usize> {
        let (first, rest) = wanted.split_first()?;
        let mut base = 0;
        for (place, part) in self.parts(py, 0).enumerate() {
            let mut at = begin.saturating_sub(base);
            while let Some(found) = part.get(at..).and_then(|part| position(part, *first)) {
                at += found + 1;
                let after = part.get(at..).unwrap_or_default();
                if begins_with(after, self.parts(py, place + 1), rest) {
                    return Some(base + at - 1);
                }
            }
            base += part.len();
        }
        None
    }
}

/// Where `byte` is first.
#[inline]
fn position(part: &[u8], byte: u8) -> Option<usize> {
    // The standard library's own search, which knows the processor.
    let mut rest = part;
    let passed = rest.skip_until(byte).unwrap_or(0);
    let last = passed.checked_sub(1)?;
    (part.get(last) == Some(&byte)).then_some(last)
}

/// Whether `part`, and what comes after it, begins with `wanted`.
fn begins_with<'a>(
    mut part: &'a [u8],
    mut others: impl Iterator<Item = &'a [u8]>,
    mut wanted: &[u8],
) -> bool {
    loop {
        let count = part.len().min(wanted.len());
        if part.get(..count) != wanted.get(..count) {
            return false;
        }
        wanted = wanted.get(count..).unwrap_or_default();
        if wanted.is_empty() {
            return true;
        }
        match others.next() {
            Some(next) => part = next,
            None => return false,
        }
    }
}
