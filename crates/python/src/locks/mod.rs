//! Locks: `Lock`, `Event`, `Condition`, `Semaphore`, `BoundedSemaphore`, `Barrier`.
//!
//! Whoever has to wait does so on a future of the running loop, which stands in line in a `Deque`. A
//! release wakes the first in line; from then on the permit is its own, and if it is cancelled, or its
//! coroutine closed, before it can take it, it wakes the next. What completes at once makes no future.
//!
//! Natives call each other directly. Where Python has put other methods in place of ours, in a derived class for
//! instance, they are called by name, as asyncio does.

mod async_with;
pub(crate) mod barrier;
pub(crate) mod condition;
mod crossing;
mod description;
pub(crate) mod event;
pub(crate) mod lock;
mod notified;
mod private;
pub(crate) mod semaphore;
