//! Methods that take their arguments as Python has them on its stack.
//!
//! PyO3 does so too, but not for a method with `*args` or `**kwargs`: for each call of those, Python
//! makes a tuple and, if there are keywords, a dictionary, only for them to be taken apart. That
//! was a fifth of the cost of `call_soon` and of `create_task`.

use std::ffi::CStr;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::PyClass;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::attached::attached;

/// The arguments of one call.
pub(crate) struct Arguments<'a, 'py> {
    py: Python<'py>,
    /// The positional ones, and behind them those that have names.
    values: &'a [*mut ffi::PyObject],
    positional: usize,
    names: Option<Borrowed<'a, 'py, PyTuple>>,
}

impl<'a, 'py> Arguments<'a, 'py> {
    /// The arguments of a call in the interpreter's fast convention.
    ///
    /// # Safety
    /// `values` are `positional` objects and one more for each of `names`, which is a tuple or null, and
    /// all of it is kept alive for `'a`.
    pub(super) unsafe fn of_call(
        py: Python<'py>,
        values: *const *mut ffi::PyObject,
        positional: usize,
        names: *mut ffi::PyObject,
    ) -> Self {
        // SAFETY: the caller says so.
        let names = unsafe { Borrowed::from_ptr_or_opt(py, names) };
        // SAFETY: as above.
        let names = names.map(|names| unsafe { names.cast_unchecked::<PyTuple>() });
        let count = positional + names.as_ref().map_or(0, |names| names.len());
        let values = if count == 0 {
            &[]
        } else {
            // SAFETY: as above.
            unsafe { std::slice::from_raw_parts(values, count) }
        };
        Self {
            py,
            values,
            positional,
            names,
        }
    }

    /// The arguments for the parameters `names`, of which the first `positional` may be given without
    /// their names. None if the arguments do not fit; whether any is missing, the caller sees.
    #[inline]
    pub(crate) fn fit<const N: usize>(
        &self,
        positional: usize,
        names: [&Bound<'py, PyString>; N],
    ) -> Option<[Option<Borrowed<'a, 'py, PyAny>>; N]> {
        if self.positional > positional {
            return None;
        }
        let fitted = std::array::from_fn(|place| self.positional(place));
        if self.names.is_none() {
            return Some(fitted);
        }
        self.fit_named(fitted, names)
    }

    /// The arguments for the parameters `names`, each of which has to be given. None if the arguments do not fit. The
    /// names are asked for only if arguments were given by name.
    #[inline]
    pub(crate) fn all<'n, const N: usize>(
        &self,
        names: impl FnOnce() -> [&'n Bound<'py, PyString>; N],
    ) -> Option<[Borrowed<'a, 'py, PyAny>; N]>
    where
        'py: 'n,
    {
        if self.names.is_none() {
            let values: &[_; N] = self.values.try_into().ok()?;
            // SAFETY: the caller keeps its arguments alive until the call has ended.
            return Some(values.map(|value| unsafe { Borrowed::from_ptr(self.py, value) }));
        }
        let fitted = self.fit(N, names())?;
        let mut values = [(*fitted.first()?)?; N];
        for (value, given) in values.iter_mut().zip(fitted) {
            *value = given?;
        }
        Some(values)
    }

    /// Puts those arguments in their places that have names.
    #[inline(never)]
    fn fit_named<const N: usize>(
        &self,
        mut fitted: [Option<Borrowed<'a, 'py, PyAny>>; N],
        names: [&Bound<'py, PyString>; N],
    ) -> Option<[Option<Borrowed<'a, 'py, PyAny>>; N]> {
        for (place, name) in self.names.iter().flat_map(|given| given.iter()).enumerate() {
            let value = self.value(self.positional + place)?;
            let parameter = names.iter().position(|own| is_name(&name, own))?;
            let argument = fitted.get_mut(parameter)?;
            if argument.replace(value).is_some() {
                return None;
            }
        }
        Some(fitted)
    }

    fn value(&self, place: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        let value = self.values.get(place)?;
        // SAFETY: the caller keeps its arguments alive until the call has ended.
        Some(unsafe { Borrowed::from_ptr(self.py, *value) })
    }

    /// The positional argument in a place, counted from 0.
    #[inline]
    pub(crate) fn positional(&self, place: usize) -> Option<Borrowed<'a, 'py, PyAny>> {
        if place < self.positional {
            self.value(place)
        } else {
            None
        }
    }

    /// Whether arguments are given by name.
    #[inline]
    pub(crate) fn has_names(&self) -> bool {
        self.names.is_some()
    }

    /// How many arguments are positional.
    pub(crate) fn positional_count(&self) -> usize {
        self.positional
    }

    /// The positional arguments from a place on, if that are just so many.
    #[inline]
    pub(crate) fn just<const N: usize>(
        &self,
        begin: usize,
    ) -> Option<[Borrowed<'a, 'py, PyAny>; N]> {
        let values: &[_; N] = self.values.get(begin..self.positional)?.try_into().ok()?;
        // SAFETY: the caller keeps its arguments alive until the call has ended.
        Some(values.map(|value| unsafe { Borrowed::from_ptr(self.py, value) }))
    }

    /// The positional arguments from a place on.
    #[inline]
    pub(crate) fn rest(&self, begin: usize) -> PyResult<Bound<'py, PyTuple>> {
        let Some(rest) = self.values.get(begin..self.positional) else {
            return Ok(PyTuple::empty(self.py));
        };
        // SAFETY: the caller keeps its arguments alive until the call has ended.
        let borrow = |value: &*mut ffi::PyObject| unsafe { Borrowed::from_ptr(self.py, *value) };
        PyTuple::new(self.py, rest.iter().map(borrow))
    }

    /// Hands each keyword argument to `take`; what that refuses is returned in a dictionary.
    #[inline]
    pub(crate) fn keywords(
        &self,
        mut take: impl FnMut(&Bound<'py, PyAny>, Borrowed<'a, 'py, PyAny>) -> PyResult<bool>,
    ) -> PyResult<Option<Bound<'py, PyDict>>> {
        let Some(names) = &self.names else {
            return Ok(None);
        };
        let mut others = None;
        for (place, name) in names.iter().enumerate() {
            let Some(value) = self.value(self.positional + place) else {
                break;
            };
            if !take(&name, value)? {
                others
                    .get_or_insert_with(|| PyDict::new(self.py))
                    .set_item(name, value)?;
            }
        }
        Ok(others)
    }
}

/// Whether two names are the same; most are the very same object.
#[inline]
pub(crate) fn is_name(name: &Bound<'_, PyAny>, wanted: &Bound<'_, PyString>) -> bool {
    name.is(wanted) || name.eq(wanted).unwrap_or(false)
}

/// A method of `C`.
pub(crate) trait FastMethod<C> {
    /// Its name.
    const NAME: &'static CStr;
    /// Its signature and documentation, in the form that Python takes the signature from.
    const DOC: &'static CStr;
    /// Whether it lets go of no reference in PyO3's way (by dropping a `Py`), unless it fails for want of memory. PyO3 then
    /// need not be told that this thread is attached, which takes a tenth of what `call_soon` does outside of a run.
    #[inline]
    fn drops_nothing(_slf: &Bound<'_, C>) -> bool {
        false
    }
    /// What it does.
    fn call<'py>(slf: &Bound<'py, C>, arguments: &Arguments<'_, 'py>) -> PyResult<Py<PyAny>>;
}

/// Gives the class a method. To be called once for each, before anybody can subclass the class.
pub(crate) fn install<C: PyClass, M: FastMethod<C>>(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<C>();
    // The class refers to it for as long as the interpreter lives.
    let definition = Box::leak(Box::new(ffi::PyMethodDef {
        ml_name: M::NAME.as_ptr(),
        ml_meth: ffi::PyMethodDefPointer {
            PyCFunctionFastWithKeywords: trampoline::<C, M>,
        },
        ml_flags: ffi::METH_FASTCALL | ffi::METH_KEYWORDS,
        ml_doc: M::DOC.as_ptr(),
    }));
    // SAFETY: the class is alive, and the definition lives for ever.
    let method = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let method = unsafe { Bound::from_owned_ptr_or_err(py, method) }?;
    let name = M::NAME
        .to_str()
        .map_err(|error| PyTypeError::new_err(error.to_string()))?;
    class.setattr(name, method)
}

/// Makes the native methods with these names, which a class has from `native`, the class's own.
///
/// Python calls a method without a detour, and without a look through all that the class derives from, if it is one of the
/// object's very class: that is a tenth of what `call_soon` and the call take.
pub(crate) fn adopt(
    class: &Bound<'_, PyType>,
    native: &Bound<'_, PyType>,
    names: &[&CStr],
) -> PyResult<()> {
    for name in names {
        let name = PyString::from_bytes(class.py(), name.to_bytes())?;
        let method = native.getattr(&name)?;
        let Some(definition) = definition(&method) else {
            continue;
        };
        if class.getattr(&name)?.is(&method) {
            // SAFETY: the class is alive; the native class keeps the definition for as long as the interpreter lives.
            let own = unsafe { ffi::PyDescr_NewMethod(class.as_type_ptr(), definition) };
            // SAFETY: the call has returned a new object, or null with an error set.
            let own = unsafe { Bound::from_owned_ptr_or_err(class.py(), own) }?;
            class.setattr(&name, own)?;
        }
    }
    Ok(())
}

/// Whether two attributes of classes are the same native method, of whichever class it is.
pub(crate) fn is_same_method(a: &Bound<'_, PyAny>, b: &Bound<'_, PyAny>) -> bool {
    a.is(b) || definition(a).is_some_and(|definition_of_a| definition(b) == Some(definition_of_a))
}

/// What a native method was made from.
fn definition(method: &Bound<'_, PyAny>) -> Option<*mut ffi::PyMethodDef> {
    if method.get_type_ptr() != &raw mut ffi::PyMethodDescr_Type {
        return None;
    }
    let method = method.as_ptr().cast::<ffi::PyMethodDescrObject>();
    // SAFETY: the class was compared, and nobody changes the field.
    Some(unsafe { (*method).d_method })
}

unsafe extern "C" fn trampoline<C: PyClass, M: FastMethod<C>>(
    slf: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let call = |py: Python<'_>| {
        // SAFETY: the arguments are those that the interpreter calls with.
        unsafe { call_attached::<C, M>(py, slf, values, positional, names) }
    };
    // SAFETY: the interpreter calls methods with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter keeps the object alive during the call.
    let object = unsafe { Borrowed::from_ptr(py, slf) };
    // SAFETY: the descriptor of a method has checked the class of the object.
    let object = unsafe { object.cast_unchecked::<C>() };
    if M::drops_nothing(&object) {
        return call(py);
    }
    // SAFETY: as above.
    unsafe { attached(call) }
}

/// What a method's trampoline does.
///
/// # Safety
/// The arguments are those that the interpreter calls the method with.
#[inline]
unsafe fn call_attached<C: PyClass, M: FastMethod<C>>(
    py: Python<'_>,
    slf: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    positional: ffi::Py_ssize_t,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter keeps the object alive during the call.
    let slf = unsafe { Borrowed::from_ptr(py, slf) };
    // SAFETY: the descriptor of a method has checked the class of the object.
    let slf = unsafe { slf.cast_unchecked::<C>() };
    // SAFETY: these are the arguments of the call, which the interpreter keeps alive.
    let arguments = unsafe { Arguments::of_call(py, values, positional.unsigned_abs(), names) };
    let result = catch_unwind(AssertUnwindSafe(|| M::call(&slf, &arguments)))
        .unwrap_or_else(|_panic| Err(PanicException::new_err("a method failed")));
    match result {
        Ok(value) => value.into_ptr(),
        Err(error) => {
            error.restore(py);
            std::ptr::null_mut()
        }
    }
}
