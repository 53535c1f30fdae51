//! The limit of a reader: how long a line may be, and half of how much is buffered before the transport pauses.

use pyo3::prelude::*;

/// A limit as the program gave it, and in bytes.
pub(super) struct Limit {
    /// What `_limit` shows.
    pub(super) given: Py<PyAny>,
    /// No separator may begin behind this place, and with no more bytes than this a paused transport goes on.
    pub(super) bytes: usize,
    /// With more bytes than this the transport pauses.
    pub(super) pause_above: usize,
}

impl Limit {
    /// asyncio's default.
    const DEFAULT: usize = 64 * 1024;

    /// The default.
    pub(super) fn default(py: Python<'_>) -> PyResult<Self> {
        Self::new(Self::DEFAULT.into_pyobject(py)?.as_any())
    }

    /// Takes any number, as asyncio does.
    pub(super) fn new(given: &Bound<'_, PyAny>) -> PyResult<Self> {
        Ok(Self {
            given: given.clone().unbind(),
            bytes: whole(given)?,
            pause_above: whole(&given.mul(2)?)?,
        })
    }
}

/// The largest count that is not above a number. A count is above the number if it is above this.
fn whole(number: &Bound<'_, PyAny>) -> PyResult<usize> {
    if let Ok(count) = number.extract::<usize>() {
        return Ok(count);
    }
    if number.lt(0)? {
        return Ok(0);
    }
    let floor = number.py().import("math")?.getattr("floor")?;
    // Infinity has no floor, and some numbers are larger than any count.
    let floor = floor.call1((number,)).and_then(|count| count.extract());
    Ok(floor.unwrap_or(usize::MAX))
}
