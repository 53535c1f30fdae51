//! Bytes on their way to the kernel: a queue of chunks that are never copied and never change.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::os::fd::RawFd;

use aioxide_engine::sockets::Attempt;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;

use super::channel::Channel;

/// How many chunks go out in one system call. The kernel takes up to 1024; few writers come near.
const CHUNKS_MAX: usize = 64;

/// Up to so many bytes are copied together: that is cheaper than to tell the kernel of several places.
const JOINED_MAX: usize = 4 * 1024;

/// Chunks in order, the first of them perhaps sent in part.
#[derive(Default)]
pub(crate) struct Outgoing {
    /// Exact `bytes` objects, not empty: letting go of them runs no foreign code.
    chunks: VecDeque<Py<PyBytes>>,
    /// How much of the first chunk has been sent.
    offset: usize,
    /// How many bytes are left to send.
    size: usize,
}

impl Outgoing {
    /// How many bytes are left to send.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Whether nothing is left to send.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// Adds a chunk. Empty ones vanish.
    pub(crate) fn push(&mut self, chunk: Bound<'_, PyBytes>) {
        let length = chunk.as_bytes().len();
        if length > 0 {
            self.size += length;
            self.chunks.push_back(chunk.unbind());
        }
    }

    /// The first chunk, and how much of it is gone already.
    pub(crate) fn first(&self, py: Python<'_>) -> Option<(Py<PyBytes>, usize)> {
        let first = self.chunks.front()?;
        Some((first.clone_ref(py), self.offset))
    }

    /// Drops what is left.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Sends until the kernel takes no more; whether everything is out.
    pub(super) fn send(
        &mut self,
        py: Python<'_>,
        channel: Channel,
        fd: RawFd,
    ) -> Result<bool, Errno> {
        while let Some(first) = self.chunks.front() {
            let rest = first.as_bytes(py).get(self.offset..).unwrap_or_default();
            let (attempt, offered) = if self.chunks.len() == 1 || channel.keeps_messages {
                (channel.send(fd, rest)?, rest.len())
            } else {
                let mut slices = [IoSlice::new(&[]); CHUNKS_MAX];
                let others = self.chunks.iter().skip(1).map(|chunk| chunk.as_bytes(py));
                let count = slices
                    .iter_mut()
                    .zip(std::iter::once(rest).chain(others))
                    .map(|(slice, bytes)| *slice = IoSlice::new(bytes))
                    .count();
                let slices = slices.get(..count).unwrap_or_default();
                let offered = slices.iter().map(|slice| slice.len()).sum();
                (channel.send_vectored(fd, slices)?, offered)
            };
            match attempt {
                Attempt::Done(sent) => {
                    self.advance(py, sent);
                    if sent < offered {
                        // No room was left. What has come free since, the next event tells.
                        return Ok(false);
                    }
                }
                Attempt::WouldBlock => return Ok(false),
            }
        }
        Ok(true)
    }

    /// Whether there are several chunks that are better sent from one place.
    #[inline]
    pub(super) fn is_to_be_joined(&self, channel: Channel) -> bool {
        self.chunks.len() > 1 && self.size <= JOINED_MAX && !channel.keeps_messages
    }

    /// As [`send`](Self::send), by way of `memory`, which is large enough for chunks that are to be joined.
    pub(super) fn send_joined(
        &mut self,
        py: Python<'_>,
        channel: Channel,
        fd: RawFd,
        memory: &mut [u8],
    ) -> Result<bool, Errno> {
        let (mut skipped, mut end) = (self.offset, 0);
        for chunk in &self.chunks {
            let bytes = chunk.as_bytes(py).get(skipped..).unwrap_or_default();
            let Some(place) = memory.get_mut(end..end + bytes.len()) else {
                break;
            };
            place.copy_from_slice(bytes);
            end += bytes.len();
            skipped = 0;
        }
        match channel.send(fd, memory.get(..end).unwrap_or_default())? {
            Attempt::Done(sent) => self.advance(py, sent),
            Attempt::WouldBlock => {}
        }
        Ok(self.is_empty())
    }

    /// Takes the first `sent` bytes out.
    pub(crate) fn advance(&mut self, py: Python<'_>, mut sent: usize) {
        self.size -= sent;
        while let Some(first) = self.chunks.front() {
            let left = first.as_bytes(py).len() - self.offset;
            if sent < left {
                self.offset += sent;
                return;
            }
            sent -= left;
            self.offset = 0;
            self.chunks.pop_front();
        }
    }
}
