//! Transports: the native halves of connections.
//!
//! Their Python halves are in `aioxide.stream_transport`, `pipe_transports` and `datagram_transport`.

pub(crate) mod bare;
mod channel;
pub(crate) mod datagram;
mod datagram_peers;
pub(crate) mod datagram_receiving;
mod datagram_sending;
mod information;
pub(crate) mod life;
pub(crate) mod native_method;
pub(crate) mod outgoing;
pub(crate) mod owned;
mod pipe;
mod reading;
pub(crate) mod stream;
pub(crate) mod tls;
mod writing;
