//! What runs next: a first-in, first-out queue of work. Loop thread only.
//!
//! A batch is exactly what was queued when it began; what a batch queues runs in the next turn.

use std::collections::VecDeque;

/// Memory for this much work is never given back.
const CAPACITY_KEPT: usize = 4096;

/// Work that is ready to run, oldest first.
#[derive(Debug)]
pub struct Ready<W> {
    queue: VecDeque<W>,
}

impl<W> Default for Ready<W> {
    fn default() -> Self {
        Self {
            queue: VecDeque::new(),
        }
    }
}

impl<W> Ready<W> {
    /// Puts `work` at the end of the queue.
    pub fn schedule(&mut self, work: W) {
        self.queue.push_back(work);
    }

    /// Takes the oldest work out of the queue.
    pub fn pop(&mut self) -> Option<W> {
        self.queue.pop_front()
    }

    /// How much work is queued.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Whether nothing is queued.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Gives memory back that a storm of work has needed and that is mostly empty now.
    pub fn trim(&mut self) {
        if self.queue.capacity() > CAPACITY_KEPT && self.queue.len() < self.queue.capacity() / 8 {
            self.queue
                .shrink_to(CAPACITY_KEPT.max(self.queue.len() * 2));
        }
    }

    /// The queued work, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &W> {
        self.queue.iter()
    }

    /// Empties the queue and hands its contents to the caller, who may drop them where that is safe.
    #[must_use = "dropping work may run foreign code: drop it outside of any borrow"]
    pub fn take(&mut self) -> VecDeque<W> {
        std::mem::take(&mut self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_in_the_order_in_which_it_was_scheduled() {
        let mut ready = Ready::default();
        (0..1_000).for_each(|number| ready.schedule(number));
        assert_eq!(ready.len(), 1_000);
        assert!(ready.iter().copied().eq(0..1_000));
        assert!(std::iter::from_fn(|| ready.pop()).eq(0..1_000));
        assert!(ready.is_empty());
        assert_eq!(ready.pop(), None);
    }

    #[test]
    fn memory_of_a_storm_is_given_back_and_nothing_is_lost() {
        let mut ready = Ready::default();
        (0..100_000).for_each(|number| ready.schedule(number));
        (0..99_990).for_each(|number| assert_eq!(ready.pop(), Some(number)));
        ready.trim();
        assert!(ready.queue.capacity() < 10_000);
        assert!(std::iter::from_fn(|| ready.pop()).eq(99_990..100_000));
    }

    #[test]
    fn work_scheduled_between_comes_after_what_was_queued() {
        let mut ready = Ready::default();
        ready.schedule("one");
        ready.schedule("two");
        assert_eq!(ready.pop(), Some("one"));
        ready.schedule("three");
        assert_eq!(ready.take(), ["two", "three"]);
        assert!(ready.is_empty());
    }
}
