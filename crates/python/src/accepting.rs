//! How a server accepts connections: one system call for each, and no more Python than the protocol's own.
//!
//! `socket.accept` takes three system calls until the socket never blocks, makes enums of the family and
//! the type of the listening socket each time, and says with an exception that no connection waits.

use std::os::fd::{OwnedFd, RawFd};

use aioxide_engine::sockets::{self, Attempt};
use aioxide_engine::sys::borrow_fd;
use pyo3::exceptions::PyOSError;
use pyo3::intern;
use pyo3::prelude::*;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketAddrAny};

use crate::addresses;
use crate::errors::os_error;
use crate::event_loop::{EventLoop, ends_the_loop};
use crate::raw::{context, instance};
use crate::transports::bare::{Bare, Kind};
use crate::transports::life;
use crate::transports::stream::Stream;

/// A connection's socket, and the address of its peer.
type Accepted<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// Accepts a connection that waits at `listener`, a `socket.socket`; None if none does. The connection's socket
/// never blocks. Fails as `socket.accept` does.
#[pyfunction]
pub(crate) fn accept<'py>(listener: &Bound<'py, PyAny>) -> PyResult<Option<Accepted<'py>>> {
    let py = listener.py();
    let (connection, peer) = match accept_from(listener)? {
        Ok(Attempt::Done(accepted)) => accepted,
        Ok(Attempt::WouldBlock) => return Ok(None),
        Err(errno) => return Err(os_error(py, errno)),
    };
    let sock = Kind::of(listener)?.open(py, connection)?;
    let address = match peer {
        Some(peer) => addresses::to_python(py, &peer)?,
        None => None,
    };
    let address = match address {
        Some(address) => address,
        None => other_address(&sock)?,
    };
    Ok(Some((sock, address)))
}

type Attempted = Result<Attempt<(OwnedFd, Option<SocketAddrAny>)>, Errno>;

fn accept_from(listener: &Bound<'_, PyAny>) -> PyResult<Attempted> {
    Ok(borrow_fd(descriptor(listener)?).and_then(sockets::accept))
}

fn descriptor(listener: &Bound<'_, PyAny>) -> PyResult<RawFd> {
    let py = listener.py();
    listener.call_method0(intern!(py, "fileno"))?.extract()
}

/// The address of a peer that is not on the internet; None if it has gone already.
fn other_address<'py>(sock: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let py = sock.py();
    match sock.call_method0(intern!(py, "getpeername")) {
        Err(error) if error.is_instance_of::<PyOSError>(py) => Ok(py.None().into_bound(py)),
        address => address,
    }
}

/// What a server does with what it accepts.
struct Door<'a, 'py> {
    event_loop: &'a Bound<'py, EventLoop>,
    kind: Kind,
    protocol_factory: &'a Bound<'py, PyAny>,
    server: Option<&'a Bound<'py, PyAny>>,
}

impl Door<'_, '_> {
    /// Makes a transport of a connection, in a copy of the current context. What that raises is reported, unless it ends
    /// the loop, and costs this connection only.
    fn admit(&self, descriptor: OwnedFd, peer: Option<SocketAddrAny>) -> PyResult<()> {
        let py = self.event_loop.py();
        let bare = Bare {
            descriptor,
            kind: self.kind,
        };
        let own_context = context::copy_current(py)?;
        let mut protocol = None;
        let admitted = context::run_in(py, &own_context, || {
            let made = protocol.insert(self.protocol_factory.call0()?);
            let transport = instance::of(life::transport_class(py)?)?;
            let context = own_context.clone_ref(py);
            let accepted = (bare, peer);
            let stream = Stream::of_accepted(self.event_loop, accepted, made, &transport, context)?;
            stream.serve(py, self.server);
            let stream = Bound::new(py, stream)?;
            let started = transport
                .setattr(intern!(py, "_native"), &stream)
                .and_then(|()| Stream::start(&stream));
            if started.is_err() {
                Stream::release(&stream)?;
            }
            started
        });
        match admitted {
            Err(error) if !ends_the_loop(py, &error) => {
                let method = intern!(py, "_report_lost_connection");
                let args = (error.into_value(py), protocol);
                self.event_loop.call_method1(method, args).map(drop)
            }
            admitted => admitted,
        }
    }
}

/// Accepts the connections that wait at `listener`, a `socket.socket`, and makes a transport of each; at most one more
/// than `backlog`. Returns whether it has: only connections of the internet are accepted so. Fails as `socket.accept` does.
#[pyfunction]
pub(crate) fn admit(
    event_loop: &Bound<'_, EventLoop>,
    listener: &Bound<'_, PyAny>,
    protocol_factory: &Bound<'_, PyAny>,
    server: Option<&Bound<'_, PyAny>>,
    backlog: i64,
) -> PyResult<bool> {
    let py = event_loop.py();
    let kind = Kind::of(listener)?;
    let internet = [AddressFamily::INET, AddressFamily::INET6];
    if !internet
        .iter()
        .any(|family| u32::from(family.as_raw()) == kind.family)
    {
        return Ok(false);
    }
    let door = Door {
        event_loop,
        kind,
        protocol_factory,
        server,
    };
    // One more than the queue holds, so that the last attempt finds it empty.
    for _ in 0..=backlog {
        match accept_from(listener)? {
            Ok(Attempt::Done((descriptor, peer))) => door.admit(descriptor, peer)?,
            Ok(Attempt::WouldBlock) => break,
            // Gone before it was accepted; the next one may be there.
            Err(Errno::CONNABORTED) => continue,
            Err(errno) => return Err(os_error(py, errno)),
        }
        if descriptor(listener)? == -1 {
            // Closed by what has just been called.
            break;
        }
    }
    Ok(true)
}
