//! The `repr` of a lock: that of any object, with its state in brackets.

use pyo3::PyClass;
use pyo3::intern;
use pyo3::prelude::*;

use crate::raw::fastcall::Arguments;
use crate::routine::receiver;

/// A class whose objects tell their state.
pub(super) trait Described: PyClass {
    /// The state, as it stands in the brackets.
    fn state(slf: &Bound<'_, Self>) -> PyResult<String>;
}

/// `__repr__`.
pub(super) fn repr<'py, C: Described>(
    py: Python<'py>,
    arguments: &Arguments<'_, 'py>,
) -> PyResult<Option<Py<PyAny>>> {
    let Some(slf) = receiver::<C>(py, arguments)? else {
        return Ok(None);
    };
    let object = py.get_type::<PyAny>();
    let plain = object.call_method1(intern!(py, "__repr__"), (&*slf,))?;
    let plain = plain.extract::<String>()?;
    // Whoever reads it knows the class by its name in asyncio.
    let plain = plain.replacen("<aioxide.natives.", "<asyncio.", 1);
    let bare = plain.strip_prefix('<').unwrap_or(&plain);
    let bare = bare.strip_suffix('>').unwrap_or(bare);
    let described = format!("<{bare} [{}]>", C::state(&slf)?);
    Ok(Some(described.into_pyobject(py)?.into_any().unbind()))
}

/// A state, followed by how many wait.
pub(super) fn with_waiters(state: &str, waiters: usize) -> String {
    if waiters == 0 {
        state.to_owned()
    } else {
        format!("{state}, waiters:{waiters}")
    }
}
