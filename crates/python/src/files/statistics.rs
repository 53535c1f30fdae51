//! `os.stat_result` from what the kernel tells of a file.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyFloat, PyTuple};
use rustix::fs::{Statx, StatxTimestamp, makedev};

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Seconds, with the part that a double has room for: computed as CPython does, to be equal to the last bit.
fn in_seconds(time: &StatxTimestamp) -> f64 {
    time.tv_sec as f64 + 1e-9 * f64::from(time.tv_nsec)
}

fn in_nanos(time: &StatxTimestamp) -> i128 {
    i128::from(time.tv_sec) * NANOS_PER_SECOND + i128::from(time.tv_nsec)
}

/// The `os.stat_result` of a file.
///
/// # Errors
/// `MemoryError`.
pub(crate) fn stat_result<'py>(py: Python<'py>, stat: &Statx) -> PyResult<Bound<'py, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let class = CLASS.get_or_try_init(py, || {
        Ok::<_, PyErr>(py.import("os")?.getattr("stat_result")?.unbind())
    })?;
    let times = [&stat.stx_atime, &stat.stx_mtime, &stat.stx_ctime];
    let whole: [i128; 10] = [
        stat.stx_mode.into(),
        stat.stx_ino.into(),
        makedev(stat.stx_dev_major, stat.stx_dev_minor).into(),
        stat.stx_nlink.into(),
        stat.stx_uid.into(),
        stat.stx_gid.into(),
        stat.stx_size.into(),
        stat.stx_atime.tv_sec.into(),
        stat.stx_mtime.tv_sec.into(),
        stat.stx_ctime.tv_sec.into(),
    ];
    let last: [i128; 3] = [
        stat.stx_blksize.into(),
        stat.stx_blocks.into(),
        makedev(stat.stx_rdev_major, stat.stx_rdev_minor).into(),
    ];
    // In the order of the class: what a tuple shows, the times as floats and in nanoseconds, the rest.
    let integer = |value: i128| value.into_pyobject(py).map(Bound::into_any);
    let mut fields = Vec::with_capacity(19);
    for value in whole {
        fields.push(integer(value)?);
    }
    for time in times {
        fields.push(PyFloat::new(py, in_seconds(time)).into_any());
    }
    for value in times.map(in_nanos).into_iter().chain(last) {
        fields.push(integer(value)?);
    }
    class.bind(py).call1((PyTuple::new(py, fields)?,))
}
