//! Queues: `Queue`, `LifoQueue`, `PriorityQueue`.
//!
//! Whoever has to wait does so on a future of the running loop, which stands in line among the getters or
//! the putters. Whoever puts an item wakes the first getter, which may find that another was faster, and
//! then waits anew; likewise for putters. A waiter that was woken and can't go on wakes the next.
//!
//! A derived class may keep its items otherwise, by its own `_init`, `_put` and `_get`, and may replace every other
//! method: those of ours are called by name then, as asyncio does.

mod items;
mod methods;
mod ordered;
mod queue;
mod waits;

pub(crate) use methods::FUNCTIONS as METHODS;
pub(crate) use ordered::{FUNCTIONS as ORDERED, LifoQueue, PriorityQueue};
pub(crate) use queue::Queue;
pub(crate) use waits::FUNCTIONS as WAITS;
