//! The conversation with OpenSSL, through the `ssl.SSLObject` and the two memory BIOs of a connection.
//!
//! Every setting of the user's `ssl.SSLContext` counts, because the object is the one that the
//! context makes. Sizes are exact and memory is lent, so that a byte is copied by OpenSSL alone.

use std::mem::MaybeUninit;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBytes, PyType};

use crate::raw::openssl::Wire;
use crate::raw::window;

/// How far a step of the conversation got.
pub(super) enum Progress<T> {
    /// It is done.
    Done(T),
    /// The peer has to say something first.
    WantsInput,
}

/// An `ssl.SSLObject`, and the encrypted bytes on both sides of it.
pub(crate) struct Session {
    /// What users see.
    object: Py<PyAny>,
    /// What is asked to read and write: the built-in object inside of `object`, which spares a Python
    /// frame, or `object` itself if it is of a class with methods of its own.
    channel: Py<PyAny>,
    /// Its methods, which are looked up once.
    read: Py<PyAny>,
    write: Py<PyAny>,
    /// Whether `channel` is the built-in object, to which memory can be lent.
    is_builtin: bool,
    encrypted: Encrypted,
}

/// Where encrypted bytes pass between OpenSSL and us.
enum Encrypted {
    /// A BIO of our own, which spares copies.
    Wire(Wire),
    /// The `ssl.MemoryBIO` that `object` was made with.
    Memory {
        incoming: Py<PyAny>,
        outgoing: Py<PyAny>,
    },
}

/// Tells «the peer has to say something first» from errors, as asyncio does.
fn progress<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<Progress<T>> {
    static WANT_READ: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    static SYSCALL: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match result {
        Ok(value) => Ok(Progress::Done(value)),
        Err(error) => {
            let is_again = error.is_instance(py, WANT_READ.import(py, "ssl", "SSLWantReadError")?)
                || error.is_instance(py, SYSCALL.import(py, "ssl", "SSLSyscallError")?);
            if is_again {
                Ok(Progress::WantsInput)
            } else {
                Err(error)
            }
        }
    }
}

/// Whether the object's class does what we do without it as `ssl.SSLObject` does.
fn is_plain(object: &Bound<'_, PyAny>) -> PyResult<bool> {
    static PLAIN: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let py = object.py();
    let plain = PLAIN.import(py, "ssl", "SSLObject")?;
    let class = object.get_type();
    if class.is(plain) {
        return Ok(true);
    }
    for method in [
        intern!(py, "read"),
        intern!(py, "write"),
        intern!(py, "do_handshake"),
        intern!(py, "unwrap"),
        intern!(py, "getpeercert"),
    ] {
        if !class.getattr(method)?.is(&plain.getattr(method)?) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Session {
    pub(super) fn new(
        object: &Bound<'_, PyAny>,
        incoming: &Bound<'_, PyAny>,
        outgoing: &Bound<'_, PyAny>,
    ) -> PyResult<Self> {
        // A private name, the same in all Pythons since 3.5; where it is missing we do without.
        let py = object.py();
        let builtin = object.getattr_opt(intern!(py, "_sslobj"))?;
        let builtin = builtin.filter(|_| is_plain(object).unwrap_or(false));
        let is_builtin = builtin.is_some();
        let encrypted = match builtin.as_ref().and_then(Wire::under) {
            Some(wire) => Encrypted::Wire(wire),
            None => Encrypted::Memory {
                incoming: incoming.clone().unbind(),
                outgoing: outgoing.clone().unbind(),
            },
        };
        let channel = builtin.unwrap_or_else(|| object.clone());
        Ok(Self {
            read: channel.getattr(intern!(py, "read"))?.unbind(),
            write: channel.getattr(intern!(py, "write"))?.unbind(),
            object: object.clone().unbind(),
            channel: channel.unbind(),
            is_builtin,
            encrypted,
        })
    }

    /// The `ssl.SSLObject`.
    pub(super) fn object<'py>(&self, py: Python<'py>) -> Bound<'py, PyAny> {
        self.object.bind(py).clone()
    }

    /// Takes a step of the handshake.
    pub(super) fn shake_hands(&self, py: Python<'_>) -> PyResult<Progress<()>> {
        let stepped = self
            .channel
            .bind(py)
            .call_method0(intern!(py, "do_handshake"));
        progress(py, stepped.map(drop))
    }

    /// What the object's `getpeercert` returns.
    pub(super) fn peer_certificate<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.channel
            .bind(py)
            .call_method0(intern!(py, "getpeercert"))
    }

    /// Says that nothing more will be sent, and listens whether the peer says the same.
    pub(super) fn say_goodbye(&self, py: Python<'_>) -> PyResult<Progress<()>> {
        let method = if self.is_builtin {
            intern!(py, "shutdown")
        } else {
            intern!(py, "unwrap")
        };
        let said = self.channel.bind(py).call_method0(method);
        progress(py, said.map(drop))
    }

    /// Takes in encrypted bytes, and calls `read`, which may read of them.
    pub(super) fn with_input<R>(
        &self,
        py: Python<'_>,
        bytes: &[u8],
        read: impl FnOnce() -> PyResult<R>,
    ) -> PyResult<R> {
        match &self.encrypted {
            Encrypted::Wire(wire) => wire.with_input(bytes, read),
            Encrypted::Memory { incoming, .. } => {
                window::lend_readable(py, bytes, |bytes| {
                    incoming
                        .bind(py)
                        .call_method1(intern!(py, "write"), (bytes,))
                        .map(drop)
                })?;
                read()
            }
        }
    }

    /// Takes in encrypted bytes, to be read later.
    pub(super) fn feed(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        self.with_input(py, bytes, || Ok(()))
    }

    /// How many encrypted bytes have been taken in and not been read.
    pub(super) fn unread(&self, py: Python<'_>) -> PyResult<usize> {
        match &self.encrypted {
            Encrypted::Wire(wire) => Ok(wire.unread()),
            Encrypted::Memory { incoming, .. } => {
                incoming.bind(py).getattr(intern!(py, "pending"))?.extract()
            }
        }
    }

    /// How many bytes could be read, as far as is known without reading: an upper bound.
    pub(super) fn readable_max(&self, py: Python<'_>) -> PyResult<usize> {
        let decrypted = match &self.encrypted {
            Encrypted::Wire(wire) => wire.decrypted(),
            Encrypted::Memory { .. } => {
                let pending = self.channel.bind(py).call_method0(intern!(py, "pending"));
                pending?.extract::<usize>()?
            }
        };
        Ok(decrypted.saturating_add(self.unread(py)?))
    }

    /// Reads what one record holds, at most `length` bytes; nothing if the peer has said goodbye.
    pub(super) fn read<'py>(
        &self,
        py: Python<'py>,
        length: usize,
    ) -> PyResult<Progress<Bound<'py, PyBytes>>> {
        let read = self
            .read
            .bind(py)
            .call1((length,))
            .and_then(|data| Ok(data.cast_into::<PyBytes>()?));
        progress(py, read)
    }

    /// Reads what one record holds into `memory`; the count of bytes, 0 if the peer has said goodbye.
    pub(super) fn read_into(
        &self,
        py: Python<'_>,
        memory: &mut [MaybeUninit<u8>],
    ) -> PyResult<Progress<usize>> {
        let length = memory.len();
        if self.is_builtin {
            let read = window::lend_writable(py, memory, |memory| {
                self.read
                    .bind(py)
                    .call1((length, memory))?
                    .extract::<usize>()
            });
            return progress(py, read);
        }
        let data = match self.read(py, length)? {
            Progress::Done(data) => data,
            Progress::WantsInput => return Ok(Progress::WantsInput),
        };
        let data = data.as_bytes();
        let count = data.len().min(length);
        for (place, byte) in memory.iter_mut().zip(data) {
            place.write(*byte);
        }
        Ok(Progress::Done(count))
    }

    /// Encrypts a bytes-like object; how much of it has been taken.
    pub(super) fn write(
        &self,
        py: Python<'_>,
        data: &Bound<'_, PyAny>,
    ) -> PyResult<Progress<usize>> {
        let written = self
            .write
            .bind(py)
            .call1((data,))
            .and_then(|count| count.extract::<usize>());
        progress(py, written)
    }

    /// Encrypts part of a bytes object; how much of that has been taken.
    pub(super) fn write_slice(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<Progress<usize>> {
        if self.is_builtin {
            let written = window::lend_readable(py, bytes, |bytes| {
                self.write.bind(py).call1((bytes,))?.extract::<usize>()
            });
            return progress(py, written);
        }
        self.write(py, PyBytes::new(py, bytes).as_any())
    }

    /// Lends empty memory for the encrypted bytes that come next, until they are taken out.
    pub(super) fn lend_memory(&self, memory: Vec<u8>) {
        if let Encrypted::Wire(wire) = &self.encrypted {
            let written = wire.swap_outgoing(memory);
            if !written.is_empty() {
                drop(wire.swap_outgoing(written));
            }
        }
    }

    /// Takes out the encrypted bytes that are to be sent, if any, and the memory that was lent.
    pub(super) fn take_encrypted(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        match &self.encrypted {
            Encrypted::Wire(wire) => Ok(wire.swap_outgoing(Vec::new())),
            Encrypted::Memory { outgoing, .. } => {
                let read = outgoing.bind(py).call_method0(intern!(py, "read"))?;
                Ok(read.cast::<PyBytes>()?.as_bytes().to_vec())
            }
        }
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.object)?;
        visit.call(&self.channel)?;
        visit.call(&self.read)?;
        visit.call(&self.write)?;
        match &self.encrypted {
            Encrypted::Wire(wire) => wire.traverse(visit),
            Encrypted::Memory { incoming, outgoing } => {
                visit.call(incoming)?;
                visit.call(outgoing)
            }
        }
    }
}
