//! Internet addresses as Python's socket module spells them.

use std::net::SocketAddr;

use pyo3::prelude::*;
use rustix::io::Errno;
use rustix::net::SocketAddrAny;

/// The tuple for an internet address: `(host, port)` or `(host, port, flow information, scope)`.
/// None for any other address.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    address: &SocketAddrAny,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let address: Result<SocketAddr, Errno> = address.clone().try_into();
    Ok(match address {
        Ok(SocketAddr::V4(address)) => Some(
            (address.ip().to_string(), address.port())
                .into_pyobject(py)?
                .into_any(),
        ),
        Ok(SocketAddr::V6(address)) => {
            let fields = (
                address.ip().to_string(),
                address.port(),
                address.flowinfo(),
                address.scope_id(),
            );
            Some(fields.into_pyobject(py)?.into_any())
        }
        Err(_) => None,
    })
}
