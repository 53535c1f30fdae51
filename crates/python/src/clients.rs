//! The connections of a server, for `aioxide.servers.Server` to extend.
//!
//! They are known weakly, so that a forgotten one can still be noticed and collected. One that was closed counts itself out.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyWeakrefMethods, PyWeakrefReference};

use crate::numbers::ByAddress;
use crate::raw::guarded::Guarded;

#[derive(Default)]
struct State {
    /// The transports, by their addresses.
    named: ByAddress<Py<PyWeakrefReference>>,
    /// How many more connections there are, counted in without saying which.
    unnamed: isize,
}

/// Counts the connections of a server.
#[pyclass(module = "aioxide._core", frozen, subclass)]
pub(crate) struct Clients {
    state: Guarded<State>,
}

#[pymethods]
impl Clients {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            state: Guarded::new(State::default()),
        }
    }

    /// Counts a connection in. Called by its transport; those of asyncio name themselves from Python 3.13 on.
    #[pyo3(name = "_attach", signature = (transport=None))]
    fn attach(&self, py: Python<'_>, transport: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let Some(transport) = transport else {
            self.state.with(py, |state| state.unnamed += 1);
            return Ok(());
        };
        let weakly = PyWeakrefReference::new(transport)?.unbind();
        let address = transport.as_ptr().addr();
        let previous = self
            .state
            .with(py, |state| state.named.insert(address, weakly));
        drop(previous);
        Ok(())
    }

    /// Counts a connection out. Called by its transport.
    #[pyo3(name = "_detach", signature = (transport=None))]
    fn detach(slf: &Bound<'_, Self>, transport: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let state = &slf.get().state;
        let known = state.with(py, |state| match transport {
            Some(transport) => state.named.remove(&transport.as_ptr().addr()),
            None => {
                state.unnamed -= 1;
                None
            }
        });
        drop(known);
        if slf.get().has_clients(py) {
            return Ok(());
        }
        slf.call_method0(intern!(py, "_note_last_gone")).map(drop)
    }

    /// Whether there are connections.
    #[getter(_has_clients)]
    fn has_clients(&self, py: Python<'_>) -> bool {
        self.state
            .with(py, |state| !state.named.is_empty() || state.unnamed != 0)
    }

    /// The transports that are still there.
    #[pyo3(name = "_living_clients")]
    fn living<'py>(&self, py: Python<'py>) -> Vec<Bound<'py, PyAny>> {
        let known: Vec<_> = self.state.with(py, |state| {
            let named = state.named.values();
            named.map(|weakly| weakly.clone_ref(py)).collect()
        });
        let known = known.into_iter();
        known
            .filter_map(|weakly| weakly.bind(py).upgrade())
            .collect()
    }
}
