//! The transport below TLS, which carries the encrypted bytes: a stream, TLS again, or anybody's.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::Tls;
use crate::transports::stream::Stream;

/// The native half of the transport below, where there is one.
enum Native {
    Stream(Py<Stream>),
    Tls(Py<Tls>),
    /// A transport that is not ours.
    None,
}

/// The transport below.
pub(super) struct Lower {
    transport: Py<PyAny>,
    native: Native,
}

impl Lower {
    /// Our own transports name their native half `_native` or `_tls`.
    pub(super) fn new(transport: &Bound<'_, PyAny>) -> PyResult<Self> {
        let py = transport.py();
        let stream = transport.getattr_opt(intern!(py, "_native"))?;
        let tls = transport.getattr_opt(intern!(py, "_tls"))?;
        let native = if let Some(Ok(stream)) = stream.as_ref().map(|half| half.cast::<Stream>()) {
            Native::Stream(stream.clone().unbind())
        } else if let Some(Ok(tls)) = tls.as_ref().map(|half| half.cast::<Tls>()) {
            Native::Tls(tls.clone().unbind())
        } else {
            Native::None
        };
        Ok(Self {
            transport: transport.clone().unbind(),
            native,
        })
    }

    /// Whether this is that transport.
    pub(super) fn stands_for(&self, transport: &Bound<'_, PyAny>) -> bool {
        self.transport.is(transport)
    }

    pub(super) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            transport: self.transport.clone_ref(py),
            native: match &self.native {
                Native::Stream(stream) => Native::Stream(stream.clone_ref(py)),
                Native::Tls(tls) => Native::Tls(tls.clone_ref(py)),
                Native::None => Native::None,
            },
        }
    }

    /// Sends `bytes`, or a copy of them later.
    pub(super) fn write(&self, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        match &self.native {
            Native::Stream(stream) => Stream::write_slice(stream.bind(py), bytes),
            Native::Tls(_) | Native::None => self
                .transport
                .bind(py)
                .call_method1(intern!(py, "write"), (PyBytes::new(py, bytes),))
                .map(drop),
        }
    }

    /// Sends at once what is held back until the end of the turn.
    pub(super) fn flush(&self, py: Python<'_>) -> PyResult<()> {
        match &self.native {
            Native::Stream(stream) => stream.get().flush_held(stream.bind(py)),
            Native::Tls(tls) => {
                let lower = tls.get().lower(py);
                lower.map_or(Ok(()), |lower| lower.flush(py))
            }
            Native::None => Ok(()),
        }
    }

    /// Whether the kernel has refused bytes that are still on their way.
    pub(super) fn is_blocked(&self, py: Python<'_>) -> bool {
        match &self.native {
            Native::Stream(stream) => stream.get().is_blocked(py),
            Native::Tls(tls) => tls.get().is_blocked(py),
            Native::None => false,
        }
    }

    /// Whether the kernel has everything.
    pub(super) fn is_drained(&self, py: Python<'_>) -> bool {
        match &self.native {
            Native::Stream(stream) => stream.get().is_drained(py),
            Native::Tls(tls) => tls.get().is_drained(py),
            Native::None => true,
        }
    }

    pub(super) fn pause_reading(&self, py: Python<'_>) -> PyResult<()> {
        let transport = self.transport.bind(py);
        transport
            .call_method0(intern!(py, "pause_reading"))
            .map(drop)
    }

    pub(super) fn resume_reading(&self, py: Python<'_>) -> PyResult<()> {
        let transport = self.transport.bind(py);
        transport
            .call_method0(intern!(py, "resume_reading"))
            .map(drop)
    }

    pub(super) fn is_closing(&self, py: Python<'_>) -> PyResult<bool> {
        match &self.native {
            Native::Stream(stream) => Ok(stream.get().is_closing(py)),
            Native::Tls(tls) => tls.get().is_closing(py),
            Native::None => {
                let transport = self.transport.bind(py);
                transport
                    .call_method0(intern!(py, "is_closing"))?
                    .is_truthy()
            }
        }
    }

    /// Closes at once, for `error` or for none.
    pub(super) fn force_close(
        &self,
        py: Python<'_>,
        error: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let transport = self.transport.bind(py);
        transport
            .call_method1(intern!(py, "_force_close"), (error,))
            .map(drop)
    }

    pub(super) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.transport)?;
        match &self.native {
            Native::Stream(stream) => visit.call(stream),
            Native::Tls(tls) => visit.call(tls),
            Native::None => Ok(()),
        }
    }
}
