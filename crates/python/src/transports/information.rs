//! What `get_extra_info` tells of a connection: found out or made when somebody asks.
//!
//! The addresses are asked of the kernel when the connection is made, since it forgets them.

use std::net::SocketAddr;

use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyType};
use rustix::net::{self, SocketAddrAny};

use super::bare::Kind;
use super::owned::Owned;
use super::stream::Stream;
use crate::addresses;

/// The two ends of a connection, as far as they are on the internet.
#[derive(Clone, Copy, Default)]
pub(super) struct Ends {
    pub(super) local: Option<SocketAddr>,
    pub(super) peer: Option<SocketAddr>,
}

impl Ends {
    /// What the kernel says.
    pub(super) fn of(owned: &Owned) -> Self {
        let peer = borrow_fd(owned.fd).and_then(net::getpeername);
        Self {
            local: local(owned),
            peer: peer.ok().flatten().and_then(internet),
        }
    }

    /// As `of`, for a connection of which accepting has told the peer.
    pub(super) fn accepted(owned: &Owned, peer: Option<SocketAddrAny>) -> Self {
        Self {
            local: local(owned),
            peer: peer.and_then(internet),
        }
    }
}

fn local(owned: &Owned) -> Option<SocketAddr> {
    let address = borrow_fd(owned.fd).and_then(net::getsockname);
    address.ok().and_then(internet)
}

fn internet(address: SocketAddrAny) -> Option<SocketAddr> {
    address.try_into().ok()
}

/// What is known of a connection.
pub(super) struct Information {
    pub(super) ends: Ends,
    /// What somebody has asked for already, and what the transport was given.
    pub(super) told: Option<Py<PyDict>>,
    /// What the socket object was, or would have been, made with: None if it was there first.
    pub(super) kind: Option<Kind>,
}

impl Stream {
    /// Takes over what the maker of a transport knows, and asks the socket object for what is not on the internet.
    pub(super) fn inform(&self, py: Python<'_>, extra: Option<Bound<'_, PyDict>>) -> PyResult<()> {
        let told = extra.unwrap_or_else(|| PyDict::new(py));
        let sock = self.owned.object(py)?;
        let ends = self.with(py, |state| state.information.ends);
        if ends.local.is_none() {
            let address = ask(sock, intern!(py, "getsockname"))?;
            told.set_item(intern!(py, "sockname"), address)?;
        }
        if ends.peer.is_none() && !told.contains(intern!(py, "peername"))? {
            let address = ask(sock, intern!(py, "getpeername"))?;
            told.set_item(intern!(py, "peername"), address)?;
        }
        self.set_information(py, told.unbind());
        Ok(())
    }

    /// What somebody has asked for already, to be added to.
    fn told<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        let known = self.with(py, |state| {
            let told = state.information.told.as_ref();
            told.map(|told| told.clone_ref(py))
        });
        if let Some(told) = known {
            return told.into_bound(py);
        }
        let told = PyDict::new(py);
        let kept = told.clone().unbind();
        drop(self.with(py, |state| state.information.told.replace(kept)));
        told
    }

    /// The value of one of the three names that every connection has.
    fn find_out<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let ends = self.with(py, |state| state.information.ends);
        let address = match name {
            "socket" => return self.socket_view(py),
            "sockname" => ends.local,
            "peername" => ends.peer,
            _ => return Ok(None),
        };
        Ok(Some(match address {
            Some(address) => addresses::internet_to_python(py, &address)?.into_any(),
            None => py.None().into_bound(py),
        }))
    }

    /// The socket, for those who must not close it. None if there is none any more, and none can be made to look like it.
    fn socket_view<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        static VIEW: PyOnceLock<Py<PyType>> = PyOnceLock::new();
        let kind = self.with(py, |state| state.information.kind);
        let sock = match (self.owned.known_object(py), kind) {
            (None, Some(kind)) if !self.owned.has_its_descriptor(py) => kind.closed(py),
            _ => self.owned.object(py).cloned(),
        };
        match sock {
            Err(error) if error.is_instance_of::<PyOSError>(py) => Ok(None),
            Err(error) => Err(error),
            Ok(sock) => VIEW
                .import(py, "asyncio.trsock", "TransportSocket")?
                .call1((sock,))
                .map(Some),
        }
    }
}

/// Asks the socket object, which knows every family, for an address; None if there is none.
fn ask<'py>(
    sock: &Bound<'py, PyAny>,
    method: &Bound<'py, PyString>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = sock.py();
    match sock.call_method0(method) {
        Err(error) if error.is_instance_of::<PyOSError>(py) => Ok(py.None().into_bound(py)),
        address => address,
    }
}

#[pymethods]
impl Stream {
    /// What is known of the connection under `name`; `default` if nothing is.
    fn extra_info<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        default: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = name.py();
        let told = self.told(py);
        if let Some(value) = told.get_item(name)? {
            return Ok(value);
        }
        let value = match name.cast_exact::<PyString>() {
            Ok(name) => self.find_out(py, name.to_str()?)?,
            Err(_) => None,
        };
        match value {
            Some(value) => {
                told.set_item(name, &value)?;
                Ok(value)
            }
            None => Ok(default),
        }
    }

    /// All that is known of the connection: the dictionary that is looked into.
    #[getter]
    fn information<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let told = self.told(py);
        for name in ["socket", "sockname", "peername"] {
            if !told.contains(name)?
                && let Some(value) = self.find_out(py, name)?
            {
                told.set_item(name, value)?;
            }
        }
        Ok(told)
    }

    #[setter]
    fn set_information(&self, py: Python<'_>, information: Py<PyDict>) {
        let previous = self.with(py, |state| state.information.told.replace(information));
        drop(previous);
    }
}
