//! A BIO of our own under an `ssl.SSLObject`, so that OpenSSL reads where the bytes have arrived and
//! writes where they will be sent from; and the handshake without the `ssl` module.
//!
//! Worth the raw calls: between two `ssl.MemoryBIO` each encrypted byte is cleared and copied once
//! more on its way in and on its way out, which for an echo of 100 KiB is a fifth of the time. And `ssl` says
//! with an exception that the peer has to speak first, which it has in every handshake.
//!
//! The OpenSSL is the one that the interpreter's `_ssl` uses: its functions are asked for by name at
//! run time, of `_ssl` itself. The one thing that is not public is where an `_ssl._SSLSocket` keeps
//! its `SSL`; that was compared in the sources of CPython 3.11 to 3.14, and is believed only if the
//! class has the size that it has there. What we get is then asked whose it is. On any other Python,
//! and where a name is missing (an interpreter with OpenSSL inside), the memory BIOs stay.

mod bio;
mod buffers;
mod library;
mod wire;

pub(crate) use wire::Wire;
