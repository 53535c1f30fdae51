//! What other threads leave for the loop. Any thread may post; the loop thread collects.
//!
//! Posting does not wake the loop: whoever posts calls [`Waker::wake`](crate::waker::Waker::wake)
//! after, so that a wake always finds what it announces.

use crate::sync::{AtomicBool, Mutex, Ordering, lock};

/// A mailbox with many writers and one reader.
#[derive(Debug)]
pub struct Inbox<T> {
    posts: Mutex<Vec<T>>,
    /// Whether `posts` may hold something: lets a turn look without taking the lock.
    has_post: AtomicBool,
}

impl<T> Default for Inbox<T> {
    fn default() -> Self {
        Self {
            posts: Mutex::new(Vec::new()),
            has_post: AtomicBool::new(false),
        }
    }
}

impl<T> Inbox<T> {
    /// Leaves `post` for the loop thread.
    pub fn post(&self, post: T) {
        let mut posts = lock(&self.posts);
        posts.push(post);
        // Relaxed: the lock orders what it announces, and the waker's fences order it against sleep.
        self.has_post.store(true, Ordering::Relaxed);
    }

    /// Whether there may be something to collect.
    #[must_use]
    pub fn has_post(&self) -> bool {
        self.has_post.load(Ordering::Relaxed)
    }

    /// Takes everything that has been posted, oldest first.
    #[must_use]
    pub fn collect(&self) -> Vec<T> {
        let mut posts = lock(&self.posts);
        self.has_post.store(false, Ordering::Relaxed);
        std::mem::take(&mut *posts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn what_was_posted_is_collected_once_and_in_order() {
        let inbox = Inbox::default();
        assert!(!inbox.has_post());
        inbox.post("one");
        inbox.post("two");
        assert!(inbox.has_post());
        assert_eq!(inbox.collect(), ["one", "two"]);
        assert!(!inbox.has_post());
        assert!(inbox.collect().is_empty());
    }

    #[test]
    fn posts_of_many_threads_arrive_each_once_and_in_order_of_the_thread() {
        const POSTERS: usize = 4;
        const POSTS: usize = 10_000;
        let inbox = Inbox::default();
        let mut seen = [0; POSTERS];
        thread::scope(|scope| {
            for poster in 0..POSTERS {
                let inbox = &inbox;
                scope.spawn(move || (0..POSTS).for_each(|number| inbox.post((poster, number))));
            }
            while seen.iter().sum::<usize>() < POSTERS * POSTS {
                if !inbox.has_post() {
                    thread::yield_now();
                    continue;
                }
                for (poster, number) in inbox.collect() {
                    assert_eq!(seen[poster], number);
                    seen[poster] += 1;
                }
            }
        });
        assert!(!inbox.has_post());
    }

    #[test]
    fn a_poster_that_panicked_leaves_a_usable_inbox() {
        let inbox = Inbox::default();
        inbox.post(1);
        thread::scope(|scope| {
            let panics = scope.spawn(|| {
                let _posts = lock(&inbox.posts);
                std::panic::resume_unwind(Box::new("with the lock held"));
            });
            assert!(panics.join().is_err());
        });
        inbox.post(2);
        assert_eq!(inbox.collect(), [1, 2]);
    }
}
