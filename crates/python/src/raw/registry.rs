//! All pending tasks of ours, for `asyncio.all_tasks()`, without owning them.
//!
//! asyncio itself keeps weak references in a set written in Python, which costs more than all the
//! rest of a task's life. Here a task has a numbered place, which it gives back when it is done or
//! goes. On free-threaded builds, where a task could go while another thread looks, tasks are
//! registered with asyncio's own functions instead.

use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

use super::guarded::Guarded;

/// A task's place among the pending ones.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

enum Slot {
    /// A task, which is not owned.
    Task(NonNull<ffi::PyObject>),
    /// A place to be had, and the next such.
    Free(Option<u32>),
}

// SAFETY: the pointers are followed by attached threads only, which the GIL orders.
unsafe impl Send for Slot {}

struct Slots {
    slots: Vec<Slot>,
    free: Option<u32>,
    count: usize,
}

static SLOTS: Guarded<Slots> = Guarded::new(Slots {
    slots: Vec::new(),
    free: None,
    count: 0,
});

/// Enters a task. It must be removed before its memory is freed.
///
/// None if there are four billion tasks: then it is not listed.
pub(crate) fn add(task: &Bound<'_, PyAny>) -> Option<Place> {
    let slot = Slot::Task(NonNull::new(task.as_ptr())?);
    SLOTS.with(task.py(), |slots| {
        let place = match slots.free {
            Some(place) => {
                let free = slots.slots.get_mut(place as usize)?;
                if let Slot::Free(next) = free {
                    slots.free = *next;
                }
                *free = slot;
                place
            }
            None => {
                let place = u32::try_from(slots.slots.len()).ok()?;
                slots.slots.push(slot);
                place
            }
        };
        slots.count += 1;
        Some(Place(place))
    })
}

/// Takes a task out.
pub(crate) fn remove(py: Python<'_>, place: Place) {
    SLOTS.with(py, |slots| {
        let free = slots.free;
        if let Some(slot) = slots.slots.get_mut(place.0 as usize) {
            *slot = Slot::Free(free);
            slots.free = Some(place.0);
            slots.count -= 1;
        }
        if slots.count == 0 && slots.slots.len() > SLOTS_KEPT_MAX {
            // After a storm of tasks the memory goes back.
            slots.slots = Vec::new();
            slots.free = None;
        }
    });
}

/// This many empty places are kept for the next tasks.
const SLOTS_KEPT_MAX: usize = 4096;

/// The tasks that are entered.
pub(crate) fn tasks(py: Python<'_>) -> Vec<Py<PyAny>> {
    SLOTS.with(py, |slots| {
        let task = |slot: &Slot| match slot {
            Slot::Task(task) => alive(py, *task),
            Slot::Free(_) => None,
        };
        slots.slots.iter().filter_map(task).collect()
    })
}

/// A new reference to a task, unless its last one has gone and it is being taken apart.
fn alive(py: Python<'_>, task: NonNull<ffi::PyObject>) -> Option<Py<PyAny>> {
    // SAFETY: a task is taken out before its memory is freed.
    if unsafe { ffi::Py_REFCNT(task.as_ptr()) } == 0 {
        return None;
    }
    // SAFETY: as above, and somebody owns the task.
    Some(unsafe { Bound::from_borrowed_ptr(py, task.as_ptr()) }.unbind())
}
