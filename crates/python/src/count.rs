//! How many: an integer, or whatever else a program counts with, such as infinity.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyInt;

/// A number.
pub(crate) enum Count {
    Int(i64),
    Other(Py<PyAny>),
}

impl FromPyObject<'_, '_> for Count {
    type Error = std::convert::Infallible;

    fn extract(value: Borrowed<'_, '_, PyAny>) -> Result<Self, Self::Error> {
        Ok(Self::new(&value))
    }
}

impl Count {
    fn new(value: &Bound<'_, PyAny>) -> Self {
        let int = if value.is_exact_instance_of::<PyInt>() {
            value.extract::<i64>().ok()
        } else {
            None
        };
        int.map_or_else(|| Self::Other(value.clone().unbind()), Self::Int)
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Int(int) => Self::Int(*int),
            Self::Other(other) => Self::Other(other.clone_ref(py)),
        }
    }

    pub(crate) fn to_object<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        Ok(match self {
            Self::Int(int) => int.into_pyobject(py)?.into_any(),
            Self::Other(other) => other.bind(py).clone(),
        })
    }

    /// Makes it so many more, if it is an integer and will be. Says whether it has.
    #[inline]
    pub(crate) fn add(&mut self, more: i64) -> bool {
        if let Self::Int(int) = self
            && let Some(sum) = int.checked_add(more)
        {
            *int = sum;
            return true;
        }
        false
    }

    /// The integer, if it is one.
    #[inline]
    pub(crate) fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(int) => Some(*int),
            Self::Other(_) => None,
        }
    }

    /// The number with so many more.
    pub(crate) fn plus(&self, py: Python<'_>, more: i64) -> PyResult<Self> {
        if let Self::Int(int) = self
            && let Some(sum) = int.checked_add(more)
        {
            return Ok(Self::Int(sum));
        }
        Ok(Self::new(&self.to_object(py)?.add(more)?))
    }

    #[inline]
    pub(crate) fn is_zero(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Int(int) => Ok(*int == 0),
            Self::Other(other) => other.bind(py).eq(0),
        }
    }

    pub(crate) fn is_negative(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Int(int) => Ok(*int < 0),
            Self::Other(other) => other.bind(py).lt(0),
        }
    }

    #[inline]
    pub(crate) fn is_zero_or_less(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Int(int) => Ok(*int <= 0),
            Self::Other(other) => other.bind(py).le(0),
        }
    }

    #[inline]
    pub(crate) fn is_positive(&self, py: Python<'_>) -> PyResult<bool> {
        match self {
            Self::Int(int) => Ok(*int > 0),
            Self::Other(other) => other.bind(py).gt(0),
        }
    }

    pub(crate) fn is_at_least(&self, py: Python<'_>, bound: &Self) -> PyResult<bool> {
        match (self, bound) {
            (Self::Int(int), Self::Int(bound)) => Ok(int >= bound),
            _ => self.to_object(py)?.ge(bound.to_object(py)?),
        }
    }

    /// Whether so many are not less than this number.
    #[inline]
    pub(crate) fn is_reached_by(&self, py: Python<'_>, many: usize) -> PyResult<bool> {
        match self {
            Self::Int(int) => Ok(i64::try_from(many).is_ok_and(|many| many >= *int)),
            Self::Other(other) => many.into_pyobject(py)?.ge(other),
        }
    }

    pub(crate) fn traverse(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self {
            Self::Int(_) => Ok(()),
            Self::Other(other) => visit.call(other),
        }
    }
}
