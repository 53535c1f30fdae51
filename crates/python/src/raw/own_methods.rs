//! Whether a native object still has the methods of its native class, so that natives need not call them by name.
//!
//! Python may put others in their place: in a derived class, on the class, or on the object. Classes have
//! a number that Python changes whenever it changes the class, which makes asking cheap.

use std::sync::atomic::{AtomicU32, Ordering};

use pyo3::PyClass;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::function::{self, Implementation};

/// Methods of a native class that natives call.
pub(crate) struct OwnMethods {
    methods: &'static [(&'static str, Implementation)],
    /// The number of the class when its methods were last found to be its own; 0 if they never were.
    version: AtomicU32,
}

impl OwnMethods {
    pub(crate) const fn new(methods: &'static [(&'static str, Implementation)]) -> Self {
        Self {
            methods,
            version: AtomicU32::new(0),
        }
    }

    /// Whether `object` is exactly a `C`, and the methods are those of `C`.
    #[inline]
    pub(crate) fn are_those_of<C: PyClass>(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        if !object.is_exact_instance_of::<C>() {
            return Ok(false);
        }
        let version = version(object);
        if version != 0 && version == self.version.load(Ordering::Relaxed) && !is_changed(object) {
            return Ok(true);
        }
        self.have_been_looked_up(object)
    }

    /// As `are_those_of`, where the class or the object has changed, or has never been asked.
    #[cold]
    fn have_been_looked_up(&self, object: &Bound<'_, PyAny>) -> PyResult<bool> {
        let version = version(object);
        if version == 0 || version != self.version.load(Ordering::Relaxed) {
            let class = object.get_type();
            for (name, implementation) in self.methods {
                if !function::is_native(&class.getattr(*name)?, *implementation) {
                    return Ok(false);
                }
            }
            self.version.store(self::version(object), Ordering::Relaxed);
        }
        let Some(attributes) = attributes(object) else {
            return Ok(true);
        };
        for (name, _implementation) in self.methods {
            if attributes.contains(name)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// The number of an object's class: 0 if it has none at present.
#[inline]
fn version(object: &Bound<'_, PyAny>) -> u32 {
    let class = object.get_type_ptr();
    // SAFETY: the object keeps its class alive, and the GIL, where there is one, orders reads and changes; where
    // there is none a stale number only says what was true a moment ago.
    unsafe { (*class).tp_version_tag }
}

/// The dictionary of an object of a native class, or null: most objects never get one.
#[inline]
fn dictionary(object: &Bound<'_, PyAny>) -> *mut ffi::PyObject {
    // SAFETY: the object keeps its class alive, and nobody changes the field.
    let offset = unsafe { (*object.get_type_ptr()).tp_dictoffset };
    // Python's own way to keep attributes has no such place; native classes have one behind their contents.
    if offset <= 0 {
        return std::ptr::null_mut();
    }
    // SAFETY: the class says that its objects have their dictionary there.
    let place = unsafe { object.as_ptr().byte_offset(offset) };
    // SAFETY: as above; the object owns what is there, or it is null.
    unsafe { place.cast::<*mut ffi::PyObject>().read() }
}

/// Whether an object may have attributes of its own.
#[inline]
fn is_changed(object: &Bound<'_, PyAny>) -> bool {
    !dictionary(object).is_null()
}

/// The attributes of an object of a native class that has a dictionary, if it has any.
fn attributes<'a, 'py>(object: &'a Bound<'py, PyAny>) -> Option<Borrowed<'a, 'py, PyDict>> {
    let dictionary = dictionary(object);
    // SAFETY: as above. The object is borrowed for as long as the dictionary is.
    let dictionary = unsafe { Borrowed::from_ptr_or_opt(object.py(), dictionary) }?;
    dictionary
        .cast::<PyDict>()
        .ok()
        .filter(|attributes| !attributes.is_empty())
}
