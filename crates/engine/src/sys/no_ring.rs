//! On processors for which the `io-uring` crate has no definitions there is no ring, as on a kernel without one.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::os::fd::RawFd;
use std::time::Duration;

use rustix::io::Errno;

use super::calls::Call;
use super::memory::Memory;
use crate::files::driver::{Answer, Driver, Issue};

/// As that of a ring.
#[derive(Clone, Copy, Debug)]
#[expect(dead_code, reason = "nothing is that deep here")]
pub(crate) struct Depth {
    pub(crate) submissions: u32,
    pub(crate) completions: u32,
}

impl Depth {
    pub(crate) const USUAL: Self = Self {
        submissions: 0,
        completions: 0,
    };
}

/// A ring that there cannot be.
pub(crate) struct Ring<M> {
    never: Infallible,
    _calls: PhantomData<M>,
}

impl<M: Memory> Ring<M> {
    pub(crate) fn new(_depth: Depth) -> Result<Self, Errno> {
        Err(Errno::NOSYS)
    }
}

impl<M: Memory> Driver<M> for Ring<M> {
    fn knows(&self, _call: &Call<M>) -> bool {
        match self.never {}
    }

    fn push(&mut self, _: u64, _call: Box<Call<M>>, _: Issue) -> Result<(), Box<Call<M>>> {
        match self.never {}
    }

    fn push_cancel(&mut self, _key: u64) -> bool {
        match self.never {}
    }

    fn enter(&mut self) -> Result<(), Errno> {
        match self.never {}
    }

    fn unsubmitted(&self) -> usize {
        match self.never {}
    }

    fn pop(&mut self) -> Option<Answer<M>> {
        match self.never {}
    }

    fn has_answers(&self) -> bool {
        match self.never {}
    }

    fn holds_back(&self) -> bool {
        match self.never {}
    }

    fn abandon(&mut self) -> Vec<(u64, Box<Call<M>>)> {
        match self.never {}
    }

    fn source(&self) -> Option<RawFd> {
        match self.never {}
    }

    fn end(&mut self, _patience: Duration) {
        match self.never {}
    }
}
