//! The loop's file operations: made when a file is first used, begun at the end of a turn, collected in the next.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use aioxide_engine::sources::Direction;
use pyo3::prelude::*;

use super::{EventLoop, Trust, Watcher};
use crate::errors::os_error;
use crate::files::{self, Service};

impl EventLoop {
    /// The file operations of the loop.
    ///
    /// # Errors
    /// `RuntimeError` on a closed loop; `OSError` if the environment asks for a ring that the system
    /// refuses, `ValueError` if it asks for something unknown.
    pub(crate) fn files(slf: &Bound<'_, Self>) -> PyResult<Arc<Service>> {
        let py = slf.py();
        let service = slf.get().files.with(py, |service| service.clone());
        match service {
            Some(service) if !service.is_inherited(py) => Ok(service),
            inherited => {
                slf.get().check_closed()?;
                slf.get().drop_inherited_files(py, inherited);
                Self::make_files(slf)
            }
        }
    }

    fn make_files(slf: &Bound<'_, Self>) -> PyResult<Arc<Service>> {
        let py = slf.py();
        let event_loop = slf.get();
        let mailbox = Arc::clone(&event_loop.mailbox);
        let wake = Arc::new(move || mailbox.waker.wake());
        let service = Service::new(py, files::choice()?, wake, None)?;
        if let Some(source) = service.source(py) {
            let (reader, watcher) = (Direction::Read, Watcher::Files);
            let watched = event_loop.watch(py, source, reader, watcher, Trust::Nothing);
            drop(watched.map_err(|errno| os_error(py, errno))?);
        }
        drop(event_loop.files.replace(py, Some(Arc::clone(&service))));
        event_loop.has_files.store(true, Ordering::Relaxed);
        Ok(service)
    }

    /// In a forked child: gives up what is its parent's.
    fn drop_inherited_files(&self, py: Python<'_>, inherited: Option<Arc<Service>>) {
        let Some(service) = inherited else { return };
        if let Some(source) = service.source(py) {
            drop(self.with(py, |state| state.sources.forget(source)));
        }
        for _ in 0..service.in_flight(py) {
            self.clock.release();
        }
        service.close(py);
    }

    /// Notes that an operation has been submitted: time does not pass before it is complete.
    pub(crate) fn note_file_operation(&self) {
        self.clock.hold();
    }

    /// Whether files have been used, so that there may be something to collect or to flush.
    #[inline]
    pub(super) fn has_files(&self) -> bool {
        self.has_files.load(Ordering::Relaxed)
    }

    /// The file operations, if there is something to collect or to flush.
    fn files_at_work(&self, py: Python<'_>) -> Option<Arc<Service>> {
        if !self.has_files() {
            return None;
        }
        let service = self.files.with(py, |service| service.clone());
        service.filter(|service| service.has_work(py))
    }

    /// Whether there is something to collect or to flush.
    pub(super) fn has_file_work(&self, py: Python<'_>) -> bool {
        self.files_at_work(py).is_some()
    }

    /// Tells those who wait for what is complete.
    pub(super) fn collect_files(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().files_at_work(slf.py()) {
            Some(service) => Self::collect_from(slf, &service),
            None => Ok(()),
        }
    }

    /// Begins what the turn has submitted, and collects what could be answered at once.
    pub(super) fn flush_files(slf: &Bound<'_, Self>) -> PyResult<()> {
        match slf.get().files_at_work(slf.py()) {
            Some(service) => {
                service.flush(slf.py());
                Self::collect_from(slf, &service)
            }
            None => Ok(()),
        }
    }

    fn collect_from(slf: &Bound<'_, Self>, service: &Service) -> PyResult<()> {
        Self::leave_stage(slf);
        let (count, result) = service.collect(slf.py());
        for _ in 0..count {
            slf.get().clock.release();
        }
        result
    }

    /// Ends all file operations.
    pub(super) fn close_files(&self, py: Python<'_>) {
        self.has_files.store(false, Ordering::Relaxed);
        if let Some(service) = self.files.replace(py, None) {
            service.close(py);
        }
    }
}
