//! The binding's only unsafe room: the C-API where PyO3 has no safe call, or a slower one.
//!
//! Each door out of it is a small safe function that says what it relies on.
#![expect(unsafe_code, reason = "this is the room for it")]

pub(crate) mod attached;
pub(crate) mod attributes;
pub(crate) mod bytes;
pub(crate) mod c_task;
pub(crate) mod context;
pub(crate) mod coroutine;
pub(crate) mod coroutine_slots;
#[cfg(Py_3_14)]
pub(crate) mod current_task;
pub(crate) mod fastcall;
pub(crate) mod file_memory;
pub(crate) mod frame;
pub(crate) mod function;
pub(crate) mod guarded;
pub(crate) mod instance;
pub(crate) mod interpreter;
pub(crate) mod iteration;
pub(crate) mod lifecycle;
pub(crate) mod openssl;
pub(crate) mod own_methods;
pub(crate) mod raising;
pub(crate) mod ready;
pub(crate) mod recursion;
pub(crate) mod refcount;
pub(crate) mod registry;
pub(crate) mod socket;
#[cfg(Py_3_12)]
mod stop_iteration;
pub(crate) mod text;
pub(crate) mod untracked;
pub(crate) mod window;
