//! What a TLS connection has of OpenSSL itself: the encrypted bytes on both sides.

use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::buffers::{Buffers, Shared, locked};
use super::library::{Library, Ssl};

/// An `SSL`, which is alive for as long as the object that it is the inside of.
#[derive(Clone, Copy)]
struct Connection(NonNull<Ssl>);

// SAFETY: OpenSSL wants no more than that no two threads use a connection at once.
unsafe impl Send for Connection {}
// SAFETY: as above; those who use it are on the loop's thread.
unsafe impl Sync for Connection {}

/// The buffers between an `ssl.SSLObject` and the wire, and its connection.
pub(crate) struct Wire {
    shared: Arc<Shared>,
    library: &'static Library,
    connection: Connection,
    /// The `_ssl._SSLSocket` that the connection is the inside of.
    owner: Py<PyAny>,
}

/// Takes back what was lent however the call ends.
struct Loan<'a>(&'a Shared);

impl Drop for Loan<'_> {
    fn drop(&mut self) {
        locked(self.0).take_back();
    }
}

impl Wire {
    /// Puts our BIO into the place of those that `builtin`, an `_ssl._SSLSocket` that has not begun, was made
    /// with; nothing where that cannot be done.
    pub(crate) fn under(builtin: &Bound<'_, PyAny>) -> Option<Self> {
        let library = Library::get(builtin.py())?;
        let ssl = library.ssl_of(builtin)?;
        let shared = Arc::new(Mutex::new(Buffers::new()));
        let bio = library.bio.make(&shared)?;
        // SAFETY: the `SSL` takes over the BIO, for both directions, and lets go of the two that it had, which
        // belong to the two `MemoryBIO` as well.
        unsafe { (library.ssl_set_bio)(ssl.as_ptr(), bio.as_ptr(), bio.as_ptr()) };
        Some(Self {
            shared,
            library,
            connection: Connection(ssl),
            owner: builtin.clone().unbind(),
        })
    }

    /// How many bytes are decrypted and wait to be read.
    pub(crate) fn decrypted(&self) -> usize {
        // SAFETY: `owner` keeps the connection alive, and only the loop's thread uses it.
        let count = unsafe { (self.library.ssl_pending)(self.connection.0.as_ptr()) };
        usize::try_from(count).unwrap_or(0)
    }

    /// Lends arrived bytes while `call` runs; what is not read meanwhile is kept.
    pub(crate) fn with_input<R>(&self, bytes: &[u8], call: impl FnOnce() -> R) -> R {
        {
            let mut buffers = locked(&self.shared);
            // A call from within a call, which nobody makes: the order is kept all the same.
            buffers.take_back();
            // SAFETY: `bytes` is borrowed until this returns, and the loan has been taken back by then.
            unsafe { buffers.lend(bytes) };
        }
        let _loan = Loan(&self.shared);
        call()
    }

    /// How many encrypted bytes nobody has read.
    pub(crate) fn unread(&self) -> usize {
        locked(&self.shared).unread()
    }

    /// Gives OpenSSL other memory to append what is to be sent to, and takes out what it has written to until now.
    pub(crate) fn swap_outgoing(&self, memory: Vec<u8>) -> Vec<u8> {
        std::mem::replace(&mut locked(&self.shared).outgoing, memory)
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.owner)
    }
}
