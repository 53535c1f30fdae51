//! Functions that are native and look, to Python, like functions made by `def`.
//!
//! Each has a template: a Python function of the same signature whose body never runs. It gives the
//! name, the documentation, the annotations and the code object, by which `inspect.signature` knows the
//! parameters, `inspect.iscoroutinefunction` a coroutine function, and `unittest.mock` what to put in its place.
//! A call goes to the native implementation; one whose arguments do not fit goes to the template,
//! which refuses it with the very words of the interpreter.

use std::ffi::{c_int, c_uint};
use std::mem::{offset_of, size_of};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::exceptions::{PySystemError, PyTypeError};
use pyo3::ffi;
use pyo3::intern;
use pyo3::panic::PanicException;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

use super::attached::attached;
use super::fastcall::{Arguments, is_name};

/// What a native function does: None for arguments that do not fit its signature.
pub(crate) type Implementation =
    for<'a, 'py> fn(Python<'py>, &Arguments<'a, 'py>) -> PyResult<Option<Py<PyAny>>>;

/// What a native function does for one positional argument, if it can tell at once: None to have it called in the ordinary
/// way. Must not panic, and drops nothing.
pub(crate) type Shortcut = for<'a, 'py> fn(Borrowed<'a, 'py, PyAny>) -> Option<Py<PyAny>>;

// Part of Python's C-API, which PyO3 leaves out.
unsafe extern "C" {
    fn PyMethod_New(
        function: *mut ffi::PyObject,
        instance: *mut ffi::PyObject,
    ) -> *mut ffi::PyObject;
}

/// The memory of a function object. It is made once and never freed.
#[repr(C)]
struct Function {
    head: ffi::PyObject,
    body: Body,
}

/// What a function has beside what all objects have.
#[repr(C)]
struct Body {
    vectorcall: ffi::vectorcallfunc,
    implementation: Implementation,
    shortcut: Option<Shortcut>,
    /// Owned.
    template: *mut ffi::PyObject,
}

/// A function that is called natively and looks like `template`.
pub(crate) fn new<'py>(
    template: &Bound<'py, PyAny>,
    implementation: Implementation,
    shortcut: Option<Shortcut>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = template.py();
    let class = class(py)?.as_type_ptr();
    // SAFETY: the class is alive, and its instances have the size of `Function`.
    let object = unsafe { ffi::PyType_GenericAlloc(class, 0) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let object = unsafe { Bound::from_owned_ptr_or_err(py, object) }?;
    let function = object.as_ptr().cast::<Function>();
    // SAFETY: the object was just made with room for this.
    let body = unsafe { &raw mut (*function).body };
    let contents = Body {
        vectorcall: call,
        implementation,
        shortcut,
        template: template.clone().into_ptr(),
    };
    // SAFETY: as above, and nobody else knows the object.
    unsafe { body.write(contents) };
    // Functions live as long as the interpreter, as those of an extension module do.
    // SAFETY: the object is alive.
    unsafe { ffi::Py_INCREF(object.as_ptr()) };
    Ok(object)
}

/// Whether `function` is a native one that does this.
pub(crate) fn is_native(function: &Bound<'_, PyAny>, implementation: Implementation) -> bool {
    if !class(function.py()).is_ok_and(|class| function.get_type().is(class)) {
        return false;
    }
    // SAFETY: the class has just been checked, and the object is alive.
    let own = unsafe { (*function.as_ptr().cast::<Function>()).body.implementation };
    ptr::fn_addr_eq(own, implementation)
}

/// The class of the functions.
pub(crate) fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    CLASS
        .get_or_try_init(py, || make_class(py).map(Bound::unbind))
        .map(|class| class.bind(py))
}

fn make_class(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let size = |bytes: usize| {
        c_int::try_from(bytes).map_err(|error| PySystemError::new_err(error.to_string()))
    };
    let flags = ffi::Py_TPFLAGS_DEFAULT
        | ffi::Py_TPFLAGS_HAVE_VECTORCALL
        | ffi::Py_TPFLAGS_METHOD_DESCRIPTOR
        | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    // The class refers to these for as long as the interpreter lives.
    let members = Box::leak(Box::new([
        ffi::PyMemberDef {
            name: c"__vectorcalloffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset_of!(Function, body.vectorcall).cast_signed(),
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        ffi::PyMemberDef::default(),
    ]));
    let slot = |slot: c_int, pfunc: *mut std::ffi::c_void| ffi::PyType_Slot { slot, pfunc };
    let mut slots = [
        slot(ffi::Py_tp_members, members.as_mut_ptr().cast()),
        slot(ffi::Py_tp_call, ffi::PyVectorcall_Call as *mut _),
        slot(ffi::Py_tp_descr_get, bind as *mut _),
        slot(ffi::Py_tp_getattro, attribute as *mut _),
        slot(ffi::Py_tp_setattro, set_attribute as *mut _),
        slot(ffi::Py_tp_repr, repr as *mut _),
        slot(0, ptr::null_mut()),
    ];
    let mut spec = ffi::PyType_Spec {
        name: c"aioxide._core.NativeFunction".as_ptr(),
        basicsize: size(size_of::<Function>())?,
        itemsize: 0,
        flags: c_uint::try_from(flags)
            .map_err(|error| PySystemError::new_err(error.to_string()))?,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the specification is whole and ends with an empty slot; what outlives the call was leaked.
    let class = unsafe { ffi::PyType_FromSpec(&raw mut spec) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, class) }?;
    Ok(class.cast_into::<PyType>()?)
}

unsafe extern "C" fn call(
    function: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the arguments are those that the interpreter calls with.
    if let Some(result) = unsafe { call_at_once(function, values, count, names) } {
        return result.into_ptr();
    }
    let call = |py: Python<'_>| {
        // SAFETY: the arguments are those that the interpreter calls with.
        unsafe { call_attached(py, function, values, count, names) }
    };
    // SAFETY: the interpreter makes calls with the thread attached.
    unsafe { attached(call) }
}

/// Makes a call by the function's short cut, if it has one that is fit for it.
///
/// # Safety
/// The arguments are those of a vectorcall of a `Function`.
#[inline]
unsafe fn call_at_once(
    function: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> Option<Py<PyAny>> {
    // SAFETY: the slot is that of `Function`s only.
    let shortcut = unsafe { (*function.cast::<Function>()).body.shortcut }?;
    // SAFETY: the number was made by the caller for this purpose.
    if unsafe { ffi::PyVectorcall_NARGS(count) } != 1 || !names.is_null() {
        return None;
    }
    // SAFETY: the interpreter makes calls with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: there is one argument.
    let argument = unsafe { values.read() };
    // SAFETY: the caller keeps it alive during the call.
    let argument = unsafe { Borrowed::from_ptr(py, argument) };
    shortcut(argument)
}

/// What `call` does.
///
/// # Safety
/// The arguments are those of a vectorcall of a `Function`.
#[inline]
unsafe fn call_attached(
    py: Python<'_>,
    function: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the slot is that of `Function`s only.
    let implementation = unsafe { (*function.cast::<Function>()).body.implementation };
    // SAFETY: the number was made by the caller for this purpose.
    let positional = unsafe { ffi::PyVectorcall_NARGS(count) };
    // SAFETY: these are the arguments of a vectorcall, which its caller keeps alive.
    let arguments = unsafe { Arguments::of_call(py, values, positional.unsigned_abs(), names) };
    let result = catch_unwind(AssertUnwindSafe(|| implementation(py, &arguments)))
        .unwrap_or_else(|_panic| Err(PanicException::new_err("a function failed")));
    match result {
        Ok(Some(value)) => value.into_ptr(),
        // SAFETY: the arguments go on as they came.
        Ok(None) => unsafe { refuse(py, function, values, count, names) },
        Err(error) => {
            error.restore(py);
            ptr::null_mut()
        }
    }
}

/// Has the template refuse a call.
///
/// # Safety
/// The arguments are those of a vectorcall of a `Function`.
#[cold]
unsafe fn refuse(
    py: Python<'_>,
    function: *mut ffi::PyObject,
    values: *const *mut ffi::PyObject,
    count: usize,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the caller says that this is one.
    let template = unsafe { (*function.cast::<Function>()).body.template };
    // SAFETY: the caller vouches for the arguments.
    let result = unsafe { ffi::PyObject_Vectorcall(template, values, count, names) };
    // SAFETY: the call has returned a new object, or null with an error set.
    let error = match unsafe { Bound::from_owned_ptr_or_err(py, result) } {
        Err(error) => error,
        Ok(accepted) => {
            // A coroutine that nobody will await.
            drop(accepted.call_method0("close"));
            PyTypeError::new_err("the arguments do not fit the function")
        }
    };
    error.restore(py);
    ptr::null_mut()
}

unsafe extern "C" fn bind(
    function: *mut ffi::PyObject,
    instance: *mut ffi::PyObject,
    _class: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    if instance.is_null() {
        // SAFETY: the interpreter hands us an object that is alive during the call.
        return unsafe { ffi::Py_NewRef(function) };
    }
    // SAFETY: as above, for both.
    unsafe { PyMethod_New(function, instance) }
}

/// What belongs to the function itself: all else is asked of the template.
fn is_own(py: Python<'_>, name: &Bound<'_, PyAny>) -> bool {
    is_name(name, intern!(py, "__call__")) || is_name(name, intern!(py, "__get__"))
}

unsafe extern "C" fn attribute(
    function: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: the interpreter calls slots with the thread attached.
    let py = unsafe { Python::assume_attached() };
    // SAFETY: the interpreter keeps the name alive during the call.
    let asked = unsafe { Borrowed::from_ptr(py, name) };
    if is_own(py, &asked) {
        // SAFETY: both are alive during the call.
        return unsafe { ffi::PyObject_GenericGetAttr(function, name) };
    }
    // SAFETY: the slot is that of `Function`s only.
    let template = unsafe { (*function.cast::<Function>()).body.template };
    // SAFETY: both are alive during the call.
    unsafe { ffi::PyObject_GetAttr(template, name) }
}

unsafe extern "C" fn set_attribute(
    function: *mut ffi::PyObject,
    name: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: the slot is that of `Function`s only.
    let template = unsafe { (*function.cast::<Function>()).body.template };
    // SAFETY: all are alive during the call; a value that is null means to delete.
    unsafe { ffi::PyObject_SetAttr(template, name, value) }
}

unsafe extern "C" fn repr(function: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: the slot is that of `Function`s only.
    let template = unsafe { (*function.cast::<Function>()).body.template };
    // SAFETY: it is alive as long as the function.
    unsafe { ffi::PyObject_Repr(template) }
}
