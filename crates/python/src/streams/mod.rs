//! `StreamReader`, `StreamWriter` and the protocol between them and a transport: what runs per packet and per read.
//!
//! A transport of ours hands what it has received to `ReaderProtocol` without calling a method, which feeds the reader
//! ([`reader`]), which wakes the task that reads ([`reading`], [`lines`]). Nothing of that enters a Python frame. What
//! runs once per connection is in `aioxide.natives.streams`.

mod buffer;
mod contents;
mod errors;
mod limit;
mod lines;
mod methods;
mod overriding;
mod protocol;
mod reader;
mod reader_private;
mod reading;
mod separators;
mod waiting;
mod writer;

pub(crate) use methods::METHODS;
pub(crate) use protocol::{FlowControl, ReaderProtocol};
pub(crate) use reader::StreamReader;
pub(crate) use writer::StreamWriter;

use crate::routine::Function;

pub(crate) const COROUTINE_FUNCTIONS: &[&Function] = &[
    &lines::ANEXT,
    &lines::READLINE,
    &lines::READUNTIL,
    &protocol::WAIT_TO_WRITE,
    &reading::READ,
    &reading::READEXACTLY,
    &waiting::WAIT_FOR_DATA,
    &writer::DRAIN,
];
