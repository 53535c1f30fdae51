//! The event loop without Python: what waits, in which order it runs, and when the thread may sleep.
//!
//! [`turn`] holds the one order in which things happen. Everything else is a part that it asks:
//! [`ready`] (what runs next), [`timers`] (what runs later), [`sources`] (what waits for the
//! kernel), [`inbox`] (what other threads left), [`waker`] (how they end a sleep) and [`pool`]
//! (where blocking calls go); [`jobs`] is for threads that are somebody else's. [`records`] finds the seams in a TLS stream. The owner of a loop implements [`turn::Host`].

pub mod clock;
mod closable;
pub mod datagrams;
pub mod files;
pub mod inbox;
pub mod jobs;
pub mod nonblocking;
pub mod pipes;
pub mod pool;
mod process;
pub mod programs;
pub mod reactor;
pub mod ready;
pub mod records;
pub mod sockets;
pub mod sources;
mod sync;
pub mod sys;
pub mod timers;
pub mod turn;
pub mod virtual_clock;
pub mod waker;
