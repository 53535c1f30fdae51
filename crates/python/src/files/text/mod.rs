//! `TextFile`: text over a [`BinaryFile`](super::BinaryFile).
//!
//! What was read ahead of the file is decoded in large chunks ([`decoding`]), which keep the bytes that they were made of, so
//! that a position can be told. Lines are cut out of the chunks. A method takes characters only when it has all
//! that it needs: one that is cancelled has added a chunk at most, and not moved. What is written is encoded at once, and
//! held by the file of bytes.
//!
//! The methods are steps of the file of bytes, and stand in its line.

mod class;
mod codec;
mod cookie;
mod decoding;
mod ending;
mod lines;
mod methods;
mod positions;
mod reading;
mod reconfiguring;
mod text_line;
mod writing;

pub(crate) use class::TextFile;
pub(crate) use ending::prepare;
pub(crate) use methods::FUNCTIONS;
