//! Internet addresses as Python's socket module spells them.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::unix::ffi::OsStrExt;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt, PyString, PyTuple};
use rustix::io::Errno;
use rustix::net::SocketAddrAny;

/// The largest flow label that Python's socket module accepts.
const FLOW_MAX: u32 = 0xf_ffff;

/// The two kinds of internet addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

/// The tuple for an internet address: `(host, port)` or `(host, port, flow information, scope)`.
/// None for any other address.
pub(crate) fn to_python<'py>(
    py: Python<'py>,
    address: &SocketAddrAny,
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let address: Result<SocketAddr, Errno> = address.clone().try_into();
    match address {
        Ok(address) => internet_to_python(py, &address).map(|tuple| Some(tuple.into_any())),
        Err(_) => Ok(None),
    }
}

/// The tuple for an internet address: `(host, port)` or `(host, port, flow information, scope)`.
pub(crate) fn internet_to_python<'py>(
    py: Python<'py>,
    address: &SocketAddr,
) -> PyResult<Bound<'py, PyTuple>> {
    let host = host_of(address.ip());
    match address {
        SocketAddr::V4(address) => (host, address.port()).into_pyobject(py),
        SocketAddr::V6(address) => {
            (host, address.port(), address.flowinfo(), address.scope_id()).into_pyobject(py)
        }
    }
}

/// An IP address as `inet_ntop` writes it, which keeps IPv4's form in those of IPv6 that embed IPv4.
pub(crate) fn host_of(ip: IpAddr) -> String {
    match ip {
        IpAddr::V6(ip) => match ip.segments() {
            [0, 0, 0, 0, 0, 0, seventh, _] if seventh > 0 => {
                let [.., a, b, c, d] = ip.octets();
                format!("::{}", Ipv4Addr::new(a, b, c, d))
            }
            _ => ip.to_string(),
        },
        IpAddr::V4(ip) => dotted(ip),
    }
}

/// An address as its four numbers, which the general way of formatting takes ten times as long for.
fn dotted(ip: Ipv4Addr) -> String {
    let digit = |value: u8| char::from(b'0' + value % 10);
    let mut text = String::with_capacity("255.255.255.255".len());
    for number in ip.octets() {
        if !text.is_empty() {
            text.push('.');
        }
        if number >= 100 {
            text.push(digit(number / 100));
        }
        if number >= 10 {
            text.push(digit(number / 10));
        }
        text.push(digit(number));
    }
    text
}

/// The name of a Unix socket, as the kernel keeps it: bytes for an abstract name, which begins with a zero, else a path.
pub(crate) fn local_to_python<'py>(py: Python<'py>, name: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    if name.first() == Some(&0) {
        return Ok(PyBytes::new(py, name).into_any());
    }
    let path = name.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(OsStr::from_bytes(path).into_pyobject(py)?.into_any())
}

/// The address that a tuple spells in numbers. None for a name and for whatever else has to be looked
/// up, or refused: that is for Python's socket module to do.
pub(crate) fn internet_from_python(
    address: &Bound<'_, PyAny>,
    family: Family,
) -> Option<SocketAddr> {
    let address = address.cast::<PyTuple>().ok()?;
    let host = address.get_borrowed_item(0).ok()?;
    let host = host.cast_exact::<PyString>().ok()?;
    let host = host.to_str().ok()?;
    let port = number(address, 1)?;
    match (family, address.len()) {
        (Family::V4, 2) => {
            let ip: Ipv4Addr = host.parse().ok()?;
            Some(SocketAddrV4::new(ip, port).into())
        }
        (Family::V6, count @ 2..=4) => {
            let ip: Ipv6Addr = host.parse().ok()?;
            let flow = if count > 2 { number(address, 2)? } else { 0 };
            let scope = if count > 3 { number(address, 3)? } else { 0 };
            (flow <= FLOW_MAX).then(|| SocketAddrV6::new(ip, port, flow, scope).into())
        }
        _ => None,
    }
}

fn number<'py, N>(address: &Bound<'py, PyTuple>, index: usize) -> Option<N>
where
    N: for<'a> FromPyObject<'a, 'py>,
{
    let item = address.get_borrowed_item(index).ok()?;
    item.cast_exact::<PyInt>().ok()?.as_any().extract().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_an_address_is_written_without_zeros_before_it() {
        for number in 0..=255 {
            for ip in [
                Ipv4Addr::new(number, 0, 10, 255),
                Ipv4Addr::new(1, 99, 100, number),
            ] {
                assert_eq!(dotted(ip), ip.to_string());
            }
        }
    }
}
