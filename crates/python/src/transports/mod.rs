//! Transports: the native halves of connections. Their Python halves are in `aioxide.transports`.

pub(crate) mod outgoing;
mod reading;
pub(crate) mod stream;
mod writing;
