//! Deadlines, earliest first; ties in scheduling order. Loop thread only.
//!
//! A four-ary heap, because its nodes share cache lines and it is half as deep as a binary one.
//! A cancelled timer stays in the heap as a ghost and is swept with the others, so cancel is O(1);
//! one that sits in the heap's last place leaves at once, which makes schedule-then-cancel free.
//! A cancel leaves no more ghosts than there are living timers, or [`GHOSTS_MIN`] of them, so memory
//! stays bounded however often a program schedules and cancels.
//!
//! Work that leaves the heap is returned, never dropped here: dropping it may run foreign code.

use std::iter::Chain;
use std::{option, vec};

use crate::clock::Instant;

/// Below this many ghosts a sweep would cost more than the memory it frees.
const GHOSTS_MIN: usize = 64;

const ARITY: usize = 4;

/// What the heap has to know of the work that it holds.
pub trait Cancellable {
    /// Whether the work was cancelled and waits only to be swept.
    fn is_cancelled(&self) -> bool;
}

/// Work that has left the heap.
pub type Removed<W> = Chain<option::IntoIter<W>, vec::IntoIter<W>>;

#[derive(Debug)]
struct Timer<W> {
    order: Order,
    work: W,
}

/// When a timer comes: by its deadline, and by its sequence number among those with the same. One number, so that a
/// comparison is no branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Order(i128);

impl Order {
    fn new(deadline: Instant, sequence: u64) -> Self {
        Self((i128::from(deadline.0) << u64::BITS) | i128::from(sequence))
    }

    fn deadline(self) -> Instant {
        Instant((self.0 >> u64::BITS) as i64)
    }
}

/// All timers of a loop.
#[derive(Debug)]
pub struct Timers<W> {
    heap: Vec<Timer<W>>,
    /// Sequence number of the next timer.
    sequence: u64,
    /// How many cancelled timers the heap still holds.
    ghosts: usize,
}

impl<W> Default for Timers<W> {
    fn default() -> Self {
        Self {
            heap: Vec::new(),
            sequence: 0,
            ghosts: 0,
        }
    }
}

impl<W: Cancellable> Timers<W> {
    /// Adds `work`, due at `deadline`.
    pub fn schedule(&mut self, deadline: Instant, work: W) {
        let sequence = self.sequence;
        self.sequence += 1;
        let order = Order::new(deadline, sequence);
        self.heap.push(Timer { order, work });
        self.sift_up(self.heap.len() - 1, 0);
    }

    /// Counts a timer of this heap that has just been cancelled, and returns the ghosts that this
    /// moment allows to remove: none, the one in the last place, or all of them.
    #[must_use = "dropping work may run foreign code: drop it outside of any borrow"]
    pub fn note_cancelled(&mut self) -> Removed<W> {
        let last = self.pop_last_ghost();
        self.ghosts += usize::from(last.is_none());
        // Each sweep is paid for by as many cancels.
        let swept = if self.ghosts > GHOSTS_MIN && self.ghosts * 2 > self.heap.len() {
            self.sweep()
        } else {
            Vec::new()
        };
        last.into_iter().chain(swept)
    }

    /// Takes out the timer in the last place if it was cancelled: the short way for one that has just been set, which then
    /// need not be counted.
    #[must_use = "dropping work may run foreign code: drop it outside of any borrow"]
    pub fn pop_last_ghost(&mut self) -> Option<W> {
        self.heap
            .pop_if(|timer| timer.work.is_cancelled())
            .map(|timer| timer.work)
    }

    /// The earliest deadline. It may belong to a ghost: waking for it is harmless.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Instant> {
        self.heap.first().map(|timer| timer.order.deadline())
    }

    /// The earliest deadline but one; as for the earliest, it may belong to a ghost.
    #[must_use]
    pub fn second_deadline(&self) -> Option<Instant> {
        let children = self.heap.iter().skip(1).take(ARITY);
        let earliest = children.map(|timer| timer.order).min()?;
        Some(earliest.deadline())
    }

    /// Takes out the earliest timer if its deadline has been reached, cancelled or not.
    #[must_use = "dropping work may run foreign code: drop it outside of any borrow"]
    pub fn pop_due(&mut self, now: Instant) -> Option<W> {
        if self.heap.first()?.order.deadline() > now {
            return None;
        }
        Some(self.pop_first())
    }

    /// Takes out the earliest timer if it was cancelled, due or not.
    #[must_use = "dropping work may run foreign code: drop it outside of any borrow"]
    pub fn pop_ghost(&mut self) -> Option<W> {
        self.heap
            .first()?
            .work
            .is_cancelled()
            .then(|| self.pop_first())
    }

    /// How many timers the heap holds, ghosts included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    /// Whether the heap holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The work in the heap, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &W> {
        self.heap.iter().map(|timer| &timer.work)
    }

    /// Empties the heap and hands its contents to the caller.
    #[must_use = "dropping work may run foreign code: drop it outside of any borrow"]
    pub fn take(&mut self) -> Vec<W> {
        self.ghosts = 0;
        std::mem::take(&mut self.heap)
            .into_iter()
            .map(|timer| timer.work)
            .collect()
    }

    fn sweep(&mut self) -> Vec<W> {
        self.ghosts = 0;
        let swept = self
            .heap
            .extract_if(.., |timer| timer.work.is_cancelled())
            .map(|timer| timer.work)
            .collect();
        for position in (0..self.heap.len().div_ceil(ARITY)).rev() {
            self.sift_down(position);
        }
        swept
    }

    fn pop_first(&mut self) -> W {
        let timer = self.heap.swap_remove(0);
        self.sift_down(0);
        if timer.work.is_cancelled() {
            self.ghosts = self.ghosts.saturating_sub(1);
        }
        timer.work
    }

    /// Moves a timer up to its place, but not above `top`.
    fn sift_up(&mut self, mut position: usize, top: usize) {
        while position > top {
            let parent = (position - 1) / ARITY;
            if self.heap[position].order >= self.heap[parent].order {
                return;
            }
            self.heap.swap(position, parent);
            position = parent;
        }
    }

    /// Moves a timer down to its place. It goes to the bottom first, and from there up: it mostly came from
    /// the bottom, so that asking on each level whether it has arrived would cost more.
    fn sift_down(&mut self, top: usize) {
        let mut position = top;
        while let Some(earliest) = self.earliest_child(position) {
            self.heap.swap(position, earliest);
            position = earliest;
        }
        self.sift_up(position, top);
    }

    /// Where the earliest timer of those right below a position is, if there are any.
    fn earliest_child(&self, position: usize) -> Option<usize> {
        let first = position * ARITY + 1;
        let children = self.heap.get(first..)?;
        let place = match children.first_chunk() {
            Some([a, b, c, d]) => {
                let (left, left_order) = earlier((0, a.order), (1, b.order));
                let (right, right_order) = earlier((2, c.order), (3, d.order));
                earlier((left, left_order), (right, right_order)).0
            }
            None => {
                let orders = children.iter().map(|timer| timer.order).enumerate();
                orders.reduce(earlier)?.0
            }
        };
        Some(first + place)
    }
}

/// The one of two places that comes first.
fn earlier(a: (usize, Order), b: (usize, Order)) -> (usize, Order) {
    if b.1 < a.1 { b } else { a }
}
