//! All pending tasks of ours, for `asyncio.all_tasks()`, without owning them.
//!
//! asyncio itself keeps weak references in a set written in Python, which costs more than all the
//! rest of a task's life. Here a task has a numbered place, which it gives back when it is done or
//! goes.
//!
//! While the GIL orders all threads, a place holds the bare address of its task. On free-threaded
//! builds a task could go while another thread looks: there it holds a weak reference, and the
//! places are divided among several lists, or loops in different threads would wait for each other.

use std::ptr::NonNull;

use pyo3::ffi;
use pyo3::prelude::*;

use super::guarded::Guarded;

#[cfg(not(Py_GIL_DISABLED))]
mod entry {
    use std::ptr::NonNull;

    use pyo3::exceptions::PySystemError;
    use pyo3::ffi;
    use pyo3::prelude::*;

    /// How many lists there are.
    pub(super) const LISTS: usize = 1;

    /// The list that this thread adds to.
    #[inline]
    pub(super) fn list() -> usize {
        0
    }

    /// The list of a place, and its number there.
    #[inline]
    pub(super) fn parts(place: usize) -> (usize, usize) {
        (0, place)
    }

    /// What stands for a task in its place: the task, which is not owned.
    #[inline]
    pub(super) fn enter(task: &Bound<'_, PyAny>) -> PyResult<NonNull<ffi::PyObject>> {
        NonNull::new(task.as_ptr()).ok_or_else(|| PySystemError::new_err("a task has no address"))
    }

    /// Ends what `enter` began.
    #[inline]
    pub(super) fn leave(_py: Python<'_>, _task: NonNull<ffi::PyObject>) {}

    /// A new reference to a task, unless its last one has gone and it is being taken apart.
    pub(super) fn look(py: Python<'_>, task: NonNull<ffi::PyObject>) -> Option<Py<PyAny>> {
        // SAFETY: a task is taken out before its memory is freed.
        if unsafe { ffi::Py_REFCNT(task.as_ptr()) } == 0 {
            return None;
        }
        // SAFETY: as above, and somebody owns the task.
        Some(unsafe { Bound::from_borrowed_ptr(py, task.as_ptr()) }.unbind())
    }

    /// The task that a look has found.
    pub(super) fn task(_py: Python<'_>, task: Py<PyAny>) -> Option<Py<PyAny>> {
        Some(task)
    }
}

#[cfg(Py_GIL_DISABLED)]
mod entry {
    use std::ptr::NonNull;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use pyo3::exceptions::PySystemError;
    use pyo3::ffi;
    use pyo3::prelude::*;
    use pyo3::types::{PyWeakrefMethods, PyWeakrefReference};

    /// How many lists there are: more than most programs have loops at once.
    pub(super) const LISTS: usize = 16;

    /// The list that this thread adds to.
    #[inline]
    pub(super) fn list() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        thread_local! {
            static LIST: usize = THREADS.fetch_add(1, Ordering::Relaxed) % LISTS;
        }
        LIST.with(|list| *list)
    }

    /// The list of a place, and its number there.
    #[inline]
    pub(super) fn parts(place: usize) -> (usize, usize) {
        (place % LISTS, place / LISTS)
    }

    /// What stands for a task in its place: a weak reference, which the place owns.
    pub(super) fn enter(task: &Bound<'_, PyAny>) -> PyResult<NonNull<ffi::PyObject>> {
        let reference = PyWeakrefReference::new(task)?;
        NonNull::new(reference.into_ptr())
            .ok_or_else(|| PySystemError::new_err("a reference has no address"))
    }

    /// Ends what `enter` began.
    pub(super) fn leave(py: Python<'_>, reference: NonNull<ffi::PyObject>) {
        // SAFETY: the place owned the reference, and has been emptied.
        drop(unsafe { Bound::from_owned_ptr(py, reference.as_ptr()) });
    }

    /// What `task` finds the task by, once the list is lent no more.
    pub(super) fn look(py: Python<'_>, reference: NonNull<ffi::PyObject>) -> Option<Py<PyAny>> {
        // SAFETY: the place owns the reference, and is not emptied while its list is lent.
        Some(unsafe { Bound::from_borrowed_ptr(py, reference.as_ptr()) }.unbind())
    }

    /// The task that a look has found, unless it has gone since.
    pub(super) fn task(py: Python<'_>, reference: Py<PyAny>) -> Option<Py<PyAny>> {
        let reference = reference.into_bound(py).cast_into::<PyWeakrefReference>();
        reference.ok()?.upgrade().map(Bound::unbind)
    }
}

/// A task's place among the pending ones: its number in a list, times the number of lists, plus that of the list.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place(u32);

/// The address of what stands for a task, or a place to be had: then the next such place, doubled, plus 1.
#[derive(Clone, Copy)]
struct Slot(usize);

/// No place is to be had.
const NO_PLACE: u32 = u32::MAX;

impl Slot {
    fn of_task(task: NonNull<ffi::PyObject>) -> Self {
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

static LISTS: [Guarded<Slots>; entry::LISTS] = [const {
    Guarded::new(Slots {
        slots: Vec::new(),
        free: NO_PLACE,
        count: 0,
        trim_below: 0,
    })
}; entry::LISTS];

/// Fewer places than this are never given back.
const PLACES_KEPT: usize = 4096;

/// Enters a task. It must be removed before its memory is freed.
///
/// None if there are four billion tasks: then it is not listed.
#[inline]
pub(crate) fn add(task: &Bound<'_, PyAny>) -> PyResult<Option<Place>> {
    let py = task.py();
    let entered = entry::enter(task)?;
    let number = entry::list();
    let place = LISTS
        .get(number)
        .and_then(|list| list.with(py, |slots| slots.add(entered, number)));
    if place.is_none() {
        entry::leave(py, entered);
    }
    Ok(place)
}

/// Takes a task out.
#[inline]
pub(crate) fn remove(py: Python<'_>, place: Place) {
    let (list, number) = entry::parts(place.0 as usize);
    if let Some(list) = LISTS.get(list)
        && let Some(entered) = list.with(py, |slots| slots.remove(number))
    {
        entry::leave(py, entered);
    }
}

impl Slots {
    fn add(&mut self, entered: NonNull<ffi::PyObject>, list: usize) -> Option<Place> {
        let number = self.take_place()? as usize;
        let place = u32::try_from(number * entry::LISTS + list).ok()?;
        *self.slots.get_mut(number)? = Slot::of_task(entered);
        self.count += 1;
        Some(Place(place))
    }

    /// Empties a place. What stood there is for the caller to let go of.
    fn remove(&mut self, number: usize) -> Option<NonNull<ffi::PyObject>> {
        let slot = self.slots.get_mut(number)?;
        let entered = slot.task()?;
        *slot = Slot::free(self.free);
        self.free = u32::try_from(number).unwrap_or(NO_PLACE);
        self.count -= 1;
        if self.count < self.trim_below {
            self.trim();
        }
        Some(entered)
    }

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
    let mut looks = Vec::new();
    for list in &LISTS {
        list.with(py, |slots| {
            let entered = slots.slots.iter().filter_map(|slot| slot.task());
            looks.extend(entered.filter_map(|entered| entry::look(py, entered)));
        });
    }
    let task = |look| entry::task(py, look);
    looks.into_iter().filter_map(task).collect()
}
