//! The file operations of one loop: which are under way, and who waits for each. Loop thread only.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;

use aioxide_engine::files::{CLOSE_PATIENCE, Choice, Files, Ticket, Wake};
use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

use super::pending::Slot;
use super::{Completion, FileOperation};
use crate::errors::os_error;
use crate::raw::file_memory::FileMemory;
use crate::raw::guarded::Guarded;

/// The operations, and where their ends are put.
struct Desk {
    files: Files<FileMemory>,
    slots: HashMap<Ticket, Arc<Slot>>,
}

/// The file operations of one loop.
pub(crate) struct Service {
    /// None once the loop is closed.
    desk: Guarded<Option<Desk>>,
    /// The loop, if it is not ours: it does not say when it is closed.
    foreign: Option<Py<PyWeakrefReference>>,
}

impl Drop for Service {
    /// Closes it, with the interpreter let go of: a thread that has just served an operation may want it for its wake.
    fn drop(&mut self) {
        Python::try_attach(|py| self.close(py));
    }
}

impl Service {
    /// Operations that wake their loop by `wake`, which any thread may call.
    ///
    /// # Errors
    /// `OSError` if a ring was asked for and is refused.
    pub(crate) fn new(
        py: Python<'_>,
        choice: Choice,
        wake: Wake,
        foreign: Option<Py<PyWeakrefReference>>,
    ) -> PyResult<Arc<Self>> {
        let files = Files::new(choice, wake).map_err(|errno| os_error(py, errno))?;
        let desk = Desk {
            files,
            slots: HashMap::new(),
        };
        Ok(Arc::new(Self {
            desk: Guarded::new(Some(desk)),
            foreign,
        }))
    }

    /// Takes an operation, which begins with the next [`flush`](Self::flush); its end is put into the slot.
    ///
    /// # Errors
    /// `RuntimeError` if the loop is closed.
    pub(super) fn submit(
        &self,
        py: Python<'_>,
        operation: FileOperation,
        slot: &Arc<Slot>,
    ) -> PyResult<Ticket> {
        let slot = Arc::clone(slot);
        let mut operation = Some(operation);
        let ticket = self.desk.with(py, |desk| {
            let desk = desk.as_mut()?;
            let ticket = desk.files.submit(operation.take()?);
            desk.slots.insert(ticket, slot);
            Some(ticket)
        });
        drop(operation);
        ticket.ok_or_else(|| PyRuntimeError::new_err("Event loop is closed"))
    }

    /// Asks for the end of an operation.
    pub(super) fn cancel(&self, py: Python<'_>, ticket: Ticket) {
        self.desk.with(py, |desk| {
            if let Some(desk) = desk {
                desk.files.cancel(ticket);
            }
        });
    }

    /// Has the kernel and the threads begin what was submitted.
    pub(crate) fn flush(&self, py: Python<'_>) {
        self.desk.with(py, |desk| {
            if let Some(desk) = desk {
                desk.files.flush();
            }
        });
    }

    /// Whether there is something to collect or to flush.
    #[inline]
    pub(crate) fn has_work(&self, py: Python<'_>) -> bool {
        self.desk.with(py, |desk| {
            desk.as_ref().is_some_and(|desk| desk.files.has_work())
        })
    }

    /// Puts the ends of what is complete where they belong, and tells who waits. Returns how many there were, and
    /// what a foreign future has raised; the others have been told all the same.
    pub(crate) fn collect(&self, py: Python<'_>) -> (usize, PyResult<()>) {
        let mut completions = Vec::new();
        let ended = self.desk.with(py, |desk| {
            let desk = desk.as_mut()?;
            desk.files.collect(&mut completions);
            let slot_of = |completion: &Completion| desk.slots.remove(&completion.ticket);
            Some(completions.iter().map(slot_of).collect::<Vec<_>>())
        });
        let count = completions.len();
        let mut result = Ok(());
        for (completion, slot) in completions.into_iter().zip(ended.unwrap_or_default()) {
            if let Some(slot) = slot {
                result = result.and(slot.complete(py, completion));
            }
        }
        (count, result)
    }

    /// How many operations have been submitted and not collected.
    pub(crate) fn in_flight(&self, py: Python<'_>) -> usize {
        self.desk
            .with(py, |desk| desk.as_ref().map_or(0, |desk| desk.slots.len()))
    }

    /// The descriptor that is readable when there is something to collect.
    pub(crate) fn source(&self, py: Python<'_>) -> Option<RawFd> {
        self.desk.with(py, |desk| {
            desk.as_ref().and_then(|desk| desk.files.source())
        })
    }

    /// Whether it was made by a parent process.
    pub(crate) fn is_inherited(&self, py: Python<'_>) -> bool {
        self.desk.with(py, |desk| {
            desk.as_ref().is_some_and(|desk| desk.files.is_inherited())
        })
    }

    /// Whether the loop was closed.
    pub(super) fn is_closed(&self, py: Python<'_>) -> bool {
        if self.desk.with(py, |desk| desk.is_none()) {
            return true;
        }
        let Some(foreign) = &self.foreign else {
            return false;
        };
        let Some(event_loop) = foreign.bind(py).upgrade() else {
            return true;
        };
        let is_closed = event_loop.call_method0(intern!(py, "is_closed"));
        is_closed.is_ok_and(|is_closed| is_closed.is_truthy().unwrap_or(false))
    }

    /// Cancels everything and waits, for a second at most, until nobody uses the operations' memory any more.
    pub(crate) fn close(&self, py: Python<'_>) {
        if let Some(desk) = self.desk.replace(py, None) {
            let Desk { files, slots } = desk;
            py.detach(|| files.close(CLOSE_PATIENCE));
            drop(slots);
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let visited = self.desk.visit(|desk| {
            desk.iter()
                .flat_map(|desk| desk.slots.values())
                .try_for_each(|slot| slot.traverse(visit))
        });
        visited.unwrap_or(Ok(()))
    }
}
