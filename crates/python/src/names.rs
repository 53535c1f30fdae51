//! What `socket.getaddrinfo` says of a literal address, without asking the C library, which takes some microseconds.
//!
//! Only for texts that come back as they are: whatever else the C library reads as an address is left to it.

use std::net::IpAddr;

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyInt, PyList, PyString, PyTuple};
use rustix::net::{AddressFamily, SocketType, ipproto};

use crate::addresses;

/// Members of `socket`'s enums, which the answers have for numbers.
struct Members {
    inet: Py<PyAny>,
    inet6: Py<PyAny>,
    stream: Py<PyAny>,
    datagram: Py<PyAny>,
}

impl Members {
    fn of(py: Python<'_>) -> PyResult<&'static Self> {
        static MEMBERS: PyOnceLock<Members> = PyOnceLock::new();
        MEMBERS.get_or_try_init(py, || {
            let socket = py.import("socket")?;
            let find = |name: &str| socket.getattr(name).map(Bound::unbind);
            Ok(Self {
                inet: find("AF_INET")?,
                inet6: find("AF_INET6")?,
                stream: find("SOCK_STREAM")?,
                datagram: find("SOCK_DGRAM")?,
            })
        })
    }
}

/// Returns what `socket.getaddrinfo` would for a literal address, a port's number, and one kind of socket, without
/// flags; None for every other question. Tells auditing hooks as that does, and raises what they raise.
#[pyfunction]
#[pyo3(signature = (host, port, family, kind, proto, /))]
pub(crate) fn literal_address_info<'py>(
    host: &Bound<'py, PyAny>,
    port: &Bound<'py, PyAny>,
    family: &Bound<'py, PyAny>,
    kind: &Bound<'py, PyAny>,
    proto: &Bound<'py, PyAny>,
) -> PyResult<Option<Bound<'py, PyList>>> {
    static AUDIT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let py = host.py();
    let Some(address) = literal(host) else {
        return Ok(None);
    };
    let (Some(0..=0xffff), Some(family_number), Some(kind_number), Some(proto_number)) = (
        port.cast_exact::<PyInt>().ok().and_then(number),
        family.cast::<PyInt>().ok().and_then(number),
        kind.cast::<PyInt>().ok().and_then(number),
        proto.cast::<PyInt>().ok().and_then(number),
    ) else {
        return Ok(None);
    };
    let own_family = match address {
        IpAddr::V4(_) => AddressFamily::INET,
        IpAddr::V6(_) => AddressFamily::INET6,
    };
    let members = Members::of(py)?;
    let (own_proto, own_kind) = if kind_number == i64::from(SocketType::STREAM.as_raw()) {
        (ipproto::TCP, &members.stream)
    } else if kind_number == i64::from(SocketType::DGRAM.as_raw()) {
        (ipproto::UDP, &members.datagram)
    } else {
        return Ok(None);
    };
    let own_proto = i64::from(own_proto.as_raw().get());
    if ![0, i64::from(own_family.as_raw())].contains(&family_number)
        || ![0, own_proto].contains(&proto_number)
    {
        return Ok(None);
    }
    AUDIT.import(py, "sys", "audit")?.call1((
        intern!(py, "socket.getaddrinfo"),
        host,
        port,
        family,
        kind,
        proto,
    ))?;
    let (family, place) = match address {
        IpAddr::V4(_) => (&members.inet, (host, port).into_pyobject(py)?),
        IpAddr::V6(_) => (&members.inet6, (host, port, 0, 0).into_pyobject(py)?),
    };
    let info: Bound<'py, PyTuple> =
        (family, own_kind, own_proto, intern!(py, ""), place).into_pyobject(py)?;
    PyList::new(py, [info]).map(Some)
}

fn number(value: &Bound<'_, PyInt>) -> Option<i64> {
    value.extract().ok()
}

/// The address that a text names, if the C library would give it back in the same words.
fn literal(host: &Bound<'_, PyAny>) -> Option<IpAddr> {
    let text = host.cast_exact::<PyString>().ok()?.to_str().ok()?;
    // Most names are told from addresses by their first letter.
    if !text.starts_with(|first: char| first.is_ascii_hexdigit() || first == ':') {
        return None;
    }
    let address = text.parse().ok()?;
    (addresses::host_of(address) == text).then_some(address)
}
