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

/// The address of a task, which is not owned, or a place to be had: then the next such place, doubled, plus 1.
#[derive(Clone, Copy)]
struct Slot(usize);

/// No place is to be had.
const NO_PLACE: u32 = u32::MAX;

impl Slot {
    fn of_task(task: &Bound<'_, PyAny>) -> Self {
        Self(task.as_ptr() as usize)
    }

    fn free(next: u32) -> Self {
        Self((next as usize) << 1 | 1)
    }

    fn next_free(self) -> Option<u32> {
        (self.0 & 1 == 1).then_some(u32::try_from(self.0 >> 1).unwrap_or(NO_PLACE))
    }

    fn task(self) -> Option<NonNull<ffi::PyObject>> {
        if self.0 & 1 == 1 {
            return None;
        }
        NonNull::new(self.0 as *mut ffi::PyObject)
    }
}

struct Slots {
    slots: Vec<Slot>,
    /// The first place to be had.
    free: u32,
    count: usize,
    /// Memory is given back once there are fewer tasks than this.
    trim_below: usize,
}

static SLOTS: Guarded<Slots> = Guarded::new(Slots {
    slots: Vec::new(),
    free: NO_PLACE,
    count: 0,
    trim_below: 0,
});

/// Fewer places than this are never given back.
const PLACES_KEPT: usize = 4096;

/// Enters a task. It must be removed before its memory is freed.
///
/// None if there are four billion tasks: then it is not listed.
pub(crate) fn add(task: &Bound<'_, PyAny>) -> Option<Place> {
    SLOTS.with(task.py(), |slots| {
        let place = slots.take_place()?;
        *slots.slots.get_mut(place as usize)? = Slot::of_task(task);
        slots.count += 1;
        Some(Place(place))
    })
}

/// Takes a task out.
pub(crate) fn remove(py: Python<'_>, place: Place) {
    SLOTS.with(py, |slots| {
        if let Some(slot) = slots.slots.get_mut(place.0 as usize) {
            *slot = Slot::free(slots.free);
            slots.free = place.0;
            slots.count -= 1;
        }
        if slots.count < slots.trim_below {
            slots.trim();
        }
    });
}

impl Slots {
    fn take_place(&mut self) -> Option<u32> {
        if self.free != NO_PLACE {
            let place = self.free;
            self.free = self.slots.get(place as usize)?.next_free()?;
            return Some(place);
        }
        let place = u32::try_from(self.slots.len())
            .ok()
            .filter(|place| *place != NO_PLACE)?;
        self.slots.push(Slot::free(NO_PLACE));
        if self.slots.len() > PLACES_KEPT {
            self.trim_below = self.slots.len() / 8;
        }
        Some(place)
    }

    /// After a storm of tasks: gives back the memory behind the last one that is left.
    fn trim(&mut self) {
        while self.slots.last().is_some_and(|slot| slot.task().is_none()) {
            self.slots.pop();
        }
        self.slots.shrink_to_fit();
        self.free = NO_PLACE;
        for (place, slot) in self.slots.iter_mut().enumerate() {
            if slot.task().is_none() {
                *slot = Slot::free(self.free);
                self.free = u32::try_from(place).unwrap_or(NO_PLACE);
            }
        }
        // If the last one stands far back, it is tried again only when there are half as many.
        self.trim_below = self.count / 2;
    }
}

/// The tasks that are entered.
pub(crate) fn tasks(py: Python<'_>) -> Vec<Py<PyAny>> {
    SLOTS.with(py, |slots| {
        let tasks = slots.slots.iter().filter_map(|slot| slot.task());
        tasks.filter_map(|task| alive(py, task)).collect()
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
