//! The beginning and the end of a connection: what happens once for each, and is told to its server.
//!
//! `connection_made` and the beginning of reading are one piece of work, `connection_lost` and the closing of the socket
//! another. Both are handles of Python methods instead where somebody may look: in debug mode, for a loop whose `call_soon`
//! was replaced, and for transports of a derived class.

use aioxide_engine::sources::Direction;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyTuple, PyType, PyWeakrefReference};

use super::owned::Telling;
use super::stream::Stream;
use crate::event_loop::{EventLoop, Work};
use crate::raw::context;

/// The class of the Python halves of connected sockets.
pub(crate) fn transport_class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS.import(py, "aioxide.stream_transport", "StreamTransport")
}

impl Stream {
    /// Whether nobody can tell how the loop comes to call the protocol.
    fn lives_natively(&self, py: Python<'_>) -> PyResult<bool> {
        let event_loop = self.event_loop.bind(py);
        Ok(self.is_of_own_class
            && !event_loop.get().is_debug()
            && event_loop.get().check_closed().is_ok()
            && EventLoop::schedules_natively(event_loop)?)
    }

    /// Moves to *lost*: drops what is queued and schedules `connection_lost`.
    pub(super) fn lose(slf: &Bound<'_, Self>, error: Option<Bound<'_, PyAny>>) -> PyResult<()> {
        let (py, stream) = (slf.py(), slf.get());
        let is_first = stream.with(py, |state| {
            if state.lost_count > 0 {
                return false;
            }
            state.outgoing.clear();
            state.is_closing = true;
            state.lost_count = 1;
            true
        });
        if !is_first {
            return Ok(());
        }
        stream.unwatch(py, Direction::Read, Telling::AtOnce);
        stream.unwatch(py, Direction::Write, Telling::AtOnce);
        if !stream.lives_natively(py)? {
            return stream.tell_transport(py, intern!(py, "_schedule_connection_lost"), (error,));
        }
        stream.with(py, |state| state.lost_by = error.map(Bound::unbind));
        let work = Work::End(slf.clone().unbind());
        stream.event_loop.get().schedule(py, work);
        Ok(())
    }

    /// Tells the protocol of the connection, and begins to read.
    pub(crate) fn begin_life(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, stream) = (slf.py(), slf.get());
        let (announce, transport) = stream.with(py, |state| {
            let transport = state.transport.as_ref();
            (
                state.announce.take(),
                transport.map(|transport| transport.clone_ref(py)),
            )
        });
        let (Some(announce), Some(transport)) = (announce, transport) else {
            return Ok(());
        };
        let announce = announce.into_bound(py);
        let called = context::run_in(py, &stream.context, || announce.call1((&transport,)));
        let begun = Self::begin(slf);
        match called {
            Ok(_none) => begun,
            Err(error) => {
                let args = PyTuple::new(py, [transport])?;
                begun.and(stream.report(&announce, &args, error))
            }
        }
    }

    /// Tells the protocol that the connection is lost, and lets go of everything.
    pub(crate) fn end_life(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, stream) = (slf.py(), slf.get());
        let (protocol, transport, error) = stream.with(py, |state| {
            let copy = |object: &Option<Py<PyAny>>| object.as_ref().map(|it| it.clone_ref(py));
            let error = state.lost_by.take();
            (copy(&state.protocol), copy(&state.transport), error)
        });
        let ended = context::run_in(py, &stream.context, || {
            let told = protocol.map_or(Ok(()), |protocol| {
                let method = intern!(py, "connection_lost");
                protocol.bind(py).call_method1(method, (&error,)).map(drop)
            });
            told.and(Self::release(slf))
        });
        match (ended, transport) {
            (Err(failure), Some(transport)) => {
                // If the context could not be entered, nothing has happened yet.
                let released = Self::release(slf);
                let method = transport.bind(py).getattr("_call_connection_lost")?;
                let args = PyTuple::new(py, [error])?;
                released.and(stream.report(&method, &args, failure))
            }
            (ended, _) => ended,
        }
    }

    /// Reports a callback as one that the loop has called.
    #[cold]
    fn report(
        &self,
        callback: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        error: PyErr,
    ) -> PyResult<()> {
        let py = callback.py();
        let context = self.context.clone_ref(py).into_bound(py);
        EventLoop::call_failed(
            self.event_loop.bind(py),
            callback,
            args.into(),
            context,
            error,
        )
    }
}

#[pymethods]
impl Stream {
    /// Makes the connection known to its loop and its server, and has its protocol told of it. Called once, when the
    /// transport has this half.
    pub(crate) fn start(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, stream) = (slf.py(), slf.get());
        let event_loop = stream.event_loop.bind(py);
        let (transport, protocol, server) = stream.with(py, |state| {
            let copy = |object: &Option<Py<PyAny>>| object.as_ref().map(|it| it.clone_ref(py));
            let server = copy(&state.server);
            (copy(&state.transport), copy(&state.protocol), server)
        });
        let (Some(transport), Some(protocol)) = (transport, protocol) else {
            return Ok(());
        };
        let transport = transport.bind(py);
        let announce = protocol.bind(py).getattr(intern!(py, "connection_made"))?;
        let known = event_loop.getattr(intern!(py, "_transports"))?;
        let weakly = PyWeakrefReference::new(transport)?;
        known.cast::<PyDict>()?.set_item(stream.owned.fd, weakly)?;
        if let Some(server) = server {
            let server = server.bind(py);
            server.call_method1(intern!(py, "_attach"), (transport,))?;
        }
        if stream.lives_natively(py)? {
            stream.with(py, |state| state.announce = Some(announce.unbind()));
            let work = Work::Begin(slf.clone().unbind());
            stream.event_loop.get().schedule(py, work);
            return Ok(());
        }
        let call_soon = event_loop.getattr(intern!(py, "call_soon"))?;
        let options = PyDict::new(py);
        options.set_item(intern!(py, "context"), &stream.context)?;
        call_soon.call((announce, transport), Some(&options))?;
        let begin = slf.getattr(intern!(py, "begin"))?;
        call_soon.call((begin,), Some(&options))?;
        Ok(())
    }

    /// Lets go of everything: the socket is closed exactly once, here. Does nothing after that.
    pub(crate) fn release(slf: &Bound<'_, Self>) -> PyResult<()> {
        let (py, stream) = (slf.py(), slf.get());
        let (is_first, transport, server) = stream.with(py, |state| {
            let is_first = !std::mem::replace(&mut state.is_released, true);
            let transport = state.transport.as_ref();
            let transport = transport.map(|transport| transport.clone_ref(py));
            (is_first, transport, state.server.take())
        });
        if !is_first {
            return Ok(());
        }
        stream.detach(py);
        let closed = stream.owned.close(py);
        if let (Some(server), Some(transport)) = (server, transport) {
            let server = server.bind(py);
            server.call_method1(intern!(py, "_detach"), (transport,))?;
        }
        closed
    }

    /// Whether the connection has a socket, which `release` closes.
    #[getter]
    fn is_open(&self, py: Python<'_>) -> bool {
        !self.with(py, |state| state.is_released)
    }

    /// The loop; None once everything is over.
    #[getter]
    fn event_loop(&self, py: Python<'_>) -> Option<Py<EventLoop>> {
        self.is_open(py).then(|| self.event_loop.clone_ref(py))
    }

    /// The socket object; None once it is closed.
    #[getter]
    fn sock<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.is_open(py) {
            self.owned.object(py).map(|sock| Some(sock.clone()))
        } else {
            Ok(None)
        }
    }

    /// The server that accepted the connection; None if none did, and once everything is over.
    #[getter]
    fn server(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.with(py, |state| {
            let server = state.server.as_ref();
            server.map(|server| server.clone_ref(py))
        })
    }

    /// The number of the descriptor, which is another's once this one is closed.
    #[getter]
    fn fd(&self) -> std::os::fd::RawFd {
        self.owned.fd
    }
}
